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
	n, m  int
	chirp evenTable[T] // c[j], j < n
	conv  *cyclic[T]   // or, for short ones, lines:
	inner *line[T]
	spec  columnSpectrum[T] // transform of conj(c) at j and -j
	back  *direction[T]
	past  bool // results go past the caches
}

func newBluestein[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n int) (b *bluestein[T], err error) {
	m := padLength(2*n - 1)
	mach := machineOf(k)
	b = &bluestein[T]{n: n, m: m, back: inverse[T](1), past: 2*n*mach.size >= mach.cost.stream}
	if shape, ok := mach.cyclic(m); ok {
		b.conv, err = newCyclic(w, k, shape)
	} else {
		b.inner, err = planned(w, k, m)
	}
	if err != nil {
		return nil, err
	}
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
	n, m := b.n, b.m
	b.chirp = newEvenTable[T](n, n)
	if err := b.fillChirp(w, r, n/2+1); err != nil {
		return err
	}
	kernel := twinKernel{
		count: n, sign: 1,
		root: func(j int) int { return (2*n - j*j%(2*n)) % (2 * n) },
		twin: func(j int) int { return (m - j) % m },
	}
	whole := newTable[T](2 * m)
	if err := spectrum(w, k, whole, m, r, kernel); err != nil {
		return err
	}
	if err := symmetrize(w, whole); err != nil {
		return err
	}
	if b.spec = byColumnBlocks(whole, m, 1, m); b.conv != nil {
		b.spec = byColumnBlocks(whole, b.conv.shape.n1, b.conv.shape.n2, k.W)
	}
	return nil
}

// longTables makes tables of halves: the chirp's, and its spectrum's as the
// transform leaves it, not divided by m.
func (b *bluestein[T]) longTables(w *pool.Worker, r *roots) (err error) {
	n := b.n
	b.chirp, b.back = newEvenTable[T](n, n/2+1), inverse(T(1/float64(b.m)))
	if err := b.fillChirp(w, r, n/2+1); err != nil {
		return err
	}
	b.spec, err = evenTransform(w, &b.conv.there, b.kernel)
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
	n, m, hi := b.n, b.m, lo+len(dst)/2
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
func symmetrize[T simd.Float](w *pool.Worker, s []T) error {
	m := len(s) / 2
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
	if b.conv == nil {
		return b.runLines(k, dst, src, dir, scratch)
	}
	return b.conv.run(c, scratch[:b.conv.s], scratch[b.conv.s:], b.back, &cyclicEnds[T]{
		load:  func(tile []T, j2 int, rest []T) { b.load(tile, src, j2, dir, rest) },
		times: func(tile []T, k1 int, rest []T) { b.spec.times(k, tile, k1, rest) },
		store: func(tile []T, j2 int, rest []T) { b.store(dst, tile, j2, dir, rest) },
	})
}

// runLines is run by two lines, one there and one back.
func (b *bluestein[T]) runLines(k *simd.FFTKernels[T], dst, src []T, dir *direction[T], scratch []T) error {
	n, m := b.n, b.m
	x, y, rest := scratch[:2*m], scratch[2*m:4*m], scratch[4*m:]
	if dir.in == simd.Swapped { // ifft(x) = swap(fft(swap(x)))
		swapParts(x[:2*n], src[:2*n], 1)
		src = x
	}
	mulWhole(k, x, src, b.chirp.table, n, rest)
	clear(x[2*n:])
	if err := b.inner.run(nil, k, y, x, forward[T](), rest); err != nil {
		return err
	}
	k.Mul(y, y, b.spec.table, m)
	if err := b.inner.run(nil, k, x, y, b.back, rest); err != nil {
		return err
	}
	mulWhole(k, dst, x, b.chirp.table, n, rest)
	if dir.out == simd.Swapped {
		swapParts(dst[:2*n], dst[:2*n], dir.scale[0])
	}
	return nil
}

// load makes a tile of columns from j2 on: the points times the chirp, and zeros.
func (b *bluestein[T]) load(tile, src []T, j2 int, dir *direction[T], rest []T) {
	k, c := b.conv.k, b.conv.shape
	lanes := k.W * c.v
	tile = tile[:2*lanes*c.n1]
	for j := j2; j < b.n; j += c.n2 {
		row := tile[:2*lanes]
		from := src[2*j : 2*min(j+lanes, b.n)]
		if dir.in == simd.Swapped { // ifft(x) = swap(fft(swap(x)))
			swapParts(row[:len(from)], from, 1)
			from = row[:len(from)]
		}
		b.chirp.times(k, row, from, j, len(from)/2, rest)
		clear(row[len(from):])
		tile = tile[2*lanes:]
	}
	clear(tile)
}

// store multiplies a tile of columns of the convolution from j2 on by the chirp. Rows of
// a line that is larger than the caches go past them.
func (b *bluestein[T]) store(dst, tile []T, j2 int, dir *direction[T], rest []T) {
	k, n2, row, whole := b.conv.k, b.conv.shape.n2, 2*b.conv.k.W*b.conv.shape.v, 0
	for j := j2; j < b.n; j += n2 {
		part := tile[(j-j2)/n2*row:][:min(row, 2*(b.n-j))]
		to := dst[2*j:][:len(part)]
		if b.past && len(part) == row {
			to = part
			whole++
		}
		b.chirp.times(k, to, part, j, len(part)/2, rest)
		if dir.out == simd.Swapped {
			swapParts(to, to, dir.scale[0])
		}
	}
	if whole > 0 {
		simd.StreamRows(dst[2*j2:], 2*n2, tile, row, whole, row)
	}
}

// swapParts exchanges real and imaginary parts and scales: dst[i] =
// s·(im, re) of src[i]. dst may be src.
func swapParts[T simd.Float](dst, src []T, s T) {
	src = src[:len(dst)]
	for i := 0; i+1 < len(dst); i += 2 {
		dst[i], dst[i+1] = src[i+1]*s, src[i]*s
	}
}
