package simd

//go:generate go run ../../tools/asmgen -family gemm -out .
//go:generate go run ../../tools/asmgen -family vec -out .
//go:generate go run ../../tools/asmgen -family math -out .
//go:generate go run ../../tools/asmgen -family fft -out .
//go:generate go run ../../tools/asmgen -family reduce -out .
//go:generate go run ../../tools/asmgen -family move -out .
//go:generate go run ../../tools/asmgen -family find -out .
