package expr

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// Streamed maps: broadcasting, views, in place, several outputs and shapes,
// nothing, and a scalar.
func TestStream(t *testing.T) {
	count := func(d ndarray.DType, shape ...int) ndarray.Array {
		a := ndarray.New(d, shape...)
		v := make([]float64, a.Len())
		for i := range v {
			v[i] = float64(i*37%101) / 4
		}
		ndarray.Store(a, v, 0)
		return a
	}
	mem := arrays{
		"x": count(ndarray.F32, 14, 40), "y": count(ndarray.F32, 14, 40), "row": count(ndarray.F64, 40), "column": count(ndarray.I16, 14, 1),
		"s": count(ndarray.F64, 1), "half": count(ndarray.F16, 14, 40), "z": count(ndarray.C64, 6, 14), "none": count(ndarray.F32, 0, 5),
		"cube": count(ndarray.I32, 5, 14, 40), "out": count(ndarray.F64, 28, 80),
	}
	swapped := count(ndarray.F32, 14, 40)
	swapped.Swapped = true
	mem["swapped"] = swapped
	for _, line := range []string{
		`map "z = 2*x + y" x=x y=y z=z`,
		`map "y = 2*x + y" x=x y=y`,
		`map "t = x; x = y; y = t" x=x y=y`,
		`map "z = x*row + column" x=x row=row column=column z=z`,
		`map "z = x*exp(s)" x=x s=s z=z`,
		`map "z = cube + x" cube=cube x=x z=z`,
		`map "z = half*half; w = half > 3" half=half z=z w=w`,
		`map "z = x + 1" x=x[::-1,5:30:3] z=z`,
		`map "z = swapped*2" swapped=swapped z=z`,
		`map "z = x" x=x z=out[::2,79:39:-1]`,
		`map "a = abs(z); b = conj(z)" z=z a=a b=b`,
		`map "a = x + y; b = row*2" x=x y=y row=row a=a b=b`,
		`map "z = none + 1" none=none z=z`,
		`map "z = s + 1" s=s z=z`,
		`map "z = 2*pi" z=z`,
		`map "z = row" row=row z=z:f64:14x40`,
	} {
		kerneltest.Stream(t, Kernels(), line, mem)
	}
}

// A map of two shapes tells what both of them need at the least.
func TestStreamLeast(t *testing.T) {
	mem := arrays{"x": array(ndarray.F32, make([]float64, 1000)), "s": array(ndarray.F64, []float64{3}, 1)}
	kerneltest.Stream(t, Kernels(), `map "y = x*s; r = s + 1" x=x s=s y=y r=r`, mem)
}
