package vec

import (
	"math"
	"math/bits"
)

// Philox4x32-10 is the counter-based generator of J. K. Salmon, M. A. Moraes,
// R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC'11, section 3.3. Its constants are the paper's: two multipliers, and the
// Weyl sequence of the keys (the golden ratio and √3 - 1). Being a function of
// counter and key it needs no state: any element can be made anywhere.
const (
	philoxM0 = 0xD2511F53
	philoxM1 = 0xCD9E8D57
	philoxW0 = 0x9E3779B9
	philoxW1 = 0xBB67AE85
)

// philox is the key of a stream: the seed's lower and upper half.
type philox struct{ k0, k1 uint32 }

// newPhilox is the stream of a seed.
func newPhilox(seed uint64) philox { return philox{uint32(seed), uint32(seed >> 32)} }

// rounds encrypts the counter c0..c3 with ten rounds.
func (p philox) rounds(c0, c1, c2, c3 uint32) (uint32, uint32, uint32, uint32) {
	k0, k1 := p.k0, p.k1
	for range 10 {
		p0 := uint64(philoxM0) * uint64(c0)
		p1 := uint64(philoxM1) * uint64(c2)
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += philoxW0
		k1 += philoxW1
	}
	return c0, c1, c2, c3
}

// block gives the 128 bits of block i as two words, the counter being (i, 0).
func (p philox) block(i uint64) (a, b uint64) {
	c0, c1, c2, c3 := p.rounds(uint32(i), uint32(i>>32), 0, 0)
	return uint64(c1)<<32 | uint64(c0), uint64(c3)<<32 | uint64(c2)
}

// twoBlocks is block(i) and block(i + 1), computed side by side so that the
// latencies of their multiplications overlap.
func (p philox) twoBlocks(i uint64) (a0, b0, a1, b1 uint64) {
	x0, x1, x2, x3 := uint32(i), uint32(i>>32), uint32(0), uint32(0)
	y0, y1, y2, y3 := uint32(i+1), uint32((i+1)>>32), uint32(0), uint32(0)
	k0, k1 := p.k0, p.k1
	for range 10 {
		p0, p1 := uint64(philoxM0)*uint64(x0), uint64(philoxM1)*uint64(x2)
		q0, q1 := uint64(philoxM0)*uint64(y0), uint64(philoxM1)*uint64(y2)
		x0, x1, x2, x3 = uint32(p1>>32)^x1^k0, uint32(p1), uint32(p0>>32)^x3^k1, uint32(p0)
		y0, y1, y2, y3 = uint32(q1>>32)^y1^k0, uint32(q1), uint32(q0>>32)^y3^k1, uint32(q0)
		k0 += philoxW0
		k1 += philoxW1
	}
	return uint64(x1)<<32 | uint64(x0), uint64(x3)<<32 | uint64(x2), uint64(y1)<<32 | uint64(y0), uint64(y3)<<32 | uint64(y2)
}

// words fills dst with the stream of 64-bit words from word number first:
// word w is half w mod 2 of block w / 2.
func (p philox) words(dst []uint64, first uint64) {
	if first%2 == 1 && len(dst) > 0 {
		_, dst[0] = p.block(first / 2)
		dst, first = dst[1:], first+1
	}
	block := first / 2
	for ; len(dst) >= 4; dst, block = dst[4:], block+2 {
		dst[0], dst[1], dst[2], dst[3] = p.twoBlocks(block)
	}
	for ; len(dst) > 0; dst, block = dst[min(2, len(dst)):], block+1 {
		a, b := p.block(block)
		copy(dst, []uint64{a, b})
	}
}

// halves fills dst with the stream of 32-bit words from word number first: the
// lower half of a 64-bit word comes before its upper half. What is drawn from
// it uses half as many blocks as from words.
func (p philox) halves(dst []uint32, first uint64) {
	var buf [128]uint64
	for len(dst) > 0 {
		skip := int(first % 2)
		n := min(len(dst), 2*len(buf)-skip)
		w := buf[:(n+skip+1)/2]
		p.words(w, first/2)
		for i := range n {
			dst[i] = uint32(w[(i+skip)/2] >> (32 * uint((i+skip)%2)))
		}
		dst, first = dst[n:], first+uint64(n)
	}
}

