package kernels

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"

	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// lookalike is a word that is meant as a type.
var lookalike = regexp.MustCompile(`^(b?f|i|u|c|u?int|b?float|complex)[0-9]{1,3}$`)

// parseRef reads an operand:
//
//	PATH                 typed by its NPY header
//	PATH:DTYPE           raw bytes, of a shape that the caller infers (Shape nil)
//	PATH:DTYPE:SHAPE     raw bytes, or what an output shall be
//
// each with [SLICE] at the end or not. The word is read from its end:
//
//  1. If it ends in ']' and has a '[' after its first byte, the last '[' begins
//     a slice. If that does not parse it is an error, not a name.
//  2. If what is left ends in ':', the path is all before that colon, as it
//     stands. This is how to write paths that would be taken for more:
//     "x[0]:" is the file x[0], "x:f32:" is x:f32.
//  3. If its last part after a ':' names a type, that is the type; if the part
//     before that one does, the last part is a shape.
//  4. All else is the path, colons and brackets included.
//
// To find slips of the pen, a last part that looks like a type but is none
// (f33, uint7), and a last part that is a shape after one that is no type
// (x:real:3x4), are errors. The path is not looked at, but it may not be
// empty. Errors are *[command.Error] with EINVAL; sub gives the span of a part
// of the word's text.
func parseRef(w command.Word, sub func(lo, hi int) command.Span) (Ref, error) {
	r := Ref{Text: w.Text, Span: w.Span}
	fail := func(lo, hi int, format string, args ...any) (Ref, error) {
		return Ref{}, &command.Error{Errno: syscall.EINVAL, Span: sub(lo, hi), Msg: fmt.Sprintf(format, args...)}
	}
	rest := w.Text
	if open := strings.LastIndexByte(rest, '['); open > 0 && strings.HasSuffix(rest, "]") {
		var err error
		if r.Slice, err = ndarray.ParseSlice(rest[open+1 : len(rest)-1]); err != nil {
			lo, hi := 0, len(rest)-open-2
			if se := (*ndarray.SyntaxError)(nil); errors.As(err, &se) {
				lo, hi = se.Start, se.End
			}
			return Ref{}, &command.Error{
				Errno: syscall.EINVAL, Span: sub(open+1+lo, open+1+hi), Msg: fmt.Sprintf("slice: %v", err),
				Hint: "write indices and ranges as NumPy does, such as 0, -1, 1:3, ::2 or ...",
			}
		}
		rest = rest[:open]
	}
	head, last := cutLast(rest)
	path, mid := cutLast(head)
	typed, _ := ndarray.ParseDType(last)
	midTyped, _ := ndarray.ParseDType(mid)
	switch {
	case strings.HasSuffix(rest, ":"):
		r.Path = strings.TrimSuffix(rest, ":")
	case typed != ndarray.Invalid && head != rest:
		r.Path, r.DType = head, typed
	case midTyped != ndarray.Invalid && path != head:
		shape, err := ndarray.ParseShape(last)
		if err == nil {
			_, err = ndarray.CheckShape(midTyped, shape)
		}
		if err != nil {
			return fail(len(head)+1, len(rest), "%v", err)
		}
		r.Path, r.DType, r.Shape = path, midTyped, shape
	case head != rest && lookalike.MatchString(last):
		_, err := ndarray.ParseDType(last)
		return fail(len(head)+1, len(rest), "%v", err)
	case path != head && isShape(last):
		_, err := ndarray.ParseDType(mid)
		return fail(len(path)+1, len(head), "%v", err)
	default:
		r.Path = rest
	}
	if r.Path == "" {
		return fail(0, len(w.Text), "operand has no path")
	}
	return r, nil
}

// cutLast splits s at its last colon; without one head is s.
func cutLast(s string) (head, last string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// isShape tells whether s can only be meant as a shape.
func isShape(s string) bool {
	_, err := ndarray.ParseShape(s)
	return err == nil && s != ""
}
