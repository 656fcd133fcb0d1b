package kernels

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// scale is a kernel with an option of every kind.
func scale() *Kernel {
	return &Kernel{
		Name:     "scale",
		Family:   "fake",
		Summary:  "multiply an array by a number",
		Synopsis: "scale X Y [alpha=1] [mode=fast|exact] ...",
		Manual: Manual{
			Description: "Y = alpha * X, element by element, for arrays of any rank. The `result` has X's shape_and type.\n\n" +
				"    Y[i] = alpha * X[i]        for all i\n      = 0                      if alpha is 0\n\n" +
				".dots at the start of a line, 'quotes', back\\slashes, 1e-3 ^ ~ and α are all plain text, however long the paragraph that they stand in may be.",
			Operands: []Entry{{"X", "what is scaled"}, {"Y", "the result; it may be X"}},
			Types:    "f16 bf16 f32 f64 c64 c128; the result has X's type.",
			Cost:     "n flops, 2*n*size bytes.",
			Errors:   []Entry{{"EINVAL", "X is an integer array"}, {"EDOM", "alpha is not finite"}},
			Examples: []Example{{"Halve an array:", []string{"fill x.npy shape=4 value=1", "scale x.npy y.npy alpha=0.5", "sum y.npy"}}, {Text: "That is all."}},
			Notes:    "1. Not associative.\n\n- A dash.",
			SeeAlso:  []string{"axpy", "map"},
		},
		MinInputs: 1, MaxInputs: 1, Outputs: OutputRequired,
		Options: []OptionSpec{
			{Name: "alpha", Kind: KindFloat, Default: "1", Help: "The factor"},
			{Name: "beta", Kind: KindComplex, Help: "Another factor."},
			{Name: "n", Kind: KindInt, Default: "-3"},
			{Name: "flip", Kind: KindBool, Default: "no", Help: "Reverse the result"},
			{Name: "name", Kind: KindString, Help: "A text"},
			{Name: "mode", Kind: KindEnum, Values: []string{"fast", "exact"}, Default: "fast", Help: "How"},
			{Name: "axes", Kind: KindInts, Help: "Which axes"},
			{Name: "dtype", Kind: KindDType, Help: "The type"},
			{Name: "shape", Kind: KindShape, Help: "The shape"},
			{Name: "mask", Kind: KindOperand, Help: "Where to scale"},
			{Name: "bias", Kind: KindOperand, Help: "What to add"},
		},
		Plan: func(c *Call) (*Plan, error) {
			in := c.In[0].Layout
			if in.DType.IsInteger() {
				return nil, c.In[0].Errorf("%s is no float", in.DType)
			}
			return &Plan{Out: []OutSpec{{DType: in.DType, Shape: in.Shape, Reads: c.Bool("flip")}}}, nil
		},
	}
}

// noPlan is the Plan of kernels that are bound only.
func noPlan(*Call) (*Plan, error) { return &Plan{}, nil }

// fakes is a registry with a kernel for every rule.
func fakes() *Registry {
	return NewRegistry(
		[]*Kernel{scale()},
		[]*Kernel{
			{Name: "sum", Synopsis: "sum X [Y]", MinInputs: 1, MaxInputs: 1, Outputs: OutputOptional, Plan: noPlan},
			{Name: "dot", Synopsis: "dot X\n    [Y]", MinInputs: 1, MaxInputs: 2, Outputs: OutputOptional, Plan: noPlan},
			{Name: "check", Synopsis: "check X", MinInputs: 1, MaxInputs: 1, Outputs: OutputNone, Plan: noPlan},
			{Name: "einsum", Synopsis: "einsum EQ A... C", Literals: 1, MinInputs: 1, MaxInputs: -1, Plan: noPlan},
			{Name: "fill", Synopsis: "fill Y", Plan: noPlan},
			{Name: "map", Synopsis: "map EXPR name=operand...", Plan: noPlan, Bind: bindMap,
				Options: []OptionSpec{{Name: "dtype", Kind: KindDType}, {Name: "extra", Kind: KindOperand}}},
			{Name: "noop", Synopsis: "noop", Plan: noPlan, Bind: func(c *Call) error { return nil }},
			{Name: "fails", Synopsis: "fails", Plan: noPlan, Bind: func(c *Call) error { return c.Errorf("always") }},
		},
	)
}

// bindMap names operands by keys: those that begin with "out" are outputs.
func bindMap(c *Call) error {
	for i := range c.Line.Options {
		o := &c.Line.Options[i]
		if isMapOption(o.Key) {
			continue
		}
		add := c.AddInput
		if strings.HasPrefix(o.Key, "out") {
			add = c.AddOutput
		}
		if err := add(o.Word()); err != nil {
			return err
		}
	}
	c.Literals = c.Line.Args
	return c.ParseOptions(isMapOption)
}

func isMapOption(key string) bool { return key == "dtype" || key == "extra" || key == "timeout" }

func bind(t *testing.T, r *Registry, text string) (*Call, error) {
	t.Helper()
	l, err := command.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r.Bind(l)
}

