package expr

import (
	"slices"

	"vgpu/kernels/ndarray"
)

// function says how an operator or a function is typed. What types it takes is
// told by the tables in prim.go: those with an entry for its op. arity is
// exact; there are no optional arguments.
type function struct {
	op       op
	arity    int
	toFloat  bool // integers and bools are computed as floats
	boolAsI8 bool // bools are computed as i8, if not as bools
	// special replaces the common rule (all arguments to their common type, one op).
	special func(c *checker, f function, s *syntax, args []value) (value, error)
}

// operatorTable and functionTable hold every operator and function.
var operatorTable = map[string]function{
	"+":      {op: "add", arity: 2},
	"-":      {op: "sub", arity: 2},
	"*":      {op: "mul", arity: 2},
	"/":      {op: "div", arity: 2, special: trueDivide},
	"//":     {op: "floordiv", arity: 2, boolAsI8: true},
	"%":      {op: "mod", arity: 2, boolAsI8: true},
	"**":     {op: "pow", arity: 2, special: power},
	"&":      {op: "and", arity: 2},
	"|":      {op: "or", arity: 2},
	"^":      {op: "xor", arity: 2},
	"<<":     {op: "shl", arity: 2, boolAsI8: true},
	">>":     {op: "shr", arity: 2, boolAsI8: true},
	"<":      {op: "lt", arity: 2, special: compare},
	"<=":     {op: "le", arity: 2, special: compare},
	">":      {op: "gt", arity: 2, special: compare},
	">=":     {op: "ge", arity: 2, special: compare},
	"==":     {op: "eq", arity: 2, special: compare},
	"!=":     {op: "ne", arity: 2, special: compare},
	"unary-": {op: "neg", arity: 1},
	"unary+": {op: "pos", arity: 1, special: identity},
	"unary~": {op: "not", arity: 1},
}

// functionTable is filled by init, as the rules in special.go refer to it in
// turn. Nothing writes it afterwards.
var functionTable = map[string]function{}

// synonyms are numpy's longer names.
var synonyms = map[string]string{
	"absolute": "abs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2",
	"arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "conjugate": "conj", "minimum": "min",
	"maximum": "max", "power": "pow", "rint": "round",
}

// init fills functionTable: a list of names for each way of typing.
func init() {
	for _, name := range floatFunctions {
		functionTable[name] = function{op: op(name), arity: 1, toFloat: true}
	}
	for _, name := range []string{"abs", "sign", "square", "relu"} {
		functionTable[name] = function{op: op(name), arity: 1}
	}
	for _, name := range []string{"floor", "ceil", "round", "trunc"} {
		functionTable[name] = function{op: op(name), arity: 1, special: roundFunction}
	}
	for _, name := range []string{"isnan", "isinf", "isfinite", "signbit"} {
		functionTable[name] = function{op: op(name), arity: 1, toFloat: true}
	}
	for _, name := range []string{"atan2", "hypot", "copysign"} {
		functionTable[name] = function{op: op(name), arity: 2, toFloat: true}
	}
	for _, name := range []string{"min", "max", "fmod"} {
		functionTable[name] = function{op: op(name), arity: 2, boolAsI8: true}
	}
	for _, name := range []string{"real", "imag", "conj", "angle"} {
		functionTable[name] = function{op: op(name), arity: 1, special: complexPart}
	}
	functionTable["pow"] = function{op: "pow", arity: 2, special: power}
	functionTable["where"] = function{op: opWhere, arity: 3, special: where}
	functionTable["clip"] = function{op: "clip", arity: 3, special: clip}
	functionTable["complex"] = function{op: "complex", arity: 2, special: makeComplex}
	for _, d := range ndarray.DTypes {
		functionTable[d.String()] = function{op: opCast, arity: 1, special: castTo(d)}
	}
	for alias, name := range synonyms {
		functionTable[alias] = functionTable[name]
	}
}

// floatFunctions take floats, and integers as floats.
var floatFunctions = []string{
	"sqrt", "rsqrt", "cbrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p",
	"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
	"erf", "erfc", "gamma", "lgamma", "sigmoid", "gelu", "silu",
}

// functionNames lists the functions in order, for messages and the manual.
func functionNames() []string {
	var names []string
	for n := range functionTable {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
