package ndarray

import (
	"math"

	"vgpu/kernels/simd"
)

// castTo converts src to packed elements of type d, native and aligned. It is
// castFrom seen from the other side: what has a Go type goes there, and only
// bools and halves, which have none, are made here. A NaN is true, as in numpy.
func castTo[T Element](dst []byte, d DType, src []T) {
	from, raw, n := dtypeOf[T](), bytesOf(src), len(src)
	switch d {
	case Bool:
		var zero T
		for i, v := range src {
			dst[i] = truth(v != zero)
		}
	case F16, BF16:
		toHalf(view[uint16](dst, n), d, src)
	case I8:
		castFrom(view[int8](dst, n), from, raw)
	case U8:
		castFrom(view[uint8](dst, n), from, raw)
	case I16:
		castFrom(view[int16](dst, n), from, raw)
	case U16:
		castFrom(view[uint16](dst, n), from, raw)
	case I32:
		castFrom(view[int32](dst, n), from, raw)
	case U32:
		castFrom(view[uint32](dst, n), from, raw)
	case I64:
		castFrom(view[int64](dst, n), from, raw)
	case U64:
		castFrom(view[uint64](dst, n), from, raw)
	case F32:
		castFrom(view[float32](dst, n), from, raw)
	case F64:
		castFrom(view[float64](dst, n), from, raw)
	case C64:
		castFrom(view[complex64](dst, n), from, raw)
	case C128:
		castFrom(view[complex128](dst, n), from, raw)
	}
}

// toHalf rounds once: values pass through a float32 if it holds them all or is
// rounded to odd, which leaves the second rounding as good as the only one.
func toHalf[T Element](dst []uint16, d DType, src []T) {
	if src, ok := any(src).([]float32); ok {
		halves(dst, d, src)
		return
	}
	var buf [128]float32
	for len(src) > 0 {
		part := buf[:min(len(src), len(buf))]
		oddFloats(part, src)
		halves(dst[:len(part)], d, part)
		dst, src = dst[len(part):], src[len(part):]
	}
}

// halves rounds to the 16-bit type d.
func halves(dst []uint16, d DType, src []float32) {
	if d == F16 {
		simd.CastF32F16(dst[:len(src)], src)
	} else {
		simd.CastF32BF16(dst[:len(src)], src)
	}
}

// oddFloats takes the first elements of src as float32, rounded to odd.
// len(dst) is at most 128. 64-bit integers have more bits than a float64, and
// so are rounded to odd on the way there too; all other types fit one.
func oddFloats[T Element](dst []float32, src []T) {
	var buf [128]float64
	wide := buf[:len(dst)]
	switch s := any(src).(type) {
	case []int64:
		for i := range wide {
			wide[i] = oddF64(s[i])
		}
	case []uint64:
		for i := range wide {
			if v := s[i]; v > math.MaxInt64 {
				wide[i] = 2 * oddF64(int64(v>>1|v&1))
			} else {
				wide[i] = oddF64(int64(v))
			}
		}
	default:
		castFrom(wide, dtypeOf[T](), bytesOf(src))
	}
	for i, v := range wide {
		dst[i] = oddF32(v)
	}
}

// oddF64 rounds v to odd, as oddF32 does, to 52 bits if it has more than 53.
func oddF64(v int64) float64 {
	const low = 1<<11 - 1
	if v < -1<<53 || v > 1<<53 {
		if v&low != 0 {
			v |= low + 1
		}
		v &^= low
	}
	return float64(v)
}
