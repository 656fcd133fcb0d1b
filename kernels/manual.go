package kernels

import (
	"strings"
)

// A manual is a list of sections, each a list of blocks. Text, Markdown and
// Roff print the same list.

// section is a heading and what stands under it.
type section struct {
	title  string // in capitals
	blocks []block
}

// block is a paragraph (text), an entry (term and text), or lines that are
// kept as they are.
type block struct {
	term  string
	text  string
	lines []string
}

// sections lays out the manual. Those without contents are left out.
func (k *Kernel) sections() []section {
	m := &k.Manual
	all := []section{
		{"SYNOPSIS", []block{{lines: strings.Split(k.Synopsis, "\n")}}},
		{"DESCRIPTION", paragraphs(m.Description)},
		{"OPERANDS", entries(m.Operands)},
		{"OPTIONS", k.optionBlocks()},
		{"TYPES", paragraphs(m.Types)},
		{"COST", paragraphs(m.Cost)},
		{"ERRORS", entries(m.Errors)},
		{"EXAMPLES", examples(m.Examples)},
		{"NOTES", paragraphs(m.Notes)},
	}
	out := all[:0]
	for _, s := range all {
		if len(s.blocks) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// paragraphs splits a text at empty lines. A paragraph whose lines are all
// indented is kept as it is, without the indentation that they share.
func paragraphs(text string) []block {
	var out []block
	for p := range strings.SplitSeq(text, "\n\n") {
		p = strings.Trim(p, "\n")
		if strings.TrimSpace(p) == "" {
			continue
		}
		if lines, ok := dedent(strings.Split(p, "\n")); ok {
			out = append(out, block{lines: lines})
			continue
		}
		out = append(out, block{text: strings.Join(strings.Fields(p), " ")})
	}
	return out
}

// dedent takes away the blanks that all lines begin with, and tells whether
// there are any.
func dedent(lines []string) ([]string, bool) {
	common := -1
	for _, l := range lines {
		n := len(l) - len(strings.TrimLeft(l, " \t"))
		if common < 0 || n < common {
			common = n
		}
	}
	if common <= 0 {
		return lines, false
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimRight(l[common:], " \t")
	}
	return out, true
}

// entries are set as terms with their explanations; these are single
// paragraphs.
func entries(es []Entry) []block {
	out := make([]block, len(es))
	for i, e := range es {
		out[i] = block{term: e.Term, text: strings.Join(strings.Fields(e.Text), " ")}
	}
	return out
}

// examples are a sentence each and the lines that it speaks of.
func examples(es []Example) []block {
	var out []block
	for _, e := range es {
		out = append(out, paragraphs(e.Text)...)
		if len(e.Lines) > 0 {
			out = append(out, block{lines: e.Lines})
		}
	}
	return out
}

// optionBlocks describes the options from their declarations, so that the
// manual cannot fall behind: the kind of value, the help, the default.
func (k *Kernel) optionBlocks() []block {
	out := make([]block, len(k.Options))
	for i := range k.Options {
		o := &k.Options[i]
		text := strings.Join(strings.Fields(o.Help), " ")
		if text != "" && !strings.HasSuffix(text, ".") {
			text += "."
		}
		if o.Default != "" {
			text += " Default: " + o.Default + "."
		}
		out[i] = block{term: o.Name + "=" + o.placeholder(), text: strings.TrimSpace(text)}
	}
	return out
}

// placeholder is what stands for the value in a manual.
func (s *OptionSpec) placeholder() string {
	switch s.Kind {
	case KindInt:
		return "INTEGER"
	case KindFloat:
		return "NUMBER"
	case KindComplex:
		return "COMPLEX"
	case KindBool:
		return "0|1"
	case KindEnum:
		return strings.Join(s.Values, "|")
	case KindInts:
		return "I,J,..."
	case KindDType:
		return "DTYPE"
	case KindShape:
		return "SHAPE"
	case KindOperand:
		return "OPERAND"
	}
	return "TEXT"
}
