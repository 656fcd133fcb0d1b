package vec

import (
	"slices"
	"strconv"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// planCopy copies A to OUT, repeated over OUT's shape if the line gives one. It
// refuses to change the type, as bits that are kept are what copy is for.
func planCopy(c *kernels.Call) (*kernels.Plan, error) {
	d := c.In[0].Layout.DType
	if want := c.Out[0].WantDType(d); want != d {
		e := c.Out[0].Errorf("the copy of %s is not %s", d, want)
		e.Hint = "cast changes the type"
		return nil, e
	}
	return planAssign(c, d)
}

// planCast is planCopy with a change of type, by the rules of
// [ndarray.Convert]. Any type goes to any other; a line that names none is
// refused.
func planCast(c *kernels.Call) (*kernels.Plan, error) {
	d, err := outType(c, false, ndarray.Invalid)
	if err != nil {
		return nil, err
	}
	if d == ndarray.Invalid {
		e := c.Errorf("to which type?")
		e.Hint = "give dtype=, or the type in the output operand, as in y.npy:f16:3x4"
		return nil, e
	}
	return planAssign(c, d)
}

// planAssign is what copy and cast share: A, broadcast to the output's shape
// if the line gives one, and converted to d.
func planAssign(c *kernels.Call, d ndarray.DType) (*kernels.Plan, error) {
	in := &c.In[0]
	shape := c.Out[0].WantShape(in.Layout.Shape)
	if _, err := in.Layout.Broadcast(shape); err != nil {
		return nil, in.Errorf("%v", err)
	}
	return moving(c, d, shape, float64(in.Layout.Bytes())+sizeOf(d, shape), one(func(l ndarray.Layout) ndarray.Layout {
		return stretch(l, shape)
	})), nil
}

// planView copies a view of the input, of the same size. The result's shape is
// the view's.
func planView(c *kernels.Call, view func(ndarray.Layout) ndarray.Layout) *kernels.Plan {
	in := c.In[0].Layout
	return moving(c, in.DType, view(in).Shape, 2*float64(in.Bytes()), one(view))
}

// planTranspose is numpy.transpose: axes= is a permutation, the reverse by
// default.
func planTranspose(c *kernels.Call) (*kernels.Plan, error) {
	rank := c.In[0].Layout.Rank()
	axes := make([]int, rank)
	for i := range axes {
		axes[i] = rank - 1 - i
	}
	if c.Has("axes") {
		given, err := axesOption(c, "axes", rank)
		if err != nil {
			return nil, err
		}
		if len(given) != rank {
			return nil, c.Opt("axes").Errorf("%d axes for an array of %d", len(given), rank)
		}
		axes = given
	}
	return planView(c, func(l ndarray.Layout) ndarray.Layout { return l.Permute(axes...) }), nil
}

// axesOption reads different axes of an array, negative ones from the end. The
// result is the caller's own, in the order of the line.
func axesOption(c *kernels.Call, name string, rank int) ([]int, error) {
	axes := slices.Clone(c.Ints(name))
	for i, a := range axes {
		n, err := c.Opt(name).Axis(a, rank)
		if err != nil {
			return nil, err
		}
		axes[i] = n
		if slices.Contains(axes[:i], axes[i]) {
			return nil, c.Opt(name).Errorf("axis %d is named twice", a)
		}
	}
	return axes, nil
}

// planFlip is numpy.flip: along axes=, along all axes by default. An axis of
// extent 0 stays where it is.
func planFlip(c *kernels.Call) (*kernels.Plan, error) {
	rank := c.In[0].Layout.Rank()
	axes, err := axesOption(c, "axes", rank)
	if err != nil {
		return nil, err
	}
	if !c.Has("axes") {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	return planView(c, func(l ndarray.Layout) ndarray.Layout {
		return reversed(l, axes...)
	}), nil
}

// reversed is l seen from the other end of the axes.
func reversed(l ndarray.Layout, axes ...int) ndarray.Layout {
	l.Strides = slices.Clone(l.Strides)
	for _, a := range axes {
		l.Offset += max(0, l.Shape[a]-1) * l.Strides[a]
		l.Strides[a] = -l.Strides[a]
	}
	return l
}

// planReshape is numpy.reshape in C order: of a Fortran-ordered input too the
// elements are counted with the last axis first.
func planReshape(c *kernels.Call) (*kernels.Plan, error) {
	in := c.In[0].Layout
	shape, err := newShape(c, in)
	if err != nil {
		return nil, err
	}
	return moving(c, in.DType, shape, 2*float64(in.Bytes()), func(in []ndarray.Layout, out ndarray.Layout) (a assignments) {
		a.reshaped(output, out, 0, in[0])
		return a
	}), nil
}

// newShape is the shape that the line asks for. One extent of shape= may be
// -1: what is left.
func newShape(c *kernels.Call, in ndarray.Layout) ([]int, error) {
	if !c.Has("shape") {
		shape := c.Out[0].WantShape(nil)
		if shape == nil {
			e := c.Errorf("to which shape?")
			e.Hint = "give shape=, such as 3x4 or 3x-1, or the shape in the output operand"
			return nil, e
		}
		if ndarray.NewLayout(in.DType, shape...).Len() != in.Len() {
			return nil, c.Out[0].Errorf("%d elements do not make the shape %s", in.Len(), ndarray.ShapeString(shape))
		}
		return shape, nil
	}
	text, open := c.Str("shape"), -1
	words := strings.Split(text, "x")
	for i, w := range words {
		if w == "-1" && open < 0 {
			open, words[i] = i, "1"
		}
	}
	shape, err := ndarray.ParseShape(strings.Join(words, "x"))
	if err != nil {
		return nil, c.Opt("shape").Errorf("%q is not a shape such as 3x4 or 3x-1", text)
	}
	n, err := ndarray.CheckShape(in.DType, shape)
	if err != nil {
		return nil, c.Opt("shape").Errorf("%v", err)
	}
	if open >= 0 && n > 0 && in.Len()%n == 0 {
		shape[open] = in.Len() / n
		n = in.Len()
	}
	if n != in.Len() {
		return nil, c.Opt("shape").Errorf("%s elements do not make the shape %s", strconv.Itoa(in.Len()), text)
	}
	return shape, nil
}
