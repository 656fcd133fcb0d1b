package simd

import (
	"math"
	"math/big"
	"sync"
)

// Elementary functions to many more bits than a float64 has, on math/big: the
// oracle of the accuracy tests. bigPrec leaves over 200 bits after the
// cancellations that occur; arguments below 2^-200 are taken care of before.
const bigPrec = 420

func bf(x float64) *big.Float { return newBig().SetFloat64(x) }
func newBig() *big.Float      { return new(big.Float).SetPrec(bigPrec) }

func add2(x, y *big.Float) *big.Float { return newBig().Add(x, y) }
func sub2(x, y *big.Float) *big.Float { return newBig().Sub(x, y) }
func mul2(x, y *big.Float) *big.Float { return newBig().Mul(x, y) }
func quo2(x, y *big.Float) *big.Float { return newBig().Quo(x, y) }

// shifted is x·2^k.
func shifted(x *big.Float, k int) *big.Float { return newBig().SetMantExp(x, k) }

// arctanInverse is atan(1/n), or atanh(1/n), by its series, to prec bits.
func arctanInverse(n int64, prec uint, sign int64) *big.Float {
	with := func() *big.Float { return new(big.Float).SetPrec(prec) }
	term := with().Quo(with().SetInt64(1), with().SetInt64(n))
	sum := with().Set(term)
	square := with().SetInt64(sign * n * n)
	for k := int64(3); term.MantExp(nil) > -int(prec)-8; k += 2 {
		term.Quo(term, square)
		sum.Add(sum, with().Quo(term, with().SetInt64(k)))
	}
	return sum
}

// bigPi is π by Machin's formula, to more bits than the largest float64 has before
// the point.
var bigPi = sync.OnceValue(func() *big.Float {
	const prec = 1024 + bigPrec
	a, b := arctanInverse(5, prec, -1), arctanInverse(239, prec, -1)
	a.Mul(a, big.NewFloat(16))
	return a.Sub(a, b.Mul(b, big.NewFloat(4)))
})

var bigLn2 = sync.OnceValue(func() *big.Float {
	l := arctanInverse(3, bigPrec+64, 1)
	return l.Mul(l, big.NewFloat(2))
})

func bigExp(x *big.Float) *big.Float {
	const halvings, huge = 24, 1e5
	if x.Cmp(bf(huge)) > 0 {
		x = bf(huge)
	} else if x.Cmp(bf(-huge)) < 0 {
		x = bf(-huge)
	}
	n, _ := quo2(x, bigLn2()).Float64()
	k := math.Round(n)
	r := shifted(sub2(x, mul2(bf(k), bigLn2())), -halvings)
	sum, term := bf(1), bf(1)
	for i := 1; i < 20; i++ {
		term = quo2(mul2(term, r), bf(float64(i)))
		sum = add2(sum, term)
	}
	for range halvings {
		sum = mul2(sum, sum)
	}
	return shifted(sum, int(k))
}

// bigLog improves a float64 by Halley's iteration, which triples the digits.
func bigLog(x *big.Float) *big.Float {
	m := newBig()
	e := x.MantExp(m)
	f, _ := m.Float64()
	if f < math.Sqrt2/2 { // keeps log(1) exact
		m, f, e = shifted(m, 1), 2*f, e-1
	}
	y := bf(math.Log(f))
	for range 2 {
		v := bigExp(y)
		y = add2(y, shifted(quo2(sub2(m, v), add2(m, v)), 1))
	}
	return add2(y, mul2(bf(float64(e)), bigLn2()))
}

