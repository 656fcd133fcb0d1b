package kernels

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"vgpu/kernels/command"
)

// WithCommon is the registry with options that every kernel takes besides its
// own (timeout=, after=). An option that a kernel declares too is a
// programming error and panics.
func (r *Registry) WithCommon(specs ...OptionSpec) *Registry {
	out := &Registry{byName: r.byName, names: r.names, common: slices.Concat(r.common, specs)}
	for i := range out.common {
		mustSpec("the common options", &out.common[i])
		for _, name := range r.names {
			if findSpec(r.byName[name].Options, out.common[i].Name) != nil {
				panic("kernels: " + name + " declares the common option " + out.common[i].Name)
			}
		}
	}
	return out
}

// Common lists the options that every kernel takes.
func (r *Registry) Common() []OptionSpec { return slices.Clone(r.common) }

// Bind matches a line with its kernel. The positional words become literals,
// inputs and outputs:
//
//   - OutputRequired: the last operand is the output
//   - OutputOptional: up to MaxInputs operands are inputs, and the result is an
//     answer; one more than MaxInputs is the output
//   - OutputNone: all are inputs
//
// Options are typed, absent ones take their defaults, and KindOperand options
// follow the positional inputs in the order of the kernel's Options. A kernel
// with a Bind function does this itself.
//
// Layouts are left to the caller. Errors are *[command.Error].
func (r *Registry) Bind(line *command.Line) (*Call, error) {
	k := r.byName[line.Verb.Text]
	if k == nil {
		return nil, &command.Error{
			Errno: syscall.EINVAL, Span: line.Verb.Span,
			Msg:  "unknown verb " + command.Quote(line.Verb.Text),
			Hint: suggest(line.Verb.Text, r.names, "verbs"),
		}
	}
	c := &Call{Kernel: k, Line: line, common: r.common}
	bind := (*Call).bindPositional
	if k.Bind != nil {
		bind = func(c *Call) error { return k.Bind(c) }
	}
	if err := bind(c); err != nil {
		return nil, err
	}
	if c.opts == nil { // a Bind function without options of its own
		if err := c.ParseOptions(nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// bindPositional is the rule for kernels without a Bind function.
func (c *Call) bindPositional() error {
	k, args := c.Kernel, c.Line.Args
	if err := c.checkCount(); err != nil {
		return err
	}
	c.Literals, args = args[:k.Literals], args[k.Literals:]
	inputs := len(args)
	if k.Outputs == OutputRequired || k.Outputs == OutputOptional && len(args) > k.MaxInputs {
		inputs--
	}
	for _, w := range args[:inputs] {
		if err := c.AddInput(w); err != nil {
			return err
		}
	}
	for _, w := range args[inputs:] {
		if err := c.AddOutput(w); err != nil {
			return err
		}
	}
	return c.ParseOptions(nil)
}

// checkCount compares the number of positional words with what the kernel
// takes.
func (c *Call) checkCount() error {
	k, n := c.Kernel, len(c.Line.Args)
	least, most := k.Literals+k.MinInputs, k.Literals+k.MaxInputs
	if k.Outputs == OutputRequired {
		least++
	}
	if k.Outputs != OutputNone {
		most++
	}
	bounded := k.MaxInputs >= 0
	if n >= least && (n <= most || !bounded) {
		return nil
	}
	want := fmt.Sprintf("%d", least)
	switch {
	case !bounded:
		want += " or more"
	case most == least+1:
		want += fmt.Sprintf(" or %d", most)
	case most > least:
		want += fmt.Sprintf(" to %d", most)
	}
	noun := "operands"
	if want == "1" {
		noun = "operand"
	}
	e := c.Errorf("takes %s %s, not %d", want, noun, n)
	e.Hint = "usage: " + strings.Join(strings.Fields(k.Synopsis), " ") // a manual breaks long ones
	if n > least {
		e.Span = c.Line.Args[most].Span
	}
	return e
}

// AddInput parses an operand and appends it to c.In.
func (c *Call) AddInput(w command.Word) error {
	ref, err := c.parseRef(w)
	if err != nil {
		return err
	}
	c.In = append(c.In, Input{Ref: ref})
	return nil
}

// AddOutput parses an operand and appends it to c.Out. One output may not be
// named twice.
func (c *Call) AddOutput(w command.Word) error {
	ref, err := c.parseRef(w)
	if err != nil {
		return err
	}
	for i := range c.Out {
		if c.Out[i].Path == ref.Path {
			return ref.Errorf("%s: %s is an output already", c.Kernel.Name, command.Quote(ref.Path))
		}
	}
	c.Out = append(c.Out, Output{Ref: ref})
	return nil
}

// parseRef is ParseRef for a word of the line, or an option's value: as the
// line is at hand, carets go under the very part at fault, quoted or not.
func (c *Call) parseRef(w command.Word) (Ref, error) {
	return parseRef(w, func(lo, hi int) command.Span { return c.Line.Sub(w.Span, lo, hi) })
}

// suggest is a remedy for a word that is none of names: the nearest of them
// if it is near, and the list.
func suggest(word string, names []string, what string) string {
	list := what + ": " + strings.Join(names, " ")
	if len(names) == 0 {
		list = "there are no " + what
	}
	if near := nearest(word, names); near != "" {
		return "did you mean " + near + "? " + list
	}
	return list
}

// nearest is the name with the least edit distance from word, if that is at
// most a third of its length (at least 1); of equals the first.
func nearest(word string, names []string) string {
	const longest = 64 // names are short; a longer word is nothing like them
	best, out := max(1, min(len(word), longest)/3)+1, ""
	if len(word) > longest {
		return ""
	}
	for _, n := range names {
		if d := editDistance(word, n); d < best {
			best, out = d, n
		}
	}
	return out
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours (optimal string alignment), in O(len(a)·len(b)) time and three
// rows of memory. Swaps count once, as they are the commonest slip of a typist.
func editDistance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
