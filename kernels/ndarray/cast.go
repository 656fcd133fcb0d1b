package ndarray

// Conversion between packed elements, one loop a pair of types. The rules are
// those of Convert. Everything here works on memory that is native and aligned
// already; walk.go brings it there.

import (
	"math"
	"unsafe"

	"vgpu/kernels/simd"
)

// number is the Go types of real elements. U16 and U8 stand for numbers here,
// never for halves and bools.
type number interface {
	int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64
}

// cplx is the Go types of complex elements.
type cplx interface{ complex64 | complex128 }

// castFrom converts packed elements of type d, native and aligned, to T.
// len(dst) of them are read from src, which may not overlap dst unless the two
// begin at one byte and have one type.
func castFrom[T Element](dst []T, d DType, src []byte) {
	if d == dtypeOf[T]() {
		copy(dst, view[T](src, len(dst)))
		return
	}
	switch dst := any(dst).(type) {
	case []int8:
		realFrom(dst, d, src)
	case []uint8:
		realFrom(dst, d, src)
	case []int16:
		realFrom(dst, d, src)
	case []uint16:
		realFrom(dst, d, src)
	case []int32:
		realFrom(dst, d, src)
	case []uint32:
		realFrom(dst, d, src)
	case []int64:
		realFrom(dst, d, src)
	case []uint64:
		realFrom(dst, d, src)
	case []float32:
		realFrom(dst, d, src)
	case []float64:
		realFrom(dst, d, src)
	case []complex64:
		complexFrom(dst, d, src)
	case []complex128:
		complexFrom(dst, d, src)
	}
}

// realFrom is castFrom for a real T: one loop for each pair of types, which
// the compiler specialises.
func realFrom[T number](dst []T, d DType, src []byte) {
	if castVector(dst, d, src) {
		return
	}
	n := len(dst)
	switch d {
	case Bool:
		for i, v := range src[:n] {
			dst[i] = T(truth(v != 0))
		}
	case I8:
		fromInt(dst, view[int8](src, n))
	case U8:
		fromInt(dst, view[uint8](src, n))
	case I16:
		fromInt(dst, view[int16](src, n))
	case U16:
		fromInt(dst, view[uint16](src, n))
	case I32:
		fromInt(dst, view[int32](src, n))
	case U32:
		fromInt(dst, view[uint32](src, n))
	case I64:
		fromInt(dst, view[int64](src, n))
	case U64:
		fromInt(dst, view[uint64](src, n))
	case F16:
		fromHalf(dst, F16, view[uint16](src, n))
	case BF16:
		fromHalf(dst, BF16, view[uint16](src, n))
	case F32:
		fromFloat(dst, view[float32](src, n))
	case F64:
		fromFloat(dst, view[float64](src, n))
	case C64:
		fromComplex64(dst, view[complex64](src, n))
	case C128:
		fromComplex128(dst, view[complex128](src, n))
	}
}

// complexFrom gives real elements the imaginary part 0.
func complexFrom[T cplx](dst []T, d DType, src []byte) {
	n := len(dst)
	switch d {
	case C64:
		for i, v := range view[complex64](src, n) {
			dst[i] = T(v)
		}
	case C128:
		for i, v := range view[complex128](src, n) {
			dst[i] = T(v)
		}
	default:
		switch dst := any(dst).(type) {
		case []complex64:
			complexFromReal(dst, d, src, func(re float32) complex64 { return complex(re, 0) })
		case []complex128:
			complexFromReal(dst, d, src, func(re float64) complex128 { return complex(re, 0) })
		}
	}
}

// complexFromReal rounds once, to R, T's part. It goes by a buffer of 128 parts
// (1 kB at the most, on the stack) rather than have a loop for each pair of
// types.
func complexFromReal[T cplx, R float32 | float64](dst []T, d DType, src []byte, make func(R) T) {
	var buf [128]R
	for len(dst) > 0 {
		n := min(len(dst), len(buf))
		realFrom(buf[:n], d, src)
		for i, v := range buf[:n] {
			dst[i] = make(v)
		}
		dst, src = dst[n:], src[n*d.Size():]
	}
}

