package expr

import (
	"fmt"
	"strings"
)

// kind is a class of tokens.
type kind uint8

const (
	kEOF kind = iota
	kNumber
	kName
	kOp // an operator or punctuation; the text says which
)

// token is a word of the text, at bytes [pos, end).
type token struct {
	kind     kind
	text     string
	pos, end int
}

// operators, longest first so that the first match is the right one.
var operators = []string{
	"**", "//", "<<", ">>", "<=", ">=", "==", "!=",
	"+", "-", "*", "/", "%", "<", ">", "=", "&", "|", "^", "~", "(", ")", ",", ";",
}

// lex splits a text into tokens; the last one is kEOF. Errors are *syntaxError.
func lex(text string) ([]token, error) {
	var toks []token
	for i := 0; ; {
		for i < len(text) && isSpace(text[i]) {
			i++
		}
		if i == len(text) {
			return append(toks, token{kEOF, "", i, i}), nil
		}
		t, err := lexOne(text, i)
		if err != nil {
			return nil, err
		}
		toks = append(toks, t)
		i = t.end
	}
}

// lexOne reads the token that begins at byte i, which is no blank.
func lexOne(text string, i int) (token, error) {
	switch c := text[i]; {
	case isDigit(c), c == '.' && i+1 < len(text) && isDigit(text[i+1]):
		return lexNumber(text, i)
	case isLetter(c):
		end := i
		for end < len(text) && (isLetter(text[end]) || isDigit(text[end])) {
			end++
		}
		return token{kName, text[i:end], i, end}, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(text[i:], op) {
			return token{kOp, op, i, i + len(op)}, nil
		}
	}
	return token{}, badCharacter(text, i)
}

// badCharacter names the remedy for the characters people try.
func badCharacter(text string, i int) error {
	e := &syntaxError{pos: i, end: i + 1}
	for e.end < len(text) && text[e.end]&0xc0 == 0x80 { // the rest of a UTF-8 sequence
		e.end++
	}
	e.msg = fmt.Sprintf("unexpected character %q", text[i:e.end])
	switch text[i] {
	case '@':
		e.hint = "products of matrices are gemm's"
	case '[':
		e.hint = `slice the operand: x="a.npy[0:10]"`
	case '!':
		e.hint = "write ~ for not, != for unequal"
	}
	return e
}

// lexNumber reads 12, 0x1f, 0b101, 1.5e-3, .5, each with an imaginary suffix j
// or i if it is decimal. Letters that follow are taken along, so that 12ab is
// one bad number and not two words; parseNumber refuses it.
func lexNumber(text string, i int) (token, error) {
	end := i
	if text[i] == '0' && i+1 < len(text) && strings.IndexByte("xXbBoO", text[i+1]) >= 0 {
		for end < len(text) && (isLetter(text[end]) || isDigit(text[end])) {
			end++
		}
		return token{kNumber, text[i:end], i, end}, nil
	}
	digits := func() {
		for end < len(text) && isDigit(text[end]) {
			end++
		}
	}
	digits()
	if end < len(text) && text[end] == '.' {
		end++
		digits()
	}
	if end < len(text) && (text[end] == 'e' || text[end] == 'E') {
		mark := end
		end++
		if end < len(text) && (text[end] == '+' || text[end] == '-') {
			end++
		}
		if end == len(text) || !isDigit(text[end]) {
			return token{}, &syntaxError{pos: i, end: mark + 1, msg: "the exponent of " + text[i:mark+1] + " has no digits"}
		}
		digits()
	}
	for end < len(text) && (isLetter(text[end]) || isDigit(text[end])) {
		end++
	}
	return token{kNumber, text[i:end], i, end}, nil
}

func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
