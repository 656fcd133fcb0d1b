package simd

import (
	"fmt"
	"math"
)

// This file holds what the generated wrappers and twins of the vector routines
// (zz_vec*.go, zz_math*.go) share. The wrappers' rules:
//
//   - n = len(dst) elements are computed; other operands must be at least as
//     long, or the routine panics before it writes anything.
//   - dst may be the same slice as an operand, but not overlap one otherwise.
//   - Results have the same bits on every ISA, except the payloads of NaNs.

// chunk is the number of elements that one assembly call does: at most about
// 20 µs, for the slowest of the routines.
const chunk = 4096

// lanes is the number of partial results of a reduction.
const lanes = 64

// need panics if an operand is shorter than the destination.
func need(n int, lengths ...int) {
	for _, l := range lengths {
		if l < n {
			panic(fmt.Sprintf("simd: operand of %d elements for a destination of %d", l, n))
		}
	}
}

// lesser is x86's MIN: b if either is NaN or both are zeros.
func lesser[T float32 | float64](a, b T) T {
	if a < b {
		return a
	}
	return b
}

// greater is x86's MAX: b if either is NaN or both are zeros.
func greater[T float32 | float64](a, b T) T {
	if a > b {
		return a
	}
	return b
}

func sel[T any](m bool, a, b T) T {
	if m {
		return a
	}
	return b
}

func byteOfBool(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// fma32 is a*b + c with one rounding. In float64 the product is exact and the
// sum rounded; rounding that again to float32 goes wrong only if it fell on
// the middle between two float32, which shows in its low bits. Then the sum's own error
// decides (Boldo and Melquiond, "Emulation of a FMA and correctly rounded
// sums", IEEE TC 57(4), 2008).
func fma32(a, b, c float32) float32 {
	p, z := float64(a)*float64(b), float64(c)
	s := p + z
	if bits := math.Float64bits(s); bits&(1<<28-1) != 0 {
		return float32(s)
	}
	return roundedSum(s, p, z)
}

// roundedSum rounds p + z to float32, given s, their float64 sum.
func roundedSum(s, p, z float64) float32 {
	back := s - p
	err := (p - (s - back)) + (z - back)
	switch {
	case err > 0:
		s = math.Nextafter(s, math.Inf(1))
	case err < 0:
		s = math.Nextafter(s, math.Inf(-1))
	}
	return float32(s)
}

// truncToI32 is VCVTTPS2DQ: what does not fit, and NaN, give the least integer.
func truncToI32(f float32) uint32 {
	if f >= math.MinInt32 && f < math.MaxInt32+1 {
		return uint32(int32(f))
	}
	return 1 << 31
}

// truncToI64 is VCVTTPD2QQ.
func truncToI64(f float64) uint64 {
	if f >= math.MinInt64 && f < math.MaxInt64+1 {
		return uint64(int64(f))
	}
	return 1 << 63
}
