package command

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// caretColumns is the longest line, in columns, that Caret shows whole.
const caretColumns = 100

// Caret gives the line and below it a caret line that marks s:
//
//	gemm a.npy b.npy alpha=x
//	                 ^~~~~~~
//
// There is no newline at the end. Columns are those of a terminal: tabs are
// kept, wide and combining characters are counted as such, and control
// characters and invalid UTF-8 are shown as '?'. A line of more than 100
// columns is cut around the fault, with "..." where something is missing. A
// span outside the line is moved into it; an empty one is marked with a
// single caret.
func Caret(line string, s Span) string {
	s.Start = min(max(s.Start, 0), len(line))
	s.End = min(max(s.End, s.Start), len(line))
	cells := splitCells(line)
	first, last := 0, len(cells)
	for i, c := range cells {
		if c.pos <= s.Start {
			first = i
		}
		if c.pos >= s.End {
			last = min(last, i)
		}
	}
	if s.Start == len(line) {
		first = len(cells)
	}
	lo, hi := window(cells, first)
	last = min(max(last, first), hi)

	var text, mark strings.Builder
	if lo > 0 {
		text.WriteString("...")
		mark.WriteString("   ")
	}
	for i := lo; i < hi; i++ {
		text.WriteString(cells[i].text)
		if i < first {
			mark.WriteString(cells[i].blank())
		}
	}
	if hi < len(cells) {
		text.WriteString("...")
	}
	mark.WriteByte('^')
	if n := width(cells[first:last]) - 1; n > 0 {
		mark.WriteString(strings.Repeat("~", n))
	}
	return text.String() + "\n" + mark.String()
}

// cell is a character of the shown line.
type cell struct {
	text string
	pos  int // its byte in the line
	cols int
}

// blank is what stands below the cell in the caret line.
func (c cell) blank() string {
	if c.text == "\t" {
		return "\t"
	}
	return strings.Repeat(" ", c.cols)
}

// splitCells takes a line apart into what a terminal shows as one; what could
// steer a terminal (control characters, broken UTF-8) is replaced, as the line
// may come from anybody.
func splitCells(line string) []cell {
	cells := make([]cell, 0, len(line))
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		c := cell{line[i : i+n], i, columns(r)}
		if r == utf8.RuneError && n == 1 || r != '\t' && unicode.IsControl(r) {
			c.text, c.cols = "?", 1
		}
		cells = append(cells, c)
		i += n
	}
	return cells
}

// Printable is s as a line of a text file may show it: one line of valid
// UTF-8 without control characters. Newlines become spaces, the rest '?'.
func Printable(s string) string {
	var b strings.Builder
	for _, c := range splitCells(strings.ReplaceAll(s, "\n", " ")) {
		b.WriteString(c.text)
	}
	return b.String()
}

// width is how many columns the cells take. Tabs count as one: both lines have
// the same ones.
func width(cells []cell) int {
	n := 0
	for _, c := range cells {
		n += c.cols
	}
	return n
}

// window picks the cells to show around the fault at first.
func window(cells []cell, first int) (lo, hi int) {
	if width(cells) <= caretColumns {
		return 0, len(cells)
	}
	lo, hi = first, first
	for room := caretColumns / 2; lo > 0 && room >= cells[lo-1].cols; lo-- {
		room -= cells[lo-1].cols
	}
	for room := caretColumns - width(cells[lo:first]); hi < len(cells) && room >= cells[hi].cols; hi++ {
		room -= cells[hi].cols
	}
	return lo, hi
}

// columns is how many columns a terminal gives r: 0 for combining marks, 2
// for the wide blocks of Unicode Standard Annex 11.
func columns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
		r >= 0x3000 && r <= 0x303e, r >= 0xff01 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f680 && r <= 0x1f6ff, r >= 0x1f900 && r <= 0x1f9ff:
		return 2
	}
	return 1
}

// Quote writes s as a word that [Parse] and a POSIX shell read back as s and
// that is never an option or a comment: as it is if nothing in it is special,
// else in single quotes.
func Quote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// plain tells whether r needs no quotes, here and in a shell. Brackets and
// braces are patterns to a shell, = would make an option.
func plain(r rune) bool {
	return r == utf8.RuneError || r > 0x9f && !unicode.IsSpace(r) ||
		r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' ||
		strings.ContainsRune("_@%+:,./-", r)
}
