//go:build !amd64 || noasm

package simd

// Best is Generic in this build, so none of these is ever called.

func transpose32AVX512(dst *uint32, ldd int, src *uint32, lds, tiles, stream int) { panic(noAssembly) }
func transpose32AVX2(dst *uint32, ldd int, src *uint32, lds, tiles, stream int)   { panic(noAssembly) }
func transpose64AVX512(dst *uint64, ldd int, src *uint64, lds, tiles, stream int) { panic(noAssembly) }
func transpose64AVX2(dst *uint64, ldd int, src *uint64, lds, tiles, stream int)   { panic(noAssembly) }
func copyStreamAVX512(dst, src *byte, blocks int)                                 { panic(noAssembly) }
func copyStreamAVX2(dst, src *byte, blocks int)                                   { panic(noAssembly) }
