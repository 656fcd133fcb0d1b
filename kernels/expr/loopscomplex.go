package expr

import (
	"math"
	"math/cmplx"
)

// viaC computes complex64 in complex128 and rounds; complex128 as it is.
func viaC[T complexes](f func(complex128) complex128) func(dst, x []T) {
	return func(dst, x []T) {
		x = x[:len(dst)]
		for i := range dst {
			dst[i] = T(f(complex128(x[i])))
		}
	}
}

// viaC2 is viaC for two arguments.
func viaC2[T complexes](f func(a, b complex128) complex128) func(dst, a, b []T) {
	return func(dst, a, b []T) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i := range dst {
			dst[i] = T(f(complex128(a[i]), complex128(b[i])))
		}
	}
}

// testC is the loop of a test of both parts.
func testC[T complexes](f func(re, im float64) bool) func(dst []uint8, x []T) {
	return func(dst []uint8, x []T) {
		for i := range dst {
			z := complex128(x[i])
			dst[i] = truth(f(real(z), imag(z)))
		}
	}
}

// isNaNC and its like are numpy's: either part decides, both must be finite.
func isNaNC(re, im float64) bool    { return re != re || im != im }
func isInfC(re, im float64) bool    { return math.IsInf(re, 0) || math.IsInf(im, 0) }
func isFiniteC(re, im float64) bool { return re-re == 0 && im-im == 0 }

// log10C has the branch cut of the natural logarithm.
func log10C(z complex128) complex128 {
	return cmplx.Log(z) * (1 / math.Ln10)
}

func reciprocalC(z complex128) complex128 { return divideC(1, z) }

// divideC is Smith's algorithm (CACM 5(8), 1962), as numpy has it: the larger
// part of the divisor is factored out, so that nothing overflows early.
// Division by zero divides both parts, which gives infinities and NaN.
func divideC(a, b complex128) complex128 {
	br, bi := real(b), imag(b)
	if math.Abs(br) >= math.Abs(bi) {
		if br == 0 && bi == 0 {
			return complex(real(a)/math.Abs(br), imag(a)/math.Abs(br))
		}
		ratio := bi / br
		scale := 1 / (br + bi*ratio)
		return complex((real(a)+imag(a)*ratio)*scale, (imag(a)-real(a)*ratio)*scale)
	}
	ratio := br / bi
	scale := 1 / (bi + br*ratio)
	return complex((real(a)*ratio+imag(a))*scale, (imag(a)*ratio-real(a))*scale)
}

// powC multiplies out small integer powers, which is exact where the products
// are, and else takes exp(b·log a).
func powC(a, b complex128) complex128 {
	n := real(b)
	if imag(b) != 0 || n != math.Trunc(n) || math.Abs(n) > 100 {
		return cmplx.Pow(a, b)
	}
	r := complex(1, 0)
	for k := int(math.Abs(n)); k > 0; k >>= 1 {
		if k&1 != 0 {
			r *= a
		}
		a *= a
	}
	if n < 0 {
		return reciprocalC(r)
	}
	return r
}

// tanhC is Kahan's (Branch cuts for complex elementary functions, 1987):
// package cmplx cancels near the poles.
func tanhC(z complex128) complex128 {
	x, y := real(z), imag(z)
	if math.Abs(x) > 22 { // to rounding at 1
		s, c := math.Sincos(y)
		return complex(math.Copysign(1, x), 4*s*c*math.Exp(-2*math.Abs(x)))
	}
	t := math.Tan(y)
	beta, s := 1+t*t, math.Sinh(x)
	rho := math.Sqrt(1 + s*s)
	if math.IsInf(t, 0) {
		return complex(rho/s, 1/t)
	}
	d := 1 + beta*s*s
	return complex(beta*rho*s/d, t/d)
}

// tanC is -i·tanh(i·z).
func tanC(z complex128) complex128 {
	w := tanhC(complex(-imag(z), real(z)))
	return complex(imag(w), -real(w))
}

// atanC has its branch cuts on the imaginary axis, continuous from the right
// for positive zero, as C99. Package cmplx takes the other side.
func atanC(z complex128) complex128 {
	x, y := real(z), imag(z)
	if math.Abs(x) > 1e150 || math.Abs(y) > 1e150 {
		w := 1 / z
		return complex(math.Copysign(math.Pi/2, x)-real(w), -imag(w))
	}
	re := math.Atan2(2*x, (1-x)*(1+x)-y*y) / 2
	d := math.Abs(y) - 1
	im := math.Log1p(4*math.Abs(y)/(x*x+d*d)) / 4
	return complex(re, math.Copysign(im, y))
}

// absC64 takes the square root of the sum of squares in float64, which is
// correctly rounded but for a few cases near ties, and much faster than hypot.
func absC64(dst []float32, z []complex64) {
	for i := range dst {
		re, im := float64(real(z[i])), float64(imag(z[i]))
		s := re*re + im*im // cannot overflow: float32 parts
		if s != s {
			dst[i] = float32(math.Hypot(re, im)) // hypot(inf, nan) is inf
			continue
		}
		dst[i] = float32(math.Sqrt(s))
	}
}

// absC128 scales, as squares of float64 would overflow.
func absC128(dst []float64, z []complex128) {
	for i := range dst {
		dst[i] = cmplx.Abs(z[i])
	}
}

func realC64(dst []float32, z []complex64) {
	for i := range dst {
		dst[i] = real(z[i])
	}
}

func imagC64(dst []float32, z []complex64) {
	for i := range dst {
		dst[i] = imag(z[i])
	}
}

func angleC64(dst []float32, z []complex64) {
	for i := range dst {
		dst[i] = float32(math.Atan2(float64(imag(z[i])), float64(real(z[i]))))
	}
}

func realC128(dst []float64, z []complex128) {
	for i := range dst {
		dst[i] = real(z[i])
	}
}

func imagC128(dst []float64, z []complex128) {
	for i := range dst {
		dst[i] = imag(z[i])
	}
}

func angleC128(dst []float64, z []complex128) {
	for i := range dst {
		dst[i] = cmplx.Phase(z[i])
	}
}

func makeC64(dst []complex64, re, im []float32) {
	for i := range dst {
		dst[i] = complex(re[i], im[i])
	}
}

func makeC128(dst []complex128, re, im []float64) {
	for i := range dst {
		dst[i] = complex(re[i], im[i])
	}
}
