package gemm

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

func TestBucket(t *testing.T) {
	for n, want := range map[int]int{0: 32, 1: 32, 32: 32, 33: 64, 64: 64, 65: 128, 4096: 4096, 4097: 8192, 8192: 8192, 1 << 40: 8192} {
		if got := bucket(n); got != want {
			t.Errorf("bucket(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestClassNames(t *testing.T) {
	for _, c := range []Class{
		{ndarray.F32, ndarray.F32, "nn", 32, 64, 8192, ""}, {ndarray.U8, ndarray.I8, "ts", 512, 512, 512, EpilogueAdd}, {ndarray.C128, ndarray.C128, "st", 64, 64, 64, ""},
		{ndarray.F32, ndarray.F32, "nt", 32, 64, 64, EpilogueAct},
	} {
		got, err := ParseClass(c.String())
		if err != nil || got != c {
			t.Errorf("%v is read as %v, %v", c, got, err)
		}
	}
	for _, s := range []string{
		"", "f32", "f32.nn", "f32.nn.32x32", "f32.nn.32x32x33", "f32.nn.16x32x32", "f32.nn.32x32x16384", "f32.nx.32x32x32", "f32.n.32x32x32",
		"f31.nn.32x32x32", "f32-q8.nn.32x32x32", "f32-f32.nn.32x32x32", "f32.nn.32x32x+32", "f32.nn.032x32x32", "f32.nn.32x32x32.t1", "f32.nn.32x32x32.", "f32.nn.32x32x32.act.add", "f32.nn.act", "float32.nn.32x32x32",
	} {
		if c, err := ParseClass(s); err == nil {
			t.Errorf("%q is read as %v", s, c)
		}
	}
}

func TestClassOfProblem(t *testing.T) {
	a, b := ndarray.NewLayout(ndarray.F32, 100, 300), ndarray.NewLayout(ndarray.F32, 300, 70)
	swapped, sliced := b, b
	swapped.Swapped = true
	sliced.Strides = []int{70 * 8, 8}
	for _, c := range []struct {
		b    ndarray.Layout
		want string
	}{
		{b, "f32.nn.128x128x512"},
		{ndarray.NewLayout(ndarray.F32, 70, 300).Permute(1, 0), "f32.nt.128x128x512"},
		{swapped, "f32.ns.128x128x512"}, {sliced, "f32.ns.128x128x512"},
	} {
		q := Problem{A: ndarray.Array{Layout: a}, B: ndarray.Array{Layout: c.b}, C: ndarray.Array{Layout: ndarray.NewLayout(ndarray.F32, 100, 70)}}
		q.Init()
		if got, ok := q.Class(); !ok || got.String() != c.want {
			t.Errorf("class %v, %t, want %s", got, ok, c.want)
		}
	}
	q := Problem{C: ndarray.Array{Layout: ndarray.NewLayout(ndarray.F32, 2, 3, 4)}, A: ndarray.Array{Layout: a}}
	if c, ok := q.Class(); ok {
		t.Errorf("a batch has class %v", c)
	}
}

func TestParamsOf(t *testing.T) {
	c := Class{A: ndarray.F64, B: ndarray.F64, Trans: "nn", M: 512, N: 512, K: 512}
	p := Params{MC: 96, NC: 1024, Ways: 2, SmallWork: -1}
	if got, err := ParamsOf(p.Values(), c, 2); err != nil || got != p {
		t.Errorf("%v came back as %v, %v", p, got, err)
	}
	if got, err := ParamsOf(nil, c, 2); err != nil || got != (Params{}) {
		t.Errorf("nothing is read as %v, %v", got, err)
	}
	for _, v := range []map[string]int{
		{"kc": 256}, {"MC": 96}, {"mc": -1}, {"mc": 1 << 40}, {"nc": -64}, {"nc": 1 << 31}, {"ways": 3}, {"ways": -1}, {"small_work": -2}, {"small_work": 1<<30 + 1},
	} {
		if got, err := ParamsOf(v, c, 2); err == nil {
			t.Errorf("%v is taken as %v", v, got)
		}
	}
	if _, err := ParamsOf(nil, Class{A: ndarray.Bool, B: ndarray.Bool}, 1); err == nil {
		t.Error("bool products have parameters")
	}
	if v := (Class{A: ndarray.Bool, B: ndarray.Bool}).Version(); v != "" {
		t.Errorf("bool products have version %q", v)
	}
}

// tuner answers every question alike.
type tuner map[string]int

func (v tuner) Tuned(kernel, class string, threads int) (map[string]int, string) {
	return v, fmt.Sprintf("%s.%s.t%d", kernel, class, threads)
}

// Whatever a tuner answers, the bits are those of no tuner.
func TestTuningChangesNoBits(t *testing.T) {
	types := []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.BF16, ndarray.F16, ndarray.I8, ndarray.U8, ndarray.I32, ndarray.I64}
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(uint64(simd.Active()), 7))
		for range 25 {
			tunedTwice(t, r, types[r.IntN(len(types))], 1+r.IntN(150), 1+r.IntN(150), 1+r.IntN(1300))
		}
	})
}

