package expr

import (
	"math"
	"math/rand/v2"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// Every loop of fast.go, plain (small operands) and past the caches (large
// ones), rounds each operation as Go does, on every instruction set.
func TestFastLoops(t *testing.T) {
	defer func() {
		if err := simd.Force(simd.Best()); err != nil {
			t.Error(err)
		}
	}()
	for isa := simd.Generic; isa <= simd.Best(); isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 100} {
			testFast[float32](t, ndarray.F32, n, fastCases[float32]()...)
			testFast[float64](t, ndarray.F64, n, fastCases[float64]()...)
		}
		large := fastCases[float32]()
		testFast[float32](t, ndarray.F32, streamFrom/4+13, large[0], large[4], large[8])
		wide := fastCases[float64]()
		testFast[float64](t, ndarray.F64, streamFrom/8+5, wide[1], wide[6], wide[len(wide)-1])
	}
}

type fastCase[T float] struct {
	expr string
	f    func(x, y, s T) T
}

func fastCases[T float]() []fastCase[T] {
	return []fastCase[T]{
		{"z = x*s + y", func(x, y, s T) T { return T(x*s) + y }},
		{"z = x*y + 0.5", func(x, y, _ T) T { return T(x*y) + 0.5 }},
		{"z = 0.5 + s*x", func(x, _, s T) T { return 0.5 + T(s*x) }},
		{"z = y + x/3*x", func(x, y, _ T) T { return y + T(T(x/3)*x) }},
		{"z = x - s", func(x, _, s T) T { return x - s }},
		{"z = s - x", func(x, _, s T) T { return s - x }},
		{"z = s/x", func(x, _, s T) T { return s / x }},
		{"z = x/s", func(x, _, s T) T { return x / s }},
		{"z = x + y", func(x, y, _ T) T { return x + y }},
		{"z = maximum(x, s)", func(x, _, s T) T { return max(x, s) }},
		{"z = minimum(s, x)", func(x, _, s T) T { return min(s, x) }},
		{"z = -x", func(x, _, _ T) T { return -x }},
		{"z = x*x + x*x", func(x, _, _ T) T { return T(x*x) + T(x*x) }},
		{"z = s*s + s", func(_, _, s T) T { return T(s*s) + s }},
		{"t = x*y; z = t + s; w = z*t", func(x, y, s T) T { return T(x*y) + s }},
		{"z = floor(x)", func(x, _, _ T) T { return T(math.Floor(float64(x))) }},
	}
}

// expNegMul gives what the operations it stands for give one by one, to the
// bit, however it is written, with operands that are the same everywhere too.
func TestExpNegMul(t *testing.T) {
	defer func() {
		if err := simd.Force(simd.Best()); err != nil {
			t.Error(err)
		}
	}()
	for isa := simd.Generic; isa <= simd.Best(); isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		testExpNegMul[float32](t, ndarray.F32)
		testExpNegMul[float64](t, ndarray.F64)
	}
}

func testExpNegMul[T float](t *testing.T, dt ndarray.DType) {
	t.Helper()
	rng := rand.New(rand.NewPCG(6, 1))
	x, y := make([]T, 300), make([]T, 300)
	for i := range x {
		x[i], y[i] = T(4*rng.NormFloat64()), T(4*rng.NormFloat64())
	}
	x[0], x[1], y[2], y[3] = T(math.Inf(1)), T(math.NaN()), 0, T(math.Inf(-1))
	in := arrays{"x": array(dt, x), "y": array(dt, y), "s": array(dt, []T{1.25}, []int{}...)}
	for _, c := range []struct{ whole, parts string }{
		{"z = exp(-x*y)", "t = -x; u = t*y; w = u + 0; z = exp(w)"}, {"z = exp(x*-y)", "w = x*y*-1; z = exp(w)"}, {"z = exp(-(x*x))", "w = x*x*-1; z = exp(w)"},
		{"z = exp(-square(x)) + sin(y)", "w = x*x*-1; z = exp(w) + sin(y)"}, {"z = exp(-s*x)", "w = s*x*-1; z = exp(w)"}, {"z = exp(-(2*s))*x", "w = s*-2; z = exp(w)*x"},
	} {
		got, _ := evaluate[T](t, c.whole, in)
		want, _ := evaluate[T](t, c.parts, in)
		for i := range got {
			if want[i] != got[i] && (got[i] == got[i] || want[i] == want[i]) {
				t.Fatalf("%s of %s on %s: element %d is %v, want %v", c.whole, dt, simd.Active(), i, got[i], want[i])
			}
		}
	}
}

func testFast[T float](t *testing.T, dt ndarray.DType, n int, cases ...fastCase[T]) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	x, y, s := make([]T, n), make([]T, n), T(-1.75)
	for i := range x {
		x[i], y[i] = T(rng.NormFloat64()), T(rng.NormFloat64())
	}
	x[n/2] = T(math.Inf(1))
	in := arrays{"x": array(dt, x), "y": array(dt, y), "s": array(dt, []T{s}, []int{}...)}
	for _, c := range cases {
		z, _ := evaluate[T](t, c.expr, in)
		for i := range z {
			if want := c.f(x[i%n], y[i%n], s); z[i] != want && (z[i] == z[i] || want == want) {
				t.Fatalf("%s of %s, n=%d on %s: element %d is %v, want %v", c.expr, dt, n, simd.Active(), i, z[i], want)
			}
		}
	}
}
