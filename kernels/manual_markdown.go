package kernels

import "strings"

// markdownEscapes keeps plain text plain in CommonMark.
var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, ">", `\>`,
	"[", `\[`, "]", `\]`, "#", `\#`, "|", `\|`, "~", `\~`, "&", `\&`, "$", `\$`,
)

// Markdown renders the manual as CommonMark, a heading of level 1 for the
// kernel and of level 2 for each section. Paragraphs are single lines.
func (k *Kernel) Markdown() string {
	var b strings.Builder
	b.WriteString("# " + markdownEscapes.Replace(k.Name) + "\n\n" + markdownEscapes.Replace(k.Summary) + ".\n")
	for _, s := range k.sections() {
		b.WriteString("\n## " + s.title[:1] + strings.ToLower(s.title[1:]) + "\n")
		for i, bl := range s.blocks {
			if i == 0 || bl.term == "" {
				b.WriteByte('\n') // entries are a tight list
			}
			switch {
			case bl.term != "":
				b.WriteString("- " + codeSpan(bl.term) + ": " + markdownEscapes.Replace(bl.text) + "\n")
			case bl.lines != nil:
				b.WriteString(fence(bl.lines))
			default:
				b.WriteString(lineStart(markdownEscapes.Replace(bl.text)) + "\n")
			}
		}
	}
	if len(k.Manual.SeeAlso) > 0 {
		b.WriteString("\n## See also\n\n" + markdownEscapes.Replace(strings.Join(k.Manual.SeeAlso, ", ")) + "\n")
	}
	return b.String()
}

// lineStart escapes what would begin a list at the start of a paragraph.
func lineStart(s string) string {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	rest := s[digits:]
	switch {
	case digits > 0 && (strings.HasPrefix(rest, ". ") || strings.HasPrefix(rest, ") ")):
		return s[:digits] + `\` + rest
	case digits == 0 && (strings.HasPrefix(s, "- ") || strings.HasPrefix(s, "+ ")):
		return `\` + s
	}
	return s
}

// codeSpan sets s as code, between more backquotes than it has in a row.
func codeSpan(s string) string {
	ticks := "`"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	if len(ticks) > 1 {
		return ticks + " " + s + " " + ticks
	}
	return ticks + s + ticks
}

// fence sets lines as a code block, between more backquotes than they have in
// a row.
func fence(lines []string) string {
	text, ticks := strings.Join(lines, "\n"), "```"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	return ticks + "\n" + text + "\n" + ticks + "\n"
}
