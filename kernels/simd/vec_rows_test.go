package simd

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAddRows compares with the definition, bit by bit, for widths around the strips, rows apart, one on the other
// and the same.
func TestAddRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		testAddRows(t, AddRowsF32)
		testAddRows(t, AddRowsF64)
	})
	acc := []float64{1, 1}
	for name, f := range map[string]func(){
		"short":  func() { AddRowsF64(acc, make([]float64, 6), 4, 3) },
		"before": func() { AddRowsF64(acc, make([]float64, 6), -1, 2) },
	} {
		if !panics(f) || acc[0] != 1 {
			t.Errorf("%s: no panic, or written before it", name)
		}
	}
}

func testAddRows[T float32 | float64](t *testing.T, f func(acc []float64, x []T, ldx, rows int)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 3, 4, 5, 31, 32, 33, 36, 63, 100, 4096, 4103} {
		for _, rows := range []int{0, 1, 2, 7, 8, 9, 31} {
			for _, ldx := range []int{n, n + 3, 1, 0} {
				x, acc := make([]T, rows*ldx+n), make([]float64, n+1)
				for i := range x {
					x[i] = T(rng.NormFloat64())
				}
				for i := range acc {
					acc[i] = rng.NormFloat64()
				}
				want := slices.Clone(acc)
				for r := range rows {
					for i := range n {
						want[i] += float64(x[r*ldx+i])
					}
				}
				if f(acc[:n], x, ldx, rows); !slices.Equal(acc, want) {
					t.Fatalf("%T: %d rows of %d, %d apart", x, rows, n, ldx)
				}
			}
		}
	}
}
