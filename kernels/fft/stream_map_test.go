package fft

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// TestMapped: a pass over lanes gives each index what its reach says, converted, in
// tiles of any size, once; and stores what is made, where it belongs.
func TestMapped(t *testing.T) {
	rng := newRand(161)
	for _, n := range []int{1, 2, 7, 100} {
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.I16, ndarray.F64} {
			x, z := randomView(rng, randomArray(rng, d, 2*n+1)), randomArray(rng, ndarray.C64, n)
			y := ndarray.New(ndarray.F64, 3*n)
			for factor := 1; factor <= 4; factor *= 2 {
				var mu sync.Mutex
				seen := make([]int, n)
				what := fmt.Sprintf("%d indices of %s", n, x.Layout)
				plan := plannedIn(t, what, float64(factor), func(mem int64) (*kernels.Streamed, error) {
					c := newChain(mem, y.Layout, x.Layout, z.Layout)
					mapped(c, "pairs", n, func(lo, hi int, at []laneTile[float64]) {
						for i := lo; i < hi; i++ {
							*at[2].at(2 * i), *at[2].at(2*i + 1) = *at[0].at(2 * i)+*at[0].at(2*i + 2), at[1].point(i)[1]
							*at[3].at(i) = *at[0].at(2*i + 1)
							mu.Lock()
							seen[i]++
							mu.Unlock()
						}
					}, in(source).by(2, 0, 3), in(end{of: ofSource, i: 1}), out(result.part(0, 2*n)).by(2, 0, 2), out(result.part(2*n, 3*n).backwards()))
					return c.streamed()
				})
				a := &account{plan: plan, in: []ndarray.Array{x, z}, out: []ndarray.Array{y}}
				a.run(t, what)
				if slices.Min(seen) != 1 || slices.Max(seen) != 1 {
					t.Errorf("%s: indices are computed %v times", what, seen)
				}
				xs, zs, ys := values(x), values(z), values(y)
				for i := range n {
					if real(ys[2*i]) != real(xs[2*i]+xs[2*i+2]) || real(ys[2*i+1]) != imag(zs[i]) || ys[3*n-1-i] != xs[2*i+1] {
						t.Fatalf("%s: index %d has %g, %g and %g", what, i, ys[2*i], ys[2*i+1], ys[3*n-1-i])
					}
				}
				if text := plan.Explain[0].Text; !strings.HasPrefix(text, "pairs, ") || n == 100 && strings.HasPrefix(text, "pairs, 1 tiles") {
					t.Errorf("%s in %d bytes: %q", what, plan.Mem, text)
				}
			}
		}
	}
}

// TestLaneMargins: what a reach has beyond the ends is not there, and has says so.
func TestLaneMargins(t *testing.T) {
	const n = 20
	x, y := ndarray.New(ndarray.F64, n), ndarray.New(ndarray.F64, n)
	for i := range n {
		reals[float64](x)[i] = float64(i + 1)
	}
	for factor := 1.0; factor < 4; factor += 0.5 {
		plan := plannedIn(t, "neighbours", factor, func(mem int64) (*kernels.Streamed, error) {
			c := newChain(mem, y.Layout, x.Layout)
			mapped(c, "neighbours", n, func(lo, hi int, at []laneTile[float64]) {
				for i := lo; i < hi; i++ {
					sum := 0.0
					for j := i - 2; j <= i+1; j++ {
						if at[0].has(j) {
							sum += *at[0].at(j)
						}
					}
					*at[1].at(i) = sum
				}
			}, in(source).by(1, -2, 2), out(result))
			return c.streamed()
		})
		a := &account{plan: plan, in: []ndarray.Array{x}, out: []ndarray.Array{y}}
		a.run(t, "neighbours")
		for i, v := range reals[float64](y) {
			want := 0.0
			for j := max(i-2, 0); j <= min(i+1, n-1); j++ {
				want += float64(j + 1)
			}
			if v != want {
				t.Errorf("in %d bytes: element %d is %g, want %g", plan.Mem, i, v, want)
			}
		}
	}
}
