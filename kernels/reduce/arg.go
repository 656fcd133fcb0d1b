package reduce

import (
	"slices"

	"vgpu/kernels/ndarray"
)

// where is a value and its place along K.
type where[T any] struct {
	v T
	k int64
}

// argReduction finds the first extreme element, or the first NaN if there is
// one. before tells whether a is to be preferred to b; leaf gives the extreme
// of a block.
func argReduction[T ordered](dt ndarray.DType, before func(a, b T) bool, leaf func(x []T) T) *reduction[T, where[T]] {
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
		dt: dt, join: join, leaf: leafOf(join), fold: foldOf(join),
		lift: func(dst []where[T], x []T, at place) {
			for i, v := range x {
				dst[i] = where[T]{v, int64(at.k)}
				if !at.outer {
					dst[i].k += int64(i)
				}
			}
		},
		fused: func(x []T, at place) where[T] {
			// Two fast loops beat one that keeps the index.
			best := firstOf(x, leaf(x))
			return where[T]{x[best], int64(at.k + best)}
		},
		fusedFold: func(acc []where[T], x []T, at place) {
			for i, v := range x[:len(acc)] {
				if a := &acc[i]; before(v, a.v) || v != v && a.v == a.v {
					*a = where[T]{v, int64(at.k)}
				}
			}
		},
	}
}

func isLess[T ordered](a, b T) bool    { return a < b }
func isGreater[T ordered](a, b T) bool { return a > b }

// firstOf is where v is in x; v may be NaN.
func firstOf[T ordered](x []T, v T) int {
	if v != v {
		return slices.IndexFunc(x, func(w T) bool { return w != w })
	}
	return slices.Index(x, v)
}
