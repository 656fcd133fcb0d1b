//go:build amd64 && !noasm

package simd

import "unsafe"

// gemmKernels are the kernels in assembly by level and type.
var gemmKernels = [AVX512 + 1][numGemmTypes]*GemmKernel{
	AVX2: {
		GemmF32:  {GemmF32, AVX2, 6, 16, asmTile(tileF32AVX2)},
		GemmF64:  {GemmF64, AVX2, 6, 8, asmTile(tileF64AVX2)},
		GemmC64:  {GemmC64, AVX2, 3, 8, asmTile(tileC64AVX2)},
		GemmC128: {GemmC128, AVX2, 3, 4, asmTile(tileC128AVX2)},
		GemmI16:  {GemmI16, AVX2, 6, 16, asmTile(tileI16AVX2)},
	},
	AVX512: {
		GemmF32:  {GemmF32, AVX512, 14, 32, asmTile(tileF32AVX512)},
		GemmF64:  {GemmF64, AVX512, 14, 16, asmTile(tileF64AVX512)},
		GemmC64:  {GemmC64, AVX512, 7, 16, asmTile(tileC64AVX512)},
		GemmC128: {GemmC128, AVX512, 7, 8, asmTile(tileC128AVX512)},
		GemmBF16: {GemmBF16, AVX512, 14, 32, asmTile(tileBF16AVX512)},
		GemmVNNI: {GemmVNNI, AVX512, 14, 32, asmTile(tileVNNIAVX512)},
		GemmI16:  {GemmI16, AVX512, 14, 32, asmTile(tileI16AVX512)},
	},
}

// asmTile adapts an assembly function, which reads a Tile field by field.
func asmTile(f func(*uint64)) func(*Tile) {
	return func(t *Tile) { f((*uint64)(unsafe.Pointer(t))) }
}
