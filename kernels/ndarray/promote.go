package ndarray

// Promote is the smallest type that holds both a and b by numpy's rules for
// arrays (numpy.result_type, NEP 50 without Python scalars). BF16 behaves as
// F16 does against integers and wider types; BF16 with F16 gives F32.
// Promote(Invalid, x) is Invalid.
func Promote(a, b DType) DType {
	switch {
	case a == Invalid || b == Invalid:
		return Invalid
	case a == b:
		return a
	case a > b:
		return Promote(b, a) // the constants ascend from bool to complex
	case a == Bool:
		return b
	case b.IsComplex():
		return promoteComplex(a, b)
	case b.IsFloat():
		return promoteFloat(a, b)
	}
	return promoteInt(a, b)
}

// promoteComplex joins anything with a complex type: the parts are promoted,
// and there are no complex halves.
func promoteComplex(a, b DType) DType {
	if Promote(a.Real(), b.Real()) == F64 {
		return C128
	}
	return C64
}

// promoteFloat joins an integer or smaller float a with a float b: the result
// has at least the mantissa that numpy asks for a's width: 8 bits fit f16, 16
// fit f32, and 32 and 64 go to f64 (which does not hold all of 64; numpy's
// choice).
func promoteFloat(a, b DType) DType {
	least := b
	switch a {
	case I16, U16:
		least = F32
	case I32, U32, I64, U64:
		least = F64
	case F16, BF16:
		if b == BF16 { // F16 with BF16: neither holds the other
			least = F32
		}
	}
	return max(least, b)
}

// promoteInt joins two integers, a before b in the order of the constants. u64
// with a signed type is f64, as in numpy, since no integer holds both.
func promoteInt(a, b DType) DType {
	switch {
	case a.IsSigned() == b.IsSigned(), b.IsSigned():
		return b
	case a.Size() > b.Size():
		return a
	}
	// A signed type that is too narrow for an unsigned one: the next signed one.
	switch b {
	case U8:
		return I16
	case U16:
		return I32
	case U32:
		return I64
	}
	return F64
}
