package kernels

import (
	"strings"
	"unicode/utf8"
)

// Text renders the manual for a terminal of so many columns, as man(1) does.
// Lines that are kept as they are may be longer; 0 or less is no limit.
func (k *Kernel) Text(width int) string {
	const indent = "       "
	var b strings.Builder
	b.WriteString("NAME\n" + wrap(k.Name+" - "+k.Summary, indent, width))
	for _, s := range k.sections() {
		b.WriteString("\n" + s.title + "\n")
		for i, bl := range s.blocks {
			if i > 0 && (bl.term == "" || s.title != "ERRORS") {
				b.WriteByte('\n')
			}
			switch {
			case bl.term != "":
				b.WriteString(indent + bl.term + "\n" + wrap(bl.text, indent+indent, width))
			case bl.lines != nil:
				for _, l := range bl.lines {
					b.WriteString(strings.TrimRight(indent+l, " ") + "\n")
				}
			default:
				b.WriteString(wrap(bl.text, indent, width))
			}
		}
	}
	if len(k.Manual.SeeAlso) > 0 {
		b.WriteString("\nSEE ALSO\n" + wrap(strings.Join(k.Manual.SeeAlso, ", "), indent, width))
	}
	return b.String()
}

// wrap breaks text at blanks into indented lines of at most width runes; a
// word that is longer has a line of its own. Each line ends in a newline.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	col := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case col == 0:
			b.WriteString(indent)
			col = len(indent)
		case width > 0 && col+1+n > width:
			b.WriteString("\n" + indent)
			col = len(indent)
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += n
	}
	if col > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}
