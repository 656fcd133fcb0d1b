package kernels

import (
	"fmt"
	"strings"
	"time"
)

// roffEscapes keeps ASCII what it is on every output device: without it a
// formatter sets typographic hyphens, quotes, hats and tildes.
var roffEscapes = strings.NewReplacer(
	`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`,
)

// Roff renders the source of a manual page named vgpu-NAME in man(7) macros,
// clean for mandoc -T lint. The version stands in the footer ("vgpu 1.0"). It
// depends on nothing but its arguments, so that builds are reproducible.
func (k *Kernel) Roff(section int, version string, date time.Time) string {
	var b strings.Builder
	name := "vgpu-" + k.Name
	fmt.Fprintf(&b, ".TH %s %d %s \"%s\" \"vgpu kernels\"\n",
		roff(strings.ToUpper(name)), section, date.UTC().Format(time.DateOnly), roff(version))
	b.WriteString(".SH NAME\n" + roffText(name+" - "+k.Summary))
	for _, s := range k.sections() {
		b.WriteString(".SH " + s.title + "\n")
		for i, bl := range s.blocks {
			switch {
			case bl.term != "":
				b.WriteString(".TP\n.B " + roff(bl.term) + "\n" + roffText(bl.text))
				if bl.text == "" {
					b.WriteString("\\&\n")
				}
			case bl.lines != nil:
				b.WriteString(roffLines(bl.lines, i > 0))
			default:
				if i > 0 {
					b.WriteString(".PP\n")
				}
				b.WriteString(roffText(bl.text))
			}
		}
	}
	if also := k.Manual.SeeAlso; len(also) > 0 {
		b.WriteString(".SH SEE ALSO\n" + roffText(strings.Join(also, ", ")))
	}
	return b.String()
}

// roff escapes a text for use inside a line or a quoted argument. What is not
// ASCII is written as a Unicode escape.
func roff(s string) string {
	var b strings.Builder
	for _, r := range roffEscapes.Replace(s) {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

// roffText sets a paragraph: wrapped, with no line that looks like a request.
func roffText(text string) string {
	return guardLines(wrap(roff(text), "", 78))
}

// roffLines sets lines as they are, in the fixed font where there is one.
func roffLines(lines []string, space bool) string {
	var b strings.Builder
	if space {
		b.WriteString(".PP\n")
	}
	b.WriteString(".nf\n")
	for _, l := range lines {
		if l == "" {
			b.WriteString("\\&\n")
			continue
		}
		b.WriteString(guardLines(roff(l) + "\n"))
	}
	b.WriteString(".fi\n")
	return b.String()
}

// guardLines puts a zero-width space before a dot that begins a line. (A quote
// there is escaped already.)
func guardLines(s string) string {
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return strings.ReplaceAll(s, "\n.", "\n\\&.")
}
