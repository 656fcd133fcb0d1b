// Package gemm multiplies matrices.
package gemm

import "vgpu/kernels"

// Kernels are the family's kernels.
func Kernels() []*kernels.Kernel { return []*kernels.Kernel{gemmKernel()} }

func gemmKernel() *kernels.Kernel {
	trans := []string{"n", "t", "c"}
	return &kernels.Kernel{
		Name: "gemm", Family: "gemm",
		Summary:   "matrix product, batched and broadcast as numpy.matmul, with a fused epilogue",
		Synopsis:  "gemm A B C [alpha=1] [beta=0] [ta=n|t|c] [tb=n|t|c]\n     [bias=X] [act=none|relu|gelu|silu|tanh|sigmoid] [residual=X]",
		MinInputs: 2, MaxInputs: 2, Outputs: kernels.OutputRequired,
		Options: []kernels.OptionSpec{
			{Name: "alpha", Kind: kernels.KindComplex, Default: "1", Help: "factor of the product"},
			{Name: "beta", Kind: kernels.KindComplex, Default: "0", Help: "factor of what C held before; 0 does not read it"},
			{Name: "ta", Kind: kernels.KindEnum, Default: "n", Values: trans, Help: "use A as it is, its transpose, or its conjugate transpose"},
			{Name: "tb", Kind: kernels.KindEnum, Default: "n", Values: trans, Help: "the same for B"},
			{Name: "bias", Kind: kernels.KindOperand, Help: "added before act; broadcast to C"},
			{Name: "act", Kind: kernels.KindEnum, Default: "none", Values: []string{"none", "relu", "gelu", "silu", "tanh", "sigmoid"}, Help: "function applied to every element"},
			{Name: "residual", Kind: kernels.KindOperand, Help: "added after act; broadcast to C"},
		},
		Plan: planGemm,
	}
}
