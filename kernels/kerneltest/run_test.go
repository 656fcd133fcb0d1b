package kerneltest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// double is a small well-behaved kernel: y = 2x, or y += 2x.
var double = &kernels.Kernel{
	Name: "double", Synopsis: "double X Y [add=0]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{{Name: "add", Kind: kernels.KindBool, Default: "0"}},
	Plan: func(c *kernels.Call) (*kernels.Plan, error) {
		in := c.In[0].Layout
		if in.DType == ndarray.Bool {
			return nil, c.In[0].Errorf("bool cannot be doubled")
		}
		add := c.Bool("add")
		return &kernels.Plan{
			Out:  []kernels.OutSpec{{DType: ndarray.F64, Shape: in.Shape, Reads: add}},
			Cost: kernels.Cost{Scratch: int64(8 * in.Len())},
			Run: func(x *kernels.Exec) error {
				buf := ndarray.Array{Layout: ndarray.NewLayout(ndarray.F64, in.Len()), Data: x.Mem.Alloc(8 * in.Len())}
				return x.W.For(in.Len(), 4, func(_ *pool.Worker, lo, hi int) {
					part := ndarray.Slice[float64](buf)[lo:hi]
					old := make([]float64, hi-lo)
					ndarray.Load(part, x.In[0], lo)
					if add {
						ndarray.Load(old, x.Out[0], lo)
					}
					for i := range part {
						part[i] = old[i] + 2*part[i]
					}
					ndarray.Store(x.Out[0], part, lo)
				})
			},
		}, nil
	},
}

// kernel makes a kernel "bad X Y" of f64 arrays that runs fn.
func kernel(fn func(x *kernels.Exec) error) []*kernels.Kernel {
	return []*kernels.Kernel{{
		Name: "bad", Synopsis: "bad X [Y]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputOptional,
		Plan: func(c *kernels.Call) (*kernels.Plan, error) {
			p := &kernels.Plan{Run: fn, Cost: kernels.Cost{Scratch: 100}}
			for range c.Out {
				p.Out = append(p.Out, kernels.OutSpec{DType: ndarray.F64, Shape: c.In[0].Layout.Shape})
			}
			return p, nil
		},
	}}
}

func array(n int) ndarray.Array {
	a := ndarray.New(ndarray.F64, n)
	for i, s := 0, ndarray.Slice[float64](a); i < n; i++ {
		s[i] = float64(i)
	}
	return a
}

func operands() map[string]ndarray.Array {
	return map[string]ndarray.Array{"x": array(10), "y": array(10), "b": ndarray.New(ndarray.Bool, 3)}
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		line string
		out  string
		want []float64
	}{
		{"double x z", "z", []float64{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}},
		{"double x[8:] y", "y", []float64{16, 18}},
		{"double x[:3] y[::-4]", "y", []float64{0, 4, 2, 3, 4, 2, 6, 7, 8, 0}},
		{"double x x", "x", []float64{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}},
		{"double x[:2] y[:2] add=1", "y", []float64{0, 3, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"double x[::-1] y add=1", "y", []float64{18, 17, 16, 15, 14, 13, 12, 11, 10, 9}},
		{"double x:u8:2x8[1,6:] z", "z", []float64{2 * 0xf0, 2 * 0x3f}}, // the bytes of 1.0
		{"double x:f64[2] z", "z", []float64{4}},
	} {
		ops := operands()
		out, answer, err := kerneltest.Run(t, []*kernels.Kernel{double}, c.line, ops, kerneltest.Threads(1, 3))
		if err != nil || answer != "" || len(out) != 1 {
			t.Errorf("%s: %v, answer %q, %d outputs", c.line, err, answer, len(out))
			continue
		}
		if got := ndarray.Slice[float64](out[c.out]); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.line, got, c.want)
		}
		if y := ndarray.Slice[float64](ops["y"]); y[0] != 0 || y[9] != 9 {
			t.Errorf("%s: the operand itself was written", c.line)
		}
	}
}

