package mathfn

import "math"

// Exponentials. x = n ln 2 + r with |r| <= ln(2)/2, and exp(x) = 2^n (1 + p)
// with p = r + r² q(r), q a minimax polynomial (Tang, "Table-driven
// implementation of the exponential function", ACM TOMS 15(2), 1989, without
// the table).

// pick chooses what depends on the lane's type: coefficients or limits.
func pick[T any](b *Builder, f32, f64, wide T) T {
	switch {
	case b.Wide:
		return wide
	case b.Bits == 32:
		return f32
	}
	return f64
}

// split gives a constant as the sum of a float of the lane's type, with its last zeros
// bits cleared, and the rest. lo is the constant's part below float64.
func (b *Builder) split(c, lo float64, zeros int) (hi, rest float64) {
	if b.Bits == 32 {
		hi = float64(math.Float32frombits(math.Float32bits(float32(c)) &^ (1<<zeros - 1)))
	} else {
		hi = math.Float64frombits(math.Float64bits(c) &^ (1<<zeros - 1))
	}
	return hi, c - hi + lo
}

// The logarithms' constants: c as float64 and what is left of it.
const (
	ln2Lo     = 2.319046813846299558e-17  // ln 2 - float64(ln 2)
	log2eLo   = 2.0355273740931032980e-17 // log2(e) - float64(log2 e)
	log10eLo  = 1.0983196502167650718e-17
	log10of2L = -2.8037281277851703937e-18
)

// exponential is exp(x) split up: n, the integer in shifted's low bits, and p = exp(r) - 1.
type exponential struct{ n, shifted, p *Value }

func (b *Builder) expParts(x, low *Value) exponential {
	n, shifted := b.RoundShift(x, b.C(math.Log2E))
	hi, lo := b.split(math.Ln2, ln2Lo, 0)
	r := b.FNMA(n, b.C(hi), x) // exact: a multiple of hi's last bit, below 1/2
	if low == nil {
		r = b.FNMA(n, b.C(lo), r)
	} else {
		r = b.Add(r, b.FNMA(n, b.C(lo), low))
	}
	return exponential{b.Name("n", n), shifted, b.expm1Poly(b.Name("r", r))}
}

// expm1Poly is exp(r) - 1 for |r| <= ln(2)/2.
func (b *Builder) expm1Poly(r *Value) *Value {
	q := b.Horner(r, pick(b, expF32, expF64, expWide)...)
	return b.Name("p", b.FMA(b.Mul(r, r), q, r))
}

// clamp keeps x within [lo, hi]; NaN stays.
func (b *Builder) clamp(x *Value, lo, hi float64) *Value {
	return b.Max(b.C(lo), b.Min(b.C(hi), x))
}

// Exp is eˣ; low, if not nil, is added to x.
func (b *Builder) Exp(x, low *Value) *Value {
	x = b.clamp(x, pick(b, -104, -746, -746.0), pick(b, 89, 710, 710.0))
	e := b.expParts(x, low)
	return b.Scale(b.Add(b.C(1), e.p), e.n)
}

// expPrecise is exp(x + low) within 0.6 ulp, for functions that add errors of
// their own. low may be nil.
func (b *Builder) expPrecise(x, low *Value) *Value {
	return b.Scale(b.expMantissa(b.clamp(x, pick(b, -104, -746, -746.0), pick(b, 89, 710, 710.0)), low))
}

// expMantissa is exp(x + low) as m 2^n with m within 0.6 ulp: it keeps what r
// and 1 + r lose.
func (b *Builder) expMantissa(x, low *Value) (m, n *Value) {
	n, _ = b.RoundShift(x, b.C(math.Log2E))
	hi, lo := b.split(math.Ln2, ln2Lo, 0)
	exact := b.FNMA(n, b.C(hi), x)
	r := b.FNMA(n, b.C(lo), exact)
	rest := b.FNMA(n, b.C(lo), b.Sub(exact, r))
	s, err := b.fastTwoSum(b.C(1), r)
	tail := b.FMA(b.Mul(r, r), b.Horner(r, pick(b, expF32, expF64, expWide)...), err)
	if low == nil {
		tail = b.Add(tail, rest)
	} else { // large enough for exp(r + rest) = exp(r) (1 + rest) to matter
		tail = b.FMA(b.Add(rest, low), b.Add(s, tail), tail)
	}
	return b.Add(s, tail), n
}

