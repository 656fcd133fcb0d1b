package fft

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// bluestein is the transform of any length n as a cyclic convolution of a
// smooth length m >= 2n-1 (Bluestein 1970): with the chirp
// c[j] = exp(-πi·j²/n),
//
//	y[k] = c[k] · Σ (x[j]·c[j]) · conj(c[k-j]).
type bluestein[T simd.Float] struct {
	n     int
	inner *line[T]
	chirp evenTable[T] // c[j], j < n
	spec  evenTable[T] // transform of conj(c) at j and -j
	back  *direction[T]
}

func newBluestein[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n int) (*bluestein[T], error) {
	m := padLength(2*n - 1)
	inner, err := planned(w, k, m)
	if err != nil {
		return nil, err
	}
	b := &bluestein[T]{n: n, inner: inner, back: inverse[T](1)}
	r := newRoots(2 * n)
	if m <= wideSpectrumMax {
		return b, b.shortTables(w, k, r)
	}
	return b, b.longTables(w, r)
}

// wideSpectrumMax is the longest convolution in single precision whose
// kernel's spectrum is computed in double precision, exactSpectrumMax the
// longest in double precision with one in double-double. The kernel's errors,
// a third of all, are then spared; beyond, planning would take too long.
const (
	wideSpectrumMax  = 1 << 18
	exactSpectrumMax = 1 << 15
)

// shortTables makes tables that are whole. The spectrum is divided by m.
func (b *bluestein[T]) shortTables(w *pool.Worker, k *simd.FFTKernels[T], r *roots) error {
	n, m := b.n, b.inner.n
	b.chirp, b.spec = newEvenTable[T](n, n, n), newEvenTable[T](m, m, m)
	if err := b.fillChirp(w, r, n/2+1); err != nil {
		return err
	}
	kernel := twinKernel{
		count: n, sign: 1,
		root: func(j int) int { return (2*n - j*j%(2*n)) % (2 * n) },
		twin: func(j int) int { return (m - j) % m },
	}
	if err := spectrum(w, k, b.spec.table, m, r, kernel); err != nil {
		return err
	}
	return b.symmetrize(w)
}

// longTables makes tables of halves: the chirp's, and its spectrum's as the
// transform leaves it, not divided by m.
func (b *bluestein[T]) longTables(w *pool.Worker, r *roots) (err error) {
	n := b.n
	b.chirp, b.back = newEvenTable[T](n, n, n/2+1), inverse(T(1/float64(b.inner.n)))
	if err := b.fillChirp(w, r, n/2+1); err != nil {
		return err
	}
	b.spec, err = evenTransform(w, b.inner.two, b.kernel)
	return err
}

// fillChirp makes the first count elements of the chirp, more than half of them, and
// from those the others if the table is whole.
func (b *bluestein[T]) fillChirp(w *pool.Worker, r *roots, count int) error {
	n, c := b.n, b.chirp.table
	b.chirp.opposite = n%2 == 1
	return tabulate(w, count, func(lo, hi int) {
		sq := lo * lo % (2 * n) // j² mod 2n
		var index [rootChunk]int
		for from := lo; from < hi; from += rootChunk {
			part := index[:min(rootChunk, hi-from)]
			for i := range part {
				part[i] = sq
				if sq += 2*(from+i) + 1; sq >= 2*n {
					sq -= 2 * n
				}
			}
			rootsAt(r, c[2*from:], part)
		}
		if b.chirp.kept < n {
			return
		}
		if lo = max(lo, 1); lo < hi {
			backwards(c[2*(n-hi+1):2*(n-lo+1)], c[2*lo:2*hi], b.chirp.opposite)
		}
	})
}

// kernel sets dst to the elements from lo on of the convolution's kernel: conj(c[j])
// at j and m-j, else zero.
func (b *bluestein[T]) kernel(dst []T, lo int) {
	n, m, hi := b.n, b.inner.n, lo+len(dst)/2
	clear(dst)
	if lo < n {
		b.chirp.part(dst[:2*(min(hi, n)-lo)], lo)
	}
	if first := max(lo, m-n+1); first < hi { // c[m-j], j from first to hi-1
		part := dst[2*(first-lo):]
		b.chirp.part(part, m-hi+1)
		for i, j := 0, len(part)-2; i < j; i, j = i+2, j-2 {
			part[i], part[i+1], part[j], part[j+1] = part[j], part[j+1], part[i], part[i+1]
		}
	}
	for i := 1; i < len(dst); i += 2 {
		dst[i] = -dst[i]
	}
}

