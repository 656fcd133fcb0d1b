package fft

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// TestChirpKernel: tiles of the convolution's kernel, cut anywhere, are the kernel of
// core: the conjugate chirp at both ends and zeros between.
func TestChirpKernel(t *testing.T) {
	t.Run("f32", testChirpKernel[float32])
	t.Run("f64", testChirpKernel[float64])
}

func testChirpKernel[T simd.Float](t *testing.T) {
	rng := newRand(171)
	for _, n := range []int{1, 2, 83, 166, 1021} {
		m := padLength(2*n - 1)
		core, err := newBluestein(nil, simd.FFT[T](), n)
		must(t, err)
		want := make([]T, 2*m)
		core.kernel(want, 0)
		b := &chirpStream[T]{n: n, m: m, roots: newRoots(2 * n)}
		got := make([]T, 2*m)
		for lo := 0; lo < m; {
			hi := min(m, lo+1+rng.IntN(m))
			must(t, kernelTile(nil, got[2*lo:2*hi], lo, n, m, func(j int) (re, im T) {
				re, im = b.at(j)
				return re, -im
			}))
			lo = hi
		}
		if !slices.Equal(got, want) {
			t.Errorf("n=%d: the kernel of %d numbers is another than in core", n, m)
		}
	}
}

// TestSpectrumAt: of a spectrum in double the mean of both numbers, divided by its
// length, but for the two that stand alone; else the number that core keeps.
func TestSpectrumAt(t *testing.T) {
	const m = 8
	own, others := []float64{8, 16}, []float64{99, 99, 24, 48}
	wide := &chirpStream[float32]{m: m, wide: true}
	kept := &chirpStream[float32]{m: m, kept: columnSpectrum[float32]{n1: 4, n2: 2, kept: 3}}
	for _, c := range []struct {
		b      *chirpStream[float32]
		k      int
		re, im float32
	}{{wide, 0, 1, 2}, {wide, 4, 1, 2}, {wide, 1, 2, 4}, {wide, 7, 2, 4}, {wide, 3, 2, 4}, {kept, 0, 8, 16}, {kept, 2, 8, 16}, {kept, 3, 24, 48}, {kept, 6, 8, 16}, {kept, 7, 24, 48}} {
		if re, im := spectrumAt(c.b, c.k, own, others, 1); re != c.re || im != c.im {
			t.Errorf("wide %t: element %d is (%g, %g), want (%g, %g)", c.b.wide, c.k, re, im, c.re, c.im)
		}
	}
}

// TestAscending: a line that is read backwards, in the order of its memory.
func TestAscending(t *testing.T) {
	a := ndarray.New(ndarray.C64, 4)
	for i := range 8 {
		reals[float32](a)[i] = float32(i)
	}
	back := ndarray.Array{Layout: reversed(a.Layout), Data: a.Data}
	if got := ascending[float32](back); !slices.Equal(got, reals[float32](a)) || back.Strides[0] != -8 {
		t.Errorf("%v, strides %v", got, back.Strides)
	}
	if empty := ascending[float32](back.Range(0, 2, 2)); len(empty) != 0 {
		t.Errorf("%d numbers of an empty part", len(empty))
	}
}

// TestChirpChains: lines by Bluestein's method, which need not be long for that, in
// the least memory in which what is cut is cut: the bits of core, either way and
// scaled.
func TestChirpChains(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand(172)
		cut := 0
		for _, n := range []int{8209, 12345, 20011} {
			cut += testChirpChain[float32](t, rng, n)
		}
		for _, n := range []int{25013} {
			cut += testChirpChain[float64](t, rng, n)
		}
		if cut < 2 {
			t.Errorf("%d lines were cut", cut)
		}
	})
}

// testChirpChain is 1 for a line that is cut, 0 for one that is not on this instruction
// set.
func testChirpChain[T simd.Float](t *testing.T, rng *rand.Rand, n int) int {
	t.Helper()
	d, inv := complexOf(realType[T]()), rng.IntN(2) == 1
	m := machineFor(d.Real())
	if methodFor(n, m) != methodBluestein || !m.cuttable(n) {
		return 0
	}
	x := randomArray(rng, d, n)
	line := "fft x y norm=ortho"
	if inv {
		line = "i" + line
	}
	want, _, err := kerneltest.Run(t, Kernels(), line, map[string]ndarray.Array{"x": x})
	must(t, err)
	got := ndarray.New(d, n)
	s := &streamed{r: lineRequest(&request{threads: 2}, d.Real(), n, inv, 1), m: m, complex: d}
	plan := plannedIn(t, line, 1+rng.Float64(), func(mem int64) (*kernels.Streamed, error) {
		c := newChain(mem, got.Layout, x.Layout)
		chirpLine[T](c, s, result, source, n, inv, normScale("ortho", float64(n), inv))
		return c.streamed()
	})
	a := &account{plan: plan, in: []ndarray.Array{x}, out: []ndarray.Array{got}}
	a.run(t, line)
	if !bytes.Equal(got.Data, want["y"].Data) {
		t.Errorf("%s of %s has other bits than in core", line, x.Layout)
	}
	if least, most, _ := times(a.src[0].reads, x.Layout); least != 1 || most != 1 {
		t.Errorf("%s: elements are read %d to %d times", line, least, most)
	}
	return 1
}

// TestChirpOnce: the spectrum of the chirp is made with the first of several lines.
func TestChirpOnce(t *testing.T) {
	const n = 8209
	m := machineFor(ndarray.F32)
	if methodFor(n, m) != methodBluestein {
		t.Fatalf("%d points by %s", n, methodFor(n, m))
	}
	moved := func(lines int) float64 {
		l := ndarray.NewLayout(ndarray.C64, lines, n)
		s := &streamed{r: lineRequest(&request{threads: 2}, ndarray.F32, n, false, 1), m: m, complex: ndarray.C64}
		c := newChain(4<<20, lineOf(l, 1, 0), lineOf(l, 1, 0))
		chirpLine[float32](c, s, result, source, n, false, 1)
		c.each(1, lines)
		plan, err := c.streamed()
		must(t, err)
		return plan.Moved
	}
	one, two, five := moved(1), moved(2), moved(5)
	spectrum := 2*one - two
	if five != 5*one-4*spectrum || spectrum < float64(3*16*padLength(2*n-1)) || spectrum >= one {
		t.Errorf("1, 2 and 5 lines move %g, %g and %g bytes", one, two, five)
	}
}
