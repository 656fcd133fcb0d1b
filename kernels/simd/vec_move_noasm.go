//go:build !amd64 || noasm

package simd

// noAssembly is what the stand-ins for assembly panic with. It is never seen,
// since Force refuses a level that the build lacks.
const noAssembly = "simd: this build has no assembly"

func transpose32AVX512(dst *uint32, ldd int, src *uint32, lds, tiles int) { panic(noAssembly) }
func transpose32AVX2(dst *uint32, ldd int, src *uint32, lds, tiles int)   { panic(noAssembly) }
func transpose64AVX512(dst *uint64, ldd int, src *uint64, lds, tiles int) { panic(noAssembly) }
func transpose64AVX2(dst *uint64, ldd int, src *uint64, lds, tiles int)   { panic(noAssembly) }
func copyStreamAVX512(dst, src *byte, blocks int)                         { panic(noAssembly) }
func copyStreamAVX2(dst, src *byte, blocks int)                           { panic(noAssembly) }
func streamRowsAVX512(dst *byte, ldd int, src *byte, rows, lines int)     { panic(noAssembly) }
func streamRowsAVX2(dst *byte, ldd int, src *byte, skip, rows, lines int) { panic(noAssembly) }
func reverseAVX2(dst, last *byte, lines int, order *[16]byte)             { panic(noAssembly) }
func reverseStreamAVX2(dst, last *byte, lines int, order *[16]byte)       { panic(noAssembly) }
