package reduce

import (
	"context"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/command"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
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

func random(n int) []float64 {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64() * math.Exp(4*r.NormFloat64())
	}
	return v
}

// answer runs a line whose answer is text.
func answer(t *testing.T, line string, in arrays) string {
	t.Helper()
	_, text, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Threads(1, 2))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return text
}

// output runs a line with one output, called y.
func output[T ndarray.Element](t *testing.T, line string, in arrays) []T {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Threads(1, 4))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	v := make([]T, out["y"].Len())
	ndarray.Load(v, out["y"], 0)
	return v
}

// treeSum is the order of the package comment, written down naively.
func treeSum(x []float64) float64 {
	var leaves []float64
	for len(x) > 0 {
		b := x[:min(4096, len(x))]
		x = x[len(b):]
		if len(b) < 64 {
			s := 0.0
			for _, v := range b {
				s += v
			}
			leaves = append(leaves, s)
			continue
		}
		var lane [64]float64
		for i, v := range b {
			lane[i%64] += v
		}
		for _, h := range []int{32, 16, 8, 4, 2, 1} {
			for j := range h {
				lane[j] += lane[j+h]
			}
		}
		leaves = append(leaves, lane[0])
	}
	return joinPairs(leaves)
}

func joinPairs(v []float64) float64 {
	for len(v) > 1 {
		var next []float64
		for i := 0; i < len(v); i += 2 {
			if i+1 < len(v) {
				next = append(next, v[i]+v[i+1])
			} else {
				next = append(next, v[i])
			}
		}
		v = next
	}
	return v[0]
}

// treeColumn is the outer order of one column.
func treeColumn(x []float64) float64 {
	var leaves []float64
	for len(x) > 0 {
		n := min(32, len(x))
		s := x[0]
		for _, v := range x[1:n] {
			s += v
		}
		leaves = append(leaves, s)
		x = x[n:]
	}
	return joinPairs(leaves)
}

// The inner order, bit for bit, at the edges of leaves and pieces.
func TestInnerOrder(t *testing.T) {
	for _, n := range []int{1, 2, 63, 64, 65, 127, 4095, 4096, 4097, 8192, 12289, 65535, 65536, 65537, 200003, 65536*3 + 4096*5 + 7} {
		x := random(n)
		want := treeSum(x)
		got := output[float64](t, "sum x y", arrays{"x": array(ndarray.F64, x)})
		if got[0] != want {
			t.Errorf("n=%d: %x, want %x", n, got[0], want)
		}
		// The same elements twice, in rows: long and short, reversed and not.
		two := array(ndarray.F64, append(append([]float64{}, x...), x...), 2, n)
		for _, v := range output[float64](t, "sum x y axis=1", arrays{"x": two}) {
			if v != want {
				t.Errorf("rows of %d: %x, want %x", n, v, want)
			}
		}
	}
}

// The outer order, and that the layout in memory does not change it.
func TestOuterOrder(t *testing.T) {
	for _, shape := range [][2]int{{1, 5}, {2, 3}, {31, 3}, {32, 2}, {33, 1025}, {64, 2}, {511, 3}, {512, 2}, {513, 1030}, {512*5 + 33, 7}, {3000, 2}} {
		k, w := shape[0], shape[1]
		x := random(k * w)
		a := array(ndarray.F64, x, k, w)
		got := output[float64](t, "sum x y axis=0", arrays{"x": a})
		for c := range w {
			col := make([]float64, k)
			for i := range k {
				col[i] = x[i*w+c]
			}
			if want := treeColumn(col); got[c] != want {
				t.Fatalf("%dx%d, column %d: %x, want %x", k, w, c, got[c], want)
			}
		}
		f := ndarray.Array{Layout: a.Layout, Data: make([]byte, len(a.Data))}
		f.Strides = ndarray.FStrides(ndarray.F64, f.Shape)
		if err := ndarray.Convert(f, a); err != nil {
			t.Fatal(err)
		}
		for c, v := range output[float64](t, "sum x y axis=0", arrays{"x": f}) {
			if v != got[c] {
				t.Fatalf("%dx%d: Fortran order gives other bits", k, w)
			}
		}
	}
}

// Sums of f32 are those of exact arithmetic, rounded.
func TestF32SumsAreRounded(t *testing.T) {
	for _, n := range []int{1, 100, 5000, 300000} {
		x := make([]float32, n)
		exact := new(big.Float).SetPrec(400)
		for i, v := range random(n) {
			x[i] = float32(v)
			exact.Add(exact, new(big.Float).SetFloat64(float64(x[i])))
		}
		want, _ := exact.Float32()
		if got := output[float32](t, "sum x y", arrays{"x": array(ndarray.F32, x)}); got[0] != want {
			t.Errorf("n=%d: %v, want %v", n, got[0], want)
		}
	}
}

