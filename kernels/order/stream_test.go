package order

import (
	"errors"
	"math"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/vec/numpytest"
)

// fewValues makes an array of few different values, with zeros of both signs and NaNs
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

// Histograms and counts: ranges that are given and that are looked for, edges,
// weights in their order, views.
func TestStreamTally(t *testing.T) {
	r := numpytest.NewRand(9)
	long := 2*minPart + 777
	in := arrays{
		"x": r.Array(ndarray.F32, 900), "m": fewValues(r, ndarray.F64, 30, 40), "w": fewValues(r, ndarray.F64, 30, 40), "i": fewValues(r, ndarray.U8, 900),
		"edges": ndarray.New(ndarray.F64, 4), "wx": r.Array(ndarray.F32, 900), "none": ndarray.New(ndarray.F32, 0), "long": fewValues(r, ndarray.I8, long),
		"wlong": fewValues(r, ndarray.F64, long), "y": ndarray.New(ndarray.I64, 12), "s": ndarray.New(ndarray.I16),
	}
	ndarray.Store(in["edges"], []float64{-20, -3, 0.5, 22}, 0)
	v := make([]float64, long)
	for i := range v {
		v[i] = 1 / float64(i+3)
	}
	ndarray.Store(in["wlong"], v, 0)
	ndarray.Store(in["i"], []float64{250}, 0)
	for _, line := range []string{
		"histogram m h bins=7", "histogram m h bins=5 low=-10 high=20 density=yes", "histogram m h edges=edges", "histogram m h bins=6 weights=w", "histogram m[::-1,2:9] h weights=w[:,3:10] bins=3",
		"histogram none h bins=3", "histogram i y[::-2] bins=6", "histogram s h bins=2", "bincount i c minlength=256", "bincount i c minlength=256 weights=wx",
	} {
		kerneltest.Stream(t, Kernels(), line, in)
	}
	for _, line := range []string{"histogram long h bins=9 weights=wlong", "histogram long h bins=9"} {
		kerneltest.Stream(t, Kernels(), line, in, 1<<20, 100<<10)
	}
}

// A run over values that cannot be binned fails as in core.
func TestStreamTallyFails(t *testing.T) {
	in := arrays{"x": ndarray.New(ndarray.F64, 100), "i": fewValues(numpytest.NewRand(1), ndarray.I16, 100), "edges": ndarray.New(ndarray.F64, 3)}
	ndarray.Store(in["x"], []float64{1, math.NaN()}, 0)
	ndarray.Store(in["edges"], []float64{1, 3, 2}, 0)
	for _, line := range []string{"histogram x h", "bincount i c minlength=3", "histogram x h edges=edges"} {
		if err := streamError(t, line, in); !errors.Is(err, syscall.EDOM) {
			t.Errorf("%s: %v, want EDOM", line, err)
		}
	}
}

// goHeap is memory for runs that kerneltest does not do.
type goHeap struct{}

func (goHeap) Alloc(n int) []byte { return ndarray.New(ndarray.U8, n+64).Data[:n:n] }

// streamError runs a line streamed and gives its error.
func streamError(t *testing.T, line string, in arrays) error {
	t.Helper()
	j, err := kerneltest.Prepare(t, Kernels(), line, in)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := j.Plan.Stream(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	disk := kerneltest.NewDisk(t)
	stored := func(arrays []ndarray.Array) (out []kernels.Stored) {
		for _, a := range arrays {
			out = append(out, kernels.Stored{Blob: disk.Blob(a.Data, 0, len(a.Data)), Layout: a.Layout})
		}
		return out
	}
	x := &kernels.Exec{Ctx: t.Context(), Mem: goHeap{}, Src: stored(j.In), Dst: stored(j.Out)}
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = p.Run(t.Context(), pool.Options{}, func(w *pool.Worker) error {
		x.W = w
		return plan.Run(x)
	})
	disk.Quiet()
	return err
}

// The first elements of rows in whole tiles, and of rows that are taken part by
// part, by heaps and by sorting, with equals that come in the order of the row.
func TestStreamTopk(t *testing.T) {
	r := numpytest.NewRand(9)
	in := arrays{
		"f": fewValues(r, ndarray.F32, 30000), "d": r.Array(ndarray.F64, 5000), "b": r.Array(ndarray.I8, 3000), "h": r.Array(ndarray.F16, 6000), "rows": r.Array(ndarray.F32, 2, 3, 1700), "columns": fewValues(r, ndarray.F32, 2000, 4),
		"wide": r.Array(ndarray.I64, 3, 40, 50), "long": r.Array(ndarray.U16, parallelSort+5000), "y": r.Array(ndarray.F32, 20, 4),
	}
	swapped := r.Array(ndarray.U32, 2500)
	swapped.Swapped = true
	in["swapped"] = swapped
	for _, line := range []string{
		"f o k=7", "f o k=7 largest=no indices=yes", "f o k=300", "d o k=1", "d[::-2] o k=100 indices=yes", "b o k=3000", "h o k=65 largest=no", "rows o k=5", "rows o k=80 indices=yes axis=-1", "rows o k=2 axis=1", "columns o k=10 axis=0",
		"columns y[::-2] k=10 axis=0", "wide o k=9 axis=1", "wide o k=3 axis=0 indices=yes", "swapped o k=12", "f o k=0",
	} {
		kerneltest.Stream(t, Kernels(), "topk "+line, in)
	}
	for _, line := range []string{"long o k=20", "long o k=2500 largest=no"} { // in parts that are not the least, of which there were hundreds
		kerneltest.Stream(t, Kernels(), "topk "+line, in, 384<<10, 1<<20)
	}
}

// Places in a sorted array whose keys fit, and in one of which parts pass through
// memory, which need not be sorted either; values of another type, few and many.
func TestStreamSearchsorted(t *testing.T) {
	r := numpytest.NewRand(10)
	in := arrays{"u": r.Array(ndarray.F32, 5000), "v": fewValues(r, ndarray.F32, 3000), "i": r.Array(ndarray.I32, 7, 90), "z": r.Array(ndarray.C64, 2500), "one": r.Array(ndarray.F64, 1), "none": r.Array(ndarray.F64, 0), "y": ndarray.New(ndarray.I64, 2, 3000)}
	sorted := func(name string, d ndarray.DType, n int) {
		in[name] = ndarray.New(d, n)
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(i/3) - float64(n)/6
		}
		ndarray.Store(in[name], v, 0)
	}
	sorted("a", ndarray.F32, 20000)
	sorted("b", ndarray.I64, 30011)
	sorted("c", ndarray.C128, 9000)
	sorted("s", ndarray.F64, 40)
	for _, line := range []string{
		"a v o", "a u o side=right", "b i o", "b u o side=right", "c z o", "c i[::-1] o side=right", "s v o", "u v o", "a[::2] one o", "a[::-1] v y[1]", "none v o", "a none o", "one v y[0] side=right", "b b o",
	} {
		kerneltest.Stream(t, Kernels(), "searchsorted "+line, in)
	}
}
