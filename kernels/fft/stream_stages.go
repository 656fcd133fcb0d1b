package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
)

// A transform over several axes of which one does not fit into memory is done in
// stages: neighbours in the order of the axes that fit, as many at a time as they
// are, and each of the others, line by line. The first stage goes from the input to
// the output, where the others find it; an inverse real transform has its complex
// numbers in temporary space until its last axis.

// stages plans them; nil for a single axis.
func (s *streamed) stages(mem int64) (*kernels.Streamed, error) {
	r := s.r
	if len(s.order) < 2 {
		return nil, nil
	}
	c := newChain(mem, s.dst, s.src)
	from, to := source, result
	if r.real && r.inv {
		to = c.temp(s.complex, r.in...)
	}
	for at := 0; at < len(s.order); {
		n := s.fitting(at, mem)
		end := at + max(n, 1)
		final := end == len(s.order)
		if final {
			to = result
		}
		stage := s.stage(s.order[at:end], final)
		stage.src, stage.dst, stage.within = c.layout(from), c.layout(to), from.of == to.of
		plans := []func(mem int64) (*kernels.Streamed, error){stage.whole, stage.lines}
		if n > 0 {
			plans = plans[:1]
		}
		plan, err := pack.FirstOf(mem, plans...)
		c.add(plan, err, to, from)
		from, at = to, end
	}
	return c.streamed()
}

// fitting is how many axes from the one at that place on fit each by itself.
func (s *streamed) fitting(at int, mem int64) (n int) {
	for at+n < len(s.order) && s.newPass(s.order, at+n, 1).mem <= mem {
		n++
	}
	return n
}

// stage is the transform over some of the axes, in their order, as a request of its
// own.
func (s *streamed) stage(order []int, final bool) *streamed {
	q, last := *s.r, s.r.axes[len(s.r.axes)-1]
	q.axes = slices.Clone(order)
	slices.Reverse(q.axes)
	if !final {
		q.scale = 1
	}
	switch {
	case !q.real:
	case slices.Contains(order, last):
		q.axes = append(slices.DeleteFunc(q.axes, func(a int) bool { return a == last }), last)
	default:
		if q.real, q.shape = false, q.out; q.inv {
			q.shape = q.in
		}
		q.in, q.out = q.shape, q.shape
	}
	return &streamed{r: &q, m: s.m, complex: s.complex, order: order}
}

// dtypes are the types in which the input and the output are computed.
func (s *streamed) dtypes() (in, out ndarray.DType) {
	return s.endType(!s.r.real || s.r.inv), s.endType(!s.r.real || !s.r.inv)
}
