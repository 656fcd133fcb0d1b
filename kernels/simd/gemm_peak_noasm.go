//go:build !amd64 || noasm

package simd

func peakLoop(GemmType, ISA) (loop func(int), opsPerRound float64) { return peakGo, peakGoOps }
