// Package reduce holds the kernels that reduce or scan along axes: sums,
// products, extremes and where they are, means, variances, norms, counts,
// cumulative sums, softmax.
//
// # Model
//
// A reduction has kept axes and reduced axes. The input is seen as O x K x W:
// O kept elements before, K reduced elements in C order of their axes, W kept
// elements behind the last reduced axis. If W is 1 the reduction is "inner": K
// neighbours make one output, and the loops run along K. Else it is "outer":
// rows of W are folded into a row of results, and the loops run along W. The
// choice depends on the shape alone; strides only decide whether elements are
// read in place or gathered first.
//
// # The tree
//
// The order of operations is a function of K and of inner or outer, never of
// threads, strides or the element type:
//
//   - inner: K is cut into blocks of 4096. Within a block element i goes to lane
//     i mod 64, each lane adds up in order, and the lanes are folded in halves (lane
//     j with lane j+32, then +16, ... +1); a block of less than 64 is added from
//     left to right.
//   - outer: K is cut into groups of 32 rows, added from first to last.
//   - blocks, or groups, are joined in pairs of neighbours, the results again in
//     pairs, and so on; an odd last one moves up as it is.
//
// Floats are summed in f64 and complex numbers in c128, whatever their type, and
// rounded once at the end. A vector version of a leaf has 64 lanes to fill: eight
// registers of eight f64.
//
// Work is split at whole subtrees: 16 blocks, 16 groups.
package reduce

import "vgpu/kernels"

// Kernels gives the family.
func Kernels() []*kernels.Kernel {
	var out []*kernels.Kernel
	for _, v := range verbs {
		out = append(out, v.kernel())
	}
	return append(out, scanKernel("cumsum"), scanKernel("cumprod"), softmaxKernel("softmax"), softmaxKernel("log_softmax"))
}
