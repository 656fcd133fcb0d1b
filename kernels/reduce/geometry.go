package reduce

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// geometry is a reduction's view of its input: O x K x W.
type geometry struct {
	o, k, w int
	axes    []int // the permutation that brings the input's axes into the order O, K, W
	before  int   // how many of them are O's
	reduced int   // and K's
	kept    []int // the output's shape
	inner   bool
}

// parseAxes reads axis=: nil if it is absent; else each axis once, counted
// from the end if negative, in ascending order.
func parseAxes(c *kernels.Call, rank int) ([]int, error) {
	if !c.Has("axis") {
		return nil, nil
	}
	out := []int{}
	for _, a := range c.Ints("axis") {
		n, err := c.Opt("axis").Axis(a, rank)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, n) {
			return nil, c.Opt("axis").Errorf("axis %d is named twice", a)
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return out, nil
}

// newGeometry sorts the axes of a shape. axes nil reduces all of them.
func newGeometry(shape, axes []int, keepdims bool) geometry {
	g := geometry{o: 1, k: 1, w: 1, kept: []int{}}
	reduced := func(i int) bool { return axes == nil || slices.Contains(axes, i) }
	lastReduced := -1 // the last axis that counts: extents of 1 do not
	for i, n := range shape {
		if reduced(i) && n != 1 {
			lastReduced = i
		}
	}
	var before, red, after []int
	for i, n := range shape {
		switch {
		case reduced(i):
			g.k *= n
			red = append(red, i)
			if keepdims {
				g.kept = append(g.kept, 1)
			}
			continue
		case i < lastReduced:
			g.o *= n
			before = append(before, i)
		default:
			g.w *= n
			after = append(after, i)
		}
		g.kept = append(g.kept, n)
	}
	g.axes, g.before, g.reduced = slices.Concat(before, red, after), len(before), len(red)
	g.inner = g.w == 1
	return g
}

// outputs is the number of results.
func (g *geometry) outputs() int { return g.o * g.w }

// reader gives elements of an array, in C order, as a Go slice: in place if
// they lie so, else gathered and converted.
type reader[T ndarray.Element] struct {
	arr   ndarray.Array
	whole []T
}

// newReader reads a with its elements as T. dt is T's type if the elements
// are of that type when no conversion is needed.
func newReader[T ndarray.Element](a ndarray.Array, dt ndarray.DType) reader[T] {
	r := reader[T]{arr: a}
	r.arr.Layout = a.Layout.Collapse()
	if a.DType == dt && a.Direct() {
		r.whole = ndarray.Slice[T](a)
	}
	return r
}

// reader reads an array for the reduction.
func (r *reduction[T, A]) reader(a ndarray.Array) reader[T] {
	if r.raw && a.DType.Size() == r.dt.Size() {
		a.DType = r.dt
	}
	return newReader[T](a, r.dt)
}

// get gives elements [from, from+n); they may lie in buf.
func (r *reader[T]) get(buf []T, from, n int) []T {
	if r.whole != nil {
		return r.whole[from : from+n]
	}
	ndarray.Load(buf[:n], r.arr, from)
	return buf[:n]
}