// quotient is (num + numLow) / (den + denLow) with little more than one
// rounding. numLow may be nil.
func (b *Builder) quotient(num, numLow, den, denLow *Value) *Value {
	inv := b.Div(b.C(1), den)
	q := b.Mul(num, inv)
	rest := b.FNMA(q, den, num)
	if numLow != nil {
		rest = b.Add(rest, numLow)
	}
	return b.FMA(b.FNMA(q, denLow, rest), inv, q)
}

func (b *Builder) Exp2(x *Value) *Value {
	x = b.clamp(x, pick(b, -151, -1077, -1077.0), pick(b, 129, 1025, 1025.0))
	n, _ := b.RoundShift(x, b.C(1))
	p := b.expm1Poly(b.Mul(b.Sub(x, n), b.C(math.Ln2)))
	return b.Scale(b.Add(b.C(1), p), n)
}

// Expm1 is eˣ - 1.
func (b *Builder) Expm1(x *Value) *Value {
	y := b.expm1InRange(b.clamp(x, pick(b, -18, -38, -38.0), pick(b, 89, 710, 710.0)))
	return b.CopySign(y, b.SignOf(x)) // -0 stays
}

// expm1InRange is Expm1 where neither its result overflows nor n is beyond the
// exponents: 2 (p h + (h - 1/2)) with h = 2^(n-1). In float64 it has what the
// roundings of r, p and the sum lose, which count where the sum is smaller than
// p h, and in functions that are made of it.
func (b *Builder) expm1InRange(x *Value) *Value {
	if b.Bits == 32 || b.Wide {
		e := b.expParts(x, nil)
		h := b.pow2(b.IAdd(e.shifted, b.K(math.MaxUint64)))
		y := b.FMA(e.p, h, b.Sub(h, b.C(0.5)))
		return b.Add(y, y)
	}
	n, shifted := b.RoundShift(x, b.C(math.Log2E))
	hi, lo := b.split(math.Ln2, ln2Lo, 0)
	exact := b.FNMA(n, b.C(hi), x)
	r := b.FNMA(n, b.C(lo), exact)
	rest := b.FNMA(n, b.C(lo), b.Sub(exact, r))
	p, low := b.fastTwoSum(r, b.FMA(b.Mul(r, r), b.Horner(r, expF64...), rest))
	h := b.pow2(b.IAdd(shifted, b.K(math.MaxUint64)))
	y, err := b.fastTwoSum(b.Sub(h, b.C(0.5)), b.Mul(p, h))
	y = b.Add(y, b.FMA(low, h, err))
	return b.Add(y, y)
}

// Tanh is y = t/(t+2) with t = expm1(2|x|). As y = t/2 (1 - y), small ones are taken from that, in which the
// roundings of t+2 and the quotient count little.
func (b *Builder) Tanh(x *Value) *Value {
	a, sign := b.Min(b.C(pick(b, 10, 22, 0.0)), b.Abs(x)), b.SignOf(x)
	t := b.expm1Twice(a)
	y := b.Div(t, b.Add(t, b.C(2)))
	half := b.Mul(t, b.C(0.5))
	return b.CopySign(b.Sel(b.Lt(y, b.C(0.3)), b.FNMA(half, y, half), y), sign)
}

// expm1Twice is expm1(2a) for a >= 0 that neither overflows.
func (b *Builder) expm1Twice(a *Value) *Value {
	if b.Bits == 64 {
		return b.expm1InRange(b.Add(a, a))
	}
	e := b.expParts(b.Add(a, a), nil)
	h := b.pow2(e.shifted)
	return b.FMA(h, e.p, b.Sub(h, b.C(1)))
}

