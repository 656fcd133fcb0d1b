package fft

import "vgpu/kernels/simd"

// col transforms the columns of a tile: n > 1 rows of vectors, each lane a
// transform of its own, by Stockham passes (Swarztrauber, FFT algorithms for
// vector computers, Parallel Computing 1, 1984) that need no bit reversal and
// no shuffling between lanes. It is immutable.
type col[T simd.Float] struct {
	k     *simd.FFTKernels[T]
	n     int
	radix []int
	tw    [][]T // of each pass but the last, which has none
}

func newCol[T simd.Float](k *simd.FFTKernels[T], n int) *col[T] {
	c := &col[T]{k: k, n: n, radix: radices(n, maxPow2For[T](k.ISA))}
	m := n
	for _, r := range c.radix[:len(c.radix)-1] {
		m /= r
		// exp(-2πi·p·j/(m·r)) of row p, output j.
		w, tw := newRoots(m*r), make([]T, 0, 2*m*(r-1))
		for p := range m {
			for j := 1; j < r; j++ {
				re, im := rootAt[T](w, p*j)
				tw = append(tw, re, im)
			}
		}
		c.tw = append(c.tw, tw)
	}
	return c
}

// rows is one end of a tile transform: row i begins at buf[i*pitch:].
type rows[T simd.Float] struct {
	buf    []T
	pitch  int
	layout simd.FFTLayout
	stream bool // of an output: too large for the caches
	memory bool // of an input: it is so large that it does not lie in the second cache
	apart  int  // of an input of several passes: reals from vector to vector of a row; 0: side by side
}

// exec transforms v vectors a row from src to dst, by way of the tiles a and
// b of n*v*2W reals each, which neither end may overlap, but that a Planar dst
// may be result(a, b) and any dst other(a, b). scale[0] multiplies a
// Swapped output, and no other. src is read wholly before dst is written,
// unless there is one pass only and an end is Planar.
func (c *col[T]) exec(dst, src *rows[T], v int, scale, a, b []T) {
	k, row := c.k, 2*c.k.W*v
	last := len(c.radix) - 1
	if last == 0 && src.layout != simd.Planar && dst.layout != simd.Planar {
		relay := k.Deinterleave
		if src.layout == simd.Swapped {
			relay = k.DeinterleaveSwapped
		}
		relay(a, src.buf, c.n, v, src.pitch, row)
		src = &rows[T]{buf: a, pitch: row}
	}
	s, m := 1, c.n
	in, pitch, layout := src.buf, src.pitch, src.layout
	for i, r := range c.radix[:last] {
		m /= r
		if i == 0 {
			c.begin(a, src, v)
		} else {
			k.Mid[r](b, a, c.tw[i], m, s*v, s*m*row, s*row, s*row, r*s*row)
			a, b = b, a
		}
		s *= r
		in, pitch, layout = a, row, simd.Planar
	}
	r := c.radix[last]
	c.last(r, dst.layout, dst.stream, layout)(dst.buf, in, scale, s, v, s*pitch, pitch, s*dst.pitch, dst.pitch)
}

// farBytes is the distance of rows from which the processor's own prefetchers do not follow.
const farBytes = 4096

// begin is the first of several passes, from src to the tile a. Rows that lie far apart in
// memory are asked for before they are needed, all their lines of the cache (the routine does
// so with the first one of each, which is enough where they come from a cache).
func (c *col[T]) begin(a []T, src *rows[T], v int) {
	r, row := c.radix[0], 2*c.k.W*v
	m, pass := c.n/r, c.first(r, src.layout)
	switch {
	case src.apart > 0:
		for q := range v {
			pass(a[q*2*c.k.W:], src.buf[q*src.apart:], c.tw[0], m, 1, m*src.pitch, src.pitch, row, r*row)
		}
	case src.memory && c.k.Ahead != nil && v > 1 && src.pitch*realSize[T]() >= farBytes:
		for p := range m {
			if p+1 < m {
				c.k.Ahead(src.buf[(p+1)*src.pitch:], r, m*src.pitch, row)
			}
			pass(a[p*r*row:], src.buf[p*src.pitch:], c.tw[0][2*p*(r-1):], 1, v, m*src.pitch, src.pitch, row, r*row)
		}
	default:
		pass(a, src.buf, c.tw[0], m, v, m*src.pitch, src.pitch, row, r*row)
	}
}

// result is the tile in which exec's last pass finds its input: a Planar
// result can go there too, since that pass writes where it reads.
func (c *col[T]) result(a, b []T) []T {
	if len(c.radix)%2 == 1 && len(c.radix) > 1 {
		return b
	}
	return a
}

// other is the tile that exec's last pass does not read.
func (c *col[T]) other(a, b []T) []T {
	if len(c.radix)%2 == 0 {
		return b
	}
	return a
}

// first is the pass that begins a transform of several.
func (c *col[T]) first(r int, l simd.FFTLayout) simd.FFTPass[T] {
	switch l {
	case simd.Interleaved:
		return c.k.First[r]
	case simd.Swapped:
		return c.k.FirstSwapped[r]
	}
	return c.k.Mid[r]
}

// last is the pass that ends a transform, or is all of it.
func (c *col[T]) last(r int, out simd.FFTLayout, stream bool, in simd.FFTLayout) simd.FFTPass[T] {
	switch {
	case out == simd.Interleaved && stream:
		return c.k.LastStream[r]
	case out == simd.Interleaved:
		return c.k.Last[r]
	case out == simd.Swapped && stream:
		return c.k.LastScaledStream[r]
	case out == simd.Swapped:
		return c.k.LastScaled[r]
	case in == simd.Interleaved:
		return c.k.FirstN[r]
	case in == simd.Swapped:
		return c.k.FirstSwappedN[r]
	}
	return c.k.MidN[r]
}
