package reduce

import (
	"math"
	"strconv"
	"strings"

	"vgpu/kernels/ndarray"
)

// Format writes the first element of an array as numpy prints a scalar: the
// shortest text that reads back as the same value of its type.
func Format(a ndarray.Array) string {
	switch d := a.DType; {
	case d == ndarray.Bool:
		if load[uint8](a) != 0 {
			return "True"
		}
		return "False"
	case d.IsUnsigned():
		return strconv.FormatUint(load[uint64](a), 10)
	case d.IsSigned():
		return strconv.FormatInt(load[int64](a), 10)
	case d.IsComplex():
		return formatComplex(load[complex128](a), d.Real())
	default:
		return formatFloat(load[float64](a), d)
	}
}

func load[T ndarray.Element](a ndarray.Array) T {
	var v [1]T
	ndarray.Load(v[:], a, 0)
	return v[0]
}

// formatFloat is Python's repr: positional from 1e-4 up to 1e16.
func formatFloat(v float64, d ndarray.DType) string {
	s := shortest(v, d)
	if strings.ContainsAny(s, ".en") { // a point, an exponent, inf or nan
		return s
	}
	return s + ".0"
}

// formatComplex is (re+imj), and imj alone if re is zero.
func formatComplex(z complex128, d ndarray.DType) string {
	im := shortest(imag(z), d) + "j"
	if real(z) == 0 && !math.Signbit(real(z)) {
		return im
	}
	if !strings.HasPrefix(im, "-") {
		im = "+" + im
	}
	return "(" + shortest(real(z), d) + im + ")"
}

func shortest(v float64, d ndarray.DType) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	form := byte('e')
	if a := math.Abs(v); a == 0 || a >= 1e-4 && a < 1e16 {
		form = 'f'
	}
	switch d {
	case ndarray.F64:
		return strconv.FormatFloat(v, form, -1, 64)
	case ndarray.F32:
		return strconv.FormatFloat(v, form, -1, 32)
	}
	return shortestHalf(v, d, form)
}

// shortestHalf tries more and more digits until they read back as v.
func shortestHalf(v float64, d ndarray.DType, form byte) string {
	back := func(f float64) float64 { return float64(ndarray.F16ToF32(ndarray.F16FromF64(f))) }
	if d == ndarray.BF16 {
		back = func(f float64) float64 { return float64(ndarray.BF16ToF32(ndarray.BF16FromF64(f))) }
	}
	for digits := 0; ; digits++ {
		e := strconv.FormatFloat(v, 'e', digits, 64)
		f, err := strconv.ParseFloat(e, 64)
		if err == nil && back(f) == v {
			if form == 'e' {
				return e
			}
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
	}
}
