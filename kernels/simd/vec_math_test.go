package simd

import (
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"
)

// exhaustive asks for all 2^32 float32 arguments instead of every 997th, and
// for many more float64 samples: VGPU_EXHAUSTIVE=1 go test -run Accuracy.
var exhaustive = os.Getenv("VGPU_EXHAUSTIVE") != ""

// span is where float64 arguments are sampled, beside random bits.
type span struct{ lo, hi float64 }

// elementary is a function with its oracles.
type elementary struct {
	name string
	f32  func(dst, x []float32)
	f64  func(dst, x []float64)
	ref  func(float64) float64 // good to far more than a float32
	big  func(*big.Float) *big.Float
	span span
}

var elementaries = []elementary{
	{"exp", ExpF32, ExpF64, math.Exp, bigExp, span{-745, 710}},
	{"exp2", Exp2F32, Exp2F64, math.Exp2, func(x *big.Float) *big.Float { return bigExp(mul2(x, bigLn2())) }, span{-1075, 1024}},
	{"expm1", Expm1F32, Expm1F64, math.Expm1, bigExpm1, span{-40, 710}},
	{"log", LogF32, LogF64, math.Log, bigLog, span{0, 10}},
	{"log2", Log2F32, Log2F64, log2Ref, func(x *big.Float) *big.Float { return quo2(bigLog(x), newBig().Set(bigLn2())) }, span{0, 10}},
	{"log10", Log10F32, Log10F64, math.Log10, func(x *big.Float) *big.Float { return quo2(bigLog(x), bigLog(bf(10))) }, span{0, 10}},
	{"log1p", Log1pF32, Log1pF64, math.Log1p, bigLog1p, span{-1, 3}},
	{"sin", SinF32, SinF64, math.Sin, bigSin, span{-100, 100}},
	{"cos", CosF32, CosF64, math.Cos, bigCos, span{-100, 100}},
	{"tan", TanF32, TanF64, math.Tan, bigTan, span{-100, 100}},
	{"asin", AsinF32, AsinF64, math.Asin, bigAsin, span{-1, 1}},
	{"acos", AcosF32, AcosF64, math.Acos, bigAcos, span{-1, 1}},
	{"atan", AtanF32, AtanF64, math.Atan, bigAtanTiny, span{-4, 4}},
	{"sinh", SinhF32, SinhF64, math.Sinh, bigSinh, span{-25, 25}},
	{"cosh", CoshF32, CoshF64, math.Cosh, bigCosh, span{-25, 25}},
	{"tanh", TanhF32, TanhF64, math.Tanh, bigTanh, span{-10, 10}},
	{"asinh", AsinhF32, AsinhF64, math.Asinh, bigAsinh, span{-4, 4}},
	{"acosh", AcoshF32, AcoshF64, math.Acosh, bigAcosh, span{1, 5}},
	{"atanh", AtanhF32, AtanhF64, math.Atanh, bigAtanh, span{-1, 1}},
	{"cbrt", CbrtF32, CbrtF64, math.Cbrt, bigCbrt, span{-9, 9}},
	{"erf", ErfF32, ErfF64, math.Erf, bigErf, span{-6, 6}},
	{"erfc", ErfcF32, ErfcF64, math.Erfc, bigErfcFor, span{-3, 12}},
	{"sigmoid", SigmoidF32, SigmoidF64, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, bigSigmoid, span{-50, 40}},
	{"silu", SiluF32, SiluF64, gated(func(x float64) float64 { return x / (1 + math.Exp(-x)) }), bigSilu, span{-760, 40}},
	{"gelu", GeluF32, GeluF64, gated(func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }), bigGelu, span{-10, 10}},
	{"gelutanh", GeluTanhF32, GeluTanhF64, gated(geluTanhRef), bigGeluTanh, span{-22, 8}},
	{"sqrt", SqrtF32, SqrtF64, math.Sqrt, func(x *big.Float) *big.Float { return newBig().Sqrt(x) }, span{0, 10}},
	{"rsqrt", RsqrtF32, RsqrtF64, func(x float64) float64 { return 1 / math.Sqrt(x) }, func(x *big.Float) *big.Float { return quo2(bf(1), newBig().Sqrt(x)) }, span{0, 10}},
}

// log2Ref avoids math.Log2's rounding near 1.
func log2Ref(x float64) float64 {
	f, e := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, e = 2*f, e-1
	}
	return float64(e) + math.Log1p(f-1)*math.Log2E
}

// gated gives f its limits at the infinities, where its formula has none.
func gated(f func(float64) float64) func(float64) float64 {
	return func(x float64) float64 {
		switch {
		case math.IsInf(x, -1):
			return math.Copysign(0, -1)
		case math.IsInf(x, 1):
			return x
		}
		return f(x)
	}
}

func geluTanhRef(x float64) float64 {
	v := 2 * math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
	return x / (1 + math.Exp(-v))
}

// maxULP is the bound that issue 3 sets.
const maxULP = 2

// ulp32 is the spacing of float32 around x, a finite one.
func ulp32(x float64) float64 {
	_, e := math.Frexp(x)
	return math.Ldexp(1, max(e-24, -149))
}

