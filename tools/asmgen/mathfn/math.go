package mathfn

// function is an elementary function of one argument, for both float types.
type function struct {
	name, doc string
	f         func(b *Builder, x *Value) *Value
	wide      bool   // float32 is computed in float64 lanes
	huge      string // prefix of the Go functions for huge arguments
}

var functions = []function{
	{"Exp", "e to the power x[i].", func(b *Builder, x *Value) *Value { return b.Exp(x, nil) }, false, ""},
	{"Exp2", "2 to the power x[i].", (*Builder).Exp2, false, ""},
	{"Expm1", "exp(x[i]) - 1, accurate near zero.", (*Builder).Expm1, false, ""},
	{"Log", "the natural logarithm of x[i]; -Inf at zero, NaN below.", (*Builder).Log, false, ""},
	{"Log2", "the logarithm of x[i] to base 2.", (*Builder).Log2, false, ""},
	{"Log10", "the logarithm of x[i] to base 10.", (*Builder).Log10, false, ""},
	{"Log1p", "log(1 + x[i]), accurate near zero.", (*Builder).Log1p, true, ""},
	{"Sin", "the sine of x[i].", (*Builder).Sin, false, "sinHuge"},
	{"Cos", "the cosine of x[i].", (*Builder).Cos, false, "cosHuge"},
	{"Tan", "the tangent of x[i].", (*Builder).Tan, false, "tanHuge"},
	{"Asin", "the angle in [-π/2, π/2] whose sine is x[i].", (*Builder).Asin, true, ""},
	{"Acos", "the angle in [0, π] whose cosine is x[i].", (*Builder).Acos, true, ""},
	{"Atan", "the angle in [-π/2, π/2] whose tangent is x[i].", (*Builder).Atan, true, ""},
	{"Sinh", "the hyperbolic sine of x[i].", (*Builder).Sinh, true, ""},
	{"Cosh", "the hyperbolic cosine of x[i].", (*Builder).Cosh, true, ""},
	{"Tanh", "the hyperbolic tangent of x[i].", (*Builder).Tanh, false, ""},
	{"Asinh", "the inverse hyperbolic sine of x[i].", (*Builder).Asinh, true, ""},
	{"Acosh", "the inverse hyperbolic cosine of x[i]; NaN below 1.", (*Builder).Acosh, true, ""},
	{"Atanh", "the inverse hyperbolic tangent of x[i]; NaN beyond ±1.", (*Builder).Atanh, true, ""},
	{"Cbrt", "the cube root of x[i].", (*Builder).Cbrt, true, ""},
	{"Erf", "the error function of x[i].", (*Builder).Erf, true, ""},
	{"Erfc", "1 - erf(x[i]), accurate where that is small.", (*Builder).Erfc, true, ""},
	{"Sigmoid", "1 / (1 + exp(-x[i])).", (*Builder).Sigmoid, false, ""},
	{"Silu", "x[i] / (1 + exp(-x[i])); -0 at -Inf.", (*Builder).Silu, true, ""},
	{"Gelu", "x[i] Φ(x[i]), Φ the normal distribution's integral: the erf form,\nPyTorch's default. -0 at -Inf.", (*Builder).Gelu, true, ""},
	{"GeluTanh", "the tanh approximation of x[i] Φ(x[i]), PyTorch's\napproximate=\"tanh\": x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))). -0 at -Inf.", (*Builder).GeluTanh, true, ""},
}

var functions2 = []struct {
	name, doc    string
	first, other string
	f            func(b *Builder, x, y *Value) *Value
}{
	{"Pow", "x[i] to the power y[i], with the special cases of IEEE 754.", "x", "y", (*Builder).Pow},
	{"Atan2", "the angle of the point (x[i], y[i]), in [-π, π].", "y", "x", (*Builder).Atan2},
	{"Hypot", "√(x[i]² + y[i]²) without overflow.", "x", "y", (*Builder).Hypot},
}

// mathRoutines lists the family "math".
func mathRoutines() []*Routine {
	var rs []*Routine
	for _, e := range []Elem{F32, F64} {
		for _, fn := range functions {
			r := elementwise(fn.name, e, fn.doc, func(b *Builder, in []*Value) *Value { return fn.f(b, in[0]) }, "x")
			if fn.wide {
				r.Bits = 64
			}
			if fn.huge != "" {
				r.Huge = fn.huge + e.Name
			}
			rs = append(rs, r)
		}
		rs = append(rs, elementwise("ExpNegMul", e, "e to the power -(a[i]*b[i]), the product rounded first: bell curves and decays.",
			func(b *Builder, in []*Value) *Value { return b.Exp(b.Neg(b.Mul(in[0], in[1])), nil) }, "a", "b"))
		for _, fn := range functions2 {
			r := elementwise(fn.name, e, fn.doc, func(b *Builder, in []*Value) *Value { return fn.f(b, in[0], in[1]) }, fn.first, fn.other)
			r.Bits = 64
			rs = append(rs, r)
			if fn.name == "Pow" {
				r.Long = "powLong" + e.Name
				rs = append(rs, powLongRoutine(r))
			}
		}
	}
	return rs
}
