package vec

import (
	"math"
	"math/bits"
)

// Philox4x32-10 is the counter-based generator of J. K. Salmon, M. A. Moraes,
// R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC'11, section 3.3. Its constants are the paper's.
const (
	philoxM0 = 0xD2511F53
	philoxM1 = 0xCD9E8D57
	philoxW0 = 0x9E3779B9
	philoxW1 = 0xBB67AE85
)

// philox is the key of a stream: the seed's lower and upper half.
type philox struct{ k0, k1 uint32 }

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

// words fills dst with the stream of 64-bit words from word number first:
// word w is half w mod 2 of block w / 2.
func (p philox) words(dst []uint64, first uint64) {
	i := 0
	if first%2 == 1 && len(dst) > 0 {
		_, dst[0] = p.block(first / 2)
		i = 1
	}
	for ; i+1 < len(dst); i += 2 {
		dst[i], dst[i+1] = p.block((first + uint64(i)) / 2)
	}
	if i < len(dst) {
		dst[i], _ = p.block((first + uint64(i)) / 2)
	}
}

// halves fills dst with the stream of 32-bit words from word number first: word
// w is quarter w mod 4 of block w / 4.
func (p philox) halves(dst []uint32, first uint64) {
	for i := 0; i < len(dst); {
		w := first + uint64(i)
		a, b := p.block(w / 4)
		quad := [4]uint32{uint32(a), uint32(a >> 32), uint32(b), uint32(b >> 32)}
		i += copy(dst[i:], quad[w%4:])
	}
}

// open maps a word to (0, 1]: (w + 1/2) / 2^64 rounded, so that its logarithm
// is finite and small values keep their relative precision.
func open(w uint64) float64 { return (float64(w) + 0.5) * 0x1p-64 }

// boxMuller turns two words into two independent standard normal values
// (G. E. P. Box and M. E. Muller, Ann. Math. Stat. 29, 1958). The radius comes
// from all 64 bits, so that values up to 9.49 occur with the right frequency.
func boxMuller(a, b uint64) (float64, float64) {
	r := math.Sqrt(-2 * math.Log(open(a)))
	sin, cos := math.Sincos(float64(b>>11) * (2 * math.Pi * 0x1p-53))
	return r * cos, r * sin
}

// normals fills dst with standard normal values from number first: value v is
// half v mod 2 of what block v / 2 gives.
func (p philox) normals(dst []float64, first uint64) {
	for i := 0; i < len(dst); {
		v := first + uint64(i)
		c, s := boxMuller(p.block(v / 2))
		pair := [2]float64{c, s}
		i += copy(dst[i:], pair[v%2:])
	}
}

// below fills dst with integers of [0, n) from number first; n = 0 stands
// for 2^64. Up to 2^32 the value is floor(w·n / 2^64) for a 64-bit word w,
// beyond that floor(R·n / 2^128) for a whole block R. No value's probability
// is off by more than a factor of 1 ± 2^-32 (up to 2^32) or 1 ± 2^-64.
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
