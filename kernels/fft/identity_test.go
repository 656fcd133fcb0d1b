package fft

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// run executes a line that must succeed and gives its output y.
func run(t *testing.T, line string, operands map[string]ndarray.Array) ndarray.Array {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), line, operands)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out["y"]
}

func energy(v []complex128) float64 {
	s := 0.0
	for _, z := range v {
		s += real(z)*real(z) + imag(z)*imag(z)
	}
	return s
}

func weights(name string, n int, p float64, periodic bool) []float64 {
	out, f := make([]float64, n), window(name, n, p, periodic)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func near(a, b, tol float64) bool { return math.Abs(a-b) <= tol*(math.Abs(a)+math.Abs(b)) }

// TestParseval: orthonormal transforms keep the energy.
func TestParseval(t *testing.T) {
	rng := newRand(11)
	for range 25 {
		shape := []int{1 + rng.IntN(40), 1 + rng.IntN(90)}
		x := map[string]ndarray.Array{"x": randomArray(rng, ndarray.C128, shape...), "r": randomArray(rng, ndarray.F64, shape[0]+1, shape[1]+1)}
		for _, c := range []struct{ in, line string }{
			{"x", "fft x y norm=ortho axes=0,1"}, {"x", "ifft x y norm=ortho"},
			{"r", "dct r y norm=ortho axes=0,1"}, {"r", "dct r y type=1 norm=ortho"}, {"r", "idct r y type=4 norm=ortho axes=0"}, {"r", "dst r y type=1 norm=ortho axes=0,1"}, {"r", "dst r y type=4 norm=ortho"},
		} {
			if got, want := energy(values(run(t, c.line, x))), energy(values(x[c.in])); !near(got, want, 1e-13) {
				t.Errorf("%s of %v: energy %v, was %v", c.line, x[c.in], got, want)
			}
		}
	}
}

// TestTrigonometricInverses: each undoes its partner, for every kind and norm.
func TestTrigonometricInverses(t *testing.T) {
	rng := newRand(12)
	for _, name := range []string{"dct", "dst"} {
		for kind := 1; kind <= 4; kind++ {
			for _, norm := range []string{"backward", "ortho", "forward"} {
				n := 2 + rng.IntN(300)
				x := randomArray(rng, ndarray.F64, 2, n)
				opts := fmt.Sprintf("type=%d norm=%s", kind, norm)
				y := run(t, name+" x y "+opts, map[string]ndarray.Array{"x": x})
				z := run(t, "i"+name+" x y "+opts, map[string]ndarray.Array{"x": y})
				if e := complexError(values(z), values(x)); e > 1e-14 {
					t.Errorf("i%s(%s) of %d points, %s: off by %g", name, name, n, opts, e)
				}
			}
		}
	}
}

// TestConvolutionMethodsAgree: all ways give the same sums, on random shapes;
// the operands may change places.
func TestConvolutionMethodsAgree(t *testing.T) {
	rng := newRand(13)
	for range 30 {
		rank := 1 + rng.IntN(3)
		xs, hs := make([]int, rank), make([]int, rank)
		for i := range rank {
			xs[i], hs[i] = 1+rng.IntN(30), 1+rng.IntN(9)
		}
		if rank == 1 {
			xs[0] = 500 + rng.IntN(9000)
		}
		d := []ndarray.DType{ndarray.F64, ndarray.C128}[rng.IntN(2)]
		in := map[string]ndarray.Array{"x": randomArray(rng, d, xs...), "h": randomArray(rng, ndarray.F64, hs...)}
		mode := []string{"full", "same", "valid"}[rng.IntN(3)]
		if mode == "valid" && !slices.Equal(xs, maxEach(xs, hs)) {
			mode = "full"
		}
		want := values(run(t, "conv x h y method=direct mode="+mode, in))
		for _, line := range []string{"conv x h y method=fft", "conv x h y method=overlap", "conv x h y method=auto"} {
			if e := complexError(values(run(t, line+" mode="+mode, in)), want); e > 1e-13 {
				t.Errorf("%s mode=%s of %v and %v: off by %g", line, mode, xs, hs, e)
			}
		}
		if mode == "full" {
			if e := complexError(values(run(t, "conv h x y", in)), want); e > 1e-13 {
				t.Errorf("%v and %v do not commute: %g", xs, hs, e)
			}
		}
	}
}

func maxEach(a, b []int) []int {
	out := slices.Clone(a)
	for i := range out {
		out[i] = max(out[i], b[i])
	}
	return out
}

// TestShiftsUndo: ifftshift undoes fftshift, bit for bit, in every type.
func TestShiftsUndo(t *testing.T) {
	rng := newRand(14)
	for _, d := range ndarray.DTypes {
		x := randomArray(rng, d, 1+rng.IntN(6), 1+rng.IntN(6), 1+rng.IntN(6))
		y := run(t, "fftshift x y", map[string]ndarray.Array{"x": x})
		z := run(t, "ifftshift x y", map[string]ndarray.Array{"x": y})
		if !slices.Equal(z.Data[z.Offset:][:z.Bytes()], x.Data[:x.Bytes()]) {
			t.Errorf("%v: not undone", x)
		}
	}
	s := ndarray.New(ndarray.F32)
	ndarray.Store(s, []float32{3}, 0)
	if y := run(t, "fftshift x y", map[string]ndarray.Array{"x": s}); values(y)[0] != 3 {
		t.Error("a scalar is not left alone")
	}
}

// TestPowerOfASine: a unit sine in the middle of a bin has power 1/2 there.
func TestPowerOfASine(t *testing.T) {
	const n, bin = 4096, 32
	v := make([]float64, n)
	for i := range v {
		v[i] = math.Sin(2 * math.Pi * bin * float64(i) / 256)
	}
	x := ndarray.New(ndarray.F64, n)
	ndarray.Store(x, v, 0)
	for _, w := range windowTypes {
		if w == "exponential" { // so pointed that the negative frequency leaks in
			continue
		}
		y := values(run(t, "psd x y scaling=spectrum window="+w, map[string]ndarray.Array{"x": x}))
		if p := real(y[bin]); !near(p, 0.5, 1e-3) {
			t.Errorf("%s: power %v", w, p)
		}
	}
}

// TestWindowShapes: symmetric windows are symmetric to the bit, periodic ones
// are their first points.
func TestWindowShapes(t *testing.T) {
	for _, name := range windowTypes {
		p := windowParameter[name]
		if name == "gaussian" {
			p = 9
		}
		for n := 2; n < 40; n++ {
			s := weights(name, n, p, false)
			for i := range s {
				if s[i] != s[n-1-i] {
					t.Fatalf("%s of %d: point %d is %v, its mirror %v", name, n, i, s[i], s[n-1-i])
				}
			}
			if !slices.Equal(weights(name, n-1, p, true), s[:n-1]) && n > 2 {
				t.Fatalf("%s of %d: periodic is not the symmetric one cut", name, n)
			}
		}
	}
}

// TestExplain: what a plan says of itself names the decomposition it takes.
func TestExplain(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 7, 16, 31, 257, 1000, 1013, 4096, 10007} {
			k := simd.FFT[float64]()
			l := mustPlan(k, n)
			if d := describeFor(k, n); !strings.HasPrefix(d, string(l.method)) || !strings.Contains(d, itoa(n)) {
				t.Errorf("n=%d goes by %s, described as %q", n, l.method, d)
			}
			if got, want := l.scratchLen(), machineOf(k).scratch(n); got != want {
				t.Errorf("n=%d: scratch %d, counted %d", n, got, want)
			}
		}
	})
}

