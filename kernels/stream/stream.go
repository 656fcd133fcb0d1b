// Package stream runs kernels over arrays that stay outside memory
// ([kernels.Stored]): pieces of them pass through memory, and while one piece
// is computed the next is being read and the last one written.
//
// # Model
//
// A [Piece] is a rectangular part (a tile) of a stored array with room in
// memory for its elements. In memory they lie in the order in which they lie
// in the file, whatever the order of the axes, so that what is read or written
// at once is as long as the file allows; the piece's array has the strides that
// this gives, which every kernel takes. Gaps of less than a page between
// elements are read with them, and never written.
//
// A [Tiling] cuts the index space of several arrays of one shape into tiles of
// a size that a bound on memory allows, and [Tiling.Run] takes a body over them
// with double buffering: most element-wise kernels need nothing else. Arrays of other
// shapes tell which part of them belongs to a tile ([Reach]). Kernels
// with a structure of their own (gemm, sort, reductions) have [Steps], a
// double-buffered loop, or keep account of their transfers with a [Flight].
//
// # Errors
//
// The first error wins. It cancels what is under way, and nothing returns before
// all transfers have been waited for: their memory is the caller's again.
//
// # Synchronization
//
// Everything but the blobs belongs to the goroutine that runs the kernel (the
// job's root task). A transfer of more segments than fit into one call is fed by
// a goroutine of its own.
package stream

import (
	"fmt"
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// NoMemError refuses a bound on memory that is too low: it is an ENOMEM.
type NoMemError struct {
	Least int64 // bytes that would do
	Have  int64
}

// Error tells both figures.
func (e *NoMemError) Error() string {
	return fmt.Sprintf("streaming takes %d bytes of memory at the least, and there are %d", e.Least, e.Have)
}

// Unwrap is ENOMEM.
func (e *NoMemError) Unwrap() error { return syscall.ENOMEM }

// Broadcast is s stretched to shape, as [ndarray.Layout.Broadcast].
func Broadcast(s kernels.Stored, shape []int) (kernels.Stored, error) {
	l, err := s.Layout.Broadcast(shape)
	return kernels.Stored{Blob: s.Blob, Layout: l}, err
}

// Range is the part [lo, hi) of one axis of s.
func Range(s kernels.Stored, axis, lo, hi int) kernels.Stored {
	return kernels.Stored{Blob: s.Blob, Layout: s.Layout.Range(axis, lo, hi)}
}

// Box is the part of s from index lo to index hi (excluded) on every axis.
func Box(s kernels.Stored, lo, hi []int) kernels.Stored {
	return kernels.Stored{Blob: s.Blob, Layout: box(s.Layout, lo, hi)}
}

// box is the part of l from index lo to hi.
func box(l ndarray.Layout, lo, hi []int) ndarray.Layout {
	shape := make([]int, len(lo))
	for i := range lo {
		shape[i] = hi[i] - lo[i]
		if l.Len() > 0 {
			l.Offset += lo[i] * l.Strides[i]
		}
	}
	l.Shape = shape
	return l
}

// Output is the layout that output i of a call will have when it runs, as far
// as it is known when the call is planned: what exists if it is read or written
// in part, else C order. Only the offset may differ.
func Output(c *kernels.Call, i int, spec kernels.OutSpec) ndarray.Layout {
	if o := &c.Out[i]; o.Exists && (o.Slice != nil || spec.Reads) {
		return o.Layout
	}
	return ndarray.NewLayout(spec.DType, spec.Shape...)
}
