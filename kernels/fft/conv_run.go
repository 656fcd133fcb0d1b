package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// runDirect sums by the definition, in double precision, row by row.
func runDirect[T simd.Float](x *kernels.Exec, v *convolution, dst, xs, h []T) error {
	unit := v.unit()
	last := len(v.x) - 1
	n := v.out[last]
	rowWork := n * product(v.h) * unit * unit
	w := forkFrom(x.W, len(dst)/unit/8*product(v.h))
	if last == 0 { // one row: cut it into pieces
		return parallel(w, n, max(64, pieceReals*8/(product(v.h)*unit*unit)), func(lo, hi int) {
			directPiece(v, dst[lo*unit:hi*unit], xs, h, nil, lo)
		})
	}
	return parallel(w, product(v.out[:last]), max(1, pieceReals*8/max(rowWork, 1)), func(lo, hi int) {
		idx := unravel(lo, v.out[:last])
		for i := lo; i < hi; i++ {
			directPiece(v, dst[i*n*unit:][:n*unit], xs, h, idx, 0)
			advance(idx, v.out[:last])
		}
	})
}

// directPiece computes part of one row of the result: outputs from first on of
// the row at idx (of the leading axes).
func directPiece[T simd.Float](v *convolution, dst, xs, h []T, idx []int, first int) {
	last := len(v.x) - 1
	nx, nh := v.x[last], v.h[last]
	acc := make([]float64, len(dst))
	j := make([]int, last) // index of a row of h
	for row := range product(v.h[:last]) {
		if at, ok := v.rowOf(idx, j); ok {
			hr := h[row*nh*len(h)/product(v.h):]
			xr := xs[at*nx*len(xs)/product(v.x):]
			if v.complex {
				addComplexRow(acc, xr[:2*nx], hr[:2*nh], v.start[last]+first)
			} else {
				addRealRow(acc, xr[:nx], hr[:nh], v.start[last]+first)
			}
		}
		advance(j, v.h[:last])
	}
	for i, s := range acc {
		dst[i] = T(s)
	}
}

// rowOf is the number of the row of x that row j of h meets at result row idx;
// ok is false if it is outside.
func (v *convolution) rowOf(idx, j []int) (at int, ok bool) {
	for a := range idx {
		i := idx[a] + v.start[a] - j[a]
		if i < 0 || i >= v.x[a] {
			return 0, false
		}
		at = at*v.x[a] + i
	}
	return at, true
}

// addRealRow adds Σ_j h[j]·x[f-j] to acc[i], f = start+i.
func addRealRow[T simd.Float](acc []float64, x, h []T, start int) {
	for j, c := range h {
		lo, hi := max(0, j-start), min(len(acc), len(x)+j-start)
		if lo >= hi {
			continue
		}
		g, from := float64(c), x[lo+start-j:hi+start-j]
		to := acc[lo:hi]
		for i, v := range from {
			to[i] += g * float64(v)
		}
	}
}

// addComplexRow is addRealRow on interleaved complex numbers.
func addComplexRow[T simd.Float](acc []float64, x, h []T, start int) {
	for j := range len(h) / 2 {
		lo, hi := max(0, j-start), min(len(acc)/2, len(x)/2+j-start)
		if lo >= hi {
			continue
		}
		c, s := float64(h[2*j]), float64(h[2*j+1])
		from, to := x[2*(lo+start-j):2*(hi+start-j)], acc[2*lo:2*hi]
		for i := 0; i+1 < len(from); i += 2 {
			re, im := float64(from[i]), float64(from[i+1])
			to[i] += c*re - s*im
			to[i+1] += c*im + s*re
		}
	}
}

// spectral is a convolution by transforms: in one block (fft), or cut along an
// axis into blocks that overlap by the length of h (overlap-save).
type spectral[T simd.Float] struct {
	v        *convolution
	unit     int
	fwd, inv request
	spec     []T // transform of h
	dst, x   []T
	lend     func(n int) []T // scratch of transforms that run alone
}

