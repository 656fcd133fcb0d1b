package command

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func words(l *Line) []string {
	var out []string
	for _, w := range l.Args {
		out = append(out, w.Text)
	}
	return out
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line string
		verb string
		args []string
		opts []string // key, value, ...
	}{
		{line: ""},
		{line: "  \t "},
		{line: "# gemm a b"},
		{line: "  # x\n"},
		{"gemm a b c", "gemm", []string{"a", "b", "c"}, nil},
		{"gemm a b c\n", "gemm", []string{"a", "b", "c"}, nil},
		{"\tgemm\ta  b # c alpha=1", "gemm", []string{"a", "b"}, nil},
		{"gemm a#b c# #d", "gemm", []string{"a#b", "c#"}, nil},
		{`gemm '#a' \#b "#"`, "gemm", []string{"#a", "#b", "#"}, nil},
		{`map "z = exp(x)" x=a.npy z=b.npy`, "map", []string{"z = exp(x)"}, []string{"x", "a.npy", "z", "b.npy"}},
		{`map x="a b.npy" y='c d' z=e\ f`, "map", nil, []string{"x", "a b.npy", "y", "c d", "z", "e f"}},
		{`map x=a" b "c`, "map", nil, []string{"x", "a b c"}},
		{`v "x=1" 'x'=1 \x=1 x\=1 x"="1 1=2 =3 a-b=4 a.b=5`, "v",
			[]string{"x=1", "x=1", "x=1", "x=1", "x=1", "1=2", "=3", "a-b=4", "a.b=5"}, nil},
		{`v "a"b=1 ""c=2 _=3 A9_=4`, "v", []string{"ab=1", "c=2"}, []string{"_", "3", "A9_", "4"}},
		{"v x= y==z a=b=c", "v", nil, []string{"x", "", "y", "=z", "a", "b=c"}},
		{`v '' "" a''b`, "v", []string{"", "", "ab"}, nil},
		{`v 'a"\b' "a'b" "\$\` + "`" + `\"\\\n"`, "v", []string{`a"\b`, `a'b`, "$`\"\\\\n"}, nil},
		{`x=1 y=2`, "x=1", nil, []string{"y", "2"}},
		{`v données.npy x=δ`, "v", []string{"données.npy"}, []string{"x", "δ"}},
		{"v \xff\xfe", "v", []string{"\xff\xfe"}, nil},
		{"v a=1 b a.npy[0:2,:] c", "v", []string{"b", "a.npy[0:2,:]", "c"}, []string{"a", "1"}},
	} {
		l, err := Parse(c.line)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.line, err)
			continue
		}
		var opts []string
		for _, o := range l.Options {
			opts = append(opts, o.Key, o.Value)
		}
		if l.Verb.Text != c.verb || !slices.Equal(words(l), c.args) || !slices.Equal(opts, c.opts) {
			t.Errorf("Parse(%q) = %q %q %q", c.line, l.Verb.Text, words(l), opts)
		}
		if l.Empty() != (c.verb == "") {
			t.Errorf("Parse(%q).Empty() = %v", c.line, l.Empty())
		}
	}
}

// An empty quoted verb is a verb, if a wrong one.
func TestEmptyVerb(t *testing.T) {
	l, err := Parse("'' a")
	if err != nil || l.Empty() || l.Verb.Text != "" || len(l.Args) != 1 {
		t.Errorf("Parse: %+v, %v", l, err)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		line  string
		errno syscall.Errno
		span  Span
		msg   string
	}{
		{`gemm "a b`, syscall.EINVAL, Span{5, 6}, "unterminated quote"},
		{`gemm 'a "`, syscall.EINVAL, Span{5, 6}, "unterminated quote"},
		{`gemm "a' \"`, syscall.EINVAL, Span{5, 6}, "unterminated quote"},
		{`gemm "a\`, syscall.EINVAL, Span{5, 6}, "unterminated quote"},
		{`gemm x='a`, syscall.EINVAL, Span{7, 8}, "unterminated quote"},
		{`gemm a\`, syscall.EINVAL, Span{6, 7}, "backslash"},
		{`\`, syscall.EINVAL, Span{0, 1}, "backslash"},
		{"gemm \x00", syscall.EINVAL, Span{5, 6}, "NUL"},
		{"gemm a\rb", syscall.EINVAL, Span{6, 7}, "control character 0x0d"},
		{"gemm\na", syscall.EINVAL, Span{4, 5}, "control character 0x0a"},
		{"a\n\n", syscall.EINVAL, Span{1, 2}, "control character 0x0a"},
		{"gemm '\x1b[31m'", syscall.EINVAL, Span{6, 7}, "control character 0x1b"},
		{"# \x7f", syscall.EINVAL, Span{2, 3}, "control character 0x7f"},
		{"v a=1 b=2 a=3", syscall.EINVAL, Span{10, 13}, "option a is given twice"},
		{strings.Repeat("x", MaxLine+1), syscall.E2BIG, Span{MaxLine, MaxLine + 1}, "65537 bytes"},
	} {
		_, err := Parse(c.line)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%.40q): %v is no *Error", c.line, err)
			continue
		}
		if e.Errno != c.errno || e.Span != c.span || !strings.Contains(e.Msg, c.msg) {
			t.Errorf("Parse(%.40q): %v %v %q", c.line, e.Errno, e.Span, e.Msg)
		}
		if !errors.Is(err, c.errno) {
			t.Errorf("errors.Is(%v, %v) is false", err, c.errno)
		}
	}
	if _, err := Parse(strings.Repeat("x", MaxLine) + "\n"); err != nil {
		t.Errorf("the longest line: %v", err)
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{Errno: syscall.EINVAL, Msg: "it is wrong"}
	if e.Error() != "it is wrong" {
		t.Error(e.Error())
	}
	if e.Hint = "mend it"; e.Error() != "it is wrong (mend it)" {
		t.Error(e.Error())
	}
}

// Spans are where words stand as written, quotes included.
func TestSpans(t *testing.T) {
	const line = `map  "z = x" x='a b'.npy  y= # c`
	l, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s Span) string { return line[s.Start:s.End] }
	for _, c := range []struct {
		got  Span
		want string
	}{
		{l.Verb.Span, "map"}, {l.Args[0].Span, `"z = x"`},
		{l.Options[0].Span, `x='a b'.npy`}, {l.Options[0].ValueSpan, `'a b'.npy`},
		{l.Options[1].Span, "y="}, {l.Options[1].ValueSpan, ""},
	} {
		if text(c.got) != c.want {
			t.Errorf("span %v is %q, want %q", c.got, text(c.got), c.want)
		}
	}
	if !l.Args[0].Quoted || l.Verb.Quoted {
		t.Error("Quoted is wrong")
	}
	if o := l.Option("x"); o == nil || o.Word().Text != "a b.npy" || o.Word().Span != o.ValueSpan {
		t.Errorf("Option(x) = %+v", o)
	}
	if l.Option("q") != nil {
		t.Error("there is an option q")
	}
}

func TestSub(t *testing.T) {
	for _, c := range []struct {
		line       string
		start, end int
		want       string
	}{
		{`v abcdef`, 1, 3, "bc"},
		{`v "abcdef"`, 1, 3, "bc"},
		{`v ab'cd'ef`, 1, 5, `b'cd'e`},
		{`v a\ bc`, 1, 2, `\ `},
		{`v "a\"b"`, 1, 3, `\"b`},
		{`v abc`, 1, 99, "bc"},
		{`v abc`, 7, 9, ""},
		{`v "abc" d`, 3, 3, ""},
		{`v "abc" d`, 2, 2, ""},
	} {
		l, err := Parse(c.line)
		if err != nil {
			t.Fatal(err)
		}
		if s := l.Sub(l.Args[0].Span, c.start, c.end); c.line[s.Start:s.End] != c.want {
			t.Errorf("Sub(%q, %d, %d) = %q, want %q", c.line, c.start, c.end, c.line[s.Start:s.End], c.want)
		}
	}
}

// What sh makes of a line without expansions is what Parse makes of it.
func TestAgainstShell(t *testing.T) {
	for _, line := range []string{
		`a 'b c' "d e" f\ g`, `"a'b" 'c"d' "\"" '\' \\ \' \"`, `a#b 'a'"b"c`, `"\a\\\"" '\a\\'`, `'' "" a`,
	} {
		out, err := exec.Command("/bin/sh", "-c", `printf '%s\n' `+line).Output()
		if err != nil {
			t.Fatal(err)
		}
		l, err := Parse("v " + line)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(words(l), "\n") + "\n"; got != string(out) {
			t.Errorf("%s: %q, sh has %q", line, got, out)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"a.npy": "a.npy", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "x=1": "'x=1'", "#a": "'#a'",
		"a[0]": "'a[0]'", "données": "données", "a/b-c_d:f32": "a/b-c_d:f32", `\`: `'\'`, "a\u00a0b": "'a\u00a0b'",
	} {
		if got := Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"gemm a b c alpha=1", `map "z = exp(x)" x='a b' # c`, `v \`, `v "`, "v\x00", "'' ''=''", "v a=1 a=2",
		"v é=1 é\t\"\\\"\"", "v x=\\", strings.Repeat("a ", 300) + "'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			e := err.(*Error)
			if e.Span.Start < 0 || e.Span.Start > e.Span.End || e.Span.End > len(text) || e.Errno == 0 {
				t.Fatalf("%q: span %v, errno %v", text, e.Span, e.Errno)
			}
			Caret(text, e.Span)
			return
		}
		checkReprint(t, l)
	})
}

// checkReprint writes the line anew from its parts and compares what that
// parses as; and it checks that spans map back to the words.
func checkReprint(t *testing.T, l *Line) {
	if l.Empty() {
		return
	}
	parts := []string{Quote(l.Verb.Text)}
	for _, w := range l.Args {
		parts = append(parts, Quote(w.Text))
		if again, err := Parse("v " + l.Text[w.Span.Start:w.Span.End]); err != nil || again.Args[0].Text != w.Text {
			t.Fatalf("%q: the span of %q is %q", l.Text, w.Text, l.Text[w.Span.Start:w.Span.End])
		}
	}
	for _, o := range l.Options {
		parts = append(parts, o.Key+"="+Quote(o.Value))
		if !strings.HasPrefix(l.Text[o.Span.Start:], o.Key+"=") {
			t.Fatalf("%q: the span of %s is wrong", l.Text, o.Key)
		}
	}
	text := strings.Join(parts, " ")
	if len(text) > MaxLine {
		return
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatalf("%q reprinted as %q: %v", l.Text, text, err)
	}
	same := again.Verb.Text == l.Verb.Text && slices.Equal(words(again), words(l)) && len(again.Options) == len(l.Options)
	for i := range l.Options {
		same = same && again.Options[i].Key == l.Options[i].Key && again.Options[i].Value == l.Options[i].Value
	}
	if !same {
		t.Fatalf("%q reprinted as %q differs", l.Text, text)
	}
}
