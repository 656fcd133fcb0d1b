package expr

import (
	"maps"
	"math"
	"math/cmplx"

	"vgpu/kernels/ndarray"
)

// prims are the inner loops over one register type. All take slices of equal
// length; dst may be the same slice as an argument (not one that overlaps it
// otherwise). To make an operation faster, replace its entry.
type prims[T ndarray.Element] struct {
	unary   map[op]func(dst, x []T)
	binary  map[op]func(dst, a, b []T)
	test    map[op]func(dst []uint8, x []T)
	compare map[op]func(dst []uint8, a, b []T)
}

// realPrims are the loops between a complex type and its real part.
type realPrims[C ndarray.Element, R ndarray.Element] struct {
	part map[op]func(dst []R, z []C)
	make func(dst []C, re, im []R)
}

var (
	primF32  = prims[float32]{unaryF32, binaryF32, testsOf[float32](), comparesOf[float32]()}
	primF64  = prims[float64]{unaryF64, binaryF64, testsOf[float64](), comparesOf[float64]()}
	primC64  = complexPrims[complex64]()
	primC128 = complexPrims[complex128]()
	primBool = prims[uint8]{unary: unaryBool, binary: binaryBool, compare: comparesOf[uint8]()}
	primI8   = signedPrims[int8]()
	primI16  = signedPrims[int16]()
	primI32  = signedPrims[int32]()
	primI64  = signedPrims[int64]()
	primU8   = unsignedPrims[uint8]()
	primU16  = unsignedPrims[uint16]()
	primU32  = unsignedPrims[uint32]()
	primU64  = unsignedPrims[uint64]()

	partC64  = realPrims[complex64, float32]{partsC64, makeC64}
	partC128 = realPrims[complex128, float64]{partsC128, makeC128}
)

var unaryF32 = map[op]func(dst, x []float32){
	"copy": copyTo[float32], "neg": neg[float32], "abs": absF32, "sign": signFloat[float32], "square": square[float32],
	"relu": relu[float32], "reciprocal": reciprocal[float32],
	"sqrt": via(math.Sqrt), "rsqrt": via(rsqrt), "cbrt": via(math.Cbrt),
	"exp": via(math.Exp), "exp2": via(math.Exp2), "expm1": via(math.Expm1),
	"log": via(math.Log), "log2": via(log2), "log10": via(math.Log10), "log1p": via(math.Log1p),
	"sin": via(math.Sin), "cos": via(math.Cos), "tan": via(math.Tan),
	"asin": via(math.Asin), "acos": via(math.Acos), "atan": via(math.Atan),
	"sinh": via(math.Sinh), "cosh": via(math.Cosh), "tanh": via(math.Tanh),
	"asinh": via(math.Asinh), "acosh": via(math.Acosh), "atanh": via(math.Atanh),
	"erf": via(math.Erf), "erfc": via(math.Erfc), "gamma": via(math.Gamma), "lgamma": via(lgamma),
	"sigmoid": via(sigmoid), "gelu": via(gelu), "silu": via(silu),
	"floor": via(math.Floor), "ceil": via(math.Ceil), "round": via(math.RoundToEven), "trunc": via(math.Trunc),
	"angle": angleOf[float32],
}

var unaryF64 = map[op]func(dst, x []float64){
	"copy": copyTo[float64], "neg": neg[float64], "abs": absF64, "sign": signFloat[float64], "square": square[float64],
	"relu": relu[float64], "reciprocal": reciprocal[float64],
	"sqrt": sqrtF64, "rsqrt": each(rsqrt), "cbrt": each(math.Cbrt),
	"exp": each(math.Exp), "exp2": each(math.Exp2), "expm1": each(math.Expm1),
	"log": each(math.Log), "log2": each(log2), "log10": each(math.Log10), "log1p": each(math.Log1p),
	"sin": each(math.Sin), "cos": each(math.Cos), "tan": each(math.Tan),
	"asin": each(math.Asin), "acos": each(math.Acos), "atan": each(math.Atan),
	"sinh": each(math.Sinh), "cosh": each(math.Cosh), "tanh": each(math.Tanh),
	"asinh": each(math.Asinh), "acosh": each(math.Acosh), "atanh": each(math.Atanh),
	"erf": each(math.Erf), "erfc": each(math.Erfc), "gamma": each(math.Gamma), "lgamma": each(lgamma),
	"sigmoid": each(sigmoid), "gelu": each(gelu), "silu": each(silu),
	"floor": each(math.Floor), "ceil": each(math.Ceil), "round": each(math.RoundToEven), "trunc": each(math.Trunc),
	"angle": angleOf[float64],
}

