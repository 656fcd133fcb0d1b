package order

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// tallying is sweeps over values, and weights, outside memory. Counts are taken
// tile by tile in any order. Sums of weights depend on the order, in which a part's
// elements are: the parts are the rows of a matrix, and its tiles go on along them.
type tallying struct {
	c       *kernels.Call
	n       int
	parts   int
	weights int   // the operand, or -1
	edges   int   // likewise
	extent  bool  // the extent of the values is asked for
	scratch int64 // bytes that the computation takes
	out     ndarray.Layout

	values      *stream.Tiling    // for counts and the extent
	packs       [2]*stream.Tiling // copy values and weights, where they do not lie along one axis
	from        [2]ndarray.Layout // values and weights, along one axis
	matrix, row *stream.Tiling    // of parts of equal length, and the last one
	mem         int64             // of the sweeps
}

// plan plans the sweeps within mem bytes, of which tables, output and edges are
// taken off first. The error is a *stream.NoMemError.
func (t *tallying) plan(out kernels.OutSpec, mem int64, run func(x *kernels.Exec) error) (*kernels.Streamed, error) {
	t.out = stream.Output(t.c, 0, out)
	fixed := t.scratch + int64(stream.SinkSize(t.out)) + pack.Slack
	if t.edges >= 0 {
		fixed += int64(stream.SourceSize(t.c.In[t.edges].Layout))
	}
	s := &kernels.Streamed{Run: run, Moved: float64(t.out.Bytes())}
	if t.edges >= 0 {
		s.Moved += float64(t.c.In[t.edges].Layout.Bytes())
	}
	if err := t.sweeps(s, mem-fixed); err != nil {
		return nil, pack.Beside(err, fixed)
	}
	s.Mem = t.mem + fixed
	return s, nil
}

// sweeps plans the tilings within mem bytes each, beside the slack for them.
func (t *tallying) sweeps(s *kernels.Streamed, mem int64) error {
	in := t.c.In[0].Layout
	var errValues, errMatrix, errRow error
	var errPacks [2]error
	if t.extent || t.weights < 0 {
		t.values, errValues = stream.NewTiling(in.Shape, []stream.Operand{{Layout: in, Load: true}}, mem, stream.Cuts{})
	}
	if t.weights >= 0 {
		for i, operand := range []int{0, t.weights} {
			l := t.c.In[operand].Layout
			if t.from[i] = line(l); l.Collapse().Rank() > 1 {
				t.packs[i], errPacks[i] = pack.Plan(ndarray.NewLayout(l.DType, l.Shape...), l, mem+pack.Slack)
				errPacks[i] = pack.Beside(errPacks[i], -pack.Slack)
				s.Temp += int64(l.Bytes())
			}
		}
		per := (t.n + t.parts - 1) / t.parts
		t.matrix, errMatrix = t.weighted(func(l ndarray.Layout) ndarray.Layout { return matrix(l, t.parts-1, per) }, mem)
		t.row, errRow = t.weighted(func(l ndarray.Layout) ndarray.Layout { return l.Range(0, (t.parts-1)*per, t.n) }, mem)
	}
	if err := pack.Refusal(mem, errValues, errPacks[0], errPacks[1], errMatrix, errRow); err != nil {
		return err
	}
	sweeps := 0
	for i, g := range []*stream.Tiling{t.values, t.packs[0], t.packs[1], t.matrix, t.row} {
		if g == nil {
			continue
		}
		t.mem = max(t.mem, g.Mem)
		s.Moved += g.Moved()
		s.Apart += g.Apart()
		if i == 0 && t.extent && t.weights < 0 {
			s.Moved += g.Moved() // twice
			s.Apart += g.Apart()
			sweeps++
		}
		if g != t.row && g != t.packs[1] { // the others go over a part, or over the weights
			sweeps++
		}
		s.Explain = append(s.Explain, g.Explain()...)
	}
	s.Explain = append(s.Explain, stream.Passes(sweeps))
	return nil
}

// weighted plans a sweep over views of values and weights.
func (t *tallying) weighted(view func(ndarray.Layout) ndarray.Layout, mem int64) (*stream.Tiling, error) {
	a, b := view(t.from[0]), view(t.from[1])
	return stream.NewTiling(a.Shape, []stream.Operand{{Layout: a, Load: true}, {Layout: b, Load: true}}, mem, stream.Cuts{})
}

// line is a layout as one axis: its own if that is how the elements lie, else that
// of a packed copy.
func line(l ndarray.Layout) ndarray.Layout {
	c := l.Collapse()
	switch c.Rank() {
	case 0:
		c.Shape, c.Strides = []int{1}, []int{l.DType.Size()}
	case 1:
	default:
		return ndarray.NewLayout(l.DType, l.Len())
	}
	return c
}

// matrix is the first rows·n elements of a line as rows of n.
func matrix(l ndarray.Layout, rows, n int) ndarray.Layout {
	l.Shape, l.Strides = []int{rows, n}, []int{n * l.Strides[0], l.Strides[0]}
	return l
}

