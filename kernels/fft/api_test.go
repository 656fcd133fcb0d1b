package fft

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// TestRealPlans: the Go interface gives the command's numbers, there and back,
// with a pool and without.
func TestRealPlans(t *testing.T) {
	t.Run("f32", testRealPlans[float32])
	t.Run("f64", testRealPlans[float64])
}

func testRealPlans[T simd.Float](t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	rng := newRand(91)
	for _, n := range []int{1, 2, 3, 4, 7, 64, 100, 101, 512, 1000, 4099, 1 << 15, 1 << 19, 300007} {
		plan, err := NewRealPlan[T](nil, n)
		must(t, err)
		x, scratch := normals[T](rng, n), make([]T, plan.Scratch())
		y, z, back := make([]T, 2*(n/2+1)), make([]T, 2*(n/2+1)), make([]T, n)
		if err := plan.Forward(nil, y, x, scratch); err != nil {
			t.Fatal(err)
		}
		err = p.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error {
			if err := plan.Forward(w, z, x, scratch); err != nil {
				return err
			}
			return plan.Inverse(w, back, z, 1/T(n), scratch)
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y, z) {
			t.Errorf("n=%d: other bits on two threads", n)
		}
		if e, bound := relative(back, x), 8*errorBound[T](n+1); !(e <= bound) {
			t.Errorf("n=%d: there and back: %.3g > %.3g", n, e, bound)
		}
		full := make([]T, 2*n)
		for i, v := range x {
			full[2*i] = v
		}
		if n <= 5000 {
			if e, bound := relative(y, exactly(full)[:len(y)]), 3*errorBound[T](n+1); !(e <= bound) {
				t.Errorf("n=%d: error %.3g > %.3g", n, e, bound)
			}
		}
	}
}

// TestPlansOfArrays: a plan over some axes is that of each line.
func TestPlansOfArrays(t *testing.T) {
	rng := newRand(92)
	for _, c := range []struct{ shape, axes []int }{
		{[]int{3, 8, 5}, []int{1}}, {[]int{4, 6, 7}, []int{0, 2}}, {[]int{2, 3, 4, 5}, []int{3, 1}}, {[]int{40, 40, 40}, []int{0, 1, 2}}, {[]int{2, 1}, []int{1}},
	} {
		p, err := NewPlan[float64](nil, c.shape, c.axes)
		if err != nil {
			t.Fatal(err)
		}
		n := product(c.shape)
		x := normals[float64](rng, 2*n)
		y, scratch := make([]float64, 2*n), make([]float64, p.Scratch())
		if err := p.Forward(nil, y, x, scratch); err != nil {
			t.Fatal(err)
		}
		want := make([]complex128, n)
		for i := range want {
			want[i] = complex(x[2*i], x[2*i+1])
		}
		for _, a := range c.axes {
			want, _ = alongNaive(want, c.shape, a, func(v []complex128) []complex128 { return naiveLine(v, false) })
		}
		got := make([]complex128, n)
		for i := range got {
			got[i] = complex(y[2*i], y[2*i+1])
		}
		if e := complexError(got, want); e > 1e-14 {
			t.Errorf("%v over %v: off by %.3g", c.shape, c.axes, e)
		}
		if err := p.Inverse(nil, y, y, 2, scratch); err != nil {
			t.Fatal(err)
		}
		points := 1.0
		for _, a := range c.axes {
			points *= float64(c.shape[a])
		}
		for i := range x {
			x[i] *= 2 * points
		}
		if e := relative(y, x); e > 1e-14 {
			t.Errorf("%v over %v: there and back: %.3g", c.shape, c.axes, e)
		}
	}
}

