package reduce

import (
	"math"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
	"vgpu/kernels/simd"
)

// This file finds the first extreme of elements of four bytes, of which there
// are less than [maxPlaces]: a value and its place are one int64, of which the
// greatest is the answer (see [simd.FirstMaxF32]), so that vector loops can fold
// rows and columns of them.

// maxPlaces is how many places along K a pair can tell apart.
const maxPlaces = 1 << 32

// pairing is how elements and places become pairs and come back.
type pairing[T float32 | int32] struct {
	leaf func(x []T) T // the extreme of a block
	fold func(dst, acc []int64, x []int32, low int64)
	// order is the upper half of an element's pair, and value undoes it.
	order func(v T) int32
	value func(order int32) T
}

// lowOf is the lower half of the pairs of place k: the first place is the
// greatest.
func lowOf(k int) int64 { return maxPlaces - 1 - int64(k) }

// placeOf is the place of a pair.
func placeOf(pair int64) int64 { return maxPlaces - 1 - int64(uint32(pair)) }

// take folds elements at place k into acc.
func (p *pairing[T]) take(acc []int64, x []T, k int) {
	b := scratch.Bytes(x[:len(acc)])
	p.fold(acc, acc, scratch.Carve[int32](&b, len(acc)), lowOf(k))
}

// pair is an element with its place.
func (p *pairing[T]) pair(v T, k int) int64 { return int64(p.order(v))<<32 | lowOf(k) }

func (p *pairing[T]) lift(dst []int64, x []T, at place) {
	if !at.outer {
		for i, v := range x[:len(dst)] {
			dst[i] = p.pair(v, at.k+i)
		}
		return
	}
	for i := range dst {
		dst[i] = math.MinInt64
	}
	p.take(dst, x, at.k)
}

// reduction is, like [argReduction], the first extreme element, or the first
// NaN.
func (p *pairing[T]) reduction(dt ndarray.DType) *reduction[T, int64] {
	return &reduction[T, int64]{
		dt: dt, bare: true, lift: p.lift,
		leaf: simd.MaxOfI64, fold: maxFoldOf[int64](), join: larger[int64],
		fused:     func(x []T, at place) int64 { return p.pair(p.leaf(x), at.k) },
		fusedFold: func(acc []int64, x []T, at place) { p.take(acc, x, at.k) },
		begins:    func(v int64) int { return int(placeOf(v)) },
		settle: func(v int64, x []T) int64 {
			return v - int64(simd.Index(x, p.value(int32(v>>32))))
		},
		later: func(vals []int64, by int) {
			for i := range vals {
				vals[i] -= int64(by)
			}
		},
	}
}

// The pairings. NaN is the greatest in the order of both; the least of numbers
// is the greatest of the reverse order.
var (
	greatestF32 = pairing[float32]{simd.MaxOfF32, simd.FirstMaxF32, orderOf, ofOrder}
	leastF32    = pairing[float32]{simd.MinOfF32, simd.FirstMinF32, reverseOf, ofReverse}
	greatestI32 = pairing[int32]{simd.MaxOfI32, simd.FirstMaxI32, func(v int32) int32 { return v }, func(order int32) int32 { return order }}
	leastI32    = pairing[int32]{simd.MinOfI32, simd.FirstMinI32, func(v int32) int32 { return ^v }, func(order int32) int32 { return ^order }}
)

// orderOf is an integer of the order of float32: zeros are equal, NaN is the
// greatest.
func orderOf(v float32) int32 {
	switch order := int32(math.Float32bits(v)); {
	case v != v:
		return math.MaxInt32
	case order < 0:
		return -(order & math.MaxInt32)
	default:
		return order
	}
}

// ofOrder undoes orderOf, but for the sign of zero.
func ofOrder(order int32) float32 {
	if order < 0 {
		return -math.Float32frombits(uint32(-order))
	}
	return math.Float32frombits(uint32(order))
}

// reverseOf is orderOf turned round, with NaN still the greatest.
func reverseOf(v float32) int32 {
	if v != v {
		return math.MaxInt32
	}
	return -orderOf(v)
}

func ofReverse(order int32) float32 {
	if order == math.MaxInt32 {
		return ofOrder(order)
	}
	return ofOrder(-order)
}

// pairsOn is argOn for elements in pairs.
func pairsOn[T float32 | int32](j *job, dt ndarray.DType, e extreme, greatestOf, leastOf *pairing[T]) error {
	r := remembered("arg"+e.String()+" in pairs", dt, func() *reduction[T, int64] {
		if e == greatest {
			return greatestOf.reduction(dt)
		}
		return leastOf.reduction(dt)
	})
	return run(j, r, store(j, func(vals []int64) {
		for i, v := range vals {
			vals[i] = placeOf(v)
		}
	}))
}
