package command

import (
	"strings"
	"testing"
)

func TestCaret(t *testing.T) {
	for _, c := range []struct {
		line string
		span Span
		want string
	}{
		{"gemm a b", Span{5, 6}, "gemm a b\n     ^"},
		{"gemm abc d", Span{5, 8}, "gemm abc d\n     ^~~"},
		{"gemm", Span{0, 4}, "gemm\n^~~~"},
		{"gemm", Span{4, 4}, "gemm\n    ^"},
		{"gemm", Span{2, 2}, "gemm\n  ^"},
		{"gemm", Span{-3, 99}, "gemm\n^~~~"},
		{"gemm", Span{3, 1}, "gemm\n   ^"},
		{"", Span{0, 0}, "\n^"},
		{"a\tb c", Span{2, 3}, "a\tb c\n \t^"},
		{"é ü x", Span{6, 7}, "é ü x\n    ^"},
		{"é x", Span{0, 2}, "é x\n^"},
		{"日本 x", Span{7, 8}, "日本 x\n     ^"},
		{"日本 x", Span{0, 6}, "日本 x\n^~~~"},
		{"e\u0301 x", Span{4, 5}, "e\u0301 x\n  ^"},
		{"a\x1b[m\xff b", Span{6, 7}, "a?[m? b\n      ^"},
	} {
		if got := Caret(c.line, c.span); got != c.want {
			t.Errorf("Caret(%q, %v):\n%s\nwant\n%s", c.line, c.span, got, c.want)
		}
	}
}

// A long line is cut around the fault, and the caret still stands below it.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"a\tb é 漢 \\":              "a\tb é 漢 \\",
		"goroutine 1\nmain.go:3":   "goroutine 1 main.go:3",
		"\xff\xe2\x82.npy":         "???.npy",
		"\x1b[2J\x00\x7f\u009b31m": "?[2J???31m",
		"�":                        "�", // written so, it is a character as others
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCaretLongLine(t *testing.T) {
	for _, at := range []int{0, 1, 49, 50, 51, 100, 5000, 9900, 9990, 9999} {
		line := []byte(strings.Repeat("x", 10000))
		line[at] = '!'
		text, mark, _ := strings.Cut(Caret(string(line), Span{at, at + 1}), "\n")
		if len(text) > caretColumns+6 {
			t.Errorf("at %d: %d columns", at, len(text))
		}
		if i := strings.IndexByte(mark, '^'); i != len(mark)-1 || text[i] != '!' {
			t.Errorf("at %d:\n%s\n%s", at, text, mark)
		}
		if cut := strings.HasPrefix(text, "..."); cut != (at > 50) {
			t.Errorf("at %d: cut on the left is %v", at, cut)
		}
	}
	text, mark, _ := strings.Cut(Caret(strings.Repeat("x", 10000), Span{10, 10000}), "\n")
	if len(mark) > len(text)-3 || !strings.HasSuffix(mark, "~") {
		t.Errorf("a long span:\n%s\n%s", text, mark)
	}
}

func FuzzCaret(f *testing.F) {
	f.Add("gemm a b", 5, 6)
	f.Add("日本\t\xff", 3, 2)
	f.Fuzz(func(t *testing.T, line string, start, end int) {
		text, mark, ok := strings.Cut(Caret(line, Span{start, end}), "\n")
		if !ok || !strings.Contains(mark, "^") || strings.ContainsAny(text+mark, "\x00\x1b\r\n\x7f") {
			t.Fatalf("Caret(%q, %d, %d) = %q\n%q", line, start, end, text, mark)
		}
	})
}
