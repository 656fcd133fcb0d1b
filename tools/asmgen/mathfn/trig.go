package mathfn

import "math"

// Circular functions. x = n π/2 + r + low with |r| <= π/4: π/2 is used in three
// parts (Cody and Waite, Software Manual for the Elementary Functions, 1980),
// with FMA the first subtraction is exact and the error of the second is kept in low.
// Beyond the limit lanes go to a scalar reduction by all of 2/π (Payne and
// Hanek, SIGNUM 18, 1983): kernels/simd/vec_trig.go.

// reduced is an argument less a multiple of π/2; low may be nil.
type reduced struct{ r, low, quadrant *Value }

// reduceWave is reduce for sines and cosines, of which an error of one unit of r is bearable in float32, and shorter.
func (b *Builder) reduceWave(x *Value) reduced {
	if b.Bits != 32 {
		return b.reduce(x)
	}
	b.Bail(b.Gt(b.Abs(x), b.C(0x1p16)))
	n, shifted := b.RoundShift(x, b.C(2/math.Pi))
	p1, p2, p3 := b.halfPi()
	r := b.FNMA(n, p2, b.FNMA(n, p1, x))
	return reduced{b.Name("r", b.FNMA(n, p3, r)), nil, shifted}
}

func (b *Builder) reduce(x *Value) reduced {
	limit := pick(b, 0x1p16, 0x1p27, 0x1p27)
	b.Bail(b.Gt(b.Abs(x), b.C(limit)))
	n, shifted := b.RoundShift(x, b.C(2/math.Pi))
	p1, p2, p3 := b.halfPi()
	r := b.FNMA(n, p1, x)
	h, l := b.twoProd(n, p2)
	s := b.Name("r", b.Sub(r, h))
	low := b.Sub(b.Sub(b.Sub(r, s), h), l)
	return reduced{s, b.Name("low", b.FNMA(n, p3, low)), shifted}
}

// halfPi is π/2 in three parts, each rounded to the lane's type.
func (b *Builder) halfPi() (p1, p2, p3 *Value) {
	if b.Bits == 32 {
		const p = math.Pi / 2
		h := float32(p)
		m := float32(p - float64(h))
		l := float32(p - float64(h) - float64(m) + piLow/2)
		return b.C(float64(h)), b.C(float64(m)), b.C(float64(l))
	}
	return b.C(math.Pi / 2), b.C(6.123233995736766036e-17), b.C(-1.497384904859169777e-33)
}

// sinPoly is sin(r + low), cosPoly cos(r + low).
func (b *Builder) sinPoly(a reduced, z *Value) *Value {
	cube := b.Mul(a.r, z)
	if a.low == nil {
		return b.FMA(cube, b.Horner(z, sinF32...), a.r)
	}
	return b.Add(a.r, b.sinTail(a, z, cube))
}

// sinTail is sin(r + low) - r.
func (b *Builder) sinTail(a reduced, z, cube *Value) *Value {
	return b.FMA(cube, b.Horner(z, pick(b, nil, sinF64, sinWide)...), a.low)
}

func (b *Builder) cosPoly(a reduced, z *Value) *Value {
	if a.low == nil {
		return b.FMA(z, b.FMA(z, b.Horner(z, cosF32...), b.C(-0.5)), b.C(1))
	}
	return b.Add(b.cosParts(a, z))
}

// cosParts is cos(r + low) as 1 - r²/2, rounded, and the rest.
func (b *Builder) cosParts(a reduced, z *Value) (w, rest *Value) {
	w, err := b.fastTwoSum(b.C(1), b.Neg(b.Mul(z, b.C(0.5))))
	rest = b.FMA(b.Mul(z, z), b.Horner(z, pick(b, nil, cosF64, cosWide)...), err)
	return w, b.FNMA(a.r, a.low, rest)
}

// wave is sin(x + quarter·π/2).
func (b *Builder) wave(a reduced, quarter uint64) *Value {
	z := b.Mul(a.r, a.r)
	q := a.quadrant
	if quarter != 0 {
		q = b.IAdd(q, b.K(quarter))
	}
	odd := b.Test(q, b.K(1))
	sign := b.Shl(b.And(q, b.K(2)), b.Bits-2)
	return b.XorSign(b.Sel(odd, b.cosPoly(a, z), b.sinPoly(a, z)), sign)
}