func TestAnswer(t *testing.T) {
	ks := kernel(func(x *kernels.Exec) error { x.Answer("42"); return nil })
	if _, answer, err := kerneltest.Run(t, ks, "bad x", operands()); answer != "42" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestRefusals(t *testing.T) {
	for line, want := range map[string]error{
		"double 'x": syscall.EINVAL, "doubel x y": syscall.EINVAL, "double x": syscall.EINVAL, "double nope y": syscall.ENOENT,
		"double x[11] y": syscall.EINVAL, "double x:f64:11 y": syscall.EINVAL, "double x y[11]": syscall.EINVAL,
		"double x z[:]": syscall.ENOENT, "double x y:f32:10": syscall.EINVAL, "double x z add=1": syscall.ENOENT, "double b y": syscall.EINVAL,
	} {
		_, _, err := kerneltest.Run(t, []*kernels.Kernel{double}, line, operands())
		var e *command.Error
		if !errors.As(err, &e) || !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", line, err, want)
		}
	}
}

func TestFailures(t *testing.T) {
	fault := errors.New("fault")
	if _, _, err := kerneltest.Run(t, kernel(func(*kernels.Exec) error { return fault }), "bad x y", operands()); !errors.Is(err, fault) {
		t.Error(err)
	}
	var p *pool.PanicError
	if _, _, err := kerneltest.Run(t, kernel(func(*kernels.Exec) error { panic("ouch") }), "bad x y", operands()); !errors.As(err, &p) {
		t.Errorf("%v is no *pool.PanicError", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := kerneltest.Run(t, []*kernels.Kernel{double}, "double x y", operands(), kerneltest.Context(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run gave %v", err)
	}
}

// recorder is a test that keeps its errors.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// The kit sees when a kernel breaks its promises.
func TestWatch(t *testing.T) {
	for _, c := range []struct {
		want string
		line string
		fn   func(x *kernels.Exec) error
	}{
		{"wrote to its input x", "bad x y", func(x *kernels.Exec) error { x.In[0].Data[3] = 1; return nil }},
		{"wrote beside its output", "bad x y", func(x *kernels.Exec) error { beside(x.Out[0].Data, len(x.Out[0].Data)); return nil }},
		{"wrote beside its output", "bad x y", func(x *kernels.Exec) error { beside(x.Out[0].Data, -1); return nil }},
		{"101 bytes of scratch memory were taken, the plan has 100", "bad x y", func(x *kernels.Exec) error { x.Mem.Alloc(1); x.Mem.Alloc(100); return nil }},
		{"wrote beside its scratch memory", "bad x y", func(x *kernels.Exec) error { beside(x.Mem.Alloc(10), 10); return nil }},
		{"neither output nor answer", "bad x", func(*kernels.Exec) error { return nil }},
		{"y differ between 1 and 2 threads", "bad x y", func(x *kernels.Exec) error { x.Out[0].Data[0] = byte(x.W.Threads()); return nil }},
		{`the answer ("1", "2") differ`, "bad x", func(x *kernels.Exec) error { x.Answer(fmt.Sprint(x.W.Threads())); return nil }},
	} {
		r := &recorder{TB: t}
		if _, _, err := kerneltest.Run(r, kernel(c.fn), c.line, operands(), kerneltest.Threads(1, 2)); err != nil {
			t.Error(err)
		}
		if len(r.errors) == 0 || !strings.Contains(r.errors[0], c.want) {
			t.Errorf("got %q, want %q", r.errors, c.want)
		}
	}
}

// A job may be run again, on a pool of the caller's.
func TestRunOn(t *testing.T) {
	j, err := kerneltest.Prepare(t, []*kernels.Kernel{double}, "double x y", operands())
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	first := j.Plan
	for range 3 {
		if err := j.RunOn(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if j.Plan == first || ndarray.Slice[float64](j.Outputs["y"])[9] != 18 {
		t.Error("the second run did not plan anew, or not compute")
	}
}
