package fft

import (
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// A cosine or sine transform of a line that does not fit into memory is, as in core
// ([trig]), a real or complex transform between two passes that change order, signs
// and weights and turn numbers. They go over the line from both ends to the middle.

// lines is a plan for lines along axis i of the request's.
func (s *trigStream) lines(in, out ndarray.Layout, i int, mem int64) (*kernels.Streamed, error) {
	view := func(l ndarray.Layout) ndarray.Layout { return l }
	shape := s.shape
	if s.unit == 2 { // the parts are lines of their own
		view, shape = partsOf, append(slices.Clone(shape), 2)
	}
	c := newChain(mem, out, in)
	from, to := source.seen(view), result.seen(view)
	l := &longLines{ax: s.axes[i], in: shape, out: shape, inType: s.prec, outType: s.prec}
	l.padded = l.lacks(c.layout(from), -1)
	chainOf := trigChain[float64]
	if s.prec == ndarray.F32 {
		chainOf = trigChain[float32]
	}
	plan, err := l.stream(mem, c.layout(from), c.layout(to), func(l *longLines, src, dst ndarray.Layout) (*kernels.Streamed, error) {
		line := newChain(mem, lineOf(dst, l.ax, 0), lineOf(src, l.ax, 0))
		chainOf(s, line, i)
		line.each(l.ax, product(l.out)/max(l.out[l.ax], 1))
		return line.streamed()
	})
	c.add(plan, err, to, from)
	return c.streamed()
}

// partsOf sees complex numbers as two reals on an axis more.
func partsOf(l ndarray.Layout) ndarray.Layout {
	l.DType = l.DType.Real()
	l.Shape, l.Strides = append(slices.Clone(l.Shape), 2), append(slices.Clone(l.Strides), l.DType.Size())
	return l
}

// longTrig is the transform of one line that does not fit.
type longTrig[T simd.Float] struct {
	*trigRequest
	n     int
	scale T
}

// trigChain appends the passes of a line along axis i of the request's.
func trigChain[T simd.Float](s *trigStream, c *chain, i int) {
	t := &longTrig[T]{trigRequest: s.trigRequest, n: s.shape[s.axes[i]], scale: T(s.scale[i])}
	switch {
	case t.kind == 1:
		t.first(c)
	case t.kind == 2:
		t.second(c)
	case t.kind == 3:
		t.third(c)
	case t.n%2 == 1:
		t.fourthOdd(c)
	default:
		t.fourth(c)
	}
}

// inner appends a transform of n points: real ones unless complexes.
func (t *longTrig[T]) inner(c *chain, to, from end, n int, complexes, inv bool) {
	r := lineRequest(&request{threads: t.threads}, t.prec, n, inv, 1)
	if !complexes {
		half := []int{n/2 + 1}
		if r.real = true; inv {
			r.in = half
		} else {
			r.out = half
		}
	}
	plan, err := r.stream(c.layout(from), c.layout(to), c.mem)
	c.add(plan, err, to, from)
}

// finished is element j of the result: with the sine's sign, the weight, and scaled.
func (t *longTrig[T]) finished(j int, v T) T {
	switch {
	case t.sine && t.kind == 2: // which is written backwards
		j = t.n - 1 - j
	case t.sine && t.kind > 2 && j%2 == 1:
		v = -v
	}
	if t.ortho && (t.kind == 2 && j == 0 || t.kind == 1 && !t.sine && (j == 0 || j == t.n-1)) {
		v *= math.Sqrt2 / 2
	}
	return v * t.scale
}

// first extends the line, as [trig.first] does.
func (t *longTrig[T]) first(c *chain) {
	l, n, skip := logical(t.n, 1, t.sine), t.n, 0
	if t.sine {
		n, skip = t.n+2, 1 // with the zeros at both ends
	}
	ext, freq := c.temp(t.prec, l), c.temp(complexOf(t.prec), l/2+1)
	mapped(c, "the extension", n, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			v := T(0)
			if j := i - skip; j >= 0 && j < t.n {
				v = *at[0].at(j)
			}
			if t.ortho && !t.sine && (i == 0 || i == t.n-1) {
				v *= math.Sqrt2
			}
			*at[1].at(i) = v
			if t.sine {
				v = -v
			}
			if at[2].has(i - 1) {
				*at[2].at(i - 1) = v
			}
		}
	}, in(source).by(1, -skip, 1-skip), out(ext.part(0, n)), out(ext.part(n, l).backwards()).by(1, -1, 0))
	t.inner(c, freq, ext, l, false, false)
	mapped(c, "the result", t.n, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			v := at[0].point(i + skip)[0]
			if t.sine {
				v = -at[0].point(i + skip)[1]
			}
			*at[1].at(i) = t.finished(i, v)
		}
	}, in(freq).by(1, skip, 1+skip), out(result))
}

