// Package kernels is the registry of what the device can compute.
//
// A [Kernel] is a verb: its manual, a check that turns operands' types and
// shapes into a [Plan] (outputs, cost, scratch), and the code that runs it.
// It knows nothing of devices, queues or files: whoever calls it resolves
// operands to bytes and hands it a pool worker.
//
// # Life of a call
//
//  1. [Registry.Bind] matches a parsed line with a kernel: positional operands
//     become inputs and outputs, options are typed. Operand texts become
//     [Ref]s (path, type, slice).
//  2. The caller looks each Ref up and fills in the Layout of inputs and of
//     existing outputs.
//  3. [Call.Check] runs the kernel's Plan function and compares its outputs with
//     what the line asked for.
//  4. The caller makes room for the outputs and calls [Plan.Run] with an [Exec].
//
// A Plan is immutable and may be run once, on any goroutine.
package kernels

import (
	"fmt"
	"slices"
	"syscall"

	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// Kernel is one verb of the device. Its fields are set once, before it is
// registered.
type Kernel struct {
	Name     string // the verb
	Family   string // the folder it lives in: gemm, vec, fft
	Summary  string // one line, without a full stop
	Synopsis string // as in a manual: "gemm A B C [alpha=1] ..."
	Manual   Manual

	// Literals is the number of leading positional words that are text, not
	// operands (the expression of map, the equation of einsum).
	Literals int
	// MinInputs and MaxInputs bound the input operands; MaxInputs < 0 is no
	// bound.
	MinInputs, MaxInputs int
	// Outputs is how an output is named.
	Outputs OutputRule
	// Options lists the keys. Unknown keys are refused.
	Options []OptionSpec
	// Bind, if set, replaces the positional rule for kernels whose operands
	// are named by keys (map). It must fill c.In, c.Out from c.Line.
	Bind func(c *Call) error
	// Plan checks types, shapes and options, and says what would be done. It
	// touches no data. Its errors should come from the Errorf methods of the
	// operand or option at fault.
	Plan func(c *Call) (*Plan, error)
}

// OutputRule says whether the last positional operand is an output.
type OutputRule uint8

// The rules for outputs.
const (
	OutputRequired OutputRule = iota // the last operand is the output
	OutputOptional                   // it may be left out: the result is an answer
	OutputNone                       // there is none
)

// Manual is the prose of a kernel's manual page. Texts are plain, lines are
// wrapped by whoever prints them; paragraphs are separated by an empty line.
type Manual struct {
	Description string
	Operands    []Entry   // name, what it is
	Types       string    // which dtypes are taken and what comes out
	Cost        string    // flops, bytes, scratch as formulas
	Errors      []Entry   // errno name, when
	Examples    []Example // run by a test
	Notes       string    // accuracy, order of sums, sources
	SeeAlso     []string
}

// Entry is a term and its explanation.
type Entry struct{ Term, Text string }

// Example is a list of command lines that work in this order on an empty
// device, and what they show.
type Example struct {
	Text  string
	Lines []string
}

// OptionKind is how an option's value is read.
type OptionKind uint8

// The kinds of options.
const (
	KindInt     OptionKind = iota // 64-bit integer; K, M, G suffixes are not taken
	KindFloat                     // float64, inf and nan included
	KindComplex                   // 1, 2.5-3j
	KindBool                      // 1 0 true false yes no on off
	KindString                    // any text
	KindEnum                      // one of Values
	KindInts                      // 1,2,-1; empty is the empty list
	KindDType                     // f32, float32
	KindShape                     // 3x4
	KindOperand                   // another input: a Ref
)

// OptionSpec is one key of a kernel.
type OptionSpec struct {
	Name    string
	Kind    OptionKind
	Default string   // as written; "" means absent unless the kernel says otherwise
	Values  []string // of KindEnum
	Help    string   // one sentence
}

// Ref is an operand as written: PATH[:DTYPE:SHAPE] [SLICE]. The path is the
// text of the line: whether it may be opened, and relative to what, is the
// caller's business. DType without Shape is "PATH:DTYPE", of which the caller
// infers the shape from the file's length.
type Ref struct {
	Text  string
	Span  command.Span
	Path  string
	DType ndarray.DType   // Invalid unless given
	Shape []int           // nil unless given
	Slice []ndarray.Range // nil unless given
}

// Errorf makes an EINVAL refusal with the caret under the operand.
func (r *Ref) Errorf(format string, args ...any) *command.Error {
	return &command.Error{Errno: syscall.EINVAL, Span: r.Span, Msg: fmt.Sprintf(format, args...)}
}

// Input is an input operand. The caller sets Layout before Check.
type Input struct {
	Ref
	Layout ndarray.Layout
}

// Output is an output operand. Of the three sources of its type and shape (the
// line, what a slice selects, the plan) the first that speaks must agree with
// the plan: [Call.Check] compares them.
type Output struct {
	Ref
	// Layout describes what exists under this name, if Exists: with a slice
	// in the Ref, the part that will be written. The caller sets both.
	Layout ndarray.Layout
	Exists bool
}

// WantDType is the output's type if the line gives one, else d.
func (o *Output) WantDType(d ndarray.DType) ndarray.DType {
	if o.DType != ndarray.Invalid {
		return o.DType
	}
	if o.Slice != nil && o.Exists {
		return o.Layout.DType
	}
	return d
}

// WantShape is the output's shape if the line gives one (written, or by a
// slice of what exists), else def.
func (o *Output) WantShape(def []int) []int {
	if o.Slice != nil && o.Exists {
		return o.Layout.Shape
	}
	if o.Shape != nil {
		return o.Shape
	}
	return def
}

// Registry is a set of kernels. It is immutable once made.
type Registry struct {
	byName map[string]*Kernel
	// sorted; suggestions and manuals list them in this order
	names  []string
	common []OptionSpec
}

// NewRegistry collects kernels. Two of one name, and one whose declaration
// contradicts itself, are a programming error and panic.
func NewRegistry(families ...[]*Kernel) *Registry {
	r := &Registry{byName: map[string]*Kernel{}}
	for _, f := range families {
		for _, k := range f {
			if _, dup := r.byName[k.Name]; dup {
				panic("kernels: two kernels are named " + k.Name)
			}
			k.mustBeSound()
			r.byName[k.Name] = k
			r.names = append(r.names, k.Name)
		}
	}
	slices.Sort(r.names)
	return r
}

// mustBeSound panics if the positional rule cannot be applied, or if an
// option's default does not parse: better when the program starts than on the
// first command.
func (k *Kernel) mustBeSound() {
	switch {
	case k.Bind == nil && k.MaxInputs >= 0 && k.MaxInputs < k.MinInputs:
		panic("kernels: " + k.Name + " takes fewer inputs at the most than at the least")
	case k.Bind == nil && k.MaxInputs < 0 && k.Outputs == OutputOptional:
		panic("kernels: " + k.Name + " cannot tell its optional output from any number of inputs")
	}
	for i := range k.Options {
		mustSpec(k.Name, &k.Options[i])
		if findSpec(k.Options[:i], k.Options[i].Name) != nil {
			panic("kernels: " + k.Name + " declares option " + k.Options[i].Name + " twice")
		}
	}
}

// Lookup finds a kernel by its verb, or returns nil.
func (r *Registry) Lookup(name string) *Kernel { return r.byName[name] }

// Names lists the verbs in order.
func (r *Registry) Names() []string { return slices.Clone(r.names) }
