package simd

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// edges are arguments at which functions of two variables have special cases.
var edges = []float64{0, math.Copysign(0, -1), 1, -1, 2, -2, 3, -3, 0.5, -0.5, 2.5, -2.5, math.Inf(1), math.Inf(-1), math.NaN(),
	0x1p52 + 1, -0x1p52 - 1, 0x1p53, 1e300, -1e300, 1e-300, -1e-300, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64,
	math.MaxFloat64, -math.MaxFloat64, 0x1p100, 0x1p-100}

// TestTwoArgumentEdges compares special cases with package math, which follows
// C99's annex F.
func TestTwoArgumentEdges(t *testing.T) {
	for _, f := range []struct {
		name string
		f32  func(dst, a, b []float32)
		f64  func(dst, a, b []float64)
		ref  func(a, b float64) float64
	}{{"pow", PowF32, PowF64, math.Pow}, {"atan2", Atan2F32, Atan2F64, atan2Ref}, {"hypot", HypotF32, HypotF64, math.Hypot}} {
		for _, a := range edges {
			for _, b := range edges {
				var got [1]float64
				f.f64(got[:], []float64{a}, []float64{b})
				want := f.ref(a, b)
				if !near64(got[0], want) {
					t.Errorf("%s(%v, %v) is %v, want %v", f.name, a, b, got[0], want)
				}
				var got32 [1]float32
				f.f32(got32[:], []float32{float32(a)}, []float32{float32(b)})
				want = f.ref(float64(float32(a)), float64(float32(b)))
				if u := errorULP32(got32[0], want); u > maxULP || math.Signbit(float64(got32[0])) != math.Signbit(want) && want == want {
					t.Errorf("%s(float32 %v, %v) is %v, want %v", f.name, float32(a), float32(b), got32[0], want)
				}
			}
		}
	}
}

// atan2Ref gives the result y's sign even if y/x underflows, as C does.
func atan2Ref(y, x float64) float64 { return math.Copysign(math.Atan2(math.Abs(y), x), y) }

func near64(got, want float64) bool {
	if math.IsInf(want, 0) || want == 0 || got == 0 {
		return math.Float64bits(got) == math.Float64bits(want) || math.Abs(got-want) <= 2*math.SmallestNonzeroFloat64
	}
	return got != got && want != want || math.Abs(got-want) <= 4e-15*math.Abs(want)+math.SmallestNonzeroFloat64
}

func TestAccuracyPow(t *testing.T) {
	n := 3000
	if exhaustive {
		n = 1000000
	}
	rng := rand.New(rand.NewPCG(7, 8))
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i] = math.Exp(rng.NormFloat64() * math.Exp(6*rng.Float64()-3))
		switch i % 12 {
		case 1: // through all parts of the logarithm's table
			x[i] = 0.68 + 0.74*rng.Float64()
		case 2:
			x[i] = rng.Float64() * 0x1p-1022
		}
		limit := 745 / math.Abs(math.Log(x[i]))
		y[i] = (2*rng.Float64() - 1) * limit
		if i%3 == 0 {
			x[i] = 1 + (rng.Float64()-0.5)*0x1p-20
			y[i] = (2*rng.Float64() - 1) * 0x1p28
		}
	}
	checkTwoF64(t, "pow", x, y, PowF64, bigPow)
	checkTwoF32(t, "pow", x, y, PowF32, powRef)
}

// powRef is exact where math.Pow, which squares x again and again, loses a hundredth of a float32's last bit.
func powRef(x, y float64) float64 {
	if near := math.Abs(x - 1); x <= 0 || near == 0 || near > 0x1p-10 || math.IsInf(y, 0) || y != y {
		return math.Pow(x, y)
	}
	v, _ := bigPow(bf(x), bf(y)).Float64()
	return v
}

func TestAccuracyAtan2(t *testing.T) {
	n := 2000
	rng := rand.New(rand.NewPCG(9, 8))
	y, x := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64() * math.Exp(40*rng.Float64()-20)
		y[i] = rng.NormFloat64() * math.Exp(40*rng.Float64()-20)
		if i%2 == 0 {
			y[i] = x[i] * rng.NormFloat64()
		}
	}
	checkTwoF64(t, "atan2", y, x, Atan2F64, bigAtan2)
	checkTwoF32(t, "atan2", y, x, Atan2F32, math.Atan2)
	checkTwoF64(t, "hypot", y, x, HypotF64, bigHypot)
	checkTwoF32(t, "hypot", y, x, HypotF32, math.Hypot)
}

func checkTwoF64(t *testing.T, name string, a, b []float64, f func(dst, a, b []float64), ref func(a, b *big.Float) *big.Float) {
	got := make([]float64, len(a))
	f(got, a, b)
	worst, at := 0.0, 0
	for i := range a {
		if u := errorULP64(got[i], ref(bf(a[i]), bf(b[i]))); u > worst {
			worst, at = u, i
		}
	}
	t.Logf("%s: %.3f ulp at %v, %v", name, worst, a[at], b[at])
	if worst > maxULP {
		t.Errorf("%s: error %.3f ulp at %v, %v", name, worst, a[at], b[at])
	}
}

func checkTwoF32(t *testing.T, name string, a, b []float64, f func(dst, a, b []float32), ref func(a, b float64) float64) {
	got, a32, b32 := make([]float32, len(a)), make([]float32, len(a)), make([]float32, len(a))
	for i := range a {
		a32[i], b32[i] = float32(a[i]), float32(b[i])
	}
	f(got, a32, b32)
	for i := range a {
		if u := errorULP32(got[i], ref(float64(a32[i]), float64(b32[i]))); u > 0.51 {
			t.Errorf("%s: error %.3f ulp at float32 %v, %v", name, u, a32[i], b32[i])
		}
	}
}