func TestAnswers(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	in := arrays{
		"x": array(ndarray.F64, []float64{1, 2.5, 9}), "i": array(ndarray.I32, []int64{3, -1, 7}), "b": array(ndarray.Bool, []uint8{0, 1, 1}),
		"u": array(ndarray.U8, []uint64{200, 200}), "z": array(ndarray.C64, []complex64{1 + 2i, 2 - 1i}), "f": array(ndarray.F32, []float64{0.1}),
		"e": array(ndarray.F32, []float64{}), "n": array(ndarray.F64, []float64{4, nan, 7, nan}), "a": array(ndarray.F64, []float64{nan, nan}),
		"big": array(ndarray.F64, []float64{0x3p700, 0x4p700}), "tiny": array(ndarray.F64, []float64{0x3p-700, -0x4p-700}),
		"bigz": array(ndarray.C128, []complex128{0x3p700i, 0x4p700}), "inf": array(ndarray.F64, []float64{1, -inf}), "zero": array(ndarray.F64, []float64{0, 0}),
		"s": array(ndarray.F64, []float64{5}, []int{}...), "h": array(ndarray.F16, []float64{0.1, 2}), "wrap": array(ndarray.I64, []int64{math.MaxInt64, 1}),
		"m": array(ndarray.I64, []int64{1, 2, 3, 4, 5, 6}, 2, 3), "u64": array(ndarray.U64, []uint64{math.MaxUint64, 1 << 63}),
	}
	for _, c := range []struct{ line, want string }{
		{"sum x", "12.5"}, {"sum i", "9"}, {"sum b", "2"}, {"sum u", "400"}, {"sum z", "(3+1j)"}, {"sum f", "0.1"}, {"sum e", "0.0"},
		{"prod e", "1.0"}, {"prod x", "22.5"}, {"mean e", "nan"}, {"mean i", "3.0"}, {"mean z", "(1.5+0.5j)"}, {"any e", "False"}, {"all e", "True"},
		{"any b", "True"}, {"all b", "False"}, {"all x", "True"}, {"max i", "7"}, {"min b", "False"}, {"max u", "200"}, {"max h", "2.0"}, {"min h", "0.1"},
		{"max n", "nan"}, {"nanmax n", "7.0"}, {"nanmin n", "4.0"}, {"nanmax a", "nan"}, {"nanmax i", "7"}, {"nansum n", "11.0"}, {"nanmean n", "5.5"},
		{"nanmean a", "nan"}, {"nansum i", "9"}, {"argmax n", "1"}, {"argmin x", "0"}, {"argmax i", "2"}, {"argmax b", "1"}, {"argmax u64", "0"}, {"argmax m", "5"},
		{"norm big", formatFloat(0x5p700, ndarray.F64)}, {"norm tiny", formatFloat(0x5p-700, ndarray.F64)}, {"norm bigz", formatFloat(0x5p700, ndarray.F64)}, {"norm inf", "inf"}, {"norm zero", "0.0"}, {"norm n", "nan"},
		{"norm x ord=1", "12.5"}, {"norm x ord=inf", "9.0"}, {"norm x ord=-inf", "1.0"}, {"norm b ord=0", "2.0"}, {"norm e", "0.0"}, {"norm i ord=fro", "7.681145747868608"},
		{"sum s", "5.0"}, {"argmax s", "0"}, {"var s", "0.0"}, {"var s ddof=1", "nan"}, {"sum wrap", "-9223372036854775808"}, {"count_nonzero x", "3"},
		{"var x ddof=1", "18.083333333333332"}, {"std zero", "0.0"}, {"var z", "2.5"}, {"max m", "6"}, {"sum m[1]", "15"}, {"sum m[::-1,0] keepdims=1", "5"},
		{"sum u dtype=u8", "144"}, {"sum u dtype=f32", "400.0"}, {"max u64", "18446744073709551615"},
	} {
		if got := answer(t, c.line, in); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	in := arrays{
		"m": array(ndarray.F32, make([]float64, 6), 2, 3), "z": array(ndarray.C64, make([]complex64, 2)), "e": array(ndarray.F64, []float64{}, 3, 0),
		"s": array(ndarray.F64, []float64{5}, []int{}...), "i": array(ndarray.I32, make([]int64, 4)),
	}
	for _, c := range []struct{ line, caret, msg string }{
		{"sum m axis=2", "2", "outside an array of"}, {"sum m axis=-3", "-3", "outside an array of"}, {"sum m y axis=0,-2", "0,-2", "twice"},
		{"sum m axis=0", "m", "shape 3"}, {"min z", "z", "no order"}, {"argmax z", "z", "no order"}, {"softmax z y", "z", "no order"},
		{"min e", "e", "no elements"}, {"argmax e y axis=1", "e", "no elements"}, {"norm e ord=inf", "e", "no elements"}, {"norm m ord=two", "two", "no order"},
		{"sum m y dtype=i32", "i32", "not summed"}, {"sum m y:i64:scalar", "y:i64:scalar", "not stored"}, {"sum s axis=0", "0", "outside an array of"},
		{"sum m y:f32:2", "y:f32:2", "shape"}, {"softmax s y", "s", "scalar"}, {"softmax m y axis=0,1", "0,1", "one axis"}, {"softmax m y axis=2", "2", "outside an array of"},
		{"cumsum m y axis=0,1", "0,1", "one axis"}, {"cumsum m y axis=5", "5", "outside an array of"}, {"cumsum m y dtype=i8", "i8", "not summed"}, {"softmax m y:i32:2x3", "y:i32:2x3", "not stored"},
	} {
		_, _, err := kerneltest.Run(t, Kernels(), c.line, in)
		var e *command.Error
		if !errors.As(err, &e) || e.Errno != syscall.EINVAL {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if got := c.line[e.Span.Start:e.Span.End]; got != c.caret || !strings.Contains(e.Error(), c.msg) {
			t.Errorf("%s: caret under %q: %v", c.line, got, e)
		}
	}
}

// Min of no outputs is no output.
func TestNothing(t *testing.T) {
	in := arrays{"e": array(ndarray.F64, []float64{}, 3, 0), "o": array(ndarray.F64, make([]float64, 3), 3)}
	for _, line := range []string{"min e y axis=0", "cumsum e y", "softmax e y", "cumsum e y axis=0", "softmax e y axis=0", "var e y axis=0", "norm e y axis=0"} {
		if got := output[float64](t, line, in); len(got) != 0 {
			t.Errorf("%s: %v", line, got)
		}
	}
	for _, line := range []string{"sum e y axis=1", "norm e y axis=1"} {
		if got := output[float64](t, line, in); len(got) != 3 || got[0] != 0 {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// bf16, which numpy does not have, and outputs of other types.
func TestOtherTypes(t *testing.T) {
	in := arrays{"b": array(ndarray.BF16, []float64{1, 2, 3.5, 1000}, 2, 2)}
	out, _, err := kerneltest.Run(t, Kernels(), "sum b y axis=0", in)
	if err != nil || out["y"].DType != ndarray.BF16 {
		t.Fatal(err, out["y"].DType)
	}
	for _, c := range []struct {
		line string
		want []float64
	}{
		{"sum b y axis=0", []float64{4.5, 1000}}, {"max b y:f64:2 axis=1", []float64{2, 1000}}, {"argmax b y axis=0", []float64{1, 1}},
		{"mean b y:f64:2 axis=1", []float64{1.5, 501.75}}, {"cumsum b y:f32:4", []float64{1, 3, 6.5, 1006.5}}, {"sum b y axis=1", []float64{3, 1004}},
		{"any b y:u8:2 axis=1", []float64{1, 1}}, {"softmax b y:f64:2x2 axis=1", []float64{0.2689414322376251, 0.7310585975646973, 0, 1}},
	} {
		got := output[float64](t, c.line, in)
		for i := range c.want {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.line, got, c.want)
				break
			}
		}
	}
}

func TestFormatAgainstPython(t *testing.T) {
	values := []float64{0, math.Copysign(0, -1), 1, 0.1, 1.0 / 3, 1e-4, 9.999e-5, 1e15, 1e16, 123456789, 65504, 6e-8, 1e22, 5e-324, 1e300, math.Inf(1), math.Inf(-1), math.NaN(), -2.5, 100000, 0.00012345}
	var code strings.Builder
	code.WriteString("import numpy as np\nnan=float('nan'); inf=float('inf')\nnp.seterr(all='ignore')\n")
	var got []string
	for _, d := range []ndarray.DType{ndarray.F16, ndarray.F32, ndarray.F64} {
		for _, v := range values {
			got = append(got, Format(array(d, []float64{v})))
			code.WriteString("print(np.array([" + formatFloat(v, ndarray.F64) + "]).astype('f" + strconv.Itoa(d.Size()) + "')[0])\n")
		}
	}
	parts := []float64{0, 1, -0.5, 1e20, math.Inf(-1), math.NaN()}
	for _, re := range parts {
		for _, im := range parts {
			got = append(got, Format(array(ndarray.C128, []complex128{complex(re, im)})))
			code.WriteString("print(complex(" + formatFloat(re, ndarray.F64) + "," + formatFloat(im, ndarray.F64) + "))\n")
		}
	}
	out, err := exec.Command("/usr/bin/python3", "-c", code.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := strings.Fields(string(out))
	if len(want) != len(got) {
		t.Fatalf("%d lines for %d values", len(want), len(got))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("value %d: %s, Python prints %s", i, got[i], want[i])
		}
	}
	if s := Format(array(ndarray.BF16, []float64{0.1})); s != "0.1" {
		t.Errorf("bf16 0.1: %s", s)
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
	x := make([]float32, 37*1231)
	for i, v := range random(len(x)) {
		x[i] = float32(math.Mod(v, 50))
	}
	in := arrays{"x": array(ndarray.F32, x, 37, 1231), "d": array(ndarray.F64, x, 37, 1231), "i": array(ndarray.I32, x, 37, 1231)}
	want := map[string][]float64{}
	for isa := simd.Generic; isa <= best; isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"sum x y", "sum d y axis=0", "sum x y axis=0", "mean x y axis=0", "sum i y axis=1", "prod i y", "var x y axis=0", "std d y axis=1", "max x y", "min i y axis=0", "argmax d y axis=1", "norm x y", "softmax x y", "softmax d y axis=0", "cumsum x y"} {
			got := output[float64](t, line, in)
			if isa == simd.Generic {
				want[line] = got
			}
			for i := range got {
				if math.Float64bits(got[i]) != math.Float64bits(want[line][i]) {
					t.Errorf("%s on %s: element %d is %x, want %x", line, isa, i, got[i], want[line][i])
					break
				}
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := arrays{"x": array(ndarray.F64, random(300000), 300, 1000)}
	for _, line := range []string{"sum x", "var x", "norm x", "nanmean x", "max x y axis=0", "cumsum x y", "cumsum x y axis=0", "softmax x y", "softmax x y axis=0"} {
		if _, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Context(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestManuals(t *testing.T) {
	names := map[string]bool{"map": true}
	for _, k := range Kernels() {
		names[k.Name] = true
	}
	for _, k := range Kernels() {
		m := k.Manual
		if k.Summary == "" || m.Description == "" || m.Types == "" || m.Cost == "" || m.Notes == "" || len(m.Operands) != 2 || len(m.Errors) == 0 || len(m.Examples) == 0 {
			t.Errorf("%s: the manual has gaps", k.Name)
		}
		for _, s := range m.SeeAlso {
			if !names[s] {
				t.Errorf("%s: refers to %s", k.Name, s)
			}
		}
		for _, e := range m.Examples {
			if last := e.Lines[len(e.Lines)-1]; !strings.HasPrefix(last, k.Name+" ") {
				t.Errorf("%s: example ends in %q", k.Name, last)
			}
		}
	}
}

func BenchmarkReduce(b *testing.B) {
	x := array(ndarray.F32, random(1<<22), 2048, 2048)
	for _, line := range []string{"sum x", "sum x y axis=0", "sum x y axis=1", "max x", "argmax x", "var x", "softmax x y", "cumsum x y axis=1"} {
		b.Run(strings.ReplaceAll(line, " ", "_"), func(b *testing.B) {
			j, err := kerneltest.Prepare(b, Kernels(), line, arrays{"x": x})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(x.Data)))
			for b.Loop() {
				if err := j.Run(b.Context(), 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Loops that look at blocks for NaN first give what plain ones do: with none,
// some, and only NaN, at the edges of masks and blocks.
func TestNaNBlocks(t *testing.T) {
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
		for _, n := range []int{1, 63, 64, 1023, 1024, 1025, 4096, 4097, 9000} {
			for _, every := range []int{0, 1, 2, 700, 5000} {
				v := random(n)
				for i := range v {
					v[i] = float64(float32(v[i]))
					if every > 0 && i%every == 0 {
						v[i] = math.NaN()
					}
				}
				checkNaNBlocks(t, d, v)
			}
		}
	}
}

func checkNaNBlocks(t *testing.T, d ndarray.DType, v []float64) {
	t.Helper()
	least, most, numbers, first := math.NaN(), math.NaN(), 0, -1
	clean := make([]float64, len(v))
	for i, x := range v {
		if x != x {
			if first < 0 {
				first = i
			}
			continue
		}
		numbers++
		clean[i] = x
		if numbers == 1 || x < least {
			least = x
		}
		if numbers == 1 || x > most {
			most = x
		}
	}
	if first < 0 {
		first = 0
		for i, x := range v {
			if x == most {
				first = i
				break
			}
		}
	}
	in := arrays{"x": array(d, v)}
	sum := treeSum(clean)
	if d == ndarray.F32 {
		sum = float64(float32(sum))
	}
	for verb, want := range map[string]float64{"nanmin": least, "nanmax": most, "nansum": sum, "argmax": float64(first)} {
		got := output[float64](t, verb+" x y", in)[0]
		if got != want && (got == got || want == want) {
			t.Errorf("%s of %d %s: %v, want %v", verb, len(v), d, got, want)
		}
	}
}
