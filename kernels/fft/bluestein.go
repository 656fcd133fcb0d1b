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

func newBluestein[T simd.Float](k *simd.FFTKernels[T], n int) *bluestein[T] {
	m := padLength(2*n - 1)
	b := &bluestein[T]{n: n, inner: planned(k, m), chirp: make([]T, 2*n), spec: make([]T, 2*m)}
	r := newRoots(2 * n)
	for j := range n {
		b.chirp[2*j], b.chirp[2*j+1] = rootAt[T](r, j*j%(2*n))
	}
	spectrum(k, b.spec, m, 2*n, func(j int) int {
		if j = min(j, m-j); j >= n {
			return -1
		}
		return (2*n - j*j%(2*n)) % (2 * n) // the conjugate
	})
	return b
}

// exactSpectrumMax is the longest convolution whose kernel's spectrum is
// computed in double-double: milliseconds.
const exactSpectrumMax = 1 << 14

// spectrum transforms the kernel of a convolution of length m, whose element j
// is exp(-2πi·at(j)/n) or, if at(j) < 0, zero, and divides by m. It is more
// precise than the transforms it is used with, so that its errors, a third of
// all, are spared: double for single precision, double-double for double.
func spectrum[T simd.Float](k *simd.FFTKernels[T], dst []T, m, n int, at func(j int) int) {
	r := newRoots(n)
	if !isSingle[T]() && m <= exactSpectrumMax {
		x := make([]cdd, m)
		for j := range x {
			if e := at(j); e >= 0 {
				x[j] = r.exact(e)
			}
		}
		for i, z := range transformDD(x, newRoots(m)) {
			dst[2*i], dst[2*i+1] = T(z.re.hi/float64(m)), T(z.im.hi/float64(m))
		}
		return
	}
	wide := simd.FFTFor[float64](k.ISA)
	x := make([]float64, 2*m)
	for j := range m {
		if e := at(j); e >= 0 {
			x[2*j], x[2*j+1] = r.at(e)
		}
	}
	planned(wide, m).runSerial(wide, x, x, forward[float64]())
	for i, v := range x {
		dst[i] = T(v / float64(m))
	}
}

// run transforms src to dst, which may be the same; dir as in [line.run].
func (b *bluestein[T]) run(w *pool.Worker, k *simd.FFTKernels[T], dst, src []T, dir direction[T], scratch []T) error {
	m := b.inner.n
	x, y, rest := scratch[:2*m], scratch[2*m:4*m], scratch[4*m:]
	if dir.in == simd.Swapped { // ifft(x) = swap(fft(swap(x)))
		swapParts(x[:2*b.n], src[:2*b.n], 1)
		k.Mul(x, x, b.chirp, b.n)
	} else {
		k.Mul(x, src, b.chirp, b.n)
	}
	clear(x[2*b.n:])
	if err := b.inner.run(w, k, y, x, forward[T](), rest); err != nil {
		return err
	}
	k.Mul(y, y, b.spec, m)
	if err := b.inner.run(w, k, x, y, inverse[T](1), rest); err != nil {
		return err
	}
	k.Mul(dst, x, b.chirp, b.n)
	if dir.out == simd.Swapped {
		swapParts(dst[:2*b.n], dst[:2*b.n], dir.scale[0])
	}
	return nil
}

// swapParts exchanges real and imaginary parts and scales: dst[i] =
// s·(im, re) of src[i]. dst may be src.
func swapParts[T simd.Float](dst, src []T, s T) {
	src = src[:len(dst)]
	for i := 0; i+1 < len(dst); i += 2 {
		dst[i], dst[i+1] = src[i+1]*s, src[i]*s
	}
}
