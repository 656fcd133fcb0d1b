package expr

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"vgpu/kernels/ndarray"
)

// value is a typed expression: a node, or a weak literal (then n is nil). A
// literal has the shape of a scalar.
type value struct {
	n     *node
	lit   *literal
	shape []int
	pos   int // the place in the text, for errors
	end   int
}

// operand is the type and shape of an input by name.
type operand struct {
	index int
	dt    ndarray.DType
	shape []int
}

// checker turns statements into nodes, in one pass over the tree. It lives for
// one check.
type checker struct {
	g      *graph
	inputs map[string]operand
	env    map[string]value // assigned so far
}

// check types all statements and gives the last value of each name. It never
// panics, whatever the text; its errors are *syntaxError. Half-width values are
// rounded to their type at the end of each statement, where the user has named
// them.
func check(g *graph, stmts []statement, inputs map[string]operand) (map[string]value, error) {
	c := &checker{g: g, inputs: inputs, env: map[string]value{}}
	for _, s := range stmts {
		v, err := c.expr(s.expr)
		if err != nil {
			return nil, err
		}
		if v.n != nil {
			v.n = g.round(v.n)
		}
		c.env[s.name] = v
	}
	return c.env, nil
}

// constants may be shadowed by operands and assigned names.
var constants = map[string]*literal{
	"pi":  {kind: weakFloat, f: math.Pi},
	"e":   {kind: weakFloat, f: math.E},
	"inf": {kind: weakFloat, f: math.Inf(1)},
	"nan": {kind: weakFloat, f: math.NaN()},
}

// expr types a tree, arguments first. Its depth is bounded by the parser.
func (c *checker) expr(s *syntax) (value, error) {
	switch {
	case s.lit != nil:
		return value{lit: s.lit, shape: []int{}, pos: s.pos, end: s.end}, nil
	case s.name != "":
		return c.name(s)
	}
	f, err := lookup(s)
	if err != nil {
		return value{}, err
	}
	args := make([]value, len(s.args))
	for i, a := range s.args {
		if args[i], err = c.expr(a); err != nil {
			return value{}, err
		}
	}
	v, err := c.applyAny(f, s, args)
	if err != nil {
		return value{}, err
	}
	v.pos, v.end = s.pos, s.end
	v.shape, err = c.broadcast(s, args)
	return v, err
}

// name looks a name up: what was assigned hides an operand, which hides a
// constant.
func (c *checker) name(s *syntax) (value, error) {
	v := value{shape: []int{}, pos: s.pos, end: s.end}
	if have, ok := c.env[s.name]; ok {
		v.n, v.lit, v.shape = have.n, have.lit, have.shape
		return v, nil
	}
	if in, ok := c.inputs[s.name]; ok {
		v.n, v.shape = c.g.input(in.index, in.dt), in.shape
		return v, nil
	}
	if l := constants[s.name]; l != nil {
		v.lit = l
		return v, nil
	}
	if s.name == "True" || s.name == "False" {
		k := konst{}
		if s.name == "True" {
			k.re = 1
		}
		v.n = c.g.constant(ndarray.Bool, k)
		return v, nil
	}
	return v, unknownName(s.name, s.pos, s.end)
}

// unknownName is the refusal of a name that nothing explains.
func unknownName(name string, pos, end int) error {
	e := &syntaxError{pos: pos, end: end, msg: "unknown name " + name, hint: "name the operand: " + name + "=PATH"}
	if _, ok := functionTable[name]; ok {
		e.msg, e.hint = name+" is a function", "write "+name+"(...)"
	}
	return e
}

// lookup finds the operator or function and checks the number of arguments.
func lookup(s *syntax) (function, error) {
	name, call := strings.CutSuffix(s.op, "()")
	f, ok := operatorTable[name]
	if call {
		f, ok = functionTable[name]
	}
	if !ok {
		return f, &syntaxError{pos: s.pos, end: s.pos + len(name), msg: "unknown function " + name,
			hint: "functions: " + strings.Join(functionNames(), " ")}
	}
	if len(s.args) != f.arity {
		return f, &syntaxError{pos: s.pos, end: s.end, msg: fmt.Sprintf("%s takes %d arguments, not %d", name, f.arity, len(s.args))}
	}
	return f, nil
}

// broadcast is the common shape of arguments, never nil; the error's place is
// the whole operation.
func (c *checker) broadcast(s *syntax, args []value) ([]int, error) {
	shape := []int{}
	for _, a := range args {
		next, err := ndarray.BroadcastShapes(shape, a.shape)
		if err != nil {
			return nil, &syntaxError{pos: s.pos, end: s.end, msg: err.Error()}
		}
		shape = next
	}
	if shape == nil {
		shape = []int{}
	}
	return shape, nil
}

// applyAny applies f. Among literals alone the result is a literal again, so
// that sqrt(2)·x takes x's type as 2·x does. Bools are not weak in NumPy 2: a
// comparison of literals is a node.
func (c *checker) applyAny(f function, s *syntax, args []value) (value, error) {
	weak := true
	for _, a := range args {
		weak = weak && a.lit != nil
	}
	if !weak || f.op == opCast {
		return c.apply(f, s, args)
	}
	if l, done, err := foldLiterals(s, args); done {
		return value{lit: l}, err
	}
	strong := make([]value, len(args))
	for i, a := range args {
		n, err := c.literal(a, a.lit.dtype())
		if err != nil {
			return value{}, err
		}
		strong[i] = value{n: n, shape: a.shape, pos: a.pos, end: a.end}
	}
	v, err := c.apply(f, s, strong)
	if err != nil || v.n.dt == ndarray.Bool {
		return v, err
	}
	return value{lit: weaken(v.n)}, nil
}

