//go:build !amd64 || noasm

package simd

func addRowsF32AVX2(acc *float64, x *float32, ldx, rows, columns int) { panic(noAssembly) }
func addRowsF64AVX2(acc, x *float64, ldx, rows, columns int)          { panic(noAssembly) }
