package fft

import (
	"fmt"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/stream"
)

// A transform of arrays that stay outside memory goes over them in passes. A
// pass does some of the axes, which lie whole in each of its tiles, while the
// other axes are cut; its results go to the output, where the next pass finds
// them (or to temporary space: an inverse real transform has complex numbers
// until its last axis). Each line is computed as it is in core, so the bits are
// the same.

// pass is one sweep over the array.
type pass struct {
	axes     []int // in the order in which they are done
	first    bool  // reads the input
	last     bool  // writes the output
	final    bool  // does the last axis
	real     bool  // includes the real axis
	in, out  []int
	extents  []int   // of a tile, along the axes of out that are cut
	from, to *panels // where it reads and writes, if that is not an array; both: it goes through columns
	mem      int64
}

// streamed plans the passes of a request.
type streamed struct {
	r       *request
	m       machine
	src     ndarray.Layout
	dst     ndarray.Layout
	order   []int // of the axes
	within  bool  // the input is what becomes the output, where it lies
	passes  []*pass
	mem     int64
	complex ndarray.DType
	core    *way // how the only axis is gone through in core; nil: as its shape says
}

// nothing is a run over arrays of no elements.
func nothing() *kernels.Streamed {
	return &kernels.Streamed{Run: func(*kernels.Exec) error { return nil }}
}

// stream plans a run that takes at most mem bytes.
func (r *request) stream(src, dst ndarray.Layout, mem int64) (*kernels.Streamed, error) {
	if r.points() == 0 {
		return nothing(), nil
	}
	s := &streamed{r: r, m: machineFor(r.prec), src: src, dst: dst, order: r.order(), complex: complexOf(r.prec)}
	return pack.FirstOf(mem, s.whole, s.lines, s.stages)
}

// whole plans passes over tiles of whole lines.
func (s *streamed) whole(mem int64) (*kernels.Streamed, error) {
	if err := s.plan(mem); err != nil {
		return nil, err
	}
	plan := s.planned()
	if t := s.paneled(mem); len(s.passes) > 0 && t != nil && t.traffic(false) < s.traffic(false) {
		return pack.Spare(t.planned(), plan), nil
	}
	return s.alongPanels(mem, plan), nil
}

// planned is the plan of the passes.
func (s *streamed) planned() *kernels.Streamed {
	out := &kernels.Streamed{Mem: s.mem, Moved: s.traffic(true), Apart: s.traffic(false) - s.traffic(true), Temp: s.temp(), Explain: s.explain()}
	out.Run = runStreamed[float64](s)
	if s.r.prec == ndarray.F32 {
		out.Run = runStreamed[float32](s)
	}
	return out
}

// order is the axes as they are done in core.
func (r *request) order() []int {
	last := len(r.axes) - 1
	switch {
	case r.real && r.inv:
		return slices.Clone(r.axes)
	case r.real:
		return append([]int{r.axes[last]}, r.complexOrder(r.out, r.axes[:last])...)
	}
	return r.complexOrder(r.shape, r.axes)
}

// complexOrder is the order of [transform].
func (r *request) complexOrder(shape, axes []int) []int {
	p := planesOf(shape, axes, r.prec.Size())
	if p.cut == 0 {
		axes = slices.Clone(axes)
		slices.Reverse(axes)
		return axes
	}
	var out []int
	for i := len(p.trailing) - 1; i >= 0; i-- {
		out = append(out, p.trailing[i]+p.cut)
	}
	for i := len(p.leading) - 1; i >= 0; i-- {
		out = append(out, p.leading[i])
	}
	return out
}

// plan cuts the axes into passes, each of as many as fit.
func (s *streamed) plan(mem int64) error {
	order := s.order
	least := int64(0)
	for at := 0; at < len(order); {
		n := len(order) - at
		p := s.newPass(order, at, n)
		for ; n > 1 && p.mem > mem; n-- {
			p = s.newPass(order, at, n-1)
		}
		n = len(p.axes)
		least = max(least, p.mem)
		s.grow(p, mem)
		s.mem = max(s.mem, p.mem)
		s.passes = append(s.passes, p)
		at += n
	}
	if least > mem {
		return &stream.NoMemError{Least: least, Have: mem}
	}
	return nil
}

