package expr

import "vgpu/kernels/ndarray"

// promoteWeak is the type of an array's type beside a literal: the array's,
// unless the literal is of a higher kind (NEP 50).
func promoteWeak(d ndarray.DType, k weakKind) ndarray.DType {
	switch {
	case d.IsComplex(), k == weakInt && d != ndarray.Bool, k == weakFloat && d.IsFloat():
		return d
	case k == weakInt:
		return ndarray.I64
	case k == weakFloat:
		return ndarray.F64
	case d.IsFloat() && d != ndarray.F64:
		return ndarray.C64
	}
	return ndarray.C128
}

// floatOf is the type in which a function of reals gives its result: numpy
// computes exp of i8 in f16, of i16 in f32, of wider integers in f64.
func floatOf(d ndarray.DType) ndarray.DType {
	switch {
	case d.IsFloat() || d.IsComplex():
		return d
	case d.Size() == 1:
		return ndarray.F16
	case d.Size() == 2:
		return ndarray.F32
	}
	return ndarray.F64
}

// complexOf is the complex type whose parts hold d.
func complexOf(d ndarray.DType) ndarray.DType {
	if floatOf(d) == ndarray.F64 || d == ndarray.C128 {
		return ndarray.C128
	}
	return ndarray.C64
}
