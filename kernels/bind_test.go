package kernels

import (
	"errors"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

func TestBindPositional(t *testing.T) {
	for _, c := range []struct {
		line     string
		literals []string
		in, out  []string
	}{
		{"scale x y", nil, []string{"x"}, []string{"y"}},
		{"sum x", nil, []string{"x"}, nil},
		{"sum x y", nil, []string{"x"}, []string{"y"}},
		{"dot x", nil, []string{"x"}, nil},
		{"dot x y", nil, []string{"x", "y"}, nil},
		{"dot x y z", nil, []string{"x", "y"}, []string{"z"}},
		{"check x", nil, []string{"x"}, nil},
		{"einsum ij,jk->ik a b c", []string{"ij,jk->ik"}, []string{"a", "b"}, []string{"c"}},
		{"einsum 'ij -> i' a c", []string{"ij -> i"}, []string{"a"}, []string{"c"}},
		{"einsum abcde 1 2 3 4 5 6 7", []string{"abcde"}, []string{"1", "2", "3", "4", "5", "6"}, []string{"7"}},
		{"fill y", nil, nil, []string{"y"}},
		{"map 'z = x' x=a out=b y='c d' extra=e", []string{"z = x"}, []string{"a", "c d", "e"}, []string{"b"}},
		{"noop", nil, nil, nil},
		{"scale x x", nil, []string{"x"}, []string{"x"}},
	} {
		call := mustBind(t, c.line)
		var lits []string
		for _, w := range call.Literals {
			lits = append(lits, w.Text)
		}
		if in, out := paths(call); !slices.Equal(lits, c.literals) || !slices.Equal(in, c.in) || !slices.Equal(out, c.out) {
			t.Errorf("%s: literals %q, in %q, out %q", c.line, lits, in, out)
		}
	}
}

func TestBindErrors(t *testing.T) {
	for _, c := range []struct{ line, part, text string }{
		{"scael x y", "scael", "unknown verb scael (did you mean scale? verbs: check dot"},
		{"Sum x", "Sum", "did you mean sum?"},
		{"xyzzy", "xyzzy", "unknown verb xyzzy (verbs:"},
		{"'' x", "''", "unknown verb ''"},
		{"scale x", "scale", "scale: takes 2 operands, not 1 (usage: scale X Y [alpha=1]"},
		{"scale", "scale", "takes 2 operands, not 0"},
		{"scale x y z w", "z", "takes 2 operands, not 4"},
		{"sum", "sum", "takes 1 or 2 operands, not 0"},
		{"sum x y z", "z", "takes 1 or 2 operands, not 3"},
		{"dot", "dot", "takes 1 to 3 operands, not 0 (usage: dot X [Y])"},
		{"check", "check", "takes 1 operand, not 0"},
		{"check x y", "y", "takes 1 operand, not 2"},
		{"einsum ij a", "einsum", "takes 3 or more operands, not 2"},
		{"fill", "fill", "takes 1 operand, not 0"},
		{"scale x y alhpa=2", "alhpa", "scale has no option alhpa (did you mean alpha? options: alpha beta"},
		{"scale x y zzzzz=2", "zzzzz", "has no option zzzzz (options:"},
		{"sum x a=1", "a", "sum has no option a (there are no options)"},
		{"scale x y alpha=x", "x", `alpha: "x" is not a number (write a number, such as 2, -1.5e3, 0x10, inf or nan)`},
		{"scale x y alpha=0x", "0x", `alpha: "0x" is not a number`},
		{"scale x y alpha=0xg", "0xg", `alpha: "0xg" is not a number`},
		{"scale x y beta=0x10+1j", "0x10+1j", `"0x10+1j" is not a complex number (write a number, such as`},
		{"scale x y n=0x8000000000000000", "0x8000000000000000", "does not fit in 64 bits (write a whole number"},
		{"scale x y n=--1", "--1", `"--1" is not an integer (write a whole number, such as 3, -1 or 0x10)`},
		{"scale x y n=0x1_0", "0x1_0", "not an integer"},
		{"scale x y alpha=", "alpha=", `alpha: "" is not a number`},
		{"scale x y alpha=1e999", "1e999", "beyond the range of f64"},
		{"scale x y beta=1+1", "1+1", "not a complex number"},
		{"scale x y beta=(1+1j)", "(1+1j)", "not a complex number"},
		{"scale x y beta=1e999j", "1e999j", "beyond the range of c128"},
		{"scale x y n=1.5", "1.5", "not an integer"},
		{"scale x y n=9223372036854775808", "9223372036854775808", "does not fit in 64 bits"},
		{"scale x y flip=maybe", "maybe", "neither 1 true yes on nor 0 false no off"},
		{"scale x y mode=slow", "slow", `mode: "slow" is none of fast exact`},
		{"scale x y axes=1,,2", "1,,2", "not an integer"},
		{"scale x y dtype=f33", "f33", "unknown dtype"},
		{"scale x y shape=3y", "3y", "bad shape \"3y\": extents are written as 3x4x5 (write extents with x between, such as 3x4, or scalar)"},
		{"scale x y shape=4294967296x4294967296", "4294967296x4294967296", "too large"},
		{"scale x y mask=", "mask=", "operand has no path"},
		{"scale x y mask=m[a]", "a", "slice"},
		{"scale x y[0,b]", "b", `slice: "b" is not an integer (write indices and ranges as NumPy does, such as`},
		{`scale "x" "y[0,b]"`, "b", `slice: "b" is not an integer`},
		{"scale x:f32:3y z", "3y", "bad shape"},
		{"map e x=a out=b out2=b", "b", "map: b is an output already"},
		{"map e x=", "", "operand has no path"},
		{"fails", "fails", "fails: always"},
	} {
		_, err := bind(t, fakes(), c.line)
		refused(t, c.line, err, c.part, c.text)
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v is not EINVAL", c.line, err)
		}
	}
}

