package fft

import (
	"fmt"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// panels is temporary space for a matrix of complex numbers in vertical strips.
type panels struct{ stream.Panels }

// newPanels takes strips of about width columns.
func newPanels(d ndarray.DType, rows, cols, width int) *panels {
	return &panels{stream.NewPanels(d, rows, cols, width)}
}

// strips are the parts of a tile, and those of the same rows as a C-ordered
// array, that hold the same numbers.
func (q *panels) strips(tile, rows ndarray.Array) [][2]ndarray.Array {
	l := ndarray.NewLayout(q.DType, tile.Shape[1], q.Cols)
	l.Offset = rows.Offset
	return q.Strips(tile, ndarray.Array{Layout: l, Data: rows.Data})
}

// write copies rows to a tile, read the other way.
func (q *panels) write(w *pool.Worker, tile, rows ndarray.Array) error {
	for _, p := range q.strips(tile, rows) {
		if err := convert(w, p[0], p[1]); err != nil {
			return err
		}
	}
	return nil
}

func (q *panels) read(w *pool.Worker, rows, tile ndarray.Array) error {
	for _, p := range q.strips(tile, rows) {
		if err := convert(w, p[1], p[0]); err != nil {
			return err
		}
	}
	return nil
}

// paneled plans the same transform by way of panels, if its first axis is the
// first or the last in the order; nil if it is not, or if mem does not do.
func (s *streamed) paneled(mem int64) *streamed {
	r, order := s.r, s.order
	last := len(order) - 1
	lead := last > 0 && order[0] == 0
	if !lead && order[last] != 0 || r.real && r.axes[len(r.axes)-1] == 0 {
		return nil
	}
	shape := r.out
	if r.inv {
		shape = r.in
	}
	cols := product(shape[1:])
	if cols < 2 || shape[0] == 0 {
		return nil
	}
	t := &streamed{r: r, m: s.m, src: s.src, dst: s.dst, order: order, within: s.within, complex: s.complex}
	for width := cols; ; width = (width + 1) / 2 {
		q := newPanels(s.complex, shape[0], cols, width)
		if t.through(q, order, lead, mem) {
			return t
		}
		if width == 1 {
			return nil
		}
	}
}

// alongPanels is a transform along one axis, a real one or one that is not the first, by way
// of panels ([pack.Along]), if that costs less than plan.
func (s *streamed) alongPanels(mem int64, plan *kernels.Streamed) *kernels.Streamed {
	r := s.r
	if len(r.axes) != 1 || !r.real && r.axes[0] == 0 {
		return plan
	}
	ax, core := r.axes[0], s.way(s.passes[0], r.axes[0])
	along := pack.Along{In: tileLayout(s.src, r.in), Out: s.dst, Axis: ax, Apart: r.real}
	along.Work = func(in, out ndarray.Layout, same bool) (*kernels.Streamed, error) {
		of := func(shape []int) []int {
			return append(slices.Clone(in.Shape[:pack.Panel]), shape[ax], in.Shape[pack.Panel+1])
		}
		q := *r
		q.axes, q.shape, q.in, q.out = []int{pack.Panel}, of(r.shape), of(r.in), of(r.out)
		t := &streamed{r: &q, m: s.m, src: in, dst: out, order: q.axes, within: same, complex: s.complex, core: &core}
		if err := t.plan(mem); err != nil {
			return nil, err
		}
		return withCopies(t.planned()), nil
	}
	return along.ByPanels(mem, plan)
}

// withCopies puts the copies around what explain says of a pass over panels.
func withCopies(p *kernels.Streamed) *kernels.Streamed {
	if p != nil {
		p.Explain = []kernels.Entry{{Term: "pass1", Text: "to panels"}, {Term: "pass2", Text: p.Explain[0].Text}, {Term: "pass3", Text: "from panels"}}
	}
	return p
}

// through makes the passes by way of q: rows to panels, the first axis, and
// panels to rows, with the other axes where they belong. It tells whether they
// fit.
func (s *streamed) through(q *panels, order []int, lead bool, mem int64) bool {
	last := len(order) - 1
	before, after := order[:last], order[last+1:]
	if lead {
		before, after = nil, order[1:]
	}
	first := s.rowPass(before, nil, q)
	second := &pass{axes: []int{0}, final: !lead, from: q, to: q}
	second.mem = s.columnMem(q)
	third := s.rowPass(after, q, nil)
	s.passes, s.mem = []*pass{first, second, third}, second.mem
	for _, p := range []*pass{first, third} {
		if p.mem > mem {
			return false
		}
		s.growRows(p, mem)
		s.mem = max(s.mem, p.mem)
	}
	return s.mem <= mem
}

// rowPass is a pass over blocks of rows of one row each, with the given axes,
// from or to panels.
func (s *streamed) rowPass(axes []int, from, to *panels) *pass {
	r := s.r
	p := &pass{axes: axes, first: to != nil, last: from != nil, final: from != nil && len(axes) > 0, from: from, to: to}
	p.real = r.real && len(axes) > 0 && slices.Contains(axes, r.axes[len(r.axes)-1])
	switch p.in, p.out = r.in, r.out; {
	case r.real && !p.real && r.inv:
		p.out = r.in
	case r.real && !p.real:
		p.in = r.out
	}
	p.extents = slices.Clone(p.out)
	p.extents[0] = 1
	p.mem = s.passMem(p)
	return p
}

// growRows takes as many rows at a time as mem allows.
func (s *streamed) growRows(p *pass, mem int64) {
	for p.extents[0] < p.out[0] {
		was := p.extents[0]
		p.extents[0] = min(2*was, p.out[0])
		need := s.passMem(p)
		if need > mem {
			p.extents[0] = was
			return
		}
		p.mem = need
	}
}

// columnWay is how the first axis is gone through in core.
func (s *streamed) columnWay() way {
	shape := s.r.out
	if s.r.inv {
		shape = s.r.in
	}
	return s.m.wayOf(geometryOf(shape, 0))
}

func (s *streamed) columnNeed(q *panels) need {
	return s.m.needOf(geometryOf([]int{q.Rows, q.Width}, 0), s.columnWay())
}

// columnMem is the bytes of the pass over the first axis: three panels, each of
// which is read, transformed where it lies, and written.
func (s *streamed) columnMem(q *panels) int64 {
	n, size := s.columnNeed(q), s.m.size
	return int64(3*stream.Padded(stream.SinkSize(q.Panel(0))) + stream.Padded(n.alone*size) + s.r.threads*stream.Padded(n.task*size))
}

// runColumns transforms the first axis, panel by panel.
func runColumns[T simd.Float](x *kernels.Exec, s *streamed, p *pass, _, at kernels.Stored) error {
	q := p.to
	var mem [3][]byte
	for i := range mem {
		mem[i] = x.Mem.Alloc(stream.SinkSize(q.Panel(0)))
	}
	c := &crew[T]{w: x.W, space: spaceOf[T](x, s.columnNeed(q), s.r.threads), piece: s.r.params.Piece}
	dir := forward[T]()
	if s.r.inv {
		if dir = inverse(T(1)); p.final {
			dir = inverse(T(s.r.scale))
		}
	}
	var tiles [3]stream.Piece
	steps := &stream.Steps{N: q.Count(),
		Load: func(f *stream.Flight, i int) []*stream.Move {
			tiles[i%3] = stream.Sink(kernels.Stored{Blob: at.Blob, Layout: q.Panel(i)}, mem[i%3])
			return []*stream.Move{f.Load(&tiles[i%3])}
		},
		Compute: func(i int) error {
			z := reals[T](tiles[i%3].Array)
			if err := alongBy(c, z, z, []int{q.Rows, q.Width}, 0, dir, false, s.columnWay()); err != nil {
				return err
			}
			if p.final && !s.r.inv {
				return scaleAll(c, z, T(s.r.scale))
			}
			return nil
		},
		Store: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Store(&tiles[i%3])} },
	}
	return steps.Run(x)
}

// columnText is what explain says of the pass.
func (p *pass) columnText() string {
	return fmt.Sprintf("axes 0, %d tiles of %dx%d", p.to.Count(), p.to.Rows, p.to.Width)
}