func (b *Builder) Sin(x *Value) *Value {
	return b.Sel(b.Eq(x, b.C(0)), x, b.wave(b.reduceWave(x), 0)) // -0 stays
}

func (b *Builder) Cos(x *Value) *Value { return b.wave(b.reduceWave(x), 1) }

func (b *Builder) Tan(x *Value) *Value {
	if b.Bits == 32 {
		return b.Sel(b.Eq(x, b.C(0)), x, b.slopeF32(b.reduce(x)))
	}
	return b.Sel(b.Eq(x, b.C(0)), x, b.slope(b.reduce(x)))
}

// slopeF32 is the tangent: t = tan(r + low), or -1/t in odd quadrants. low counts as often as t's slope
// 1 + t² says, of which 1 + r² is enough.
func (b *Builder) slopeF32(a reduced) *Value {
	z := b.Mul(a.r, a.r)
	t := b.Add(a.r, b.FMA(b.Mul(a.r, z), b.Horner(z, tanF32...), b.FMA(a.low, z, a.low)))
	odd := b.Test(a.quadrant, b.K(1))
	return b.Div(b.Sel(odd, b.C(-1), t), b.Sel(odd, t, b.C(1)))
}

// slope is the tangent: sin/cos, or -cos/sin in odd quadrants, each with what its rounding has lost, so that the
// quotient's is nearly all there is.
func (b *Builder) slope(a reduced) *Value {
	z := b.Mul(a.r, a.r)
	s, sLow := b.fastTwoSum(a.r, b.sinTail(a, z, b.Mul(a.r, z)))
	c, cLow := b.fastTwoSum(b.cosParts(a, z))
	parity := b.And(a.quadrant, b.K(1))
	odd := b.Test(a.quadrant, b.K(1))
	y := b.quotient(b.Sel(odd, c, s), b.Sel(odd, cLow, sLow), b.Sel(odd, s, c), b.Sel(odd, sLow, cLow))
	return b.XorSign(y, b.Shl(parity, b.Bits-1))
}

// reducedRoutines are the scalar functions that finish what the scalar
// reduction of huge arguments begins: f(low + r + quadrant·π/2).
func reducedRoutines() []*Routine {
	params := []Param{{"r", F64, false}, {"low", F64, false}, {"quadrant", U64, false}}
	of := func(name string, f func(b *Builder, a reduced) *Value) *Routine {
		return &Routine{Name: name + "Reduced", Bits: 64, Dst: F64, Params: params, Body: func(b *Builder, in []*Value) *Value {
			return f(b, reduced{in[0], in[1], in[2]})
		}}
	}
	return []*Routine{
		of("sin", func(b *Builder, a reduced) *Value { return b.wave(a, 0) }),
		of("tan", (*Builder).slope),
	}
}

// Inverse functions.

// arctangent is atan(num/den) for num >= 0, den >= 0, as base + atan(t):
// t = num/den up to tan(π/8), (num-den)/(num+den) up to its reciprocal, -den/num beyond.
func (b *Builder) arctangent(num, den *Value) *Value {
	const t8 = math.Sqrt2 - 1
	middle := b.Gt(num, b.Mul(b.C(t8), den))
	steep := b.Gt(b.Mul(b.C(t8), num), den)
	top := b.Sel(steep, b.Neg(den), b.Sel(middle, b.Sub(num, den), num))
	bottom := b.Sel(steep, num, b.Sel(middle, b.Add(num, den), den))
	t := b.Div(top, bottom)
	z := b.Mul(t, t)
	y := b.Mul(b.Mul(t, z), b.Horner(z, pick(b, nil, atanF64, atanWide)...))
	base := b.Sel(steep, b.C(math.Pi/2), b.Sel(middle, b.C(math.Pi/4), b.C(0)))
	low := b.Sel(steep, b.C(piLow/2), b.Sel(middle, b.C(piLow/4), b.C(0)))
	w, err := b.fastTwoSum(base, t)
	return b.Add(w, b.Add(err, b.Add(y, low)))
}

// piLow is π - float64(π).
const piLow = 1.2246467991473531772e-16

func (b *Builder) Atan(x *Value) *Value {
	a := b.Min(b.C(0x1p100), b.Abs(x)) // far beyond where the result is π/2, and finite
	return b.CopySign(b.arctangent(a, b.C(1)), b.SignOf(x))
}