// foldLiterals computes operators on integer literals exactly. done is false
// for what it leaves to the float loops.
func foldLiterals(s *syntax, args []value) (l *literal, done bool, err error) {
	for _, a := range args {
		if a.lit.kind != weakInt {
			return nil, false, nil
		}
	}
	switch {
	case s.op == "unary-":
		return &literal{kind: weakInt, n: new(big.Int).Neg(args[0].lit.n)}, true, nil
	case s.op == "unary+":
		return args[0].lit, true, nil
	case len(args) == 2:
		return foldInt(s.op, args[0].lit.n, args[1].lit.n, s)
	}
	return nil, false, nil
}

// weaken is the literal of a constant node.
func weaken(n *node) *literal {
	switch {
	case n.dt.IsComplex():
		return &literal{kind: weakComplex, c: n.k.complex()}
	case n.dt.IsFloat():
		return &literal{kind: weakFloat, f: real(n.k.complex())}
	case n.dt.IsUnsigned():
		return &literal{kind: weakInt, n: new(big.Int).SetUint64(n.k.re)}
	}
	return &literal{kind: weakInt, n: big.NewInt(int64(n.k.re))}
}

// apply types f by its own rule, if it has one, or by the common one.
func (c *checker) apply(f function, s *syntax, args []value) (value, error) {
	if f.special != nil {
		return f.special(c, f, s, args)
	}
	return c.common(f, s, args)
}

// common brings all arguments to one type and applies the op. A type without a
// loop for it is refused, with the place of the whole operation.
func (c *checker) common(f function, s *syntax, args []value) (value, error) {
	dt := commonType(args)
	if f.toFloat {
		dt = floatOf(dt)
	}
	if dt == ndarray.Bool && f.boolAsI8 && !hasPrim(f.op, dt) {
		dt = ndarray.I8
	}
	result, ok := resultType(f.op, dt)
	if !ok {
		return value{}, refuse(s, dt)
	}
	nodes, err := c.castAll(args, dt)
	if err != nil {
		return value{}, err
	}
	return value{n: c.g.make(f.op, result, nodes...)}, nil
}

// castAll is as for all arguments.
func (c *checker) castAll(args []value, dt ndarray.DType) ([]*node, error) {
	nodes := make([]*node, len(args))
	for i, a := range args {
		n, err := c.as(a, dt)
		if err != nil {
			return nil, err
		}
		nodes[i] = n
	}
	return nodes, nil
}

// commonType is the promoted type of all arguments, literals being weak: arrays
// are met first, so that a literal changes the type only by its kind.
func commonType(args []value) ndarray.DType {
	dt := ndarray.Invalid
	for _, a := range args {
		switch {
		case a.lit != nil:
		case dt == ndarray.Invalid:
			dt = a.n.dt
		default:
			dt = ndarray.Promote(dt, a.n.dt)
		}
	}
	for _, a := range args {
		switch {
		case a.lit == nil:
		case dt == ndarray.Invalid:
			dt = a.lit.dtype()
		default:
			dt = promoteWeak(dt, a.lit.kind)
		}
	}
	return dt
}

// as is the value as a node of type dt.
func (c *checker) as(v value, dt ndarray.DType) (*node, error) {
	if v.lit != nil {
		return c.literal(v, dt)
	}
	return c.g.cast(v.n, dt), nil
}

// literal makes a constant of type dt; an integer that dt cannot hold is
// refused. Others are rounded as a cast of f64 or c128 rounds.
func (c *checker) literal(v value, dt ndarray.DType) (*node, error) {
	if dt.IsInteger() && v.lit.kind == weakInt {
		lo, hi := intRange(dt)
		if v.lit.n.Cmp(lo) < 0 || v.lit.n.Cmp(hi) > 0 {
			return nil, &syntaxError{pos: v.pos, end: v.end, msg: fmt.Sprintf("%s does not fit %s", v.lit.n, dt), hint: "cast the array to a wider type: i64(x)"}
		}
		if dt.IsUnsigned() {
			return c.g.constant(dt, konst{re: v.lit.n.Uint64()}), nil
		}
		return c.g.constant(dt, konst{re: uint64(v.lit.n.Int64())}), nil
	}
	z := v.lit.complex()
	wide := ndarray.F64
	if dt.IsComplex() || v.lit.kind == weakComplex {
		wide = ndarray.C128
	}
	return c.g.cast(c.g.constant(wide, complexKonst(z)), dt), nil
}

// refuse is the error for an operation that a type does not have.
func refuse(s *syntax, dt ndarray.DType) error {
	name, _ := strings.CutSuffix(s.op, "()")
	name = strings.TrimPrefix(name, "unary")
	e := &syntaxError{pos: s.pos, end: s.end, msg: fmt.Sprintf("%s does not take %s", name, dt)}
	switch {
	case dt.IsComplex() && slices.Contains([]string{"<", "<=", ">", ">=", "min", "max", "minimum", "maximum", "clip"}, name):
		e.msg, e.hint = "complex numbers have no order", "compare abs(z), real(z) or imag(z)"
	case dt == ndarray.Bool && name == "-":
		e.hint = "write ^ for the difference of bools, ~ for their negation"
	case (dt.IsFloat() || dt.IsComplex()) && strings.Contains("& | ^ ~ << >>", name):
		e.hint = "it works on bools and integers; put comparisons in parentheses"
	}
	return e
}
