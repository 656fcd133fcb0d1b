package numpytest_test

import (
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec"
	"vgpu/kernels/vec/numpytest"
)

// The whole way: operands to Python, the line to the kernel, outputs together.
func TestCompare(t *testing.T) {
	r := numpytest.NewRand(1)
	var cases []numpytest.Case
	for _, d := range numpytest.Types {
		in := map[string]ndarray.Array{"a": r.Array(d, 4, 5), "b": r.Array(d, 0, 3)}
		cases = append(cases,
			numpytest.Case{Line: "transpose a out", Python: "r = a.T", In: in, Bits: true},
			numpytest.Case{Line: "transpose b out", Python: "r = b.T", In: in})
	}
	numpytest.Compare(t, vec.Kernels(), cases)
}
