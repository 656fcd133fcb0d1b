package race

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestMeans(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := Median(c.v); got != c.want {
			t.Errorf("Median(%v) = %g, want %g", c.v, got, c.want)
		}
	}
	if q := LowerQuartile([]float64{9, 1, 2, 3, 1000}); q != 2 {
		t.Errorf("lower quartile %g", q)
	}
	if g := Geomean([]float64{1, 4}); math.Abs(g-2) > 1e-12 || Geomean(nil) != 1 {
		t.Errorf("geomean %g", g)
	}
}

// A ratio of medians has an error that shrinks with the samples, and has the true ratio within it.
func TestRatioError(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noisy := func(n int, mean float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = mean * (1 + 0.05*rng.NormFloat64())
		}
		return out
	}
	last, outside := 1.0, 0
	for _, n := range []int{9, 100, 1000} {
		sum := 0.0
		for range 40 {
			a, b := noisy(n, 3), noisy(n, 2)
			e := RatioError(a, b, Median)
			sum += e / 40
			if math.Abs(Median(a)/Median(b)-1.5) > e {
				outside++
			}
		}
		if sum >= last {
			t.Errorf("the error of %d samples is %.3f, of fewer %.3f", n, sum, last)
		}
		last = sum
	}
	if outside > 18 { // 6 of 120 are to be expected
		t.Errorf("%d of 120 ratios lie outside of their errors", outside)
	}
	if e := RatioError([]float64{1}, []float64{2}, Median); e != 0 {
		t.Errorf("one sample has no error to tell: %g", e)
	}
}