// half is exp(a)/2 for a >= 0, which overflows only when sinh and cosh do.
func (b *Builder) halfExp(e exponential) *Value {
	return b.Scale(b.Add(b.C(1), e.p), b.Sub(e.n, b.C(1)))
}

// Cosh is h + 1/(4h) with h = exp(|x|)/2.
func (b *Builder) Cosh(x *Value) *Value {
	h := b.halfExp(b.expParts(b.Min(b.C(711), b.Abs(x)), nil))
	return b.Add(h, b.Div(b.C(0.25), h))
}

// Sinh is (t + t/(t+1))/2 with t = expm1(|x|), or exp(|x|)/2 where that is all.
func (b *Builder) Sinh(x *Value) *Value {
	a := b.Abs(x)
	far := b.halfExp(b.expParts(b.Min(b.C(711), a), nil))
	t := b.expm1InRange(b.Min(b.C(40), a))
	near := b.Mul(b.C(0.5), b.Add(t, b.overNext(t)))
	return b.CopySign(b.Sel(b.Lt(a, b.C(22)), near, far), b.SignOf(x))
}

// overNext is t/(t+1) for t >= 0, in float64 with the bits that the sum loses.
func (b *Builder) overNext(t *Value) *Value {
	if b.Bits == 32 || b.Wide {
		return b.Div(t, b.Add(t, b.C(1)))
	}
	den, low := b.fastTwoSum(b.C(1), t) // exact up to t = 2^53, where the quotient does not count
	return b.quotient(t, nil, den, low)
}

// Sigmoid is 1/(1+z) or z/(1+z) with z = exp(-|x|), so that it stays accurate
// where it is small.
func (b *Builder) Sigmoid(x *Value) *Value {
	z := b.expPrecise(b.AsF(b.Or(b.AsI(x), b.signBit())), nil)
	den, low := b.fastTwoSum(b.C(1), z)
	return b.quotient(b.Sel(b.Lt(x, b.C(0)), z, b.C(1)), nil, den, low)
}

// Silu is x·sigmoid(x); -inf gives -0.
func (b *Builder) Silu(x *Value) *Value {
	negative := b.AsF(b.Or(b.AsI(x), b.signBit()))
	if b.Wide {
		return b.timesLogisticWide(x, b.Exp(negative, nil))
	}
	return b.timesLogistic(x, negative, nil)
}

// timesLogistic is x/(1+z) for x >= 0 and x z/(1+z) for x < 0, z = exp(v + low)
// for v <= 0. z's exponent comes last, since z may have lost bits, or all, where
// its product with x has not.
func (b *Builder) timesLogistic(x, v, low *Value) *Value {
	m, n := b.expMantissa(b.Max(b.C(pick(b, -115, -760, 0.0)), v), low)
	den, denLow := b.fastTwoSum(b.C(1), b.Scale(m, n))
	x = b.Max(b.C(-1000), x) // an infinity would give NaN with z = 0
	below := b.Lt(x, b.C(0))
	p, pLow := b.twoProd(x, b.Sel(below, m, b.C(1)))
	y := b.CopySign(b.Scale(b.quotient(p, pLow, den, denLow), b.Sel(below, n, b.C(0))), b.SignOf(x))
	return b.Sel(b.Lt(x, b.C(1000)), y, b.Sel(b.IsNaN(x), y, x))
}

// timesLogisticWide is the same of float32 in lanes of float64, where z loses
// nothing.
func (b *Builder) timesLogisticWide(x, z *Value) *Value {
	x = b.Min(b.C(0x1p1000), b.Max(b.C(-1000), x))
	return b.Div(b.Mul(x, b.Sel(b.Lt(x, b.C(0)), z, b.C(1))), b.Add(b.C(1), z))
}
