package expr

import (
	"maps"
	"math"
	"math/cmplx"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// prims are the inner loops over one register type. All take slices of equal
// length; dst may be the same slice as an argument (not one that overlaps it
// otherwise). To make an operation faster, replace its entry. An op that a type
// has no entry for is refused for that type by the checker: the tables are the
// documentation of what is taken. They are read only.
type prims[T ndarray.Element] struct {
	unary   map[op]func(dst, x []T)
	binary  map[op]func(dst, a, b []T)
	test    map[op]func(dst []uint8, x []T)
	compare map[op]func(dst []uint8, a, b []T)
	choose  func(dst []T, mask []uint8, a, b []T) // of where; nil: a loop in Go
}

// realPrims are the loops between a complex type and its real part.
type realPrims[C ndarray.Element, R ndarray.Element] struct {
	part map[op]func(dst []R, z []C)
	make func(dst []C, re, im []R)
}

var (
	primF32  = prims[float32]{unaryF32, binaryF32, testsF32, compareF32, simd.SelectF32}
	primF64  = prims[float64]{unaryF64, binaryF64, testsF64, compareF64, simd.SelectF64}
	primC64  = complexPrims[complex64]()
	primC128 = complexPrims[complex128]()
	primBool = prims[uint8]{unary: unaryBool, binary: binaryBool, compare: comparesOf[uint8]()}
	primI8   = signedPrims(binaryI8, comparesOf[int8]())
	primI16  = signedPrims(binaryI16, comparesOf[int16]())
	primI32  = signedPrims(binaryI32, compareI32)
	primI64  = signedPrims(binaryI64, compareI64)
	primU8   = unsignedPrims(binaryU8, comparesOf[uint8]())
	primU16  = unsignedPrims(binaryU16, comparesOf[uint16]())
	primU32  = unsignedPrims(binaryU32, compareU32)
	primU64  = unsignedPrims(binaryU64, compareU64)

	partC64  = realPrims[complex64, float32]{partsC64, makeC64}
	partC128 = realPrims[complex128, float64]{partsC128, makeC128}
)

var unaryF32 = map[op]func(dst, x []float32){
	"copy": copyTo[float32], "neg": simd.NegF32, "abs": simd.AbsF32, "sign": simd.SignF32, "square": simd.SquareF32,
	"relu": simd.ReluF32, "reciprocal": simd.ReciprocalF32, "sqrt": simd.SqrtF32, "rsqrt": simd.RsqrtF32, "cbrt": simd.CbrtF32,
	"exp": simd.ExpF32, "exp2": simd.Exp2F32, "expm1": simd.Expm1F32,
	"log": simd.LogF32, "log2": simd.Log2F32, "log10": simd.Log10F32, "log1p": simd.Log1pF32,
	"sin": simd.SinF32, "cos": simd.CosF32, "tan": simd.TanF32, "asin": simd.AsinF32, "acos": simd.AcosF32, "atan": simd.AtanF32,
	"sinh": simd.SinhF32, "cosh": simd.CoshF32, "tanh": simd.TanhF32,
	"asinh": simd.AsinhF32, "acosh": simd.AcoshF32, "atanh": simd.AtanhF32,
	"erf": simd.ErfF32, "erfc": simd.ErfcF32, "gamma": via(math.Gamma), "lgamma": via(lgamma),
	"sigmoid": simd.SigmoidF32, "gelu": simd.GeluF32, "silu": simd.SiluF32,
	"floor": simd.FloorF32, "ceil": simd.CeilF32, "round": simd.RoundToEvenF32, "trunc": simd.TruncF32,
	"angle": angleOf[float32],
}

var unaryF64 = map[op]func(dst, x []float64){
	"copy": copyTo[float64], "neg": simd.NegF64, "abs": simd.AbsF64, "sign": simd.SignF64, "square": simd.SquareF64,
	"relu": simd.ReluF64, "reciprocal": simd.ReciprocalF64, "sqrt": simd.SqrtF64, "rsqrt": simd.RsqrtF64, "cbrt": simd.CbrtF64,
	"exp": simd.ExpF64, "exp2": simd.Exp2F64, "expm1": simd.Expm1F64,
	"log": simd.LogF64, "log2": simd.Log2F64, "log10": simd.Log10F64, "log1p": simd.Log1pF64,
	"sin": simd.SinF64, "cos": simd.CosF64, "tan": simd.TanF64, "asin": simd.AsinF64, "acos": simd.AcosF64, "atan": simd.AtanF64,
	"sinh": simd.SinhF64, "cosh": simd.CoshF64, "tanh": simd.TanhF64,
	"asinh": simd.AsinhF64, "acosh": simd.AcoshF64, "atanh": simd.AtanhF64,
	"erf": simd.ErfF64, "erfc": simd.ErfcF64, "gamma": each(math.Gamma), "lgamma": each(lgamma),
	"sigmoid": simd.SigmoidF64, "gelu": simd.GeluF64, "silu": simd.SiluF64,
	"floor": simd.FloorF64, "ceil": simd.CeilF64, "round": simd.RoundToEvenF64, "trunc": simd.TruncF64,
	"angle": angleOf[float64],
}

var binaryF32 = map[op]func(dst, a, b []float32){
	"add": simd.AddF32, "sub": simd.SubF32, "mul": simd.MulF32, "div": simd.DivF32,
	"floordiv": floorDivFloat[float32], "mod": modFloat[float32], "pow": simd.PowF32,
	"min": simd.MinF32, "max": simd.MaxF32, "fmod": via2(math.Mod),
	"atan2": simd.Atan2F32, "hypot": simd.HypotF32, "copysign": simd.CopySignF32,
}

var binaryF64 = map[op]func(dst, a, b []float64){
	"add": simd.AddF64, "sub": simd.SubF64, "mul": simd.MulF64, "div": simd.DivF64,
	"floordiv": floorDivFloat[float64], "mod": modFloat[float64], "pow": simd.PowF64,
	"min": simd.MinF64, "max": simd.MaxF64, "fmod": each2(math.Mod),
	"atan2": simd.Atan2F64, "hypot": simd.HypotF64, "copysign": simd.CopySignF64,
}

// The vector loops of integers.
var (
	binaryI8 = map[op]func(dst, a, b []int8){
		"add": simd.AddI8, "sub": simd.SubI8, "min": simd.MinI8, "max": simd.MaxI8, "and": simd.AndI8, "or": simd.OrI8, "xor": simd.XorI8,
	}
	binaryI16 = map[op]func(dst, a, b []int16){
		"add": simd.AddI16, "sub": simd.SubI16, "min": simd.MinI16, "max": simd.MaxI16, "and": simd.AndI16, "or": simd.OrI16, "xor": simd.XorI16, "mul": simd.MulI16,
	}
	binaryI32 = map[op]func(dst, a, b []int32){
		"add": simd.AddI32, "sub": simd.SubI32, "min": simd.MinI32, "max": simd.MaxI32, "and": simd.AndI32, "or": simd.OrI32, "xor": simd.XorI32, "mul": simd.MulI32,
	}
	binaryI64 = map[op]func(dst, a, b []int64){
		"add": simd.AddI64, "sub": simd.SubI64, "min": simd.MinI64, "max": simd.MaxI64, "and": simd.AndI64, "or": simd.OrI64, "xor": simd.XorI64, "mul": simd.MulI64,
	}
	binaryU8 = map[op]func(dst, a, b []uint8){
		"add": simd.AddU8, "sub": simd.SubU8, "min": simd.MinU8, "max": simd.MaxU8, "and": simd.AndU8, "or": simd.OrU8, "xor": simd.XorU8,
	}
	binaryU16 = map[op]func(dst, a, b []uint16){
		"add": simd.AddU16, "sub": simd.SubU16, "min": simd.MinU16, "max": simd.MaxU16, "and": simd.AndU16, "or": simd.OrU16, "xor": simd.XorU16, "mul": simd.MulU16,
	}
	binaryU32 = map[op]func(dst, a, b []uint32){
		"add": simd.AddU32, "sub": simd.SubU32, "min": simd.MinU32, "max": simd.MaxU32, "and": simd.AndU32, "or": simd.OrU32, "xor": simd.XorU32, "mul": simd.MulU32,
	}
	binaryU64 = map[op]func(dst, a, b []uint64){
		"add": simd.AddU64, "sub": simd.SubU64, "min": simd.MinU64, "max": simd.MaxU64, "and": simd.AndU64, "or": simd.OrU64, "xor": simd.XorU64, "mul": simd.MulU64,
	}
)

// Bools are bytes 0 and 1. Sums and products of bools are "or" and "and".
var unaryBool = map[op]func(dst, x []uint8){"copy": copyTo[uint8], "not": simd.NotBool, "abs": copyTo[uint8]}

var binaryBool = map[op]func(dst, a, b []uint8){
	"add": simd.OrU8, "mul": simd.AndU8, "and": simd.AndU8, "or": simd.OrU8, "xor": simd.XorU8,
	"min": simd.AndU8, "max": simd.OrU8,
}

type compares[T any] = map[op]func(dst []uint8, a, b []T)

// integerPrims are the loops of an integer type: those in Go, but where there
// is one in vector.
func integerPrims[T integer](vector map[op]func(dst, a, b []T), compare compares[T]) prims[T] {
	p := prims[T]{
		unary: map[op]func(dst, x []T){
			"copy": copyTo[T], "neg": neg[T], "not": not[T], "square": square[T], "relu": relu[T],
		},
		binary: map[op]func(dst, a, b []T){
			"mul": mul[T], "floordiv": floorDivInt[T], "mod": modInt[T], "fmod": fmodInt[T], "pow": powInt[T],
			"shl": shl[T], "shr": shr[T],
		},
		compare: compare,
	}
	maps.Copy(p.binary, vector)
	return p
}

func signedPrims[T signed](vector map[op]func(dst, a, b []T), compare compares[T]) prims[T] {
	p := integerPrims(vector, compare)
	maps.Copy(p.unary, map[op]func(dst, x []T){"abs": absInt[T], "sign": signInt[T]})
	return p
}

func unsignedPrims[T unsigned](vector map[op]func(dst, a, b []T), compare compares[T]) prims[T] {
	p := integerPrims(vector, compare)
	maps.Copy(p.unary, map[op]func(dst, x []T){"abs": copyTo[T], "sign": signUint[T]})
	return p
}

// complexPrims are the loops of a complex type. Transcendental functions go by
// package cmplx, in complex128, but where it is not good enough (tan, tanh,
// atan).
func complexPrims[T complexes]() prims[T] {
	return prims[T]{
		unary: map[op]func(dst, x []T){
			"copy": copyTo[T], "neg": neg[T], "square": square[T], "reciprocal": viaC[T](reciprocalC), "conj": viaC[T](cmplx.Conj),
			"sqrt": viaC[T](cmplx.Sqrt), "exp": viaC[T](cmplx.Exp), "log": viaC[T](cmplx.Log), "log10": viaC[T](log10C),
			"sin": viaC[T](cmplx.Sin), "cos": viaC[T](cmplx.Cos), "tan": viaC[T](tanC),
			"asin": viaC[T](cmplx.Asin), "acos": viaC[T](cmplx.Acos), "atan": viaC[T](atanC),
			"sinh": viaC[T](cmplx.Sinh), "cosh": viaC[T](cmplx.Cosh), "tanh": viaC[T](tanhC),
			"asinh": viaC[T](cmplx.Asinh), "acosh": viaC[T](cmplx.Acosh), "atanh": viaC[T](cmplx.Atanh),
		},
		binary: map[op]func(dst, a, b []T){
			"add": add[T], "sub": sub[T], "mul": mul[T], "div": viaC2[T](divideC), "pow": viaC2[T](powC),
		},
		test: map[op]func(dst []uint8, x []T){
			"isnan": testC[T](isNaNC), "isinf": testC[T](isInfC), "isfinite": testC[T](isFiniteC),
		},
		compare: map[op]func(dst []uint8, a, b []T){"eq": equal[T], "ne": notEqual[T]},
	}
}

func comparesOf[T reals]() map[op]func(dst []uint8, a, b []T) {
	return map[op]func(dst []uint8, a, b []T){
		"lt": less[T], "le": lessEqual[T], "gt": greater[T], "ge": greaterEqual[T], "eq": equal[T], "ne": notEqual[T],
	}
}

// The vector loops of comparisons and tests.
var (
	compareI32 = compares[int32]{"lt": simd.LtI32, "le": simd.LeI32, "gt": simd.GtI32, "ge": simd.GeI32, "eq": simd.EqI32, "ne": simd.NeI32}
	compareU32 = compares[uint32]{"lt": simd.LtU32, "le": simd.LeU32, "gt": simd.GtU32, "ge": simd.GeU32, "eq": simd.EqU32, "ne": simd.NeU32}
	compareI64 = compares[int64]{"lt": simd.LtI64, "le": simd.LeI64, "gt": simd.GtI64, "ge": simd.GeI64, "eq": simd.EqI64, "ne": simd.NeI64}
	compareU64 = compares[uint64]{"lt": simd.LtU64, "le": simd.LeU64, "gt": simd.GtU64, "ge": simd.GeU64, "eq": simd.EqU64, "ne": simd.NeU64}
	compareF32 = compares[float32]{"lt": simd.LtF32, "le": simd.LeF32, "gt": simd.GtF32, "ge": simd.GeF32, "eq": simd.EqF32, "ne": simd.NeF32}
	compareF64 = compares[float64]{"lt": simd.LtF64, "le": simd.LeF64, "gt": simd.GtF64, "ge": simd.GeF64, "eq": simd.EqF64, "ne": simd.NeF64}
	testsF32   = map[op]func(dst []uint8, x []float32){"isnan": simd.IsNaNF32, "isinf": simd.IsInfF32, "isfinite": simd.IsFiniteF32, "signbit": simd.SignBitF32}
	testsF64   = map[op]func(dst []uint8, x []float64){"isnan": simd.IsNaNF64, "isinf": simd.IsInfF64, "isfinite": simd.IsFiniteF64, "signbit": simd.SignBitF64}
)

var partsC64 = map[op]func(dst []float32, z []complex64){
	"abs": absC64, "real": realC64, "imag": imagC64, "angle": angleC64,
}

var partsC128 = map[op]func(dst []float64, z []complex128){
	"abs": absC128, "real": realC128, "imag": imagC128, "angle": angleC128,
}
