package scratch

import "unsafe"

// Size is the bytes that Carve cuts off for n values of T.
func Size[T any](n int) int {
	var zero T
	return Round(n * int(unsafe.Sizeof(zero)))
}

// Carve cuts n values of T off the front of buf, which must begin at a
// multiple of 64. T may hold no pointers: the garbage collector does not look
// at this memory. What is left of buf begins at a multiple of 64 again.
// It panics if buf is too short.
func Carve[T any](buf *[]byte, n int) []T {
	if n == 0 {
		return []T{}
	}
	var zero T
	_ = (*buf)[n*int(unsafe.Sizeof(zero))-1]
	s := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(*buf))), n)
	*buf = (*buf)[min(Size[T](n), len(*buf)):]
	return s
}

// Bytes is the memory of a slice, whose elements may hold no pointers.
func Bytes[T any](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// heap is n bytes of the Go heap, aligned to 64.
func heap(n int) []byte {
	buf := make([]byte, n+align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(buf)))) & (align - 1)
	return buf[skip : skip+n : skip+n]
}
