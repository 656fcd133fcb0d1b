package mathfn

import "math"

// Pow is exp(y log|x|) with the cases of IEEE 754-2019, 9.2.1. A relative error
// of the logarithm grows with its product, so in float64 it has double words:
// log(m) = 2s + (2/3) s³ + s⁵ P(s²), s = (m-1)/(m+1). float32 takes the short way where it can.
func (b *Builder) Pow(x, y *Value) *Value {
	if b.Wide {
		return b.powShort(x, y)
	}
	lh, ll := b.logDouble(b.Abs(x))
	h, l := b.twoProd(y, lh)
	l = b.FMA(y, ll, l)
	l = b.Sel(b.Lt(b.Abs(h), b.C(800)), l, b.C(0)) // else it may be NaN, and is not needed
	return b.powEdges(x, y, b.Exp(h, l))
}

// powShort is 2^(y log2 x) for float32 results, of x > 0 and finite, and of products far from overflow
// in float64. Of any other x logSplit reads an exponent beyond ±1000.
func (b *Builder) powShort(x, y *Value) *Value {
	e, m := b.logSplit(x)
	p := b.Mul(y, b.log2Wide(e, m))
	b.Bail(b.MNot(b.MAnd(b.Lt(b.Abs(e), b.C(200)), b.Lt(b.Abs(p), b.C(1000)))))
	return b.exp2Wide(p)
}

// powLong is powShort of everything. The logarithms of 0 and infinity are infinities, of which the
// rest makes 0 and infinity.
func (b *Builder) powLong(x, y *Value) *Value {
	a := b.Abs(x)
	zero, one := b.C(0), b.C(1)
	l := b.log2Wide(b.logSplit(a))
	finite := b.Lt(a, b.Inf())
	l = b.Sel(b.Eq(a, zero), b.C(math.Inf(-1)), b.Sel(finite, l, a))
	p := b.Sel(b.MOr(b.Eq(a, one), b.Eq(y, zero)), zero, b.Mul(y, l)) // where it may be 0 times infinity
	r := b.exp2Wide(b.clamp(p, -1000, 1000))
	// Negative bases: a sign for odd powers, NaN for broken ones. All float32 from 2^24 on are even.
	w := b.Min(b.C(0x1p26), b.Abs(y))
	near, shifted := b.RoundShift(w, one)
	integer := b.Eq(near, w)
	odd := b.Sel(integer, b.Shl(shifted, b.Bits-1), b.K(0))
	undefined := b.MAnd(b.MAnd(b.Lt(x, zero), finite), b.MNot(integer))
	return b.Sel(undefined, b.NaN(), b.XorSign(r, b.And(odd, b.AsI(x))))
}

// powLongRoutine is that which does what short marks.
func powLongRoutine(short *Routine) *Routine {
	r := *short
	r.Name, r.Long = short.Long, ""
	r.Body = func(b *Builder, in []*Value) *Value { return b.powLong(in[0], in[1]) }
	return &r
}

// log2Wide is log2(2^e m), within 2^-37 of itself.
func (b *Builder) log2Wide(e, m *Value) *Value {
	s := b.Div(b.Sub(m, b.C(1)), b.Add(m, b.C(1)))
	return b.FMA(s, b.Horner(b.Mul(s, s), log2Wide...), e)
}

// exp2Wide is 2^p for |p| <= 1000, within 2^-32 of itself.
func (b *Builder) exp2Wide(p *Value) *Value {
	n, shifted := b.RoundShift(p, b.C(1))
	y := b.Horner(b.Sub(p, n), append([]float64{1}, exp2Wide...)...)
	return b.AsF(b.IAdd(b.AsI(y), b.Shl(shifted, b.mantBits()))) // NaN, whose last bits are zeros, stays
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
