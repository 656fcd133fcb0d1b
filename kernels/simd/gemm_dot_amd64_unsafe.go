//go:build amd64 && !noasm

package simd

import "unsafe"

// dotAsm sums the first whole vectors of 1 or 4 rows and returns how many
// elements of x they were.
func dotAsm[T float32 | float64](sums *[4]T, rows int, a Ptr, rowStride int, x []T) int {
	size, isa := sizeOf[T](), Active()
	per := 128 / size // two vectors
	f := dotsAVX512[rows/4][size/8]
	switch isa {
	case Generic:
		return 0
	case AVX2:
		per /= 2
		f = dotsAVX2[rows/4][size/8]
	}
	n := len(x) / per * per
	if n > 0 {
		f(a.byte(), rowStride, (*byte)(unsafe.Pointer(&x[0])), n, (*byte)(unsafe.Pointer(sums)))
	}
	return n
}

type dotFunc = func(a *byte, rowStride int, x *byte, n int, out *byte)

// By rows (1, 4) and element (4, 8 bytes).
var (
	dotsAVX512 = [2][2]dotFunc{{dot1F32AVX512, dot1F64AVX512}, {dot4F32AVX512, dot4F64AVX512}}
	dotsAVX2   = [2][2]dotFunc{{dot1F32AVX2, dot1F64AVX2}, {dot4F32AVX2, dot4F64AVX2}}
)
