package fft

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// wholeConvolution is one of a transform, of arrays of some shapes.
func wholeConvolution(corr, complexes bool, x, h []int, same bool) *convolution {
	v := &convolution{corr: corr, complex: complexes, prec: ndarray.F64, x: x, h: h, method: "fft", threads: 2}
	for a := range x {
		v.full = append(v.full, x[a]+h[a]-1)
		v.fft = append(v.fft, padLength(v.full[a]))
	}
	v.start, v.out, v.block = make([]int, len(x)), slices.Clone(v.full), v.full[0]
	if same {
		v.out = slices.Clone(x)
		for a := range x {
			v.start[a] = (h[a] - 1) / 2
		}
	}
	return v
}

// TestWholeConvolution: a convolution in temporary space, from the least memory on, has
// the bits of core: real and complex, of one axis and of two, turned around or not, and
// cut to the same size. It goes over both operands once, and over h turned around first.
func TestWholeConvolution(t *testing.T) {
	rng := newRand(181)
	for _, c := range []struct {
		x, h             []int
		complexes        bool
		passesOf, factor int // passes beside those of transforms
	}{
		{[]int{70}, []int{51}, false, 2, 1}, {[]int{70}, []int{51}, true, 2, 2}, {[]int{1}, []int{9}, false, 2, 1}, {[]int{12, 9}, []int{5, 11}, false, 2, 2}, {[]int{12, 9}, []int{5, 11}, true, 2, 1},
	} {
		for _, corr := range []bool{false, true} {
			for _, same := range []bool{false, true} {
				d, verb, mode, passes := ndarray.F64, "conv", "full", c.passesOf
				if c.complexes {
					d = ndarray.C128
				}
				if corr {
					verb = "correlate"
				}
				if same {
					mode = "same"
				}
				if corr && c.complexes {
					passes += 2
				}
				x, h := randomArray(rng, d, c.x...), randomArray(rng, d, c.h...)
				line := fmt.Sprintf("%s x h y mode=%s method=fft", verb, mode)
				want, _, err := kerneltest.Run(t, Kernels(), line, map[string]ndarray.Array{"x": x, "h": h})
				must(t, err)
				v := wholeConvolution(corr, c.complexes, c.x, c.h, same)
				got := ndarray.New(d, v.out...)
				plan := plannedIn(t, line, float64(c.factor), func(mem int64) (*kernels.Streamed, error) { return v.whole(x.Layout, h.Layout, got.Layout, mem) })
				a := &account{plan: plan, in: []ndarray.Array{x, h}, out: []ndarray.Array{got}}
				a.run(t, line)
				if !bytes.Equal(got.Data, want["y"].Data) {
					t.Errorf("%s of %v and %v has other bits than in core", line, c.x, c.h)
				}
				for i, in := range a.in {
					if least, most, _ := times(a.src[i].reads, in.Layout); least != 1 || most != 1 {
						t.Errorf("%s: elements of operand %d are read %d to %d times", line, i, least, most)
					}
				}
				if n := ownPasses(plan.Explain); n != passes {
					t.Errorf("%s: %d passes of its own, want %d: %v", line, n, passes, plan.Explain)
				}
			}
		}
	}
}

// ownPasses are those of a convolution that belong to no transform.
func ownPasses(passes []kernels.Entry) (n int) {
	for _, e := range passes {
		for _, own := range []string{"times its spectrum", "a copy", "h reversed", "conjugates"} {
			if strings.HasPrefix(e.Text, own) {
				n++
			}
		}
	}
	return n
}

// TestWholeRefuses: other methods have no such plan.
func TestWholeRefuses(t *testing.T) {
	l := ndarray.NewLayout(ndarray.F64, 40)
	direct, overlap := wholeConvolution(false, false, []int{40}, []int{3}, true), wholeConvolution(false, false, []int{40}, []int{3}, true)
	direct.method, overlap.method, overlap.block = "direct", "overlap", 16
	for _, v := range []*convolution{direct, overlap} {
		if plan, err := v.whole(l, l, l, 1<<20); plan != nil || err != nil {
			t.Errorf("%s: %+v, %v", v.method, plan, err)
		}
	}
}

// TestFlat: an array in temporary space as a line, from where it lies.
func TestFlat(t *testing.T) {
	c := newChain(1<<12, ndarray.NewLayout(ndarray.F32, 1))
	e := c.temp(ndarray.C64, 3, 4, 5)
	if l := c.layout(e.flat()); !slices.Equal(l.Shape, []int{60}) || l.Strides[0] != 8 || l.Offset != 0 || l.DType != ndarray.C64 {
		t.Errorf("%s, strides %v", l, l.Strides)
	}
	moved := e.seen(func(l ndarray.Layout) ndarray.Layout { return l.Range(0, 1, 3) })
	if l := c.layout(moved.flat()); l.Len() != 40 || l.Offset != 160 {
		t.Errorf("two thirds of it are %s from byte %d on", l, l.Offset)
	}
}

// TestPointwisePasses: products and conjugates of numbers in temporary space, which are
// changed where they lie.
func TestPointwisePasses(t *testing.T) {
	rng := newRand(182)
	for _, n := range []int{1, 5, 4096, 9000} {
		y, by := randomArray(rng, ndarray.C128, n), randomArray(rng, ndarray.C128, n)
		want := values(y)
		for i, v := range values(by) {
			want[i] = complex(real(want[i]), -imag(want[i])) * v
		}
		plan := plannedIn(t, "products", 1, func(mem int64) (*kernels.Streamed, error) {
			c := newChain(mem, y.Layout, by.Layout)
			conjugateAll[float64](c, result)
			multiplyAll[float64](c, result, source)
			return c.streamed()
		})
		a := &account{plan: plan, in: []ndarray.Array{by}, out: []ndarray.Array{y}}
		a.run(t, "products")
		if e := complexError(values(y), want); e > 1e-15 {
			t.Errorf("%d products: error %g", n, e)
		}
		if least, most, _ := times(a.dst[0].writes, y.Layout); least != 2 || most != 2 {
			t.Errorf("%d products are written %d to %d times", n, least, most)
		}
	}
}
