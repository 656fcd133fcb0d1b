package order

import (
	"sync/atomic"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// coder turns bit patterns of one real type into keys and back. Keys ascend in
// the order wanted:
//
//   - unsigned integers and bool are their own keys
//   - signed integers have the sign bit inverted
//   - floats have the sign bit inverted if it is clear, all bits if it is set
//     (Herf, "Radix tricks", 2001)
//   - for a descending order all bits are inverted once more
//   - a NaN of any kind is the greatest key in either order
type coder[K word] struct {
	sign  K // the sign bit; 0 if the type has none
	inf   K // the pattern of infinity; 0 if the type is not a float
	flip  K // all ones for a descending order
	equal bool
}

// newCoder makes the coder of type d, whose size is K's. With equal, -0 gets
// the key of +0, as comparisons have it; without, keys can be decoded.
func newCoder[K word](d ndarray.DType, descending, equal bool) coder[K] {
	c := coder[K]{equal: equal}
	if d.IsSigned() || d.IsFloat() {
		c.sign = 1 << (width[K]() - 1)
	}
	c.inf = K(infinity[d])
	if descending {
		c.flip = ^K(0)
	}
	return c
}

// infinity is the pattern of +inf of the float types.
var infinity = map[ndarray.DType]uint64{
	ndarray.F16: 0x7c00, ndarray.BF16: 0x7f80, ndarray.F32: 0x7f800000, ndarray.F64: 0x7ff0000000000000,
}

// traits are what encode noticed of a float row.
type traits uint32

// traits are bits, as several workers or them together.
const (
	hasNaN traits = 1 << iota
	hasNegZero
	hasPosZero
)

// nan is the key of every NaN.
func (c coder[K]) nan() K { return ^K(0) }

// isNaN tests a pattern; only floats have NaN.
func (c coder[K]) isNaN(v K) bool { return c.inf != 0 && v&^c.sign > c.inf }

// key of one pattern.
func (c coder[K]) key(v K) K {
	switch {
	case c.inf == 0:
		return v ^ c.sign ^ c.flip
	case v&^c.sign > c.inf:
		return c.nan()
	case v == c.sign && c.equal:
		return c.sign ^ c.flip
	case v&c.sign != 0:
		return ^v ^ c.flip
	}
	return v ^ c.sign ^ c.flip
}

// value is the pattern of a key made without equal; not of a NaN's.
func (c coder[K]) value(k K) K {
	k ^= c.flip
	if c.inf != 0 && k&c.sign == 0 {
		return ^k
	}
	return k ^ c.sign
}

// encode writes the keys of src to dst and tells what it saw.
func (c coder[K]) encode(dst, src []K) traits {
	dst = dst[:len(src)]
	if c.inf == 0 {
		m := c.sign ^ c.flip
		for i, v := range src {
			dst[i] = v ^ m
		}
		return 0
	}
	var t traits
	for i, v := range src {
		switch {
		case v&^c.sign > c.inf:
			t |= hasNaN
		case v == 0:
			t |= hasPosZero
		case v == c.sign:
			t |= hasNegZero
		}
		dst[i] = c.key(v)
	}
	return t
}

// decode is the reverse of encode for keys that can be decoded. dst may be keys.
func (c coder[K]) decode(dst, keys []K) {
	dst = dst[:len(keys)]
	for i, k := range keys {
		dst[i] = c.value(k)
	}
}

// encodeRow is encode, by all workers if the row is long.
func (c coder[K]) encodeRow(w *pool.Worker, dst, src []K) (traits, error) {
	var seen atomic.Uint32
	err := blocks(w, len(src), func(lo, hi int) {
		seen.Or(uint32(c.encode(dst[lo:hi], src[lo:hi])))
	})
	return traits(seen.Load()), err
}

// keys64 writes the keys of a direct one-dimensional array of a real type,
// widened to 64 bits; equal values have equal keys.
func keys64(dst []uint64, a ndarray.Array, descending bool) {
	switch a.DType.Size() {
	case 1:
		widen(dst, ndarray.Slice[uint8](a), newCoder[uint8](a.DType, descending, true))
	case 2:
		widen(dst, ndarray.Slice[uint16](a), newCoder[uint16](a.DType, descending, true))
	case 4:
		widen(dst, ndarray.Slice[uint32](a), newCoder[uint32](a.DType, descending, true))
	case 8:
		widen(dst, ndarray.Slice[uint64](a), newCoder[uint64](a.DType, descending, true))
	}
}

// widen is keys64 for patterns of one width.
func widen[K word](dst []uint64, src []K, c coder[K]) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = uint64(c.key(v))
	}
}

// The upper keys of complex values with a NaN part: above all others, in
// numpy's order R + nan·j, nan + R·j, nan + nan·j.
const (
	keyNaNImag = ^uint64(0) - 2 + iota
	keyNaNReal
	keyNaNBoth
)

// complexKeys writes two-part keys of a direct one-dimensional complex array:
// hi orders by the real part, lo by the imaginary one, and NaN parts come
// last as numpy has it. In a descending order they stay last.
func complexKeys(hi, lo []uint64, a ndarray.Array, descending bool) {
	parts := a
	parts.DType, parts.Shape, parts.Strides = a.DType.Real(), []int{2 * a.Len()}, []int{a.DType.Real().Size()}
	switch a.DType {
	case ndarray.C64:
		pairKeys(hi, lo, ndarray.Slice[uint32](parts), newCoder[uint32](ndarray.F32, descending, true))
	case ndarray.C128:
		pairKeys(hi, lo, ndarray.Slice[uint64](parts), newCoder[uint64](ndarray.F64, descending, true))
	}
}

// pairKeys is complexKeys for parts of one width: parts holds real and
// imaginary patterns in turn.
func pairKeys[K word](hi, lo []uint64, parts []K, c coder[K]) {
	for i := range hi {
		re, im := parts[2*i], parts[2*i+1]
		h, l := uint64(c.key(re)), uint64(c.key(im))
		switch {
		case c.isNaN(re) && c.isNaN(im):
			h, l = keyNaNBoth, 0
		case c.isNaN(re):
			h = keyNaNReal
		case c.isNaN(im):
			h, l = keyNaNImag, h
		}
		hi[i], lo[i] = h, l
	}
}
