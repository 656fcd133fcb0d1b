package ndarray

import (
	"fmt"
	"unsafe"
)

// Array is a layout over bytes that it does not own.
type Array struct {
	Layout
	Data []byte
}

// New allocates a C-ordered array of zeros on the Go heap, for tests and small
// results: buffers' bytes never live there. The shape must pass [CheckShape].
func New(d DType, shape ...int) Array {
	l := NewLayout(d, shape...)
	// Backed by 16-byte elements so that every type is aligned.
	n := l.Bytes()
	buf := make([]complex128, (n+15)/16)
	var data []byte
	if n > 0 {
		data = unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), n)
	}
	return Array{l, data}
}

// Check verifies that every element lies inside Data. What was sliced from a
// checked array needs no other check; what was read from a file does, as the
// header may promise more than there is.
func (a Array) Check() error {
	if lo, hi := a.Extent(); lo < 0 || hi > len(a.Data) {
		return fmt.Errorf("%s reaches bytes %d to %d of a buffer of %d bytes", a.Layout, lo, hi, len(a.Data))
	}
	return nil
}

// Index fixes the leading axis at i and drops it. The bounds are not checked.
func (a Array) Index(i int) Array { return Array{a.Layout.Index(i), a.Data} }

// Permute reorders the axes as [Layout.Permute] does.
func (a Array) Permute(axes ...int) Array { return Array{a.Layout.Permute(axes...), a.Data} }

// Element is the Go type of an element in memory. F16 and BF16 are uint16 bit
// patterns, Bool is uint8: Go has no types of their own for them, so what reads
// a uint16 must look at the DType.
type Element interface {
	int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64 | complex64 | complex128
}

// Aligned tells whether the first element lies at a multiple of its
// component size (8 for C128) and every stride keeps it so.
func (a Array) Aligned() bool {
	size := a.DType.Real().Size()
	if size <= 1 || a.Len() == 0 {
		return true
	}
	if (uintptr(unsafe.Pointer(unsafe.SliceData(a.Data)))+uintptr(a.Offset))%uintptr(size) != 0 {
		return false
	}
	for i, s := range a.Strides {
		if a.Shape[i] > 1 && s%size != 0 {
			return false
		}
	}
	return true
}

// Direct tells whether the elements can be used as a Go slice as they lie: C
// order without gaps, native byte order, aligned. It looks at the rank only,
// not at the elements.
func (a Array) Direct() bool { return !a.Swapped && a.Contiguous() && a.Aligned() }

// Slice gives the elements of a Direct array as a slice of T, which must be of
// the element's size. It shares a's memory, which the garbage collector does
// not know of if it is mapped: the slice must not outlive it. It panics if a is
// not Direct.
func Slice[T Element](a Array) []T {
	var zero T
	if !a.Direct() || int(unsafe.Sizeof(zero)) != a.DType.Size() {
		panic("ndarray: Slice of " + a.String() + ", which is not direct or of another size")
	}
	n := a.Len()
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&a.Data[a.Offset])), n)
}
