package stream

import "unsafe"

// pageOffset is where in its page a slice begins.
func pageOffset(b []byte) int { return int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % pageBytes) }
