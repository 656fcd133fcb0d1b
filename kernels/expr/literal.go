package expr

import (
	"fmt"
	"math"
	"math/big"

	"vgpu/kernels/ndarray"
)

// weakKind orders the types that a literal may have. Like Python's scalars in
// NumPy 2 they are weak: beside an array a literal takes the array's type,
// unless its kind is higher (a float beside integers).
type weakKind uint8

const (
	weakInt weakKind = iota
	weakFloat
	weakComplex
)

// literal is a weak value; the field of its kind holds it.
type literal struct {
	kind weakKind
	n    *big.Int
	f    float64
	c    complex128
}

// maxBits bounds integers among literals; no dtype holds more than 64. Room
// beyond that lets what is in between overflow 64 bits, as (2**70)//(2**60)
// does.
const maxBits = 128

// checkInt is the literal of an integer, refused beyond maxBits.
func checkInt(n *big.Int, pos, end int) (*literal, error) {
	if n.BitLen() > maxBits {
		return nil, &syntaxError{pos: pos, end: end, msg: fmt.Sprintf("the integer has %d bits, at most %d are kept", n.BitLen(), maxBits), hint: "write it as a float"}
	}
	return &literal{kind: weakInt, n: n}, nil
}

// dtype is the type a literal has where nothing else gives one.
func (l *literal) dtype() ndarray.DType {
	return [...]ndarray.DType{weakInt: ndarray.I64, weakFloat: ndarray.F64, weakComplex: ndarray.C128}[l.kind]
}

// complex is the value as a complex number, integers rounded.
func (l *literal) complex() complex128 {
	switch l.kind {
	case weakInt:
		f, _ := new(big.Float).SetInt(l.n).Float64()
		return complex(f, 0)
	case weakFloat:
		return complex(l.f, 0)
	}
	return l.c
}

// intRange is the range of an integer type.
func intRange(d ndarray.DType) (lo, hi *big.Int) {
	bits := uint(d.Size() * 8)
	one := big.NewInt(1)
	if d.IsUnsigned() {
		return new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(one, bits), one)
	}
	hi = new(big.Int).Sub(new(big.Int).Lsh(one, bits-1), one)
	return new(big.Int).Neg(new(big.Int).Lsh(one, bits-1)), hi
}

// foldInt computes an operator on integers exactly, as Python does. It
// reports false for what is no integer operation: that is then done in floats.
func foldInt(op string, a, b *big.Int, s *syntax) (*literal, bool, error) {
	fault := func(msg string) (*literal, bool, error) {
		return nil, true, &syntaxError{pos: s.pos, end: s.end, msg: msg}
	}
	r := new(big.Int)
	switch op {
	case "+":
		r.Add(a, b)
	case "-":
		r.Sub(a, b)
	case "*":
		r.Mul(a, b)
	case "&":
		r.And(a, b)
	case "|":
		r.Or(a, b)
	case "^":
		r.Xor(a, b)
	case "//", "%":
		if b.Sign() == 0 {
			return fault("division of a literal by zero")
		}
		floorDivMod(op, r, a, b)
	case "<<", ">>", "**":
		if b.Sign() < 0 {
			if op == "**" { // Python's integers give a float here
				fa, _ := new(big.Float).SetInt(a).Float64()
				fb, _ := new(big.Float).SetInt(b).Float64()
				return &literal{kind: weakFloat, f: math.Pow(fa, fb)}, true, nil
			}
			return fault("negative shift count")
		}
		if !b.IsInt64() || b.Int64() > 2*maxBits {
			return fault("the integer result is too large")
		}
		shiftOrPower(op, r, a, uint(b.Int64()))
	default:
		return nil, false, nil
	}
	l, err := checkInt(r, s.pos, s.end)
	return l, true, err
}

// floorDivMod rounds the quotient down; the remainder has the divisor's sign.
func floorDivMod(op string, r, a, b *big.Int) {
	q, m := new(big.Int).QuoRem(a, b, new(big.Int))
	if m.Sign() != 0 && m.Sign() != b.Sign() {
		q.Sub(q, big.NewInt(1))
		m.Add(m, b)
	}
	if op == "//" {
		r.Set(q)
	} else {
		r.Set(m)
	}
}

// shiftOrPower sets r; n is at most 2·maxBits, so r has 2¹⁵ bits at the most.
func shiftOrPower(op string, r, a *big.Int, n uint) {
	switch op {
	case "<<":
		r.Lsh(a, n)
	case ">>":
		r.Rsh(a, n)
	default:
		r.Exp(a, new(big.Int).SetUint64(uint64(n)), nil)
	}
}
