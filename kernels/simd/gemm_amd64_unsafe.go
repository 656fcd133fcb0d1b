//go:build amd64 && !noasm

package simd

import "unsafe"

// gemmKernels are the kernels in assembly by level and type.
var gemmKernels = [AVX512 + 1][numGemmTypes]*GemmKernel{
	AVX2: {
		GemmF32:  avx2(GemmF32, tileF32AVX2, wholeF32AVX2),
		GemmF64:  avx2(GemmF64, tileF64AVX2, wholeF64AVX2),
		GemmC64:  avx2(GemmC64, tileC64AVX2, wholeC64AVX2),
		GemmC128: avx2(GemmC128, tileC128AVX2, wholeC128AVX2),
		GemmI16:  avx2(GemmI16, tileI16AVX2, wholeI16AVX2),
	},
	AVX512: {
		GemmF32:  avx512(GemmF32, tileF32AVX512, wholeF32AVX512),
		GemmF64:  avx512(GemmF64, tileF64AVX512, wholeF64AVX512),
		GemmC64:  avx512(GemmC64, tileC64AVX512, wholeC64AVX512),
		GemmC128: avx512(GemmC128, tileC128AVX512, wholeC128AVX512),
		GemmBF16: avx512(GemmBF16, tileBF16AVX512, nil),
		GemmVNNI: avx512(GemmVNNI, tileVNNIAVX512, nil),
		GemmI16:  avx512(GemmI16, tileI16AVX512, nil),
	},
}

// avx512 describes a kernel of 8 rows of 3 vectors, and avx2 one of 6 rows of
// 2: 24 and 12 sums, which leave registers for a row of B and an element of A.
// A complex row takes two. In small products 4 rows do: on a Zen 4 the stores of
// a tile, up to 18 of 512 bits, cost the next tile nothing, but 24 cost it 40
// cycles. Half a vector is a width of its own at AVX-512.
func avx512(t GemmType, tile, whole func(*uint64)) *GemmKernel {
	k := asm(t, AVX512, 8, 3, 4, 64, tile)
	if !t.Complex() {
		k.shortMR = 4
	}
	if whole != nil { // else B is packed, and read without a mask
		k.whole = asmTile(whole)
	}
	return k
}

func avx2(t GemmType, tile, whole func(*uint64)) *GemmKernel {
	k := asm(t, AVX2, 6, 2, 2, 32, tile)
	k.whole, k.unrolled = asmTile(whole), true
	return k
}

func asm(t GemmType, isa ISA, rows, vecs, widths, vecBytes int, tile func(*uint64)) *GemmKernel {
	if t.Complex() {
		rows /= 2
	}
	lanes := vecBytes / t.SumBytes()
	return &GemmKernel{Type: t, ISA: isa, MR: rows, NR: vecs * lanes, shortMR: rows, lanes: lanes, vecs: vecs, packBody: widths * rows, run: asmTile(tile)}
}

// asmTile adapts an assembly function, which reads a Tile field by field.
func asmTile(f func(*uint64)) func(*Tile) {
	return func(t *Tile) { f((*uint64)(unsafe.Pointer(t))) }
}