// second is Makhoul's order and turn, as [trig.second].
func (t *longTrig[T]) second(c *chain) {
	n, half := t.n, (t.n+1)/2
	v, freq := c.temp(t.prec, n), c.temp(complexOf(t.prec), n/2+1)
	mapped(c, "even and odd points", half, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			*at[1].at(i) = *at[0].at(2 * i)
			if 2*i+1 < n {
				x := *at[0].at(2*i + 1)
				if t.sine {
					x = -x
				}
				*at[2].at(i) = x
			}
		}
	}, in(source).by(2, 0, 2), out(v.part(0, half)), out(v.part(half, n).backwards()))
	t.inner(c, freq, v, n, false, false)
	to, h, r := result, n/2+1, newRoots(4*n)
	if t.sine {
		to = to.backwards()
	}
	mapped(c, "the turn", h, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			p := at[0].point(i)
			re, im := p[0], p[1]
			if i == 0 {
				*at[1].at(0) = t.finished(0, 2*re)
				continue
			}
			c, s := rootAt[T](r, i)
			*at[1].at(i) = t.finished(i, 2*(re*c-im*s))
			if at[2].has(i - 1) {
				*at[2].at(i - 1) = t.finished(n-i, -2*(re*s+im*c))
			}
		}
	}, in(freq), out(to.part(0, h)), out(to.part(h, n).backwards()).by(1, -1, 0))
}

// third is second backwards.
func (t *longTrig[T]) third(c *chain) {
	n, half, h, r := t.n, (t.n+1)/2, t.n/2+1, newRoots(4*t.n)
	freq, v := c.temp(complexOf(t.prec), h), c.temp(t.prec, n)
	weight, from := 0, source // the element that ortho weighs
	if t.sine {
		weight, from = n-1, source.backwards()
	}
	weighed := func(j int, x T) T {
		if t.ortho && j == weight {
			x *= math.Sqrt2
		}
		return x
	}
	mapped(c, "the turn", h, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			re, p := weighed(i, *at[0].at(i)), at[2].point(i)
			if i == 0 {
				*p = [2]T{re, 0}
				continue
			}
			im := -weighed(n-i, *at[1].at(i - 1))
			c, s := rootAt[T](r, i)
			s = -s
			*p = [2]T{re*c - im*s, re*s + im*c}
		}
	}, in(from), in(from.backwards()).by(1, -1, 0), out(freq))
	t.inner(c, v, freq, n, false, true)
	mapped(c, "even and odd points", half, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			*at[2].at(2 * i) = t.finished(2*i, *at[0].at(i))
			if 2*i+1 < n {
				*at[2].at(2*i + 1) = t.finished(2*i+1, *at[1].at(i))
			}
		}
	}, in(v.part(0, half)), in(v.backwards()), out(result).by(2, 0, 2))
}

// fourth packs pairs from both ends, as [trig.fourth] for an even number.
func (t *longTrig[T]) fourth(c *chain) {
	n, m, half := t.n, t.n/2, (t.n/2+1)/2
	z, from := c.temp(complexOf(t.prec), m), source
	if t.sine {
		from = source.backwards()
	}
	before, after := newRoots(8*n), newRoots(2*n)
	turned := func(i int, re, im T) [2]T {
		c, s := rootAt[T](before, 4*i+1)
		return [2]T{re*c - im*s, re*s + im*c}
	}
	mapped(c, "pairs", half, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			*at[2].point(i) = turned(i, *at[0].at(2 * i), *at[1].at(2 * i))
			if j := m - 1 - i; j != i {
				*at[3].point(i) = turned(j, *at[1].at(2*i + 1), *at[0].at(2*i + 1))
			}
		}
	}, in(from).by(2, 0, 2), in(from.backwards()).by(2, 0, 2), out(z.part(0, half)), out(z.part(half, m).backwards()))
	t.inner(c, z, z, m, true, false)
	both := func(i int, p *[2]T) (even, odd T) { // elements 2i and n-1-2i
		c, s := rootAt[T](after, i)
		re, im := p[0], p[1]
		return t.finished(2*i, 2*(re*c-im*s)), t.finished(n-1-2*i, -2*(re*s+im*c))
	}
	mapped(c, "the turn", half, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			even, odd := both(i, at[0].point(i))
			*at[2].at(2 * i) = even
			if j := m - 1 - i; j == i { // the middle
				*at[2].at(2*i + 1) = odd
			} else {
				*at[3].at(2 * i) = odd
				*at[3].at(2*i + 1), *at[2].at(2*i + 1) = both(j, at[1].point(i))
			}
		}
	}, in(z.part(0, half)), in(z.part(half, m).backwards()), out(result.part(0, 2*half)).by(2, 0, 2), out(result.part(2*half, n).backwards()).by(2, 0, 2))
}

// fourthOdd is [trig.fourth] for an odd number: padded to twice the length.
func (t *longTrig[T]) fourthOdd(c *chain) {
	n := t.n
	z, from := c.temp(complexOf(t.prec), 2*n), source
	if t.sine {
		from = source.backwards()
	}
	before, after := newRoots(4*n), newRoots(8*n)
	mapped(c, "the turn", 2*n, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			if *at[1].point(i) = [2]T{}; i < n {
				v := *at[0].at(i)
				c, s := rootAt[T](before, i)
				*at[1].point(i) = [2]T{v * c, v * s}
			}
		}
	}, in(from), out(z))
	t.inner(c, z, z, 2*n, true, false)
	mapped(c, "the result", n, func(lo, hi int, at []laneTile[T]) {
		for i := lo; i < hi; i++ {
			p := at[0].point(i)
			c, s := rootAt[T](after, 2*i+1)
			*at[1].at(i) = t.finished(i, 2*(p[0]*c-p[1]*s))
		}
	}, in(z.part(0, n)), out(result))
}
