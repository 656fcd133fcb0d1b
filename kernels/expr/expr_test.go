package expr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

func array[T ndarray.Element](d ndarray.DType, v []T, shape ...int) ndarray.Array {
	if shape == nil {
		shape = []int{len(v)}
	}
	a := ndarray.New(d, shape...)
	ndarray.Store(a, v, 0)
	return a
}

// run evaluates with operands that have their names, and gives z.
func evaluate[T ndarray.Element](t *testing.T, expr string, in arrays) ([]T, ndarray.Array) {
	t.Helper()
	line := "map " + quote(expr) + " z=z"
	stmts, err := parse(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	for name := range analyse(stmts).read {
		if _, ok := in[name]; ok && name != "z" {
			line += " " + name + "=" + name
		}
	}
	out, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Threads(1, 3))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	v := make([]T, out["z"].Len())
	ndarray.Load(v, out["z"], 0)
	return v, out["z"]
}

// Values and types of expressions without arrays, and beside scalars.
func TestLiterals(t *testing.T) {
	in := arrays{"x": array(ndarray.F32, []float64{3}), "s": array(ndarray.F32, []float64{2}, []int{}...), "u": array(ndarray.U8, []float64{7}), "p": array(ndarray.Bool, []float64{1}),
		"h": array(ndarray.F16, []float64{2}), "k": array(ndarray.BF16, []float64{2}), "n": array(ndarray.I32, []float64{-2}), "q": array(ndarray.U64, []uint64{1 << 63})}
	for _, c := range []struct {
		expr string
		dt   ndarray.DType
		want complex128
	}{
		{"z = 7", ndarray.I64, 7}, {"z = 7//2 - 7//-2 + 7%-2", ndarray.I64, 6}, {"z = 1/4", ndarray.F64, 0.25}, {"z = 2j", ndarray.C128, 2i}, {"z = (1+2i)*2", ndarray.C128, 2 + 4i},
		{"z = True", ndarray.Bool, 1}, {"z = True + False", ndarray.Bool, 1}, {"z = 0x10 | 0b11", ndarray.I64, 19}, {"z = 2**62", ndarray.I64, 1 << 62}, {"z = 2**-1", ndarray.F64, 0.5},
		{"z = 2**70 >> 69", ndarray.I64, 2}, {"z = -1 << 3", ndarray.I64, -8}, {"z = 5 ^ 1", ndarray.I64, 4}, {"z = ~5 & 0xff", ndarray.I64, 250}, {"z = 3 < 2", ndarray.Bool, 0},
		{"z = sqrt(16)", ndarray.F64, 4}, {"z = sqrt(16)*x", ndarray.F32, 12}, {"z = min(2, 3)*u", ndarray.U8, 14}, {"z = pi - pi + x", ndarray.F32, 3}, {"z = x*2j", ndarray.C64, 6i},
		{"z = u*2.5", ndarray.F64, 17.5}, {"z = p*3", ndarray.I64, 3}, {"z = p*0.5", ndarray.F64, 0.5}, {"z = h*0.5", ndarray.F16, 1}, {"z = k*0.5", ndarray.BF16, 1}, {"z = h*k", ndarray.F32, 4},
		{"z = h*2j", ndarray.C64, 4i}, {"z = n*1j", ndarray.C128, -2i}, {"z = u + h", ndarray.F16, 9}, {"z = n + h", ndarray.F64, 0}, {"z = exp(u - u)", ndarray.F16, 1}, {"z = +x", ndarray.F32, 3},
		{"z = f32(2)*h", ndarray.F32, 4}, {"z = i16(300.7)", ndarray.I16, 300}, {"z = bool(0.5)", ndarray.Bool, 1}, {"z = c64(2)", ndarray.C64, 2}, {"z = c128(x)", ndarray.C128, 3}, {"z = f16(u)", ndarray.F16, 7},
		{"z = bf16(n)", ndarray.BF16, -2}, {"z = f16(1/3)", ndarray.F16, 0.333251953125}, {"z = bf16(1/3)", ndarray.BF16, 0.333984375}, {"z = where(1, 2, 3.5)", ndarray.F64, 2}, {"z = abs(-3)", ndarray.I64, 3},
		{"z = x**2", ndarray.F32, 9}, {"z = n**2", ndarray.I32, 4}, {"z = n**3", ndarray.I32, -8}, {"z = x**0.5*x**0.5", ndarray.F32, complex(float64(float32(math.Sqrt(3))*float32(math.Sqrt(3))), 0)},
		{"z = x**-1", ndarray.F32, complex(float64(1/float32(3)), 0)}, {"z = u**n", ndarray.I32, 0}, {"z = p**p", ndarray.I8, 1}, {"z = p // p", ndarray.I8, 1}, {"z = n << u", ndarray.I32, -256},
		{"z = real(x) + imag(x)", ndarray.F32, 3}, {"z = angle(n)", ndarray.F64, math.Pi}, {"z = imag(2+3j)", ndarray.F64, 3}, {"z = conj(complex(x, 1))", ndarray.C64, 3 - 1i}, {"z = clip(n, 0, 9)", ndarray.I32, 0},
		{"z = round(n) + floor(u)", ndarray.I32, 5}, {"z = q > -1", ndarray.Bool, 1}, {"z = q > n", ndarray.Bool, 1}, {"z = n < q", ndarray.Bool, 1}, {"z = n == q", ndarray.Bool, 0}, {"z = u < 300", ndarray.Bool, 1},
		{"z = 300 <= u", ndarray.Bool, 0}, {"z = u != -1", ndarray.Bool, 1}, {"z = e", ndarray.F64, math.E}, {"z = s*x", ndarray.F32, 6}, {"z = gelu(s) > 1.9", ndarray.Bool, 1}, {"e = 5; z = e", ndarray.I64, 5},
		{"z = 1 // 2.0", ndarray.F64, 0}, {"z = -7 % 3", ndarray.I64, 2}, {"z = reciprocal(s)", ndarray.F32, 0.5}, {"z = maximum(arctan2(0, 1), 0)", ndarray.F64, 0}, {"z = .5e1", ndarray.F64, 5}, {"z = 1e400", ndarray.F64, complex(math.Inf(1), 0)},
		{"z = c64(complex(x, x)) == complex(x, x)", ndarray.Bool, 1}, {"z = complex(0, 1)**2", ndarray.C128, -1}, {"z = (1j*x)**3", ndarray.C64, -27i}, {"z = (1j*x)**-3", ndarray.C64, complex(0, float64(float32(1)/27))},
	} {
		v, a := evaluate[complex128](t, c.expr, in)
		if a.DType != c.dt || len(v) != 1 || v[0] != c.want {
			t.Errorf("%s: %v of %v, want %v of %v", c.expr, v, a.DType, c.want, c.dt)
		}
	}
}

