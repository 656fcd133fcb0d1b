package expr

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// The oracle evaluates the syntax tree for one element at a time. It shares
// the parser with the kernel, and the promotion of two types with package
// ndarray; the rest is written from numpy's rules: literals by kind, integers
// as big numbers that are cut to their width, floats as float64 that are
// rounded to their type.

// scalar is a value of the oracle: weak if dt is Invalid, then by kind.
type scalar struct {
	dt   ndarray.DType
	kind weakKind // of a weak one
	n    *big.Int // of an integer or bool
	f    float64  // of a float
}

// outside is what the oracle panics with for what it does not know: complex
// numbers and functions whose last bits are nobody's.
type outside string

type tree struct {
	names map[string]scalar
}

func (s scalar) weak() bool    { return s.dt == ndarray.Invalid }
func (s scalar) isFloat() bool { return s.weak() && s.kind == weakFloat || s.dt.IsFloat() }
func (s scalar) float() float64 {
	if s.isFloat() {
		return s.f
	}
	f, _ := new(big.Float).SetInt(s.n).Float64()
	return f
}
func (s scalar) truth() bool {
	if s.isFloat() {
		return s.f != 0
	}
	return s.n.Sign() != 0
}

// wrap cuts n to the width of dt.
func wrap(n *big.Int, dt ndarray.DType) *big.Int {
	bits := uint(dt.Size() * 8)
	m := new(big.Int).And(n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), bits), big.NewInt(1)))
	if dt.IsSigned() && m.Bit(int(bits)-1) == 1 {
		m.Sub(m, new(big.Int).Lsh(big.NewInt(1), bits))
	}
	return m
}

func roundTo(f float64, dt ndarray.DType) float64 {
	if dt == ndarray.F32 {
		return float64(float32(f))
	}
	return f
}

func (s scalar) to(dt ndarray.DType) scalar {
	switch {
	case dt == ndarray.Bool:
		n := int64(0)
		if s.truth() {
			n = 1
		}
		return scalar{dt: dt, n: big.NewInt(n)}
	case dt.IsFloat():
		return scalar{dt: dt, f: roundTo(s.float(), dt)}
	case s.isFloat():
		panic(outside("float to integer"))
	}
	return scalar{dt: dt, n: wrap(s.n, dt)}
}

// unify brings values to one type.
func unify(v ...scalar) ([]scalar, ndarray.DType) {
	dt, kind := ndarray.Invalid, weakInt
	for _, s := range v {
		switch {
		case s.weak():
			kind = max(kind, s.kind)
		case dt == ndarray.Invalid:
			dt = s.dt
		default:
			dt = ndarray.Promote(dt, s.dt)
		}
	}
	weak := slices.ContainsFunc(v, scalar.weak)
	switch {
	case dt == ndarray.Invalid && kind == weakFloat:
		dt = ndarray.F64
	case dt == ndarray.Invalid:
		dt = ndarray.I64
	case weak && kind == weakFloat && !dt.IsFloat():
		dt = ndarray.F64
	case weak && kind == weakInt && dt == ndarray.Bool:
		dt = ndarray.I64
	}
	out := make([]scalar, len(v))
	for i, s := range v {
		out[i] = s.to(dt)
	}
	return out, dt
}

func (t *tree) eval(s *syntax) scalar {
	switch {
	case s.lit != nil && s.lit.kind == weakComplex:
		panic(outside("complex"))
	case s.lit != nil:
		return scalar{kind: s.lit.kind, n: s.lit.n, f: s.lit.f}
	case s.name != "":
		if v, ok := t.names[s.name]; ok {
			return v
		}
		panic(outside(s.name))
	}
	args := make([]scalar, len(s.args))
	weak := true
	for i, a := range s.args {
		args[i] = t.eval(a)
		weak = weak && args[i].weak()
	}
	if weak && s.op == "unary-" {
		if a := args[0]; a.kind == weakInt {
			return scalar{n: new(big.Int).Neg(a.n)}
		}
		return scalar{kind: weakFloat, f: -args[0].f}
	}
	if weak {
		panic(outside("literals alone")) // folded by arithmetic of its own
	}
	return apply(s.op, args)
}

func boolean(b bool) scalar {
	if b {
		return scalar{dt: ndarray.Bool, n: big.NewInt(1)}
	}
	return scalar{dt: ndarray.Bool, n: new(big.Int)}
}

