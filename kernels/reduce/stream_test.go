package reduce

import (
	"strings"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

func streamArray(d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	v := random(a.Len())
	for i := range v {
		if d.IsInteger() {
			v[i] = float64(int(v[i]*10) % 100)
		}
	}
	ndarray.Store(a, v, 0)
	return a
}

// Every verb, inside and outside, whole and in chunks.
func TestStream(t *testing.T) {
	in := arrays{"x": streamArray(ndarray.F32, 10000), "c": streamArray(ndarray.F64, 100, 30), "o": streamArray(ndarray.F32, 5000, 3)}
	for _, v := range verbs {
		for _, operands := range []string{"x", "c y axis=0", "o y axis=0"} {
			kerneltest.Stream(t, Kernels(), v.name+" "+operands, in)
		}
	}
}

// Axes in any order, views, outputs of all kinds, nothing at all.
func TestStreamShapes(t *testing.T) {
	swapped := streamArray(ndarray.F64, 9000)
	swapped.Swapped = true
	in := arrays{
		"a": streamArray(ndarray.F32, 20, 3, 250), "b": streamArray(ndarray.I16, 9000, 3), "z": streamArray(ndarray.C64, 4500), "h": streamArray(ndarray.F16, 70, 130),
		"u": streamArray(ndarray.U8, 200, 100), "swapped": swapped, "none": streamArray(ndarray.F32, 0, 5), "empty": streamArray(ndarray.F32, 5, 0, 2),
		"y": streamArray(ndarray.F64, 2, 40), "four": streamArray(ndarray.F32, 7, 3, 31, 29), "s": streamArray(ndarray.F64),
	}
	for _, line := range []string{
		"sum a r axis=0,2", "sum a r axis=1", "sum a r axis=0,1 keepdims=yes", "var a r axis=0,2 keepdims=yes", "argmax a r axis=2,0", "sum a r axis=2",
		"sum b", "max b r axis=0", "mean z", "norm h r axis=1", "any u r axis=0", "sum swapped", "argmin swapped[::-1]", "var swapped[::2]",
		"sum none", "sum none r axis=0", "sum empty r axis=1", "norm empty r axis=1", "max empty r axis=0", "sum s", "std s",
		"sum a y[0,::-2] axis=0,1", "sum a[:,:,:20] y[1,::2] axis=1,0", "sum four r axis=0,2", "std four r axis=1,3", "prod four r axis=0,1,2", "sum four[:,:,::-3] r axis=0,2",
		"sum a[5:5] r axis=0", "mean a[::-1,1] r axis=1 dtype=f64", "sum four r axis=-1,1,0",
	} {
		kerneltest.Stream(t, Kernels(), strings.Replace(line, "sum a y[0,::-2]", "sum a[:,:,:20] y[0,::-2]", 1), in)
	}
}

// Sums of several pieces of work, in segments of all lengths.
func TestStreamLong(t *testing.T) {
	in := arrays{"x": streamArray(ndarray.F16, 1<<18+4500), "m": streamArray(ndarray.F32, 2100, 40), "k": streamArray(ndarray.F16, 3, 301, 307)}
	for _, line := range []string{"sum x", "norm x", "argmax x", "var x", "sum m r axis=0", "nanmax m r axis=0", "sum k r axis=1,2", "sum k[:,::-1,:306] r axis=2,1"} {
		kerneltest.Stream(t, Kernels(), line, in, 1<<20, 1, 300<<10)
	}
}

// Norms that overflow take more passes over some tiles than over others.
func TestStreamScaledNorm(t *testing.T) {
	v := random(20000)
	for i := range v {
		if i > 10000 {
			v[i] *= 1e200
		}
	}
	in := arrays{"x": array(ndarray.F64, v, 2, 10000), "w": array(ndarray.F64, v, 10000, 2)}
	for _, line := range []string{"norm x", "norm x r axis=1", "norm w r axis=0", "norm x r axis=0"} {
		kerneltest.Stream(t, Kernels(), line, in)
	}
}

// Scans in chunks of lines, inside and outside, over an axis and over all.
func TestStreamScan(t *testing.T) {
	in := arrays{
		"x": streamArray(ndarray.F32, 200000), "c": streamArray(ndarray.F64, 300, 11), "i": streamArray(ndarray.I16, 7, 5, 60), "z": streamArray(ndarray.C64, 40, 9),
		"s": streamArray(ndarray.F32), "none": streamArray(ndarray.F32, 0, 3), "y": streamArray(ndarray.F64, 60, 5),
	}
	for _, line := range []string{
		"cumsum x r", "cumsum c r axis=0", "cumsum c r axis=1", "cumsum c[::-1,::2] r", "cumprod c r axis=0", "cumsum i r axis=1", "cumsum i r axis=0", "cumsum i r",
		"cumsum z r axis=0", "cumsum s r", "cumsum none r", "cumsum none r axis=0", "cumsum x r:f64:200000", "cumsum c[:60,:5] y[::-1,:] axis=0",
	} {
		mems := []int64{}
		if strings.HasPrefix(line, "cumsum x") {
			mems = []int64{4 << 20, 1}
		}
		kerneltest.Stream(t, Kernels(), line, in, mems...)
	}
}

// Softmax of whole lines, and in three sweeps over chunks of lines.
func TestStreamSoftmax(t *testing.T) {
	in := arrays{
		"x": streamArray(ndarray.F32, 40000), "c": streamArray(ndarray.F64, 300, 11), "i": streamArray(ndarray.I16, 7, 5, 60), "h": streamArray(ndarray.F16, 3, 17000),
		"none": streamArray(ndarray.F32, 0, 3), "y": streamArray(ndarray.F64, 60, 11), "w": streamArray(ndarray.F32, 40, 2, 30),
	}
	for _, line := range []string{"x r", "c r axis=0", "c r", "i r axis=1", "h[::-1] r", "none r axis=0", "c[:60] y[::-1,:] axis=0", "w r axis=0", "w r axis=1"} {
		for _, verb := range []string{"softmax ", "log_softmax "} {
			kerneltest.Stream(t, Kernels(), verb+line, in)
		}
	}
}

// Lines across the file that would fit go in chunks of whole rows where tiles of them
// would be of short runs.
func TestStreamSoftmaxAcross(t *testing.T) {
	in := arrays{"w": streamArray(ndarray.F32, 300, 700), "i": streamArray(ndarray.I16, 2, 200, 900), "y": streamArray(ndarray.F32, 300, 1400), "few": streamArray(ndarray.F32, 2000, 5)}
	for line, passes := range map[string]string{
		"softmax w o axis=0": "3", "log_softmax w[::-1,::-1] o axis=0": "3", "softmax i o axis=1": "3", "softmax w y[:,:700] axis=0": "3", "softmax w o": "1", "softmax few o axis=1": "1",
	} {
		j, err := kerneltest.Prepare(t, Kernels(), line, in)
		if err != nil {
			t.Fatal(err)
		}
		mem := max(int64(j.In[0].Bytes())/2, 192<<10)
		s, err := j.Plan.Stream(mem)
		if err != nil {
			t.Fatal(err)
		}
		if got := entry(s.Explain, "passes"); got != passes {
			t.Errorf("%s: %s passes: %v", line, got, s.Explain)
		}
		kerneltest.Stream(t, Kernels(), line, in, mem, 2*mem)
	}
}

// entry is what a plan says of a term.
func entry(list []kernels.Entry, term string) string {
	for _, e := range list {
		if e.Term == term {
			return e.Text
		}
	}
	return ""
}
