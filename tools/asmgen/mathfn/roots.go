package mathfn

import "math"

// Inverse hyperbolic functions, by way of log1p, and roots.

// Asinh is log(a + √(1+a²)) = log1p(a + a²/(1+√(1+a²))), for large a
// log(a) + ln 2.
func (b *Builder) Asinh(x *Value) *Value {
	a, one := b.Abs(x), b.C(1)
	large := b.Gt(a, b.C(0x1p28))
	c := b.Min(b.C(0x1p28), a)
	square := b.Mul(c, c)
	t := b.Add(c, b.Div(square, b.Add(one, b.Sqrt(b.Add(one, square)))))
	return b.CopySign(b.doubled(large, a, t), b.SignOf(x))
}

// Acosh is log1p(t + √(2t+t²)), t = x-1, for large x log(x) + ln 2.
func (b *Builder) Acosh(x *Value) *Value {
	large := b.Gt(x, b.C(0x1p28))
	t := b.Sub(b.Min(b.C(0x1p28), x), b.C(1))
	t = b.Sel(b.Lt(t, b.C(0)), b.NaN(), t)
	return b.doubled(large, x, b.Add(t, b.Sqrt(b.FMA(t, t, b.Add(t, t)))))
}

// doubled is log1p(t), or log(a) + ln 2 where a is large: log1p(a-1), for
// log(1+a) is 1/a too much, which at 2^28 are a million units in the last place.
func (b *Builder) doubled(large, a, t *Value) *Value {
	return b.Add(b.Log1p(b.Sel(large, b.Sub(a, b.C(1)), t)), b.Sel(large, b.C(math.Ln2), b.C(0)))
}

// Atanh is log1p(2a/(1-a))/2.
func (b *Builder) Atanh(x *Value) *Value {
	a := b.Abs(x)
	y := b.Log1p(b.Div(b.Add(a, a), b.Sub(b.C(1), a)))
	return b.CopySign(b.Mul(b.C(0.5), y), b.SignOf(x))
}

// Cbrt starts from a third of the exponent and mantissa bits, within 6 % (the
// constant is Kahan's, by way of fdlibm's s_cbrt.c), takes two of Halley's steps, which triple the
// digits, and in float64 one of Newton's with an exact residual.
func (b *Builder) Cbrt(x *Value) *Value {
	a := b.Abs(x)
	large, tiny := b.Gt(a, b.C(0x1p1000)), b.Lt(a, b.C(0x1p-900))
	v := b.Mul(a, b.Sel(large, b.C(0x1p-99), b.Sel(tiny, b.C(0x1p300), b.C(1))))
	const magic, third = 0x1p52, 715094163
	high := b.Sub(b.AsF(b.Or(b.Shr(b.AsI(v), 32), b.AsI(b.C(magic)))), b.C(magic))
	guess := b.AsI(b.FMA(high, b.C(1.0/3), b.C(magic+third)))
	y := b.AsF(b.Shl(guess, 32))
	for range 2 {
		cube := b.Mul(b.Mul(y, y), y)
		y = b.Mul(y, b.Div(b.Add(cube, b.Add(v, v)), b.Add(b.Add(cube, cube), v)))
	}
	if !b.Wide {
		s, low := b.twoProd(y, y)
		rest := b.FNMA(low, y, b.FNMA(s, y, v))
		y = b.Add(y, b.Div(rest, b.Mul(b.C(3), s)))
	}
	y = b.Mul(y, b.Sel(large, b.C(0x1p33), b.Sel(tiny, b.C(0x1p-100), b.C(1))))
	ordinary := b.MAnd(b.Lt(a, b.Inf()), b.Gt(a, b.C(0)))
	return b.Sel(ordinary, b.CopySign(y, b.SignOf(x)), x)
}

// Hypot is √(x²+y²) with the squares, scaled, as double words. An infinity wins over NaN.
func (b *Builder) Hypot(x, y *Value) *Value {
	ax, ay := b.Abs(x), b.Abs(y)
	larger, lesser := b.Max(ax, ay), b.Min(ax, ay)
	infinite := b.MOr(b.Eq(ax, b.Inf()), b.Eq(ay, b.Inf()))
	broken := b.MOr(b.IsNaN(x), b.IsNaN(y))
	var r *Value
	if b.Wide {
		r = b.Sqrt(b.FMA(larger, larger, b.Mul(lesser, lesser)))
	} else {
		r = b.hypotScaled(larger, lesser)
	}
	return b.Sel(infinite, b.Inf(), b.Sel(broken, b.NaN(), r))
}

func (b *Builder) hypotScaled(larger, lesser *Value) *Value {
	big, small := b.Gt(larger, b.C(0x1p500)), b.Lt(larger, b.C(0x1p-400))
	scale := b.Sel(big, b.C(0x1p-600), b.Sel(small, b.C(0x1p600), b.C(1)))
	back := b.Sel(big, b.C(0x1p600), b.Sel(small, b.C(0x1p-600), b.C(1)))
	p, pLow := b.twoProd(b.Mul(larger, scale), b.Mul(larger, scale))
	q, qLow := b.twoProd(b.Mul(lesser, scale), b.Mul(lesser, scale))
	s, err := b.fastTwoSum(p, q)
	r := b.Sqrt(s)
	rest := b.Add(b.FNMA(r, r, s), b.Add(err, b.Add(pLow, qLow)))
	r = b.Sel(b.Gt(s, b.C(0)), b.Add(r, b.Div(rest, b.Add(r, r))), r)
	return b.Mul(r, back)
}
