package reduce

import (
	"math/cmplx"

	"vgpu/kernels/ndarray"
)

// This file holds the inner loops in Go, for all types; vector.go has those
// that package simd makes faster. Sums of a block have 64 lanes in a fixed order (see
// the package comment), which both keep.

// The type sets of the loops: what has an order, and what sums are computed in.
type (
	float  interface{ float32 | float64 }
	intish interface {
		int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64
	}
	ordered interface{ intish | float }
	summed  interface {
		float64 | int64 | uint64 | complex128
	}
)

// sumLeaf is Σx in lane order.
func sumLeaf[A summed](x []A) A {
	if len(x) < lanes {
		var s A
		for _, v := range x {
			s += v
		}
		return s
	}
	var acc [lanes]A
	for ; len(x) >= lanes; x = x[lanes:] {
		row := (*[lanes]A)(x)
		for j := range acc {
			acc[j] += row[j]
		}
	}
	for j, v := range x {
		acc[j] += v
	}
	for h := lanes / 2; h > 0; h /= 2 {
		for j := range h {
			acc[j] += acc[j+h]
		}
	}
	return acc[0]
}

// sumFold adds a row to the row of sums.
func sumFold[A summed](acc, x []A) {
	x = x[:len(acc)]
	for i := range acc {
		acc[i] += x[i]
	}
}

// prodLeaf is Πx in the order of sumLeaf.
func prodLeaf[A summed](x []A) A {
	if len(x) < lanes {
		var p A = 1
		for _, v := range x {
			p *= v
		}
		return p
	}
	var acc [lanes]A
	for j := range acc {
		acc[j] = 1
	}
	for ; len(x) >= lanes; x = x[lanes:] {
		row := (*[lanes]A)(x)
		for j := range acc {
			acc[j] *= row[j]
		}
	}
	for j, v := range x {
		acc[j] *= v
	}
	for h := lanes / 2; h > 0; h /= 2 {
		for j := range h {
			acc[j] *= acc[j+h]
		}
	}
	return acc[0]
}

// prodFold multiplies the row of products by a row.
func prodFold[A summed](acc, x []A) {
	x = x[:len(acc)]
	for i := range acc {
		acc[i] *= x[i]
	}
}

// addition and multiplication join two subtrees.
func addition[A summed](a, b A) A       { return a + b }
func multiplication[A summed](a, b A) A { return a * b }

// smaller and larger let NaN win.
func smaller[T ordered](a, b T) T {
	if b < a || b != b {
		return b
	}
	return a
}

// larger is the greater one; NaN wins.
func larger[T ordered](a, b T) T {
	if b > a || b != b {
		return b
	}
	return a
}

// smallerNumber and largerNumber let NaN lose.
func smallerNumber[T ordered](a, b T) T {
	if b < a || a != a {
		return b
	}
	return a
}

// largerNumber is the greater one that is a number; NaN only of two.
func largerNumber[T ordered](a, b T) T {
	if b > a || a != a {
		return b
	}
	return a
}

// minLeaf keeps eight candidates, so that comparisons overlap. A candidate that
// is NaN stays: nothing is less than it, and other NaNs do no harm. x is not
// empty.
func minLeaf[T ordered](x []T) T {
	var m [8]T
	for j := range m {
		m[j] = x[0]
	}
	for ; len(x) >= 8; x = x[8:] {
		row := (*[8]T)(x)
		for j := range m {
			if v := row[j]; v < m[j] || v != v {
				m[j] = v
			}
		}
	}
	for _, v := range x {
		m[0] = smaller(m[0], v)
	}
	for _, v := range m[1:] {
		m[0] = smaller(m[0], v)
	}
	return m[0]
}

// maxLeaf is minLeaf for the greatest.
func maxLeaf[T ordered](x []T) T {
	var m [8]T
	for j := range m {
		m[j] = x[0]
	}
	for ; len(x) >= 8; x = x[8:] {
		row := (*[8]T)(x)
		for j := range m {
			if v := row[j]; v > m[j] || v != v {
				m[j] = v
			}
		}
	}
	for _, v := range x {
		m[0] = larger(m[0], v)
	}
	for _, v := range m[1:] {
		m[0] = larger(m[0], v)
	}
	return m[0]
}

// leafOf makes the loop of a block, which is not empty, of any join.
func leafOf[A any](join func(a, b A) A) func(x []A) A {
	return func(x []A) A {
		m := x[0]
		for _, v := range x[1:] {
			m = join(m, v)
		}
		return m
	}
}

// foldOf makes the loop of a row of any join.
func foldOf[A any](join func(a, b A) A) func(acc, x []A) {
	return func(acc, x []A) {
		for i, v := range x[:len(acc)] {
			acc[i] = join(acc[i], v)
		}
	}
}

// minFold keeps the least of each column; NaN wins.
func minFold[T ordered](acc, x []T) {
	x = x[:len(acc)]
	for i := range acc {
		if v := x[i]; v < acc[i] || v != v {
			acc[i] = v
		}
	}
}

// maxFold keeps the greatest.
func maxFold[T ordered](acc, x []T) {
	x = x[:len(acc)]
	for i := range acc {
		if v := x[i]; v > acc[i] || v != v {
			acc[i] = v
		}
	}
}

// The lifts.

// same takes elements as they are. The lifts below bring elements to what is
// added up, in registers' reach: dst is a piece of a block, and at says which.
func same[T any](dst, x []T, _ place) { copy(dst, x) }

// nonzero is 1 of what is not zero, NaN included.
func nonzero[T ndarray.Element](dst []int64, x []T, _ place) {
	var zero T
	x = x[:len(dst)]
	for i := range dst {
		var n int64
		if x[i] != zero {
			n = 1
		}
		dst[i] = n
	}
}

// numbers counts what is not NaN.
func numbers[T float | complex128](dst []int64, x []T, _ place) {
	for i, v := range x {
		dst[i] = 1
		if v != v {
			dst[i] = 0
		}
	}
}

// skipNaNC reads what has a NaN in either part as 0, as numpy.nansum does.
func skipNaNC(dst, x []complex128, _ place) {
	for i, v := range x {
		dst[i] = v
		if re, im := real(v), imag(v); re != re || im != im {
			dst[i] = 0
		}
	}
}

// modulus is |x|, scaled so that squares do not overflow.
func modulus(dst []float64, x []complex128, _ place) {
	for i, v := range x {
		dst[i] = cmplx.Abs(v)
	}
}

// squaredC is |x|², which may overflow where |x| does not, as in numpy.var.
func squaredC(dst []float64, x []complex128, _ place) {
	for i, v := range x {
		dst[i] = real(v)*real(v) + imag(v)*imag(v)
	}
}
