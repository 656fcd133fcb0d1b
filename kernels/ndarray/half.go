package ndarray

import "math"

// The conversions of 16-bit floats. All round to nearest, ties to even, once;
// what is too large becomes an infinity, what is too small a subnormal or a
// signed zero. A NaN stays one, made quiet, with its sign and the upper bits
// of its payload, as x86's VCVTPS2PH and VCVTNEPS2BF16 do.

// F16FromF32 is the binary16 pattern nearest to f.
func F16FromF32(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b-0x38800000 < 0x477ff000-0x38800000: // normal: 2^-14 to 65520
		b -= 112 << 23 // the exponents' biases differ by 112
		return sign | uint16((b+0xfff+b>>13&1)>>13)
	case b > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= 0x477ff000: // 65520 and more round to infinity
		return sign | 0x7c00
	case b < 0x33000000: // below 2^-25, half the least subnormal
		return sign
	}
	// The result in units of 2^-24 is mantissa · 2^(e-126), e the biased exponent.
	shift := 126 - b>>23
	mant := b&0x7fffff | 0x800000
	return sign | uint16((mant+(1<<(shift-1)-1)+mant>>shift&1)>>shift)
}

// F16FromF64 is the binary16 pattern nearest to f, rounded once: by float32 to
// nearest it would be rounded twice, and wrong where the first rounding makes a
// tie.
func F16FromF64(f float64) uint16 { return F16FromF32(oddF32(f)) }

// F16ToF32 is the value of a binary16 pattern, exactly.
func F16ToF32(h uint16) float32 {
	sign, mag := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	if h&0x7c00 == 0x7c00 { // infinity or NaN
		if h&0x3ff != 0 {
			mag |= 1 << 22
		}
		return math.Float32frombits(sign | 0x7f800000 | mag)
	}
	// Read as a float32 the pattern is too small by the difference of the
	// exponents' biases, subnormals included.
	return math.Float32frombits(sign|mag) * 0x1p112
}

// BF16FromF32 is the bfloat16 pattern nearest to f. The carry of the rounding
// may run into the exponent, and makes an infinity of the largest numbers, as
// it should; only a NaN must be kept from it.
func BF16FromF32(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// BF16FromF64 is the bfloat16 pattern nearest to f, rounded once.
func BF16FromF64(f float64) uint16 { return BF16FromF32(oddF32(f)) }

// BF16ToF32 is the value of a bfloat16 pattern, exactly.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// oddF32 rounds f to odd: to the neighbour with an odd mantissa unless f is
// exact. Rounding the result again to a format with at least two bits less is
// then the same as rounding f once (Boldo and Melquiond, "Emulation of a FMA
// and correctly rounded sums", IEEE TC 57(4), 2008, theorem 1).
func oddF32(f float64) float32 {
	r := float32(f)
	back := float64(r)
	if back == f || math.IsNaN(f) {
		return r
	}
	b := math.Float32bits(r)
	if math.Abs(back) > math.Abs(f) {
		b-- // towards zero; from infinity to the largest finite
	}
	return math.Float32frombits(b | 1)
}
