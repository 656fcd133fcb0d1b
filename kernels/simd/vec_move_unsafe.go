package simd

import "unsafe"

// misaligned is the number of bytes before the first of b at a multiple of 64.
func misaligned(b []byte) int {
	return int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63)
}