// bigSinCos reduces by π/2, to which the arguments' exponents add bits.
func bigSinCos(x *big.Float) (sin, cos *big.Float) {
	wide := new(big.Float).SetPrec(1024 + bigPrec)
	n := wide.Quo(x, bigPi())
	n.Mul(n, big.NewFloat(2))
	n.Add(n, big.NewFloat(math.Copysign(0.5, float64(x.Sign()))))
	k, _ := n.Int(nil)
	part := new(big.Float).SetPrec(1024 + bigPrec).SetInt(k)
	part.Mul(part, bigPi())
	part.Quo(part, big.NewFloat(2))
	r := newBig().Set(part.Sub(new(big.Float).SetPrec(1024+bigPrec).Set(x), part))
	sin, cos = bigSinCosTaylor(r)
	for range new(big.Int).Mod(k, big.NewInt(4)).Int64() {
		sin, cos = cos, newBig().Neg(sin)
	}
	return sin, cos
}

func bigSinCosTaylor(r *big.Float) (sin, cos *big.Float) {
	sin, cos = bf(0), bf(0)
	term := bf(1)
	for i := 0; i < 110; i += 2 {
		cos = add2(cos, term)
		term = quo2(mul2(term, r), bf(float64(i+1)))
		sin = add2(sin, term)
		term = quo2(mul2(term, newBig().Neg(r)), bf(float64(i+2)))
	}
	return sin, cos
}

// bigAtan corrects a float64: with d the tangent of what is missing, atan(d) by its series.
func bigAtan(x *big.Float) *big.Float {
	f, _ := x.Float64()
	y := bf(math.Atan(f))
	s, c := bigSinCos(y)
	d := quo2(sub2(mul2(x, c), s), add2(c, mul2(x, s)))
	d2 := mul2(d, d)
	series := sub2(bf(1), mul2(d2, sub2(quo2(bf(1), bf(3)), quo2(d2, bf(5)))))
	return add2(y, mul2(d, series))
}

// bigErfc sums erf's series in exp(-x²)·x^(2n+1), all terms positive, with as many bits more as
// 1 - erf loses.
func bigErfc(x *big.Float) *big.Float {
	f, _ := x.Float64()
	if f > 40 {
		return shifted(bf(1), -5000)
	}
	prec := uint(bigPrec + 3*f*f)
	with := func() *big.Float { return new(big.Float).SetPrec(prec) }
	square := with().Mul(x, x)
	square.Mul(square, big.NewFloat(2))
	term, sum := with().Set(x), with().Set(x)
	for n := 1; term.Sign() != 0 && term.MantExp(nil) > sum.MantExp(nil)-int(prec); n++ {
		term.Mul(term, square)
		term.Quo(term, with().SetInt64(int64(2*n+1)))
		sum.Add(sum, term)
	}
	sum.Mul(sum, bigExpPrec(with().Mul(x, x), prec))
	sum.Mul(sum, big.NewFloat(2))
	sum.Quo(sum, with().Sqrt(bigPi()))
	return with().Sub(with().SetInt64(1), sum)
}

// bigExpPrec is exp(-x) for x >= 0, to prec bits, as 1 over a sum of positive terms.
func bigExpPrec(x *big.Float, prec uint) *big.Float {
	with := func() *big.Float { return new(big.Float).SetPrec(prec) }
	term, sum := with().SetInt64(1), with().SetInt64(1)
	for n := int64(1); term.Sign() != 0 && term.MantExp(nil) > sum.MantExp(nil)-int(prec); n++ {
		term.Mul(term, x)
		term.Quo(term, with().SetInt64(n))
		sum.Add(sum, term)
	}
	return with().Quo(with().SetInt64(1), sum)
}

// tiny tells whether a function with f(x) = x + O(x²) is x, rounded.
func tiny(x *big.Float) bool { return x.Sign() == 0 || x.MantExp(nil) < -200 }

func bigExpm1(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	return sub2(bigExp(x), bf(1))
}

func bigLog1p(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	return bigLog(add2(x, bf(1)))
}

func bigSin(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	s, _ := bigSinCos(x)
	return s
}

func bigCos(x *big.Float) *big.Float {
	_, c := bigSinCos(x)
	return c
}

func bigTan(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	s, c := bigSinCos(x)
	return quo2(s, c)
}

func bigSinh(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	e := bigExp(x)
	return shifted(sub2(e, quo2(bf(1), e)), -1)
}

