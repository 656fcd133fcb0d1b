package vec

import (
	"math"
	"math/big"
	"slices"
	"testing"
)

// The known answers of the Random123 distribution, file kat_vectors, lines
// "philox4x32 10".
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, c := range []struct {
		ctr, want [4]uint32
		key       philox
	}{
		{[4]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, philox{}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, philox{0xffffffff, 0xffffffff}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}, philox{0xa4093822, 0x299f31d0}},
	} {
		a, b, cc, d := c.key.rounds(c.ctr[0], c.ctr[1], c.ctr[2], c.ctr[3])
		if got := [4]uint32{a, b, cc, d}; got != c.want {
			t.Errorf("counter %x key %x: %x, want %x", c.ctr, c.key, got, c.want)
		}
	}
}

// Any split of a stream gives the same values.
func TestPhiloxSplits(t *testing.T) {
	p := newPhilox(0x1234_5678_9abc_def0)
	const n = 37
	check(t, "words", n, p.words)
	check(t, "halves", n, p.halves)
	check(t, "normals", n, p.normals)
	for _, below := range []uint64{0, 1, 7, 1 << 32, 1<<32 + 1, math.MaxUint64} {
		check(t, "below", n, func(dst []uint64, first uint64) { p.below(dst, first, below) })
	}
}

func check[T comparable](t *testing.T, name string, n int, fill func([]T, uint64)) {
	t.Helper()
	whole := make([]T, n)
	fill(whole, 0)
	for lo := range n {
		for _, hi := range []int{lo, lo + 1, lo + (n-lo)/2, n} {
			part := make([]T, hi-lo)
			fill(part, uint64(lo))
			if !slices.Equal(part, whole[lo:hi]) {
				t.Fatalf("%s [%d, %d) differs from the whole", name, lo, hi)
			}
		}
	}
}

// below against exact arithmetic.
func TestPhiloxBelow(t *testing.T) {
	p := newPhilox(99)
	for _, n := range []uint64{0, 1, 3, 255, 1 << 32, 1<<32 + 1, 1 << 63, math.MaxUint64} {
		got := make([]uint64, 64)
		p.below(got, 0, n)
		exactN := new(big.Int).SetUint64(n)
		if n == 0 {
			exactN.Lsh(big.NewInt(1), 64)
		}
		for i, g := range got {
			lo, hi := p.block(uint64(i))
			r, shift := new(big.Int).SetUint64(hi), uint(128)
			r.Lsh(r, 64).Or(r, new(big.Int).SetUint64(lo))
			if n != 0 && n <= 1<<32 {
				var w [1]uint64
				p.words(w[:], uint64(i))
				r.SetUint64(w[0])
				shift = 64
			}
			if want := r.Mul(r, exactN).Rsh(r, shift).Uint64(); g != want {
				t.Fatalf("n=%d element %d: %d, want %d", n, i, g, want)
			}
		}
	}
}

// Moments and tails of a long normal stream. The bounds are five standard
// errors wide; the seed is fixed, so the outcome is too.
func TestNormalMoments(t *testing.T) {
	const n = 1 << 18
	v := make([]float64, n)
	newPhilox(1).normals(v, 0)
	var m1, m2, m3, m4, beyond3 float64
	for _, x := range v {
		m1 += x
		m2 += x * x
		m3 += x * x * x
		m4 += x * x * x * x
		if math.Abs(x) > 3 {
			beyond3++
		}
	}
	for _, c := range []struct {
		name            string
		got, want, vari float64 // vari: of one sample
	}{
		{"mean", m1 / n, 0, 1},
		{"variance", m2 / n, 1, 2},
		{"third moment", m3 / n, 0, 15},
		{"fourth moment", m4 / n, 3, 96},
		{"beyond 3", beyond3 / n, 0.0026998, 0.0026998},
	} {
		if bound := 5 * math.Sqrt(c.vari/n); math.Abs(c.got-c.want) > bound {
			t.Errorf("%s: %v, want %v ± %v", c.name, c.got, c.want, bound)
		}
	}
}

// The ends of the transformations are finite.
func TestTails(t *testing.T) {
	for _, w := range []uint64{0, 1, math.MaxUint64} {
		if u := open(w); !(u > 0 && u <= 1) {
			t.Errorf("open(%d) = %v", w, u)
		}
	}
	x, _ := boxMuller(0, 0)
	if math.Abs(x-9.4926) > 0.001 {
		t.Errorf("largest normal is %v", x)
	}
}

// turn against the library, and at the ends of octants.
func TestTurn(t *testing.T) {
	var words [4096]uint64
	newPhilox(3).words(words[:], 0)
	for octant := range uint64(8) {
		words[2*octant], words[2*octant+1] = octant<<61, (octant+1)<<61-1
	}
	for _, w := range words {
		sin, cos := turn(w)
		x, _ := new(big.Float).Quo(new(big.Float).SetUint64(w), big.NewFloat(0x1p64)).Float64()
		wantSin, wantCos := math.Sincos(2 * math.Pi * x)
		if math.Abs(sin-wantSin) > 1e-15 || math.Abs(cos-wantCos) > 1e-15 {
			t.Fatalf("%x: %v %v, want %v %v", w, sin, cos, wantSin, wantCos)
		}
	}
}
