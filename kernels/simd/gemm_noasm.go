//go:build !amd64 || noasm

package simd

// gemmKernels has nothing but twins to offer here.
var gemmKernels [AVX512 + 1][numGemmTypes]*GemmKernel
