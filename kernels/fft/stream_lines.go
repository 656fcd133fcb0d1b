package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/simd"
)

// Lines along an axis that do not fit into memory are transformed one after the
// other, each in passes of its own. Where the numbers of a line lie apart, the
// array is transposed to temporary space and the result from there: one pass each,
// where every number would be a transfer of its own.

// longLines are the lines along an axis, of arrays of some shapes.
type longLines struct {
	ax              int
	in, out         []int
	inType, outType ndarray.DType // in which they are computed
	padded          bool          // the input lacks numbers, which are zero
}

// lacks tells whether an array has fewer elements than the input along an axis other
// than one.
func (l *longLines) lacks(src ndarray.Layout, but int) bool {
	for a, n := range l.in {
		if a != but && src.Shape[a] < n {
			return true
		}
	}
	return false
}

// stream is the plan of each, for lines that are all there and lie together, if
// there are several.
func (l *longLines) stream(mem int64, src, dst ndarray.Layout, each func(l *longLines, src, dst ndarray.Layout) (*kernels.Streamed, error)) (*kernels.Streamed, error) {
	c, from, to := newChain(mem, dst, src), source.seen(cropped(l.in)), result
	turned := product(l.out)/max(l.out[l.ax], 1) > 1 && (apart(src, l.ax) || apart(dst, l.ax))
	q, what, turn := *l, "a copy", func(r ndarray.Layout) ndarray.Layout { return r }
	if turned {
		what, turn = "a transposed copy", func(r ndarray.Layout) ndarray.Layout { return lastAxis(r, l.ax) }
		q.ax, q.in, q.out = len(l.in)-1, moved(l.in, l.ax), moved(l.out, l.ax)
	}
	if turned || l.padded {
		from = c.temp(q.inType, q.in...)
		c.copy(what, from, source.seen(cropped(l.in)).seen(turn))
	}
	if turned {
		if to = from; q.inType != q.outType || !slices.Equal(q.in, q.out) {
			to = c.temp(q.outType, q.out...)
		}
	}
	plan, err := each(&q, c.layout(from), c.layout(to))
	c.add(plan, err, to, from)
	if turned {
		c.copy(what, result.seen(turn), to)
	}
	return c.streamed()
}

// lines is a plan for long lines along one axis; nil if they cannot be cut.
func (s *streamed) lines(mem int64) (*kernels.Streamed, error) {
	r := s.r
	if len(r.axes) != 1 || !s.cuttable() {
		return nil, nil
	}
	l := &longLines{ax: r.axes[0], in: r.in, out: r.out}
	l.inType, l.outType = s.dtypes()
	but := -1
	if s.halved() { // which take what is missing as zero themselves
		but = l.ax
	}
	l.padded = l.lacks(s.src, but)
	return l.stream(mem, s.src, s.dst, func(l *longLines, src, dst ndarray.Layout) (*kernels.Streamed, error) {
		one := *r
		one.axes, one.shape, one.in, one.out = []int{0}, r.shape[r.axes[0]:][:1], l.in[l.ax:][:1], l.out[l.ax:][:1]
		line := &streamed{r: &one, m: s.m, src: lineOf(src, l.ax, 0), dst: lineOf(dst, l.ax, 0), complex: s.complex}
		chain := lineChain[float64]
		if r.prec == ndarray.F32 {
			chain = lineChain[float32]
		}
		c := chain(line, mem)
		c.each(l.ax, product(l.out)/max(l.out[l.ax], 1))
		return c.streamed()
	})
}

// cropped cuts an array to a shape.
func cropped(shape []int) func(l ndarray.Layout) ndarray.Layout {
	return func(l ndarray.Layout) ndarray.Layout { return tileLayout(l, shape) }
}

// apart tells whether the numbers of a line along an axis lie apart.
func apart(l ndarray.Layout, ax int) bool {
	return l.Shape[ax] > 1 && max(l.Strides[ax], -l.Strides[ax]) > l.DType.Size()
}

