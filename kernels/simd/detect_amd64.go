//go:build amd64 && !noasm

package simd

import "github.com/klauspost/cpuid/v2"

var detected = detect()

func detect() detection {
	var d detection
	c := cpuid.CPU
	if c.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.F16C) {
		d.isa = AVX2
	}
	if d.isa == AVX2 && c.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512CD) {
		d.isa = AVX512
		d.features = Features{BF16: c.Supports(cpuid.AVX512BF16), VNNI: c.Supports(cpuid.AVX512VNNI)}
	}
	return d
}
