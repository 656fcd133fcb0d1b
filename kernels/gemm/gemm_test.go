package gemm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/command"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// onEachISA runs f at every level of the machine.
func onEachISA(t *testing.T, f func(t *testing.T)) {
	best := simd.Best()
	defer func() {
		if err := simd.Force(best); err != nil {
			t.Error(err)
		}
	}()
	for isa := simd.Generic; isa <= best; isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		t.Run(isa.String(), f)
	}
}

type operands = map[string]ndarray.Array

// integers makes an array of small integers, of which products and sums are
// exact in every type.
func integers(r *rand.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	v := make([]complex128, a.Len())
	for i := range v {
		v[i] = complex(float64(r.IntN(9)-4), float64(r.IntN(9)-4))
		if d.IsUnsigned() {
			v[i] = complex(float64(r.IntN(9)), 0)
		}
		if d == ndarray.F16 || d == ndarray.BF16 { // so that sums are, too
			v[i] = complex(float64(r.IntN(3)-1), 0)
		}
	}
	ndarray.Store(a, v, 0)
	return a
}

func values(a ndarray.Array) []complex128 {
	v := make([]complex128, a.Len())
	ndarray.Load(v, a, 0)
	return v
}

// disguise gives a's values another layout: reversed, spread, transposed in
// memory, byte-swapped, unaligned.
func disguise(r *rand.Rand, a ndarray.Array) ndarray.Array {
	size := a.DType.Size()
	l := ndarray.Layout{DType: a.DType, Shape: slices.Clone(a.Shape), Strides: make([]int, a.Rank())}
	step := size
	for _, axis := range r.Perm(a.Rank()) {
		gap := 1 + r.IntN(2)
		l.Strides[axis] = step * gap
		step *= gap * max(a.Shape[axis], 1)
	}
	for axis, n := range l.Shape {
		if r.IntN(3) == 0 && n > 0 {
			l.Offset += (n - 1) * l.Strides[axis]
			l.Strides[axis] = -l.Strides[axis]
		}
	}
	l.Swapped = size > 1 && r.IntN(4) == 0
	data := make([]byte, step+size+8)
	if r.IntN(4) == 0 {
		l.Offset += 1 + r.IntN(7)
	}
	out := ndarray.Array{Layout: l, Data: data}
	if err := ndarray.Convert(out, a); err != nil {
		panic(err)
	}
	return out
}

// product is C = alpha·A·B + beta·C of matrices, element by element.
func reference(a, b, c []complex128, m, n, k int, alpha, beta complex128) []complex128 {
	out := make([]complex128, m*n)
	for i := range m {
		for j := range n {
			var sum complex128
			row := a[i*k : i*k+k]
			for p, v := range row {
				sum += v * b[p*n+j]
			}
			out[i*n+j] = alpha * sum
			if beta != 0 {
				out[i*n+j] += beta * c[i*n+j]
			}
		}
	}
	return out
}

// run executes a line on one and two threads.
func run(t *testing.T, line string, in operands) ndarray.Array {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Threads(1, 2))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out["c"]
}

var inputTypes = []ndarray.DType{
	ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.BF16, ndarray.F16,
	ndarray.I8, ndarray.U8, ndarray.I32, ndarray.U32, ndarray.I64, ndarray.U64,
}

// TestViews multiplies random shapes in random layouts with random scalars.
func TestViews(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 84 {
			d := inputTypes[i%len(inputTypes)]
			m, n, k := r.IntN(30), r.IntN(50), r.IntN(30)
			if i%20 == 0 { // beyond the unpacked path, in several blocks of k
				m, n, k = 15+r.IntN(10), 30+r.IntN(10), 1030+r.IntN(20)
			}
			a, b := integers(r, d, m, k), integers(r, d, k, n)
			alpha, beta := complex(float64(r.IntN(4)), 0), complex(float64(r.IntN(3)), 0)
			if d.IsComplex() && r.IntN(2) == 0 {
				alpha, beta = 1+2i, 2-1i
			}
			sum := resultType(d)
			c := integers(r, sum, m, n)
			in := operands{"a": disguise(r, a), "b": disguise(r, b), "c": disguise(r, c)}
			line := fmt.Sprintf("gemm a b c alpha=%s beta=%s", text(alpha), text(beta))
			if r.IntN(2) == 0 { // update in place, in c's own layout
				line = strings.Replace(line, " c ", " c[...] ", 1)
			}
			got := values(run(t, line, in))
			want := reference(values(a), values(b), values(c), m, n, k, alpha, beta)
			compare(t, fmt.Sprintf("%s %dx%dx%d %s", d, m, n, k, line), sum, got, want)
		}
	})
}