func mustBind(t *testing.T, text string) *Call {
	t.Helper()
	c, err := bind(t, fakes(), text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// refused checks that err is a *command.Error with this text, whose caret is
// under the wanted part of the line.
func refused(t *testing.T, line string, err error, part, text string) {
	t.Helper()
	var e *command.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: %v is no *command.Error", line, err)
		return
	}
	if got := line[e.Span.Start:e.Span.End]; got != part || !strings.Contains(e.Error(), text) {
		t.Errorf("%s: under %q: %v; want %q under %q", line, got, e, text, part)
	}
	if e.Errno == 0 {
		t.Errorf("%s: %v has no errno", line, e)
	}
}

func paths(c *Call) (in, out []string) {
	for i := range c.In {
		in = append(in, c.In[i].Path)
	}
	for i := range c.Out {
		out = append(out, c.Out[i].Path)
	}
	return in, out
}

func TestNewRegistry(t *testing.T) {
	r := fakes()
	if want := []string{"check", "dot", "einsum", "fails", "fill", "map", "noop", "scale", "sum"}; !slices.Equal(r.Names(), want) {
		t.Errorf("Names() = %v", r.Names())
	}
	if r.Lookup("scale") == nil || r.Lookup("nope") != nil {
		t.Error("Lookup is wrong")
	}
	option := func(s ...OptionSpec) []*Kernel { return []*Kernel{{Name: "x", Options: s}} }
	for name, ks := range map[string][]*Kernel{
		"twice":    {{Name: "x"}, {Name: "x"}},
		"inputs":   {{Name: "x", MinInputs: 2, MaxInputs: 1}},
		"output":   {{Name: "x", MaxInputs: -1, Outputs: OutputOptional}},
		"default":  option(OptionSpec{Name: "a", Kind: KindInt, Default: "x"}),
		"enum":     option(OptionSpec{Name: "a", Kind: KindEnum, Default: "x", Values: []string{"y"}}),
		"same key": option(OptionSpec{Name: "a"}, OptionSpec{Name: "a"}),
		"kind":     option(OptionSpec{Name: "a", Kind: 99, Default: "x"}),
	} {
		mustPanic(t, name, func() { NewRegistry(ks) })
	}
	mustPanic(t, "common", func() { r.WithCommon(OptionSpec{Name: "alpha"}) })
}

func mustPanic(t *testing.T, name string, fn func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", name)
		}
	}()
	fn()
}

func TestCheck(t *testing.T) {
	f32 := ndarray.NewLayout(ndarray.F32, 2, 3)
	for _, c := range []struct {
		line   string
		exists ndarray.Layout // of y, if valid
		part   string         // "" if it is accepted
		text   string
		errno  syscall.Errno
	}{
		{line: "scale x y"},
		{line: "scale x y:f32:2x3"},
		{line: "scale x y", exists: ndarray.NewLayout(ndarray.F64, 9)},
		{line: "scale x y:f64:2x3", part: "y:f64:2x3", text: "the result is f32, not f64"},
		{line: "scale x y:f32:3x2", part: "y:f32:3x2", text: "the result has shape 2x3, not 3x2"},
		{line: "scale x y[:]", exists: f32},
		{line: "scale x y[:]", part: "y[:]", text: "y does not exist, and a part", errno: syscall.ENOENT},
		{line: "scale x y[:]", exists: ndarray.NewLayout(ndarray.F32, 3, 2), part: "y[:]", text: "shape 2x3, not 3x2"},
		{line: "scale x y[:]", exists: ndarray.NewLayout(ndarray.F64, 2, 3), part: "y[:]", text: "is f32, not f64"},
		{line: "scale x y flip=1", exists: f32},
		{line: "scale x y flip=1", part: "y", text: "y does not exist", errno: syscall.ENOENT},
		{line: "scale x y flip=1", exists: ndarray.NewLayout(ndarray.F32, 6), part: "y", text: "holds f32:6"},
	} {
		call := mustBind(t, c.line)
		call.In[0].Layout = f32
		call.Out[0].Layout, call.Out[0].Exists = c.exists, c.exists.DType != ndarray.Invalid
		p, err := call.Check()
		if c.part == "" {
			if err != nil || len(p.Out) != 1 {
				t.Errorf("%s: %v", c.line, err)
			}
			continue
		}
		refused(t, c.line, err, c.part, c.text)
		if c.errno != 0 && !errors.Is(err, c.errno) {
			t.Errorf("%s: %v is not %v", c.line, err, c.errno)
		}
	}
}

func TestCheckPlan(t *testing.T) {
	call := mustBind(t, "scale x y")
	call.In[0].Layout = ndarray.NewLayout(ndarray.I32, 2)
	_, err := call.Check()
	refused(t, "scale x y", err, "x", "i32 is no float")
	// A plan with another number of outputs, or a shape that cannot be.
	_, err = mustBind(t, "fill y").Check()
	refused(t, "fill y", err, "fill", "plans 0 outputs for 1 operands")
	call.In[0].Layout = ndarray.Layout{DType: ndarray.F32, Shape: []int{1 << 62, 4}, Strides: []int{0, 0}}
	_, err = call.Check()
	refused(t, "scale x y", err, "y", "too large")
}

func TestAnswer(t *testing.T) {
	var x Exec
	if x.Answer("42"); x.AnswerText() != "42" {
		t.Error(x.AnswerText())
	}
}
