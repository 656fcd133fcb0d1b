package fft

import (
	"math/bits"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// chirpStream is Bluestein's method ([bluestein]) for a line that does not fit into
// memory: the line times the chirp and the chirp itself are in temporary space, the
// convolution's transforms of m points are lines of two sweeps, those of n1·n2 points there
// and of n2·n1 back, as [cyclic] has them, and of the spectrum's two halves those numbers are taken that are kept in core, or their means. The chirp
// is computed where it is needed. All numbers are those of the method in core.
type chirpStream[T simd.Float] struct {
	n, m  int
	inv   bool
	scale T
	wide  bool              // the chirp's spectrum is computed in double precision
	kept  columnSpectrum[T] // else what of it is kept in core
	roots *roots
}

// chirpLine appends the passes of a line of n points.
func chirpLine[T simd.Float](c *chain, s *streamed, to, from end, n int, inv bool, scale float64) {
	m := padLength(2*n - 1)
	b := &chirpStream[T]{n: n, m: m, inv: inv, scale: T(scale), wide: m <= wideSpectrumMax, roots: newRoots(2 * n)}
	d, back := complexOf(realType[T]()), 1.0
	shape, cyclic := machineFor(realType[T]()).cyclic(m)
	transform := func(to, from end, inv bool, scale float64) {
		switch {
		case !cyclic:
			complexLine[T](c, s, to, from, m, inv, scale)
		case inv:
			sweepsLine[T](c, s, to, from, shape.n2, shape.n1, true, scale)
		default:
			sweepsLine[T](c, s, to, from, shape.n1, shape.n2, false, scale)
		}
	}
	if !b.wide {
		b.kept, back = halfSpectrum[T](shape.n1, shape.n2, machineFor(realType[T]()).w), 1/float64(m)
	}
	first, in := len(c.phases), d
	if b.wide {
		in = ndarray.C128
	}
	spec := c.temp(in, m)
	c.pass("the chirp", []int{m}, stream.Cuts{}, b.kernel, use{end: spec, store: true})
	if b.wide {
		complexLine[float64](c, s, spec, spec, m, false, 1)
	} else {
		transform(spec, spec, false, 1)
	}
	for i := first; i < len(c.phases); i++ {
		c.phases[i].once = true
	}
	y := c.temp(d, m)
	c.pass("times the chirp", []int{m}, chirpCuts[T](2, 0), b.before, use{end: y, store: true, reach: reachOf(1, 0, 1)}, use{end: from, load: true, reach: reachOf(1, 0, 1)})
	transform(y, y, false, 1)
	b.multiply(c, spec, y)
	transform(y, y, true, back)
	c.pass("times the chirp", []int{n}, chirpCuts[T](4, 0), b.after, use{end: to, store: true}, use{end: y.part(0, n), load: true})
}

// chirpCuts has scratch of so many reals an element, and some more. Vectors are cut
// as in core.
func chirpCuts[T simd.Float](reals, more int) stream.Cuts {
	return stream.Cuts{Unit: []int{pairUnit}, Scratch: func(extents []int) int64 { return int64(stream.Padded((reals*extents[0] + more) * realSize[T]())) }}
}

// at is element j of the chirp.
func (b *chirpStream[T]) at(j int) (re, im T) {
	if j <= b.n/2 {
		return rootAt[T](b.roots, squareMod(j, 2*b.n))
	}
	re, im = rootAt[T](b.roots, squareMod(b.n-j, 2*b.n))
	if b.n%2 == 1 {
		return -re, -im
	}
	return re, im
}

// squareMod is j² mod n.
func squareMod(j, n int) int {
	hi, lo := bits.Mul64(uint64(j), uint64(j))
	return int(bits.Rem64(hi, lo, uint64(n)))
}

// table fills dst with the chirp from lo on.
func (b *chirpStream[T]) table(w *pool.Worker, dst []T, lo int) error {
	return tabulate(w, len(dst)/2, func(from, to int) {
		for i := from; i < to; i++ {
			dst[2*i], dst[2*i+1] = b.at(lo + i)
		}
	})
}

// kernel makes a tile of the conjugate chirp at j and -j.
func (b *chirpStream[T]) kernel(x *kernels.Exec, _ *stream.Tiling) func(tile *stream.Tile) error {
	return func(tile *stream.Tile) error {
		if b.wide {
			return kernelTile(x.W, reals[float64](tile.Arrays[0]), tile.Lo[0], b.n, b.m, func(j int) (re, im float64) {
				return b.roots.at((2*b.n - squareMod(j, 2*b.n)) % (2 * b.n))
			})
		}
		return kernelTile(x.W, reals[T](tile.Arrays[0]), tile.Lo[0], b.n, b.m, func(j int) (re, im T) {
			re, im = b.at(j)
			return re, -im
		})
	}
}

func kernelTile[T simd.Float](w *pool.Worker, dst []T, first, n, m int, at func(j int) (re, im T)) error {
	return tabulate(w, len(dst)/2, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dst[2*i], dst[2*i+1] = 0, 0
			if j := min(first+i, m-first-i); j < n {
				dst[2*i], dst[2*i+1] = at(j)
			}
		}
	})
}

