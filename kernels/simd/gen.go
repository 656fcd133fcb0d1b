package simd

//go:generate go tool asmgen -family gemm -out .
//go:generate go tool asmgen -family vec -out .
//go:generate go tool asmgen -family math -out .
//go:generate go tool asmgen -family fft -out .
//go:generate go tool asmgen -family reduce -out .
//go:generate go tool asmgen -family move -out .
//go:generate go tool asmgen -family find -out .
//go:generate go tool asmgen -family sort -out .