var binaryF32 = map[op]func(dst, a, b []float32){
	"add": add[float32], "sub": sub[float32], "mul": mul[float32], "div": div[float32],
	"floordiv": floorDivFloat[float32], "mod": modFloat[float32], "pow": via2(math.Pow),
	"min": minFloat[float32], "max": maxFloat[float32], "fmod": via2(math.Mod),
	"atan2": via2(math.Atan2), "hypot": via2(math.Hypot), "copysign": via2(math.Copysign),
}

var binaryF64 = map[op]func(dst, a, b []float64){
	"add": add[float64], "sub": sub[float64], "mul": mul[float64], "div": div[float64],
	"floordiv": floorDivFloat[float64], "mod": modFloat[float64], "pow": each2(math.Pow),
	"min": minFloat[float64], "max": maxFloat[float64], "fmod": each2(math.Mod),
	"atan2": each2(math.Atan2), "hypot": each2(math.Hypot), "copysign": each2(math.Copysign),
}

// Bools are bytes 0 and 1. Sums and products of bools are "or" and "and".
var unaryBool = map[op]func(dst, x []uint8){"copy": copyTo[uint8], "not": notBool, "abs": copyTo[uint8]}

var binaryBool = map[op]func(dst, a, b []uint8){
	"add": or[uint8], "mul": and[uint8], "and": and[uint8], "or": or[uint8], "xor": xor[uint8],
	"min": and[uint8], "max": or[uint8],
}

func integerPrims[T integer]() prims[T] {
	return prims[T]{
		unary: map[op]func(dst, x []T){
			"copy": copyTo[T], "neg": neg[T], "not": not[T], "square": square[T], "relu": relu[T],
		},
		binary: map[op]func(dst, a, b []T){
			"add": add[T], "sub": sub[T], "mul": mul[T], "floordiv": floorDivInt[T], "mod": modInt[T],
			"fmod": fmodInt[T], "pow": powInt[T], "and": and[T], "or": or[T], "xor": xor[T],
			"shl": shl[T], "shr": shr[T], "min": minInt[T], "max": maxInt[T],
		},
		compare: comparesOf[T](),
	}
}

func signedPrims[T signed]() prims[T] {
	p := integerPrims[T]()
	maps.Copy(p.unary, map[op]func(dst, x []T){"abs": absInt[T], "sign": signInt[T]})
	return p
}

func unsignedPrims[T unsigned]() prims[T] {
	p := integerPrims[T]()
	maps.Copy(p.unary, map[op]func(dst, x []T){"abs": copyTo[T], "sign": signUint[T]})
	return p
}

func complexPrims[T complexes]() prims[T] {
	return prims[T]{
		unary: map[op]func(dst, x []T){
			"copy": copyTo[T], "neg": neg[T], "square": square[T], "reciprocal": viaC[T](reciprocalC), "conj": viaC[T](cmplx.Conj),
			"sqrt": viaC[T](cmplx.Sqrt), "exp": viaC[T](cmplx.Exp), "log": viaC[T](cmplx.Log), "log10": viaC[T](log10C),
			"sin": viaC[T](cmplx.Sin), "cos": viaC[T](cmplx.Cos), "tan": viaC[T](cmplx.Tan),
			"asin": viaC[T](cmplx.Asin), "acos": viaC[T](cmplx.Acos), "atan": viaC[T](cmplx.Atan),
			"sinh": viaC[T](cmplx.Sinh), "cosh": viaC[T](cmplx.Cosh), "tanh": viaC[T](cmplx.Tanh),
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

func testsOf[T float]() map[op]func(dst []uint8, x []T) {
	return map[op]func(dst []uint8, x []T){
		"isnan": isNaN[T], "isinf": isInf[T], "isfinite": isFinite[T], "signbit": signbit[T],
	}
}

var partsC64 = map[op]func(dst []float32, z []complex64){
	"abs": absC64, "real": realC64, "imag": imagC64, "angle": angleC64,
}

var partsC128 = map[op]func(dst []float64, z []complex128){
	"abs": absC128, "real": realC128, "imag": imagC128, "angle": angleC128,
}
