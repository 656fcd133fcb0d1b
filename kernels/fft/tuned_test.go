package fft

import (
	"bytes"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
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
