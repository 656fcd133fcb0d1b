package fft

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// A real line of odd length that does not fit into memory is, as in core, a complex
// line ([realLine]), in temporary space.

// oddForward appends the passes of a real line of odd length.
func oddForward[T simd.Float](c *chain, s *streamed) {
	n, scale := s.r.shape[0], T(s.r.scale)
	z := c.temp(s.complex, n)
	complexLine[T](c, s, z, source, n, false, 1)
	h := n/2 + 1
	c.pass("a half", []int{h}, chirpCuts[T](2, 0), func(x *kernels.Exec, t *stream.Tiling) func(tile *stream.Tile) error {
		buf := borrow[T](x, t.Extents, true)
		return func(tile *stream.Tile) error {
			to := buf.Range(0, 0, tile.Arrays[0].Len())
			y := reals[T](to)
			copy(y, reals[T](tile.Arrays[1]))
			if tile.Index == 0 {
				y[1] = 0
			}
			if err := scaleAll(&crew[T]{w: x.W}, y, scale); err != nil {
				return err
			}
			return convert(x.W, tile.Arrays[0], to)
		}
	}, use{end: result, store: true}, use{end: z.part(0, h), load: true})
}

// oddInverse appends those of the way back: the other half is conjugate.
func oddInverse[T simd.Float](c *chain, s *streamed) {
	n := s.r.shape[0]
	h := n/2 + 1
	z := c.temp(s.complex, n)
	front, back := reachOf(1, 0, 1), reachOf(1, -1, 0)
	c.pass("both halves", []int{h}, stream.Cuts{}, func(x *kernels.Exec, _ *stream.Tiling) func(tile *stream.Tile) error {
		return func(tile *stream.Tile) error {
			if err := convert(x.W, tile.Arrays[0], tile.Arrays[2]); err != nil {
				return err
			}
			lo, hi := reals[T](tile.Arrays[0]), ascending[T](tile.Arrays[1])
			if tile.Index == 0 {
				lo[1] = 0
			}
			return conjugateBack(&crew[T]{w: x.W}, hi, lo[len(lo)-len(hi):])
		}
	}, use{end: z.part(0, h), store: true, reach: front}, use{end: z.part(h, n).backwards(), store: true, reach: back}, use{end: source, load: true, reach: front})
	complexLine[T](c, s, z, z, n, true, s.r.scale)
	c.copy("the real parts", result, z.seen(realParts))
}

// conjugateBack sets dst to the conjugates of src from the last to the first.
func conjugateBack[T simd.Float](c *crew[T], dst, src []T) error {
	n := len(dst) / 2
	return c.over(n, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			j := n - 1 - i
			dst[2*i], dst[2*i+1] = src[2*j], -src[2*j+1]
		}
	})
}

// realParts sees the real parts of complex numbers.
func realParts(l ndarray.Layout) ndarray.Layout {
	l.DType = l.DType.Real()
	return l
}
