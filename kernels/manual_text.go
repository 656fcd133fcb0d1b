package kernels

import (
	"strings"
	"unicode/utf8"
)

// textIndent is the left margin of a manual as text, and how far entries hang.
const textIndent = "       "

// Text renders the manual for a terminal of so many columns, as man(1) does.
// Lines that are kept as they are may be longer; a width of 0 or less is no
// limit.
func (k *Kernel) Text(width int) string {
	var b strings.Builder
	b.WriteString("NAME\n" + wrap(k.Name+" - "+k.Summary, textIndent, width))
	for _, s := range k.sections() {
		b.WriteString("\n" + s.title + "\n")
		for i, bl := range s.blocks {
			if i > 0 && bl.term == "" {
				b.WriteByte('\n') // entries stand close together
			}
			b.WriteString(bl.textLines(width))
		}
	}
	if len(k.Manual.SeeAlso) > 0 {
		b.WriteString("\nSEE ALSO\n" + wrap(strings.Join(k.Manual.SeeAlso, ", "), textIndent, width))
	}
	return b.String()
}

// textLines renders a block. A term that is short has its text beside it.
func (bl *block) textLines(width int) string {
	switch {
	case bl.term != "":
		text := wrap(bl.text, textIndent+textIndent, width)
		if room := len(textIndent) - 1 - utf8.RuneCountInString(bl.term); room >= 0 && text != "" {
			return textIndent + bl.term + strings.Repeat(" ", room+1) + text[2*len(textIndent):]
		}
		return textIndent + bl.term + "\n" + text
	case bl.lines != nil:
		var b strings.Builder
		for _, l := range bl.lines {
			b.WriteString(strings.TrimRight(textIndent+l, " ") + "\n")
		}
		return b.String()
	}
	return wrap(bl.text, textIndent, width)
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
