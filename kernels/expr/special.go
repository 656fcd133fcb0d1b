package expr

import "vgpu/kernels/ndarray"

// This file holds the operators and functions whose types follow a rule of
// their own.

// identity is unary +, which bools do not have in numpy.
func identity(c *checker, _ function, s *syntax, args []value) (value, error) {
	if a := args[0]; a.n.dt != ndarray.Bool {
		return a, nil
	}
	return value{}, refuse(s, ndarray.Bool)
}

// trueDivide gives a float: f64 for integers and bools of any width, as numpy.
func trueDivide(c *checker, _ function, s *syntax, args []value) (value, error) {
	dt := commonType(args)
	if dt.IsInteger() || dt == ndarray.Bool {
		dt = ndarray.F64
	}
	nodes, err := c.castAll(args, dt)
	if err != nil {
		return value{}, err
	}
	return value{n: c.g.make("div", dt, nodes...)}, nil
}

// power does the exponents that have an exact or faster form as such: 2 as a
// square, and of floats 0.5 as a square root and -1 as a reciprocal (numpy
// does the same).
func power(c *checker, _ function, s *syntax, args []value) (value, error) {
	f := function{op: "pow", boolAsI8: true}
	k, constant := exponent(args[1])
	dt := commonType(args)
	inexact := dt.IsFloat() || dt.IsComplex()
	switch {
	case !constant:
	case k < 0 && dt.IsInteger():
		return value{}, &syntaxError{pos: args[1].pos, end: args[1].end,
			msg: "an integer to a negative power is no integer", hint: "write a float: x ** -1.0"}
	case k == 2 && dt != ndarray.Bool:
		f.op, args = "square", args[:1]
	case k == 0.5 && inexact:
		f.op, args = "sqrt", args[:1]
	case k == -1 && inexact:
		f.op, args = "reciprocal", args[:1]
	}
	nodes := make([]value, len(args))
	for i, a := range args { // the exponent may have raised the type
		n, err := c.as(a, dt)
		if err != nil {
			return value{}, err
		}
		nodes[i] = value{n: n}
	}
	return c.common(f, s, nodes)
}

// exponent is the value of a constant real exponent.
func exponent(v value) (float64, bool) {
	switch {
	case v.lit != nil:
		z := v.lit.complex()
		return real(z), imag(z) == 0
	case v.n.op != opConst:
		return 0, false
	}
	z := weaken(v.n).complex()
	return real(z), imag(z) == 0
}

// compare gives bools. Integers of different signs are compared by value, not
// by way of floats, and literals that the other side's type cannot hold are
// larger or smaller than all of it, as in NumPy 2.
func compare(c *checker, f function, s *syntax, args []value) (value, error) {
	o := f.op
	if v, ok := c.outOfRange(o, args); ok {
		return v, nil
	}
	dt := commonType(args)
	a, b := args[0], args[1]
	if dt == ndarray.F64 && a.n != nil && b.n != nil && a.n.dt != b.n.dt {
		switch {
		case a.n.dt.IsSigned() && b.n.dt == ndarray.U64:
			return value{n: c.mixed(o, a.n, b.n)}, nil
		case a.n.dt == ndarray.U64 && b.n.dt.IsSigned():
			return value{n: c.mixed(mirrored[o], b.n, a.n)}, nil
		}
	}
	return c.common(function{op: o}, s, args)
}

