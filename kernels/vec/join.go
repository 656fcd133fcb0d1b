package vec

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
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
	return c.Opt("axis").Axis(c.Int("axis"), r)
}

// planConcat is numpy.concatenate: one assignment an input, to its range of the
// axis. The type is common's, so inputs are converted as they are copied.
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
	return moving(c, d, shape, 2*sizeOf(d, shape), func(in []ndarray.Layout, out ndarray.Layout) (a assignments) {
		at := 0
		for i, l := range in {
			n := l.Shape[axis]
			a.list = append(a.list, assignment{output, place(i), out.Range(axis, at, at+n), l})
			at += n
		}
		return a
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
	return moving(c, d, shape, 2*sizeOf(d, shape), func(in []ndarray.Layout, out ndarray.Layout) (a assignments) {
		for i, l := range in {
			a.list = append(a.list, assignment{output, place(i), withoutAxis(out.Range(axis, i, i+1), axis), l})
		}
		return a
	}), nil
}

// planRoll is numpy.roll. Without axes= the array is rolled flat, and then
// neither side may be a view that C order cannot run through: see planRollFlat.
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
	return moving(c, in.DType, in.Shape, 2*float64(in.Bytes()), func(in []ndarray.Layout, out ndarray.Layout) (a assignments) {
		a.roll(assignment{output, 0, out, in[0]}, axes, shift)
		return a
	}), nil
}

// maxSplits is how many axes are rolled at once: each of them doubles the
// assignments.
const maxSplits = 6

// split is an axis that is rolled: element 0 goes to k, which is not 0.
type split struct{ axis, k int }

// roll is s with the elements of src moved along the axes. An axis that stays is
// not cut, and one of two elements is only seen the other way round; of the
// others the two parts change places. More than maxSplits of these are rolled a
// few at a time, by way of temporary arrays: r axes take r/maxSplits passes over
// the array of 2^maxSplits assignments at the most.
func (a *assignments) roll(s assignment, axes, shift []int) {
	var splits []split
	for i, axis := range axes {
		n := s.src.Shape[axis]
		if s.src.Len() == 0 {
			break
		}
		switch k := (shift[i]%n + n) % n; {
		case k == 0:
		case n == 2:
			s.src = reversed(s.src, axis)
		default:
			splits = append(splits, split{axis, k})
		}
	}
	for len(splits) > maxSplits {
		passes := (len(splits) + maxSplits - 1) / maxSplits
		now := (len(splits) + passes - 1) / passes
		t, l := a.spare(s.from, s.src.DType, s.src.Shape)
		a.halves(assignment{t, s.from, l, s.src}, splits[:now])
		s.from, s.src, splits = t, l, splits[now:]
	}
	a.halves(s, splits)
}

// halves adds the assignments of s for all the parts that the splits make.
func (a *assignments) halves(s assignment, splits []split) {
	if len(splits) == 0 {
		a.list = append(a.list, s)
		return
	}
	axis, k, n := splits[0].axis, splits[0].k, s.src.Shape[splits[0].axis]
	a.halves(assignment{s.to, s.from, s.dst.Range(axis, k, n), s.src.Range(axis, 0, n-k)}, splits[1:])
	a.halves(assignment{s.to, s.from, s.dst.Range(axis, 0, k), s.src.Range(axis, n-k, n)}, splits[1:])
}

// planRollFlat rolls the elements in C order. An input and an output that are
// not contiguous go through a temporary array each.
func planRollFlat(c *kernels.Call, shift int) *kernels.Plan {
	in := c.In[0].Layout
	flat := []int{in.Len()}
	return moving(c, in.DType, in.Shape, 2*float64(in.Bytes()), func(in []ndarray.Layout, out ndarray.Layout) (a assignments) {
		from, src := place(0), in[0]
		if !src.Contiguous() {
			t, l := a.temp(src.DType, src.Shape)
			a.list = append(a.list, assignment{t, from, l, src})
			from, src = t, l
		}
		src = layoutAs(src, flat)
		if out.Contiguous() {
			a.roll(assignment{output, from, layoutAs(out, flat), src}, []int{0}, []int{shift})
			return a
		}
		t, l := a.temp(out.DType, flat)
		a.roll(assignment{t, from, l, src}, []int{0}, []int{shift})
		a.list = append(a.list, assignment{output, t, out, layoutAs(l, out.Shape)})
		return a
	})
}