// symmetrize replaces elements k and m-k of the spectrum, equal because the
// kernel is even, by their mean: half the variance of their errors.
func (b *bluestein[T]) symmetrize(w *pool.Worker) error {
	m, s := b.inner.n, b.spec.table
	return tabulate(w, (m-1)/2, func(lo, hi int) {
		for i := lo + 1; i <= hi; i++ {
			j := m - i
			re, im := (s[2*i]+s[2*j])/2, (s[2*i+1]+s[2*j+1])/2
			s[2*i], s[2*i+1] = re, im
			s[2*j], s[2*j+1] = re, im
		}
	})
}

// twinKernel is the kernel of a convolution that has its elements twice: the
// root root(j), j < count, at j, and the same (sign 1) or its conjugate (sign
// -1) at twin(j). All others are zero.
type twinKernel struct {
	count      int
	sign       float64
	root, twin func(j int) int
}

// spectrum transforms the kernel of a convolution of length m to dst, zeros,
// and divides by m; more precisely than the transforms it is used with,
// except for long ones.
func spectrum[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], dst []T, m int, r *roots, b twinKernel) error {
	if !isSingle[T]() && m <= exactSpectrumMax {
		x := make([]cdd, m)
		for j := range b.count {
			z := r.exact(b.root(j))
			x[j] = z
			if b.sign < 0 {
				z.im = z.im.neg()
			}
			x[b.twin(j)] = z
		}
		for i, z := range transformDD(x, newRoots(m)) {
			dst[2*i], dst[2*i+1] = T(z.re.hi/float64(m)), T(z.im.hi/float64(m))
		}
		return nil
	}
	wide := simd.FFTFor[float64](k.ISA)
	x, same := any(dst).([]float64)
	if !same {
		x = newTable[float64](2 * m)
	}
	err := tabulate(w, b.count, func(lo, hi int) {
		var index [rootChunk]int
		for from := lo; from < hi; from += rootChunk {
			part := index[:min(rootChunk, hi-from)]
			for i := range part {
				part[i] = b.root(from + i)
			}
			r.double(x[2*from:], part)
			for j := from; j < from+len(part); j++ {
				i := b.twin(j)
				x[2*i], x[2*i+1] = x[2*j], b.sign*x[2*j+1]
			}
		}
	})
	if err != nil {
		return err
	}
	inner, err := planned(w, wide, m)
	if err != nil {
		return err
	}
	if err := inner.runAlone(w, wide, x, x, forward[float64]()); err != nil {
		return err
	}
	return tabulate(w, 2*m, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dst[i] = T(x[i] / float64(m))
		}
	})
}

// run transforms src to dst, which may be the same; dir as in [line.run].
func (b *bluestein[T]) run(c *crew[T], k *simd.FFTKernels[T], dst, src []T, dir *direction[T], scratch []T) error {
	n, m := b.n, b.inner.n
	x, y, rest := scratch[:2*m], scratch[2*m:4*m], scratch[4*m:] // between the transforms, pieces of rest are theirs
	err := c.over(n, func(lo, hi int) {
		from := src[2*lo : 2*hi]
		if dir.in == simd.Swapped { // ifft(x) = swap(fft(swap(x)))
			swapParts(x[2*lo:2*hi], from, 1)
			from = x[2*lo : 2*hi]
		}
		b.chirp.times(k, x[2*lo:], from, lo, hi-lo, rest[2*lo:])
	})
	if err != nil {
		return err
	}
	if err := c.over(m-n, func(lo, hi int) { clear(x[2*(n+lo) : 2*(n+hi)]) }); err != nil {
		return err
	}
	if err := b.inner.run(c, k, y, x, forward[T](), rest); err != nil {
		return err
	}
	if err := c.over(m, func(lo, hi int) { b.spec.times(k, y[2*lo:], y[2*lo:], lo, hi-lo, rest[2*lo:]) }); err != nil {
		return err
	}
	if err := b.inner.run(c, k, x, y, b.back, rest); err != nil {
		return err
	}
	return c.over(n, func(lo, hi int) {
		to := dst[2*lo : 2*hi]
		b.chirp.times(k, to, x[2*lo:], lo, hi-lo, rest[2*lo:])
		if dir.out == simd.Swapped {
			swapParts(to, to, dir.scale[0])
		}
	})
}

// swapParts exchanges real and imaginary parts and scales: dst[i] =
// s·(im, re) of src[i]. dst may be src.
func swapParts[T simd.Float](dst, src []T, s T) {
	src = src[:len(dst)]
	for i := 0; i+1 < len(dst); i += 2 {
		dst[i], dst[i+1] = src[i+1]*s, src[i]*s
	}
}