func TestOptions(t *testing.T) {
	c := mustBind(t, `scale x y alpha=-2.5e3 beta=2.5-3j n=7 flip=YES name="a b" mode=exact axes=1,-2,3 dtype=float32 shape=3x4 bias=b[0] mask=m:u8:3`)
	if c.Float("alpha") != -2500 || c.Complex("beta") != 2.5-3i || c.Int("n") != 7 || !c.Bool("flip") || c.Str("name") != "a b" ||
		c.Str("mode") != "exact" || !slices.Equal(c.Ints("axes"), []int{1, -2, 3}) || c.DType("dtype") != ndarray.F32 ||
		!slices.Equal(c.Shape("shape"), []int{3, 4}) {
		t.Errorf("options are read wrong: %+v", c.opts)
	}
	if c.Operand("mask") != 1 || c.Operand("bias") != 2 { // in the order of the declaration
		t.Errorf("mask is input %d, bias %d", c.Operand("mask"), c.Operand("bias"))
	}
	if m := c.In[1]; m.Path != "m" || m.DType != ndarray.U8 || c.In[2].Slice == nil {
		t.Errorf("mask is %+v", m.Ref)
	}
	if !c.Has("alpha") || c.Opt("alpha").Text != "-2.5e3" {
		t.Error("alpha is not set")
	}
	e := c.Opt("name").Errorf("is %s", "bad")
	refused(t, c.Line.Text, e, `"a b"`, "name: is bad")
}

