package fft

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// trigSum is output k of a cosine or sine transform by its formula; see [trig].
func trigSum(x []float64, k, kind int, sine bool) float64 {
	n, f := len(x), math.Cos
	if sine {
		f = math.Sin
	}
	sum := 0.0
	for i, v := range x {
		w, at := 2.0, 0.0
		a, b := float64(k), float64(i)
		switch {
		case kind == 1 && sine:
			at = (a + 1) * (b + 1) / float64(n+1)
		case kind == 1:
			if at = a * b / float64(n-1); i == 0 || i == n-1 {
				w = 1
			}
		case kind == 2 && sine:
			at = (a + 1) * (2*b + 1) / float64(2*n)
		case kind == 2:
			at = a * (2*b + 1) / float64(2*n)
		case kind == 3 && sine:
			if at = (2*a + 1) * (b + 1) / float64(2*n); i == n-1 {
				w = 1
			}
		case kind == 3:
			if at = (2*a + 1) * b / float64(2*n); i == 0 {
				w = 1
			}
		default:
			at = (2*a + 1) * (2*b + 1) / float64(4*n)
		}
		sum += w * v * f(math.Pi*at)
	}
	return sum
}

// TestTrigFormulas holds all kinds to their formulas, on every small length.
func TestTrigFormulas(t *testing.T) {
	rng := newRand(61)
	for n := 1; n <= 40; n++ {
		x := randomArray(rng, ndarray.F64, n)
		v := make([]float64, n)
		ndarray.Load(v, x, 0)
		for kind := 1; kind <= 4; kind++ {
			for _, sine := range []bool{false, true} {
				if kind == 1 && !sine && n == 1 {
					continue
				}
				name := map[bool]string{false: "dct", true: "dst"}[sine]
				y := values(run(t, fmt.Sprintf("%s x y type=%d", name, kind), map[string]ndarray.Array{"x": x}))
				for k := range n {
					if want := trigSum(v, k, kind, sine); math.Abs(real(y[k])-want) > 1e-13*float64(n) {
						t.Errorf("%s type %d of %d points: output %d is %v, want %v", name, kind, n, k, real(y[k]), want)
					}
				}
			}
		}
	}
}

// TestRealIsHalf: rfft is the first half of fft, irfft undoes it, for every
// small length, and on columns.
func TestRealIsHalf(t *testing.T) {
	rng := newRand(62)
	for n := 1; n <= 130; n++ {
		x := map[string]ndarray.Array{"x": randomArray(rng, ndarray.F64, n, 3)}
		half, whole := run(t, "rfft x y axes=0", x), run(t, "fft x y axes=0", x)
		if e := complexError(values(half), values(whole.Range(0, 0, n/2+1))); e > 1e-15*8 {
			t.Errorf("n=%d: rfft and fft differ by %.3g", n, e)
		}
		back := run(t, fmt.Sprintf("irfft x y axes=0 n=%d", n), map[string]ndarray.Array{"x": half})
		if e := complexError(values(back), values(x["x"])); e > 1e-15*8 {
			t.Errorf("n=%d: irfft undoes rfft to %.3g", n, e)
		}
	}
}

// TestIrfftIgnores: the imaginary parts of the first and the middle number
// have no effect, as in numpy.
func TestIrfftIgnores(t *testing.T) {
	rng := newRand(63)
	for _, n := range []int{2, 3, 8, 9, 30, 256} {
		x := randomArray(rng, ndarray.C128, n/2+1)
		v := values(x)
		want := values(run(t, fmt.Sprintf("irfft x y n=%d", n), map[string]ndarray.Array{"x": x}))
		v[0] += 7i
		if n%2 == 0 {
			v[n/2] -= 5i
		}
		ndarray.Store(x, v, 0)
		if got := values(run(t, fmt.Sprintf("irfft x y n=%d", n), map[string]ndarray.Array{"x": x})); !slices.Equal(got, want) {
			t.Errorf("n=%d: they have", n)
		}
	}
}

// integers fills an array with small whole numbers: their convolutions are
// exact.
func integers(rng *rand.Rand, shape ...int) ndarray.Array {
	a := ndarray.New(ndarray.F64, shape...)
	v := make([]float64, a.Len())
	for i := range v {
		v[i] = float64(rng.IntN(19) - 9)
	}
	ndarray.Store(a, v, 0)
	return a
}

