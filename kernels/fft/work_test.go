package fft

import (
	"math"
	"testing"

	"vgpu/kernels/ndarray"
)

// The work of every way through an array, and of every method, is known, and that of more
// lines is more.
func TestWork(t *testing.T) {
	for _, prec := range []ndarray.DType{ndarray.F32, ndarray.F64} {
		m := machineFor(prec)
		for _, n := range []int{1, 2, 3, 17, 23, 64, 1000, 1009, 2003, 4096, 12288, 1 << 16, 1 << 18} {
			for _, inner := range []int{1, 2, 40} {
				few, many := geometry{1, n, inner}, geometry{8, n, inner}
				for _, real := range []bool{false, true} {
					a, b := m.transformWork([]int{1, n, inner}, []int{1}), m.transformWork([]int{8, n, inner}, []int{1})
					if real {
						a, b = m.realAxisWork(few, 0), m.realAxisWork(many, 0)
					}
					if !(a >= 0) || !(b >= a) || n > 1 && a == 0 || math.IsInf(b, 0) {
						t.Errorf("%s, %d points, inner %d, real %v: %g and %g seconds", prec, n, inner, real, a, b)
					}
				}
			}
		}
	}
}