// TestPlaneCut: planes are cut only where several axes fit and several planes
// are left.
func TestPlaneCut(t *testing.T) {
	for _, c := range []struct {
		shape, axes []int
		want        int
	}{
		{[]int{128, 128, 128}, []int{0, 1, 2}, 1},
		{[]int{128, 128, 128}, []int{1, 2}, 1},
		{[]int{128, 128, 128}, []int{0, 2}, 0},
		{[]int{1024, 1024}, []int{0, 1}, 0},
		{[]int{8, 16, 16, 16}, []int{2, 3}, 1},
		{[]int{1, 64, 64}, []int{1, 2}, 0},
		{[]int{2, 4096, 4096}, []int{1, 2}, 0},
	} {
		if got := planeCut(c.shape, c.axes, 4); got != c.want {
			t.Errorf("%v over %v: cut at %d, want %d", c.shape, c.axes, got, c.want)
		}
	}
}

// TestRaderGenerator: powers of the generator are all that is not zero.
func TestRaderGenerator(t *testing.T) {
	for p := 3; p < 700; p++ {
		if !isPrime(p) {
			continue
		}
		seen := map[int]bool{}
		for q, v := 0, 1; q < p-1; q, v = q+1, v*generator(p)%p {
			seen[v] = true
		}
		if len(seen) != p-1 || seen[0] {
			t.Fatalf("%d does not generate the group of %d", generator(p), p)
		}
	}
}
