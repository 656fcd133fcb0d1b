package simd

//go:generate go run ../../tools/asmgen -family gemm -out .
//go:generate go run ../../tools/asmgen -family vec -out .
//go:generate go run ../../tools/asmgen -family math -out .
