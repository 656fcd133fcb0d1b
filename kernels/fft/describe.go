package fft

import (
	"fmt"
	"strconv"
	"strings"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

func itoa(n int) string { return strconv.Itoa(n) }

// describe says how a line of n points of precision d would be decomposed:
// two-step 1024=32x32 (16x2 . 16x2). It plans nothing.
func describe(d ndarray.DType, n int) string {
	if d == ndarray.F32 {
		return describeFor(simd.FFT[float32](), n)
	}
	return describeFor(simd.FFT[float64](), n)
}

func describeFor[T simd.Float](k *simd.FFTKernels[T], n int) string {
	switch m := methodFor(n, machineOf(k)); m {
	case methodTwoStep:
		n1, n2, _ := split(n, machineOf(k))
		if machineOf(k).whole(n) {
			return fmt.Sprintf("%s %d=%dx%d (%d . %d, one routine)", m, n, n1, n2, n1, n2)
		}
		return fmt.Sprintf("%s %d=%dx%d (%s . %s)", m, n, n1, n2, codelets(n1, k), codelets(n2, k))
	case methodTile:
		return fmt.Sprintf("%s %d (%s)", m, n, codelets(n, k))
	case methodBluestein:
		p := padLength(2*n - 1)
		if c, ok := machineOf(k).cyclic(p); ok {
			return fmt.Sprintf("%s %d by cyclic %d=%dx%d (%s . %s)", m, n, p, c.n1, c.n2, codelets(c.n1, k), codelets(c.n2, k))
		}
		return fmt.Sprintf("%s %d by %s", m, n, describeFor(k, p))
	case methodRader:
		return fmt.Sprintf("%s %d by %s", m, n, describeFor(k, n-1))
	default:
		return fmt.Sprintf("%s %d", m, n)
	}
}

// codelets writes the codelets of a tile transform: 16x8x8.
func codelets[T simd.Float](n int, k *simd.FFTKernels[T]) string {
	var parts []string
	for _, r := range radices(n, maxPow2For[T](k.ISA)) {
		parts = append(parts, itoa(r))
	}
	return strings.Join(parts, "x")
}
