package kernels

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

var manualDate = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

// bare is a kernel with next to no manual.
var bare = &Kernel{Name: "bare", Summary: "do nothing", Synopsis: "bare"}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it); now:\n%s", path, got)
	}
}

func TestManualGolden(t *testing.T) {
	for _, k := range []*Kernel{scale(), bare} {
		golden(t, k.Name+".txt", k.Text(72))
		golden(t, k.Name+".md", k.Markdown())
		golden(t, k.Name+".7", k.Roff(7, "vgpu 1.0", manualDate))
	}
}

// mandoc has nothing to say about the page, and prints every word of it.
func TestRoffLint(t *testing.T) {
	for _, k := range []*Kernel{scale(), bare} {
		page := k.Roff(7, "vgpu 1.0", manualDate)
		path := filepath.Join(t.TempDir(), "vgpu-"+k.Name+".7")
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mandoc", "-T", "lint", path).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("mandoc -T lint: %v\n%s\n%s", err, out, page)
		}
		out, err := exec.Command("mandoc", "-T", "utf8", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		text := removeOverstrikes(out)
		for _, word := range strings.Fields(k.Text(0)) {
			if !strings.Contains(text, word) {
				t.Errorf("%s: the page lacks %q", k.Name, word)
			}
		}
	}
}

// removeOverstrikes takes away how a terminal is told to print bold.
func removeOverstrikes(b []byte) string {
	for {
		i := bytes.IndexByte(b, '\b')
		if i < 0 {
			return string(b)
		}
		_, n := utf8.DecodeLastRune(b[:i])
		b = append(b[:i-n:i-n], b[i+1:]...)
	}
}

func TestTextWidth(t *testing.T) {
	for _, width := range []int{40, 72, 100} {
		for line := range strings.Lines(scale().Text(width)) {
			kept := strings.Contains(line, "Y[i]") || strings.Contains(line, "scale X Y") || strings.Contains(line, "alpha is 0")
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width && !kept {
				t.Errorf("width %d: a line of %d: %s", width, n, line)
			}
			if strings.HasSuffix(line, " \n") {
				t.Errorf("blanks at the end of %q", line)
			}
		}
	}
	if n := len(wrap(strings.Repeat("word ", 100), "  ", 0)); n != 2+5*100 {
		t.Errorf("without a limit the text has %d bytes", n)
	}
}

func TestMarkdownEscapes(t *testing.T) {
	for in, want := range map[string]string{
		"1. x": `1\. x`, "12) x": `12\) x`, "1.5 x": "1.5 x", "- x": `\- x`, "+ x": `\+ x`, "-x": "-x", "x": "x", "": "",
	} {
		if got := lineStart(in); got != want {
			t.Errorf("lineStart(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"a": "`a`", "a`b": "`` a`b ``", "``": "``` `` ```"} {
		if got := codeSpan(in); got != want {
			t.Errorf("codeSpan(%q) = %q, want %q", in, got, want)
		}
	}
	if got := fence([]string{"a", "```"}); got != "````\na\n```\n````\n" {
		t.Errorf("fence: %q", got)
	}
}

func TestParagraphs(t *testing.T) {
	got := paragraphs("a\nb\n\n\n  c\n    d\n\n \n\n\te")
	if len(got) != 3 || got[0].text != "a b" || strings.Join(got[1].lines, "|") != "c|  d" || got[2].lines[0] != "e" {
		t.Errorf("%+v", got)
	}
}
