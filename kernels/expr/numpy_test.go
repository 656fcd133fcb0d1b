package expr

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/numpytest"
)

type arrays = map[string]ndarray.Array

// prelude gives Python the names of the language.
const prelude = `
for n in 'sqrt cbrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh sign square floor ceil trunc isnan isinf isfinite signbit hypot copysign clip where real imag fmod'.split():
    globals()[n] = getattr(np, n)
asin, acos, atan, asinh, acosh, atanh, atan2 = np.arcsin, np.arccos, np.arctan, np.arcsinh, np.arccosh, np.arctanh, np.arctan2
abs, conj, round, min, max, pow, angle = np.abs, np.conj, np.rint, np.minimum, np.maximum, np.power, lambda x: np.angle(x).astype(np.result_type(x, np.complex64).type(0).real.dtype)
pi, e, inf, nan = np.pi, np.e, np.inf, np.nan
u8 = lambda x: np.asarray(x).astype('u1'); i16 = lambda x: np.asarray(x).astype('i2'); i64 = lambda x: np.asarray(x).astype('i8')
f32 = lambda x: np.asarray(x).astype('f4'); f64 = lambda x: np.asarray(x).astype('f8'); c64 = lambda x: np.asarray(x).astype('c8'); bool = lambda x: np.asarray(x).astype('?')
def vec(f, d=None):
    import math
    return lambda x: np.vectorize(lambda v: f(float(v)), otypes=['f8'])(x).astype(x.dtype if x.dtype.kind == 'f' else {1: 'f2', 2: 'f4'}.get(x.dtype.itemsize, 'f8'))
def complex(a, b):
    a, b = np.broadcast_arrays(a, b)
    d = np.result_type(a, b, np.float32)
    r = np.empty(a.shape, 'c16' if d == 'f8' else 'c8'); r.real = a; r.imag = b
    return r
`

// ulps is the tolerance, relative to the greater of 1 and the result.
func ulps(d ndarray.DType, n float64) float64 {
	switch d.Real() {
	case ndarray.F16:
		return n * 0x1p-10
	case ndarray.F32:
		return n * 0x1p-23
	}
	return n * 0x1p-52
}

func kinds(keep ...func(ndarray.DType) bool) []ndarray.DType {
	var out []ndarray.DType
	for _, d := range numpytest.Types {
		for _, k := range keep {
			if k(d) {
				out = append(out, d)
			}
		}
	}
	return out
}

func isBool(d ndarray.DType) bool { return d == ndarray.Bool }

var (
	ints      = kinds(ndarray.DType.IsInteger)
	boolInts  = kinds(isBool, ndarray.DType.IsInteger)
	floating  = kinds(ndarray.DType.IsFloat)
	realTypes = kinds(isBool, ndarray.DType.IsInteger, ndarray.DType.IsFloat)
	numbers   = kinds(ndarray.DType.IsInteger, ndarray.DType.IsFloat, ndarray.DType.IsComplex)
)

