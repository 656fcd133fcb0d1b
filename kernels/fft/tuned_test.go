package fft

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// fixed is a tuner that knows one thing.
type fixed struct {
	class  string
	values map[string]int
}

func (f fixed) Tuned(kernel, class string, threads int) (map[string]int, string) {
	if kernel != "fft" || class != f.class {
		return nil, ""
	}
	return f.values, "fft." + class + ".t2.json"
}

// TestTunedBits: nothing that measuring may choose changes a bit.
func TestTunedBits(t *testing.T) {
	rng := newRand(21)
	for _, c := range []struct {
		line, class string
		shape       []int
		dtype       ndarray.DType
	}{
		{"fft x y", "c64.d1.262144x1", []int{1 << 18}, ndarray.C64},
		{"ifft x y", "c128.d1.262144x1", []int{200003}, ndarray.C128},
		{"fft x y axes=0,1", "c64.d2.131072x1", []int{300, 400}, ndarray.C64},
		{"rfft x y", "c64.d1.1024x256", []int{150, 1000}, ndarray.F32},
		{"irfft x y axes=0,1,2", "c128.d3.65536x1", []int{20, 40, 41}, ndarray.C128},
	} {
		x := map[string]ndarray.Array{"x": randomArray(rng, c.dtype, c.shape...)}
		want := run(t, c.line, x)
		for _, values := range []map[string]int{{"ways": 1}, {"piece": MinPiece}, {"ways": 2, "piece": MaxPiece}} {
			j, err := kerneltest.Prepare(t, Kernels(), c.line, x)
			if err != nil {
				t.Fatal(err)
			}
			j.Call.Tuner, j.Call.Threads = fixed{c.class, values}, 2
			if j.Plan, err = j.Call.Check(); err != nil {
				t.Fatal(err)
			}
			if e := j.Plan.Explain[len(j.Plan.Explain)-1]; e.Term != "tuning" || e.Text != "fft."+c.class+".t2.json" || j.Plan.Threads != values["ways"] {
				t.Errorf("%s: tuning is %+v, threads %d", c.line, e, j.Plan.Threads)
			}
			if err := j.Run(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			if got := j.Outputs["y"]; !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%s with %v: other bits", c.line, values)
			}
		}
	}
}

// TestTuningMisses: a plan says why it is an estimate.
func TestTuningMisses(t *testing.T) {
	x := map[string]ndarray.Array{"x": randomArray(newRand(22), ndarray.C64, 100)}
	for want, f := range map[string]fixed{
		"nothing is known of fft.c64.d1.128x1.t2": {class: "c64.d1.64x1"},
		"ways: 3 is out of range, 0 to 2":         {"c64.d1.128x1", map[string]int{"ways": 3}},
		"no such value":                           {"c64.d1.128x1", map[string]int{"n1": 3}},
	} {
		j, err := kerneltest.Prepare(t, Kernels(), "fft x y", x)
		if err != nil {
			t.Fatal(err)
		}
		j.Call.Tuner, j.Call.Threads = f, 2
		p, err := j.Call.Check()
		if err != nil {
			t.Fatal(err)
		}
		if text := p.Explain[len(p.Explain)-1].Text; !strings.HasPrefix(text, "estimate: ") || !strings.Contains(text, want) || p.Threads != 0 {
			t.Errorf("tuning %q, want %q; %d threads", text, want, p.Threads)
		}
	}
}

