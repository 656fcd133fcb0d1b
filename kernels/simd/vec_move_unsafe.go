package simd

import "unsafe"

// misaligned is the number of bytes before the first of b at a multiple of 64.
func misaligned(b []byte) int {
	return int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
}

// aligned is how many elements come before the first at a multiple of 64 bytes,
// at most all.
func aligned[T any](x []T) int {
	return min(len(x), int(-uintptr(unsafe.Pointer(unsafe.SliceData(x)))&63)/sizeOf[T]())
}
