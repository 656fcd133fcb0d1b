package mathfn

import "math"

// Pow is exp(y log|x|) with the cases of IEEE 754-2019, 9.2.1. A relative error
// of the logarithm grows with its product, so in float64 it has double words:
// log(m) = 2s + (2/3) s³ + s⁵ P(s²), s = (m-1)/(m+1).
func (b *Builder) Pow(x, y *Value) *Value {
	a := b.Abs(x)
	var h, l *Value
	if b.Wide {
		h = b.Mul(y, b.logSum(b.logParts(a), math.Ln2, ln2Lo, 1, 0))
	} else {
		lh, ll := b.logDouble(a)
		h, l = b.twoProd(y, lh)
		l = b.FMA(y, ll, l)
		l = b.Sel(b.Lt(b.Abs(h), b.C(800)), l, b.C(0)) // else it may be NaN, and is not needed
	}
	return b.powEdges(x, y, b.Exp(h, l))
}

// logDouble is log(x) to about 66 bits, for finite x > 0.
func (b *Builder) logDouble(x *Value) (hi, lo *Value) {
	e, m := b.logSplit(x)
	num := b.Sub(m, b.C(1)) // exact
	den, denLo := b.fastTwoSum(b.C(1), m)
	inv := b.Div(b.C(1), den)
	s := b.Mul(num, inv)
	sLo := b.Mul(b.FNMA(s, denLo, b.FNMA(s, den, num)), inv)
	z, zLo := b.twoProd(s, s)
	zLo = b.FMA(b.Add(s, s), sLo, zLo)
	const third2 = 2.0 / 3
	u, uLo := b.fastTwoSum(b.C(third2), b.Mul(z, b.Horner(z, logDD...)))
	uLo = b.Add(uLo, b.C(3.700743415417188e-17)) // 2/3 - float64(2/3)
	v, vLo := b.twoProd(z, u)
	vLo = b.FMA(z, uLo, b.FMA(zLo, u, vLo))
	w, wLo := b.twoProd(s, v)
	wLo = b.FMA(s, vLo, b.FMA(sLo, v, wLo))
	l, lLo := b.fastTwoSum(b.Add(s, s), w)
	lLo = b.Add(lLo, b.Add(wLo, b.Add(sLo, sLo)))
	c, cLo := b.split(math.Ln2, ln2Lo, 12)
	r, rLo := b.fastTwoSum(b.Mul(e, b.C(c)), l)
	return b.fastTwoSum(r, b.Add(rLo, b.FMA(e, b.C(cLo), lLo)))
}

// powEdges gives r where x and y are ordinary. Its order keeps few masks alive.
func (b *Builder) powEdges(x, y, r *Value) *Value {
	a, ay := b.Abs(x), b.Abs(y)
	zero, one, inf := b.C(0), b.C(1), b.Inf()
	// 0 or infinity, to any power or as the power: 0 or infinity.
	large, growing := b.Gt(a, one), b.Gt(y, zero)
	up := b.MOr(b.MAnd(large, growing), b.MNot(b.MOr(large, growing)))
	limit := b.Sel(up, inf, zero)
	limit = b.Sel(b.MAnd(b.Eq(ay, inf), b.Eq(a, one)), one, limit)
	extreme := b.MOr(b.MOr(b.Eq(a, zero), b.Eq(a, inf)), b.Eq(ay, inf))
	r = b.Sel(extreme, limit, r)
	// Negative bases: a sign for odd powers, NaN for broken ones.
	integer := b.Eq(b.Round(y, 3), y)
	undefined := b.MAnd(b.MAnd(b.Lt(x, zero), b.Lt(a, inf)), b.MNot(integer))
	half := b.Mul(y, b.C(0.5))
	odd := b.MAnd(integer, b.Ne(b.Round(half, 3), half))
	r = b.XorSign(r, b.Sel(odd, b.SignOf(x), b.K(0)))
	r = b.Sel(b.MOr(undefined, b.MOr(b.IsNaN(x), b.IsNaN(y))), b.NaN(), r)
	return b.Sel(b.MOr(b.Eq(x, one), b.Eq(y, zero)), one, r)
}