// The caret stands under the fault.
func TestErrors(t *testing.T) {
	in := arrays{"X": array(ndarray.F32, []float64{1, 2, 3}), "N": array(ndarray.I32, []float64{1, 2}), "C": array(ndarray.C64, []float64{1}), "U": array(ndarray.U8, []float64{1}), "P": array(ndarray.Bool, []float64{1})}
	for _, c := range []struct{ line, caret, msg string }{
		{`map "z = x + q" x=X z=Z`, "q", "unknown name q"}, {`map 'z = x + sin' x=X z=Z`, "sin", "is a function"}, {`map "z = foo(x)" x=X z=Z`, "foo", "unknown function"},
		{`map "z = x +" x=X z=Z`, "", "ends too early"}, {`map "z = (x" x=X z=Z`, "(", "not closed"}, {`map "z = sin(x" x=X z=Z`, "(", "not closed"}, {`map "z = x)" x=X z=Z`, ")", "unexpected"},
		{`map "z = x @ x" x=X z=Z`, "@", "unexpected character"}, {`map "z = x[0]" x=X z=Z`, "[", "slice the operand"}, {`map "z = !x" x=X z=Z`, "!", "write ~"}, {`map "z = xé" x=X z=Z`, "é", "unexpected"},
		{`map "z = 1 < x < 2" x=X z=Z`, "<", "chained"}, {`map "z = x and x" x=X z=Z`, "and", "single values"}, {`map "z = x if x else 2" x=X z=Z`, "if", "where"}, {`map "z = not x" x=X z=Z`, "not", "single values"},
		{`map "x + 1" x=X z=Z`, "x", "begins with NAME"}, {`map "z = x = 2" x=X z=Z`, "=", "compare"}, {`map "" x=X z=Z`, "", "empty"}, {`map " ; " x=X z=Z`, " ; ", "empty"}, {`map "5 = x" x=X`, "5", "unexpected"},
		{`map "z = 12ab" z=Z`, "12ab", "not a number"}, {`map "z = 1e+" z=Z`, "1e", "no digits"}, {`map "z = 0xfj" z=Z`, "0xfj", "not a number"}, {`map "z = 2**200" z=Z`, "2**200", "bits"},
		{`map "z = 1 << 999" z=Z`, "1 << 999", "too large"}, {`map "z = 1 << -1" z=Z`, "1 << -1", "negative shift"}, {`map "z = 3 // 0" z=Z`, "3 // 0", "by zero"}, {`map "z = 2**100" z=Z`, "2**100", "does not fit i64"},
		{`map "z = u + 300" u=U z=Z`, "300", "does not fit u8"}, {`map "z = u - -1" u=U z=Z`, "-1", "does not fit u8"}, {`map "z = n ** -1" n=N z=Z`, "-1", "negative power"}, {`map "z = x & 1" x=X z=Z`, "x & 1", "does not take f32"},
		{`map "z = -p" p=P z=Z`, "-p", "does not take bool"}, {`map "z = +p" p=P z=Z`, "+p", "does not take bool"}, {`map "z = c < 1" c=C z=Z`, "c < 1", "no order"}, {`map "z = max(c, 1)" c=C z=Z`, "max(c, 1)", "no order"},
		{`map "z = f32(c)" c=C z=Z`, "f32(c)", "imaginary part"}, {`map "z = i32(2j)" z=Z`, "i32(2j)", "imaginary part"}, {`map "z = gamma(c)" c=C z=Z`, "gamma(c)", "does not take c64"}, {`map "z = complex(c, 1)" c=C z=Z`, "complex(c, 1)", "does not take"},
		{`map "z = x + n" x=X n=N z=Z`, "x + n", "broadcast"}, {`map "z = atan2(x)" x=X z=Z`, "atan2(x)", "takes 2 arguments"}, {`map "z = sin()" z=Z`, "sin()", "takes 1 arguments"}, {`map "z = sin(x,)" x=X z=Z`, ")", "unexpected"},
		{`map "z = x" x=X`, "z", "no output"}, {`map "z = x" x=X z=Z w=W`, "w", "no option w"}, {`map "z = x" more x=X z=Z`, "more", "one expression"}, {`map x=X`, "map", "one expression"},
		{`map "z = x/2" x=N z=Z:i32:2`, "Z:i32:2", "not stored as i32"}, {`map "z = x" x=X z=Z:f32:2`, "Z:f32:2", "shape"}, {`map "z = x; w = x" x=X z=Z w=Z`, "Z", "already"}, {`map "z = x" x= z=Z`, "", "path"},
		{`map "a = b; z = b" z=Z b=X a=A:u8:3`, "A:u8:3", "not stored"}, {`map "z = sqrt(p)/0 + ~sqrt(p)" p=P z=Z`, "~sqrt(p)", "does not take f16"},
	} {
		_, _, err := kerneltest.Run(t, Kernels(), c.line, in)
		var e *command.Error
		if !errors.As(err, &e) || e.Errno != syscall.EINVAL {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if got := c.line[e.Span.Start:e.Span.End]; got != c.caret && c.caret != "" || !strings.Contains(e.Error(), c.msg) {
			t.Errorf("%s: caret under %q: %v", c.line, got, e)
		}
	}
}

func TestDepth(t *testing.T) {
	for _, text := range []string{
		"z = " + strings.Repeat("(", 60000), "z = " + strings.Repeat("-", 60000) + "1", "z = " + strings.Repeat("1+", 30000) + "1",
		"z = " + strings.Repeat("abs(", 10000), "z = " + strings.Repeat("2**", 20000) + "1",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), "deeply") {
			t.Errorf("%.20s...: %v", text, err)
		}
	}
	// Doubling a value forty times is forty nodes.
	var b strings.Builder
	b.WriteString("a = x")
	for range 40 {
		b.WriteString("; a = a + a")
	}
	v, _ := evaluate[float64](t, b.String()+"; z = a", arrays{"x": array(ndarray.F64, []float64{1})})
	if v[0] != 1<<40 {
		t.Error(v)
	}
}

