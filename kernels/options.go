package kernels

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// ParseOptions types the options of the line, and gives absent ones their
// defaults. Operands among them are appended to c.In. Only keys that the
// filter takes are looked at; nil takes all. A Bind function calls it once,
// after it has added its positional inputs, and answers itself for the keys
// that it filters out.
func (c *Call) ParseOptions(only func(key string) bool) error {
	specs := slices.Concat(c.Kernel.Options, c.common)
	c.opts = make(map[string]*Option, len(specs))
	for i := range specs {
		o := &Option{Spec: &specs[i], Span: c.Line.Verb.Span, Text: specs[i].Default, input: -1}
		c.opts[o.Spec.Name] = o
	}
	for i := range c.Line.Options {
		w := &c.Line.Options[i]
		if only != nil && !only(w.Key) {
			continue
		}
		o := c.opts[w.Key]
		if o == nil {
			return c.unknownOption(w, specs)
		}
		o.Set, o.Span, o.Text = true, w.ValueSpan, w.Value
		if w.Value == "" {
			o.Span = w.Span
		}
	}
	for i := range specs {
		if err := c.typeOption(c.opts[specs[i].Name]); err != nil {
			return err
		}
	}
	return nil
}

// unknownOption refuses a key, with the nearest one and the list.
func (c *Call) unknownOption(w *command.Option, specs []OptionSpec) error {
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].Name
	}
	return &command.Error{
		Errno: syscall.EINVAL,
		Span:  command.Span{Start: w.Span.Start, End: w.Span.Start + len(w.Key)},
		Msg:   c.Kernel.Name + " has no option " + w.Key,
		Hint:  suggest(w.Key, names, "options"),
	}
}

// typeOption sets the option's value from its text.
func (c *Call) typeOption(o *Option) error {
	switch {
	case !o.Set && o.Text == "":
		return nil
	case o.Spec.Kind == KindOperand:
		o.input = len(c.In)
		return c.AddInput(command.Word{Text: o.Text, Span: o.Span})
	}
	v, err := o.Spec.parse(o.Text)
	if err != nil {
		e := o.Errorf("%v", err)
		e.Hint = forms[o.Spec.Kind]
		return e
	}
	o.value = v
	return nil
}

// forms are the remedies for values that are not of a kind: how they are written.
// The errors of other kinds list what there is.
var forms = map[OptionKind]string{
	KindInt:     "write a whole number, such as 3, -1 or 0x10",
	KindFloat:   "write a number, such as 2, -1.5e3, 0x10, inf or nan",
	KindComplex: "write a number, such as 2, -1.5e3, 0x10 or 1.5-2j",
	KindInts:    "write whole numbers with commas between, such as 0,-1",
	KindShape:   "write extents with x between, such as 3x4, or scalar",
}

// parse reads a value of the option's kind.
func (s *OptionSpec) parse(text string) (any, error) {
	switch s.Kind {
	case KindInt:
		return parseInt(text)
	case KindFloat:
		return parseFloat(text)
	case KindComplex:
		return parseComplex(text)
	case KindBool:
		return parseBool(text)
	case KindEnum:
		if slices.Contains(s.Values, text) {
			return text, nil
		}
		return nil, fmt.Errorf("%q is none of %s", text, strings.Join(s.Values, " "))
	case KindInts:
		return parseInts(text)
	case KindDType:
		return ndarray.ParseDType(text)
	case KindShape:
		shape, err := ndarray.ParseShape(text)
		if err == nil {
			_, err = ndarray.CheckShape(ndarray.U8, shape)
		}
		return shape, err
	case KindString:
		return text, nil
	}
	return nil, fmt.Errorf("kind %d has no values", s.Kind)
}

// ParseInteger reads an integer of any size: decimal, or after 0x, 0o or 0b in
// that base, as the expressions of map have them. There are no suffixes: numbers
// are in base units.
func ParseInteger(text string) (n *big.Int, ok bool) {
	base := 10
	if s := strings.TrimLeft(text, "+-"); len(s) > 2 && s[0] == '0' && strings.ContainsRune("xXoObB", rune(s[1])) && !strings.Contains(s, "_") {
		base = 0
	}
	return new(big.Int).SetString(text, base)
}

// parseInt reads an integer of 64 bits.
func parseInt(text string) (int, error) {
	n, ok := ParseInteger(text)
	switch {
	case !ok:
		return 0, fmt.Errorf("%q is not an integer", text)
	case !n.IsInt64():
		return 0, fmt.Errorf("%s does not fit in 64 bits", text)
	}
	return int(n.Int64()), nil
}

// parseFloat reads integers, and what Go reads: decimal, hexadecimal with an
// exponent, inf and nan. A number beyond the range is refused rather than taken
// as infinite.
func parseFloat(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if n, ok := ParseInteger(text); ok && errors.Is(err, strconv.ErrSyntax) { // of another base
		f, err = strconv.ParseFloat(n.String(), 64)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is beyond the range of f64", text)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return f, nil
}

// parseComplex reads 1, 2j, 1+2j, 1-j, with j as Python or i as mathematics has
// it.
func parseComplex(text string) (complex128, error) {
	s := text
	if body := strings.TrimRight(text, "ij"); len(body) == len(text)-1 {
		if body == "" || strings.HasSuffix(body, "+") || strings.HasSuffix(body, "-") {
			body += "1"
		}
		s = body + "i"
	}
	z, err := strconv.ParseComplex(s, 128)
	if n, ok := ParseInteger(text); ok && errors.Is(err, strconv.ErrSyntax) { // of another base
		z, err = strconv.ParseComplex(n.String(), 128)
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is beyond the range of c128", text)
	case err != nil || strings.ContainsAny(s, "()"):
		return 0, fmt.Errorf("%q is not a complex number", text)
	}
	return z, nil
}

// parseBool reads the spellings that sysfs and git take.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "true", "yes", "on":
		return true, nil
	case "0", "false", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither 1 true yes on nor 0 false no off", text)
}

// parseInts reads a list separated by commas; blanks around them are allowed
// (in quotes).
func parseInts(text string) ([]int, error) {
	if text == "" {
		return []int{}, nil
	}
	parts := strings.Split(text, ",")
	out := make([]int, len(parts))
	for i, p := range parts {
		n, err := parseInt(strings.TrimSpace(p))
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// findSpec looks an option up by its name, or returns nil; there are few, so a
// map is not worth it. The result points into specs.
func findSpec(specs []OptionSpec, name string) *OptionSpec {
	for i := range specs {
		if specs[i].Name == name {
			return &specs[i]
		}
	}
	return nil
}

// mustSpec panics if a declared option is not sound.
func mustSpec(owner string, s *OptionSpec) {
	if s.Kind == KindOperand || s.Default == "" {
		return
	}
	if _, err := s.parse(s.Default); err != nil {
		panic(fmt.Sprintf("kernels: %s: default of option %s: %v", owner, s.Name, err))
	}
}