// naiveConv is the full sum over all axes.
func naiveConv(x, h []complex128, xs, hs []int) ([]complex128, []int) {
	full := make([]int, len(xs))
	for i := range xs {
		full[i] = xs[i] + hs[i] - 1
	}
	out := make([]complex128, product(full))
	for i, a := range x {
		for j, b := range h {
			at := 0
			p, q := unravel(i, xs), unravel(j, hs)
			for k := range full {
				at = at*full[k] + p[k] + q[k]
			}
			out[at] += a * b
		}
	}
	return out, full
}

// TestConvolutionsExact: whole numbers convolve exactly by sums, and to the
// nearest whole number by transforms.
func TestConvolutionsExact(t *testing.T) {
	rng := newRand(64)
	for range 40 {
		rank := 1 + rng.IntN(3)
		xs, hs := make([]int, rank), make([]int, rank)
		for i := range rank {
			xs[i], hs[i] = 1+rng.IntN(40>>rank), 1+rng.IntN(12>>rank)
		}
		in := map[string]ndarray.Array{"x": integers(rng, xs...), "h": integers(rng, hs...)}
		want, shape := naiveConv(values(in["x"]), values(in["h"]), xs, hs)
		for _, method := range []string{"direct", "fft", "overlap", "auto"} {
			y := run(t, "conv x h y method="+method, in)
			for i, v := range values(y) {
				if d := real(v - want[i]); math.Abs(d) > 1e-10 || method == "direct" && d != 0 {
					t.Fatalf("%v and %v by %s: element %d of %v is %v, want %v", xs, hs, method, i, shape, v, want[i])
				}
			}
		}
	}
}

// TestCorrelationIsReversal: correlate is conv with the second operand
// backwards and conjugated.
func TestCorrelationIsReversal(t *testing.T) {
	rng := newRand(65)
	for _, s := range [][2][]int{{{50}, {9}}, {{9}, {50}}, {{12, 7}, {3, 4}}} {
		x, h := randomArray(rng, ndarray.C128, s[0]...), randomArray(rng, ndarray.C128, s[1]...)
		v := values(h)
		slices.Reverse(v)
		for i := range v {
			v[i] = cmplx.Conj(v[i])
		}
		r := ndarray.New(ndarray.C128, s[1]...)
		ndarray.Store(r, v, 0)
		a := run(t, "correlate x h y", map[string]ndarray.Array{"x": x, "h": h})
		b := run(t, "conv x h y", map[string]ndarray.Array{"x": x, "h": r})
		if e := complexError(values(a), values(b)); e > 1e-14 {
			t.Errorf("%v and %v: off by %.3g", s[0], s[1], e)
		}
	}
}