// run computes with an Exec that has the edges and the output in memory, and
// sweeps; then it writes the output.
func (t *tallying) run(x *kernels.Exec, compute func(part *kernels.Exec, r *tallyRun) error) (err error) {
	f := stream.NewFlight(x)
	defer func() { err = f.End(err) }()
	r := &tallyRun{tallying: t, x: x, slab: scratch.NewSlab(x.Mem.Alloc(int(t.mem) + pack.Slack))}
	part := &kernels.Exec{Ctx: x.Ctx, W: x.W, Mem: x.Mem, In: make([]ndarray.Array, len(x.Src))}
	if t.edges >= 0 {
		s := x.Src[t.edges]
		edges := stream.Source(s, x.Mem.Alloc(stream.SourceSize(s.Layout)))
		if err := f.Load(&edges).Wait(); err != nil {
			return err
		}
		part.In[t.edges] = edges.Array
	}
	sink := stream.Sink(x.Dst[0], x.Mem.Alloc(stream.SinkSize(t.out)))
	part.Out = []ndarray.Array{sink.Array}
	if err := compute(part, r); err != nil {
		return err
	}
	return f.Store(&sink).Wait()
}

// tallyRun is sweeps under way.
type tallyRun struct {
	*tallying
	x    *kernels.Exec
	slab *scratch.Slab
}

// tiles takes body over the tiles of a tiling.
func (r *tallyRun) tiles(t *stream.Tiling, stored []kernels.Stored, body func(tile *stream.Tile) error) error {
	r.slab.Reset()
	return t.Run(&kernels.Exec{Ctx: r.x.Ctx, W: r.x.W, Mem: r.slab}, stored, body)
}

// eachTile takes body over the values.
func (r *tallyRun) eachTile(body func(a ndarray.Array) error) error {
	return r.tiles(r.values, r.x.Src[:1], func(tile *stream.Tile) error { return body(tile.Arrays[0]) })
}

// sweep implements sweep.
func (r *tallyRun) sweep(add adder) error {
	if r.weights < 0 {
		return r.eachTile(func(a ndarray.Array) error { return sweepParts(r.x.W, r.parts, a, ndarray.Array{})(add) })
	}
	var from [2]kernels.Stored
	for i, operand := range []int{0, r.weights} {
		from[i] = r.x.Src[operand]
		if r.packs[i] != nil {
			all, err := pack.Temp(r.x, ndarray.NewLayout(from[i].Layout.DType, from[i].Layout.Shape...))
			if err != nil {
				return err
			}
			if err := pack.Run(r.x, r.slab, r.packs[i], all, from[i]); err != nil {
				return err
			}
			from[i] = all
		}
		from[i].Layout = line(from[i].Layout)
	}
	return r.sweepWeighted(from, add)
}

// sweepWeighted goes along the parts: those of equal length side by side, then the
// last one.
func (r *tallyRun) sweepWeighted(from [2]kernels.Stored, add adder) error {
	per := (r.n + r.parts - 1) / r.parts
	var rows, last []kernels.Stored
	for _, s := range from {
		rows = append(rows, kernels.Stored{Blob: s.Blob, Layout: matrix(s.Layout, r.parts-1, per)})
		last = append(last, stream.Range(s, 0, (r.parts-1)*per, r.n))
	}
	err := r.tiles(r.matrix, rows, func(tile *stream.Tile) error {
		var first firstError
		values, weights := tile.Arrays[0], tile.Arrays[1]
		err := r.x.W.For(values.Shape[0], 1, func(w *pool.Worker, lo, hi int) {
			for i := lo; i < hi; i++ {
				first.set(sweepPart(w, add, tile.Lo[0]+i, values.Index(i), weights.Index(i), 0, values.Shape[1]))
			}
		})
		if err == nil {
			err = first.err
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.tiles(r.row, last, func(tile *stream.Tile) error {
		values := tile.Arrays[0]
		return sweepPart(r.x.W, add, r.parts-1, values, tile.Arrays[1], 0, values.Len())
	})
}

// stream plans a histogram of values outside memory.
func (h *histogram) stream(out kernels.OutSpec, mem int64) (*kernels.Streamed, error) {
	t := &tallying{c: h.c, n: h.n, parts: h.parts, weights: h.weights, edges: h.edges, extent: h.edges < 0 && !h.ranged, scratch: h.scratch()}
	return t.plan(out, mem, func(x *kernels.Exec) error {
		return t.run(x, func(part *kernels.Exec, r *tallyRun) error {
			return h.compute(part, r.sweep, func() (low, high float64, err error) {
				e, bounds := emptyExtent, h.bounds(x.Mem)
				err = r.eachTile(func(a ndarray.Array) error { return extend(x.W, &e, a, bounds) })
				if err != nil {
					return 0, 0, err
				}
				return h.finite(e)
			})
		})
	})
}

// stream plans a bincount of values outside memory.
func (b bincount) stream(out kernels.OutSpec, mem int64) (*kernels.Streamed, error) {
	t := &tallying{c: b.c, n: b.n, parts: b.parts, weights: b.weights, edges: -1, scratch: b.scratch()}
	return t.plan(out, mem, func(x *kernels.Exec) error {
		return t.run(x, func(part *kernels.Exec, r *tallyRun) error { return b.run(part, r.sweep) })
	})
}