// resultType is the type that products of d come out in.
func resultType(d ndarray.DType) ndarray.DType {
	switch {
	case d == ndarray.F16 || d == ndarray.BF16:
		return ndarray.F32
	case d.Size() == 1:
		return ndarray.I32
	}
	return d
}

func text(c complex128) string {
	if imag(c) == 0 {
		return fmt.Sprint(real(c))
	}
	return fmt.Sprintf("%g%+gj", real(c), imag(c))
}

// compare wants equal values; unsigned ones modulo their range.
func compare(t *testing.T, what string, d ndarray.DType, got, want []complex128) {
	t.Helper()
	round := ndarray.New(d, len(want))
	ndarray.Store(round, want, 0)
	for i, v := range values(round) {
		if d.IsUnsigned() {
			v = want[i]
		}
		if got[i] != v {
			t.Fatalf("%s: element %d is %v, not %v", what, i, got[i], v)
		}
	}
}

// TestTransposes checks ta and tb on stacks of matrices.
func TestTransposes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const m, n, k = 5, 19, 7
	a, b := integers(r, ndarray.C64, m, k), integers(r, ndarray.C64, k, n)
	for _, ta := range []string{"n", "t", "c"} {
		for _, tb := range []string{"n", "t", "c"} {
			in := operands{"a": given(a, ta), "b": given(b, tb)}
			got := values(run(t, "gemm a b c ta="+ta+" tb="+tb, in))
			compare(t, ta+tb, ndarray.C64, got, reference(values(a), values(b), nil, m, n, k, 1, 0))
		}
	}
}

// given is x such that op(given) = x.
func given(x ndarray.Array, op string) ndarray.Array {
	if op == "n" {
		return x
	}
	y := ndarray.New(x.DType, x.Shape[1], x.Shape[0])
	if err := ndarray.Convert(y, x.Permute(1, 0)); err != nil {
		panic(err)
	}
	if op == "c" {
		v := values(y)
		for i := range v {
			v[i] = complex(real(v[i]), -imag(v[i]))
		}
		ndarray.Store(y, v, 0)
	}
	return y
}

// TestMatmulShapes checks numpy.matmul's rules for vectors and batches.
func TestMatmulShapes(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"3", "3", "scalar"}, {"3", "3x2", "2"}, {"2x3", "3", "2"},
		{"4x2x3", "3x5", "4x2x5"}, {"2x3", "4x3x5", "4x2x5"}, {"4x1x2x3", "6x3x5", "4x6x2x5"},
		{"3", "4x3x5", "4x5"}, {"4x2x3", "3", "4x2"}, {"0x2x3", "3x5", "0x2x5"}, {"4x2x0", "0x5", "4x2x5"},
		{"70x2x3", "3x5", "70x2x5"}, {"70x20x30", "70x30x5", "70x20x5"},
	} {
		for _, d := range []ndarray.DType{ndarray.F64, ndarray.I8} {
			r := rand.New(rand.NewPCG(5, 6))
			sa, sb := shape(c.a), shape(c.b)
			a, b := integers(r, d, sa...), integers(r, d, sb...)
			out := run(t, "gemm a b c", operands{"a": disguise(r, a), "b": disguise(r, b)})
			if got := ndarray.ShapeString(out.Shape); got != c.want {
				t.Fatalf("%s times %s has shape %s, not %s", c.a, c.b, got, c.want)
			}
			compare(t, c.a+" "+c.b, resultType(d), values(out), matmul(a, b))
		}
	}
}

func shape(s string) []int {
	out, err := ndarray.ParseShape(s)
	if err != nil {
		panic(err)
	}
	return out
}

// matmul is numpy.matmul, element by element.
func matmul(a, b ndarray.Array) (out []complex128) {
	if a.Rank() == 1 {
		a.Layout = insertAxis(a.Layout, 0)
	}
	if b.Rank() == 1 {
		b.Layout = insertAxis(b.Layout, 1)
	}
	ra, rb := a.Rank(), b.Rank()
	m, k, n := a.Shape[ra-2], a.Shape[ra-1], b.Shape[rb-1]
	batch, err := ndarray.BroadcastShapes(a.Shape[:ra-2], b.Shape[:rb-2])
	if err != nil {
		panic(err)
	}
	a.Layout = stretch(a.Layout, append(slices.Clone(batch), m, k))
	b.Layout = stretch(b.Layout, append(slices.Clone(batch), k, n))
	av, bv := values(a), values(b)
	items := 1
	for _, s := range batch {
		items *= s
	}
	for i := range items {
		out = append(out, reference(av[i*m*k:], bv[i*k*n:], nil, m, n, k, 1, 0)...)
	}
	return out
}

