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
			c.first(r, layout)(a, in, c.tw[0], m, v, m*pitch, pitch, row, r*row)
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
