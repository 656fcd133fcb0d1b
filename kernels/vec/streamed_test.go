package vec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/vec/numpytest"
)

// streamed is every kernel on operands a and b of one shape, c that broadcasts
// to it, and a view of o that can be written. %s is the shape, %d an axis.
func streamed(r numpytest.Rand, shape []int) (lines []string, in arrays) {
	rank := len(shape)
	d := r.Type(ndarray.DTypes...)
	in = arrays{
		"a": r.Array(d, shape...), "b": r.Array(r.Type(ndarray.DTypes...), shape...),
		"c": r.Array(ndarray.Bool, shape[r.IntN(rank+1):]...),
	}
	s, axis := ndarray.ShapeString(shape), r.IntN(max(rank, 1))
	lines = []string{
		"copy a o", "cast a o dtype=f32", "transpose a o", "flip a o", "reshape a o shape=-1", "where c a b o",
		"copy c o:bool:" + s,
		"fill o:f32:" + s + " value=3", "random o:f64:" + s + " seed=3", "random o:c64:" + s + " dist=normal seed=1", "random o:u8:" + s,
	}
	if rank > 0 {
		lines = append(lines,
			fmt.Sprintf("transpose a o axes=%s", strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Perm(rank)), " ", ","), "[]")),
			fmt.Sprintf("flip a o axes=%d", axis), fmt.Sprintf("concat a b a o axis=%d", axis), fmt.Sprintf("stack a b o axis=%d", axis),
			fmt.Sprintf("roll a o axes=%d shift=%d", axis, r.IntN(20)-10), fmt.Sprintf("roll a o shift=%d", r.IntN(20)-10))
	}
	if rank > 1 {
		lines = append(lines, fmt.Sprintf("tril a o k=%d", r.IntN(7)-3), fmt.Sprintf("triu a o k=%d", r.IntN(7)-3), "triu a o k=-9223372036854775808",
			fmt.Sprintf("roll a o axes=0,1 shift=%d,3", r.IntN(20)-10))
	}
	return lines, in
}

// Every kernel gives the bytes that it gives in core, over random layouts, new
// outputs and views.
func TestStreamed(t *testing.T) {
	r := numpytest.NewRand(21)
	rounds := 40
	if testing.Short() {
		rounds = 12
	}
	for range rounds {
		lines, in := streamed(r, r.Shape(0, 4, 8))
		for _, line := range lines {
			kerneltest.Stream(t, Kernels(), line, in)
			if t.Failed() {
				return
			}
			if strings.HasPrefix(line, "c") && !strings.HasPrefix(line, "copy") || strings.Contains(line, ":") {
				continue
			}
			intoView(t, r, line, in)
		}
	}
}

// intoView runs a line into a view of an array that has the right type and shape
// and any strides.
func intoView(t *testing.T, r numpytest.Rand, line string, in arrays) {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), line, in)
	if err != nil {
		t.Fatal(err)
	}
	whole := r.Array(out["o"].DType, append(slices.Clone(out["o"].Shape), 2)...)
	for repeats(whole) {
		whole = r.Array(out["o"].DType, append(slices.Clone(out["o"].Shape), 2)...)
	}
	words := strings.Fields(line)
	words[slices.Index(words, "o")] = "o[...,1]"
	with := arrays{"o": whole}
	for name, a := range in {
		with[name] = a
	}
	kerneltest.Stream(t, Kernels(), strings.Join(words, " "), with)
}

// Kernels that make arrays make each part alone.
func TestStreamedSources(t *testing.T) {
	for _, line := range []string{
		"arange o stop=5000", "arange o:f32 start=3 stop=-700.5 step=-0.25", "arange o:u8:200 step=1",
		"linspace o start=0 stop=1 num=3001", "linspace o:c64 start=1 stop=2-3j num=2000 endpoint=0", "linspace o:i32 start=-5 stop=5 num=11",
		"eye o n=70 k=3", "eye o n=33 m=70 k=-40", "eye o:f16:9x300 k=7", "eye o n=4 k=9223372036854775807", "eye o n=4 k=-9223372036854775808",
		"fill o:u8:0x3 value=1", "random o:f32:3x5000 dist=exponential", "random o:i16 shape=2x70x90 low=-5 high=9", "random o:f32:0",
	} {
		kerneltest.Stream(t, Kernels(), line, nil)
	}
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.C128, ndarray.U16} {
		a := ndarray.New(d, 2, 60, 70)
		for _, view := range []string{"[1]", "[1,::-2,3:]", "[...,1:2]", "[:,5]"} {
			kerneltest.Stream(t, Kernels(), "random o"+view+" seed=9", arrays{"o": a.Permute(0, 2, 1)})
		}
	}
}

// Outputs that are larger than memory in both directions.
func TestStreamedLarge(t *testing.T) {
	a := ndarray.New(ndarray.F32, 300, 2500)
	for i, s := 0, ndarray.Slice[float32](a); i < len(s); i++ {
		s[i] = float32(math.Sqrt(float64(i)))
	}
	in := arrays{"a": a, "b": a.Permute(1, 0)}
	for _, line := range []string{
		"transpose a o", "copy b o", "cast b o dtype=f16", "reshape b o shape=2500x300", "reshape b o shape=300x2500", "roll b o shift=7", "concat a a o axis=1",
	} {
		kerneltest.Stream(t, Kernels(), line, in, 20000, 300000)
	}
}

