package reduce

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// This file holds the reductions of truth values: elements that are not zero.
// NaN is not.

// truths is what these reductions need of a type.
type truths[T ndarray.Element] struct {
	dt    ndarray.DType
	count func(x []T) int          // of nonzeros
	mask  func(dst []uint8, x []T) // 1 for nonzeros, else 0
	add   func(acc []int64, x []T) // acc[i]++ for nonzeros
	lift  func(dst []int64, x []T, _ place)
}

// truthsOf is the table of a type; ne is its comparison with a number.
func truthsOf[T simd.Number](dt ndarray.DType, ne func(dst []uint8, a []T, s T)) truths[T] {
	t := truths[T]{dt: dt, count: func(x []T) int { return len(x) - simd.CountZero(x) }, lift: nonzero[T]}
	t.mask = func(dst []uint8, x []T) { ne(dst, x, 0) }
	t.add = func(acc []int64, x []T) {
		for i, v := range x[:len(acc)] {
			if v != 0 {
				acc[i]++
			}
		}
	}
	return t
}

// neGo is the comparison of types that have no vector loop.
func neGo[T simd.Number](dst []uint8, a []T, s T) {
	for i, v := range a[:len(dst)] {
		dst[i] = 0
		if v != s {
			dst[i] = 1
		}
	}
}

var (
	truths8   = truthsOf(ndarray.U8, neGo[uint8])
	truths16  = truthsOf(ndarray.U16, neGo[uint16])
	truths32  = truthsOf(ndarray.U32, simd.NeScalarU32)
	truths64  = truthsOf(ndarray.U64, simd.NeScalarU64)
	truthsF32 = truthsOf(ndarray.F32, simd.NeScalarF32)
	truthsF64 = truthsOf(ndarray.F64, simd.NeScalarF64)
	truthsC   = truths[complex128]{
		dt: ndarray.C128, lift: nonzero[complex128],
		count: func(x []complex128) (n int) {
			for _, v := range x {
				if v != 0 {
					n++
				}
			}
			return n
		},
		mask: func(dst []uint8, x []complex128) {
			for i, v := range x[:len(dst)] {
				dst[i] = 0
				if v != 0 {
					dst[i] = 1
				}
			}
		},
		add: func(acc []int64, x []complex128) {
			for i, v := range x[:len(acc)] {
				if v != 0 {
					acc[i]++
				}
			}
		},
	}
)

// anyOf and allOf are reductions to 1 or 0.

// anyOf is 1 if an element is not zero. enough ends an output's work early,
// which changes no result.
func anyOf[T ndarray.Element](t *truths[T]) *reduction[T, uint8] {
	return &reduction[T, uint8]{
		dt: t.dt, raw: true, lift: func(dst []uint8, x []T, _ place) { t.mask(dst, x) },
		leaf: leafOf(larger[uint8]), fold: maxFoldOf[uint8](), join: larger[uint8],
		fused:  func(x []T, _ place) uint8 { return truth(t.count(x) > 0) },
		enough: func(v uint8) bool { return v == 1 },
	}
}

// allOf is 1 unless an element is zero.
func allOf[T ndarray.Element](t *truths[T]) *reduction[T, uint8] {
	return &reduction[T, uint8]{
		dt: t.dt, raw: true, identity: 1, lift: func(dst []uint8, x []T, _ place) { t.mask(dst, x) },
		leaf: leafOf(smaller[uint8]), fold: minFoldOf[uint8](), join: smaller[uint8],
		fused:  func(x []T, _ place) uint8 { return truth(t.count(x) == len(x)) },
		enough: func(v uint8) bool { return v == 0 },
	}
}

// truth is a bool as numpy stores it.
func truth(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// countOf is the number of nonzeros.
func countOf[T ndarray.Element](t *truths[T]) *reduction[T, int64] {
	r := sumMap(t.dt, t.lift)
	r.raw = true
	r.fused = func(x []T, _ place) int64 { return int64(t.count(x)) }
	r.fusedFold = func(acc []int64, x []T, _ place) { t.add(acc, x) }
	return r
}

// truthVerb is which of the three is asked for.
type truthVerb uint8

const (
	anyVerb truthVerb = iota
	allVerb
	countVerb
)

// runTruth looks at integers of either sign as bits.
func runTruth(v truthVerb) func(j *job) error {
	return func(j *job) error {
		switch {
		case j.in.DType.IsComplex():
			return truthOn(j, v, &truthsC)
		case j.narrow():
			return truthOn(j, v, &truthsF32)
		case j.in.DType.IsFloat():
			return truthOn(j, v, &truthsF64)
		}
		switch j.in.DType.Size() {
		case 1:
			return truthOn(j, v, &truths8)
		case 2:
			return truthOn(j, v, &truths16)
		case 4:
			return truthOn(j, v, &truths32)
		}
		return truthOn(j, v, &truths64)
	}
}

// truthOn runs the verb on elements of one type.
func truthOn[T ndarray.Element](j *job, v truthVerb, t *truths[T]) error {
	switch v {
	case anyVerb:
		return run(j, anyOf(t), store[uint8](j, nil))
	case allVerb:
		return run(j, allOf(t), store[uint8](j, nil))
	}
	return run(j, countOf(t), store[int64](j, nil))
}
