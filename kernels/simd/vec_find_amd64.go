//go:build amd64 && !noasm

package simd

var (
	countZeros512 = countFunc{countZerosU8AVX512, countZerosU16AVX512, countZerosU32AVX512, countZerosU64AVX512, countZerosF32AVX512, countZerosF64AVX512}
	countZeros256 = countFunc{countZerosU8AVX2, countZerosU16AVX2, countZerosU32AVX2, countZerosU64AVX2, countZerosF32AVX2, countZerosF64AVX2}

	find = findFuncs{
		equal: [kinds]func(*byte, int, uint64) int{findU8AVX2, findU16AVX2, findU32AVX2, findU64AVX2, findF32AVX2, findF64AVX2},
		nan:   countFunc{kindF32: findNaNF32AVX2, kindF64: findNaNF64AVX2},
	}
)