// Where tiles would have short runs a transpose goes by way of temporary space:
// it writes all of it once and reads it once.
func TestExchange(t *testing.T) {
	l := ndarray.NewLayout(ndarray.F32, 1<<16, 1<<16)
	a := assignment{output, 0, l, l.Permute(1, 0)}
	for mem, two := range map[int64]bool{4 << 30: false, 1 << 30: false, 64 << 20: true} {
		p, err := planPass(a, mem)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := p.(*exchange)
		if ok != two || p.mem() > mem {
			t.Errorf("with %d MiB: %v, %d bytes of memory", mem>>20, p.explain(), p.mem())
		}
		if ok && (e.temp() != int64(l.Bytes()) || e.moved() > 4.01*float64(l.Bytes())) {
			t.Errorf("%d bytes of temporary space, %g are moved", e.temp(), e.moved())
		}
	}
	for _, b := range []assignment{
		{output, 0, l, l}, {output, 0, l, stretch(ndarray.NewLayout(ndarray.F32, 1<<16), l.Shape)}, {output, 0, l.Range(0, 0, 0), l.Range(1, 0, 0).Permute(1, 0)},
	} {
		if e := newExchange(b, 1<<20, tiled{}); e != nil {
			t.Errorf("%v from %v: %v", b.dst, b.src, e.explain())
		}
	}
	if e := newExchange(a, 1000, tiled{}); e != nil {
		t.Errorf("%d bytes do for %v", e.mem(), e.explain())
	}
}

// An exchange gives what a copy gives, of more axes, with gaps, converted, with
// blocks that do not divide their axis.
func TestExchangeRun(t *testing.T) {
	r := numpytest.NewRand(5)
	shapes := [][]int{{97, 300}, {3, 40, 70}, {40, 3, 70}, {70, 40, 3}, {2, 30, 3, 50}}
	for range 16 {
		shape := shapes[r.IntN(len(shapes))]
		in := arrays{"a": r.Array(r.Type(ndarray.DTypes...), shape...)}
		axes := strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Perm(len(shape))), " ", ","), "[]")
		kerneltest.Stream(t, Kernels(), "transpose a o axes="+axes, in, int64(1000+r.IntN(30000)))
		kerneltest.Stream(t, Kernels(), "cast a o dtype="+r.Type(ndarray.DTypes...).String(), in, int64(1000+r.IntN(30000)))
	}
}

// Without temporary space there are tiles.
func TestExchangeWithoutSpace(t *testing.T) {
	a := ndarray.New(ndarray.C128, 200, 300)
	for i := range a.Data {
		a.Data[i] = byte(i * i)
	}
	j, err := kerneltest.Prepare(t, Kernels(), "transpose a o", arrays{"a": a})
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Plan.Stream(200000)
	if err != nil || s.Temp == 0 {
		t.Fatalf("%v, %v", s, err)
	}
	d := kerneltest.NewDisk(t)
	out := ndarray.New(ndarray.C128, 300, 200)
	full := errors.New("full")
	err = pooled(t, func(w *pool.Worker) error {
		x := &kernels.Exec{
			Ctx: t.Context(), W: w, Mem: heap{},
			Src:  []kernels.Stored{{Blob: d.Blob(a.Data, 0, len(a.Data)), Layout: a.Layout}},
			Dst:  []kernels.Stored{{Blob: d.Blob(out.Data, 0, len(out.Data)), Layout: out.Layout}},
			Temp: func(int64) (kernels.Blob, error) { return nil, syscall.ENOSPC },
		}
		if err := s.Run(x); err != nil {
			return err
		}
		x.Temp = func(int64) (kernels.Blob, error) { return nil, full }
		return s.Run(x)
	})
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	want := ndarray.New(ndarray.C128, 300, 200)
	convert(want, a.Permute(1, 0))
	if !slices.Equal(out.Data, want.Data) {
		t.Error("wrong elements")
	}
}

// What explain tells of a streamed run has every pass, and those that are alike
// once.
func TestExplainTellsAllPasses(t *testing.T) {
	in := arrays{"a": ndarray.New(ndarray.F32, 300, 500), "b": ndarray.New(ndarray.F32, 500, 300).Permute(1, 0), "c": ndarray.New(ndarray.F32, 20, 500)}
	for line, want := range map[string]int{
		"copy a o": 1, "concat a a a o": 1, "concat a c o": 2, "concat a c a o": 3, "concat c a a o": 2, "concat a b o": 2, "roll a o axes=1 shift=20": 2, "roll a o axes=1 shift=0": 1,
	} {
		j, err := kerneltest.Prepare(t, Kernels(), line, in)
		if err != nil {
			t.Fatal(err)
		}
		s, err := j.Plan.Stream(60000)
		if err != nil {
			t.Fatal(err)
		}
		tiles := 0
		for _, e := range s.Explain {
			if e.Term == "tile" {
				tiles++
			}
		}
		if last := s.Explain[len(s.Explain)-1]; tiles != want || last.Term != "passes" {
			t.Errorf("%s: %v, want %d tiles", line, s.Explain, want)
		}
	}
}

// heap is memory without end.
type heap struct{}

func (heap) Alloc(n int) []byte { return ndarray.New(ndarray.U8, n).Data }

// pooled runs fn on a worker.
func pooled(t *testing.T, fn func(w *pool.Worker) error) error {
	t.Helper()
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.Run(t.Context(), pool.Options{}, fn)
}
