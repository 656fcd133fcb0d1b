package command

import (
	"fmt"
	"strings"
	"syscall"
)

// Parse reads one line. A single newline at its end is dropped.
//
// Words are separated by spaces and tabs and quoted as in POSIX sh (XCU 2.2):
// nothing is special between single quotes; between double quotes a backslash
// escapes $ ` " and itself; elsewhere it escapes any character. There are no
// expansions. A # at the start of a word begins a comment.
//
// The first word is the verb. A later word that begins with a name
// ([A-Za-z_][A-Za-z0-9_]*) and '=', neither of them quoted, is an option; its
// value may be quoted wholly or in part, or be empty. Every other word is an
// argument, so that "z = exp(x)" is one. A line of blanks and comments is no
// error: see [Line.Empty].
//
// The error is an *[Error]: E2BIG for more than [MaxLine] bytes, else EINVAL.
func Parse(text string) (*Line, error) {
	text = strings.TrimSuffix(text, "\n")
	if len(text) > MaxLine {
		return nil, &Error{
			Errno: syscall.E2BIG,
			Span:  Span{MaxLine, len(text)},
			Msg:   fmt.Sprintf("line of %d bytes, at most %d are allowed", len(text), MaxLine),
		}
	}
	if err := checkBytes(text); err != nil {
		return nil, err
	}
	l := &Line{Text: text}
	s := scanner{text: text}
	for s.skipBlanks() {
		w, eq, err := s.word()
		if err != nil {
			return nil, err
		}
		if err := l.add(w, eq); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Empty tells whether the line holds no word: blanks, a comment, nothing.
func (l *Line) Empty() bool { return l.Verb.Span == Span{} }

// Option finds an option by its key, or returns nil.
func (l *Line) Option(key string) *Option {
	for i := range l.Options {
		if l.Options[i].Key == key {
			return &l.Options[i]
		}
	}
	return nil
}

// Word is the option's value as a word.
func (o *Option) Word() Word { return Word{Text: o.Value, Span: o.ValueSpan} }

// Sub maps a part of an unquoted text back to the line: s is the span of a
// word or of an option's value, and start and end are byte offsets in its
// text after quotes were taken away. Offsets beyond the text give its end.
func (l *Line) Sub(s Span, start, end int) Span {
	sc := scanner{text: l.Text[:s.End], pos: s.Start}
	out := Span{s.End, s.End}
	for i := 0; ; i++ {
		_, _, ok := sc.next()
		if !ok {
			break
		}
		if i == start {
			out.Start = sc.at
		}
		if i == end-1 {
			out.End = sc.pos
		}
	}
	return Span{out.Start, max(out.Start, out.End)}
}

// checkBytes refuses control characters, in quotes and comments too: no
// command needs them, and they garble logs.
func checkBytes(text string) *Error {
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != 0x7f || c == '\t' {
			continue
		}
		e := &Error{Errno: syscall.EINVAL, Span: Span{i, i + 1}, Msg: fmt.Sprintf("control character %#02x", c)}
		switch c {
		case 0:
			e.Msg = "NUL byte"
		case '\r':
			e.Hint = "end lines with a newline alone, not with CR LF"
		}
		return e
	}
	return nil
}

// add files a word; eq is where in its text the unquoted '=' of an option
// stands, or -1.
func (l *Line) add(w Word, eq scannedEq) error {
	switch {
	case l.Empty():
		l.Verb = w
	case eq.index < 0:
		l.Args = append(l.Args, w)
	default:
		o := Option{Key: w.Text[:eq.index], Value: w.Text[eq.index+1:], Span: w.Span, ValueSpan: Span{eq.end, w.Span.End}}
		if l.Option(o.Key) != nil {
			return &Error{Errno: syscall.EINVAL, Span: o.Span, Msg: "option " + o.Key + " is given twice"}
		}
		l.Options = append(l.Options, o)
	}
	return nil
}

// scannedEq is where the '=' of an option stands: its index in the unquoted
// word, and the byte of the line after it.
type scannedEq struct{ index, end int }

// scanner walks over a text, taking quotes away.
type scanner struct {
	text   string
	pos    int
	at     int  // where the last byte given by next began (its escape, if any)
	quote  byte // the quote we are in, or 0
	open   int  // where it was opened
	quoted bool // the word had a quote
}

// skipBlanks goes to the next word and tells whether there is one.
func (s *scanner) skipBlanks() bool {
	for s.pos < len(s.text) && isBlank(s.text[s.pos]) {
		s.pos++
	}
	return s.pos < len(s.text) && s.text[s.pos] != '#'
}

// isBlank is the shell's idea of a blank in the C locale.
func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// word reads the word that begins at pos.
func (s *scanner) word() (w Word, eq scannedEq, err error) {
	start := s.pos
	s.quoted = false
	var buf []byte
	eq.index = -1
	name := true // all so far is an unquoted name
	for {
		c, bare, ok := s.next()
		if !ok {
			break
		}
		if name && bare && !s.quoted && c == '=' && len(buf) > 0 {
			eq = scannedEq{len(buf), s.pos}
		}
		name = name && bare && !s.quoted && isName(c, len(buf))
		buf = append(buf, c)
	}
	if s.quote != 0 {
		return w, eq, &Error{
			Errno: syscall.EINVAL, Span: Span{s.open, s.open + 1},
			Msg:  fmt.Sprintf("unterminated quote %c", s.quote),
			Hint: fmt.Sprintf("close it, or write \\%c for the character itself", s.quote),
		}
	}
	if s.pos < len(s.text) && s.text[s.pos] == '\\' {
		return w, eq, &Error{
			Errno: syscall.EINVAL, Span: Span{s.pos, s.pos + 1},
			Msg: "a backslash ends the line", Hint: `write \\ for the character itself`,
		}
	}
	return Word{Text: string(buf), Span: Span{start, s.pos}, Quoted: s.quoted}, eq, nil
}

// isName tells whether c may be byte i of a name in the sense of POSIX (XBD
// 3.216).
func isName(c byte, i int) bool {
	letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
	return letter || i > 0 && c >= '0' && c <= '9'
}

// next gives the next byte of the word; bare tells that it is not quoted. At
// the word's end ok is false: then pos is at a blank, at the end of the text,
// or at a backslash that has nothing to escape.
func (s *scanner) next() (c byte, bare, ok bool) {
	for s.pos < len(s.text) {
		c = s.text[s.pos]
		switch {
		case s.quote == 0 && isBlank(c):
			return 0, false, false
		case s.quote == 0 && (c == '\'' || c == '"'):
			s.quote, s.open, s.quoted = c, s.pos, true
			s.pos++
			continue
		case s.quote != 0 && c == s.quote:
			s.quote = 0
			s.pos++
			continue
		case c == '\\' && s.quote != '\'':
			if s.pos+1 == len(s.text) {
				return 0, false, false
			}
			if e := s.text[s.pos+1]; s.quote == 0 || strings.IndexByte("$`\"\\", e) >= 0 {
				s.at = s.pos
				s.pos += 2
				return e, false, true
			}
		}
		s.at = s.pos
		s.pos++
		return c, s.quote == 0, true
	}
	return 0, false, false
}
