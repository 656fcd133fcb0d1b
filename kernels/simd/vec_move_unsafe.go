package simd

import "unsafe"

// misaligned is the number of bytes before the first of x at a multiple of 64.
func misaligned[T any](x []T) int {
	return int(-uintptr(unsafe.Pointer(unsafe.SliceData(x))) & 63)
}

// bytesAt is where element i lies.
func bytesAt[T any](x []T, i int) *byte { return (*byte)(unsafe.Pointer(&x[i])) }

// aligned is how many elements come before the first at a multiple of 64 bytes,
// at most all.
func aligned[T any](x []T) int {
	return min(len(x), int(-uintptr(unsafe.Pointer(unsafe.SliceData(x)))&63)/sizeOf[T]())
}

// wordsOf is x as words, of which whole ones are whole elements or several.
func wordsOf[W uint32 | uint64, T Float](x []T) []W {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*W)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*sizeOf[T]()/sizeOf[W]())
}
