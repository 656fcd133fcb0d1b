package fft

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// realLine transforms one line of n real numbers to n/2+1 complex ones and
// back. An even n is half a complex transform and a pass that takes the even
// and odd points apart (Sorensen et al. 1987); an odd n is a complex transform.
type realLine[T simd.Float] struct {
	n     int
	inner *line[T] // of n/2 or n points
	tw    []T      // exp(-2πi·k/n), k <= n/4
}

func newRealLine[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n int) (*realLine[T], error) {
	half := n
	if n%2 == 0 {
		half = n / 2
	}
	inner, err := planned(w, k, half)
	r := &realLine[T]{n: n, inner: inner}
	if err == nil && half < n {
		r.tw, err = rootRow[T](w, n, n/4+1, 1, 0)
	}
	return r, err
}

// forward transforms n reals to n/2+1 complex numbers. dst and src do not
// overlap.
func (r *realLine[T]) forward(c *crew[T], k *simd.FFTKernels[T], dst, src, scratch []T) error {
	if r.n%2 == 1 {
		z, rest := scratch[:2*r.n], scratch[2*r.n:]
		for i, v := range src[:r.n] {
			z[2*i], z[2*i+1] = v, 0
		}
		if err := r.inner.run(c, k, z, z, forward[T](), rest); err != nil {
			return err
		}
		copy(dst[:r.n+1], z)
		dst[1] = 0
		return nil
	}
	if err := r.inner.run(c, k, dst, src, forward[T](), scratch); err != nil {
		return err
	}
	h := r.n / 2
	re, im := dst[0], dst[1]
	dst[0], dst[1], dst[2*h], dst[2*h+1] = re+im, 0, re-im, 0
	return c.over(h/2, func(lo, hi int) { k.Unpack(dst, r.tw, h, lo+1, hi+1) })
}

// inverse transforms n/2+1 complex numbers, of which src holds have (the rest
// are zero), to n reals; dir is [inverse]. The imaginary parts of the first and (n
// even) the last are ignored. dst and src do not overlap.
func (r *realLine[T]) inverse(c *crew[T], k *simd.FFTKernels[T], dst, src []T, dir *direction[T], scratch []T) error {
	if r.n%2 == 1 {
		return r.inverseOdd(c, k, dst, src, dir, scratch)
	}
	h := r.n / 2
	first, last := src[0], src[2*h]
	dst[0], dst[1] = first+last, first-last
	err := c.over(h/2, func(lo, hi int) { k.Pack(dst, src, r.tw, h, lo+1, hi+1) })
	if err != nil {
		return err
	}
	return r.inner.run(c, k, dst, dst, dir, scratch)
}

func (r *realLine[T]) inverseOdd(c *crew[T], k *simd.FFTKernels[T], dst, src []T, dir *direction[T], scratch []T) error {
	z, rest := scratch[:2*r.n], scratch[2*r.n:]
	z[0], z[1] = src[0], 0
	for i := 1; i <= r.n/2; i++ {
		z[2*i], z[2*i+1] = src[2*i], src[2*i+1]
		z[2*(r.n-i)], z[2*(r.n-i)+1] = src[2*i], -src[2*i+1]
	}
	if err := r.inner.run(c, k, z, z, dir, rest); err != nil {
		return err
	}
	for i := range r.n {
		dst[i] = z[2*i]
	}
	return nil
}

// realAxis calls fn for every line along an axis of a C-ordered array
// outer × · × inner, with nIn reals of src gathered in and nOut reals of out
// to be scattered; units count reals (2 for complex lines).
type realAxis[T simd.Float] struct {
	realGeometry
	dst, src []T // dst and src do not overlap
	fn       func(c *crew[T], out, in, scratch []T) error
}

// realGeometry is the lines of a realAxis.
type realGeometry struct {
	outer, inner    int
	nIn, nOut       int  // elements of a line
	unitIn, unitOut int  // reals of an element
	line            need // of fn: alone, its scratch; task, if it spreads over a crew
}

// size is the reals of the longer end of a line.
func (g realGeometry) size() int { return max(g.nIn*g.unitIn, g.nOut*g.unitOut) }

// oneByOne tells whether each line is spread over the crew.
func (g realGeometry) oneByOne() bool {
	return g.inner == 1 && (g.outer == 1 || g.size() >= lineFrom)
}

// together is how many neighbouring strided lines a task gathers.
func (g realGeometry) together(realSize int) int {
	return gatherLines(g.size(), realSize, max(gatherMost, 64/(g.unitIn*realSize)))
}

// need is the scratch of all lines.
func (g realGeometry) need(realSize int) need {
	switch {
	case g.oneByOne():
		return g.line
	case g.inner == 1:
		return need{task: g.line.alone}
	}
	return need{task: (g.nIn*g.unitIn+g.nOut*g.unitOut)*g.together(realSize) + g.line.alone}
}

// run goes over all lines. Long single lines are spread over the crew, others
// are tasks of their own. c has the geometry's need.
func (a *realAxis[T]) run(c *crew[T]) error {
	size := a.size()
	c = c.fork(a.outer * a.inner * size)
	if a.oneByOne() {
		for o := range a.outer {
			if err := a.fn(c, a.dst[o*a.nOut*a.unitOut:], a.src[o*a.nIn*a.unitIn:], c.alone(a.line.alone)); err != nil {
				return err
			}
		}
		return nil
	}
	task := a.need(realSize[T]()).task
	if a.inner == 1 {
		return c.tasks(a.outer, c.grain(size), task, func(lo, hi int, scratch []T) {
			for o := lo; o < hi; o++ {
				_ = a.fn(nil, a.dst[o*a.nOut*a.unitOut:], a.src[o*a.nIn*a.unitIn:], scratch) // no crew, no error
			}
		})
	}
	lines := a.together(realSize[T]())
	blocks := (a.inner + lines - 1) / lines
	return c.tasks(a.outer*blocks, c.grain(size*lines), task, func(lo, hi int, scratch []T) {
		in, out := a.nIn*a.unitIn*lines, a.nOut*a.unitOut*lines
		for i := lo; i < hi; i++ {
			first := i % blocks * lines
			a.block(scratch[:in], scratch[in:in+out], scratch[in+out:], i/blocks, first, min(lines, a.inner-first))
		}
	})
}

// block does count neighbouring strided lines.
func (a *realAxis[T]) block(in, out, scratch []T, o, first, count int) {
	simd.TransposeReals(in, a.nIn, a.src[(o*a.nIn*a.inner+first)*a.unitIn:], a.inner, a.unitIn, count, a.nIn)
	for c := range count {
		_ = a.fn(nil, out[c*a.nOut*a.unitOut:], in[c*a.nIn*a.unitIn:], scratch) // no crew, no error
	}
	simd.TransposeReals(a.dst[(o*a.nOut*a.inner+first)*a.unitOut:], a.inner, out, a.nOut, a.unitOut, a.nOut, count)
}
