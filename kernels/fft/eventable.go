package fft

import "vgpu/kernels/simd"

// evenTable is a table of n complex numbers whose elements k and n-k are equal, or
// opposite, of which it keeps the first half or so: plans of long lines take less
// memory, and memory is what such plans wait for.
type evenTable[T simd.Float] struct {
	n, kept  int
	opposite bool
	table    []T
}

// newEvenTable is a table of zeros.
func newEvenTable[T simd.Float](n, kept int) evenTable[T] {
	return evenTable[T]{n: n, kept: kept, table: newTable[T](2 * kept)}
}

// evenReals is the length, in reals, of the buffer for factors that a table does not
// keep as they are needed: it stays in the first cache.
const evenReals = 1024

// vectorUnit is a multiple of the numbers of all vectors. What is left of a vector is
// rounded otherwise, so that products of convolutions that may be cut go by as many.
const vectorUnit = 16

// times sets the count numbers of dst to those of src, which may be dst, times the
// elements of the table from lo on. buf has room for evenReals.
func (t *evenTable[T]) times(k *simd.FFTKernels[T], dst, src []T, lo, count int, buf []T) {
	if here := min(t.kept-lo, count) / vectorUnit * vectorUnit; here > 0 {
		k.Mul(dst, src, t.table[2*lo:], here)
		dst, src, lo, count = dst[2*here:], src[2*here:], lo+here, count-here
	}
	for count > 0 {
		n := min(count, (evenReals-wholeReals)/2)
		t.part(buf[:2*n], lo)
		mulWhole(k, dst, src, buf, n, buf[evenReals-wholeReals:])
		dst, src, lo, count = dst[2*n:], src[2*n:], lo+n, count-n
	}
}

// wholeReals is the length of the buffer of mulWhole.
const wholeReals = 4 * vectorUnit

// mulWhole multiplies n numbers, all as those of whole vectors.
func mulWhole[T simd.Float](k *simd.FFTKernels[T], dst, a, b []T, n int, buf []T) {
	whole := n / vectorUnit * vectorUnit
	k.Mul(dst, a, b, whole)
	if whole == n {
		return
	}
	x, y := buf[:2*vectorUnit], buf[2*vectorUnit:wholeReals]
	clear(x[copy(x, a[2*whole:2*n]):])
	clear(y[copy(y, b[2*whole:2*n]):])
	k.Mul(x, x, y, vectorUnit)
	copy(dst[2*whole:2*n], x)
}

// part sets dst to the elements from lo on.
func (t *evenTable[T]) part(dst []T, lo int) {
	if lo < t.kept {
		n := copy(dst, t.table[2*lo:])
		dst, lo = dst[n:], lo+n/2
	}
	if len(dst) > 0 {
		end := 2 * (t.n - lo + 1)
		backwards(dst, t.table[end-len(dst):end], t.opposite)
	}
}

// backwards sets dst to the complex numbers of src, last first, negated if opposite.
func backwards[T simd.Float](dst, src []T, opposite bool) {
	switch {
	case isSingle[T]() && opposite:
		lastFirst(words[T, uint64](dst), words[T, uint64](src), 1<<63|1<<31)
	case isSingle[T]():
		lastFirst(words[T, uint64](dst), words[T, uint64](src), 0)
	case !opposite:
		pairsLastFirst(words[T, [2]uint64](dst), words[T, [2]uint64](src))
	default:
		dst = dst[:len(src)]
		for i, j := 0, len(src)-2; j >= 0; i, j = i+2, j-2 {
			dst[i], dst[i+1] = -src[j], -src[j+1]
		}
	}
}

// lastFirst sets dst to the numbers of src, last first, with the bits of flip flipped.
func lastFirst(dst, src []uint64, flip uint64) {
	for len(src) >= 4 && len(dst) >= 4 {
		d, s := (*[4]uint64)(dst), (*[4]uint64)(src[len(src)-4:])
		d[0], d[1], d[2], d[3] = s[3]^flip, s[2]^flip, s[1]^flip, s[0]^flip
		dst, src = dst[4:], src[:len(src)-4]
	}
	for i := range src {
		dst[len(src)-1-i] = src[i] ^ flip
	}
}

// pairsLastFirst is the same of numbers that move as one vector.
func pairsLastFirst(dst, src [][2]uint64) {
	for len(src) >= 4 && len(dst) >= 4 {
		d, s := (*[4][2]uint64)(dst), (*[4][2]uint64)(src[len(src)-4:])
		d[0] = s[3]
		d[1] = s[2]
		d[2] = s[1]
		d[3] = s[0]
		dst, src = dst[4:], src[:len(src)-4]
	}
	for i := range src {
		dst[len(src)-1-i] = src[i]
	}
}