func apply(op string, args []scalar) scalar {
	switch op {
	case "where()":
		v, _ := unify(args[1:]...)
		if args[0].truth() {
			return v[0]
		}
		return v[1]
	case "<", "<=", ">", ">=", "==", "!=":
		return compareScalars(op, args[0], args[1])
	case "bool()", "i32()", "i64()", "u8()", "f32()", "f64()":
		d, _ := ndarray.ParseDType(strings.TrimSuffix(op, "()"))
		return args[0].to(d)
	}
	v, dt := unify(args...)
	if op == "/" && !dt.IsFloat() {
		dt = ndarray.F64
		v[0], v[1] = v[0].to(dt), v[1].to(dt)
	}
	switch {
	case dt.IsFloat():
		return floatOp(op, v, dt)
	case dt == ndarray.Bool:
		return boolOp(op, v)
	}
	return intOp(op, v, dt)
}

// compareScalars compares integers by value, whatever their types.
func compareScalars(op string, a, b scalar) scalar {
	c, unordered := 0, false
	if a.isFloat() || b.isFloat() {
		v, _ := unify(a, b)
		x, y := v[0].f, v[1].f
		unordered = x != x || y != y
		if x < y {
			c = -1
		} else if x > y {
			c = 1
		}
	} else {
		c = a.n.Cmp(b.n)
	}
	if unordered {
		return boolean(op == "!=")
	}
	return boolean(map[string]bool{"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0, "==": c == 0, "!=": c != 0}[op])
}

func floatOp(op string, v []scalar, dt ndarray.DType) scalar {
	x, y := v[0].f, v[len(v)-1].f
	var r float64
	switch op {
	case "+":
		r = x + y
	case "-":
		r = x - y
	case "*":
		r = x * y
	case "/":
		r = x / y
	case "unary-":
		r = -x
	case "unary+":
		r = x
	case "sqrt()":
		r = math.Sqrt(x)
	case "abs()":
		r = math.Abs(x)
	case "floor()":
		r = math.Floor(x)
	case "min()", "max()":
		if r = min(x, y); op == "max()" {
			r = max(x, y)
		}
	case "isnan()":
		return boolean(x != x)
	default:
		panic(outside(op))
	}
	return scalar{dt: dt, f: roundTo(r, dt)}
}

func boolOp(op string, v []scalar) scalar {
	x, y := v[0].truth(), v[len(v)-1].truth()
	switch op {
	case "+", "|", "max()":
		return boolean(x || y)
	case "*", "&", "min()":
		return boolean(x && y)
	case "^":
		return boolean(x != y)
	case "unary~":
		return boolean(!x)
	case "abs()":
		return boolean(x)
	}
	panic(outside(op))
}

func intOp(op string, v []scalar, dt ndarray.DType) scalar {
	x, y, r := v[0].n, v[len(v)-1].n, new(big.Int)
	switch op {
	case "+":
		r.Add(x, y)
	case "-":
		r.Sub(x, y)
	case "*":
		r.Mul(x, y)
	case "//", "%":
		if y.Sign() != 0 {
			q, m := new(big.Int).DivMod(x, y, new(big.Int)) // Euclid's
			if y.Sign() < 0 && m.Sign() != 0 {
				q, m = q.Sub(q, big.NewInt(1)), m.Add(m, y)
			}
			if r = q; op == "%" {
				r = m
			}
		}
	case "&":
		r.And(x, y)
	case "|":
		r.Or(x, y)
	case "^":
		r.Xor(x, y)
	case "unary-":
		r.Neg(x)
	case "unary+", "floor()":
		r.Set(x)
	case "unary~":
		r.Not(x)
	case "abs()":
		r.Abs(x)
	case "min()", "max()":
		if r = x; (y.Cmp(x) < 0) == (op == "min()") {
			r = y
		}
	default:
		panic(outside(op))
	}
	return scalar{dt: dt, n: wrap(r, dt)}
}

// operandsOf are tiny operands of every type the oracle knows.
func operandsOf() arrays {
	inf, nan := math.Inf(1), math.NaN()
	make := func(d ndarray.DType, v ...float64) ndarray.Array {
		a := ndarray.New(d, len(v))
		ndarray.Store(a, v, 0)
		return a
	}
	return arrays{
		"x": make(ndarray.F32, 1.5, -2, nan, inf, 0), "y": make(ndarray.F64, 0.1, 7, -inf, -0.5, 3), "n": make(ndarray.I32, 5, -7, 0, math.MinInt32, 12),
		"m": make(ndarray.I64, -1, 3, 1<<40, -9, 0), "u": make(ndarray.U8, 255, 0, 7, 200, 1), "w": make(ndarray.U64, 3, 1<<60, 0, 9, 5), "p": make(ndarray.Bool, 1, 0, 1, 1, 0),
	}
}

// load gives element i of an operand to the oracle.
func oracleElement(a ndarray.Array, i int) scalar {
	if a.DType.IsFloat() {
		var f [1]float64
		ndarray.Load(f[:], a, i)
		return scalar{dt: a.DType, f: f[0]}
	}
	if a.DType == ndarray.U64 {
		var u [1]uint64
		ndarray.Load(u[:], a, i)
		return scalar{dt: a.DType, n: new(big.Int).SetUint64(u[0])}
	}
	var n [1]int64
	ndarray.Load(n[:], a, i)
	return scalar{dt: a.DType, n: big.NewInt(n[0])}
}

// againstOracle runs an expression both ways. It reports false if one of the
// two does not take it.
func againstOracle(t *testing.T, text string) bool {
	stmts, err := parse(text)
	if err != nil {
		return false
	}
	ops := operandsOf()
	last := stmts[len(stmts)-1].name
	line := fmt.Sprintf("map %s %s=out", quote(text), last)
	n := analyse(stmts)
	for name := range ops {
		if name != last && n.read[name] != nil {
			line += " " + name + "=" + name
		}
	}
	if n.read[last] != nil {
		return false
	}
	out, _, err := kerneltest.Run(t, Kernels(), line, ops, kerneltest.Threads(1))
	if err != nil {
		return false
	}
	got := out["out"]
	for i := range got.Len() {
		want, ok := oracleRun(stmts, ops, i)
		if !ok {
			return false
		}
		have := oracleElement(got, i)
		if have.dt != want.dt || have.isFloat() && math.Float64bits(have.f) != math.Float64bits(want.f) && have.f != want.f && !(have.f != have.f && want.f != want.f) ||
			!have.isFloat() && have.n.Cmp(want.n) != 0 {
			t.Errorf("%s: element %d is %v %v %v, want %v %v %v", text, i, have.dt, have.n, have.f, want.dt, want.n, want.f)
		}
	}
	return true
}

func oracleRun(stmts []statement, ops arrays, i int) (v scalar, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, known := r.(outside); !known {
				panic(r)
			}
			v, ok = scalar{}, false
		}
	}()
	e := &tree{names: map[string]scalar{}}
	for name, a := range ops {
		e.names[name] = oracleElement(a, i)
	}
	for _, s := range stmts {
		v = e.eval(s.expr)
		e.names[s.name] = v
	}
	if v.weak() {
		return v, false
	}
	return v, true
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func TestAgainstOracle(t *testing.T) {
	for _, text := range []string{
		"z = x + y", "z = 2*x - n", "z = n // m % 5", "z = w < m", "z = m >= w", "z = u + 250", "z = u * u", "z = -u", "z = ~n ^ m", "z = p + p", "z = p * 2",
		"z = x / n", "z = n / n", "z = where(p, x, n)", "z = where(u > 300, u, 1)", "z = u < -1", "z = w != -5", "z = sqrt(x*x)", "z = abs(n)", "z = min(u, n)", "z = max(x, nan)",
		"t = x*x; z = t + t*n", "t = u + u; u = t + 1; z = u & t", "z = f32(y) + x", "z = i32(u) << 2", "z = bool(x) & p", "z = x < y", "z = floor(x) + floor(n)", "z = isnan(x) | p", "z = n % -3", "z = m // 0",
		"z = u8(n) + u", "z = i64(w) - 1 < m", "z = 3 - u", "z = 1/w", "z = p ^ True", "z = -x + +y", "z = (n > 3) * 2.5", "z = max(n, m) - min(m, u)",
	} {
		if !againstOracle(t, text) && !strings.Contains(text, "<<") && !strings.Contains(text, "nan)") && !strings.Contains(text, "True") {
			t.Errorf("%s: not compared", text)
		}
	}
}

// FuzzExpression: parsing and typing never panic, errors point into the text,
// and what runs gives what the oracle gives.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{"z = x + y*2", "z = where(p, n // m, u)", "t = x**2; z = exp(-t)", "z = (1", "z = 2j*x", "z = f16(x) @ y", "z = 0x1f & u", "a = b = c", "z = 1e999 * x", "z = --~~p", "z=min(x,)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4000 {
			return
		}
		checkPlaces(t, text)
		if len(text) < 200 && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			againstOracle(t, text)
		}
	})
}

// checkPlaces parses and types a text, with every name an operand of some
// type, and looks at the place of the error if there is one.
func checkPlaces(t *testing.T, text string) {
	stmts, err := parse(text)
	if err == nil {
		in := map[string]operand{}
		for name := range analyse(stmts).read {
			in[name] = operand{len(in), ndarray.DTypes[len(name)%len(ndarray.DTypes)], []int{1 + len(in)%2, 3}}
		}
		_, err = check(newGraph(), stmts, in)
	}
	if err == nil {
		return
	}
	e, ok := err.(*syntaxError)
	if !ok || e.pos < 0 || e.pos > len(text) || e.end < e.pos || e.end > len(text)+1 || e.msg == "" {
		t.Errorf("%q: %#v", text, err)
	}
}
