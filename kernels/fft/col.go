package fft

import "vgpu/kernels/simd"

// col transforms the columns of a tile: n rows of vectors, each lane a
// transform of its own, by Stockham passes (Swarztrauber, FFT algorithms for
// vector computers, Parallel Computing 1, 1984) that need no bit reversal and
// no shuffling between lanes. It is immutable.
type col[T simd.Float] struct {
	n     int
	radix []int
	tw    [][]T // of each pass but the last, which has none
}

func newCol[T simd.Float](n, maxPow2 int) *col[T] {
	c := &col[T]{n: n, radix: radices(n, maxPow2)}
	m := n
	for i, r := range c.radix {
		m /= r
		if i == len(c.radix)-1 {
			break
		}
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
}

// exec transforms v vectors a row from src to dst, by way of the tiles a and
// b of n*v*2W reals each, which neither end may overlap. scale[0] multiplies a
// Swapped output, and no other. src is read wholly before dst is written,
// unless n is a single factor.
func (c *col[T]) exec(k *simd.FFTKernels[T], dst, src rows[T], v int, scale, a, b []T) {
	row := 2 * k.W * v
	last := len(c.radix) - 1
	if last == 0 && src.layout != simd.Planar && dst.layout != simd.Planar {
		relay := k.Deinterleave
		if src.layout == simd.Swapped {
			relay = k.DeinterleaveSwapped
		}
		relay(a, src.buf, c.n, v, src.pitch, row)
		src = rows[T]{a, row, simd.Planar}
	}
	s, m := 1, c.n
	for i, r := range c.radix[:last] {
		m /= r
		if i == 0 {
			firstPass(k, r, src.layout)(a, src.buf, c.tw[0], m, v, m*src.pitch, src.pitch, row, r*row)
		} else {
			k.Mid[r](b, a, c.tw[i], m, s*v, s*m*row, s*row, s*row, r*s*row)
			a, b = b, a
		}
		s *= r
		src = rows[T]{a, row, simd.Planar}
	}
	c.final(k, dst, src, s, v, scale)
}

// free is the one of exec's two tiles that the last pass does not read.
func (c *col[T]) free(a, b []T) []T {
	if len(c.radix)%2 == 0 {
		return b
	}
	return a
}

// final is the last pass, from s rows for each output to rows of dst.
func (c *col[T]) final(k *simd.FFTKernels[T], dst, src rows[T], s, v int, scale []T) {
	r := c.radix[len(c.radix)-1]
	pass := k.MidN[r]
	switch {
	case dst.layout == simd.Interleaved:
		pass = k.Last[r]
	case dst.layout == simd.Swapped:
		pass = k.LastScaled[r]
	case src.layout != simd.Planar: // the only pass: its twiddles are one
		pass = firstPass(k, r, src.layout)
		scale = ones[T]()
	}
	pass(dst.buf, src.buf, scale, s, v, s*src.pitch, src.pitch, s*dst.pitch, dst.pitch)
}

func firstPass[T simd.Float](k *simd.FFTKernels[T], r int, l simd.FFTLayout) simd.FFTPass[T] {
	switch l {
	case simd.Interleaved:
		return k.First[r]
	case simd.Swapped:
		return k.FirstSwapped[r]
	}
	return k.Mid[r]
}

var (
	ones32 = unitTwiddles[float32]()
	ones64 = unitTwiddles[float64]()
)

// unitTwiddles is a row of twiddles that are all one.
func unitTwiddles[T simd.Float]() []T {
	t := make([]T, 30)
	for i := 0; i < len(t); i += 2 {
		t[i] = 1
	}
	return t
}

func ones[T simd.Float]() []T {
	if isSingle[T]() {
		return any(ones32).([]T)
	}
	return any(ones64).([]T)
}