// TestEpilogue checks the order bias, act, residual, in every path.
func TestEpilogue(t *testing.T) {
	acts := map[string]func(float64) float64{
		"none": func(x float64) float64 { return x },
		"relu": func(x float64) float64 { return max(x, 0) },
		"gelu": func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
		"silu": func(x float64) float64 { return x / (1 + math.Exp(-x)) },
		"tanh": math.Tanh, "sigmoid": func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	}
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for act, f := range acts {
			for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.BF16} {
				for _, s := range [][3]int{{7, 300, 5}, {15, 33, 520}, {1, 40, 6}, {40, 1, 6}} {
					testEpilogue(t, r, act, f, d, s)
				}
			}
		}
	})
}

func testEpilogue(t *testing.T, r *rand.Rand, act string, f func(float64) float64, d ndarray.DType, s [3]int) {
	m, n, k := s[0], s[1], s[2]
	sum := resultType(d)
	a, b, bias, res := integers(r, d, m, k), integers(r, d, k, n), integers(r, sum, n), integers(r, d, m, 1)
	in := operands{"a": a, "b": b, "x": bias, "y": disguise(r, res)}
	out := values(run(t, "gemm a b c alpha=0.125 bias=x residual=y act="+act, in))
	want := reference(values(a), values(b), nil, m, n, k, 0.125, 0)
	biases, residuals := values(bias), values(res)
	for i, v := range want {
		w := f(real(v)+real(biases[i%n])) + real(residuals[i/n])
		if math.Abs(real(out[i])-w) > 1e-6*(1+math.Abs(w)) {
			t.Fatalf("%s %s %v: element %d is %v, not %v", act, d, s, i, real(out[i]), w)
		}
	}
}

// TestOutputTypes stores products of halves as f32 and rounded.
func TestOutputTypes(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, d := range []ndarray.DType{ndarray.F16, ndarray.BF16} {
			a, b := integers(r, d, 33, 70), integers(r, d, 70, 41)
			want := reference(values(a), values(b), nil, 33, 41, 70, 1, 0)
			out := run(t, fmt.Sprintf("gemm a b c:%s:33x41", d), operands{"a": a, "b": b})
			if out.DType != d {
				t.Fatalf("the output is %s", out.DType)
			}
			compare(t, d.String(), d, values(out), want)
		}
	})
}

// TestBytesExact multiplies bytes at the ends of their range, over sums that
// would saturate 16 bits.
func TestBytesExact(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, types := range [][2]ndarray.DType{{ndarray.I8, ndarray.I8}, {ndarray.U8, ndarray.I8}, {ndarray.I8, ndarray.U8}, {ndarray.U8, ndarray.U8}} {
			for _, k := range []int{1, 3, 64, 2051} {
				a, b := extremes(r, types[0], 15, k), extremes(r, types[1], k, 18)
				want := reference(values(a), values(b), nil, 15, 18, k, 1, 0)
				for _, op := range []string{"n", "t"} { // values side by side along k, or across
					in := operands{"a": given(a, op), "b": given(b, op)}
					got := values(run(t, "gemm a b c ta="+op+" tb="+op, in))
					compare(t, fmt.Sprint(types, k, op), ndarray.I32, got, want)
				}
			}
		}
	})
}

func extremes(r *rand.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	for i := range a.Data[:a.Bytes()] {
		a.Data[i] = []byte{0x80, 0x7f, 0xff, 0x80, 0, 1}[r.IntN(6)]
	}
	return a
}

// TestWrap checks that integer sums wrap as numpy's do.
func TestWrap(t *testing.T) {
	a := ndarray.New(ndarray.I32, 1, 2)
	copy(ndarray.Slice[int32](a), []int32{math.MaxInt32, math.MaxInt32})
	b := ndarray.New(ndarray.I32, 2, 1)
	copy(ndarray.Slice[int32](b), []int32{2, 1})
	if got := ndarray.Slice[int32](run(t, "gemm a b c", operands{"a": a, "b": b}))[0]; got != math.MaxInt32-2 {
		t.Errorf("%d", got)
	}
}

func TestErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	in := operands{
		"f": integers(r, ndarray.F32, 3, 3), "d": integers(r, ndarray.F64, 3, 3), "i": integers(r, ndarray.I32, 3, 3),
		"s": integers(r, ndarray.I16, 3, 3), "v": integers(r, ndarray.F32, 3), "z": integers(r, ndarray.F32),
		"w": integers(r, ndarray.F32, 4, 3), "t": integers(r, ndarray.F32, 2, 3, 3), "u": integers(r, ndarray.F32, 5, 3, 3),
	}
	for _, c := range []struct{ line, want string }{
		{"gemm f d c", "cast to f64 first"},
		{"gemm d f c", "cast f to f64"},
		{"gemm s s c", "does not take i16"},
		{"gemm f w c", "4 rows to add over"},
		{"gemm z f c", "is a scalar"},
		{"gemm v f c ta=t", "one axis"},
		{"gemm t u c", "leading axes"},
		{"gemm f f c:f64:3x3", "not f64"},
		{"gemm f f c:f32:3x4", "3x4"},
		{"gemm f f c alpha=1+2j", "complex"},
		{"gemm i i c alpha=0.5", "integer"},
		{"gemm i i c act=relu", "act"},
		{"gemm f f c bias=d", "bias is f64"},
		{"gemm f f c bias=w", "bias"},
		{"gemm f f c beta=1", "does not exist"},
		{"gemm f f c act=softplus", "act"},
		{"gemm f c", "operand"},
	} {
		_, _, err := kerneltest.Run(t, Kernels(), c.line, in)
		var e *command.Error
		if !errors.As(err, &e) || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: %v, and %q is wanted", c.line, err, c.want)
		} else if e.Errno != syscall.EINVAL && e.Errno != syscall.ENOENT {
			t.Errorf("%s: errno %v", c.line, e.Errno)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := operands{"a": ndarray.New(ndarray.F32, 300, 300), "b": ndarray.New(ndarray.F32, 300, 300), "h": ndarray.New(ndarray.F16, 300, 300)}
	for _, line := range []string{"gemm a b c", "gemm h h c", "gemm h h c:f16:300x300"} {
		if _, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Context(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestDot(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for _, d := range inputTypes {
			for _, n := range []int{0, 1, 5, 1000} {
				a, b := integers(r, d, n), integers(r, d, n)
				in := operands{"a": disguise(r, a), "b": disguise(r, b)}
				want := reference(values(a), values(b), nil, 1, 1, n, 1, 0)
				out, _, err := kerneltest.Run(t, Kernels(), "dot a b c", in, kerneltest.Threads(1, 2))
				if err != nil {
					t.Fatalf("%s %d: %v", d, n, err)
				}
				compare(t, "dot "+d.String(), resultType(d), values(out["c"]), want)
			}
		}
	})
}

// TestDotLong adds up more than a task's part.
func TestDotLong(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		a := filled(ndarray.F32, 1, 3*dotDepth+17)
		for _, path := range []string{"a", "a[::-1]"} {
			_, answer, err := kerneltest.Run(t, Kernels(), "dot a "+path, operands{"a": a}, kerneltest.Threads(1, 2))
			if want := fmt.Sprintf("%d.0", a.Len()); err != nil || answer != want {
				t.Errorf("%s: %s, %v; not %s", path, answer, err, want)
			}
		}
	})
}

func TestDotAnswers(t *testing.T) {
	for _, c := range []struct {
		d      ndarray.DType
		v      complex128
		option string
		want   string
	}{
		{ndarray.F32, 0.1, "", "0.010000001"}, {ndarray.F64, 1e10, "", "1e+20"}, {ndarray.F64, complex(math.NaN(), 0), "", "nan"},
		{ndarray.I8, -128, "", "16384"}, {ndarray.U64, 3, "", "9"}, {ndarray.C64, 1 + 2i, "", "(-3+4j)"}, {ndarray.C64, 1 + 2i, " conj=true", "(5+0j)"},
		{ndarray.F16, 0.5, "", "0.25"}, {ndarray.F64, complex(math.Inf(-1), 0), "", "inf"},
	} {
		in := operands{"a": filled(c.d, c.v, 1)}
		_, answer, err := kerneltest.Run(t, Kernels(), "dot a a"+c.option, in)
		if err != nil || answer != c.want {
			t.Errorf("%s %v: %q, %v; not %q", c.d, c.v, answer, err, c.want)
		}
	}
	in := operands{"a": filled(ndarray.F32, 1, 2, 2), "b": filled(ndarray.F32, 1, 3), "d": filled(ndarray.F64, 1, 3), "e": filled(ndarray.F32, 1, 4)}
	for _, line := range []string{"dot a b", "dot b d", "dot b e"} {
		if _, _, err := kerneltest.Run(t, Kernels(), line, in); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// The last block of k is short, and so its blocks of columns are wide.
func TestShortLastBlock(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	a, b := integers(r, ndarray.I8, 9, 2051), integers(r, ndarray.I8, 2051, 1500)
	c := run(t, "gemm a b c", operands{"a": a, "b": b})
	got := values(c)
	row, all := values(a)[8*2051:], values(b)
	for _, j := range []int{0, 700, 1499} {
		var sum complex128
		for p, v := range row {
			sum += real1(v) * real1(all[p*1500+j])
		}
		if got[8*1500+j] != sum {
			t.Errorf("column %d: %v, want %v", j, got[8*1500+j], sum)
		}
	}
}

func real1(v complex128) complex128 { return complex(real(v), 0) }
