// Package command reads command lines: a verb, operands, and key=value
// options, quoted as in POSIX sh. It knows nothing of what a verb means.
//
// A line's parts keep their place in it ([Span]), so that an error can put a
// caret under the fault.
package command

import "syscall"

// MaxLine is the longest line accepted, without its newline.
const MaxLine = 64 << 10

// Span is a half-open range of bytes of a line.
type Span struct{ Start, End int }

// Word is a word of a line after quotes are taken away.
type Word struct {
	Text   string
	Span   Span
	Quoted bool // some part of it was in quotes
}

// Option is a key=value word.
type Option struct {
	Key   string
	Value string
	Span  Span // of the whole word
	// ValueSpan is where the value stands, for errors about it.
	ValueSpan Span
}

// Line is a parsed command line.
type Line struct {
	Text    string // as written, without newline
	Verb    Word
	Args    []Word
	Options []Option
}

// Error is a refusal: an errno, where in the line, what is wrong, and what to
// do about it.
type Error struct {
	Errno syscall.Errno
	Span  Span
	Msg   string
	Hint  string // the remedy; may be empty
}

// Error gives the message and the remedy on one line.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + " (" + e.Hint + ")"
}

// Unwrap makes errors.Is(err, syscall.EINVAL) work.
func (e *Error) Unwrap() error { return e.Errno }
