//go:build amd64 && !noasm

package simd

// peakLoop picks the loop of the instructions that a kernel of type t uses at
// level isa.
func peakLoop(t GemmType, isa ISA) (loop func(int), opsPerRound float64) {
	const chains = 12 // peakChains of tools/asmgen
	double := t == GemmF64 || t == GemmC128
	switch {
	case isa == Generic:
		return peakGo, peakGoOps
	case isa == AVX512 && t == GemmVNNI && detected.features.VNNI:
		return peakI8VNNI, chains * 128
	case isa == AVX512 && t == GemmBF16 && detected.features.BF16:
		return peakBF16, chains * 64
	case t == GemmI16 || t == GemmVNNI:
		return peakI16AVX2, chains * 32
	case isa == AVX512 && double:
		return peakF64AVX512, chains * 16
	case isa == AVX512:
		return peakF32AVX512, chains * 32
	case double:
		return peakF64AVX2, chains * 8
	}
	return peakF32AVX2, chains * 16
}
