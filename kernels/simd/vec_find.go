package simd

// Number is a type of elements that [Index] and [CountZero] look through.
type Number interface {
	int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64
}

// CountZero is the number of elements of x that equal zero; NaN does not.
//
// Cost: x is read once, at the speed of the caches.
func CountZero[T Number](x []T) (n int) {
	k := kindOf[T]()
	done := eachVector(x, vectorBytes(), func(p *byte, vectors int) bool {
		if Active() == AVX512 {
			n += countZeros512[k](p, vectors)
		} else {
			n += countZeros256[k](p, vectors)
		}
		return true
	})
	return n + countZeroGo(x[done:])
}

// Index is the place of the first element of x that equals v, or is NaN if v
// is; -1 if there is none. Zeros of both signs are equal.
//
// Cost: x is read once as far as the place, at the speed of the caches.
func Index[T Number](x []T, v T) int {
	k, at := kindOf[T](), 0
	const width = 32 // on AVX-512 too
	lanes := width / sizeOf[T]()
	done := eachVector(x, width, func(p *byte, vectors int) bool {
		n := 0
		if v != v {
			n = find.nan[k](p, vectors)
		} else {
			n = find.equal[k](p, vectors, rawBits(v))
		}
		at += n
		return n == vectors*lanes
	})
	if at < done {
		return at
	}
	if i := indexGo(x[done:], v); i >= 0 {
		return done + i
	}
	return -1
}

// kind is how elements are compared: as integers by their size, or as floats.
type kind int

const (
	kind8 kind = iota
	kind16
	kind32
	kind64
	kindF32
	kindF64
	kinds
)

func kindOf[T Number]() kind {
	var zero T
	switch any(zero).(type) {
	case float32:
		return kindF32
	case float64:
		return kindF64
	}
	return [...]kind{1: kind8, 2: kind16, 4: kind32, 8: kind64}[sizeOf[T]()]
}

type (
	countFunc [kinds]func(x *byte, vectors int) int
	findFuncs struct {
		equal [kinds]func(x *byte, vectors int, v uint64) int
		nan   [kinds]func(x *byte, vectors int) int // of floats
	}
)

// countZeroGo and indexGo are the twins, and do what is less than a vector.

func countZeroGo[T Number](x []T) (n int) {
	for _, v := range x {
		if v == 0 {
			n++
		}
	}
	return n
}

func indexGo[T Number](x []T, v T) int {
	for i, w := range x {
		if w == v || v != v && w != w {
			return i
		}
	}
	return -1
}