// TestExplainedPlans: what explain says of each verb, and of a streamed run.
func TestExplainedPlans(t *testing.T) {
	operands := map[string]ndarray.Array{
		"c": ndarray.New(ndarray.C64, 512, 512), "r": ndarray.New(ndarray.F64, 300, 1000), "h": ndarray.New(ndarray.F64, 9, 9), "s": ndarray.New(ndarray.F32, 100000), "k": ndarray.New(ndarray.F32, 31), "l": ndarray.New(ndarray.C64, 1<<20),
	}
	for line, wants := range map[string][]string{
		"fft c y axes=0,1":    {"axis0 two-step 512", "axis1 two-step 512", "tuning estimate"},
		"rfft r y":            {"axis1 two-step 500", "isa "},
		"conv r h y":          {"method "},
		"conv s k y":          {"method overlap", "transform 2"},
		"conv k k y":          {"method direct"},
		"psd s y":             {"segments 780", "bins 129"},
		"fft l y":             {"axis0 two-step 1048576=512x2048", "tuning estimate"},
		"dct r y":             {"isa "},
		"spectrogram s y":     {"segments 446"},
		"fft c y n=67 axes=0": {"axis0 rader 67 by "},
	} {
		j, err := kerneltest.Prepare(t, Kernels(), line, operands)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, e := range j.Plan.Explain {
			fmt.Fprintf(&b, "%s %s\n", e.Term, e.Text)
		}
		for _, want := range wants {
			if simd.Active() == simd.AVX512 && !strings.Contains(b.String(), want) {
				t.Errorf("%s is explained without %q:\n%s", line, want, b.String())
			}
		}
		if c := j.Plan.Cost; c.Flops <= 0 || c.Bytes <= 0 || c.Scratch < 0 {
			t.Errorf("%s costs %+v", line, c)
		}
	}
}

// TestStreamedPlans: what a streamed plan says of itself: passes, memory within
// the bound, temporary space only where it is used.
func TestStreamedPlans(t *testing.T) {
	operands := map[string]ndarray.Array{"c": ndarray.New(ndarray.C64, 1024, 1024), "w": ndarray.New(ndarray.C64, 64, 65536), "l": ndarray.New(ndarray.C64, 1<<20)}
	three := int64(26 << 20) // where a pass over 2^20 points has runs long enough: 512x2048, at AVX2 1024x1024
	if simd.Active() == simd.AVX2 {
		three = 36 << 20
	}
	for _, c := range []struct {
		line   string
		mem    int64
		passes int
		temp   bool
	}{
		{"fft c y axes=0,1", 64 << 20, 1, false}, {"fft w y axes=0,1", 24 << 20, 2, false}, {"fft c y axes=0,1", 4 << 20, 3, true}, {"irfft w y axes=0,1", 24 << 20, 2, true}, {"irfft c y axes=0,1", 4 << 20, 3, true}, {"fft c y", 4 << 20, 1, false}, {"fft l y", 6 << 20, 4, true}, {"fft l y", three, 3, true}, {"ifft l y", 64 << 20, 1, false},
	} {
		j, err := kerneltest.Prepare(t, Kernels(), c.line, operands)
		if err != nil {
			t.Fatal(err)
		}
		s, err := j.Plan.Stream(c.mem)
		if err != nil {
			t.Errorf("%s in %d bytes: %v", c.line, c.mem, err)
			continue
		}
		if len(s.Explain) != c.passes || s.Mem > c.mem || s.Mem <= 0 || (s.Temp > 0) != c.temp || s.Moved < float64(2*j.In[0].Bytes()) {
			t.Errorf("%s in %d bytes: %+v", c.line, c.mem, s)
		}
		for i, e := range s.Explain {
			if e.Term != fmt.Sprintf("pass%d", i+1) || !strings.Contains(e.Text, "tiles of") {
				t.Errorf("%s: explained as %+v", c.line, e)
			}
		}
	}
}

