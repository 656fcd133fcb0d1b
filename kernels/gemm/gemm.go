// Package gemm multiplies matrices.
//
// # Model
//
// The loops are those of Goto and van de Geijn ("Anatomy of high-performance
// matrix multiplication", ACM TOMS 34(3), 2008) with A and B in each other's
// places, as rows of C run contiguously here: a worker packs a block of KC values
// of NC columns of B into its L2 cache, and a micro-kernel of kernels/simd runs
// over MR x NR tiles of C, along that block with the same MR rows of A. These are
// not packed but read as they lie, if they run along k: 8 rows are few enough for
// the ways of an L1 cache, whatever their stride. (AVX2, where a tile has 6 rows of
// shorter vectors, packs a band of A for all of B if that is long.) B is packed by the first
// tiles as they read it. Nothing is shared but the operands. Every stride is one
// of the operands' own, so transposes and views cost nothing but their way
// through packing. docs/design/gemm.md has figures, and what did not help.
//
// # Bits
//
// Within KC values of k a micro-kernel adds one product after the other; C
// is updated block by block in the order of k. KC is fixed by type and
// instruction set, and k is never divided among workers. So the bits depend
// on neither the number of threads nor on [Params], and the unpacked path for
// small products, which uses the same micro-kernels, has the same bits too.
// Products with a vector have an order of their own, chosen by shape and
// strides.
//
// # Files
//
//	command.go, dot.go  the kernels' lines: shapes, types, errors
//	matmul.go           Problem: batches
//	run.go              one product: which loops, which buffers
//	loops.go, pack.go   the packed loops
//	ahead.go            what they ask for ahead
//	buffers.go          what they pack into
//	small.go            products on operands as they lie
//	vector.go           products with a vector
//	streamed.go         operands outside memory: how the problem is cut
//	streamed_plan.go    and what a line's operands are to it
//	streamed_roll.go    panels that come strip by strip, into one place
//	streamed_stay.go    a panel that serves all tiles
//	streamed_run.go     and how the parts are brought, multiplied and written
//	epilogue.go         bias, activation, residual
//	scheme.go           which micro-kernel multiplies which types
//	params.go           block sizes
package gemm

import "vgpu/kernels"

// Kernels are the family's kernels.
func Kernels() []*kernels.Kernel { return []*kernels.Kernel{gemmKernel(), dotKernel()} }

func gemmKernel() *kernels.Kernel {
	trans := []string{"n", "t", "c"}
	return &kernels.Kernel{
		Name: "gemm", Family: "gemm",
		Summary:   "matrix product, batched and broadcast as numpy.matmul, with a fused epilogue",
		Synopsis:  "gemm A B C [alpha=1] [beta=0] [ta=n|t|c] [tb=n|t|c]\n     [bias=X] [act=none|relu|gelu|silu|tanh|sigmoid] [residual=X]",
		Manual:    gemmManual,
		MinInputs: 2, MaxInputs: 2, Outputs: kernels.OutputRequired,
		Options: []kernels.OptionSpec{
			{Name: "alpha", Kind: kernels.KindComplex, Default: "1", Help: "factor of the product; 0 reads neither A nor B"},
			{Name: "beta", Kind: kernels.KindComplex, Default: "0", Help: "factor of what C held before; 0 does not read it"},
			{Name: "ta", Kind: kernels.KindEnum, Default: "n", Values: trans, Help: "use A as it is (n), its transpose (t), or its conjugate transpose (c), in the last two axes"},
			{Name: "tb", Kind: kernels.KindEnum, Default: "n", Values: trans, Help: "the same for B"},
			{Name: "bias", Kind: kernels.KindOperand, Help: "added before act; broadcast to C, so that a vector is added to every row"},
			{Name: "act", Kind: kernels.KindEnum, Default: "none", Values: []string{"none", "relu", "gelu", "silu", "tanh", "sigmoid"}, Help: "function applied to every element"},
			{Name: "residual", Kind: kernels.KindOperand, Help: "added after act; broadcast to C"},
		},
		Plan: planGemm,
	}
}

func dotKernel() *kernels.Kernel {
	return &kernels.Kernel{
		Name: "dot", Family: "gemm",
		Summary:   "inner product of two vectors",
		Synopsis:  "dot X Y [OUT] [conj=false]",
		Manual:    dotManual,
		MinInputs: 2, MaxInputs: 2, Outputs: kernels.OutputOptional,
		Options: []kernels.OptionSpec{
			{Name: "conj", Kind: kernels.KindBool, Default: "false", Help: "use the conjugate of X, as numpy.vdot"},
		},
		Plan: planDot,
	}
}