func TestOptionDefaults(t *testing.T) {
	c := mustBind(t, "scale x y")
	if c.Float("alpha") != 1 || c.Int("n") != -3 || c.Bool("flip") || c.Str("mode") != "fast" || c.Has("alpha") || c.Complex("beta") != 0 {
		t.Errorf("defaults are wrong: %+v", c.opts)
	}
	if c.Ints("axes") != nil || c.Shape("shape") != nil || c.DType("dtype") != ndarray.Invalid || c.Operand("mask") != -1 || c.Str("name") != "" {
		t.Error("absent options are not absent")
	}
	refused(t, c.Line.Text, c.Opt("alpha").Errorf("bad"), "scale", "alpha: bad")
	mustPanic(t, "undeclared option", func() { c.Opt("nope") })
	if c := mustBind(t, "scale x y axes="); c.Ints("axes") == nil || len(c.Ints("axes")) != 0 {
		t.Error("axes= is not the empty list")
	}
	if c := mustBind(t, "scale x y shape=scalar name="); c.Shape("shape") == nil || !c.Has("name") {
		t.Error("shape=scalar or name= is absent")
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]complex128{
		"1": 1, "-1.5": -1.5, "2j": 2i, "j": 1i, "-j": -1i, "1+j": 1 + 1i, "1e3-2.5e-1j": 1000 - 0.25i, "3i": 3i, "+1-1i": 1 - 1i,
		"inf": complex(math.Inf(1), 0), "1+infj": complex(1, math.Inf(1)), "0x10": 16, "-0b101": -5, "0o17": 15, "+0X1f": 31, "010": 10,
	} {
		if got, err := parseComplex(text); err != nil || got != want {
			t.Errorf("parseComplex(%q) = %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]int{"0x10": 16, "-0x10": -16, "+7": 7, "0b11": 3, "0o10": 8, "010": 10, "-0x8000000000000000": math.MinInt64} {
		if n, err := parseInt(text); err != nil || n != want {
			t.Errorf("parseInt(%q) = %d, %v", text, n, err)
		}
		if f, err := parseFloat(text); err != nil || f != float64(want) {
			t.Errorf("parseFloat(%q) = %g, %v", text, f, err)
		}
	}
	if f, err := parseFloat("0xffffffffffffffffff"); err != nil || f != 0x1p72 {
		t.Errorf("a long one is %g, %v", f, err)
	}
	if f, err := parseFloat("-0"); err != nil || !math.Signbit(f) || f != 0 {
		t.Errorf("-0 is %g, %v", f, err)
	}
	if f, err := parseFloat("nan"); err != nil || !math.IsNaN(f) {
		t.Errorf("nan is %v, %v", f, err)
	}
	for text, want := range map[string]bool{"1": true, "on": true, "True": true, "0": false, "off": false, "false": false} {
		if got, err := parseBool(text); err != nil || got != want {
			t.Errorf("parseBool(%q) = %v, %v", text, got, err)
		}
	}
}

func TestCommonOptions(t *testing.T) {
	r := fakes().WithCommon(OptionSpec{Name: "timeout", Kind: KindFloat, Default: "0"}, OptionSpec{Name: "after", Kind: KindInts})
	for _, line := range []string{"scale x y timeout=2", "map e x=a out=b timeout=2"} {
		c, err := bind(t, r, line)
		if err != nil || c.Float("timeout") != 2 || c.Has("after") {
			t.Errorf("%s: %v", line, err)
		}
	}
	_, err := bind(t, r, "noop timeuot=1")
	refused(t, "noop timeuot=1", err, "timeuot", "did you mean timeout? options: timeout after")
	if len(r.Common()) != 2 || len(fakes().Common()) != 0 {
		t.Error("Common is wrong")
	}
	if _, err := bind(t, fakes(), "scale x y timeout=2"); err == nil {
		t.Error("WithCommon changed its receiver")
	}
}

func TestParseRef(t *testing.T) {
	all := ndarray.Range{Step: 1}
	for _, c := range []struct {
		text, path string
		d          ndarray.DType
		shape      []int
		slice      []ndarray.Range
	}{
		{"a.npy", "a.npy", 0, nil, nil},
		{"a.bin:f32", "a.bin", ndarray.F32, nil, nil},
		{"a.bin:float32:3x4", "a.bin", ndarray.F32, []int{3, 4}, nil},
		{"a.bin:f32:scalar", "a.bin", ndarray.F32, []int{}, nil},
		{"a.bin:u8:0[:]", "a.bin", ndarray.U8, []int{0}, []ndarray.Range{all}},
		{"a.npy[:]", "a.npy", 0, nil, []ndarray.Range{all}},
		{"d/a b.npy[...]", "d/a b.npy", 0, nil, []ndarray.Range{{Ellipsis: true}}},
		{"a:b", "a:b", 0, nil, nil},
		{"a:b:c", "a:b:c", 0, nil, nil},
		{"a:12", "a:12", 0, nil, nil},
		{"a:b:f32", "a:b", ndarray.F32, nil, nil},
		{"a:f32:f64", "a:f32", ndarray.F64, nil, nil},
		{"a:f32:", "a:f32", 0, nil, nil},
		{"a::", "a:", 0, nil, nil},
		{"a[0]:", "a[0]", 0, nil, nil},
		{"a[0]:f32:2", "a[0]", ndarray.F32, []int{2}, nil},
		{"a[0]:[:]", "a[0]", 0, nil, []ndarray.Range{all}},
		{"a[0][:]", "a[0]", 0, nil, []ndarray.Range{all}},
		{"[0]", "[0]", 0, nil, nil},
		{"a[0]b", "a[0]b", 0, nil, nil},
		{"a]", "a]", 0, nil, nil},
		{"f32", "f32", 0, nil, nil},
		{"f33", "f33", 0, nil, nil},
		{"f32:f32", "f32", ndarray.F32, nil, nil},
		{"f32:3", "f32:3", 0, nil, nil},
	} {
		r, err := refOf(command.Word{Text: c.text, Span: command.Span{Start: 5, End: 5 + len(c.text)}})
		if err != nil {
			t.Errorf("ParseRef(%q): %v", c.text, err)
			continue
		}
		if r.Path != c.path || r.DType != c.d || !slices.Equal(r.Shape, c.shape) || (r.Shape == nil) != (c.shape == nil) || !slices.Equal(r.Slice, c.slice) {
			t.Errorf("ParseRef(%q) = %+v", c.text, r)
		}
		if r.Text != c.text || r.Span.Start != 5 {
			t.Errorf("ParseRef(%q) lost its text or place", c.text)
		}
	}
}

func TestParseRefErrors(t *testing.T) {
	for _, c := range []struct{ text, part, msg string }{
		{"", "", "no path"}, {":f32", ":f32", "no path"}, {":f32:3", ":f32:3", "no path"}, {":", ":", "no path"},
		{":[0]", ":[0]", "no path"},
		{"a.bin:f32:3y4", "3y4", "bad shape"}, {"a.bin:f32:-1", "-1", "bad shape"},
		{"a.bin:f32:4294967296x4294967296", "4294967296x4294967296", "too large"},
		{"a.bin:f33", "f33", "unknown dtype"}, {"a.bin:uint7", "uint7", "unknown dtype"}, {"a.bin:f33:3x4", "f33", "unknown dtype"},
		{"a.bin:real:3x4", "real", "unknown dtype"},
		{"a.npy[]", "", "empty"}, {"a.npy[0,x]", "x", "not an integer"}, {"a.npy[0:1:0]", "0:1:0", "step of 0"},
		{"a.npy[..., ...]", " ...", "one ..."},
	} {
		_, err := refOf(command.Word{Text: c.text, Span: command.Span{End: len(c.text)}})
		refused(t, c.text, err, c.part, c.msg)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"fft", "gemm", "gemv", "sort"}
	for word, want := range map[string]string{"gem": "gemm", "gmem": "gemm", "ff": "fft", "sortt": "sort", "xyzzy": "", "": "", strings.Repeat("gemm", 99): ""} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		d    int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"alpha", "alhpa", 1}, {"same", "same", 0}} {
		if d := editDistance(c.a, c.b); d != c.d {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, d, c.d)
		}
	}
}

