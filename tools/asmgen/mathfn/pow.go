package mathfn

import "math"

// Pow is exp(y log|x|) with the cases of IEEE 754-2019, 9.2.1. A short body does positive x with results
// in the normal range, and marks the rest for the long one.
func (b *Builder) Pow(x, y *Value) *Value {
	if b.Wide {
		return b.powShort(x, y)
	}
	e, m, part := b.powSplit(x)
	lh, ll := b.powLog(e, m, part)
	h, l := b.twoProd(y, lh)
	l = b.FMA(y, ll, l)
	// Of x that is not normal, or not positive, powSplit reads an exponent beyond ±1022.
	b.Bail(b.MNot(b.MAnd(b.Lt(b.Abs(e), b.C(1022)), b.Lt(b.Abs(h), b.C(700)))))
	p, shifted := b.powExp(h, l)
	return b.AsF(b.IAdd(b.AsI(p), b.Shl(shifted, b.mantBits())))
}

// powF64 is Pow of everything, in float64.
func (b *Builder) powF64(x, y *Value) *Value {
	lift := b.C(0x1p54)
	a := b.Abs(x)
	tiny := b.Lt(a, b.C(0x1p-1022))
	e, m, part := b.powSplit(b.Sel(tiny, b.Mul(a, lift), a))
	lh, ll := b.powLog(b.Sel(tiny, b.Sub(e, b.C(54)), e), m, part)
	h, l := b.twoProd(y, lh)
	l = b.Sel(b.Lt(b.Abs(h), b.C(800)), b.FMA(y, ll, l), b.C(0)) // else it may be NaN, and is not needed
	p, shifted := b.powExp(b.clamp(h, -746, 710), l)
	n := b.Sub(b.AsF(shifted), b.shifter())
	return b.powEdges(x, y, b.Scale(p, n))
}

// powSplit takes a normal x > 0 apart: x = 2^e m, m in the part of that number.
func (b *Builder) powSplit(x *Value) (e, m, part *Value) {
	magic, root := b.C(0x1p52), uint64(powRoot)
	i := b.ISub(b.AsI(x), b.K(root-b.bias()<<52))
	e = b.Sub(b.AsF(b.Or(b.Shr(i, 52), b.AsI(magic))), b.C(0x1p52+1023))
	m = b.AsF(b.IAdd(b.And(i, b.K(1<<52-1)), b.K(root)))
	return b.Name("e", e), b.Name("m", m), b.Shr(i, 48)
}

// powLog is log(2^e m) as hi + low, low below 2^-18, within 2^-64 of itself: relative errors of the logarithm
// grow with its product. C is the middle of m's part: log(C), of which e ln2 + the high word has no rounding, and
// log(m/C) = s + s³ P(s²) with s = (m-C) / ((m+C)/2), whose quotient's rest counts.
func (b *Builder) powLog(e, m, part *Value) (hi, low *Value) {
	half, mid := b.C(0.5), b.Lookup(&powHalf, part) // C/2
	num := b.FNMA(b.C(2), mid, m)                   // exact
	den := b.FMA(half, m, mid)
	denLow := b.FMA(half, m, b.Sub(mid, den))
	inv := b.Div(b.C(1), den)
	s := b.Mul(num, inv)
	rest := b.FNMA(s, denLow, b.FNMA(s, den, num))
	z := b.Mul(s, s)
	c, cLow := b.split(math.Ln2, ln2Lo, 12)
	whole := b.FMA(e, b.C(c), b.Lookup(&powHigh, part))
	hi, low = b.fastTwoSum(whole, s)
	low = b.Add(low, b.FMA(e, b.C(cLow), b.Lookup(&powLow, part)))
	low = b.FMA(rest, inv, low)
	return hi, b.FMA(b.Mul(s, z), b.Horner(z, powLog...), low)
}

// powExp is exp(h + l) = 2^n p, n in shifted's low bits.
func (b *Builder) powExp(h, l *Value) (p, shifted *Value) {
	n, shifted := b.RoundShift(b.Add(h, l), b.C(math.Log2E))
	hi, lo := b.split(math.Ln2, ln2Lo, 0)
	exact := b.FNMA(n, b.C(hi), h) // a multiple of their last bits, below 1/2
	r := b.Add(exact, b.FNMA(n, b.C(lo), l))
	return b.Add(b.C(1), b.expm1Poly(r)), shifted
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
	r.Body = func(b *Builder, in []*Value) *Value {
		if b.Wide {
			return b.powLong(in[0], in[1])
		}
		return b.powF64(in[0], in[1])
	}
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