// before multiplies a tile by the chirp, and fills up with zeros.
func (b *chirpStream[T]) before(x *kernels.Exec, t *stream.Tiling) func(tile *stream.Tile) error {
	buf, tail, k := scratchOf[T](x, 2*t.Extents[0]), make([]T, wholeReals), simd.FFT[T]()
	c := &crew[T]{w: x.W}
	return func(tile *stream.Tile) error {
		out, from := tile.Arrays[0], tile.Arrays[1]
		y, n := reals[T](out), from.Len()
		clear(y[2*n:])
		if n == 0 {
			return nil
		}
		if err := convert(x.W, out.Range(0, 0, n), from); err != nil {
			return err
		}
		if err := b.table(x.W, buf[:2*n], tile.Lo[0]); err != nil {
			return err
		}
		return c.over(n, func(lo, hi int) {
			part := y[2*lo : 2*hi]
			if b.inv { // ifft(x) = swap(fft(swap(x)))
				swapParts(part, part, 1)
			}
			mulWhole(k, part, part, buf[2*lo:], hi-lo, tail)
		})
	}
}

// after multiplies a tile of the convolution by the chirp.
func (b *chirpStream[T]) after(x *kernels.Exec, t *stream.Tiling) func(tile *stream.Tile) error {
	e, k := t.Extents[0], simd.FFT[T]()
	buf, tail, c := borrow[T](x, []int{2 * e}, true), make([]T, wholeReals), &crew[T]{w: x.W}
	return func(tile *stream.Tile) error {
		n, y := tile.Hi[0]-tile.Lo[0], reals[T](tile.Arrays[1])
		points := buf.Range(0, e, e+n)
		chirp, to := reals[T](buf)[:2*n], reals[T](points)
		if err := b.table(x.W, chirp, tile.Lo[0]); err != nil {
			return err
		}
		err := c.over(n, func(lo, hi int) {
			part := to[2*lo : 2*hi]
			mulWhole(k, part, y[2*lo:], chirp[2*lo:], hi-lo, tail)
			if b.inv {
				swapParts(part, part, b.scale)
			} else {
				scaleReals(part, b.scale)
			}
		})
		if err != nil {
			return err
		}
		return convert(x.W, tile.Arrays[0], points)
	}
}

// multiply appends the pass that multiplies y by the spectrum. It goes over the first
// half of it and the second backwards, elements k and m-1-k together, because the
// spectrum's elements k and m-k make one. Every element is one of a whole vector,
// as in core: what is left of a vector is rounded otherwise.
func (b *chirpStream[T]) multiply(c *chain, spec, y end) {
	h, one := b.m/2, reachOf(1, 0, 1)
	body := multiplyTile[T, T]
	if b.wide {
		body = multiplyTile[T, float64]
	}
	c.pass("times its spectrum", []int{h}, chirpCuts[T](4, 0), func(x *kernels.Exec, t *stream.Tiling) func(tile *stream.Tile) error { return body(b, x, t) },
		use{spec.part(0, h+1), true, false, reachOf(1, 0, 2)}, use{spec.part(h, b.m).backwards(), true, false, reachOf(1, -1, 1)},
		use{y.part(0, h), true, true, one}, use{y.part(h, b.m).backwards(), true, true, one})
}

// multiplyTile does elements tile.Lo to tile.Hi-1, and as many at the end. The
// spectrum's numbers are of type S.
func multiplyTile[T, S simd.Float](b *chirpStream[T], x *kernels.Exec, t *stream.Tiling) func(tile *stream.Tile) error {
	buf, k, e := scratchOf[T](x, 4*t.Extents[0]), simd.FFT[T](), t.Extents[0]
	c := &crew[T]{w: x.W}
	return func(tile *stream.Tile) error {
		first, n := tile.Lo[0], tile.Hi[0]-tile.Lo[0]
		front, back := buf[:2*n], buf[2*e:][:2*n]
		from, behind := reals[S](tile.Arrays[0]), ascending[S](tile.Arrays[1])
		err := tabulate(x.W, n, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				j := n - 1 - i
				front[2*i], front[2*i+1] = spectrumAt(b, first+i, from[2*i:], behind, n-i)
				back[2*j], back[2*j+1] = spectrumAt(b, b.m-first-i-1, behind[2*j:], from, i+1)
			}
		})
		if err != nil {
			return err
		}
		lo, hi := reals[T](tile.Arrays[2]), ascending[T](tile.Arrays[3])
		return c.over(n, func(from, to int) {
			k.Mul(lo[2*from:], lo[2*from:], front[2*from:], to-from)
			k.Mul(hi[2*from:], hi[2*from:], back[2*from:], to-from)
		})
	}
}

// spectrumAt is element k of the spectrum, as in core: own is what the transform has
// there, and number at of others, if k is not m/2 or 0, what it has at m-k.
func spectrumAt[T, S simd.Float](b *chirpStream[T], k int, own, others []S, at int) (re, im T) {
	switch {
	case b.wide:
		re, im = T(own[0]/S(b.m)), T(own[1]/S(b.m))
		if k > 0 && 2*k != b.m {
			re, im = (re+T(others[2*at]/S(b.m)))/2, (im+T(others[2*at+1]/S(b.m)))/2
		}
	case b.kept.has(k):
		re, im = T(own[0]), T(own[1])
	default:
		re, im = T(others[2*at]), T(others[2*at+1])
	}
	return re, im
}

// scratchOf is n reals of a run's memory.
func scratchOf[T simd.Float](x *kernels.Exec, n int) []T {
	return reals[T](borrow[T](x, []int{n}, false))
}

// ascending is the numbers of a line that is read backwards, from the last on.
func ascending[T simd.Float](a ndarray.Array) []T {
	a.Layout = reversed(a.Layout)
	return reals[T](a)
}
