package alloc

import "unsafe"

// alignTo cuts from p what comes before the next multiple of align, a power of two.
func alignTo(p []byte, align uintptr) []byte {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	return p[-at&(align-1):]
}