func bigCosh(x *big.Float) *big.Float {
	e := bigExp(x)
	return shifted(add2(e, quo2(bf(1), e)), -1)
}

func bigTanh(x *big.Float) *big.Float {
	t := bigExpm1(shifted(x, 1))
	return quo2(t, add2(t, bf(2)))
}

func bigAtanTiny(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	return bigAtan(x)
}

func bigAsin(x *big.Float) *big.Float {
	if f, _ := x.Float64(); math.Abs(f) == 1 {
		return shifted(mul2(x, newBig().Set(bigPi())), -1)
	}
	return bigAtanTiny(quo2(x, newBig().Sqrt(sub2(bf(1), mul2(x, x)))))
}

func bigAcos(x *big.Float) *big.Float {
	if f, _ := x.Float64(); f == -1 {
		return newBig().Set(bigPi())
	}
	return shifted(bigAtanTiny(newBig().Sqrt(quo2(sub2(bf(1), x), add2(bf(1), x)))), 1)
}

func bigErf(x *big.Float) *big.Float {
	if tiny(x) {
		return quo2(shifted(x, 1), newBig().Sqrt(newBig().Set(bigPi())))
	}
	return newBig().Sub(bf(1), bigErfcFor(x))
}

// bigErfcFor reads -x as 2 - erfc(x).
func bigErfcFor(x *big.Float) *big.Float {
	if x.Sign() >= 0 {
		return bigErfc(x)
	}
	return sub2(bf(2), bigErfc(newBig().Neg(x)))
}

func bigSigmoid(x *big.Float) *big.Float {
	return quo2(bf(1), add2(bf(1), bigExp(newBig().Neg(x))))
}

func bigSilu(x *big.Float) *big.Float { return mul2(x, bigSigmoid(x)) }

func bigGelu(x *big.Float) *big.Float {
	t := quo2(newBig().Neg(x), newBig().Sqrt(bf(2)))
	return shifted(mul2(x, bigErfcFor(t)), -1)
}

func bigGeluTanh(x *big.Float) *big.Float {
	c := shifted(newBig().Sqrt(quo2(bf(2), newBig().Set(bigPi()))), 1)
	k := quo2(bf(44715), bf(1e6))
	v := mul2(c, add2(x, mul2(k, mul2(x, mul2(x, x)))))
	return mul2(x, bigSigmoid(v))
}

func bigPow(x, y *big.Float) *big.Float { return bigExp(mul2(y, bigLog(x))) }

func bigAtan2(y, x *big.Float) *big.Float {
	a := bigAtanTiny(quo2(y, x))
	if x.Sign() > 0 {
		return a
	}
	if y.Sign() < 0 {
		return sub2(a, newBig().Set(bigPi()))
	}
	return add2(a, newBig().Set(bigPi()))
}

func bigHypot(x, y *big.Float) *big.Float { return newBig().Sqrt(add2(mul2(x, x), mul2(y, y))) }

func bigAsinh(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	if x.Sign() < 0 { // no cancellation
		return newBig().Neg(bigAsinh(newBig().Neg(x)))
	}
	return bigLog(add2(x, newBig().Sqrt(add2(bf(1), mul2(x, x)))))
}

func bigAcosh(x *big.Float) *big.Float {
	return bigLog(add2(x, newBig().Sqrt(sub2(mul2(x, x), bf(1)))))
}

func bigAtanh(x *big.Float) *big.Float {
	if tiny(x) {
		return x
	}
	return shifted(bigLog(quo2(add2(bf(1), x), sub2(bf(1), x))), -1)
}

// bigCbrt improves a float64 by Newton's iteration, which doubles the digits.
func bigCbrt(x *big.Float) *big.Float {
	f, _ := x.Float64()
	y := bf(math.Cbrt(f))
	for range 3 {
		y = quo2(add2(shifted(y, 1), quo2(x, mul2(y, y))), bf(3))
	}
	return y
}