// Outputs: several, of several shapes, larger than their value, of a wider
// type, in part, and half-width.
func TestOutputs(t *testing.T) {
	in := arrays{
		"x": array(ndarray.F32, []float64{1, 2, 3}), "c": array(ndarray.F32, []float64{10, 20}, 2, 1), "h": array(ndarray.F16, []float64{1, 2048, 3}),
		"old": array(ndarray.I16, []float64{1, 2, 3, 4, 5, 6}, 2, 3), "big": array(ndarray.F64, make([]float64, 5000)), "e": array(ndarray.F32, []float64{}, 0, 3),
	}
	for _, c := range []struct {
		line string
		want map[string]string
	}{
		{`map "a = x + 1; b = a*c" x=x c=c a=A b=B`, map[string]string{"A": "f32:3 [2 3 4]", "B": "f32:2x3 [20 30 40 40 60 80]"}},
		{`map "a = 7" a=A:f64:2x2`, map[string]string{"A": "f64:2x2 [7 7 7 7]"}},
		{`map "a = x" a=A:f64:2x3 x=x`, map[string]string{"A": "f64:2x3 [1 2 3 1 2 3]"}},
		{`map "old = -1" old="old[:,1]"`, map[string]string{"old": "i16:2x3 [1 -1 3 4 -1 6]"}},
		{`map "a = old*2" a="old[::-1,::2]" old="old[:,:2]"`, map[string]string{"old": "i16:2x3 [8 2 10 2 5 4]"}},
		{`map "a = x; b = x; d = x > 1; f = d" x=x a=A b=B d=D f=F`, map[string]string{"A": "f32:3 [1 2 3]", "B": "f32:3 [1 2 3]", "D": "bool:3 [0 1 1]", "F": "bool:3 [0 1 1]"}},
		{`map "a = h + 1; b = a + 1; d = (h + 1) + 1" h=h a=A b=B d=D`, map[string]string{"A": "f16:3 [2 2048 4]", "B": "f16:3 [3 2048 5]", "D": "f16:3 [3 2050 5]"}},
		{`map "a = e*2; b = e > x" e=e x=x a=A b=B`, map[string]string{"A": "f32:0x3 []", "B": "bool:0x3 []"}},
		{`map "x = x*2; y = x" x=x y=Y`, map[string]string{"x": "f32:3 [2 4 6]", "Y": "f32:3 [2 4 6]"}},
		{`map "x = c; c = x" x=x c=c`, nil},
	} {
		out, _, err := kerneltest.Run(t, Kernels(), c.line, in, kerneltest.Threads(1, 2))
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		for name, want := range c.want {
			v := make([]float64, out[name].Len())
			ndarray.Load(v, out[name], 0)
			if got := fmt.Sprint(out[name].Layout, v); got != strings.Replace(want, " [", "[", 1) && got != want {
				t.Errorf("%s: %s is %s, want %s", c.line, name, got, want)
			}
		}
	}
}