// Atan2 is the angle of (x, y): atan(|y|/|x|), or π less that for negative x,
// with y's sign.
func (b *Builder) Atan2(y, x *Value) *Value {
	num, den := b.Abs(y), b.Abs(x)
	zero, one := b.C(0), b.C(1)
	large := b.MOr(b.Gt(num, b.C(0x1p1000)), b.Gt(den, b.C(0x1p1000)))
	small := b.MAnd(b.Lt(num, b.C(0x1p-900)), b.Lt(den, b.C(0x1p-900)))
	// num + den must not overflow, nor a product with √2-1 underflow.
	scale := b.Sel(large, b.C(0x1p-100), b.Sel(small, b.C(0x1p200), one))
	steep, flat := b.Eq(num, b.Inf()), b.Eq(den, b.Inf())
	edge := b.MOr(steep, flat)
	n := b.Sel(edge, b.Sel(steep, one, zero), b.Mul(num, scale))
	d := b.Sel(edge, b.Sel(flat, one, zero), b.Mul(den, scale))
	d = b.Sel(b.MAnd(b.Eq(num, zero), b.Eq(den, zero)), one, d)
	a := b.arctangent(n, d)
	flipped := b.Add(b.Sub(b.C(math.Pi), a), b.C(piLow))
	r := b.Sel(b.IGt(b.K(0), b.AsI(x)), flipped, a)
	r = b.CopySign(r, b.SignOf(y))
	return b.Sel(b.MOr(b.IsNaN(x), b.IsNaN(y)), b.NaN(), r)
}

// arcsine is asin(s) = s + s z P(z) for z = s² <= 1/4, without the leading s.
func (b *Builder) arcsineRest(s, z *Value) *Value {
	return b.Mul(b.Mul(s, z), b.Horner(z, pick(b, nil, asinF64, asinWide)...))
}

// halfAngle gives, for |x| > 1/2, s = √((1-|x|)/2) with its error and z = s².
func (b *Builder) halfAngle(a *Value) (s, err, z *Value) {
	z = b.Mul(b.Sub(b.C(1), a), b.C(0.5))
	s = b.Sqrt(z)
	err = b.Div(b.FNMA(s, s, z), b.Add(s, s))
	err = b.Sel(b.Eq(s, b.C(0)), b.C(0), err)
	return s, err, z
}

func (b *Builder) Asin(x *Value) *Value {
	a := b.Abs(x)
	far := b.Gt(a, b.C(0.5))
	s, err, z := b.halfAngle(a)
	u := b.Sel(far, s, a)
	rest := b.arcsineRest(u, b.Sel(far, z, b.Mul(a, a)))
	near := b.Add(a, rest)
	// π/2 - 2(s + err + rest)
	w, e := b.fastTwoSum(b.C(math.Pi/2), b.Mul(b.C(-2), s))
	tail := b.FMA(b.C(-2), b.Add(rest, err), b.Add(e, b.C(piLow/2)))
	return b.CopySign(b.Abs(b.Sel(far, b.Add(w, tail), near)), b.SignOf(x))
}

func (b *Builder) Acos(x *Value) *Value {
	a := b.Abs(x)
	negative := b.SignOf(x)
	far := b.Gt(a, b.C(0.5))
	s, err, z := b.halfAngle(a)
	u := b.Sel(far, s, a)
	rest := b.arcsineRest(u, b.Sel(far, z, b.Mul(a, a)))
	// |x| <= 1/2: π/2 - (x + rest)
	signed := b.XorSign(a, negative)
	w, e := b.fastTwoSum(b.C(math.Pi/2), b.Neg(signed))
	near := b.Add(w, b.Add(e, b.Sub(b.C(piLow/2), b.XorSign(rest, negative))))
	// x > 1/2: 2(s + err + rest); x < -1/2: π less that.
	twice := b.Mul(b.C(2), b.Add(s, b.Add(rest, err)))
	w, e = b.fastTwoSum(b.C(math.Pi), b.Mul(b.C(-2), s))
	turned := b.Add(w, b.FMA(b.C(-2), b.Add(rest, err), b.Add(e, b.C(piLow))))
	return b.Sel(far, b.Sel(b.Lt(x, b.C(0)), turned, twice), near)
}
