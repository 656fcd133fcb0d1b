package simd

import "unsafe"

// vectorPtr is the address of the first element of v.
func vectorPtr[T any](v []T) Ptr { return Ptr{unsafe.Pointer(unsafe.SliceData(v))} }
