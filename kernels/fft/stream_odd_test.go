package fft

import (
	"bytes"
	"slices"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// oddRequest is a real line of n points, either way.
func oddRequest[T simd.Float](n int, inv bool, scale float64) *streamed {
	r := lineRequest(&request{threads: 2}, realType[T](), n, inv, scale)
	half := []int{n/2 + 1}
	if r.real = true; inv {
		r.in = half
	} else {
		r.out = half
	}
	return &streamed{r: r, m: machineFor(r.prec), order: r.axes, complex: complexOf(r.prec)}
}

// TestStreamedOdd: the passes of real lines of odd length, which need not be long for
// that, have the bits of core, in the least memory and in more.
func TestStreamedOdd(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testStreamedOdd[float32])
		t.Run("f64", testStreamedOdd[float64])
	})
}

func testStreamedOdd[T simd.Float](t *testing.T) {
	rng := newRand(131)
	d := realType[T]()
	m := machineFor(d)
	for _, n := range []int{1, 3, 9, 15, 77, 1001, 21021} { // the last may be cut
		cut := m.cuttable(n)
		for i, norm := range []string{"ortho", "forward"} {
			if cut && i > 0 {
				continue
			}
			x, y := randomArray(rng, d, n), randomArray(rng, complexOf(d), n/2+1)
			for _, inv := range []bool{false, true} {
				in, line, passes := x, "rfft x y norm="+norm, oddForward[T]
				if inv {
					in, line, passes = y, "irfft x y n="+itoa(n)+" norm="+norm, oddInverse[T]
				}
				want, _, err := kerneltest.Run(t, Kernels(), line, map[string]ndarray.Array{"x": in})
				must(t, err)
				got := ndarray.New(want["y"].DType, want["y"].Shape...)
				s := oddRequest[T](n, inv, normScale(norm, float64(n), inv))
				plans := func(mem int64) (*kernels.Streamed, error) {
					c := newChain(mem, got.Layout, in.Layout)
					passes(c, s)
					return c.streamed()
				}
				plan, err := plans(8 << 20)
				if must(t, err); cut {
					plan = plannedIn(t, line, 1, plans)
				}
				a := &account{plan: plan, in: []ndarray.Array{in}, out: []ndarray.Array{got}}
				a.run(t, line)
				if !bytes.Equal(got.Data, want["y"].Data) {
					t.Errorf("%s of %d points has other bits than in core", line, n)
				}
				if least, most, between := times(a.dst[0].writes, got.Layout); least != 1 || most != 1 || between > 0 {
					t.Errorf("%s of %d points: elements are written %d to %d times", line, n, least, most)
				}
			}
		}
	}
}

// TestConjugateBack: the other half of a spectrum, in parts of any length.
func TestConjugateBack(t *testing.T) {
	for n := range 9 {
		src, dst, want := make([]float32, 2*n), make([]float32, 2*n), make([]float32, 2*n)
		for i := range n {
			src[2*i], src[2*i+1] = float32(i+1), float32(10*i+1)
			want[2*(n-1-i)], want[2*(n-1-i)+1] = float32(i+1), -float32(10*i+1)
		}
		must(t, conjugateBack(&crew[float32]{}, dst, src))
		if !slices.Equal(dst, want) {
			t.Errorf("%v becomes %v, want %v", src, dst, want)
		}
	}
}

// TestRealParts: numbers that lie twice as far apart as they are long.
func TestRealParts(t *testing.T) {
	z := ndarray.New(ndarray.C128, 5)
	for i := range 10 {
		reals[float64](z)[i] = float64(i)
	}
	re := ndarray.New(ndarray.F64, 5)
	must(t, ndarray.Convert(re, ndarray.Array{Layout: realParts(z.Layout), Data: z.Data}))
	if want := []float64{0, 2, 4, 6, 8}; !slices.Equal(reals[float64](re), want) {
		t.Errorf("%v, want %v", reals[float64](re), want)
	}
}