// TestLongRows: direct sums over rows that are cut into parts are whole.
func TestLongRows(t *testing.T) {
	rng := newRand(66)
	in := map[string]ndarray.Array{"x": integers(rng, 3, 20000), "h": integers(rng, 2, 2), "d": integers(rng, 1, 1)}
	y, _, err := kerneltest.Run(t, Kernels(), "conv x h y method=direct", in, kerneltest.Threads(1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	x, h := values(in["x"]), values(in["h"])
	got := values(y["y"])
	for _, at := range [][2]int{{0, 0}, {1, 8191}, {1, 8192}, {2, 8193}, {3, 16384}, {3, 20000}, {2, 19999}} {
		want := 0i
		for a := range 2 {
			for b := range 2 {
				if i, j := at[0]-a, at[1]-b; i >= 0 && i < 3 && j >= 0 && j < 20000 {
					want += x[i*20000+j] * h[a*2+b]
				}
			}
		}
		if v := got[at[0]*20001+at[1]]; v != want {
			t.Errorf("element %v is %v, want %v", at, v, want)
		}
	}
}

// TestSegmentsBySegment: each column of a spectrogram is the transform of its
// segment, windowed.
func TestSegmentsBySegment(t *testing.T) {
	rng := newRand(67)
	x := randomArray(rng, ndarray.F64, 700)
	signal := values(x)
	for _, c := range []struct{ n, overlap int }{{64, 0}, {64, 48}, {100, 50}, {31, 10}} {
		y := run(t, fmt.Sprintf("spectrogram x y nperseg=%d noverlap=%d window=hann detrend=none scaling=spectrum", c.n, c.overlap), map[string]ndarray.Array{"x": x})
		count, bins := (700-c.n)/(c.n-c.overlap)+1, c.n/2+1
		if !slices.Equal(y.Shape, []int{bins, count}) {
			t.Fatalf("%+v: shape %v", c, y.Shape)
		}
		w, sum := weights("hann", c.n, 0, true), 0.0
		for _, v := range w {
			sum += v
		}
		got := values(y)
		for _, j := range []int{0, 1, count - 1} {
			seg := make([]complex128, c.n)
			for i := range seg {
				seg[i] = signal[j*(c.n-c.overlap)+i] * complex(w[i], 0)
			}
			for b, z := range naiveLine(seg, false)[:bins] {
				want := real(z*cmplx.Conj(z)) / (sum * sum)
				if b > 0 && 2*b != c.n {
					want *= 2
				}
				if v := real(got[b*count+j]); math.Abs(v-want) > 1e-13 {
					t.Errorf("%+v: bin %d of segment %d is %v, want %v", c, b, j, v, want)
				}
			}
		}
	}
}

// TestStftUndone: segments that overlap by half under a Hann window add up to
// the signal again.
func TestStftUndone(t *testing.T) {
	rng := newRand(68)
	const n, points = 128, 1000
	x := randomArray(rng, ndarray.F64, points)
	y := run(t, "stft x y nperseg=128", map[string]ndarray.Array{"x": x})
	z := values(y)
	count := y.Shape[1]
	sum := make([]float64, points+2*n)
	for j := range count {
		half := make([]complex128, n/2+1)
		for b := range half {
			half[b] = z[b*count+j]
		}
		for i, v := range naiveLine(hermitian(half, n), true) {
			sum[j*n/2+i] += real(v) / n * (n / 2) // the window's sum was divided by
		}
	}
	for i, v := range values(x) {
		if math.Abs(sum[i+n/2]-real(v)) > 1e-12 {
			t.Fatalf("point %d is %v, was %v", i, sum[i+n/2], real(v))
		}
	}
}

// TestParsevalOfPsd: a density integrates to the variance, whatever the window.
func TestParsevalOfPsd(t *testing.T) {
	x := randomArray(newRand(69), ndarray.F64, 1<<16)
	power := energy(values(x)) / (1 << 16)
	for _, w := range []string{"boxcar", "hann", "blackman", "tukey"} {
		y := run(t, "psd x y detrend=none fs=10 nperseg=512 window="+w, map[string]ndarray.Array{"x": x})
		sum := 0.0
		for _, v := range values(y) {
			sum += real(v) * 10 / 512
		}
		if math.Abs(sum/power-1) > 0.02 {
			t.Errorf("%s: the density adds up to %v of the power", w, sum/power)
		}
	}
}

// TestThreadsOnEverything: no verb's bits depend on the threads, for shapes
// that are cut in every way.
func TestThreadsOnEverything(t *testing.T) {
	rng := newRand(70)
	operands := map[string]ndarray.Array{
		"c": randomArray(rng, ndarray.C64, 90, 500), "r": randomArray(rng, ndarray.F32, 90, 500), "h": randomArray(rng, ndarray.F32, 5, 6), "s": randomArray(rng, ndarray.F64, 50000),
		"k": randomArray(rng, ndarray.F64, 60), "p": randomArray(rng, ndarray.C128, 67, 600), "q": randomArray(rng, ndarray.C64, 3, 40, 41, 20),
	}
	for _, line := range []string{
		"fft c y", "fft c y axes=0", "ifft c y axes=0,1", "fft p y axes=0", "fft p y axes=1,0", "fft q y axes=1,2", "fft q y axes=3,0", "rfft r y axes=0,1", "irfft c y axes=1,0", "dct r y axes=0,1", "dst r y type=1", "idct c y type=4",
		"conv r h y method=fft", "conv r h y method=overlap", "conv r h y method=direct", "correlate s k y", "psd s y", "stft s y", "spectrogram r y axis=1", "fftshift c y", "window y n=5000",
	} {
		if _, _, err := kerneltest.Run(t, Kernels(), line, operands, kerneltest.Threads(1, 2, 3)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