// mirrored is the comparison with its sides exchanged.
var mirrored = map[op]op{"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}

// mixed compares signed a with unsigned 64-bit b.
func (c *checker) mixed(o op, a, b *node) *node {
	g := c.g
	a = g.cast(a, ndarray.I64)
	zero := g.constant(ndarray.I64, konst{})
	asUnsigned := g.make(o, ndarray.Bool, g.cast(a, ndarray.U64), b)
	if o == "lt" || o == "le" || o == "ne" { // true of every negative a
		return g.make("or", ndarray.Bool, g.make("lt", ndarray.Bool, a, zero), asUnsigned)
	}
	return g.make("and", ndarray.Bool, g.make("ge", ndarray.Bool, a, zero), asUnsigned)
}

// outOfRange decides a comparison of integers with an integer literal that
// their type cannot hold.
func (c *checker) outOfRange(o op, args []value) (value, bool) {
	a, b := args[0], args[1]
	if a.lit != nil {
		a, b, o = b, a, mirrored[o]
	}
	if a.n == nil || b.lit == nil || b.lit.kind != weakInt || !a.n.dt.IsInteger() {
		return value{}, false
	}
	lo, hi := intRange(a.n.dt)
	below, above := b.lit.n.Cmp(lo) < 0, b.lit.n.Cmp(hi) > 0
	if !below && !above {
		return value{}, false
	}
	k := konst{}
	if o == "ne" || below && (o == "gt" || o == "ge") || above && (o == "lt" || o == "le") {
		k.re = 1
	}
	return value{n: c.g.constant(ndarray.Bool, k)}, true
}

// roundFunction leaves integers as they are (NumPy 2.1).
func roundFunction(c *checker, f function, s *syntax, args []value) (value, error) {
	if dt := args[0].n.dt; dt.IsInteger() || dt == ndarray.Bool {
		return args[0], nil
	}
	return c.common(f.plain(), s, args)
}

// plain is f without its special rule.
func (f function) plain() function {
	f.special = nil
	return f
}

// where takes a condition of any type, and values of one common type.
func where(c *checker, _ function, s *syntax, args []value) (value, error) {
	cond, err := c.asBool(args[0])
	if err != nil {
		return value{}, err
	}
	dt := commonType(args[1:])
	nodes, err := c.castAll(args[1:], dt)
	if err != nil {
		return value{}, err
	}
	return value{n: c.g.make(opWhere, dt, cond, nodes[0], nodes[1])}, nil
}

// asBool is the value as a bool: true unless zero, NaN included.
func (c *checker) asBool(v value) (*node, error) {
	if v.lit != nil {
		n, err := c.literal(v, v.lit.dtype())
		if err != nil {
			return nil, err
		}
		v.n = n
	}
	return c.g.cast(v.n, ndarray.Bool), nil
}

// clip is min(max(x, lo), hi).
func clip(c *checker, _ function, s *syntax, args []value) (value, error) {
	v, err := c.common(function{op: "max", boolAsI8: true}, s, []value{args[0], args[1]})
	if err != nil {
		return value{}, err
	}
	v.pos, v.end = args[0].pos, args[0].end
	return c.common(function{op: "min", boolAsI8: true}, s, []value{v, args[2]})
}

// makeComplex joins two real values of one float type; halves become f32, of
// which c64 is made.
func makeComplex(c *checker, _ function, s *syntax, args []value) (value, error) {
	dt := floatOf(commonType(args))
	if dt.IsComplex() {
		return value{}, refuse(s, dt)
	}
	nodes, err := c.castAll(args, complexOf(dt).Real())
	if err != nil {
		return value{}, err
	}
	return value{n: c.g.make("complex", complexOf(dt), nodes...)}, nil
}

// complexPart is real, imag, conj and angle; reals are complex numbers with
// no imaginary part.
func complexPart(c *checker, f function, s *syntax, args []value) (value, error) {
	n := args[0].n
	f = f.plain()
	switch {
	case n.dt.IsComplex() || f.op == "angle":
		f.toFloat = f.op == "angle"
		return c.common(f, s, args)
	case f.op == "imag":
		return value{n: c.g.constant(n.dt, konst{})}, nil
	}
	return args[0], nil
}

// castTo makes the function of a dtype's name: an explicit cast.
func castTo(d ndarray.DType) func(*checker, function, *syntax, []value) (value, error) {
	return func(c *checker, _ function, s *syntax, args []value) (value, error) {
		a := args[0]
		from := ndarray.Bool
		if a.lit != nil {
			from = a.lit.dtype()
		} else {
			from = a.n.dt
		}
		if from.IsComplex() && !d.IsComplex() && d != ndarray.Bool {
			return value{}, &syntaxError{pos: s.pos, end: s.end, msg: "a cast from complex to " + d.String() + " would drop the imaginary part", hint: "write " + d.String() + "(real(z))"}
		}
		n, err := c.as(a, d)
		if err != nil {
			return value{}, err
		}
		return value{n: c.g.round(n)}, nil
	}
}
