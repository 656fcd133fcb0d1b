package reduce

import (
	"math"
	"slices"

	"vgpu/kernels/simd"
)

// This file holds loops over elements of which some are NaN. They test a few
// elements at a time into a mask on the stack, which function values would move
// to the heap: hence one function a type.

// few is how many elements are tested at once.
const few = 1024

var (
	zeros           [few]float64
	highF32, lowF32 = slices.Repeat([]float32{float32(math.Inf(1))}, few), slices.Repeat([]float32{float32(math.Inf(-1))}, few)
	highF64, lowF64 = slices.Repeat([]float64{math.Inf(1)}, few), slices.Repeat([]float64{math.Inf(-1)}, few)
)

// skipNaN and skipNaNF32 read NaN as 0.

// skipNaN reads NaN as 0. dst may be x.
func skipNaN(dst, x []float64, _ place) {
	var mask [few]uint8
	for len(x) > 0 {
		n := min(few, len(x))
		simd.IsNaNF64(mask[:n], x)
		simd.SelectF64(dst[:n], mask[:n], zeros[:n], x)
		dst, x = dst[n:], x[n:]
	}
}

// skipNaNF32 is skipNaN of what is widened first.
func skipNaNF32(dst []float64, x []float32, at place) {
	simd.CastF32F64(dst, x)
	skipNaN(dst, dst, at)
}

// sumCleanF64 and sumCleanF32 are the sum, if it is no NaN: then no element is.

// sumCleanF64 is the sum, if it is no NaN: then no element is. (A sum of
// infinities of both signs is NaN too, and is then computed anew with the
// mask.)
func sumCleanF64(x []float64, _ place) (float64, bool) {
	s := simd.SumF64(x)
	return s, s == s
}

// sumCleanF32 is the same of float32, summed in float64.
func sumCleanF32(x []float32, _ place) (float64, bool) {
	s := simd.SumF32(x)
	return s, s == s
}

// countClean* is the number of elements, if none is NaN.

// countCleanF64 is the number of elements, if none is NaN.
func countCleanF64(x []float64, at place) (int64, bool) {
	_, ok := sumCleanF64(x, at)
	return int64(len(x)), ok
}

// countCleanF32 is the same of float32.
func countCleanF32(x []float32, at place) (int64, bool) {
	_, ok := sumCleanF32(x, at)
	return int64(len(x)), ok
}

// The extremes of a block of which NaN does not count, unless all elements are
// NaN. A block without any is as fast as if NaN did count.

func maxNumberF32(x []float32) float32 {
	m := simd.MaxOfF32(x)
	if m != m {
		return extremeNumberF32(x, m, true)
	}
	return m
}

func minNumberF32(x []float32) float32 {
	m := simd.MinOfF32(x)
	if m != m {
		return extremeNumberF32(x, m, false)
	}
	return m
}

// extremeNumberF32 reads NaN as the infinity that never wins. nan is the result
// if there is nothing else.
func extremeNumberF32(x []float32, nan float32, greatest bool) float32 {
	var mask [few]uint8
	var buf [few]float32
	worst := highF32
	if greatest {
		worst = lowF32
	}
	best, nans, total := worst[0], 0, len(x)
	for ; len(x) > 0; x = x[min(few, len(x)):] {
		n := min(few, len(x))
		simd.IsNaNF32(mask[:n], x)
		simd.SelectF32(buf[:n], mask[:n], worst, x)
		nans += int(simd.SumU8(mask[:n]))
		if greatest {
			best = larger(best, simd.MaxOfF32(buf[:n]))
		} else {
			best = smaller(best, simd.MinOfF32(buf[:n]))
		}
	}
	if nans == total {
		return nan
	}
	return best
}

func maxNumberF64(x []float64) float64 {
	m := simd.MaxOfF64(x)
	if m != m {
		return extremeNumberF64(x, m, true)
	}
	return m
}

func minNumberF64(x []float64) float64 {
	m := simd.MinOfF64(x)
	if m != m {
		return extremeNumberF64(x, m, false)
	}
	return m
}

// extremeNumberF64 reads NaN as the infinity that never wins. nan is the result
// if there is nothing else.
func extremeNumberF64(x []float64, nan float64, greatest bool) float64 {
	var mask [few]uint8
	var buf [few]float64
	worst := highF64
	if greatest {
		worst = lowF64
	}
	best, nans, total := worst[0], 0, len(x)
	for ; len(x) > 0; x = x[min(few, len(x)):] {
		n := min(few, len(x))
		simd.IsNaNF64(mask[:n], x)
		simd.SelectF64(buf[:n], mask[:n], worst, x)
		nans += int(simd.SumU8(mask[:n]))
		if greatest {
			best = larger(best, simd.MaxOfF64(buf[:n]))
		} else {
			best = smaller(best, simd.MinOfF64(buf[:n]))
		}
	}
	if nans == total {
		return nan
	}
	return best
}
