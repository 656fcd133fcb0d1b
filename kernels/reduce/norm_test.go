package reduce

import (
	"fmt"
	"math"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// TestNormsSideBySide has rows whose squares vanish or overflow beside ordinary ones: zeros, with which no second pass
// is needed, and with them such that need it; along rows and columns.
func TestNormsSideBySide(t *testing.T) {
	const n = 100
	for _, rows := range [][]float64{{0, 0, 0}, {0, 2, math.Inf(1)}, {0, 0x1p-700, 2, 0x1p700, math.Inf(-1), 3, math.NaN()}} {
		across, down := ndarray.New(ndarray.F64, len(rows), n), ndarray.New(ndarray.F64, n, len(rows))
		for r, v := range rows {
			for k := range n {
				ndarray.Slice[float64](across)[r*n+k] = v
				ndarray.Slice[float64](down)[k*len(rows)+r] = v
			}
		}
		for axis, a := range []ndarray.Array{down, across} {
			out, _, err := kerneltest.Run(t, Kernels(), fmt.Sprintf("norm a r axis=%d", axis), map[string]ndarray.Array{"a": a})
			if err != nil {
				t.Fatal(err)
			}
			for r, got := range ndarray.Slice[float64](out["r"]) {
				want := 10 * math.Abs(rows[r]) // the root of 100
				if got != want && !(got != got && want != want) {
					t.Errorf("norm of %v, axis %d, is %v, want %v", rows[r], axis, got, want)
				}
			}
		}
	}
}
