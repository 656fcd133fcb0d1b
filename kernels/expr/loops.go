package expr

import "math"

// The type sets of the loops. All loops take slices of one length, and dst may
// be an argument. They are what the vector loops of package simd are compared
// with, and what runs where there are none.
type (
	signed   interface{ int8 | int16 | int32 | int64 }
	unsigned interface {
		uint8 | uint16 | uint32 | uint64
	}
	integer   interface{ signed | unsigned }
	float     interface{ float32 | float64 }
	reals     interface{ integer | float }
	complexes interface{ complex64 | complex128 }
	number    interface{ reals | complexes }
)

func add[T number](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func sub[T number](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func mul[T number](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func neg[T number](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = -x[i]
	}
}

func square[T number](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = x[i] * x[i]
	}
}

// copyTo keeps the patterns of NaNs.
func copyTo[T number](dst, x []T) { copy(dst, x[:len(dst)]) }

// relu keeps NaN, and the sign of zero.
func relu[T reals](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		v := x[i]
		if v < 0 {
			v = 0
		}
		dst[i] = v
	}
}

// angleOf is 0 or π, as that of a complex number on the real axis.
func angleOf[T float](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = T(math.Atan2(0, float64(x[i])))
	}
}

// divMod is Python's (float_divmod in floatobject.c): the remainder has the
// divisor's sign, the quotient is rounded down. A division by zero gives a/b
// and NaN. The quotient comes from the exact remainder, as floor(a/b) would be
// off by one where a/b rounds up to an integer.
func divMod[T float](a, b T) (quo, mod T) {
	m := T(math.Mod(float64(a), float64(b)))
	if b == 0 {
		return a / b, m
	}
	quo = (a - m) / b
	switch {
	case m == 0:
		m = T(math.Copysign(0, float64(b)))
	case (b < 0) != (m < 0):
		m += b
		quo--
	}
	if quo == 0 {
		return T(math.Copysign(0, float64(a/b))), m
	}
	floor := T(math.Floor(float64(quo)))
	if quo-floor > 0.5 {
		floor++
	}
	return floor, m
}

func floorDivFloat[T float](dst, a, b []T) {
	for i := range dst {
		dst[i], _ = divMod(a[i], b[i])
	}
}

func modFloat[T float](dst, a, b []T) {
	for i := range dst {
		_, dst[i] = divMod(a[i], b[i])
	}
}

// via computes float32 in float64 and rounds: twice, which is within half a
// unit and a little of the true value.
func via(f func(float64) float64) func(dst, x []float32) {
	return func(dst, x []float32) {
		x = x[:len(dst)]
		for i := range dst {
			dst[i] = float32(f(float64(x[i])))
		}
	}
}

// via2 is via for two arguments.
func via2(f func(a, b float64) float64) func(dst, a, b []float32) {
	return func(dst, a, b []float32) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i := range dst {
			dst[i] = float32(f(float64(a[i]), float64(b[i])))
		}
	}
}

// each is the loop of a function of package math.
func each(f func(float64) float64) func(dst, x []float64) {
	return func(dst, x []float64) {
		x = x[:len(dst)]
		for i := range dst {
			dst[i] = f(x[i])
		}
	}
}

// each2 is each for two arguments.
func each2(f func(a, b float64) float64) func(dst, a, b []float64) {
	return func(dst, a, b []float64) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i := range dst {
			dst[i] = f(a[i], b[i])
		}
	}
}

// Functions that package math lacks.

// lgamma is the logarithm of |gamma(x)|; the sign that package math gives too
// is dropped.
func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// truth converts without a branch in the loop: the compiler makes a SETcc of
// it.
func truth(b bool) uint8 {
	var v uint8
	if b {
		v = 1
	}
	return v
}

// less and the other comparisons give bools, 0 for whatever has a NaN but !=.
func less[T reals](dst []uint8, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = truth(a[i] < b[i])
	}
}

func lessEqual[T reals](dst []uint8, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = truth(a[i] <= b[i])
	}
}

func greater[T reals](dst []uint8, a, b []T)      { less(dst, b, a) }
func greaterEqual[T reals](dst []uint8, a, b []T) { lessEqual(dst, b, a) }

func equal[T number](dst []uint8, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = truth(a[i] == b[i])
	}
}

func notEqual[T number](dst []uint8, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = truth(a[i] != b[i])
	}
}

// chooseGo is where: a where c is not zero, else b.
func chooseGo[T number](dst []T, c []uint8, a, b []T) {
	c, a, b = c[:len(dst)], a[:len(dst)], b[:len(dst)]
	for i := range dst {
		v := b[i]
		if c[i] != 0 {
			v = a[i]
		}
		dst[i] = v
	}
}
