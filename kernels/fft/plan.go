package fft

import (
	"fmt"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Plan transforms C-ordered arrays of interleaved complex numbers, for Go
// programs that have no need of commands. It is immutable and safe for
// concurrent use.
type Plan[T simd.Float] struct {
	shape, axes []int
	k           *simd.FFTKernels[T]
	line        *line[T] // of an array that is one line, else nil
	need        need
}

// NewPlan plans the transform of an array over the given axes, in range and
// different, for the instruction set in use. The parts of plans are cached for
// the life of the process; the first of a length takes O(n) time, milliseconds
// up to n = 2^20, spread over the pool of w, which may be nil.
func NewPlan[T simd.Float](w *pool.Worker, shape, axes []int) (p *Plan[T], err error) {
	p = &Plan[T]{shape: shape, axes: axes, k: simd.FFT[T]()}
	for i, a := range axes {
		if a < 0 || a >= len(shape) || shape[a] < 1 {
			return nil, fmt.Errorf("fft: no axis %d to transform in shape %v", a, shape)
		}
		for _, b := range axes[:i] {
			if a == b {
				return nil, fmt.Errorf("fft: axis %d is repeated", a)
			}
		}
	}
	m := machineOf(p.k)
	p.need = m.transformNeed(shape, axes)
	for _, a := range axes {
		if err := makeParts(w, p.k, geometryOf(shape, a)); err != nil {
			return nil, err
		}
	}
	if len(axes) == 1 && shape[axes[0]] == product(shape) {
		p.line, err = planned(w, p.k, shape[axes[0]])
	}
	return p, err
}

// makeParts makes the cached plans that the lines along an axis need.
func makeParts[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], g geometry) (err error) {
	switch machineOf(k).wayOf(g) {
	case byColumns, byLanes:
		plannedCol(k, g.n)
	case byGroups:
		plannedRows(k, g.n)
	default:
		_, err = planned(w, k, g.n)
	}
	return err
}

// Scratch is the number of reals that the transforms need as scratch.
func (p *Plan[T]) Scratch() int { return roomFor(p.need) }

// Forward sets dst to Σ src[j]·exp(-2πi·jk/n) along the axes; dst and src hold
// two reals an element and may be the same slice, but not overlap otherwise.
// scratch has Scratch reals. With a worker the work is spread over its pool,
// and the error is that of a cancelled job; w may be nil. The bits are the same.
func (p *Plan[T]) Forward(w *pool.Worker, dst, src, scratch []T) error {
	if p.line != nil && p.line.n < lineFrom {
		return p.line.run(nil, p.k, dst, src, forward[T](), scratch)
	}
	return transform(&crew[T]{w: w, space: spaceIn(scratch, p.need)}, dst, src, p.shape, p.axes, false, 1)
}

// Inverse sets dst to scale·Σ src[k]·exp(+2πi·jk/n), as [Plan.Forward] does.
func (p *Plan[T]) Inverse(w *pool.Worker, dst, src []T, scale T, scratch []T) error {
	if p.line != nil && p.line.n < lineFrom {
		return p.line.run(nil, p.k, dst, src, inverse(scale), scratch)
	}
	return transform(&crew[T]{w: w, space: spaceIn(scratch, p.need)}, dst, src, p.shape, p.axes, true, scale)
}

// RealPlan transforms lines of n real numbers to n/2+1 complex ones and back.
// It is immutable and safe for concurrent use.
type RealPlan[T simd.Float] struct {
	k    *simd.FFTKernels[T]
	l    *realLine[T]
	need need
}

// NewRealPlan plans length n >= 1 for the instruction set in use, on the pool of
// w, which may be nil. The error is that of a cancelled job.
func NewRealPlan[T simd.Float](w *pool.Worker, n int) (*RealPlan[T], error) {
	k := simd.FFT[T]()
	l, err := plannedReal(w, k, n)
	return &RealPlan[T]{k, l, machineOf(k).realLineNeed(n)}, err
}

// Scratch is the number of reals that the transforms need as scratch.
func (p *RealPlan[T]) Scratch() int { return roomFor(p.need) }

// Forward transforms the n reals of src to the n/2+1 complex numbers of dst.
// dst and src may not overlap. Otherwise it is as [Plan.Forward].
func (p *RealPlan[T]) Forward(w *pool.Worker, dst, src, scratch []T) error {
	c := &crew[T]{w: w, space: spaceIn(scratch, p.need)}
	return p.l.forward(c, p.k, dst, src, c.alone(p.need.alone))
}

// Inverse transforms n/2+1 complex numbers to n reals, times scale; the
// imaginary parts of the first and, n even, the last are taken as zero.
func (p *RealPlan[T]) Inverse(w *pool.Worker, dst, src []T, scale T, scratch []T) error {
	c := &crew[T]{w: w, space: spaceIn(scratch, p.need)}
	return p.l.inverse(c, p.k, dst, src, inverse(scale), c.alone(p.need.alone))
}
