package reduce

import "vgpu/kernels/ndarray"

// where is a value and its place along K.
type where[T any] struct {
	v T
	k int64
}

// argReduction finds the first extreme element, or the first NaN if there is
// one. before tells whether a is to be preferred to b.
func argReduction[T ordered](dt ndarray.DType, before func(a, b T) bool) *reduction[T, where[T]] {
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
			best := 0
			for i, v := range x {
				if v != v {
					best = i
					break
				}
				if before(v, x[best]) {
					best = i
				}
			}
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
