package fft

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels/simd"
)

// lengths are those of every method: all small ones, then of each kind.
func lengths() []int {
	var out []int
	for n := 1; n <= 70; n++ {
		out = append(out, n)
	}
	return append(out, 81, 96, 101, 121, 125, 127, 128, 163, 169, 243, 251, 256, 257, 263, 338, 343, 360, 398, 512, 521, 601, 625, 719, 1000, 1021, 1024,
		1155, 1331, 1536, 2048, 2187, 2197, 3125, 4093, 4096, 4199, 6561, 8192, 10007, 10080)
}

// TestInverse: the inverse undoes the forward transform, in place too.
func TestInverse(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testInverse[float32])
		t.Run("f64", testInverse[float64])
	})
}

func testInverse[T simd.Float](t *testing.T) {
	rng := newRand(2)
	for _, n := range lengths() {
		p, err := NewPlan[T](nil, []int{n}, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		x := normals[T](rng, 2*n)
		y, z, scratch := make([]T, 2*n), slices.Clone(x), make([]T, p.Scratch())
		for _, err := range []error{
			p.Forward(nil, y, x, scratch), p.Inverse(nil, y, y, 1/T(n), scratch),
			p.Forward(nil, z, z, scratch),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		bound := 2 * eps[T]() * math.Sqrt(math.Log2(float64(n))+1)
		if e := relative(y, x); !(e <= bound) {
			t.Errorf("n=%d: there and back: %.3g > %.3g", n, e, bound)
		}
		if err := p.Forward(nil, y, x, scratch); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y, z) {
			t.Errorf("n=%d: in place gives other bits", n)
		}
	}
}

// TestArraysInPlace: an array may be transformed where it lies, with the same
// bits, whatever is left over of blocks.
func TestArraysInPlace(t *testing.T) {
	rng := newRand(6)
	eachISA(t, func(t *testing.T) {
		for _, c := range [][2][]int{
			{{20, 37}, {0}}, {{6, 20, 37}, {0, 1, 2}}, {{64, 21}, {0, 1}}, {{7, 3, 100}, {1}}, {{130, 67}, {0, 1}}, {{16, 16, 16, 5}, {0, 2}},
			{{67, 33}, {0}}, {{9, 40, 50}, {1, 2}}, {{30, 2, 40, 50}, {0, 2, 3}}, {{1, 5}, {0}},
		} {
			p, err := NewPlan[float32](nil, c[0], c[1])
			if err != nil {
				t.Fatal(err)
			}
			x := normals[float32](rng, 2*product(c[0]))
			y, scratch := make([]float32, len(x)), make([]float32, p.Scratch())
			for _, err := range []error{p.Forward(nil, y, x, scratch), p.Forward(nil, x, x, scratch)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(x, y) {
				t.Errorf("%v over %v: in place gives other bits", c[0], c[1])
			}
			if err := p.Inverse(nil, x, x, 1, scratch); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestErgun checks the properties by which FFTW's own bench verifies a
// transform without a reference (Ergün, STOC 1995): it is linear, it takes an
// impulse to a character and a constant to an impulse, hidden in random
// splits, and a shift to a twiddle.
func TestErgun(t *testing.T) {
	rng := newRand(3)
	shapes := [][]int{{7, 12}, {5, 6, 4}, {16, 16, 3}, {2, 67}, {33, 32}, {128, 20}, {3, 4, 5, 6}}
	for range 12 {
		shapes = append(shapes, []int{1 + rng.IntN(2000)})
		shapes = append(shapes, []int{1 + rng.IntN(60), 1 + rng.IntN(60)})
	}
	eachISA(t, func(t *testing.T) {
		for _, s := range shapes {
			ergun[float32](t, rng, s)
			ergun[float64](t, rng, s)
		}
	})
}

// transformer runs a plan over all axes of a shape.
type transformer[T simd.Float] struct {
	t     *testing.T
	shape []int
	p     *Plan[T]
}

func (f *transformer[T]) of(x []T) []T {
	y := make([]T, len(x))
	if err := f.p.Forward(nil, y, x, make([]T, f.p.Scratch())); err != nil {
		f.t.Fatal(err)
	}
	return y
}

func ergun[T simd.Float](t *testing.T, rng *rand.Rand, shape []int) {
	axes := make([]int, len(shape))
	for i := range axes {
		axes[i] = i
	}
	p, err := NewPlan[T](nil, shape, axes)
	if err != nil {
		t.Fatal(err)
	}
	f := &transformer[T]{t, shape, p}
	n := product(shape)
	tol := 8 * eps[T]() * math.Sqrt(math.Log2(float64(n))+2)
	a, b := normals[T](rng, 2*n), normals[T](rng, 2*n)
	fa, fb := f.of(a), f.of(b)
	// Errors are as large as those of what was added and taken away again.
	check := func(what string, got, want []T) {
		t.Helper()
		if e := relative(got, want) * norm(want) / max(norm(want), norm(fa)); !(e <= tol) {
			t.Errorf("%T %v: %s: off by %.3g > %.3g", got, shape, what, e, tol)
		}
	}
	c, s := math.Sincos(rng.Float64())
	check("linearity", f.of(combine(a, b, T(c), T(s))), combine(fa, fb, T(c), T(s)))

	impulse, flat := make([]T, 2*n), make([]T, 2*n)
	impulse[0] = 1
	for i := range n {
		flat[2*i] = 1
	}
	hidden := func(x []T) []T { return combine(f.of(combine(x, a, 1, -1)), fa, 1, 1) }
	check("impulse", hidden(impulse), flat)
	impulse[0] = T(n)
	check("constant", hidden(flat), impulse)
	axis := rng.IntN(len(shape))
	check("shift", f.of(rolled(a, shape, axis)), twisted(fa, shape, axis))
}

// combine is p·a + q·b.
func combine[T simd.Float](a, b []T, p, q T) []T {
	out := make([]T, len(a))
	for i := range a {
		out[i] = p*a[i] + q*b[i]
	}
	return out
}

func norm[T simd.Float](x []T) float64 {
	s := 0.0
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s)
}

// rolled moves every element one on along an axis, cyclically.
func rolled[T simd.Float](x []T, shape []int, axis int) []T {
	out := make([]T, len(x))
	inner, m := product(shape[axis+1:]), shape[axis]
	for i := range len(x) / 2 {
		k := i / inner % m
		to := i + ((k+1)%m-k)*inner
		out[2*to], out[2*to+1] = x[2*i], x[2*i+1]
	}
	return out
}

// twisted multiplies element k along an axis of m by exp(-2πi·k/m).
func twisted[T simd.Float](x []T, shape []int, axis int) []T {
	out := make([]T, len(x))
	inner, m := product(shape[axis+1:]), shape[axis]
	for i := range len(x) / 2 {
		z := rootDD(i/inner%m, m)
		c, s := z.re.hi, z.im.hi
		re, im := float64(x[2*i]), float64(x[2*i+1])
		out[2*i], out[2*i+1] = T(re*c-im*s), T(re*s+im*c)
	}
	return out
}

// TestNaN: a NaN fills its own line and no other.
func TestNaN(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, shape := range [][]int{{9, 16}, {9, 64}, {9, 100}, {20, 300}, {5, 67}, {3, 101}, {40, 7}} {
			for axis := range 2 {
				nanLine(t, shape, axis)
			}
		}
	})
}

func nanLine(t *testing.T, shape []int, axis int) {
	x := normals[float64](newRand(4), 2*product(shape))
	p, err := NewPlan[float64](nil, shape, []int{axis})
	if err != nil {
		t.Fatal(err)
	}
	const row, column = 2, 3
	x[2*(row*shape[1]+column)] = math.NaN()
	y := make([]float64, len(x))
	if err := p.Forward(nil, y, x, make([]float64, p.Scratch())); err != nil {
		t.Fatal(err)
	}
	for i := range product(shape) {
		r, c := i/shape[1], i%shape[1]
		want := axis == 1 && r == row || axis == 0 && c == column
		if got := math.IsNaN(y[2*i]) || math.IsNaN(y[2*i+1]); got != want {
			t.Fatalf("%v axis %d: element %d,%d is NaN: %v", shape, axis, r, c, got)
		}
	}
}

// TestRoots checks the twiddle tables against series of their own: every entry
// is the double nearest to the exact value, or the next at a near tie.
func TestRoots(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 8, 12, 97, 1000, 4096, 10007, 1 << 20} {
		r := newRoots(n)
		for i := range min(n, 3000) {
			k := i * max(n/3000, 1)
			z := rootDD(k, n)
			re, im := r.at(k)
			re32, im32 := rootAt[float32](r, k)
			if math.Abs(re-z.re.hi-z.re.lo) > 0x1p-53*math.Abs(z.re.hi)+1e-31 || math.Abs(im-z.im.hi-z.im.lo) > 0x1p-53*math.Abs(z.im.hi)+1e-31 {
				t.Fatalf("root %d of %d: %v %v, want %v %v", k, n, re, im, z.re, z.im)
			}
			if math.Abs(float64(re32)-re) > 0x1.00001p-25*math.Abs(re)*2 || math.Abs(float64(im32)-im) > 0x1.00001p-25*math.Abs(im)*2 {
				t.Fatalf("root %d of %d in single precision: %v %v, want %v %v", k, n, re32, im32, re, im)
			}
		}
	}
}

// TestRootDD: the series gives |z| = 1, and conjugates in pairs.
func TestRootDD(t *testing.T) {
	rng := newRand(5)
	for range 2000 {
		n := 1 + rng.IntN(1<<30)
		k := rng.IntN(n)
		z, w := rootDD(k, n), rootDD((n-k)%n, n)
		norm := z.re.mul(z.re).add(z.im.mul(z.im)).add(dd{-1, 0})
		if math.Abs(norm.hi) > 1e-30 {
			t.Fatalf("|root %d of %d|² - 1 = %g", k, n, norm.hi)
		}
		if d := z.re.add(w.re.neg()); math.Abs(d.hi) > 1e-30 {
			t.Fatalf("roots %d and %d of %d are not conjugate: %g", k, n-k, n, d.hi)
		}
	}
}

// TestPadLength: padded lengths are smooth, long enough, and not far off.
func TestPadLength(t *testing.T) {
	for n := 1; n < 5000; n++ {
		m := padLength(n)
		if m < n || !smooth(m) || m > 2*n {
			t.Fatalf("padLength(%d) = %d", n, m)
		}
	}
}

// TestRadices: the codelets multiply to the length.
func TestRadices(t *testing.T) {
	for _, maxPow2 := range []int{4, 8, 16} {
		for n := 1; n < 3000; n++ {
			if !smooth(n) {
				continue
			}
			p := 1
			for _, r := range radices(n, maxPow2) {
				p *= r
				if !slices.Contains(simd.FFTRadices, r) || r&(r-1) == 0 && r > maxPow2 {
					t.Fatalf("radices(%d) has %d", n, r)
				}
			}
			if p != n {
				t.Fatalf("radices(%d) = %v", n, radices(n, maxPow2))
			}
		}
	}
}

// TestPlansAreShared: plans that are made at once by many goroutines are one.
func TestPlansAreShared(t *testing.T) {
	k := simd.FFT[float64]()
	got := make(chan *line[float64], 16)
	for range 16 {
		go func() { got <- mustPlan(k, 1234) }()
	}
	first := <-got
	for range 15 {
		if l := <-got; l != first {
			t.Fatal("two plans of one length")
		}
	}
	if s := fmt.Sprint(first.method); s == "" {
		t.Fatal("no method")
	}
}

// TestPlanRefusals: what NewPlan does not take.
func TestPlanRefusals(t *testing.T) {
	for _, c := range [][2][]int{{{4}, {1}}, {{4}, {-1}}, {{4, 0}, {1}}, {{4, 4}, {0, 0}}} {
		if _, err := NewPlan[float32](nil, c[0], c[1]); err == nil {
			t.Errorf("shape %v axes %v: accepted", c[0], c[1])
		}
	}
}
