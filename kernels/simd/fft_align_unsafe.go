package simd

import "unsafe"

// alignedTo tells whether x begins at a multiple of n bytes.
func alignedTo[T Float](x []T, n uintptr) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(x)))%n == 0
}
