// Package order holds the kernels about the order of values: sort, argsort,
// topk, searchsorted, histogram, bincount. Their rules are numpy's.
//
// # Model
//
// Values become keys: unsigned integers that ascend in the order wanted, with
// NaN on top (see coder). Keys are sorted by counting digits, which is stable
// and takes time in proportion to the length (see radix); many short rows by a
// network over their columns (see columnSort). An array is worked on row by row
// along the axis (see rowPlan): short rows side by side, a long one by all
// workers, in blocks whose bounds depend on the length alone.
//
// Counts and sums (histogram, bincount) are taken in partial tables, whose
// number is a function of the shape, and added up in order (see sums).
//
// # Outside memory
//
// Rows that fit are sorted by the tile (stream.go); longer ones by an external
// merge sort (external.go, merge.go). topk merges what it chose of a row's
// parts (stream_topk.go), searchsorted brings in the parts of the sorted array
// that are asked for (stream_search.go), tallies sweep the values
// (tally_stream.go).
//
// # Synchronization
//
// Pieces of work share nothing but their lanes of scratch, each one piece's at
// a time, and firstError, whose mutex is a leaf.
package order

import (
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/command"
)

// Kernels lists the family.
func Kernels() []*kernels.Kernel {
	return []*kernels.Kernel{sortKernel, argsortKernel, topkKernel, searchsortedKernel, histogramKernel, bincountKernel}
}

// outOfRange is the failure of a run that met a value outside the method's
// range.
func outOfRange(c *kernels.Call, at *kernels.Input, msg string) error {
	return &command.Error{Errno: syscall.EDOM, Span: at.Span, Msg: c.Kernel.Name + ": " + at.Path + ": " + msg}
}
