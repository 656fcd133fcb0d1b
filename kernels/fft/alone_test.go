package fft

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// Every line of an array is transformed for itself: what its neighbours hold, NaN
// and infinities among it, changes none of its bits.

// batch is lines along one axis of an array.
type batch struct {
	shape []int
	axis  int
}

func (b batch) geometry() geometry { return geometryOf(b.shape, b.axis) }

// line numbers the lines of an array of the batch's axes, the transformed one of
// any length; segments that follow the last axis belong to their line.
func (b batch) line(shape []int, i int) int {
	if len(shape) > len(b.shape) {
		i /= shape[len(shape)-1]
		shape = shape[:len(shape)-1]
	}
	g := geometryOf(shape, b.axis)
	return i/(g.n*g.inner)*g.inner + i%g.inner
}

// batches are of every way, and random ones.
func batches(rng *rand.Rand) []batch {
	out := []batch{
		{[]int{5, 512}, 1}, {[]int{9, 100}, 1}, {[]int{40, 32}, 1}, {[]int{35, 64}, 1}, {[]int{23, 12}, 1}, {[]int{10, 8}, 1}, {[]int{24, 37}, 0}, {[]int{3, 16, 33}, 1},
		{[]int{67, 19}, 0}, {[]int{2, 131, 5}, 1}, {[]int{9000, 3}, 0}, {[]int{15, 7, 2}, 1}, {[]int{4, 31}, 1}, {[]int{1013, 2}, 0}, {[]int{5, 1}, 1},
	}
	for range 8 {
		shape := make([]int, 1+rng.IntN(3))
		for i := range shape {
			shape[i] = 1 + rng.IntN(1<<(9/len(shape))+20)
		}
		out = append(out, batch{shape, rng.IntN(len(shape))})
	}
	return out
}

// TestBatchesAreOfEveryWay: the batches below reach all the code there is.
func TestBatchesAreOfEveryWay(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		m, seen := machineOf(simd.FFT[float32]()), map[way]bool{}
		for _, b := range append(batches(newRand(101)), batch{[]int{100}, 0}) {
			seen[m.wayOf(b.geometry())] = true
		}
		for w := oneByOne; w <= byGathered; w++ {
			if !seen[w] {
				t.Errorf("no batch goes way %d", w)
			}
		}
	})
}

// TestLinesAreAlone fills all lines but one with poison, and one line alone.
func TestLinesAreAlone(t *testing.T) {
	verbs := []string{"fft", "ifft", "rfft", "irfft", "dct type=2", "dst type=1", "idct type=3", "dst type=4", "psd nperseg=8", "stft nperseg=6 noverlap=3", "spectrogram nperseg=5"}
	rng := newRand(101)
	eachISA(t, func(t *testing.T) {
		for i, b := range batches(rng) {
			aloneIn(t, rng, "fft", b, ndarray.C64)
			aloneIn(t, rng, "ifft", b, ndarray.C128)
			aloneIn(t, rng, verbs[2+i%(len(verbs)-2)], b, []ndarray.DType{ndarray.F32, ndarray.F64}[i%2])
		}
	})
}

// aloneIn checks one verb and batch.
func aloneIn(t *testing.T, rng *rand.Rand, verb string, b batch, d ndarray.DType) {
	t.Helper()
	n := b.shape[b.axis]
	if verb == "irfft" && n < 2 {
		return
	}
	name, line := verb, ""
	if i := slices.Index([]byte(verb), ' '); i > 0 {
		name, line = verb[:i], verb[i:]
	}
	option := "axes"
	if name == "psd" || name == "stft" || name == "spectrogram" {
		if option = "axis"; n < 9 {
			return
		}
	}
	line = fmt.Sprintf("%s x y %s=%d%s", name, option, b.axis, line)
	of := func(v []complex128) ndarray.Array {
		x := ndarray.New(d, b.shape...)
		if d.IsComplex() {
			ndarray.Store(x, v, 0)
		} else {
			re := make([]float64, len(v))
			for i := range v {
				re[i] = real(v[i])
			}
			ndarray.Store(x, re, 0)
		}
		return run(t, line, map[string]ndarray.Array{"x": x})
	}
	x := values(randomArray(rng, d, b.shape...))
	clean := of(x)
	one := rng.IntN(max(1, len(x)/n))
	for _, others := range []bool{true, false} {
		v := slices.Clone(x)
		for i := range v {
			if (b.line(b.shape, i) != one) == others {
				v[i] = []complex128{complex(math.NaN(), 1), complex(math.Inf(1), 0), complex(math.MaxFloat64, 2)}[rng.IntN(3)]
			}
		}
		sameOutside(t, fmt.Sprintf("%s of %v %s", line, b.shape, d), b, clean, of(v), func(i int) bool { return (i == one) != others })
	}
}

// sameOutside: the lines that were not poisoned have their bits.
func sameOutside(t *testing.T, what string, b batch, clean, got ndarray.Array, poisoned func(line int) bool) {
	t.Helper()
	was, is := values(clean), values(got)
	for i := range was {
		if l := b.line(clean.Shape, i); !poisoned(l) && was[i] != is[i] {
			t.Errorf("%s: element %d, of line %d, was %v and is %v beside poisoned lines", what, i, l, was[i], is[i])
			return
		}
	}
}

// TestPoisonSpreads: a NaN anywhere in a line reaches all of its spectrum, by every
// method and on every instruction set: none is lost in an empty lane.
func TestPoisonSpreads(t *testing.T) {
	rng := newRand(102)
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{2, 3, 8, 16, 17, 31, 60, 67, 100, 128, 163, 257, 512, 1000, 1013, 4096} {
			for _, line := range []string{"fft x y", "ifft x y", "rfft x y", "dct x y type=2"} {
				d := ndarray.C128
				if line != "fft x y" && line != "ifft x y" {
					d = ndarray.F64
				}
				x := randomArray(rng, d, n)
				bad := x.Range(0, rng.IntN(n), n)
				ndarray.Store(bad.Range(0, 0, 1), []float64{math.NaN()}, 0)
				for i, v := range values(run(t, line, map[string]ndarray.Array{"x": x})) {
					if !cmplx.IsNaN(v) {
						t.Fatalf("%s of %d points, one NaN: output %d is %v", line, n, i, v)
					}
				}
			}
		}
	})
}

// TestDirectSumsKeepPoison: a NaN of a convolution by direct sums reaches the
// outputs that it is a term of, and no others.
func TestDirectSumsKeepPoison(t *testing.T) {
	rng := newRand(103)
	for range 40 {
		n, m := 1+rng.IntN(60), 1+rng.IntN(12)
		x, h := randomArray(rng, ndarray.F64, n), randomArray(rng, ndarray.F64, m)
		at := rng.IntN(n)
		ndarray.Store(x.Range(0, at, at+1), []float64{math.NaN()}, 0)
		for k, v := range values(run(t, "conv x h y method=direct", map[string]ndarray.Array{"x": x, "h": h})) {
			if got, want := cmplx.IsNaN(v), k >= at && k < at+m; got != want {
				t.Fatalf("%d points by %d, NaN at %d: output %d is %v", n, m, at, k, v)
			}
		}
	}
}