// open maps a word to (0, 1]: (w + 1/2) / 2^64 rounded, so that its logarithm
// is finite and small values keep their relative precision.
func open(w uint64) float64 { return (float64(w) + 0.5) * 0x1p-64 }

// turn is the sine and the cosine of b / 2^64 of a full turn. The upper three
// bits name the octant, the others the angle in it, exactly; what is left are
// the polynomials of Cephes' sin.c and cos.c (S. L. Moshier) on [0, π/4].
func turn(b uint64) (sin, cos float64) {
	octant := b >> 61
	odd := float64(octant & 1)
	f := float64(b<<3>>11) * 0x1p-53
	x := (odd + (1-2*odd)*f) * (math.Pi / 4) // backwards in odd octants
	z := x * x
	s := x + x*z*(((((1.58962301576546568060e-10*z-2.50507477628578072866e-8)*z+2.75573136213857245213e-6)*z-1.98412698295895385996e-4)*z+8.33333333332211858878e-3)*z-1.66666666666666307295e-1)
	c := 1 - 0.5*z + z*z*(((((-1.13585365213876817300e-11*z+2.08757008419747316778e-9)*z-2.75573141792967388112e-7)*z+2.48015872888517045348e-5)*z-1.38888888888730564116e-3)*z+4.16666666666665929218e-2)
	// Octants 1, 2, 5, 6 exchange the two; signs follow the quadrants. Done on
	// the patterns, since no branch could be predicted.
	sb, cb := math.Float64bits(s), math.Float64bits(c)
	swap := (sb ^ cb) & -((octant + 1) >> 1 & 1)
	sb ^= swap ^ octant>>2<<63
	cb ^= swap ^ (octant+2)>>2<<63
	return math.Float64frombits(sb), math.Float64frombits(cb)
}

// boxMuller turns two words into two independent standard normal values
// (G. E. P. Box and M. E. Muller, Ann. Math. Stat. 29, 1958). The radius comes
// from all 64 bits, so that values up to 9.49 occur with the right frequency.
func boxMuller(a, b uint64) (float64, float64) {
	r := math.Sqrt(-2 * math.Log(open(a)))
	sin, cos := turn(b)
	return r * cos, r * sin
}

// normals fills dst with standard normal values from number first: value v is
// half v mod 2 of what block v / 2 gives.
func (p philox) normals(dst []float64, first uint64) {
	if first%2 == 1 && len(dst) > 0 {
		_, dst[0] = boxMuller(p.block(first / 2))
		dst, first = dst[1:], first+1
	}
	block := first / 2
	for ; len(dst) >= 4; dst, block = dst[4:], block+2 {
		a0, b0, a1, b1 := p.twoBlocks(block)
		dst[0], dst[1] = boxMuller(a0, b0)
		dst[2], dst[3] = boxMuller(a1, b1)
	}
	for ; len(dst) > 0; dst, block = dst[min(2, len(dst)):], block+1 {
		x, y := boxMuller(p.block(block))
		copy(dst, []float64{x, y})
	}
}

// below fills dst with integers of [0, n) from number first; n = 0 stands for
// 2^64. Up to 2^32 the value is floor(w·n / 2^64) for a 64-bit word w, beyond
// that floor(R·n / 2^128) for a whole block R. No value's probability is off by
// more than a factor of 1 ± 2^-32 (up to 2^32) or 1 ± 2^-64. Rejection would be
// exact, but take a number of words that depends on what was drawn, and element
// i would no longer be a function of i.
func (p philox) below(dst []uint64, first, n uint64) {
	if n != 0 && n <= 1<<32 {
		p.words(dst, first)
		for i, w := range dst {
			dst[i], _ = bits.Mul64(w, n)
		}
		return
	}
	for i := range dst {
		lo, hi := p.block(first + uint64(i))
		if n == 0 {
			dst[i] = hi
			continue
		}
		carry, _ := bits.Mul64(lo, n)
		top, mid := bits.Mul64(hi, n)
		_, c := bits.Add64(mid, carry, 0)
		dst[i] = top + c
	}
}