// truth is a bool as numpy stores it.
func truth(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// fromInt converts integers: to integers by their low bits, to floats to the
// nearest.
func fromInt[T, S number](dst []T, src []S) {
	for i, v := range src {
		dst[i] = T(v)
	}
}

// fromFloat converts floats: to floats to the nearest, to integers as truncate
// says. Go leaves open what a conversion to an integer does out of range, and
// amd64 and arm64 differ.
func fromFloat[T number, S float32 | float64](dst []T, src []S) {
	if isFloat[T]() {
		for i, v := range src {
			dst[i] = T(v)
		}
		return
	}
	for i, v := range src {
		dst[i] = truncate[T](float64(v))
	}
}

// fromHalf goes by float32, which holds every value.
func fromHalf[T number](dst []T, d DType, src []uint16) {
	var buf [128]float32
	for len(src) > 0 {
		part := buf[:min(len(src), len(buf))]
		if d == F16 {
			simd.CastF16F32(part, src)
		} else {
			simd.CastBF16F32(part, src)
		}
		fromFloat(dst[:len(part)], part)
		dst, src = dst[len(part):], src[len(part):]
	}
}

// fromComplex64 drops the imaginary part, without numpy's warning. (It and its
// twin are two functions as Go's real needs a concrete type.)
func fromComplex64[T number](dst []T, src []complex64) {
	float := isFloat[T]()
	for i, v := range src {
		if float {
			dst[i] = T(real(v))
		} else {
			dst[i] = truncate[T](float64(real(v)))
		}
	}
}

// fromComplex128 drops the imaginary part.
func fromComplex128[T number](dst []T, src []complex128) {
	float := isFloat[T]()
	for i, v := range src {
		if float {
			dst[i] = T(real(v))
		} else {
			dst[i] = truncate[T](real(v))
		}
	}
}

// isFloat tells whether T is a float: halves survive in it. The compiler folds
// it where T is known.
func isFloat[T number]() bool {
	half := 0.5
	return T(half) != 0
}

// truncate converts towards zero to the integer type T. What does not fit, C
// leaves undefined; this is what numpy gives on x86. 8 and 16 bits are the low
// bits of the conversion to int32. A signed conversion of what does not fit,
// or of NaN, gives the least integer. An unsigned one is the signed one of its
// width for f < 2^(width-1), exact to 2^width, and 0 from there on.
func truncate[T number](f float64) T {
	var minus1 T
	minus1--
	switch size := unsafe.Sizeof(minus1); {
	case size == 8 && minus1 > 0 && f >= 0x1p63:
		return T(uint64(truncate64(f-0x1p63)) ^ 1<<63)
	case size == 8:
		return T(truncate64(f))
	case size == 4 && minus1 > 0 && f >= 0x1p31:
		return T(uint32(truncate32(f-0x1p31)) ^ 1<<31)
	}
	return T(truncate32(f))
}

// truncate32 is CVTTSD2SI with a 32-bit result, on every machine: NaN and what
// does not fit give 0x80000000 (Intel SDM, vol. 2A). The bounds are exclusive
// and one beyond the range, since -2147483648.9 truncates to what fits.
func truncate32(f float64) int32 {
	if f > math.MinInt32-1 && f < math.MaxInt32+1 {
		return int32(f)
	}
	return math.MinInt32
}

// truncate64 is CVTTSD2SI with a 64-bit result, on every machine. Floats near
// the bounds are integers, so these are compared as they are.
func truncate64(f float64) int64 {
	if f >= math.MinInt64 && f < 0x1p63 {
		return int64(f)
	}
	return math.MinInt64
}

// view is n elements at the start of b, which must be aligned for T. It panics
// if b is too short; the alignment is not looked at.
func view[T Element](b []byte, n int) []T {
	var zero T
	b = b[:n*int(unsafe.Sizeof(zero))] // checks the length
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// bytesOf is the memory of s, shared.
func bytesOf[T Element](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// dtypeOf is the element type that T is the Go type of; U8 and U16 where
// there are several.
func dtypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case int8:
		return I8
	case uint8:
		return U8
	case int16:
		return I16
	case uint16:
		return U16
	case int32:
		return I32
	case uint32:
		return U32
	case int64:
		return I64
	case uint64:
		return U64
	case float32:
		return F32
	case float64:
		return F64
	case complex64:
		return C64
	}
	return C128
}
