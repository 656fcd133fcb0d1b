package simd

import (
	"math"
	"math/bits"
)

// Circular functions of arguments beyond the vector code's range. The argument
// is reduced exactly (Payne and Hanek, "Radian reduction for trigonometric
// functions", SIGNUM Newsletter 18, 1983) and the vector code's polynomials,
// by way of their twins, do the rest.

// twoOverPi holds the bits of 2/π behind the binary point, enough for the
// largest exponent.
var twoOverPi = [22]uint64{
	0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
	0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
	0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
	0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
	0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
	0xa9e391615ee61b08, 0x6599855f14a06840,
}

// reduceHuge gives x = n π/2 + r + low, |r| <= π/4, for finite |x| >= 2^16; n
// is given modulo 4. No float64 is nearer than 2^-62 to a multiple, so of the 128 bits of
// fraction 66 remain.
func reduceHuge(x float64) (n int, r, low float64) {
	b := math.Float64bits(x)
	mant := b&(1<<52-1) | 1<<52
	exp := int(b>>52&0x7ff) - 1075 // |x| = mant · 2^exp, exp >= -36
	// x·2/π modulo 4: mant times the bits of 2/π from the one of weight
	// 2^(1-exp) on. Those before it give multiples of 4.
	w := window(exp - 2)
	quotient, hi, lo := product(mant, w)
	n = int(quotient)
	// Centre the fraction on zero.
	negative := hi>>63 != 0
	if negative {
		n++
		hi, lo = ^hi, -lo
		if lo == 0 {
			hi++
		}
	}
	r, low = timesHalfPi(hi, lo)
	if negative {
		r, low = -r, -low
	}
	if x < 0 {
		n, r, low = -n, -r, -low
	}
	return n & 3, r, low
}

// window gives 256 bits of 2/π, from the one with index skip behind the point on.
// Bits before the point are zero.
func window(skip int) (w [4]uint64) {
	word := skip >> 6
	shift := uint(skip & 63)
	at := func(i int) uint64 {
		if i < 0 || i >= len(twoOverPi) {
			return 0
		}
		return twoOverPi[i]
	}
	for i := range w {
		w[i] = at(word+i)<<shift | at(word+i+1)>>(64-shift)
	}
	return w
}

// product is mant times w / 2^254 modulo 4, as two bits and a fraction of 128.
func product(mant uint64, w [4]uint64) (quotient, hi, lo uint64) {
	var p [4]uint64
	carry := uint64(0)
	for i := 3; i >= 0; i-- {
		h, l := bits.Mul64(mant, w[i])
		sum, c := bits.Add64(l, carry, 0)
		p[i], carry = sum, h+c
	}
	return p[0] >> 62, p[0]<<2 | p[1]>>62, p[1]<<2 | p[2]>>62
}

// timesHalfPi is the fraction hi:lo / 2^128 times π/2 as a double word.
func timesHalfPi(hi, lo uint64) (r, low float64) {
	shift := bits.LeadingZeros64(hi)
	hi, lo = hi<<shift|lo>>(64-shift), lo<<shift
	f := math.Ldexp(float64(hi>>11), -53-shift)
	g := math.Ldexp(float64(hi<<53|lo>>11), -117-shift)
	const p, pLow = math.Pi / 2, 6.123233995736766036e-17
	r = f * p
	low = math.FMA(f, p, -r)
	low = math.FMA(f, pLow, math.FMA(g, p, low))
	s := r + low
	return s, (r - s) + low
}

// An infinity, too, is beyond the vector code's range.

func sinHugeF64(x float64) float64 {
	if math.IsInf(x, 0) {
		return math.NaN()
	}
	n, r, low := reduceHuge(x)
	return sinReducedOne(r, low, uint64(n))
}

func cosHugeF64(x float64) float64 {
	if math.IsInf(x, 0) {
		return math.NaN()
	}
	n, r, low := reduceHuge(x)
	return sinReducedOne(r, low, uint64(n+1))
}

func tanHugeF64(x float64) float64 {
	if math.IsInf(x, 0) {
		return math.NaN()
	}
	n, r, low := reduceHuge(x)
	return tanReducedOne(r, low, uint64(n))
}

func sinHugeF32(x float32) float32 { return float32(sinHugeF64(float64(x))) }
func cosHugeF32(x float32) float32 { return float32(cosHugeF64(float64(x))) }
func tanHugeF32(x float32) float32 { return float32(tanHugeF64(float64(x))) }