// Every operator and function on its own, over all types it takes and pairs
// of them, over broadcast shapes.
func TestOperationsAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(21)
	var cases []numpytest.Case
	add := func(expr, python string, in arrays, tol float64) {
		line := fmt.Sprintf("map %q out=out", "out = "+expr)
		for name := range in {
			line += " " + name + "=" + name
		}
		cases = append(cases, numpytest.Case{Line: line, Python: prelude + "r = np.asarray(" + python + ")", In: in, Tolerance: tol})
	}
	pair := func(a, b []ndarray.DType) arrays {
		shape := r.Shape(1, 3, 7)
		other := slices.Clone(shape[r.IntN(len(shape)):])
		for i := range other {
			if r.IntN(3) == 0 {
				other[i] = 1
			}
		}
		in := arrays{"x": r.Array(r.Type(a...), shape...), "y": r.Array(r.Type(b...), other...)}
		if r.IntN(2) == 0 {
			in["x"], in["y"] = in["y"], in["x"]
		}
		return in
	}
	binary := []struct {
		expr string
		a, b []ndarray.DType
		ulps float64
	}{
		{"x + y", numpytest.Types, numpytest.Types, 2}, {"x - y", numbers, numpytest.Types, 2}, {"x * y", numpytest.Types, realTypes, 2}, {"x / y", realTypes, realTypes, 2},
		{"x // y", realTypes, realTypes, 0}, {"x % y", realTypes, realTypes, 0}, {"x & y", boolInts, boolInts, 0}, {"x | y", boolInts, boolInts, 0}, {"x ^ y", boolInts, boolInts, 0},
		{"x << y", boolInts, boolInts, 0}, {"x >> y", boolInts, boolInts, 0}, {"x < y", realTypes, realTypes, 0}, {"x <= y", realTypes, realTypes, 0},
		{"x > y", realTypes, realTypes, 0}, {"x >= y", realTypes, realTypes, 0}, {"x == y", numpytest.Types, numpytest.Types, 0}, {"x != y", numpytest.Types, numpytest.Types, 0},
		{"min(x, y)", realTypes, realTypes, 0}, {"max(x, y)", realTypes, realTypes, 0}, {"fmod(x, y)", realTypes, realTypes, 0}, {"atan2(x, y)", realTypes, realTypes, 2},
		{"hypot(x, y)", realTypes, realTypes, 2}, {"copysign(x, y)", floating, floating, 0}, {"where(x, y, 3)", realTypes, numbers, 0}, {"where(y < 1, x, y)", realTypes, realTypes, 0},
		{"clip(x, 1, y)", numbers[:8], numbers[:8], 0}, {"complex(x, y)", floating, realTypes, 0},
	}
	for range 14 {
		for _, b := range binary {
			in := pair(b.a, b.b)
			if mixesSigns(in) && strings.ContainsAny(b.expr, "<>=!&|^") {
				continue // numpy 1.24 compares these as floats, and has no bits of them
			}
			d := ndarray.Promote(in["x"].DType, in["y"].DType)
			tol := ulps(d, b.ulps)
			if b.expr[:2] == "hy" || b.expr[0] == 'a' { // computed in the float type
				tol = ulps(floatOf(d), b.ulps)
			}
			add(b.expr, b.expr, in, tol)
		}
	}
	for i := range 4 {
		for _, name := range []string{"abs", "sign", "square", "-", "~", "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite", "real", "imag", "conj", "angle", "bool", "f64", "c64"} {
			types := numbers
			switch name {
			case "~":
				types = boolInts
			case "sign":
				types = kinds(ndarray.DType.IsInteger, ndarray.DType.IsFloat)
			case "floor", "ceil", "round", "trunc":
				types = floating
			case "f64":
				types = realTypes
			case "angle":
				types = kinds(ndarray.DType.IsComplex)
			}
			d := r.Type(types...)
			if types := kinds(ndarray.DType.IsComplex); i%2 == 0 && hasPrim(op(name), types[i/2]) {
				d = types[i/2]
			}
			call := name + "(x)"
			add(call, call, arrays{"x": r.Array(d, r.Shape(1, 3, 7)...)}, ulps(d, 4))
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

func mixesSigns(in arrays) bool {
	x, y := in["x"].DType, in["y"].DType
	return x.IsSigned() && y == ndarray.U64 || x == ndarray.U64 && y.IsSigned()
}

// within maps the elements into (lo, hi).
func within(a ndarray.Array, lo, hi float64) ndarray.Array {
	v := make([]complex128, a.Len())
	ndarray.Load(v, a, 0)
	fold := func(x float64) float64 {
		if x-x != 0 {
			x = 0.25
		}
		return lo + (hi-lo)*(0.5+0.4999*math.Sin(x))
	}
	for i, z := range v {
		v[i] = complex(fold(real(z)), fold(imag(z)))
	}
	ndarray.Store(a, v, 0)
	return a
}

// The transcendental functions, on ordinary and special values.
func TestFunctionsAgainstNumpy(t *testing.T) {
	domains := map[string][2]float64{
		"asin": {-1, 1}, "acos": {-1, 1}, "atanh": {-1, 1}, "acosh": {1, 50}, "log": {0, 50}, "log2": {0, 50}, "log10": {0, 50}, "log1p": {-1, 50},
		"sqrt": {0, 100}, "gamma": {0.1, 12}, "tan": {-1.5, 1.5}, "exp": {-50, 9}, "exp2": {-50, 9}, "sinh": {-9, 9}, "cosh": {-9, 9}, "expm1": {-9, 9},
	}
	python := map[string]string{
		"rsqrt": "(1/sqrt(x.astype('f8'))).astype(sqrt(x).dtype)", "erf": "vec(__import__('math').erf)(x)", "erfc": "vec(__import__('math').erfc)(x)",
		"gamma": "vec(__import__('math').gamma)(x)", "lgamma": "vec(lambda v: __import__('math').lgamma(v) if v > 0 or v < 0 and v % 1 else inf)(x)",
		"sigmoid": "(1/(1+exp(-x.astype('f8')))).astype(sqrt(x).dtype)", "silu": "(x/(1+exp(-x.astype('f8')))).astype(sqrt(x).dtype)",
		"gelu": "(x*0.5*vec(__import__('math').erfc)(-x.astype('f8')/2**0.5)).astype(sqrt(x).dtype)", "relu": "np.maximum(x, x.dtype.type(0))", "reciprocal": "1/x",
	}
	r := numpytest.NewRand(22)
	var cases []numpytest.Case
	for range 3 {
		for _, name := range append([]string{"relu"}, floatFunctions...) {
			for _, types := range [][]ndarray.DType{floating, kinds(ndarray.DType.IsComplex), ints} {
				d := r.Type(types...)
				if d.IsComplex() && !hasPrim(op(name), d) {
					continue
				}
				x := r.Array(d, r.Shape(1, 2, 20)...)
				dom, limited := domains[name]
				if !limited {
					dom = [2]float64{-5, 5}
				}
				if d.IsUnsigned() || d.IsSigned() {
					dom[0] = math.Max(dom[0], 1)
				}
				if name == "asin" || name == "acos" || name == "atanh" || d.IsComplex() || limited || d.IsInteger() || python[name] != "" {
					x = within(x, dom[0], dom[1])
				}
				code := python[name]
				if code == "" {
					code = name + "(x)"
				}
				tol := ulps(floatOf(d), 4)
				if d.IsComplex() {
					tol = ulps(d, 40)
				}
				if name == "reciprocal" && d.IsInteger() {
					continue // numpy divides integers here
				}
				cases = append(cases, numpytest.Case{
					Line: fmt.Sprintf(`map "out = %s(x)" x=x out=out`, name), Python: prelude + "r = np.asarray(" + code + ")", In: arrays{"x": x}, Tolerance: tol,
				})
			}
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// Powers: the short forms and the rest.
func TestPowersAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(23)
	var cases []numpytest.Case
	for range 12 {
		shape := r.Shape(1, 2, 9)
		for _, expr := range []string{"x ** 2", "x ** 3", "x ** 0.5", "x ** -1.0", "x ** y", "2 ** y", "x ** 2.5"} {
			d := r.Type(numbers...)
			x, y := within(r.Array(d, shape...), 1, 5), within(r.Array(d, shape...), 0, 6)
			dt, n := promoteWeak(d, weakFloat), 30.0
			if dt.IsComplex() {
				n = 2000 // relative to the modulus, not to each part
			}
			cases = append(cases, numpytest.Case{
				Line: fmt.Sprintf(`map "out = %s" x=x y=y out=out`, expr), Python: "r = " + expr, In: arrays{"x": x, "y": y}, Tolerance: ulps(dt, n),
			})
			if !strings.Contains(expr, "y") {
				cases[len(cases)-1].Line = fmt.Sprintf(`map "out = %s" x=x out=out`, expr)
			} else if !strings.Contains(expr, "x") {
				cases[len(cases)-1].Line = fmt.Sprintf(`map "out = %s" y=y out=out`, expr)
			}
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// grow makes a random expression of a kind: b bool, i integer, f float. All
// its operations are exact or correctly rounded.
func grow(r numpytest.Rand, kind byte, depth int) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	if depth == 0 {
		return map[byte]string{'b': pick("p", "q"), 'i': pick("i", "j", "2", "7"), 'f': pick("f", "g", "2.5", "3.0", "f")}[kind]
	}
	sub := func(k byte) string { return grow(r, k, depth-1-r.IntN(depth)) }
	switch kind {
	case 'b':
		return pick("(f < "+sub('f')+")", "(i != "+sub('i')+")", "~"+sub('b'), "("+sub('b')+" & "+sub('b')+")", "("+sub('b')+" ^ "+sub('b')+")", "isnan("+sub('f')+")")
	case 'i':
		return pick("("+sub('i')+" + "+sub('i')+")", "("+sub('i')+" * "+sub('i')+")", "("+sub('i')+" // "+sub('i')+")", "("+sub('i')+" % "+sub('i')+")",
			"("+sub('i')+" & "+sub('i')+")", "-"+sub('i'), "abs("+sub('i')+")", "where("+sub('b')+", "+sub('i')+", "+sub('i')+")", "min("+sub('i')+", "+sub('i')+")")
	}
	return pick("("+sub('f')+" + "+sub('f')+")", "("+sub('f')+" * "+sub('f')+")", "("+sub('f')+" - "+sub('i')+")", "("+sub('f')+" / "+sub('f')+")", "sqrt(abs("+sub('f')+"))",
		"where("+sub('b')+", "+sub('f')+", "+sub('f')+")", "max("+sub('f')+", "+sub('f')+")", "-"+sub('f'), "floor("+sub('f')+")", "("+sub('f')+")**2")
}

// Whole expressions, with no tolerance, over shapes that cross chunks and
// pieces.
func TestExpressionsAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(24)
	var cases []numpytest.Case
	for i := range 120 {
		shape := r.Shape(1, 3, 9)
		if i%12 == 0 {
			shape = [][]int{{70001}, {3, 2, 9000}, {300, 301}}[r.IntN(3)]
		}
		kind := "bif"[r.IntN(3)]
		expr := grow(r, kind, 4)
		// One signed and one float width: mixtures of literals differ in numpy 1.
		id, fd := r.Type(ndarray.I32, ndarray.I64), r.Type(ndarray.F32, ndarray.F64)
		in := arrays{}
		for k, d := range []ndarray.DType{ndarray.Bool, ndarray.Bool, id, id, fd, fd} {
			if name := "pqijfg"[k : k+1]; used(expr, name) {
				s := slices.Clone(shape)
				if r.IntN(3) == 0 {
					s[r.IntN(len(s))] = 1
				}
				in[name] = r.Array(d, s...)
			}
		}
		if len(in) == 0 {
			continue
		}
		line := fmt.Sprintf("map %q out=out", "out = "+expr)
		for name := range in {
			line += " " + name + "=" + name
		}
		cases = append(cases, numpytest.Case{Line: line, Python: prelude + "r = np.asarray(" + expr + ")", In: in})
	}
	numpytest.Compare(t, Kernels(), cases)
}

// used tells whether the name stands in the expression as a name.
func used(expr, name string) bool {
	toks, err := lex(expr)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(toks, func(t token) bool { return t.kind == kName && t.text == name })
}