// TestClasses: what is no class is refused.
func TestClasses(t *testing.T) {
	for _, s := range []string{"", "c64", "f32.d1.4x1", "c64.1.4x1", "c64.d0.4x1", "c64.d4.4x1", "c64.d1.5x1", "c64.d1.4x3", "c64.d1.4", "c64.d1.0x1", "c64.d1.33554432x1", "c64.d1.04x1"} {
		if c, err := ParseClass(s); err == nil {
			t.Errorf("%q is %v", s, c)
		}
	}
	for _, c := range []struct {
		shape, axes []int
		want        string
	}{{[]int{1}, []int{0}, "c64.d1.1x1"}, {[]int{3, 1000, 7}, []int{1}, "c64.d1.1024x32"}, {[]int{9, 9, 9, 9}, []int{0, 1, 2, 3}, "c64.d3.8192x1"}} {
		if got := ClassOf(ndarray.C64, c.shape, c.axes).String(); got != c.want {
			t.Errorf("%v over %v: %s, want %s", c.shape, c.axes, got, c.want)
		}
	}
}

// TestClassNames: classes of random transforms read back what they write, their
// sample has the class's size, and each transform is no larger than its class.
func TestClassNames(t *testing.T) {
	rng := newRand(121)
	for range 300 {
		shape := randomShape(rng, 1+rng.IntN(4))
		axes, _ := axesText(rng, len(shape))
		d := []ndarray.DType{ndarray.C64, ndarray.C128}[rng.IntN(2)]
		c := ClassOf(d, shape, axes)
		if got, err := ParseClass(c.String()); err != nil || got != c {
			t.Errorf("%v over %v is of class %s, read as %v, %v", shape, axes, c, got, err)
		}
		s, a := c.shape()
		if len(a) != min(len(axes), maxClassAxes) || s[0] != c.Batch || product(s) != c.Batch*c.Points || product(s) < product(shape) {
			t.Errorf("%v over %v: class %s has samples of %v over %v", shape, axes, c, s, a)
		}
		if v := c.Version(); !strings.Contains(v, simd.Active().String()) {
			t.Errorf("version %q names no instruction set", v)
		}
	}
}

// TestParams: parameters read back what they write, and defaults fill what is 0.
func TestParams(t *testing.T) {
	for ways := range 4 {
		for piece := MinPiece; piece <= MaxPiece; piece *= 2 {
			p := Params{ways, piece}
			got, err := ParamsOf(p.Values(), 3)
			if err != nil || got != p {
				t.Errorf("%v: read as %v, %v", p, got, err)
			}
			if p.Ways == 0 {
				p.Ways = 3
			}
			if f := got.Fill(3); f != p {
				t.Errorf("%v: filled to %v", got, f)
			}
		}
	}
	if f := (Params{}).Fill(5); f != (Params{5, pieceReals}) {
		t.Errorf("defaults are %v", f)
	}
	for _, bad := range []map[string]int{{"ways": -1}, {"ways": 4}, {"piece": MinPiece / 2}, {"piece": 2 * MaxPiece}, {"piece": MinPiece + 1}, {"radix": 4}} {
		if p, err := ParamsOf(bad, 3); err == nil {
			t.Errorf("%v: taken as %v", bad, p)
		}
	}
}

// TestSamples: what is measured stays within the memory it names, on any number of
// threads and with any parameters.
func TestSamples(t *testing.T) {
	for _, name := range []string{"c64.d1.1x1", "c64.d1.4096x8", "c64.d2.1024x4", "c128.d3.4096x2", "c64.d1.131072x1"} {
		c, err := ParseClass(name)
		must(t, err)
		for _, p := range []Params{{}, {1, MinPiece}, {2, MaxPiece}} {
			if c.DType == ndarray.C64 {
				sample[float32](t, c, p)
			} else {
				sample[float64](t, c, p)
			}
		}
	}
}

func sample[T simd.Float](t *testing.T, c Class, p Params) {
	t.Helper()
	const guard = 64
	mem := make([]T, c.Reals()+guard)
	beyond := mem[c.Reals():]
	for i := range beyond {
		beyond[i] = 7
	}
	onPool(t, 2, p.Ways, func(w *pool.Worker) error { return Sample(c, p, w, mem[:c.Reals():c.Reals()]) })
	if slices.ContainsFunc(beyond, func(v T) bool { return v != 7 }) {
		t.Errorf("%s with %v: writes beyond its memory", c, p)
	}
}