// newPass does n axes of the order from at on, with tiles as small as can be.
func (s *streamed) newPass(order []int, at, n int) *pass {
	r := s.r
	p := &pass{axes: order[at : at+n], first: at == 0, last: at+n == len(order), final: at+n == len(order), in: r.in, out: r.out}
	realAt := 0
	if r.inv {
		realAt = len(order) - 1
	}
	p.real = r.real && at <= realAt && realAt < at+n
	if r.real && !p.real { // the real axis is before or behind: complex numbers of one shape
		if p.in = r.out; r.inv {
			p.in = r.in
		}
		p.out = p.in
	}
	p.extents = slices.Clone(p.out)
	for a := range p.extents {
		if !slices.Contains(p.axes, a) {
			p.extents[a] = min(1, p.out[a])
		}
	}
	p.mem = s.passMem(p)
	return p
}

// grow makes the tiles as large as mem allows, along the last axes first, which
// lie together.
func (s *streamed) grow(p *pass, mem int64) {
	for a := len(p.extents) - 1; a >= 0; a-- {
		for p.extents[a] < p.out[a] {
			was := p.extents[a]
			p.extents[a] = min(2*was, p.out[a])
			if need := s.passMem(p); need > mem {
				p.extents[a] = was
				break
			} else {
				p.mem = need
			}
		}
	}
}

// passMem is the bytes that a pass allocates.
func (s *streamed) passMem(p *pass) int64 {
	in, out := p.tile()
	src, dst, inPlace := s.tileLayouts(p)
	total := 0
	add := func(n int) { total += stream.Padded(n) }
	places := 2
	if inPlace {
		places = 3
	} else {
		source := stream.SourceSize(src)
		add(source)
		add(source)
	}
	for range places {
		add(stream.SinkSize(dst))
	}
	size := s.r.prec.Size()
	for _, n := range s.buffers(p, in, out) {
		add(n * size)
	}
	n := s.need(p, in, out)
	add(n.alone * size)
	for range s.r.threads {
		add(n.task * size)
	}
	return int64(total)
}

// buffers are the lengths in reals of the arrays in which a tile is computed:
// one for complex numbers, two with the real axis.
func (s *streamed) buffers(p *pass, in, out []int) []int {
	unit := func(cond bool) int {
		if cond {
			return 1
		}
		return 2
	}
	if !p.real {
		return []int{2 * max(product(in), product(out))}
	}
	return []int{unit(!s.r.inv) * product(in), unit(s.r.inv) * product(out)}
}

// need is the scratch of a tile of that shape, or a smaller one.
func (s *streamed) need(p *pass, in, out []int) (n need) {
	for _, a := range p.axes {
		if p.real && a == s.r.axes[len(s.r.axes)-1] {
			g := s.tileRequest(in, out).realGeometry(s.m, a)
			n = n.or(g.need(s.m.size)).or(g.line) // a last tile may be a single line
			continue
		}
		shape := out
		if s.r.inv {
			shape = in
		}
		n = n.or(s.m.needOf(geometryOf(shape, a), s.way(p, a)))
	}
	return n
}

// way is how an axis is gone through in core.
func (s *streamed) way(p *pass, a int) way {
	if s.core != nil {
		return *s.core
	}
	shape := p.out
	if s.r.inv {
		shape = p.in
	}
	return s.m.wayOf(geometryOf(shape, a))
}

// tileRequest is the request for a tile, of which the real axis is taken.
func (s *streamed) tileRequest(in, out []int) *request {
	q := *s.r
	ax := q.axes[len(q.axes)-1]
	q.shape = slices.Clone(in)
	q.shape[ax] = s.r.shape[ax]
	return &q
}

// panels are those by way of which the transform goes, nil if there are none.
func (s *streamed) panels() *panels {
	if len(s.passes) == 0 {
		return nil
	}
	return s.passes[0].to
}

// temp is the bytes of temporary space: an inverse real transform of several
// passes has its complex numbers there.
func (s *streamed) temp() int64 {
	if q := s.panels(); q != nil {
		return tempBytes(q.Layout())
	}
	if !s.r.real || !s.r.inv || len(s.passes) == 1 {
		return 0
	}
	return tempBytes(ndarray.NewLayout(s.complex, s.r.in...))
}

func (s *streamed) explain() (out []kernels.Entry) {
	for i, p := range s.passes {
		if p.columns() {
			out = append(out, kernels.Entry{Term: "pass" + itoa(i+1), Text: p.columnText()})
			continue
		}
		_, tile := p.tile()
		axes := "no axes"
		if len(p.axes) > 0 {
			axes = "axes " + ndarray.ShapeString(p.axes)
		}
		out = append(out, kernels.Entry{Term: "pass" + itoa(i+1), Text: fmt.Sprintf("%s, %d tiles of %s", axes, p.tiles(), ndarray.ShapeString(tile))})
	}
	return out
}
