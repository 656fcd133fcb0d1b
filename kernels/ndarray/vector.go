package ndarray

import "vgpu/kernels/simd"

// castVector converts with package simd, whose results are those of the loops
// in cast.go, if it has the pair of types; it tells whether it has.
func castVector[T number](dst []T, d DType, src []byte) bool {
	switch dst := any(dst).(type) {
	case []float32:
		return castToF32(dst, d, src)
	case []float64:
		return castToF64(dst, d, src)
	case []int64:
		return castToI64(dst, d, src)
	case []int32:
		return castToI32(dst, d, src)
	case []int8:
		return castToI8(dst, d, src)
	case []uint8:
		return castToU8(dst, d, src)
	case []int16:
		return castToI16(dst, d, src)
	case []uint16:
		return castToU16(dst, d, src)
	}
	return false
}

// castToF32 and those that follow have the pairs for one Go type: len(dst)
// elements from src, or false with dst untouched.
func castToF32(dst []float32, d DType, src []byte) bool {
	n := len(dst)
	switch d {
	case U8:
		simd.CastU8F32(dst, src[:n])
	case I8:
		simd.CastI8F32(dst, view[int8](src, n))
	case I16:
		simd.CastI16F32(dst, view[int16](src, n))
	case U16:
		simd.CastU16F32(dst, view[uint16](src, n))
	case I32:
		simd.CastI32F32(dst, view[int32](src, n))
	case F16:
		simd.CastF16F32(dst, view[uint16](src, n))
	case BF16:
		simd.CastBF16F32(dst, view[uint16](src, n))
	case F64:
		simd.CastF64F32(dst, view[float64](src, n))
	default:
		return false
	}
	return true
}

func castToF64(dst []float64, d DType, src []byte) bool {
	n := len(dst)
	switch d {
	case I32:
		simd.CastI32F64(dst, view[int32](src, n))
	case I64:
		simd.CastI64F64(dst, view[int64](src, n))
	case F32:
		simd.CastF32F64(dst, view[float32](src, n))
	default:
		return false
	}
	return true
}

func castToI64(dst []int64, d DType, src []byte) bool {
	n := len(dst)
	switch d {
	case I32:
		simd.CastI32I64(dst, view[int32](src, n))
	case U32:
		simd.CastU32I64(dst, view[uint32](src, n))
	case F32:
		simd.CastF32I64(dst, view[float32](src, n))
	case F64:
		simd.CastF64I64(dst, view[float64](src, n))
	default:
		return false
	}
	return true
}

func castToI32(dst []int32, d DType, src []byte) bool {
	n := len(dst)
	switch d {
	case I8:
		simd.CastI8I32(dst, view[int8](src, n))
	case U8:
		simd.CastU8I32(dst, src[:n])
	case I16:
		simd.CastI16I32(dst, view[int16](src, n))
	case U16:
		simd.CastU16I32(dst, view[uint16](src, n))
	case I64:
		simd.CastI64I32(dst, view[int64](src, n))
	case F32:
		simd.CastF32I32(dst, view[float32](src, n))
	case F64:
		simd.CastF64I32(dst, view[float64](src, n))
	default:
		return false
	}
	return true
}

// (The four that follow are not one function of the loops to call: calls of
// function values would move the callers' buffers to the heap.)

func castToI8(dst []int8, d DType, src []byte) bool {
	switch d {
	case F32:
		simd.CastF32I8(dst, view[float32](src, len(dst)))
	case I32:
		simd.CastI32I8(dst, view[int32](src, len(dst)))
	default:
		return false
	}
	return true
}

func castToU8(dst []uint8, d DType, src []byte) bool {
	switch d {
	case F32:
		simd.CastF32U8(dst, view[float32](src, len(dst)))
	case I32:
		simd.CastI32U8(dst, view[int32](src, len(dst)))
	default:
		return false
	}
	return true
}

func castToI16(dst []int16, d DType, src []byte) bool {
	switch d {
	case F32:
		simd.CastF32I16(dst, view[float32](src, len(dst)))
	case I32:
		simd.CastI32I16(dst, view[int32](src, len(dst)))
	default:
		return false
	}
	return true
}

func castToU16(dst []uint16, d DType, src []byte) bool {
	switch d {
	case F32:
		simd.CastF32U16(dst, view[float32](src, len(dst)))
	case I32:
		simd.CastI32U16(dst, view[int32](src, len(dst)))
	default:
		return false
	}
	return true
}
