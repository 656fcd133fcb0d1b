package mathfn

import "math"

// Logarithms. x = 2^e (1 + f) with 1 + f in [√½, √2), and log(1+f) = f + y,
// where y is small beside f; the sum with e's multiple of ln 2 keeps the error of its
// first step. The forms are those of fdlibm's e_log.c (Sun Microsystems, 1993):
// a polynomial in f for float32, and in s = f/(2+f) for float64.

// logarithm is log(x) = e ln 2 + f + y.
type logarithm struct{ e, f, y *Value }

// logSplit takes x > 0, finite, apart: x = 2^e m. What was made of a float32 is not
// subnormal in float64.
func (b *Builder) logSplit(x *Value) (e, m *Value) {
	mant, bias := b.mantBits(), b.bias()
	magic := float64(uint64(1) << mant)
	origin := b.C(magic + float64(bias))
	if !b.Wide {
		lift := float64(uint64(1) << (mant + 2)) // makes subnormals normal
		tiny := b.Lt(x, b.AsF(b.K(1<<mant)))
		x = b.Sel(tiny, b.Mul(x, b.C(lift)), x)
		origin = b.Sel(tiny, b.C(magic+float64(bias)+float64(mant+2)), origin)
	}
	root := b.bitsOf(math.Sqrt2 / 2)
	i := b.ISub(b.AsI(x), b.K(root-bias<<mant))
	biased := b.AsF(b.Or(b.Shr(i, mant), b.AsI(b.C(magic)))) // magic + e + bias
	e = b.Sub(biased, origin)
	m = b.AsF(b.IAdd(b.And(i, b.K(1<<mant-1)), b.K(root)))
	return b.Name("e", e), b.Name("m", m)
}

func (b *Builder) logParts(x *Value) logarithm {
	e, m := b.logSplit(x)
	f := b.Name("f", b.Sub(m, b.C(1)))
	return logarithm{e, f, b.Name("y", b.logPoly(f))}
}

// logPoly is log(1+f) - f.
func (b *Builder) logPoly(f *Value) *Value {
	half := b.Mul(b.Mul(f, f), b.C(0.5))
	if b.Bits == 32 {
		cube := b.Mul(b.Mul(f, f), f)
		return b.FMS(cube, b.Horner(f, logF32...), half)
	}
	s := b.Div(f, b.Add(b.C(2), f))
	z := b.Mul(s, s)
	r := b.Mul(z, b.Horner(z, pick(b, nil, logF64, logWide)...))
	return b.FMS(s, b.Add(half, r), half)
}

// sum is e·unit + (f + y)·scale, for scale = 1/ln(base) and unit = log_base(2),
// each given with what float64 leaves out.
func (b *Builder) logSum(l logarithm, unit, unitLo, scale, scaleLo float64) *Value {
	zeros := pick(b, 9, 12, 12)
	high, low := l.f, l.y
	if scale != 1 {
		c, cLo := b.split(scale, scaleLo, 0)
		high = b.Mul(l.f, b.C(c))
		low = b.FMA(l.f, b.C(cLo), b.FMS(l.f, b.C(c), high))
		low = b.FMA(l.y, b.C(c), low)
	}
	whole := l.e
	if unit != 1 {
		u, uLo := b.split(unit, unitLo, zeros)
		whole = b.Mul(l.e, b.C(u))
		low = b.FMA(l.e, b.C(uLo), low)
	}
	w := b.Add(whole, high)
	return b.Add(w, b.Add(b.Add(b.Sub(whole, w), high), low))
}

// logEdges replaces r where x is not positive and finite.
func (b *Builder) logEdges(x, r *Value) *Value {
	edge := b.Sel(b.Gt(x, b.C(0)), x, b.NaN()) // +inf, or negative or NaN
	edge = b.Sel(b.Eq(x, b.C(0)), b.C(math.Inf(-1)), edge)
	ordinary := b.MAnd(b.Gt(x, b.C(0)), b.Lt(x, b.Inf()))
	return b.Sel(ordinary, r, edge)
}

func (b *Builder) Log(x *Value) *Value {
	return b.logEdges(x, b.logSum(b.logParts(x), math.Ln2, ln2Lo, 1, 0))
}

func (b *Builder) Log2(x *Value) *Value {
	return b.logEdges(x, b.logSum(b.logParts(x), 1, 0, math.Log2E, log2eLo))
}

func (b *Builder) Log10(x *Value) *Value {
	return b.logEdges(x, b.logSum(b.logParts(x), math.Ln2/math.Ln10, log10of2L, math.Log10E, log10eLo))
}

// Log1p is log(u) + c/u for u + c = 1 + x exactly (Kahan).
func (b *Builder) Log1p(x *Value) *Value { return b.log1pSum(x, nil) }

// log1pSum is log(1 + x + low), with low added to the rest of 1 + x.
func (b *Builder) log1pSum(x, low *Value) *Value {
	u, c := b.twoSum(b.C(1), x)
	if low != nil {
		c = b.Add(c, low)
	}
	l := b.logParts(u)
	l.y = b.Add(l.y, b.Div(c, u))
	r := b.logEdges(u, b.logSum(l, math.Ln2, ln2Lo, 1, 0))
	return b.Sel(b.Eq(x, b.C(0)), x, r) // -0 stays
}

// Double-word arithmetic (Dekker, "A floating-point technique for extending
// the available precision", Numer. Math. 18, 1971; Joldes, Muller and Popescu,
// ACM TOMS 44(2), 2017).

// twoSum is x + y as a rounded sum and its error.
func (b *Builder) twoSum(x, y *Value) (s, err *Value) {
	s = b.Add(x, y)
	back := b.Sub(s, x)
	return s, b.Add(b.Sub(x, b.Sub(s, back)), b.Sub(y, back))
}

// fastTwoSum is the same for |x| >= |y|, or x = 0.
func (b *Builder) fastTwoSum(x, y *Value) (s, err *Value) {
	s = b.Add(x, y)
	return s, b.Add(b.Sub(x, s), y)
}

// twoProd is x·y as a rounded product and its error.
func (b *Builder) twoProd(x, y *Value) (p, err *Value) {
	p = b.Mul(x, y)
	return p, b.FMS(x, y, p)
}
