package reduce

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// softmaxStream is a softmax of an array outside memory: of tiles of whole lines
// as in core; or in three sweeps over chunks of them, if not even few lines fit, or
// if tiles of whole lines would be of short runs, as those along the first axis are.
type softmaxStream struct {
	lines
	class     ndarray.DType
	logarithm bool
	t         *stream.Tiling
	chunks    int // a line's
	workers   int
	places    [2]softmaxPlace
}

// softmaxPlace is a chunk in memory, and its results.
type softmaxPlace struct {
	rooms   [2][]byte
	in, out stream.Piece
}

func planSoftmaxStream(c *kernels.Call, p *kernels.Plan, g *geometry, class ndarray.DType, logarithm bool, mem int64) (*kernels.Streamed, error) {
	s := &softmaxStream{lines: lines{g, len(g.axes)}, class: class, logarithm: logarithm, workers: scratch.Workers(c, 1<<30)}
	in, out := s.order(c.In[0].Layout), s.order(stream.Output(c, 0, p.Out[0]))
	ops := []stream.Operand{{Layout: in, Load: true}, {Layout: out, Store: true}}
	chunked := *s
	return pack.CheapestOf(mem,
		func(mem int64) (*kernels.Streamed, error) { return s.planTiles(in.Shape, ops, mem) },
		func(mem int64) (*kernels.Streamed, error) { return chunked.planChunks(in.Shape, ops, mem) })
}

// planTiles plans tiles of whole lines.
func (s *softmaxStream) planTiles(shape []int, ops []stream.Operand, mem int64) (plan *kernels.Streamed, err error) {
	s.t, err = stream.NewTiling(shape, ops, mem, stream.Cuts{Whole: s.wholeLast(true), Scratch: func(extents []int) int64 {
		return int64(s.workers * s.lane(extents))
	}})
	if err != nil {
		return nil, err
	}
	return s.t.Streamed(s.runTiles), nil
}

// planChunks plans sweeps over chunks of lines; nil for lines too short for it.
func (s *softmaxStream) planChunks(shape []int, ops []stream.Operand, mem int64) (plan *kernels.Streamed, err error) {
	cuts := stream.Cuts{Scratch: s.scratch}
	if s.g.k == 0 {
		return nil, nil
	}
	if s.g.inner {
		if s.g.k <= keptLine {
			return nil, nil
		}
		cuts.Unit = s.units(block)
	}
	if s.t, err = stream.NewTiling(shape, ops, mem, cuts); err != nil {
		return nil, err
	}
	s.chunks = ceil(s.g.k, s.t.Extents[s.rank-1])
	plan = s.t.Streamed(s.runChunks)
	moved, apart := readTraffic(s.t, ops[0])
	plan.Moved, plan.Apart = plan.Moved+2*moved, plan.Apart+2*apart
	plan.Explain = append(s.t.Explain(), stream.Passes(3))
	return plan, nil
}

// lane is the bytes of a worker's lane for a tile.
func (s *softmaxStream) lane(extents []int) int {
	g := s.tile(extents)
	if g.inner {
		g.k = s.g.k // for the step
	}
	return softmaxLane(&g, s.class)
}

// scratch is the bytes of lanes, and of the greatest elements and the sums of
// lines.
func (s *softmaxStream) scratch(extents []int) int64 {
	g := s.tile(extents)
	return int64(s.workers*s.lane(extents) + scratch.Round(g.outputs()*softmaxSize(s.class)) + scratch.Size[float64](g.outputs()))
}

// softmax is the one that a run's tiles share.
func (s *softmaxStream) softmax(x *kernels.Exec) *softmax {
	return &softmax{scan: scan{w: x.W, lanes: scratch.NewLanes(x.Mem, s.lane(s.t.Extents), s.workers)}, logarithm: s.logarithm, step: softmaxStep(s.g)}
}

func (s *softmaxStream) stored(x *kernels.Exec) (src, dst kernels.Stored) {
	src, dst = x.Src[0], x.Dst[0]
	src.Layout, dst.Layout = s.order(src.Layout), s.order(dst.Layout)
	return src, dst
}

// extents are those of a box.
func extents(lo, hi []int) []int {
	e := make([]int, len(lo))
	for i := range lo {
		e[i] = hi[i] - lo[i]
	}
	return e
}

func (s *softmaxStream) runTiles(x *kernels.Exec) error {
	m := s.softmax(x)
	src, dst := s.stored(x)
	return s.t.Run(x, []kernels.Stored{src, dst}, func(tile *stream.Tile) error {
		m.g = s.tile(extents(tile.Lo, tile.Hi))
		m.in, m.out = s.back(tile.Arrays[0]), s.back(tile.Arrays[1])
		return m.run(s.class)
	})
}

// runChunks takes three steps for each chunk of a tile's lines: all chunks for the
// greatest element, all for the sum, all for the results.
func (s *softmaxStream) runChunks(x *kernels.Exec) error {
	m := s.softmax(x)
	src, dst := s.stored(x)
	full := s.tile(s.t.Extents)
	m.greatest, m.sums = x.Mem.Alloc(full.outputs()*softmaxSize(s.class)), x.Mem.Alloc(scratch.Size[float64](full.outputs()))
	for i := range s.places {
		l, k := src.Layout, dst.Layout
		l.Shape, k.Shape = s.t.Extents, s.t.Extents
		s.places[i].rooms = [2][]byte{x.Mem.Alloc(stream.SourceSize(l)), x.Mem.Alloc(stream.SinkSize(k))}
	}
	steps := stream.Steps{N: 3 * s.t.Tiles(), Load: func(f *stream.Flight, i int) []*stream.Move {
		p := &s.places[i%2]
		lo, hi := s.box(i)
		p.in = stream.Source(stream.Box(src, lo, hi), p.rooms[0])
		return []*stream.Move{f.Load(&p.in)}
	}, Compute: func(i int) error {
		p := &s.places[i%2]
		lo, hi := s.box(i)
		p.out = stream.Sink(stream.Box(dst, lo, hi), p.rooms[1])
		m.g, m.part, m.begun = s.tile(extents(lo, hi)), s.part(i), lo[s.rank-1] > 0
		m.in, m.out = s.back(p.in.Array), s.back(p.out.Array)
		return m.run(s.class)
	}, Store: func(f *stream.Flight, i int) []*stream.Move {
		if s.part(i) != partOut {
			return nil
		}
		return []*stream.Move{f.Store(&s.places[i%2].out)}
	}}
	return steps.Run(x)
}

// part is what step i does.
func (s *softmaxStream) part(i int) part { return partGreatest + part(i/s.chunks%3) }

// box is the chunk of step i.
func (s *softmaxStream) box(i int) (lo, hi []int) {
	return s.t.Box(i/(3*s.chunks)*s.chunks + i%s.chunks)
}
