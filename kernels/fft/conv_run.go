package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/simd"
)

// directPart is the number of outputs, neighbours in a row, that are summed
// together.
func (v *convolution) directPart() int {
	const most = 1 << 13
	return max(64, min(most, pieceReals*8/(product(v.h)*v.unit()*v.unit())))
}

// directNeed is the scratch of runDirect, in float64: a part's sums.
func (v *convolution) directNeed() need { return need{task: v.directPart() * v.unit()} }

func runDirect[T simd.Float](x *kernels.Exec, v *convolution, dst, xs, h []T) error {
	return sumDirect(v.directCrew(x), v, dst, xs, h)
}

// directCrew has the directNeed.
func (v *convolution) directCrew(x *kernels.Exec) *crew[float64] {
	return &crew[float64]{w: x.W, space: spaceOf[float64](x, v.directNeed(), v.threads)}
}

// sumDirect sums by the definition, in double precision, part of a row by part.
func sumDirect[T simd.Float](c *crew[float64], v *convolution, dst, xs, h []T) error {
	unit, last, part := v.unit(), len(v.x)-1, v.directPart()
	n := v.out[last]
	parts := (n + part - 1) / part
	work := min(part, n) * product(v.h) * unit * unit
	return c.fork(len(dst)/unit/8*product(v.h)).tasks(product(v.out[:last])*parts, max(1, pieceReals*8/work), part*unit, func(lo, hi int, acc []float64) {
		for i := lo; i < hi; i++ {
			row, first := i/parts, i%parts*part
			count := min(part, n-first)
			directPiece(v, dst[(row*n+first)*unit:][:count*unit], xs, h, acc[:count*unit], unravel(row, v.out[:last]), first)
		}
	})
}

// directPiece computes part of one row of the result: outputs from first on of
// the row at idx (of the leading axes).
func directPiece[T simd.Float](v *convolution, dst, xs, h []T, acc []float64, idx []int, first int) {
	last := len(v.x) - 1
	nx, nh := v.x[last], v.h[last]
	clear(acc)
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
	crew     *crew[T]
	spec     []T // transform of h
	pad      []T // a block
	freq     []T // its spectrum
	dst, x   []T
	origin   int // along the cut axis, the index of x's first element
}

func runSpectral[T simd.Float](x *kernels.Exec, v *convolution, dst, xs, h []T) error {
	s, err := newSpectral(x, v, h)
	if err != nil {
		return err
	}
	s.dst, s.x = dst, xs
	return s.blocks(0, v.blocks())
}

// newSpectral transforms h.
func newSpectral[T simd.Float](x *kernels.Exec, v *convolution, h []T) (*spectral[T], error) {
	s := &spectral[T]{v: v, unit: v.unit()}
	s.fwd, s.inv = v.requests()
	lend := func(n int) []T { return reals[T](borrow[T](x, []int{n}, false)) }
	s.spec, s.pad, s.freq = lend(v.specReals()), lend(v.padReals()), lend(v.specReals())
	s.crew = &crew[T]{w: x.W, space: spaceOf[T](x, v.spectralNeed(), v.threads)}
	padCopy(s.pad, v.fft, h, v.h, 0, 0, v.h[0], s.unit)
	return s, fourier(s.crew, &s.fwd, s.spec, s.pad, nil)
}

// blocks computes blocks lo to hi-1.
func (s *spectral[T]) blocks(lo, hi int) error {
	v := s.v
	if !v.manyBlocks() {
		for b := lo; b < hi; b++ {
			if err := s.blockOf(s.crew, b, s.pad, s.freq); err != nil {
				return err
			}
		}
		return nil
	}
	return s.crew.tasks(hi-lo, 1, s.crew.need.task, func(first, end int, scratch []T) {
		pad, rest := scratch[:v.padReals()], scratch[v.padReals():]
		freq, own := rest[:v.specReals()], single(rest[v.specReals():])
		for b := lo + first; b < lo+end; b++ {
			_ = s.blockOf(own, b, pad, freq) // no worker, no error
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

// blockOf computes block b of the result along the cut axis, in pad and freq.
func (s *spectral[T]) blockOf(c *crew[T], b int, pad, freq []T) error {
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
	padCopy(pad, v.fft, s.x, v.x, ax, from-s.origin, min(v.fft[ax], skip+count), s.unit)
	if err := fourier(c, &s.fwd, freq, pad, nil); err != nil {
		return err
	}
	k := simd.FFT[T]()
	err := c.over(len(freq)/2, func(lo, hi int) { k.Mul(freq[2*lo:], freq[2*lo:], s.spec[2*lo:], hi-lo) })
	if err != nil {
		return err
	}
	if err := fourier(c, &s.inv, pad, freq, freq); err != nil {
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