// Outputs on their inputs' own memory, over several chunks and pieces.
func TestAlias(t *testing.T) {
	const n = 100_003
	fill := func(d ndarray.DType, k int) ndarray.Array {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64((i*k)%127) + 0.5
		}
		return array(d, v)
	}
	p, err := pool.New(pool.Config{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, c := range []struct{ expr, want string }{
		{"y = 2*x + y", "x x, y 2x+y"}, {"x = y; y = x", "x y, y y"}, {"t = x; x = y; y = t", "x y, y x"}, {"y = x + y; x = x - 1", "x x-1, y x+y"},
		{"x = x - 1; y = y - 1", "x x-1, y y-1"}, {"y = y; x = y + 0", "x y, y y"}, {"t = x*y; x = t; y = t", "x xy, y xy"},
	} {
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.F16, ndarray.I64} {
			x, y := fill(d, 1), fill(d, 3)
			mem := arrays{"x": x, "y": y}
			line := "map " + quote(c.expr)
			line += " x=x y=y"
			j, err := kerneltest.Prepare(t, Kernels(), line, mem)
			if err != nil {
				t.Fatalf("%s: %v", c.expr, err)
			}
			if !j.Plan.Alias {
				t.Fatalf("%s: no alias", c.expr)
			}
			want, _, err := kerneltest.Run(t, Kernels(), line, mem)
			if err != nil {
				t.Fatal(err)
			}
			ex := &kernels.Exec{Ctx: t.Context(), Mem: heap{}}
			for i := range j.Call.In {
				ex.In = append(ex.In, mem[j.Call.In[i].Path])
			}
			for i := range j.Call.Out {
				ex.Out = append(ex.Out, mem[j.Call.Out[i].Path])
			}
			if err := p.Run(t.Context(), pool.Options{}, func(w *pool.Worker) error { ex.W = w; return j.Plan.Run(ex) }); err != nil {
				t.Fatal(err)
			}
			for path := range want {
				if !bytes.Equal(want[path].Data[:n*d.Size()], mem[path].Data[:n*d.Size()]) {
					t.Errorf("%s of %s: %s differs in place", c.expr, d, path)
				}
			}
		}
	}
}

