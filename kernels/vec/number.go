package vec

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// number is a value as written: an integer of any size kept exactly, or a
// floating-point number.
type number struct {
	text  string
	whole *big.Int // of what is written as an integer, or is one (1e6); else nil
	value complex128
}

// parseNumber reads an integer, a float (inf and nan included), a complex
// number such as 2.5-3j, or true and false. Integers keep all their digits,
// since u64 and i64 hold values that no float64 does.
func parseNumber(s string) (number, error) {
	n := number{text: s}
	switch s {
	case "true":
		n.whole, n.value = big.NewInt(1), 1
		return n, nil
	case "false":
		n.whole = new(big.Int)
		return n, nil
	}
	if i, ok := kernels.ParseInteger(s); ok {
		f, _ := new(big.Float).SetInt(i).Float64()
		n.whole, n.value = i, complex(f, 0)
		return n, nil
	}
	v, err := strconv.ParseComplex(strings.ReplaceAll(s, "j", "i"), 128)
	if errors.Is(err, strconv.ErrRange) {
		return n, fmt.Errorf("%q is out of the range of f64", s)
	}
	if err != nil {
		return n, fmt.Errorf("%q is not a number", s)
	}
	n.value = v
	if f := real(v); imag(v) == 0 && f == math.Trunc(f) && !math.IsInf(f, 0) {
		n.whole, _ = big.NewFloat(f).Int(nil)
	}
	return n, nil
}

// option reads the number of a KindString option.
func option(c *kernels.Call, name string) (number, error) {
	n, err := parseNumber(c.Str(name))
	if err != nil {
		e := c.Opt(name).Errorf("%v", err)
		e.Hint = "write a number, such as 2, -1.5e3, 0x10, inf, nan, 1.5-2j or true"
		return n, e
	}
	return n, nil
}

// isReal tells whether the number has no imaginary part.
func (n number) isReal() bool { return imag(n.value) == 0 }

// integerRange gives the least and the greatest value of an integer type or
// bool. The results are the caller's.
func integerRange(d ndarray.DType) (lo, hi *big.Int) {
	lo, hi = new(big.Int), big.NewInt(1)
	switch bits := uint(8 * d.Size()); {
	case d.IsSigned():
		hi.Lsh(hi, bits-1)
		lo.Neg(hi)
		hi.Sub(hi, big.NewInt(1))
	case d.IsUnsigned():
		hi.Lsh(hi, bits)
		hi.Sub(hi, big.NewInt(1))
	}
	return lo, hi
}

// fits checks that the number is a value of the integer type d.
func (n number) fits(d ndarray.DType) error {
	if n.whole == nil {
		return fmt.Errorf("%s is not an integer, and the result is %s", n.text, d)
	}
	if lo, hi := integerRange(d); n.whole.Cmp(lo) < 0 || n.whole.Cmp(hi) > 0 {
		return fmt.Errorf("%s does not fit %s, which holds %s to %s", n.text, d, lo, hi)
	}
	return nil
}

// wrapped is the low 64 bits of an integer in two's complement.
func wrapped(i *big.Int) uint64 {
	if i.Sign() >= 0 {
		return new(big.Int).And(i, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	}
	return -wrapped(new(big.Int).Neg(i))
}

// scalar is the number as an array of rank 0 and type d: real numbers are
// rounded once to any type, as they are written; the parts of complex numbers
// are first rounded to float64. It is an error if an integer type does not hold
// the number, or if a real type is to hold a complex one.
func (n number) scalar(d ndarray.DType) (ndarray.Array, error) {
	out := ndarray.New(d)
	from := ndarray.New(ndarray.C128)
	ndarray.Slice[complex128](from)[0] = n.value
	switch {
	case d.IsInteger():
		if err := n.fits(d); err != nil {
			return out, err
		}
		from = ndarray.New(ndarray.U64)
		ndarray.Slice[uint64](from)[0] = wrapped(n.whole)
	case d != ndarray.Bool && !d.IsComplex():
		if !n.isReal() {
			return out, fmt.Errorf("%s is complex, and the result is %s", n.text, d)
		}
		from = n.realScalar(d)
	}
	return out, ndarray.Convert(out, from)
}

// realScalar is the value as a float64 that d rounds as it would the number
// itself. For the narrower types that is the number rounded to odd: such a
// value never lies in the middle of two of theirs unless the number does
// (Boldo, Melquiond: Emulation of FMA and correctly rounded sums, IEEE Trans.
// Comput. 57(4), 2008).
func (n number) realScalar(d ndarray.DType) ndarray.Array {
	a := ndarray.New(ndarray.F64)
	v := real(n.value)
	if d != ndarray.F64 {
		v = n.toOdd(v)
	}
	ndarray.Slice[float64](a)[0] = v
	return a
}

// toOdd is the number rounded to odd, from what is nearest to it.
func (n number) toOdd(nearest float64) float64 {
	is := new(big.Rat).SetFloat64(nearest)
	want, ok := new(big.Rat).SetString(n.text)
	if is == nil || !ok || math.Float64bits(nearest)&1 == 1 { // not finite, or not written in digits, or odd
		return nearest
	}
	if side := want.Cmp(is); side != 0 {
		return math.Nextafter(nearest, math.Inf(side))
	}
	return nearest
}