// tunedTwice compares a product with and without hostile, but valid values.
func tunedTwice(t *testing.T, r *rand.Rand, d ndarray.DType, m, n, k int) {
	t.Helper()
	mem, options := map[string]ndarray.Array{"a": random(r, d, m, k), "b": random(r, d, k, n)}, ""
	if r.IntN(3) == 0 {
		mem["b"], options = random(r, d, n, k), " tb=t"
	}
	v := tuner{}
	for name, values := range map[string][]int{
		"mc": {0, 1, 7, 64, 4096, maxBlockA / (stepsKC * 16)}, "nc": {0, 1, 33, 64, 100, maxBlockB / (stepsKC * 16)}, "ways": {0, 1, 2, 3}, "small_work": {-1, 0, 1, 1 << 20, maxSmallWork},
	} {
		v[name] = values[r.IntN(len(values))]
	}
	line := "gemm a b c" + options
	plain := multiplyTuned(t, mem, line, nil, 3)
	for _, threads := range []int{1, 3} {
		clipped := tuner(maps.Clone(v))
		clipped["ways"] = min(clipped["ways"], threads)
		if tuned := multiplyTuned(t, mem, line, clipped, threads); !bytes.Equal(plain, tuned) {
			t.Errorf("%s %dx%dx%d%s: other bits with %v on %d threads", d, m, n, k, options, clipped, threads)
		}
	}
}

// random makes numbers whose products round; integers of a type are whole.
func random(r *rand.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	v := make([]float64, a.Len())
	for i := range v {
		v[i] = 20 * r.Float64()
		if d.IsSigned() || d.IsFloat() {
			v[i] -= 10
		}
	}
	ndarray.Store(a, v, 0)
	return a
}

// multiplyTuned is the bytes of c after a line, planned with a tuner.
func multiplyTuned(t *testing.T, mem map[string]ndarray.Array, line string, v kernels.Tuner, threads int) []byte {
	t.Helper()
	j, err := kerneltest.Prepare(t, Kernels(), line, mem)
	if err != nil {
		t.Fatal(err)
	}
	j.Call.Tuner, j.Call.Threads = v, threads
	if j.Plan, err = j.Call.Check(); err != nil {
		t.Fatal(err)
	}
	if err := j.Run(t.Context(), threads); err != nil {
		t.Fatal(err)
	}
	return j.Outputs["c"].Data
}

// What cannot be used leaves the default.
func TestUnusableTuning(t *testing.T) {
	mem := map[string]ndarray.Array{"a": ndarray.New(ndarray.F32, 40, 40)}
	for _, v := range []tuner{nil, {"kc": 7}, {"ways": 2}, {"mc": 84}} {
		j, err := kerneltest.Prepare(t, Kernels(), "gemm a a c", mem)
		if err != nil {
			t.Fatal(err)
		}
		j.Call.Tuner, j.Call.Threads = v, 1
		p, err := j.Call.Check()
		if err != nil {
			t.Fatal(err)
		}
		want := "default"
		if v["mc"] != 0 {
			want = "gemm.f32.nn.64x64x64.t1"
		}
		if last := p.Explain[len(p.Explain)-1]; last.Term != "tuning" || last.Text != want {
			t.Errorf("%v: explained as %v, want %s", v, last, want)
		}
	}
}

// only is a tuner that knows some classes.
type only []string

func (o only) Tuned(_, class string, _ int) (map[string]int, string) {
	if slices.Contains(o, class) {
		return map[string]int{"mc": 84}, class
	}
	return nil, ""
}

// A line with an epilogue takes the entry of its own class, or else that of the
// plain product; a plain product takes no other.
func TestTuningOfEpilogues(t *testing.T) {
	const plain, add, act = "f32.nn.64x64x64", "f32.nn.64x64x64.add", "f32.nn.64x64x64.act"
	mem := map[string]ndarray.Array{"a": ndarray.New(ndarray.F32, 40, 40), "x": ndarray.New(ndarray.F32, 40)}
	for _, c := range []struct {
		options string
		known   only
		want    string
	}{
		{"", only{plain, add, act}, plain}, {"", only{add, act}, "default"}, {" act=none", only{plain, act}, plain},
		{" bias=x", only{plain, add, act}, add}, {" residual=x", only{add}, add}, {" bias=x", only{plain, act}, plain},
		{" act=gelu", only{plain, add, act}, act}, {" bias=x act=relu", only{plain, add, act}, act}, {" bias=x act=relu", only{add}, "default"},
	} {
		j, err := kerneltest.Prepare(t, Kernels(), "gemm a a c"+c.options, mem)
		if err != nil {
			t.Fatal(err)
		}
		j.Call.Tuner, j.Call.Threads = c.known, 1
		p, err := j.Call.Check()
		if err != nil {
			t.Fatal(err)
		}
		if last := p.Explain[len(p.Explain)-1]; last.Text != c.want {
			t.Errorf("%q of %q: explained as %v, want %s", c.options, c.known, last, c.want)
		}
	}
}

// The class of a problem tells its epilogue.
func TestClassOfEpilogue(t *testing.T) {
	a := ndarray.Array{Layout: ndarray.NewLayout(ndarray.F32, 40, 40)}
	for _, c := range []struct {
		q    Problem
		want string
	}{
		{Problem{}, ""}, {Problem{Act: "none"}, ""}, {Problem{Bias: &a}, EpilogueAdd}, {Problem{Residual: &a}, EpilogueAdd},
		{Problem{Act: "silu"}, EpilogueAct}, {Problem{Act: "silu", Bias: &a}, EpilogueAct},
	} {
		c.q.A, c.q.B, c.q.C = a, a, a
		if got, ok := c.q.Class(); !ok || got.Epilogue != c.want {
			t.Errorf("class %v, %t, want %q", got, ok, c.want)
		}
	}
}
