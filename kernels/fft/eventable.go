package fft

import "vgpu/kernels/simd"

// evenTable is a table of n complex numbers whose elements k and n-k are equal, or
// opposite, of which it keeps half or so: plans of long lines take less memory, and
// memory is what such plans wait for. It is seen as rows, element k1 + width·k2 in
// row k2, of which the first kept numbers are there, kept > width/2, and the others
// are those of n-k. Width and kept of a table that is whole are n.
type evenTable[T simd.Float] struct {
	n, width, kept int
	opposite       bool
	table          []T
}

// newEvenTable is a table of zeros.
func newEvenTable[T simd.Float](n, width, kept int) evenTable[T] {
	return evenTable[T]{n: n, width: width, kept: kept, table: newTable[T](2 * n / width * kept)}
}

// has tells whether element k is kept.
func (t *evenTable[T]) has(k int) bool { return k%t.width < t.kept }

// evenReals is the length, in reals, of the buffer for factors that a table does not
// keep as they are needed: it stays in the first cache.
const evenReals = 1024

// vectorUnit is a multiple of the numbers of all vectors. What is left of a vector is
// rounded otherwise, so that products go by as many, wherever numbers come from.
const vectorUnit = 16

// times sets the count numbers of dst to those of src, which may be dst, times the
// elements of the table from lo on. buf has room for as many, or evenReals.
func (t *evenTable[T]) times(k *simd.FFTKernels[T], dst, src []T, lo, count int, buf []T) {
	for at := 0; at < count; {
		left, run, kept := count-at, t.width-(lo+at)%t.width, false
		if kept = t.width-run < t.kept; kept {
			run -= t.width - t.kept
		}
		if run < left && kept {
			run -= run % vectorUnit
		}
		n := min(run, left)
		if kept && n > 0 {
			k.Mul(dst[2*at:], src[2*at:], t.table[2*t.index(lo+at):], n)
		} else {
			n = min(roundUp(max(run, 1), vectorUnit), left, evenReals/2)
			t.part(buf[:2*n], lo+at)
			k.Mul(dst[2*at:], src[2*at:], buf, n)
		}
		at += n
	}
}

// index is where element k is kept, if it is.
func (t *evenTable[T]) index(k int) int { return k/t.width*t.kept + k%t.width }

// part sets dst to the elements from lo on.
func (t *evenTable[T]) part(dst []T, lo int) {
	for len(dst) > 0 {
		n := 0
		if k1 := lo % t.width; k1 < t.kept {
			at := 2 * t.index(lo)
			n = copy(dst, t.table[at:at+2*(t.kept-k1)]) / 2
		} else {
			n = min(len(dst)/2, t.width-k1)
			end := 2 * (t.index(t.n-lo) + 1)
			backwards(dst[:2*n], t.table[end-2*n:end], t.opposite)
		}
		dst, lo = dst[2*n:], lo+n
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