// moved is a list whose element ax has become the last.
func moved(list []int, ax int) []int {
	return append(slices.Delete(slices.Clone(list), ax, ax+1), list[ax])
}

// lastAxis is an array whose axis ax has become the last.
func lastAxis(l ndarray.Layout, ax int) ndarray.Layout {
	l.Shape, l.Strides = moved(l.Shape, ax), moved(l.Strides, ax)
	return l
}

// halved tells whether the lines are real ones of even length.
func (s *streamed) halved() bool { return s.r.real && s.r.shape[s.r.axes[0]]%2 == 0 }

// cuttable tells whether the lines can be cut, however long they are.
func (s *streamed) cuttable() bool {
	n := s.r.shape[s.r.axes[0]]
	if s.halved() {
		n /= 2
	}
	return n > 0 && s.m.cuttable(n)
}

// cuttable tells whether the two-step transforms that a complex line is made of
// can be cut.
func (m machine) cuttable(n int) bool {
	switch methodFor(n, m) {
	case methodBluestein:
		p := padLength(2*n - 1)
		switch {
		case p <= exactSpectrumMax && m.size == 8: // its spectrum is made in double-double, in core alone
			return false
		case p <= wideSpectrumMax && !machineFor(ndarray.F64).cuttable(p): // in double
			return false
		}
		_, ok := m.cyclic(p)
		return ok || m.cuttable(p)
	case methodTwoStep:
		_, _, ok := m.sweeps(n)
		return ok
	}
	return false
}

// lineChain is the passes of a line that is cuttable.
func lineChain[T simd.Float](s *streamed, mem int64) *chain {
	c := newChain(mem, s.dst, s.src)
	switch r := s.r; {
	case s.halved():
		evenLine[T](c, s)
	case r.real && r.inv:
		oddInverse[T](c, s)
	case r.real:
		oddForward[T](c, s)
	default:
		complexLine[T](c, s, result, source, r.shape[0], r.inv, r.scale)
	}
	return c
}

// complexLine appends the passes of a complex line of n points, times scale. s has
// what it is to have in common with others.
func complexLine[T simd.Float](c *chain, s *streamed, to, from end, n int, inv bool, scale float64) {
	if methodFor(n, s.m) == methodBluestein {
		chirpLine[T](c, s, to, from, n, inv, scale)
		return
	}
	line := lineIn[T](c, s, to, from, n, inv, scale)
	plan, err := pack.FirstOf(c.mem, line.whole, line.line().stream)
	c.add(plan, err, to, from)
}

// sweepsLine appends those of a complex line of n1·n2 points by sweeps of so many.
func sweepsLine[T simd.Float](c *chain, s *streamed, to, from end, n1, n2 int, inv bool, scale float64) {
	plan, err := lineIn[T](c, s, to, from, n1*n2, inv, scale).sweeps(n1, n2).stream(c.mem)
	c.add(plan, err, to, from)
}

// lineIn is a complex line of a chain.
func lineIn[T simd.Float](c *chain, s *streamed, to, from end, n int, inv bool, scale float64) *streamed {
	r := lineRequest(s.r, realType[T](), n, inv, scale)
	return &streamed{r: r, m: machineFor(r.prec), src: c.layout(from), dst: c.layout(to), order: r.axes, complex: complexOf(r.prec)}
}

// lineRequest is one complex line, for as many threads as r.
func lineRequest(r *request, prec ndarray.DType, n int, inv bool, scale float64) *request {
	shape := []int{n}
	return &request{inv: inv, axes: []int{0}, shape: shape, in: shape, out: shape, prec: prec, scale: scale, threads: r.threads, params: r.params}
}

// lineOf is line i along an axis, in C order of the others.
func lineOf(l ndarray.Layout, ax, i int) ndarray.Layout {
	for a := len(l.Shape) - 1; a >= 0; a-- {
		if n := l.Shape[a]; a != ax {
			l.Offset += i % n * l.Strides[a]
			i /= n
		}
	}
	l.Shape, l.Strides = l.Shape[ax:ax+1], l.Strides[ax:ax+1]
	return l
}
