package simd

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// reduceOn runs a reduction of the table under an instruction set.
func reduceOn(t *testing.T, isa ISA, f any, args []reflect.Value) reflect.Value {
	t.Helper()
	if err := Force(isa); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := Force(Best()); err != nil {
			t.Error(err)
		}
	}()
	return reflect.ValueOf(f).Call(args)[0]
}

// TestReductionsEqualOnEveryISA compares bits, NaN and infinities included, at
// all lengths around the rows of 64 and beyond a call's chunk.
func TestReductionsEqualOnEveryISA(t *testing.T) {
	lengths := []int{1000, chunk, chunk + 1, 3*chunk + 77}
	for n := range 200 {
		lengths = append(lengths, n)
	}
	for _, r := range reduceTable {
		t.Run(r.name, func(t *testing.T) {
			for _, n := range lengths {
				if n == 0 && strings.Contains(r.name, "Of") {
					continue // of nothing there is no greatest
				}
				args := reductionArgs(r, n, n%5)
				want := reduceOn(t, Generic, r.fn, args)
				for isa := AVX2; isa <= Best(); isa++ {
					if got := reduceOn(t, isa, r.fn, args); bitsOf(got) != bitsOf(want) {
						t.Fatalf("n=%d: %v on %s, %v without", n, got, isa, want)
					}
				}
			}
		})
	}
}

func reductionArgs(r routine, n, offset int) []reflect.Value {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	typ := reflect.TypeOf(r.fn)
	args := make([]reflect.Value, typ.NumIn())
	for i := range args {
		args[i] = randomArg(rng, typ.In(i), n, offset, r.name)
		for j := range n {
			e := args[i].Index(j)
			if e.CanFloat() && (n%4 != 0 || math.Abs(e.Float()) > 1e30) { // every fourth length sees specials
				e.SetFloat(rng.NormFloat64())
			}
		}
	}
	return args
}

// TestSums compares with plain loops: exactly where all is exact, and within
// the bound of the tree, (log2 64 + n/64) eps Σ|x|, elsewhere.
func TestSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 63, 64, 65, 1000, 4096, 10000} {
		x, y, f, g := make([]float64, n), make([]float64, n), make([]float32, n), make([]float32, n)
		ints, shorts, bytes := make([]int64, n), make([]int32, n), make([]uint8, n)
		var sum, squares, dot float64
		var whole, short, byteSum int64
		for i := range x {
			x[i], y[i] = float64(rng.IntN(1000)-500), float64(rng.IntN(1000)-500)
			f[i], g[i] = float32(x[i]), float32(y[i])
			ints[i], shorts[i], bytes[i] = int64(rng.Uint64()), int32(rng.Uint32()), uint8(rng.Uint32())
			sum, squares, dot = sum+x[i], squares+x[i]*x[i], dot+x[i]*y[i]
			whole, short, byteSum = whole+ints[i], short+int64(shorts[i]), byteSum+int64(bytes[i])
		}
		for _, c := range []struct {
			name      string
			got, want float64
		}{
			{"SumF64", SumF64(x), sum}, {"SumF32", SumF32(f), sum},
			{"SumSquaresF64", SumSquaresF64(x), squares}, {"SumSquaresF32", SumSquaresF32(f), squares},
			{"DotF64", DotF64(x, y), dot}, {"DotF32", DotF32(f, g), dot},
		} {
			if c.got != c.want {
				t.Errorf("%s of %d integers is %v, want %v", c.name, n, c.got, c.want)
			}
		}
		if SumI64(ints) != whole || SumI32(shorts) != short || SumU8(bytes) != byteSum {
			t.Errorf("n=%d: integer sums differ", n)
		}
	}
}

// TestProdF64 multiplies powers of two, exactly.
func TestProdF64(t *testing.T) {
	x := make([]float64, 300)
	want := 0
	for i := range x {
		e := i%5 - 2
		x[i], want = math.Ldexp(1, e), want+e
	}
	if got := ProdF64(x); got != math.Ldexp(1, want) {
		t.Errorf("product is %v, want 2^%d", got, want)
	}
	if ProdF64(nil) != 1 {
		t.Error("an empty product is not 1")
	}
}

func TestExtremes(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	for n := 1; n < 300; n += 7 {
		x, i16 := make([]float32, n), make([]int16, n)
		for i := range x {
			x[i], i16[i] = float32(rng.NormFloat64()), int16(rng.Uint32())
		}
		if MaxOfF32(x) != slices.Max(x) || MinOfF32(x) != slices.Min(x) || MaxOfI16(i16) != slices.Max(i16) || MinOfI16(i16) != slices.Min(i16) {
			t.Errorf("n=%d: wrong extreme", n)
		}
		x[rng.IntN(n)] = float32(math.NaN())
		if got := MaxOfF32(x); got == got {
			t.Errorf("n=%d: NaN lost, got %v", n, got)
		}
		if got := MinOfF32(x); got == got {
			t.Errorf("n=%d: NaN lost, got %v", n, got)
		}
	}
}

func TestDotRefusesShortOperand(t *testing.T) {
	if !panics(func() { DotF64(make([]float64, 3), make([]float64, 2)) }) {
		t.Error("no panic")
	}
}
