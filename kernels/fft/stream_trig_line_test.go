package fft

import (
	"bytes"
	"math"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// TestTrigChains: cosine and sine transforms of all kinds in the passes of lines that
// do not fit, which are right from a point on: tiles of one number, odd and even, have
// the bits of core.
func TestTrigChains(t *testing.T) {
	t.Run("f32", testTrigChains[float32])
	t.Run("f64", testTrigChains[float64])
}

func testTrigChains[T simd.Float](t *testing.T) {
	rng, chains := newRand(132), 0
	for _, n := range []int{1, 2, 3, 4, 5, 6, 9, 32, 35} {
		x := map[string]ndarray.Array{"x": randomArray(rng, realType[T](), n)}
		for kind := 1; kind <= 4; kind++ {
			for i, line := range []string{"dct x y type=", "dst x y type=", "dct x y norm=ortho type=", "dst x y norm=ortho type="} {
				if line += itoa(kind); kind == 1 && n == 1 && i%2 == 0 {
					continue
				}
				chains++
				testTrigChain[T](t, line, x, kind, i%2 == 1, i > 1, 1+float64(chains%4)/2)
			}
		}
	}
}

func testTrigChain[T simd.Float](t *testing.T, line string, operands map[string]ndarray.Array, kind int, sine, ortho bool, factor float64) {
	t.Helper()
	want, _, err := kerneltest.Run(t, Kernels(), line, operands)
	must(t, err)
	x, got := operands["x"], ndarray.New(want["y"].DType, want["y"].Shape...)
	n, norm := x.Len(), "backward"
	if ortho {
		norm = "ortho"
	}
	r := &trigRequest{kind: kind, sine: sine, ortho: ortho, axes: []int{0}, shape: x.Shape, scale: []float64{normScale(norm, float64(logical(n, kind, sine)), false)}, prec: x.DType, unit: 1, threads: 2}
	plan := plannedIn(t, line, factor, func(mem int64) (*kernels.Streamed, error) {
		c := newChain(mem, got.Layout, x.Layout)
		trigChain[T](&trigStream{r}, c, 0)
		return c.streamed()
	})
	a := &account{plan: plan, in: []ndarray.Array{x}, out: []ndarray.Array{got}}
	a.run(t, line)
	if !bytes.Equal(got.Data, want["y"].Data) {
		t.Errorf("%s of %d points in %d bytes has other bits than in core", line, n, plan.Mem)
	}
	if least, most, _ := times(a.dst[0].writes, got.Layout); least != 1 || most != 1 {
		t.Errorf("%s of %d points: elements are written %d to %d times", line, n, least, most)
	}
}

// TestFinished: the signs and weights of the elements of a result, one by one.
func TestFinished(t *testing.T) {
	const n, h = 5, math.Sqrt2 / 2
	for _, c := range []struct {
		kind        int
		sine, ortho bool
		want        [n]float64 // of 1, times the scale
	}{
		{1, false, false, [n]float64{3, 3, 3, 3, 3}}, {1, false, true, [n]float64{3 * h, 3, 3, 3, 3 * h}}, {1, true, true, [n]float64{3, 3, 3, 3, 3}},
		{2, false, true, [n]float64{3 * h, 3, 3, 3, 3}}, {2, true, false, [n]float64{3, 3, 3, 3, 3}}, {2, true, true, [n]float64{3, 3, 3, 3, 3 * h}},
		{3, false, true, [n]float64{3, 3, 3, 3, 3}}, {3, true, false, [n]float64{3, -3, 3, -3, 3}}, {4, true, true, [n]float64{3, -3, 3, -3, 3}}, {4, false, true, [n]float64{3, 3, 3, 3, 3}},
	} {
		l := &longTrig[float64]{trigRequest: &trigRequest{kind: c.kind, sine: c.sine, ortho: c.ortho}, n: n, scale: 3}
		for j, want := range c.want {
			if got := l.finished(j, 1); math.Abs(got-want) > 1e-15 {
				t.Errorf("%+v: element %d is %g", c, j, got)
			}
		}
	}
}

// TestPartsOf: complex numbers are lines of their real and of their imaginary parts.
func TestPartsOf(t *testing.T) {
	z := randomView(newRand(133), randomArray(newRand(134), ndarray.C64, 3, 4))
	p := partsOf(z.Layout)
	if len(p.Shape) != 3 || p.Shape[2] != 2 || p.DType != ndarray.F32 || p.Swapped != z.Swapped || len(z.Shape) != 2 {
		t.Fatalf("parts of %s are %s", z.Layout, p)
	}
	all, want := make([]float64, 24), values(z)
	ndarray.Load(all, ndarray.Array{Layout: p, Data: z.Data}, 0)
	for i, v := range want {
		if all[2*i] != real(v) || all[2*i+1] != imag(v) {
			t.Errorf("element %d has parts %g and %g, and is %g", i, all[2*i], all[2*i+1], v)
		}
	}
}
