package expr

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

func floats32(v ...float32) ndarray.Array {
	a := ndarray.New(ndarray.F32, len(v))
	copy(ndarray.Slice[float32](a), v)
	return a
}

func TestMapSmall(t *testing.T) {
	ops := map[string]ndarray.Array{"X": floats32(1, 2, 3), "Y": floats32(10, 20, 30)}
	out, _, err := kerneltest.Run(t, Kernels(), `map "t = 2*x; z = t*t + y; w = t > 3" x=X y=Y z=Z w=W`, ops, kerneltest.Threads(1, 2))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(ndarray.Slice[float32](out["Z"]), ndarray.Slice[uint8](out["W"]))
}