// heap is memory for runs that kerneltest does not do.
type heap struct{}

func (heap) Alloc(n int) []byte { return ndarray.New(ndarray.U8, n+64).Data[:n:n] }

// The compiler: equal subexpressions once, constants and uniform values
// outside the loop, registers reused.
func TestCompile(t *testing.T) {
	in := arrays{"x": array(ndarray.F32, make([]float64, 10)), "s": array(ndarray.F32, []float64{2}, []int{}...)}
	for _, c := range []struct {
		expr             string
		steps, registers string
	}{
		{"z = (x + 1)*(x + 1)", "2", "4"}, {"z = x + 2*3*pi", "1", "3"}, {"z = x * (exp(s) + 1)", "1", "6"}, {"z = x*x + x*x*x", "2", "3"},
		{"z = ((((x+1)*2+1)*2+1)*2+1)*2", "5", "6"}, {"z = x", "0", "1"}, {"z = 5", "0", "1"}, {"t = sin(x); z = x", "0", "1"},
	} {
		line := "map " + quote(c.expr) + " z=z"
		for _, name := range []string{"x", "s"} {
			if used(c.expr, name) {
				line += " " + name + "=" + name
			}
		}
		j, err := kerneltest.Prepare(t, Kernels(), line, in)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range j.Plan.Explain {
			got[e.Term] = e.Text
		}
		if got["steps"] != c.steps || got["registers"] != c.registers {
			t.Errorf("%s: %s steps, %s registers, want %s, %s", c.expr, got["steps"], got["registers"], c.steps, c.registers)
		}
	}
}

