package reduce

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// where is a value and its place along K.
type where[T any] struct {
	v T
	k int64
}

// argReduction finds the first extreme element, or the first NaN if there is
// one. before tells whether a is to be preferred to b; leaf gives the extreme
// of a block, and fold takes in a row.
func argReduction[T ordered](dt ndarray.DType, before func(a, b T) bool, leaf func(x []T) T, fold func(acc []where[T], x []T, at place)) *reduction[T, where[T]] {
	join := func(a, b where[T]) where[T] {
		switch aNaN, bNaN := a.v != a.v, b.v != b.v; {
		case aNaN && bNaN, !aNaN && !bNaN && a.v == b.v:
			if b.k < a.k {
				return b
			}
			return a
		case bNaN, !aNaN && before(b.v, a.v):
			return b
		}
		return a
	}
	return &reduction[T, where[T]]{
		dt: dt, bare: true, raw: dt == ndarray.U8, join: join, leaf: leafOf(join), fold: foldOf(join),
		lift: func(dst []where[T], x []T, at place) {
			for i, v := range x {
				dst[i] = where[T]{v, int64(at.k)}
				if !at.outer {
					dst[i].k += int64(i)
				}
			}
		},
		// A block's extreme keeps the place of the block: comparisons need no
		// more, as blocks do not overlap, and only the last one left is looked for.
		fused:  func(x []T, at place) where[T] { return where[T]{leaf(x), int64(at.k)} },
		begins: func(v where[T]) int { return int(v.k) },
		settle: func(v where[T], x []T) where[T] {
			v.k += int64(simd.Index(x, v.v))
			return v
		},
		fusedFold: fold,
		later: func(vals []where[T], by int) {
			for i := range vals {
				vals[i].k += int64(by)
			}
		},
	}
}

// argmaxFold and argminFold keep what comes first.

// argmaxFold folds a row of elements into the greatest so far and their places.
func argmaxFold[T ordered](acc []where[T], x []T, at place) {
	for i, v := range x[:len(acc)] {
		if a := &acc[i]; v > a.v || v != v && a.v == a.v {
			*a = where[T]{v, int64(at.k)}
		}
	}
}

// argminFold is the same for the least.
func argminFold[T ordered](acc []where[T], x []T, at place) {
	for i, v := range x[:len(acc)] {
		if a := &acc[i]; v < a.v || v != v && a.v == a.v {
			*a = where[T]{v, int64(at.k)}
		}
	}
}

func isLess[T ordered](a, b T) bool    { return a < b }
func isGreater[T ordered](a, b T) bool { return a > b }
