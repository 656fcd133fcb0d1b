package vec

import (
	"errors"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// pass is an assignment, or half of one, outside memory. All but run are
// figures of the plan; run allocates at most mem bytes from x.Mem.
type pass interface {
	mem() int64
	moved() float64
	apart() float64
	temp() int64 // bytes of temporary space
	explain() []kernels.Entry
	run(x *kernels.Exec, to, from kernels.Stored) error
}

// stream plans the assignments for arrays outside memory. v makes them again
// for where the arrays lie in the end. All passes have the same memory in turn,
// so the least that would do is the greatest need of any of them. `explain`
// shows all passes in order, those in a row that are told alike once.
func (a assignments) stream(v views, mem int64) (*kernels.Streamed, error) {
	var passes []pass
	s := &kernels.Streamed{}
	var short *stream.NoMemError
	for _, one := range a.list {
		p, err := planPass(one, mem)
		if e := (*stream.NoMemError)(nil); errors.As(err, &e) {
			if short == nil || e.Least > short.Least {
				short = e
			}
			continue
		} else if err != nil {
			return nil, err
		}
		passes = append(passes, p)
		s.Mem = max(s.Mem, p.mem())
		s.Moved += p.moved()
		s.Apart += p.apart()
		s.Temp += p.temp()
		if told := p.explain(); len(passes) == 1 || !slices.Equal(told, passes[len(passes)-2].explain()) {
			s.Explain = append(s.Explain, told...)
		}
	}
	if short != nil {
		return nil, short
	}
	for _, n := range a.temps {
		s.Temp += n
	}
	s.Explain = append(s.Explain, stream.Passes(len(passes)))
	s.Run = func(x *kernels.Exec) error { return runPasses(x, v, passes, s.Mem) }
	return s, nil
}

// runPasses makes the assignments, each by its pass, in the same memory. A pass
// that writes a temporary array has stored all of it when the next one begins.
func runPasses(x *kernels.Exec, v views, passes []pass, mem int64) error {
	var in []ndarray.Layout
	at := map[place]kernels.Blob{output: x.Dst[0].Blob}
	for i, s := range x.Src {
		in = append(in, s.Layout)
		at[place(i)] = s.Blob
	}
	a := v(in, x.Dst[0].Layout)
	for i, n := range a.temps {
		b, err := x.Temp(n)
		if err != nil {
			return err
		}
		at[temp0-place(i)] = b
	}
	arena := stream.NewArena(x.Mem, mem)
	for i, one := range a.list {
		arena.Reset()
		to, from := kernels.Stored{Blob: at[one.to], Layout: one.dst}, kernels.Stored{Blob: at[one.from], Layout: one.src}
		if err := passes[i].run(arena.Exec(x), to, from); err != nil {
			return err
		}
	}
	return nil
}

// planPass is the cheapest way to make an assignment: tiles, or two passes
// where these cost less. The error is a *stream.NoMemError if mem is too little
// for one.
func planPass(a assignment, mem int64) (pass, error) {
	t, err := stream.NewTiling(a.dst.Shape, []stream.Operand{{Layout: a.src, Load: true}, {Layout: a.dst, Store: true}}, mem, stream.Cuts{})
	if err != nil {
		return nil, err
	}
	if e := newExchange(a, mem, tiled{t}); e != nil && e.cost() < t.Cost() {
		return e, nil
	}
	return tiled{t}, nil
}

// tiled copies tile by tile.
type tiled struct{ t *stream.Tiling }

// mem and the others implement pass.
func (p tiled) mem() int64               { return p.t.Mem }
func (p tiled) moved() float64           { return p.t.Moved() }
func (p tiled) apart() float64           { return p.t.Apart() }
func (p tiled) temp() int64              { return 0 }
func (p tiled) explain() []kernels.Entry { return p.t.Explain() }

func (p tiled) run(x *kernels.Exec, to, from kernels.Stored) error {
	return p.t.Run(x, []kernels.Stored{from, to}, func(t *stream.Tile) error {
		return move.Copy(x.W, t.Arrays[1], t.Arrays[0])
	})
}

// sunk gives a plan that only writes its output a streamed run: fill makes a
// tile, all of it. view is how it sees the output, and may not move its
// elements. It returns p.
func sunk(c *kernels.Call, p *kernels.Plan, view func(ndarray.Array) ndarray.Array, fill func(w *pool.Worker, t *stream.Tile) error) *kernels.Plan {
	see := func(l ndarray.Layout) ndarray.Layout { return view(ndarray.Array{Layout: l}).Layout }
	out := see(stream.Output(c, 0, p.Out[0]))
	p.Stream = func(mem int64) (*kernels.Streamed, error) {
		t, err := stream.NewTiling(out.Shape, []stream.Operand{{Layout: out, Store: true}}, mem, stream.Cuts{})
		if err != nil {
			return nil, err
		}
		return t.Streamed(func(x *kernels.Exec) error {
			to := kernels.Stored{Blob: x.Dst[0].Blob, Layout: see(x.Dst[0].Layout)}
			return t.Run(x, []kernels.Stored{to}, func(t *stream.Tile) error { return fill(x.W, t) })
		}), nil
	}
	return p
}

// asIs is the view that is the array.
func asIs(a ndarray.Array) ndarray.Array { return a }

// generated is sunk for a plan that runs generate.
func generated(c *kernels.Call, p *kernels.Plan, view func(ndarray.Array) ndarray.Array, via ndarray.DType, fill generator) *kernels.Plan {
	shape := view(ndarray.Array{Layout: ndarray.NewLayout(p.Out[0].DType, p.Out[0].Shape...)}).Shape
	return sunk(c, p, view, func(w *pool.Worker, t *stream.Tile) error { return generateTile(w, t, shape, via, fill) })
}

// generateTile is generate for a tile of an array of a shape. Consecutive
// elements are those of the axes that the tile has whole, and of the one before.
func generateTile(w *pool.Worker, t *stream.Tile, shape []int, via ndarray.DType, fill generator) error {
	out := t.Arrays[0]
	axis := max(0, len(shape)-1)
	for axis > 0 && t.Hi[axis]-t.Lo[axis] == shape[axis] {
		axis--
	}
	strides := ndarray.CStrides(ndarray.U8, shape)
	rows, row := move.NewBlocks(out.Shape[:axis], 1), move.NewBlocks(out.Shape[axis:], blockElements)
	grain := max(1, pieceBlocks*blockElements/row.Size())
	return w.For(rows.Count()*row.Count(), grain, func(_ *pool.Worker, lo, hi int) {
		var tmp ndarray.Array
		for i := lo; i < hi; i++ {
			part, first := out, 0
			left := i / row.Count()
			for k := axis - 1; k >= 0; k-- {
				n := left % out.Shape[k]
				left /= out.Shape[k]
				part.Offset += n * out.Strides[k]
				first += (t.Lo[k] + n) * strides[k]
			}
			if axis < len(shape) {
				first += t.Lo[axis] * strides[axis]
			}
			part.Shape, part.Strides = out.Shape[axis:], out.Strides[axis:]
			tmp = makeBlock(row.Cut(part, i%row.Count()), first+row.First(i%row.Count()), row.Size(), tmp, via, fill)
		}
	})
}
