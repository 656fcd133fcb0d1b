package expr

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// syntax is a node of the tree. A leaf is a number (lit) or a name; else op
// names an operator or a function and args are its operands. op is "+" for an
// operator of two, "unary-" for one of one, "sin()" for a function.
type syntax struct {
	pos, end int
	op       string
	name     string
	lit      *literal
	args     []*syntax
}

// statement is `name = expr`.
type statement struct {
	name     string
	pos, end int // of the name
	expr     *syntax
}

// maxDepth bounds nesting, so that no stage recurses without end. Chains of one
// operator are deep trees too, and have a bound of their own in binary.
const maxDepth = 200

// parser is recursive descent with Python's precedence. depth counts unary,
// which every way to nest passes through.
type parser struct {
	toks  []token
	i     int
	depth int
}

// parse reads `a = expr; b = expr`. Empty statements are allowed, no statement
// at all is not. Errors are *syntaxError, with the place in text.
func parse(text string) ([]statement, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	var out []statement
	for {
		for p.accept(";") {
		}
		if p.peek().kind == kEOF {
			break
		}
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
		if t := p.peek(); t.kind != kEOF && t.text != ";" {
			return nil, unexpected(t)
		}
	}
	if len(out) == 0 {
		return nil, &syntaxError{end: len(text), msg: "the expression is empty", hint: `write "z = x + y"`}
	}
	return out, nil
}

// peek is the token that comes next, kEOF at the end and beyond.
func (p *parser) peek() token { return p.toks[p.i] }

// next takes a token; kEOF stays where it is.
func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != kEOF {
		p.i++
	}
	return t
}

// accept takes an operator if it is next.
func (p *parser) accept(op string) bool {
	if t := p.peek(); t.kind == kOp && t.text == op {
		p.i++
		return true
	}
	return false
}

// unexpected is the refusal of a token, with the remedy where people's habits
// from Python are known.
func unexpected(t token) error {
	e := &syntaxError{pos: t.pos, end: t.end}
	switch {
	case t.kind == kEOF:
		e.msg, e.end = "the expression ends too early", t.end+1
	case t.text == "and", t.text == "or", t.text == "not":
		e.msg = fmt.Sprintf("%q works on single values, not on arrays", t.text)
		e.hint = "write & | ~, with comparisons in parentheses"
	case t.text == "if", t.text == "else":
		e.msg, e.hint = fmt.Sprintf("unexpected %q", t.text), "write where(condition, a, b)"
	case t.text == "=":
		e.msg, e.hint = `unexpected "="`, "write == to compare, ; between statements"
	default:
		e.msg = fmt.Sprintf("unexpected %q", t.text)
	}
	return e
}

// statement reads NAME = expression.
func (p *parser) statement() (statement, error) {
	t := p.next()
	if t.kind != kName {
		return statement{}, unexpected(t)
	}
	if !p.accept("=") {
		return statement{}, &syntaxError{pos: t.pos, end: t.end, msg: "a statement begins with NAME =", hint: `write "z = ..." and name the output z=PATH`}
	}
	x, err := p.binary(0)
	return statement{t.text, t.pos, t.end, x}, err
}

// levels are the binary operators, loosest first. All associate to the left.
var levels = [][]string{
	{"<", "<=", ">", ">=", "==", "!="},
	{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "//", "%"},
}

// binary reads operators of a level of precedence and tighter.
func (p *parser) binary(level int) (*syntax, error) {
	if level == len(levels) {
		return p.unary()
	}
	x, err := p.binary(level + 1)
	for n := 0; err == nil && p.peek().kind == kOp && slices.Contains(levels[level], p.peek().text); n++ {
		t := p.next()
		if level == 0 && n > 0 {
			return nil, &syntaxError{pos: t.pos, end: t.end, msg: "comparisons cannot be chained", hint: "write (a < b) & (b < c)"}
		}
		// A long chain is a deep tree: it counts as nesting for later stages.
		if n > 50*maxDepth {
			return nil, tooDeep(t)
		}
		var y *syntax
		if y, err = p.binary(level + 1); err == nil {
			x = &syntax{pos: x.pos, end: y.end, op: t.text, args: []*syntax{x, y}}
		}
	}
	return x, err
}