// All instruction sets give the same bits.
func TestISAs(t *testing.T) {
	best := simd.Active()
	defer func() {
		if err := simd.Force(best); err != nil {
			t.Error(err)
		}
	}()
	v := make([]float64, 9001)
	for i := range v {
		v[i] = 20*math.Sin(float64(i)) + float64(i%7)
	}
	in := arrays{"x": array(ndarray.F32, v), "y": array(ndarray.F64, v), "h": array(ndarray.F16, v), "n": array(ndarray.I32, v), "u": array(ndarray.U8, v)}
	var exprs []string
	for _, name := range floatFunctions {
		exprs = append(exprs, "z = "+name+"(abs(x)/22)", "z = "+name+"(abs(y)/22)")
	}
	exprs = append(exprs, "z = x*x + y", "z = h*h - x", "z = where(n > u, n, u)", "z = n*u // 3", "z = atan2(x, h)", "z = abs(y)**1.5", "z = min(x, h) != max(n, y)", "z = ~(n < 3) | isfinite(1/x)")
	want := map[string][]byte{}
	for isa := simd.Generic; isa <= best; isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		for _, expr := range exprs {
			_, a := evaluate[float64](t, expr, in)
			if isa == simd.Generic {
				want[expr] = a.Data
			} else if !bytes.Equal(want[expr], a.Data) {
				t.Errorf("%s on %s gives other bits", expr, isa)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := arrays{"x": array(ndarray.F32, make([]float64, 1<<20))}
	if _, _, err := kerneltest.Run(t, Kernels(), `map "z = x + 1" x=x z=z`, in, kerneltest.Context(ctx)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Every function is in the manual, and the examples parse.
func TestManual(t *testing.T) {
	m := Kernels()[0].Manual
	for _, name := range functionNames() {
		_, isType := ndarray.ParseDType(name)
		if !strings.Contains(m.Description, name) && isType != nil && synonyms[name] == "" {
			t.Errorf("the manual lacks %s", name)
		}
	}
	for _, e := range m.Examples {
		for _, text := range e.Lines {
			line, err := command.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if line.Verb.Text == "map" {
				if _, err := kernels.NewRegistry(Kernels()).Bind(line); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
		}
	}
}

// mapped is n elements of anonymous memory in huge pages, as the device's and
// numpy's buffers are.
func mapped(b *testing.B, d ndarray.DType, n int) ndarray.Array {
	data, err := syscall.Mmap(-1, 0, n*d.Size(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := syscall.Munmap(data); err != nil {
			b.Error(err)
		}
	})
	if err := syscall.Madvise(data, syscall.MADV_HUGEPAGE); err != nil {
		b.Log(err)
	}
	clear(data)
	return ndarray.Array{Layout: ndarray.NewLayout(d, n), Data: data}
}

// BenchmarkMap is 64 MiB of f32 an operand, on one thread.
func BenchmarkMap(b *testing.B) {
	const n = 16 << 20
	mem := arrays{"x": mapped(b, ndarray.F32, n), "y": mapped(b, ndarray.F32, n), "z": mapped(b, ndarray.F32, n), "a": array(ndarray.F32, []float64{1.5}, []int{}...)}
	p, err := pool.New(pool.Config{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for _, line := range []string{
		`map "y = a*x + y" a=a x=x y=y`, `map "z = a*x + y" a=a x=x y=y z=z`, `map "z = exp(-x*x) + 2*y" x=x y=y z=z`, `map "z = where(x > 0, sqrt(x), y)" x=x y=y z=z`,
	} {
		b.Run(line[5:12], func(b *testing.B) {
			j, err := kerneltest.Prepare(b, Kernels(), line, arrays{"x": mem["x"], "y": mem["y"], "a": mem["a"]})
			if err != nil {
				b.Fatal(err)
			}
			x := &kernels.Exec{Ctx: b.Context(), Out: []ndarray.Array{mem[j.Call.Out[0].Path]}}
			for i := range j.Call.In {
				x.In = append(x.In, mem[j.Call.In[i].Path])
			}
			b.SetBytes(n * 12)
			for b.Loop() {
				if err := p.Run(b.Context(), pool.Options{}, func(w *pool.Worker) error { x.W = w; return j.Plan.Run(x) }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
