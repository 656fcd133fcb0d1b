package numpytest

import (
	"math"
	"math/rand/v2"
	"slices"

	"vgpu/kernels/ndarray"
)

// Types are the element types that numpy has: all but bf16.
var Types = slices.DeleteFunc(slices.Clone(ndarray.DTypes), func(d ndarray.DType) bool { return d == ndarray.BF16 })

// Rand makes operands. The same seed makes the same.
type Rand struct{ *rand.Rand }

// NewRand starts a sequence.
func NewRand(seed uint64) Rand { return Rand{rand.New(rand.NewPCG(seed, 0))} }

// Type is one of the types.
func (r Rand) Type(types ...ndarray.DType) ndarray.DType { return types[r.IntN(len(types))] }

// Shape is a shape of lo to hi axes with extents of 0 to most, seldom 0.
func (r Rand) Shape(lo, hi, most int) []int {
	shape := make([]int, lo+r.IntN(hi-lo+1))
	for i := range shape {
		shape[i] = 1 + r.IntN(most)
		if r.IntN(40) == 0 {
			shape[i] = 0
		}
	}
	return shape
}

// Array is an array of some layout: packed, with axes in another order, with
// gaps, reversed, repeated, swapped, unaligned, or several of these.
func (r Rand) Array(d ndarray.DType, shape ...int) ndarray.Array {
	rank := len(shape)
	perm := r.Perm(rank)
	if r.IntN(3) == 0 {
		slices.Sort(perm)
	}
	l := ndarray.Layout{DType: d, Shape: slices.Clone(shape), Strides: make([]int, rank), Offset: r.IntN(3) * d.Size()}
	if d.Size() > 1 && r.IntN(6) == 0 {
		l.Offset += 1 + r.IntN(d.Size()-1)
	}
	step, plain := d.Size(), r.IntN(3) == 0
	for i := rank - 1; i >= 0; i-- {
		axis := perm[i]
		l.Strides[axis] = step
		gap := 1
		switch kind := r.IntN(8); {
		case plain:
		case kind == 0:
			l.Strides[axis] = 0
			continue
		case kind < 3:
			gap = 2
			l.Strides[axis] *= 2
		case kind < 5 && shape[axis] > 0:
			l.Offset += (shape[axis] - 1) * step
			l.Strides[axis] = -step
		}
		step *= gap * max(1, shape[axis])
	}
	l.Swapped = d.Size() > 1 && r.IntN(5) == 0
	if l.Len() == 0 {
		l.Offset = 0
	}
	_, hi := l.Extent()
	n := (hi + d.Size()) / d.Size()
	a := ndarray.Array{Layout: l, Data: r.values(d, n).Data}
	if l.Swapped || l.Offset%d.Size() != 0 { // else the values would be any bits
		values := r.values(d, a.Len())
		values.Shape, values.Strides = a.Shape, ndarray.CStrides(d, a.Shape)
		if err := ndarray.Convert(a, values); err != nil {
			panic(err)
		}
	}
	return a
}

// values are n elements: small integers that often agree, numbers of any
// size, and for floats NaN, infinities and zeros of both signs.
func (r Rand) values(d ndarray.DType, n int) ndarray.Array {
	parts, count := d.Real(), n
	if d.IsComplex() {
		count *= 2
	}
	a := ndarray.New(parts, count)
	if parts.IsFloat() {
		v := make([]float64, count)
		for i := range v {
			v[i] = r.float()
		}
		ndarray.Store(a, v, 0)
	} else {
		v := make([]uint64, count)
		for i := range v {
			switch {
			case parts == ndarray.Bool:
				v[i] = uint64(r.IntN(2))
			case r.IntN(12) < 5:
				v[i] = r.Uint64()
			default:
				v[i] = uint64(r.IntN(9))
			}
		}
		ndarray.Store(a, v, 0)
	}
	a.DType, a.Shape, a.Strides = d, []int{n}, []int{d.Size()}
	return a
}

var specials = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1, -1}

// float is one of specials, a small integer that often repeats, or a number of
// any magnitude.
func (r Rand) float() float64 {
	switch kind := r.IntN(12); {
	case kind < 2:
		return specials[r.IntN(len(specials))]
	case kind < 6:
		return float64(r.IntN(9) - 4)
	}
	return r.NormFloat64() * math.Exp(3*r.NormFloat64())
}
