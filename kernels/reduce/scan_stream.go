package reduce

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// scanStream is a scan of an array outside memory: a chunk of lines begins with
// what the one before it ended with.
type scanStream struct {
	lines
	c       *kernels.Call
	class   ndarray.DType
	product bool
	packed  *stream.Tiling // copies the input, if a scan over all elements does not find them along one axis
	from    ndarray.Layout // what is scanned, before it is ordered
	t       *stream.Tiling
	workers int
}

// planScanStream plans a scan of lines of the geometry g, or over all elements in
// C order, within mem bytes.
func planScanStream(c *kernels.Call, p *kernels.Plan, g *geometry, class ndarray.DType, flat, product bool, mem int64) (*kernels.Streamed, error) {
	s := &scanStream{lines: lines{g, len(g.axes)}, c: c, class: class, product: product, from: c.In[0].Layout, workers: scratch.Workers(c, 1<<30)}
	var errPacked error
	if flat {
		s.from = s.from.Collapse()
		if s.from.Rank() > 1 {
			s.packed, errPacked = pack.Plan(ndarray.NewLayout(s.from.DType, s.from.Shape...), s.from, mem)
			s.from = ndarray.NewLayout(s.from.DType, g.k)
		}
		if s.from.Rank() == 0 {
			s.from.Shape, s.from.Strides = []int{1}, []int{s.from.DType.Size()}
		}
	}
	in, out := s.order(s.from), s.order(stream.Output(c, 0, p.Out[0]))
	cuts := stream.Cuts{Scratch: s.scratch, Whole: s.wholeLast(g.inner && g.k <= pieceElements)}
	if g.inner {
		cuts.Unit = s.units(pieceElements)
	}
	var err error
	s.t, err = stream.NewTiling(in.Shape, []stream.Operand{{Layout: in, Load: true}, {Layout: out, Store: true}}, mem-pack.Slack, cuts)
	if err := pack.Refusal(mem, errPacked, pack.Beside(err, pack.Slack)); err != nil {
		return nil, err
	}
	plan, passes := s.t.Streamed(s.run), 1
	if plan.Mem += pack.Slack; s.packed != nil {
		plan.Mem = max(plan.Mem, s.packed.Mem+pack.Slack)
		plan.Moved += s.packed.Moved()
		plan.Apart += s.packed.Apart()
		plan.Temp = int64(s.from.Bytes())
		passes++
	}
	plan.Explain = append(s.t.Explain(), stream.Passes(passes))
	return plan, nil
}

// scratch is the bytes of lanes, of what is before pieces, and of what is before
// chunks.
func (s *scanStream) scratch(extents []int) int64 {
	g, size := s.tile(extents), scanType(s.class).Size()
	lane, before := scanMemory(&g, size)
	if g.inner && s.g.k > pieceElements {
		before = scratch.Round(g.o * ceil(g.k, pieceElements) * size)
	}
	return int64(s.workers*scratch.Round(lane) + before + scratch.Round(g.outputs()*size))
}

func (s *scanStream) run(x *kernels.Exec) error {
	mem := s.t.Mem
	if s.packed != nil {
		mem = max(mem, s.packed.Mem)
	}
	slab := scratch.NewSlab(x.Mem.Alloc(int(mem) + pack.Slack))
	src, dst := x.Src[0], x.Dst[0]
	if s.packed != nil {
		all, err := pack.Temp(x, ndarray.NewLayout(src.Layout.DType, s.packed.Shape...))
		if err != nil {
			return err
		}
		src.Layout = src.Layout.Collapse()
		if err := pack.Run(x, slab, s.packed, all, src); err != nil {
			return err
		}
		src = all
	}
	src.Layout, dst.Layout = s.order(at(s.from, src.Layout)), s.order(dst.Layout)
	return s.tiles(x, slab, src, dst)
}

// at is a layout at the place of another.
func at(l, place ndarray.Layout) ndarray.Layout {
	l.Offset = place.Offset
	return l
}

// tiles scans tile by tile.
func (s *scanStream) tiles(x *kernels.Exec, slab *scratch.Slab, src, dst kernels.Stored) error {
	slab.Reset()
	g, size := s.tile(s.t.Extents), scanType(s.class).Size()
	lane, before := scanMemory(&g, size)
	if g.inner && s.g.k > pieceElements {
		before = g.o * ceil(g.k, pieceElements) * size
	}
	sc := &scan{w: x.W, lanes: scratch.NewLanes(slab, lane, s.workers), before: slab.Alloc(before), carry: slab.Alloc(g.outputs() * size)}
	part := &kernels.Exec{Ctx: x.Ctx, W: x.W, Mem: slab}
	return s.t.Run(part, []kernels.Stored{src, dst}, func(tile *stream.Tile) error {
		sc.in, sc.out = s.back(tile.Arrays[0]), s.back(tile.Arrays[1])
		sc.begun = tile.Lo[s.rank-1] > 0
		sc.g = s.tile(extents(tile.Lo, tile.Hi))
		return runScan(sc, s.class, s.product)
	})
}
