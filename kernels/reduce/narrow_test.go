package reduce

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// Narrow rows give the same bits whether groups are folded side by side, as they are
// where rows follow one another, or row by row, where there is something between them.
func TestNarrowRows(t *testing.T) {
	for _, w := range []int{2, 3, 8, narrow, narrow + 1} {
		for _, k := range []int{2*group - 1, 2 * group, 7*group + 5, segmentRows + 3*group + 1} {
			for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.I32, ndarray.U8} {
				checkNarrow(t, d, k, w, "sum", "prod", "var", "norm", "max", "argmax", "argmin", "nanmin", "nanmean", "any", "count_nonzero")
			}
			checkNarrow(t, ndarray.C128, k, w, "sum", "var", "norm")
		}
	}
}

func checkNarrow(t *testing.T, d ndarray.DType, k, w int, verbs ...string) {
	t.Helper()
	v := random(2 * k * w)
	for i := range v {
		v[i] = math.Round(v[i]) // some are equal, and some zeros
		if d.IsFloat() && i%1013 == 500 {
			v[i] = math.NaN()
		}
	}
	padded := ndarray.New(d, 2, k, w+1)
	for i := range 2 * k {
		ndarray.Store(padded, v[i*w:(i+1)*w], i*(w+1))
	}
	in := arrays{"x": array(d, v, 2, k, w), "p": padded}
	for _, verb := range verbs {
		beside, err := column(t, verb+" x y axis=1", in)
		if err != nil {
			t.Fatal(err)
		}
		apart, err := column(t, fmt.Sprintf(`%s "p[:,:,:%d]" y axis=1`, verb, w), in)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(beside, apart) {
			t.Errorf("%s of %s, %d rows of %d: not the bits of rows apart", verb, d, k, w)
		}
	}
}

// column is the bytes of a line's output y.
func column(t *testing.T, line string, in arrays) ([]byte, error) {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Threads(1, 3))
	return out["y"].Data, err
}
