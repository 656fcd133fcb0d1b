package vec

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// A kernel that moves elements is a list of assignments: copies of a view of
// one array to a view of another. The same list is run in core and streamed.

// place names an array of an assignment: an input by its number, the output, or
// a temporary array, counted down from temp0.
type place int

// The places that are no inputs.
const (
	output place = -1
	temp0  place = -2
	temp1  place = -3
)

// assignment is dst = src, element by element, converted. The shapes are equal.
// dst and src are layouts in the arrays named by to and from, and do not
// overlap.
type assignment struct {
	to, from place
	dst, src ndarray.Layout
}

// assignments are done in order: a later one may read what an earlier one
// wrote. temps are the bytes of temp0, temp1, of which there are two at the
// most; in core they are scratch, streamed they are temporary space.
type assignments struct {
	list  []assignment
	temps []int64
}

// views makes the assignments for arrays of those layouts. It is a function of
// them alone, and its list may differ with an offset in nothing but offsets.
type views func(in []ndarray.Layout, out ndarray.Layout) assignments

// one is the assignment of a view of the only input to the whole output.
func one(view func(ndarray.Layout) ndarray.Layout) views {
	return func(in []ndarray.Layout, out ndarray.Layout) assignments {
		return assignments{list: []assignment{{output, 0, out, view(in[0])}}}
	}
}

// moving is the plan of a kernel that makes assignments: one output of that
// type and shape, bytes as its cost. The scratch of a plan is the temporary
// arrays'.
func moving(c *kernels.Call, d ndarray.DType, shape []int, bytes float64, v views) *kernels.Plan {
	p := single(d, shape, bytes, func(x *kernels.Exec) error {
		var in []ndarray.Layout
		for _, a := range x.In {
			in = append(in, a.Layout)
		}
		return v(in, x.Out[0].Layout).run(x)
	})
	var in []ndarray.Layout
	for i := range c.In {
		in = append(in, c.In[i].Layout)
	}
	known := v(in, stream.Output(c, 0, p.Out[0]))
	for _, n := range known.temps {
		p.Cost.Scratch += n
	}
	p.Stream = func(mem int64) (*kernels.Streamed, error) { return known.stream(v, mem) }
	return p
}

// run makes the assignments in core. Each is parallel by itself; the next
// begins when it has ended.
func (a assignments) run(x *kernels.Exec) error {
	at := map[place][]byte{output: x.Out[0].Data}
	for i, in := range x.In {
		at[place(i)] = in.Data
	}
	for i, n := range a.temps {
		at[temp0-place(i)] = x.Mem.Alloc(int(n))
	}
	for _, s := range a.list {
		err := move.Copy(x.W, ndarray.Array{Layout: s.dst, Data: at[s.to]}, ndarray.Array{Layout: s.src, Data: at[s.from]})
		if err != nil {
			return err
		}
	}
	return nil
}

// reshaped assigns src, seen from place from, to dst at place to in C order;
// the shapes may differ, the lengths may not. If neither can be seen with the
// other's shape it goes through a temporary array of src's type.
func (a *assignments) reshaped(to place, dst ndarray.Layout, from place, src ndarray.Layout) {
	switch {
	case slices.Equal(dst.Shape, src.Shape):
	case dst.Contiguous():
		dst = layoutAs(dst, src.Shape)
	case src.Contiguous():
		src = layoutAs(src, dst.Shape)
	default:
		t, l := a.temp(src.DType, src.Shape)
		a.list = append(a.list, assignment{t, from, l, src})
		from, src = t, layoutAs(l, dst.Shape)
	}
	a.list = append(a.list, assignment{to, from, dst, src})
}

// temp is a new temporary array in C order.
func (a *assignments) temp(d ndarray.DType, shape []int) (place, ndarray.Layout) {
	l := ndarray.NewLayout(d, shape...)
	a.temps = append(a.temps, int64(l.Bytes()))
	return temp0 - place(len(a.temps)-1), l
}

// spare is a temporary array other than from, in C order: a new one while there
// are fewer than two. Both are of one length then.
func (a *assignments) spare(from place, d ndarray.DType, shape []int) (place, ndarray.Layout) {
	switch {
	case len(a.temps) < 2:
		return a.temp(d, shape)
	case from == temp0:
		return temp1, ndarray.NewLayout(d, shape...)
	}
	return temp0, ndarray.NewLayout(d, shape...)
}

// layoutAs gives a contiguous layout another shape of the same length. The
// shape is shared, not copied.
func layoutAs(l ndarray.Layout, shape []int) ndarray.Layout {
	l.Shape, l.Strides = shape, ndarray.CStrides(l.DType, shape)
	return l
}

// withoutAxis drops an axis of extent 1.
func withoutAxis(l ndarray.Layout, axis int) ndarray.Layout {
	l.Shape = slices.Delete(slices.Clone(l.Shape), axis, axis+1)
	l.Strides = slices.Delete(slices.Clone(l.Strides), axis, axis+1)
	return l
}

// stretch is Broadcast to a shape that is known to fit; it panics otherwise.
func stretch(l ndarray.Layout, shape []int) ndarray.Layout {
	out, err := l.Broadcast(shape)
	if err != nil {
		panic(err)
	}
	return out
}
