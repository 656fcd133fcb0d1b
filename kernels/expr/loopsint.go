package expr

func not[T integer](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = ^x[i]
	}
}

// shl shifts out all bits for counts of the width and more, and for negative
// ones, as numpy does: a negative count is a huge one when taken as unsigned.
func shl[T integer](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] << uint64(b[i])
	}
}

// shr is shl to the right: what stays of a negative number is -1.
func shr[T integer](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] >> uint64(b[i])
	}
}

// minusOne is all bits set: -1, or the largest unsigned value.
func minusOne[T integer]() T { return ^T(0) }

// floorDivInt rounds down; a division by zero gives 0. The least integer by
// -1 wraps to itself.
func floorDivInt[T integer](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		x, y := a[i], b[i]
		if y == 0 {
			dst[i] = 0
			continue
		}
		q := x / y
		if q*y != x && (x < 0) != (y < 0) {
			q--
		}
		dst[i] = q
	}
}

// modInt has the divisor's sign; modulo zero is 0.
func modInt[T integer](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		x, y := a[i], b[i]
		if y == 0 {
			dst[i] = 0
			continue
		}
		m := x % y
		if m != 0 && (m < 0) != (y < 0) {
			m += y
		}
		dst[i] = m
	}
}

// fmodInt has the dividend's sign, as C.
func fmodInt[T integer](dst, a, b []T) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		if b[i] == 0 {
			dst[i] = 0
			continue
		}
		dst[i] = a[i] % b[i]
	}
}

// powInt wraps. A negative power is what the true value is truncated to: 0 but
// for bases of 1 and -1. (numpy raises an error, which a kernel cannot do for
// one element.)
func powInt[T integer](dst, a, b []T) {
	for i := range dst {
		dst[i] = powOne(a[i], b[i])
	}
}

// powOne squares and multiplies, in at most twice as many products as T has
// bits.
func powOne[T integer](base, exp T) T {
	if exp < 0 {
		switch {
		case base == 1, base == minusOne[T]() && exp&1 == 0:
			return 1
		case base == minusOne[T]():
			return base
		}
		return 0
	}
	r := T(1)
	for ; exp > 0; exp >>= 1 {
		if exp&1 != 0 {
			r *= base
		}
		base *= base
	}
	return r
}

// absInt leaves the least integer as it is.
func absInt[T signed](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = max(x[i], -x[i])
	}
}

// signInt is -1, 0 or 1.
func signInt[T signed](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = T(truth(x[i] > 0)) - T(truth(x[i] < 0))
	}
}

func signUint[T unsigned](dst, x []T) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] = T(truth(x[i] != 0))
	}
}
