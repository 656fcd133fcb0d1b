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
	chirp []T // c[j], j < n, interleaved
	spec  []T // transform of conj(c), divided by m
}

func newBluestein[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n int) (*bluestein[T], error) {
	m := padLength(2*n - 1)
	inner, err := planned(w, k, m)
	if err != nil {
		return nil, err
	}
	b := &bluestein[T]{n: n, inner: inner, chirp: newTable[T](2 * n), spec: newTable[T](2 * m)}
	r := newRoots(2 * n)
	if err := tabulate(w, n/2+1, func(lo, hi int) { b.fillChirp(r, lo, hi) }); err != nil {
		return nil, err
	}
	return b, b.kernelSpectrum(w, k, r)
}

// fillChirp sets c[j] and c[n-j] for j from lo to hi-1, hi-1 <= n/2.
func (b *bluestein[T]) fillChirp(r *roots, lo, hi int) {
	n := b.n
	mirrored := T(1) // c[n-j] is c[j], and -c[j] if n is odd
	if n%2 == 1 {
		mirrored = -1
	}
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
		rootsAt(r, b.chirp[2*from:], part)
		for j := max(from, 1); j < from+len(part); j++ {
			b.chirp[2*(n-j)], b.chirp[2*(n-j)+1] = mirrored*b.chirp[2*j], mirrored*b.chirp[2*j+1]
		}
	}
}

// wideSpectrumMax is the longest convolution in single precision whose
// kernel's spectrum is computed in double precision, exactSpectrumMax the
// longest in double precision with one in double-double. The kernel's errors,
// a third of all, are then spared; beyond, planning would take too long.
const (
	wideSpectrumMax  = 1 << 18
	exactSpectrumMax = 1 << 15
)

// kernelSpectrum fills in spec: the transform of conj(c[j]) at j and -j.
func (b *bluestein[T]) kernelSpectrum(w *pool.Worker, k *simd.FFTKernels[T], r *roots) error {
	n, m := b.n, b.inner.n
	if m <= wideSpectrumMax {
		kernel := twinKernel{
			count: n, sign: 1,
			root: func(j int) int { return (2*n - j*j%(2*n)) % (2 * n) },
			twin: func(j int) int { return (m - j) % m },
		}
		if err := spectrum(w, k, b.spec, m, r, kernel); err != nil {
			return err
		}
		return b.symmetrize(w, 1)
	}
	err := tabulate(w, n, func(lo, hi int) {
		for j := lo; j < hi; j++ {
			re, im := b.chirp[2*j], -b.chirp[2*j+1]
			b.spec[2*j], b.spec[2*j+1] = re, im
			if j > 0 {
				b.spec[2*(m-j)], b.spec[2*(m-j)+1] = re, im
			}
		}
	})
	if err != nil {
		return err
	}
	if err := b.inner.runAlone(w, k, b.spec, b.spec, forward[T]()); err != nil {
		return err
	}
	return b.symmetrize(w, 1/T(m))
}

// symmetrize replaces elements k and m-k of the spectrum, equal because the
// kernel is even, by their mean: half the variance of their errors. All are
// multiplied by scale.
func (b *bluestein[T]) symmetrize(w *pool.Worker, scale T) error {
	m := b.inner.n
	scaleReals(b.spec[:2], scale)
	if m%2 == 0 {
		scaleReals(b.spec[m:m+2], scale)
	}
	scale /= 2
	return tabulate(w, (m-1)/2, func(lo, hi int) {
		for i := lo + 1; i <= hi; i++ {
			j := m - i
			re, im := (b.spec[2*i]+b.spec[2*j])*scale, (b.spec[2*i+1]+b.spec[2*j+1])*scale
			b.spec[2*i], b.spec[2*i+1] = re, im
			b.spec[2*j], b.spec[2*j+1] = re, im
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
	x, y, rest := scratch[:2*m], scratch[2*m:4*m], scratch[4*m:]
	err := c.over(n, func(lo, hi int) {
		from := src[2*lo : 2*hi]
		if dir.in == simd.Swapped { // ifft(x) = swap(fft(swap(x)))
			swapParts(x[2*lo:2*hi], from, 1)
			from = x[2*lo : 2*hi]
		}
		k.Mul(x[2*lo:], from, b.chirp[2*lo:], hi-lo)
	})
	if err != nil {
		return err
	}
	clear(x[2*n:])
	if err := b.inner.run(c, k, y, x, forward[T](), rest); err != nil {
		return err
	}
	if err := c.over(m, func(lo, hi int) { k.Mul(y[2*lo:], y[2*lo:], b.spec[2*lo:], hi-lo) }); err != nil {
		return err
	}
	if err := b.inner.run(c, k, x, y, inverse[T](1), rest); err != nil {
		return err
	}
	return c.over(n, func(lo, hi int) {
		to := dst[2*lo : 2*hi]
		k.Mul(to, x[2*lo:], b.chirp[2*lo:], hi-lo)
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
