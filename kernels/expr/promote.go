package expr

import "vgpu/kernels/ndarray"

// promoteWeak is what a strong type becomes beside a literal.
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

// castClass orders kinds for numpy's "same_kind" rule: a result may be stored
// in a type of its own class or a higher one.
func castClass(d ndarray.DType) int {
	switch {
	case d == ndarray.Bool:
		return 0
	case d.IsUnsigned():
		return 1
	case d.IsSigned():
		return 2
	case d.IsFloat():
		return 3
	}
	return 4
}
