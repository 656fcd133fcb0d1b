package kernels

import (
	"fmt"
	"slices"
	"syscall"

	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// Call is a line bound to a kernel: what [Registry.Bind] makes, the caller
// completes (Layout of In and Out, Tuner, Threads), and Check plans. It belongs
// to one goroutine until Check has returned; from then on nothing writes it,
// and the plan's closures may read it on any.
type Call struct {
	Kernel   *Kernel
	Line     *command.Line
	Literals []command.Word
	In       []Input
	Out      []Output
	// Tuner and Threads are set by the caller before Check, if there are a
	// tuner, and a number of workers that the run may use.
	Tuner   Tuner
	Threads int
	opts    map[string]*Option
	common  []OptionSpec
}

// Option is a typed option value of a call.
type Option struct {
	Spec  *OptionSpec
	Set   bool // written in the line; else the default
	Span  command.Span
	Text  string
	value any
	input int // of KindOperand: index into Call.In, or -1
}

// Errorf makes an EINVAL refusal with the caret under the option, or under
// the verb if the option was not written.
func (o *Option) Errorf(format string, args ...any) *command.Error {
	return &command.Error{Errno: syscall.EINVAL, Span: o.Span, Msg: o.Spec.Name + ": " + fmt.Sprintf(format, args...)}
}

// Axis is an axis that the option names of an array of rank axes, counted from
// the end if it is negative; EINVAL with the range if the array has none such.
func (o *Option) Axis(axis, rank int) (int, error) {
	if axis < -rank || axis >= rank {
		e := o.Errorf("axis %d is outside an array of %d axes", axis, rank)
		if rank > 0 {
			e.Hint = fmt.Sprintf("axes run from %d to %d", -rank, rank-1)
		}
		return 0, e
	}
	if axis < 0 {
		axis += rank
	}
	return axis, nil
}

// Errorf makes an EINVAL refusal with the caret under the verb.
func (c *Call) Errorf(format string, args ...any) *command.Error {
	return &command.Error{Errno: syscall.EINVAL, Span: c.Line.Verb.Span, Msg: c.Kernel.Name + ": " + fmt.Sprintf(format, args...)}
}

// Opt is the option of that name; it panics if the kernel declares none.
func (c *Call) Opt(name string) *Option {
	o := c.opts[name]
	if o == nil {
		panic("kernels: " + c.Kernel.Name + " declares no option " + name)
	}
	return o
}

// Int is the value of a KindInt option.
func (c *Call) Int(name string) int { return value[int](c, name) }

// Float is the value of a KindFloat option.
func (c *Call) Float(name string) float64 { return value[float64](c, name) }

// Complex is the value of a KindComplex option.
func (c *Call) Complex(name string) complex128 { return value[complex128](c, name) }

// Bool is the value of a KindBool option.
func (c *Call) Bool(name string) bool { return value[bool](c, name) }

// Str is the value of a KindString or KindEnum option.
func (c *Call) Str(name string) string { return value[string](c, name) }

// Ints is the value of a KindInts option; nil if absent.
func (c *Call) Ints(name string) []int { return value[[]int](c, name) }

// DType is the value of a KindDType option; Invalid if absent.
func (c *Call) DType(name string) ndarray.DType { return value[ndarray.DType](c, name) }

// Shape is the value of a KindShape option; nil if absent.
func (c *Call) Shape(name string) []int { return value[[]int](c, name) }

// Operand is the index into c.In (and Exec.In) of a KindOperand option, or -1
// if it is absent.
func (c *Call) Operand(name string) int { return c.Opt(name).input }

// Has tells whether the option was written in the line.
func (c *Call) Has(name string) bool { return c.Opt(name).Set }

// value reads an option's typed value. Asking for another type than the
// declared kind gives the zero value, as for an absent option.
func value[T any](c *Call, name string) T {
	v, _ := c.Opt(name).value.(T) // absent options read as the zero value
	return v
}

// Check plans the call and compares the plan's outputs with what the line asks
// of them. It reads no data and is a function of the call alone: two checks of
// one call give equal plans. Errors are *[command.Error]: EINVAL for types,
// shapes and options, ENOENT for an output that must exist and does not, and
// what else the kernel's Plan says (EDOM, ENOMEM).
func (c *Call) Check() (*Plan, error) {
	p, err := c.Kernel.Plan(c)
	if err != nil {
		return nil, err
	}
	if len(p.Out) != len(c.Out) {
		return nil, c.Errorf("plans %d outputs for %d operands", len(p.Out), len(c.Out))
	}
	for i := range c.Out {
		if err := c.checkOutput(&c.Out[i], &p.Out[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// checkOutput compares one planned output with the operand that names it: with
// the type and shape written there, with what a slice of it can hold, and, if
// the plan reads it, with what it holds now.
func (c *Call) checkOutput(o *Output, spec *OutSpec) error {
	if o.Slice != nil && !o.Exists {
		e := o.Errorf("%s does not exist, and a part of it is to be written", o.Path)
		e.Errno = syscall.ENOENT
		return e
	}
	if _, err := ndarray.CheckShape(spec.DType, spec.Shape); err != nil {
		return o.Errorf("output: %v", err)
	}
	if d := o.WantDType(spec.DType); d != spec.DType {
		return o.Errorf("the result is %s, not %s", spec.DType, d)
	}
	if s := o.WantShape(spec.Shape); !slices.Equal(s, spec.Shape) {
		return o.Errorf("the result has shape %s, not %s", ndarray.ShapeString(spec.Shape), ndarray.ShapeString(s))
	}
	if !spec.Reads {
		return nil
	}
	if !o.Exists {
		e := o.Errorf("%s does not exist, and its old contents are asked for", o.Path)
		e.Errno = syscall.ENOENT
		return e
	}
	if o.Layout.DType != spec.DType || !slices.Equal(o.Layout.Shape, spec.Shape) {
		return o.Errorf("holds %s, and %s:%s is to be updated", o.Layout, spec.DType, ndarray.ShapeString(spec.Shape))
	}
	return nil
}