// TestRoundings: small helpers at their borders.
func TestRoundings(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 4, 1000: 1024, 1024: 1024, 1025: 2048} {
		if got := roundPow2(n); got != want {
			t.Errorf("roundPow2(%d) = %d, want %d", n, got, want)
		}
	}
	for _, c := range [][3]int{{0, 16, 0}, {1, 16, 16}, {16, 16, 16}, {17, 16, 32}} {
		if got := roundUp(c[0], c[1]); got != c[2] {
			t.Errorf("roundUp(%d, %d) = %d", c[0], c[1], got)
		}
	}
	for n := 1; n < 400; n++ {
		for i, d := range divisors(n) {
			if n%d != 0 || i > 0 && divisors(n)[i-1] >= d {
				t.Fatalf("divisors of %d: %v", n, divisors(n))
			}
		}
	}
	for n, want := range map[int]bool{0: false, 1: false, 2: true, 9: false, 97: true, 1000003: true, 1000001: false, 65537: true} {
		if isPrime(n) != want {
			t.Errorf("isPrime(%d) = %v", n, !want)
		}
	}
	for b := 2; b < 50; b++ {
		v := 1
		for e := range 40 {
			if powMod(b, e, 1009) != v {
				t.Fatalf("%d^%d mod 1009", b, e)
			}
			v = v * b % 1009
		}
	}
	if m := (machine{w: 16, size: 4, maxPow2: 16, cost: &costsAVX512}); gatherLines(100, 4, gatherMost) != 8 || gatherLines(1<<20, 8, gatherMost) != 4 || m.innerLength(67) != 66 || m.innerLength(83) != padLength(165) || m.innerLength(64) != 64 {
		t.Error("lines that are gathered, or inner lengths")
	}
}

// TestOnePlanManyUsers: goroutines that share a plan, each with scratch and places
// of its own, get the bits that one alone gets, in either direction.
func TestOnePlanManyUsers(t *testing.T) {
	t.Run("f32", testOnePlanManyUsers[float32])
	t.Run("f64", testOnePlanManyUsers[float64])
}

func testOnePlanManyUsers[T simd.Float](t *testing.T) {
	rng := newRand(93)
	for _, c := range [][2][]int{{{1000}, {0}}, {{1013}, {0}}, {{7, 64}, {1}}, {{30, 40}, {0, 1}}, {{4, 16, 16}, {0, 1, 2}}, {{67, 9}, {0}}} {
		p, err := NewPlan[T](nil, c[0], c[1])
		must(t, err)
		n := 2 * product(c[0])
		x, want, back := normals[T](rng, n), make([]T, n), make([]T, n)
		scratch := make([]T, p.Scratch())
		must(t, p.Forward(nil, want, x, scratch))
		must(t, p.Inverse(nil, back, want, 0.5, scratch))
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				y, z, own := make([]T, n), make([]T, n), make([]T, p.Scratch())
				for range 20 {
					if err := errors.Join(p.Forward(nil, y, x, own), p.Inverse(nil, z, y, 0.5, own)); err != nil {
						t.Error(err)
						return
					}
					if !slices.Equal(y, want) || !slices.Equal(z, back) {
						t.Errorf("%v over %v: other bits beside other users of the plan", c[0], c[1])
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestPlansNeedTheirScratch: a transform touches no more scratch than its plan asks
// for, and leaves no trace of what was in it.
func TestPlansNeedTheirScratch(t *testing.T) {
	rng := newRand(94)
	eachISA(t, func(t *testing.T) {
		for _, b := range batches(rng) {
			plan, err := NewPlan[float32](nil, b.shape, []int{b.axis})
			must(t, err)
			x, n := normals[float32](rng, 2*product(b.shape)), plan.Scratch()
			want, got := make([]float32, len(x)), make([]float32, len(x))
			scratch := make([]float32, n+64)
			must(t, plan.Forward(nil, want, x, scratch[:n:n]))
			for i := range scratch {
				scratch[i] = float32(math.NaN())
			}
			must(t, plan.Forward(nil, got, x, scratch[:n:n]))
			if !slices.Equal(got, want) {
				t.Errorf("%v along %d: the result depends on what was in the scratch", b.shape, b.axis)
			}
			if slices.ContainsFunc(scratch[n:], func(v float32) bool { return !math.IsNaN(float64(v)) }) {
				t.Errorf("%v along %d: writes beyond its scratch", b.shape, b.axis)
			}
		}
	})
}
