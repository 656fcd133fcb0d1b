package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// scheme is how a pair of element types is multiplied.
type scheme struct {
	typ  simd.GemmType
	a, b form
	sum  ndarray.DType   // what the products are added in
	outs []ndarray.DType // what the result may be stored as; the first is the default
}

// schemeFor picks the scheme for A's and B's types at level isa; ok is false
// for pairs that are not multiplied.
func schemeFor(a, b ndarray.DType, isa simd.ISA) (s scheme, ok bool) {
	f := form{value: a}
	switch {
	case a == ndarray.F32 && b == a:
		return scheme{simd.GemmF32, f, f, a, []ndarray.DType{a}}, true
	case a == ndarray.F64 && b == a:
		return scheme{simd.GemmF64, f, f, a, []ndarray.DType{a}}, true
	case a == ndarray.C64 && b == a:
		return scheme{simd.GemmC64, f, f, a, []ndarray.DType{a}}, true
	case a == ndarray.C128 && b == a:
		return scheme{simd.GemmC128, f, f, a, []ndarray.DType{a}}, true
	case (a == ndarray.I32 || a == ndarray.U32) && b == a:
		return scheme{simd.GemmI32, f, f, a, []ndarray.DType{a}}, true
	case (a == ndarray.I64 || a == ndarray.U64) && b == a:
		return scheme{simd.GemmI64, f, f, a, []ndarray.DType{a}}, true
	case (a == ndarray.F16 || a == ndarray.BF16) && b == a:
		return halfScheme(a, isa), true
	case a.Size() == 1 && b.Size() == 1 && a.IsInteger() && b.IsInteger():
		return byteScheme(a, b, isa), true
	}
	return scheme{}, false
}

// halfScheme multiplies bf16 in pairs where the machine can; else halves are
// widened to f32 when they are packed.
func halfScheme(d ndarray.DType, isa simd.ISA) scheme {
	outs := []ndarray.DType{ndarray.F32, d}
	if d == ndarray.BF16 && isa == simd.AVX512 && simd.Gemm(simd.GemmBF16, isa) != nil {
		f := form{value: d, group: simd.Pairs16}
		return scheme{simd.GemmBF16, f, f, ndarray.F32, outs}
	}
	f := form{value: ndarray.F32}
	return scheme{simd.GemmF32, f, f, ndarray.F32, outs}
}

// byteScheme multiplies bytes in quadruples where the machine can, else as
// pairs of i16. Both are exact: neither saturates.
func byteScheme(a, b ndarray.DType, isa simd.ISA) scheme {
	outs := []ndarray.DType{ndarray.I32}
	if b == ndarray.I8 && isa == simd.AVX512 && simd.Gemm(simd.GemmVNNI, isa) != nil {
		fa := form{value: a, group: simd.Quads8, flip: a == ndarray.I8}
		fb := form{value: b, group: simd.Quads8}
		return scheme{simd.GemmVNNI, fa, fb, ndarray.I32, outs}
	}
	return scheme{simd.GemmI16, pairsOf(a), pairsOf(b), ndarray.I32, outs}
}

func pairsOf(d ndarray.DType) form {
	if d == ndarray.I8 {
		return form{value: ndarray.I16, group: simd.PairsI8}
	}
	return form{value: ndarray.I16, group: simd.PairsU8}
}

// symmetric tells whether A and B can change places.
func (s *scheme) symmetric() bool { return s.a == s.b || s.typ != simd.GemmVNNI }
