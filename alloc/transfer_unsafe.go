package alloc

import "unsafe"

// aligned reports whether memory is where direct transfers want it.
func (t *spillTier) aligned(p []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))%uintptr(t.align) == 0
}
