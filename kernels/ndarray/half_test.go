package ndarray

import (
	"math"
	"math/rand/v2"
	"testing"
)

// halfFormat describes a 16-bit float for the oracle.
type halfFormat struct {
	name   string
	mant   int // bits of the mantissa
	minExp int // exponent of the least normal
	value  func(uint16) float32
	from32 func(float32) uint16
	from64 func(float64) uint16
}

var halfFormats = []halfFormat{
	{"f16", 10, -14, F16ToF32, F16FromF32, F16FromF64},
	{"bf16", 7, -126, BF16ToF32, BF16FromF32, BF16FromF64},
}

func (h halfFormat) inf() uint16 { return uint16(0x7fff >> h.mant << h.mant) }

// oracle rounds |f| by its definition: the nearest multiple of the unit in
// the last place, ties to even, computed exactly in float64.
func (h halfFormat) oracle(f float64) uint16 {
	sign := uint16(0)
	if math.Signbit(f) {
		sign, f = 0x8000, -f
	}
	if f == 0 {
		return sign
	}
	_, e := math.Frexp(f)
	e = max(e-1, h.minExp)
	n := math.RoundToEven(math.Ldexp(f, h.mant-e)) // in units of 2^(e-mant)
	exp := e - h.minExp
	bits := float64(exp)*math.Ldexp(1, h.mant) + n // a carry into the exponent is right
	if math.IsInf(f, 0) || bits >= float64(h.inf()) {
		return sign | h.inf()
	}
	return sign | uint16(bits)
}

// Every pattern goes to float32 and back unchanged, and its value is the
// defined one.
func TestHalfValues(t *testing.T) {
	for _, h := range halfFormats {
		for i := range 1 << 16 {
			b := uint16(i)
			v := h.value(b)
			if b&0x7fff > h.inf() { // NaN
				quiet := b | 1<<(h.mant-1)
				if got := h.from32(v); got != quiet || !math.IsNaN(float64(v)) {
					t.Fatalf("%s: NaN %#04x came back as %#04x", h.name, b, got)
				}
				if got := h.from64(float64(v)); got != quiet {
					t.Fatalf("%s: NaN %#04x came back through f64 as %#04x", h.name, b, got)
				}
				continue
			}
			if got := h.from32(v); got != b {
				t.Fatalf("%s: %#04x = %v came back as %#04x", h.name, b, v, got)
			}
			if want := h.define(b); v != want || math.Signbit(float64(v)) != (b>>15 == 1) {
				t.Fatalf("%s: %#04x = %v, want %v", h.name, b, v, want)
			}
		}
	}
}

func (h halfFormat) define(b uint16) float32 {
	mag, sign := b&0x7fff, 1.0
	if b>>15 == 1 {
		sign = -1
	}
	if mag == h.inf() {
		return float32(math.Inf(int(sign)))
	}
	exp, mant := int(mag>>h.mant), float64(mag&(1<<h.mant-1))
	if exp == 0 {
		exp = 1
	} else {
		mant += math.Ldexp(1, h.mant)
	}
	return float32(sign * math.Ldexp(mant, exp-1+h.minExp-h.mant))
}

// Rounding is tested at every boundary between two neighbours: below, on and
// above the midpoint, in both float types, which covers every interval in
// which the result is constant.
func TestHalfRoundingExhaustive(t *testing.T) {
	for _, h := range halfFormats {
		for b := uint16(0); b < h.inf(); b++ {
			lo, hi := float64(h.value(b)), float64(h.value(b+1))
			if b+1 == h.inf() {
				hi = lo + (lo - float64(h.value(b-1))) // where the next one would be
			}
			mid := (lo + hi) / 2
			for _, f := range []float64{lo, math.Nextafter(lo, hi), math.Nextafter(mid, lo), mid, math.Nextafter(mid, hi), math.Nextafter(hi, lo)} {
				h.check64(t, f)
				h.check64(t, -f)
			}
			m := float32(mid)
			for _, f := range []float32{math.Nextafter32(m, 0), m, math.Nextafter32(m, math.MaxFloat32), math.Nextafter32(float32(hi), 0)} {
				h.check32(t, f)
				h.check32(t, -f)
			}
		}
		for _, f := range []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxFloat32, math.SmallestNonzeroFloat32} {
			h.check64(t, f)
			h.check64(t, -f)
		}
	}
}

func (h halfFormat) check64(t *testing.T, f float64) {
	t.Helper()
	if got, want := h.from64(f), h.oracle(f); got != want {
		t.Fatalf("%s from f64 %x: %#04x, want %#04x", h.name, f, got, want)
	}
}

func (h halfFormat) check32(t *testing.T, f float32) {
	t.Helper()
	if got, want := h.from32(f), h.oracle(float64(f)); got != want {
		t.Fatalf("%s from f32 %x: %#04x, want %#04x", h.name, f, got, want)
	}
}

func TestHalfRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300000 {
		f := math.Float32frombits(rng.Uint32())
		g := math.Float64frombits(rng.Uint64())
		g2 := float64(f) * (1 + rng.Float64()*0x1p-20)
		for _, h := range halfFormats {
			if f == f {
				h.check32(t, f)
				h.check64(t, g2)
			}
			if g == g {
				h.check64(t, g)
			}
		}
	}
}

func TestHalfNaN(t *testing.T) {
	for _, b := range []uint32{0x7f800001, 0x7fc00000, 0xff800001, 0xffffffff} {
		f := math.Float32frombits(b)
		for _, h := range halfFormats {
			got := h.from32(f)
			if got&0x7fff <= h.inf() || got>>15 != uint16(b>>31) || got&(1<<(h.mant-1)) == 0 {
				t.Errorf("%s of NaN %#08x is %#04x", h.name, b, got)
			}
			if got := h.from64(math.NaN()); got&0x7fff <= h.inf() {
				t.Errorf("%s of a float64 NaN is %#04x", h.name, got)
			}
		}
	}
}

func BenchmarkF16FromF32(b *testing.B) {
	s := uint16(0)
	for i := range b.N {
		s += F16FromF32(float32(i) * 0.37)
	}
	_ = s
}