func runSpectral[T simd.Float](x *kernels.Exec, v *convolution, dst, xs, h []T) error {
	s := &spectral[T]{v: v, unit: v.unit(), dst: dst, x: xs, lend: lender[T](x)}
	s.plan()
	s.spec = reals[T](borrow[T](x, s.fwd.out, true))
	pad := reals[T](borrow[T](x, v.fft, v.complex))
	padCopy(pad, v.fft, h, v.h, 0, 0, v.h[0], s.unit)
	if err := fourier(x.W, &s.fwd, s.spec, pad, nil, s.lend); err != nil {
		return err
	}
	blocks := (v.full[v.ax] + v.block - 1) / v.block
	if blocks == 1 || product(v.fft) >= parallelFrom {
		freq := reals[T](borrow[T](x, s.fwd.out, true))
		for b := range blocks {
			if err := s.blockOf(x.W, b, pad, freq, s.lend); err != nil {
				return err
			}
		}
		return nil
	}
	return parallel(x.W, blocks, 1, func(lo, hi int) {
		p, q := take[T](len(pad)), take[T](len(s.spec))
		defer give(p)
		defer give(q)
		var own []T
		lend := func(n int) []T {
			if n > len(own) {
				own = make([]T, n)
			}
			return own
		}
		for b := lo; b < hi; b++ {
			_ = s.blockOf(nil, b, (*p)[:len(pad)], (*q)[:len(s.spec)], lend) // no worker, no error
		}
	})
}

// padCopy copies the part of src from index from on along ax, n long there, to
// the front of dst, and fills the rest with zeros.
func padCopy[T simd.Float](dst []T, to []int, src []T, shape []int, ax, from, n, unit int) {
	last := len(to) - 1
	size := slices.Clone(shape) // of what is copied
	size[ax] = max(0, min(n, shape[ax]-from))
	idx, lead := make([]int, last), 0
	if ax == last {
		lead = from
	}
	for row := range product(to[:last]) {
		d := dst[row*to[last]*unit:][:to[last]*unit]
		at, ok, copied := 0, true, 0
		for a, i := range idx {
			ok = ok && i < size[a]
			if a == ax {
				i += from
			}
			at = at*shape[a] + i
		}
		if ok {
			copied = copy(d, src[(at*shape[last]+lead)*unit:][:size[last]*unit])
		}
		clear(d[copied:])
		advance(idx, to[:last])
	}
}

// plan makes the requests of the transforms there and back.
func (s *spectral[T]) plan() {
	v := s.v
	axes := make([]int, len(v.fft))
	for i := range axes {
		axes[i] = i
	}
	half := slices.Clone(v.fft)
	if !v.complex {
		half[len(half)-1] = half[len(half)-1]/2 + 1
	}
	s.fwd = request{real: !v.complex, axes: axes, shape: v.fft, in: v.fft, out: half, prec: v.prec, scale: 1}
	s.inv = request{real: !v.complex, inv: true, axes: axes, shape: v.fft, in: half, out: v.fft, prec: v.prec, scale: 1 / float64(product(v.fft))}
}

// blockOf computes block b of the result along the cut axis, in pad and freq.
func (s *spectral[T]) blockOf(w *pool.Worker, b int, pad, freq []T, lend func(n int) []T) error {
	v, ax := s.v, s.v.ax
	first := b * v.block
	from, skip := 0, 0 // the first block has nothing before it
	if b > 0 {
		skip = v.h[ax] - 1
		from = first - skip
	}
	count := min(v.block, v.full[ax]-first)
	if lo, hi := v.start[ax], v.start[ax]+v.out[ax]; first+count <= lo || first >= hi {
		return nil
	}
	padCopy(pad, v.fft, s.x, v.x, ax, from, min(v.fft[ax], skip+count), s.unit)
	if err := fourier(w, &s.fwd, freq, pad, nil, lend); err != nil {
		return err
	}
	k := simd.FFT[T]()
	err := parallel(forkFrom(w, len(freq)/2), len(freq)/2, pieceReals, func(lo, hi int) {
		k.Mul(freq[2*lo:], freq[2*lo:], s.spec[2*lo:], hi-lo)
	})
	if err != nil {
		return err
	}
	if err := fourier(w, &s.inv, pad, freq, freq, lend); err != nil {
		return err
	}
	s.emit(pad, first, skip, count)
	return nil
}

// emit copies what is wanted of a block, results first to first+count of the
// full one along the cut axis, which begin at skip in pad.
func (s *spectral[T]) emit(pad []T, first, skip, count int) {
	v, last := s.v, len(s.v.out)-1
	n := v.out[last]
	idx := make([]int, last)
	for row := range product(v.out[:last]) {
		to := s.dst[row*n*s.unit:][:n*s.unit]
		from, ok := 0, true
		for a, i := range idx {
			f := i + v.start[a]
			if a == v.ax {
				ok = f >= first && f < first+count
				f += skip - first
			}
			from = from*v.fft[a] + f
		}
		if ok {
			o, lo, hi := v.start[last], 0, n
			if v.ax == last {
				lo, hi = max(0, first-o), min(n, first+count-o)
				o += skip - first
			}
			copy(to[lo*s.unit:hi*s.unit], pad[(from*v.fft[last]+o+lo)*s.unit:])
		}
		advance(idx, v.out[:last])
	}
}
