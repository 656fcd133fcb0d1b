package order

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/numpytest"
)

// few makes an array of few different values, with zeros of both signs and NaNs
// of several kinds.
func fewValues(r numpytest.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	if d != ndarray.F32 {
		v := make([]float64, a.Len())
		for i := range v {
			v[i] = float64(r.IntN(50) - 25)
		}
		ndarray.Store(a, v, 0)
		return a
	}
	choice := []uint32{0, 1 << 31, 0x7fc00001, 0xffc00002, 0x7f800001, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000}
	bits := ndarray.Slice[uint32](a)
	for i := range bits {
		bits[i] = choice[r.IntN(len(choice))]
	}
	return a
}

// Rows that fit by the tile, and rows that are merged from runs in one level and
// in several, of all types; equal elements, zeros and NaNs keep their order.
func TestStreamSort(t *testing.T) {
	r := numpytest.NewRand(4)
	in := arrays{
		"f": fewValues(r, ndarray.F32, 5000), "d": r.Array(ndarray.F64, 5000), "b": r.Array(ndarray.I8, 3000), "z": r.Array(ndarray.C64, 3000),
		"w": r.Array(ndarray.C128, 2100), "h": r.Array(ndarray.F16, 6000), "rows": r.Array(ndarray.F32, 2, 3, 1700), "columns": fewValues(r, ndarray.F32, 2000, 4),
		"short": r.Array(ndarray.I32, 40, 30), "none": r.Array(ndarray.F32, 0, 5), "y": r.Array(ndarray.F32, 8, 2000), "up": fewValues(r, ndarray.I64, 4000),
	}
	v := ndarray.Slice[int64](in["up"])
	for i := range v {
		v[i] = int64(i / 3)
	}
	swapped := r.Array(ndarray.U16, 2500)
	swapped.Swapped = true
	in["swapped"] = swapped
	for _, line := range []string{
		"f o", "f o descending=yes", "d o", "b o", "z o", "w o descending=yes", "h o", "rows o", "rows[::-1,1:] o", "columns o axis=0", "columns[::-1] o axis=0",
		"short o axis=0", "short o", "none o axis=0", "none o", "up o", "up[::-1] o", "swapped o", "f[:1] o",
	} {
		for _, verb := range []string{"sort ", "argsort "} {
			kerneltest.Stream(t, Kernels(), verb+line, in)
		}
	}
	kerneltest.Stream(t, Kernels(), "sort columns.T y[::2] axis=1", arrays{"columns.T": in["columns"].Permute(1, 0), "y": in["y"]})
	kerneltest.Stream(t, Kernels(), "sort f y[3,::-1]", arrays{"f": in["f"].Range(0, 0, 2000), "y": in["y"]})
}
