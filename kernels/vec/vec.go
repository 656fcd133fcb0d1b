// Package vec holds the kernels that make arrays and move them about: fill,
// random, arange, linspace, eye; copy, cast, transpose, reshape, concat, stack,
// flip, roll, where, tril, triu. Their words and rules are numpy's.
//
// # Model
//
// A kernel that makes an array does so by the number of the element in C order
// (see generate), so that no value depends on how the work is split. One that
// moves elements is a list of assignments, calls of [move.Copy] on views. Both
// are bound by memory; neither needs scratch memory but for the few cases in
// which one order of elements cannot be expressed as a view of the other.
//
// Outside memory (streamed.go) what is made is made tile by tile, an assignment
// is copied tile by tile, or, if its two sides run along different axes and the
// tiles would be small, in two passes (exchange.go).
//
// # How to add to it
//
// A kernel that makes an array: a planX that finds type and shape by outType
// and outShape, and ends in generating (values by number) or sunk (tiles at
// once). One that moves elements: a function from the operands' layouts to
// assignments, handed to moving; it is called when the call is planned and
// again when it runs, as only then the offsets of outputs are known, and must
// give the same list both times. Either way the run in core and the streamed
// one follow from the one description, and kerneltest.Stream compares them.
//
// # Synchronization
//
// There is none: a plan is immutable, and its pieces of work write disjoint
// elements.
package vec

import "vgpu/kernels"

// Kernels lists the family.
func Kernels() []*kernels.Kernel {
	return []*kernels.Kernel{
		fillKernel, randomKernel, arangeKernel, linspaceKernel, eyeKernel,
		copyKernel, castKernel, transposeKernel, reshapeKernel,
		concatKernel, stackKernel, flipKernel, rollKernel, whereKernel, trilKernel, triuKernel,
	}
}
