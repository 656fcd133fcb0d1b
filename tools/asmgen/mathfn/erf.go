package mathfn

import "math"

// The error function and what is made of it. Near zero erf(x) = x + x P(x²);
// beyond, erfc(x) = exp(-x²) Q(u)/(1+2x) with u = (x-k)/(x+k) (Shepherd and
// Laframboise, "Chebyshev approximation of (1+2x) exp(x²) erfc x", Math. Comp.
// 36, 1981), in which -x² is taken with its rounding error.

// erfNear is erf(x) for |x| <= 1.
func (b *Builder) erfNear(x *Value) *Value {
	z := b.Mul(x, x)
	return b.FMA(x, b.Horner(z, pick(b, nil, erfF64, erfWide)...), x)
}

// erfcFar is factor·erfc(x) for x >= 0.6; square and low are x² as a double word. xLow, if not nil, is what x lacks.
func (b *Builder) erfcFar(factor, x, xLow, square, low *Value) *Value {
	k := b.C(pick(b, 0, 4, 3.0))
	u := b.Div(b.Sub(x, k), b.Add(x, k))
	c := pick(b, nil, erfcxF64, erfcxWide)
	if b.Wide {
		e := b.Exp(b.Neg(square), nil)
		return b.Div(b.Mul(b.Mul(factor, e), b.Horner(u, c...)), b.FMA(x, b.C(2), b.C(1)))
	}
	e := b.expPrecise(b.Neg(square), b.Neg(low))
	q, qLow := b.fastTwoSum(b.C(c[0]), b.Mul(u, b.Horner(u, c[1:]...)))
	f, fLow := b.twoProd(factor, e)
	p, pLow := b.twoProd(f, q)
	pLow = b.FMA(f, qLow, b.FMA(fLow, q, pLow))
	den, denLow := b.fastTwoSum(b.Add(x, x), b.C(1))
	if xLow != nil { // Q changes little over it
		denLow = b.FMA(xLow, b.C(2), denLow)
	}
	return b.quotient(p, pLow, den, denLow)
}

func (b *Builder) erfcOf(x *Value) *Value {
	s, low := b.twoProd(x, x)
	return b.erfcFar(b.C(1), x, nil, s, low)
}

func (b *Builder) Erf(x *Value) *Value {
	a := b.Abs(x)
	far := b.Sub(b.C(1), b.erfcOf(b.Min(b.C(6.5), a)))
	near := b.erfNear(b.Min(b.C(1), a))
	return b.CopySign(b.Sel(b.Gt(a, b.C(1)), far, b.Sel(b.IsNaN(x), x, near)), b.SignOf(x))
}

// Erfc is 1 - erf(x) below 0.6, and for negative x 2 - erfc(-x).
func (b *Builder) Erfc(x *Value) *Value {
	a := b.Abs(x)
	far := b.erfcOf(b.Max(b.C(0.6), b.Min(b.C(28), a)))
	far = b.Sel(b.Lt(x, b.C(0)), b.Sub(b.C(2), far), far)
	near := b.Sub(b.C(1), b.erfNear(b.clamp(x, -1, 1)))
	return b.Sel(b.IsNaN(x), x, b.Sel(b.Gt(a, b.C(0.6)), far, near))
}

// Gelu is x Φ(x) = x/2 erfc(-x/√2), the erf form, PyTorch's default. For x < 0 the square of x/√2
// is x²/2, whose error is known.
func (b *Builder) Gelu(x *Value) *Value {
	a := b.Abs(x)
	c := b.Min(b.C(39), a)
	t, tLow := b.overSqrt2(c)
	s, low := b.twoProd(c, c)
	half := b.C(0.5)
	tail := b.erfcFar(b.Mul(half, c), b.Max(t, b.C(0.6)), tLow, b.Mul(half, s), b.Mul(half, low)) // |x| Φ(-|x|)
	beyond := b.Sel(b.Lt(x, b.C(0)), b.Neg(tail), b.Sub(x, tail))
	return b.Sel(b.Gt(t, b.C(0.6)), beyond, b.geluNear(x, t))
}

// overSqrt2 is x/√2 as a double word; in wide single precision its low part is nil.
func (b *Builder) overSqrt2(x *Value) (hi, low *Value) {
	if b.Wide {
		return b.Mul(x, b.C(math.Sqrt2/2)), nil
	}
	const less = -4.8336466567264567e-17 // √½ less its double
	hi, low = b.twoProd(x, b.C(math.Sqrt2/2))
	return hi, b.FMA(x, b.C(less), low)
}

// geluNear is x (1 + erf(x/√2))/2 for t = |x|/√2 <= 1. For x < 0 the sum cancels, so in double precision it
// is of double words: the argument's rounding error is taken along.
func (b *Builder) geluNear(x, t *Value) *Value {
	half := b.C(0.5)
	if b.Wide {
		return b.Mul(x, b.FMA(half, b.erfNear(b.XorSign(b.Min(b.C(1), t), b.SignOf(x))), half))
	}
	v, vLow := b.overSqrt2(b.XorSign(b.Min(b.C(1.4), b.Abs(x)), b.SignOf(x)))
	h := b.Mul(half, v)
	sum, sumLow := b.fastTwoSum(half, h)
	p := b.Horner(b.Mul(v, v), erfF64...)
	return b.Mul(x, b.Add(sum, b.FMA(h, p, b.FMA(half, vLow, sumLow))))
}

// GeluTanh is x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), the tanh form
// (Hendrycks and Gimpel, 2016; PyTorch's approximate="tanh"): x·sigmoid(2v), v
// that argument, with v in double words because its error grows in the exponential.
func (b *Builder) GeluTanh(x *Value) *Value {
	const c = 2 * 0.7978845608028654 // 2 √(2/π)
	const cLo = 2 * -4.984653410405862e-17
	const k, kLo = 0.044715, 2.196021142708559637e-18
	a := b.Min(b.C(30), b.Abs(x))
	if b.Wide {
		cube := b.FMA(b.Mul(a, a), b.C(k), b.C(1))
		return b.timesLogisticWide(x, b.Exp(b.Mul(b.Mul(a, b.C(-c)), cube), nil))
	}
	s, sLo := b.twoProd(a, a)
	p, pLo := b.twoProd(s, b.C(k))
	pLo = b.FMA(s, b.C(kLo), b.FMA(sLo, b.C(k), pLo))
	w, wLo := b.twoSum(p, b.C(1))
	wLo = b.Add(wLo, pLo)
	g, gLo := b.twoProd(a, b.C(c))
	gLo = b.FMA(a, b.C(cLo), gLo)
	v, vLo := b.twoProd(g, w)
	vLo = b.FMA(g, wLo, b.FMA(gLo, w, vLo))
	return b.timesLogistic(x, b.Neg(v), b.Neg(vLo))
}