// errorULP32 compares got with the exact value; special values must agree.
func errorULP32(got float32, want float64) float64 {
	rounded := float32(want)
	switch {
	case got == rounded || got != got && want != want:
		return 0
	case math.IsInf(float64(got), 0) && math.Abs(want) > math.MaxFloat32*(1-0x1p-24):
		return 1 // at the edge of overflow
	case got != got || want != want || math.IsInf(float64(got), 0):
		return math.Inf(1)
	case math.IsInf(float64(rounded), 0):
		want = math.Copysign(0x1p128, want)
	}
	return math.Abs(float64(got)-want) / ulp32(want)
}

func TestAccuracyF32(t *testing.T) {
	step := uint64(997)
	switch {
	case exhaustive:
		step = 1
	case Best() == Generic || testing.Short(): // the twins, whose bits are the same, take their time
		step = 19997
	}
	for _, e := range elementaries {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			worst, at := sweepF32(e, step)
			t.Logf("%s: %.3f ulp at %v", e.name, worst, at)
			if worst > maxULP {
				t.Errorf("error %.3f ulp at %v (%#x)", worst, at, math.Float32bits(at))
			}
		})
	}
}

// sweepF32 tries every step-th bit pattern.
func sweepF32(e elementary, step uint64) (worst float64, at float32) {
	const block = 4096
	x, y := make([]float32, block), make([]float32, block)
	for next := uint64(0); next < 1<<32; {
		n := 0
		for ; n < block && next < 1<<32; n++ {
			x[n] = math.Float32frombits(uint32(next))
			next += step
		}
		e.f32(y[:n], x[:n])
		for i, v := range x[:n] {
			want := e.ref(float64(v))
			if y[i] == float32(want) {
				continue
			}
			if u := errorULP32(y[i], want); u > worst {
				worst, at = u, v
			}
		}
	}
	return worst, at
}

func TestAccuracyF64(t *testing.T) {
	for _, e := range elementaries {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			x := samplesF64(e.span)
			y := make([]float64, len(x))
			e.f64(y, x)
			worst, at := 0.0, 0.0
			for i, v := range x {
				want := e.ref(v)
				if math.IsNaN(want) || math.IsInf(want, 0) || math.IsInf(v, 0) || v == 0 {
					requireSpecial(t, e, v, y[i])
					continue
				}
				if u := errorULP64(y[i], e.big(bf(v))); u > worst {
					worst, at = u, v
				}
			}
			t.Logf("%s: %.3f ulp at %v", e.name, worst, at)
			if worst > maxULP {
				t.Errorf("error %.3f ulp at %v (%#x)", worst, at, math.Float64bits(at))
			}
		})
	}
}

// requireSpecial compares results that are not ordinary numbers, signs of
// zeros included.
func requireSpecial(t *testing.T, e elementary, x, got float64) {
	t.Helper()
	want := e.ref(x)
	if math.Float64bits(got) != math.Float64bits(want) && !(got != got && want != want) {
		if !(math.IsInf(want, 0) && math.Abs(got) > math.MaxFloat64/2) { // the oracle overflows a little early
			t.Errorf("at %v: %v, want %v", x, got, want)
		}
	}
}

// errorULP64 is the error in units of the last place of the exact value.
func errorULP64(got float64, want *big.Float) float64 {
	if got != got || math.IsInf(got, 0) {
		if f, _ := want.Float64(); math.IsInf(f, 0) && math.IsInf(got, 0) {
			return 0
		}
		return math.Inf(1)
	}
	diff := newBig().Sub(bf(got), newBig().Set(want))
	e := -1074
	if want.Sign() != 0 {
		e = max(want.MantExp(nil)-53, e)
	}
	u, _ := shifted(diff, -e).Float64()
	return math.Abs(u)
}

func samplesF64(s span) []float64 {
	n := 300
	if Best() == Generic || testing.Short() {
		n = 60
	}
	if exhaustive {
		n = 100000
	}
	rng := rand.New(rand.NewPCG(3, 5))
	x := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 1, -1, 0.5, -0.5, 2,
		math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.MaxFloat64, -math.MaxFloat64,
		math.Pi, math.Pi / 2, 355, 6381956970095103 * 0x1p797, 5.319372648326541e255, 1 - 0x1p-53, 1 + 0x1p-52, -1 + 0x1p-53}
	for range n {
		x = append(x, s.lo+(s.hi-s.lo)*rng.Float64())
		x = append(x, (s.lo+(s.hi-s.lo)*rng.Float64())*math.Exp2(-20*rng.Float64()))
	}
	for range n / 4 {
		x = append(x, math.Float64frombits(rng.Uint64()))
		x = append(x, (1+rng.Float64()*0x1p-20)*math.Copysign(1, rng.Float64()-0.5))
		x = append(x, math.Round(1e4*rng.Float64())*math.Pi/2)
		x = append(x, math.Copysign(math.Exp2(128*rng.Float64()-64), rng.Float64()-0.5)) // where formulas for large and small ones begin
	}
	return x
}