// tooDeep is the refusal of an expression beyond maxDepth.
func tooDeep(t token) error {
	return &syntaxError{pos: t.pos, end: t.end, msg: "the expression is nested too deeply", hint: "name a part of it: t = ...; z = t + ..."}
}

// unary reads signs before a power: they bind looser than ** and tighter than
// *.
func (p *parser) unary() (*syntax, error) {
	t := p.peek()
	if p.depth++; p.depth > maxDepth {
		return nil, tooDeep(t)
	}
	defer func() { p.depth-- }()
	for _, op := range []string{"-", "+", "~"} {
		if !p.accept(op) {
			continue
		}
		x, err := p.unary()
		if err != nil {
			return nil, err
		}
		return &syntax{pos: t.pos, end: x.end, op: "unary" + op, args: []*syntax{x}}, nil
	}
	return p.power()
}

// power binds tighter than a unary operator on its left and looser than one
// on its right: -x**-y is -(x**(-y)).
func (p *parser) power() (*syntax, error) {
	x, err := p.atom()
	if err != nil || !p.accept("**") {
		return x, err
	}
	y, err := p.unary()
	if err != nil {
		return nil, err
	}
	return &syntax{pos: x.pos, end: y.end, op: "**", args: []*syntax{x, y}}, nil
}

// atom reads a number, a name, a call or what is in parentheses.
func (p *parser) atom() (*syntax, error) {
	t := p.next()
	switch {
	case t.kind == kNumber:
		lit, err := parseNumber(t)
		return &syntax{pos: t.pos, end: t.end, lit: lit}, err
	case t.kind == kName && p.accept("("):
		return p.call(t)
	case t.kind == kName && !reserved[t.text]:
		return &syntax{pos: t.pos, end: t.end, name: t.text}, nil
	case t.text == "(":
		x, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, p.unclosed(t)
		}
		return x, nil
	}
	return nil, unexpected(t)
}

var reserved = map[string]bool{"and": true, "or": true, "not": true, "if": true, "else": true}

// unclosed is the error for a parenthesis that the next token does not close.
func (p *parser) unclosed(open token) error {
	if t := p.peek(); t.kind != kEOF {
		return unexpected(t)
	}
	return &syntaxError{pos: open.pos, end: open.end, msg: "the parenthesis is not closed"}
}

// call reads arguments up to the closing parenthesis; how many there may be is
// the checker's business. A comma may not end them.
func (p *parser) call(name token) (*syntax, error) {
	x := &syntax{pos: name.pos, op: name.text + "()"}
	open := p.toks[p.i-1]
	for !p.accept(")") {
		if len(x.args) > 0 && !p.accept(",") {
			return nil, p.unclosed(open)
		}
		a, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		x.args = append(x.args, a)
	}
	x.end = p.toks[p.i-1].end
	return x, nil
}

// parseNumber reads a literal: an integer of any size, a float, or either
// with the imaginary suffix.
func parseNumber(t token) (*literal, error) {
	bad := func() (*literal, error) {
		return nil, &syntaxError{pos: t.pos, end: t.end, msg: fmt.Sprintf("%q is not a number", t.text)}
	}
	if len(t.text) > 400 {
		return bad()
	}
	body, imaginary := strings.CutSuffix(t.text, "j")
	if !imaginary {
		body, imaginary = strings.CutSuffix(t.text, "i")
	}
	based := len(body) > 1 && body[0] == '0' && isLetter(body[1]) && body[1] != 'e' && body[1] != 'E'
	if !imaginary && !strings.ContainsAny(body, ".eE") || based {
		base := 10
		if based {
			base = 0
		}
		n, ok := new(big.Int).SetString(body, base)
		if !ok || imaginary {
			return bad()
		}
		return checkInt(n, t.pos, t.end)
	}
	f, err := strconv.ParseFloat(body, 64)
	if err != nil && !math.IsInf(f, 0) {
		return bad()
	}
	if imaginary {
		return &literal{kind: weakComplex, c: complex(0, f)}, nil
	}
	return &literal{kind: weakFloat, f: f}, nil
}
