package simd

//go:generate go run ../../tools/asmgen -family gemm -out .
