package kerneltest_test

import (
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// double is a small well-behaved kernel: y = 2x, or the sum as an answer.
var double = &kernels.Kernel{
	Name: "double", Synopsis: "double X Y", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Plan: func(c *kernels.Call) (*kernels.Plan, error) {
		in := c.In[0].Layout
		return &kernels.Plan{
			Out: []kernels.OutSpec{{DType: ndarray.F64, Shape: in.Shape}},
			Run: func(x *kernels.Exec) error {
				return x.W.For(in.Len(), 4, func(_ *pool.Worker, lo, hi int) {
					buf := make([]float64, hi-lo)
					ndarray.Load(buf, x.In[0], lo)
					for i := range buf {
						buf[i] *= 2
					}
					ndarray.Store(x.Out[0], buf, lo)
				})
			},
		}, nil
	},
}

func array(n int) ndarray.Array {
	a := ndarray.New(ndarray.F64, n)
	for i, s := 0, ndarray.Slice[float64](a); i < n; i++ {
		s[i] = float64(i)
	}
	return a
}

func TestRun(t *testing.T) {
	ops := map[string]ndarray.Array{"x": array(10), "y": array(10)}
	ks := []*kernels.Kernel{double}
	out, _, err := kerneltest.Run(t, ks, "double x z", ops, kerneltest.Threads(1, 3))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range ndarray.Slice[float64](out["z"]) {
		if v != 2*float64(i) {
			t.Errorf("z[%d] = %v", i, v)
		}
	}
	out, _, err = kerneltest.Run(t, ks, "double x[:3] y[::-4]", ops)
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{0, 4, 2, 3, 4, 2, 6, 7, 8, 0}
	for i, v := range ndarray.Slice[float64](out["y"]) {
		if v != want[i] {
			t.Errorf("y[%d] = %v, want %v", i, v, want[i])
		}
	}
}
