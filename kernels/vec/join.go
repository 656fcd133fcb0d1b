package vec

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/move"
)

// common is the type that all inputs from number first on promote to. The
// greatest kind is met first, as in numpy.result_type: i16, u16 and f32 make
// f32, though i16 and u16 alone make i32, which f32 does not hold.
func common(c *kernels.Call, first int) ndarray.DType {
	greatest := ndarray.Bool
	for i := range c.In[first:] {
		greatest = max(greatest, c.In[first+i].Layout.DType)
	}
	d := greatest
	for i := range c.In[first:] {
		d = ndarray.Promote(d, ndarray.Promote(greatest, c.In[first+i].Layout.DType))
	}
	return d
}

// oneAxis reads the option axis= of an array of rank r.
func oneAxis(c *kernels.Call, r int) (int, error) {
	axis := c.Int("axis")
	if axis < -r || axis >= r {
		return 0, c.Opt("axis").Errorf("%d is outside an array of %d axes", axis, r)
	}
	if axis < 0 {
		axis += r
	}
	return axis, nil
}

// planConcat is numpy.concatenate.
func planConcat(c *kernels.Call) (*kernels.Plan, error) {
	first := c.In[0].Layout
	if first.Rank() == 0 {
		return nil, c.In[0].Errorf("a scalar has no axis to join along")
	}
	axis, err := oneAxis(c, first.Rank())
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(first.Shape)
	shape[axis] = 0
	for i := range c.In {
		in := &c.In[i]
		if err := joins(in, first.Shape, axis); err != nil {
			return nil, err
		}
		if shape[axis] += in.Layout.Shape[axis]; shape[axis] < 0 {
			return nil, in.Errorf("%v", ndarray.ErrTooLarge)
		}
	}
	d := common(c, 0)
	return single(d, shape, 2*sizeOf(d, shape), func(x *kernels.Exec) error {
		at := 0
		for _, in := range x.In {
			n := in.Shape[axis]
			if err := move.Copy(x.W, x.Out[0].Range(axis, at, at+n), in); err != nil {
				return err
			}
			at += n
		}
		return nil
	}), nil
}

// joins checks that an input has shape but for axis.
func joins(in *kernels.Input, shape []int, axis int) error {
	have := in.Layout.Shape
	if len(have) != len(shape) {
		return in.Errorf("%s has %d axes, the first input has %d", in.Path, len(have), len(shape))
	}
	for i := range shape {
		if i != axis && have[i] != shape[i] {
			return in.Errorf("shape %s does not join %s along axis %d", ndarray.ShapeString(have), ndarray.ShapeString(shape), axis)
		}
	}
	return nil
}

// planStack is numpy.stack: the inputs become the indices of a new axis.
func planStack(c *kernels.Call) (*kernels.Plan, error) {
	each := c.In[0].Layout.Shape
	axis, err := oneAxis(c, len(each)+1)
	if err != nil {
		return nil, err
	}
	for i := range c.In {
		if in := &c.In[i]; !slices.Equal(in.Layout.Shape, each) {
			return nil, in.Errorf("shape %s differs from the first input's %s", ndarray.ShapeString(in.Layout.Shape), ndarray.ShapeString(each))
		}
	}
	d, shape := common(c, 0), slices.Insert(slices.Clone(each), axis, len(c.In))
	return single(d, shape, 2*sizeOf(d, shape), func(x *kernels.Exec) error {
		for i, in := range x.In {
			part := x.Out[0].Range(axis, i, i+1)
			part.Shape = slices.Delete(slices.Clone(part.Shape), axis, axis+1)
			part.Strides = slices.Delete(slices.Clone(part.Strides), axis, axis+1)
			if err := move.Copy(x.W, part, in); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// planRoll is numpy.roll.
func planRoll(c *kernels.Call) (*kernels.Plan, error) {
	in := c.In[0].Layout
	shift := c.Ints("shift")
	if !c.Has("axes") {
		if len(shift) != 1 {
			return nil, c.Opt("shift").Errorf("%d shifts need axes=", len(shift))
		}
		return planRollFlat(c, shift[0]), nil
	}
	axes, err := axesOption(c, "axes", in.Rank())
	if err != nil {
		return nil, err
	}
	if len(shift) == 1 {
		shift = slices.Repeat(shift, len(axes))
	}
	if len(shift) != len(axes) {
		return nil, c.Opt("shift").Errorf("%d shifts for %d axes", len(shift), len(axes))
	}
	return single(in.DType, in.Shape, 2*float64(in.Bytes()), func(x *kernels.Exec) error {
		return roll(x, x.Out[0], x.In[0], axes, shift)
	}), nil
}

// roll moves the elements along one axis after the other: of each axis the two
// parts change places.
func roll(x *kernels.Exec, dst, src ndarray.Array, axes, shift []int) error {
	if len(axes) == 0 || src.Len() == 0 {
		return move.Copy(x.W, dst, src)
	}
	axis, n := axes[0], src.Shape[axes[0]]
	k := shift[0] % n // where element 0 goes
	if k < 0 {
		k += n
	}
	if err := roll(x, dst.Range(axis, k, n), src.Range(axis, 0, n-k), axes[1:], shift[1:]); err != nil {
		return err
	}
	return roll(x, dst.Range(axis, 0, k), src.Range(axis, n-k, n), axes[1:], shift[1:])
}

// planRollFlat rolls the elements in C order.
func planRollFlat(c *kernels.Call, shift int) *kernels.Plan {
	in := c.In[0].Layout
	p := single(in.DType, in.Shape, 2*float64(in.Bytes()), func(x *kernels.Exec) error {
		src, dst := x.In[0], x.Out[0]
		if !src.Contiguous() {
			l := ndarray.NewLayout(src.DType, src.Shape...)
			tmp := ndarray.Array{Layout: l, Data: x.Mem.Alloc(l.Bytes())}
			if err := move.Copy(x.W, tmp, src); err != nil {
				return err
			}
			src = tmp
		}
		if dst.Contiguous() {
			return roll(x, flat(dst), flat(src), []int{0}, []int{shift})
		}
		l := ndarray.NewLayout(dst.DType, dst.Len())
		tmp := ndarray.Array{Layout: l, Data: x.Mem.Alloc(l.Bytes())}
		if err := roll(x, tmp, flat(src), []int{0}, []int{shift}); err != nil {
			return err
		}
		return move.Copy(x.W, dst, shaped(tmp, dst.Shape))
	})
	for _, direct := range []bool{in.Contiguous(), outContiguous(c)} {
		if !direct {
			p.Cost.Scratch += int64(in.Bytes())
		}
	}
	return p
}