// FuzzBind binds lines of any kind: there is a call whose parts are in order,
// or an error with a place in the line.
func FuzzBind(f *testing.F) {
	for _, s := range []string{
		"scale x y alpha=1 mask=m[0] shape=3x4", "sum x", "dot a b:f32:3 'c d[::-1]'", "einsum ij,jk->ik a b c", "scael x", "map 'z = x' x=a out=b",
		"scale x y:f33", "scale x[0:1:0] y", "fill y:bf16:2x2[0,...]", "scale x y beta=1e999j axes=1,2, flip=on",
	} {
		f.Add(s)
	}
	r := fakes().WithCommon(OptionSpec{Name: "timeout", Kind: KindFloat})
	f.Fuzz(func(t *testing.T, text string) {
		l, err := command.Parse(text)
		if err != nil || l.Empty() {
			return
		}
		c, err := r.Bind(l)
		if err != nil {
			var e *command.Error
			if !errors.As(err, &e) || e.Errno == 0 || e.Span.Start < 0 || e.Span.Start > e.Span.End || e.Span.End > len(l.Text) {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		for i := range c.In {
			checkRef(t, &c.In[i].Ref)
		}
		for i := range c.Out {
			checkRef(t, &c.Out[i].Ref)
		}
	})
}

func checkRef(t *testing.T, r *Ref) {
	if r.Path == "" || !strings.HasPrefix(r.Text, r.Path) {
		t.Fatalf("%+v", r)
	}
	if _, err := ndarray.CheckShape(r.DType, r.Shape); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
}
