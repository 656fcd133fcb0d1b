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
}

// stream plans a run that takes at most mem bytes.
func (r *request) stream(src, dst ndarray.Layout, mem int64) (*kernels.Streamed, error) {
	s := &streamed{r: r, m: machineFor(r.prec), src: src, dst: dst, order: r.order(), complex: complexOf(r.prec)}
	return pack.FirstOf(mem, s.whole, s.lines, s.stages)
}

// whole plans passes over tiles of whole lines.
func (s *streamed) whole(mem int64) (*kernels.Streamed, error) {
	if err := s.plan(mem); err != nil {
		return nil, err
	}
	if t := s.paneled(mem); len(s.passes) > 0 && t != nil && t.traffic(false) < s.traffic(false) {
		s = t
	}
	out := &kernels.Streamed{Mem: s.mem, Moved: s.traffic(true), Temp: s.temp(), Explain: s.explain()}
	out.Run = runStreamed[float64](s)
	if s.r.prec == ndarray.F32 {
		out.Run = runStreamed[float32](s)
	}
	return out, nil
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

// tile is the shapes of the largest tile.
func (p *pass) tile() (in, out []int) {
	in, out = slices.Clone(p.extents), slices.Clone(p.extents)
	for _, a := range p.axes {
		in[a], out[a] = p.in[a], p.out[a]
	}
	return in, out
}

// ends are the layouts of what the pass reads and writes, and whether they are
// the same place.
func (s *streamed) ends(p *pass) (src, dst ndarray.Layout, inPlace bool) {
	src, dst = s.src, s.dst
	switch {
	case p.from != nil || p.to != nil:
		return src, dst, false
	case s.r.real && s.r.inv && !p.last: // to and in temporary space
		dst = ndarray.NewLayout(s.complex, p.out...)
	}
	switch {
	case p.first && !s.within:
		return src, dst, false
	case s.r.real && s.r.inv && p.last:
		return ndarray.NewLayout(s.complex, p.in...), dst, false
	}
	return dst, dst, true
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

// tileLayouts are the layouts of the largest tile at both ends.
func (s *streamed) tileLayouts(p *pass) (src, dst ndarray.Layout, inPlace bool) {
	in, out := p.tile()
	src, dst, inPlace = s.ends(p)
	if src = tileLayout(src, in); p.from != nil {
		src = p.from.tile(0, p.extents[0])
	}
	if dst = tileLayout(dst, out); p.to != nil {
		dst = p.to.tile(0, p.extents[0])
	}
	return src, dst, inPlace
}

// tileLayout is a layout cut to a tile's shape: along each axis at most what
// there is.
func tileLayout(l ndarray.Layout, shape []int) ndarray.Layout {
	for a, n := range shape {
		l = l.Range(a, 0, min(n, l.Shape[a]))
	}
	return l
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

// traffic is the bytes over all passes, or what they cost, with runs that are
// apart and steps of the pipeline.
func (s *streamed) traffic(bytes bool) (total float64) {
	const most = 64 // tiles of a pass that are looked at; others are as the first, nearly
	for _, p := range s.passes {
		sum, n := 0.0, p.tiles()
		for i := range min(n, most) {
			src, dst := s.tileAt(p, i)
			read, readCost := stream.SourceTraffic(src)
			wrote, writeCost := stream.SinkTraffic(dst)
			if sum += read + wrote; !bytes {
				sum += readCost + writeCost + stream.StepCost - read - wrote
			}
		}
		total += sum * float64(n) / float64(max(min(n, most), 1))
	}
	return total
}

// tileAt is tile i at both ends.
func (s *streamed) tileAt(p *pass, i int) (src, dst ndarray.Layout) {
	if p.columns() {
		return p.from.panel(i), p.to.panel(i)
	}
	lo, hi := p.box(i)
	src, dst, _ = s.ends(p)
	return p.source(src, lo, hi), p.sink(dst, lo, hi)
}

// columns tells whether the pass goes through columns of panels.
func (p *pass) columns() bool { return p.from != nil && p.to != nil }

// source is what a box is of what the pass reads, sink of what it writes.
func (p *pass) source(l ndarray.Layout, lo, hi []int) ndarray.Layout {
	if p.from != nil {
		return p.from.tile(lo[0], hi[0])
	}
	return part(l, lo, hi, p, p.in)
}

func (p *pass) sink(l ndarray.Layout, lo, hi []int) ndarray.Layout {
	if p.to != nil {
		return p.to.tile(lo[0], hi[0])
	}
	return part(l, lo, hi, p, p.out)
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
		return tempBytes(q.layout())
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

// tiles is the number of them.
func (p *pass) tiles() int {
	if p.columns() {
		return p.to.count()
	}
	n := 1
	for a, e := range p.extents {
		n *= (p.out[a] + max(e, 1) - 1) / max(e, 1)
	}
	return n
}

// box is tile i, from index lo to hi of the output. The last axes go on first.
func (p *pass) box(i int) (lo, hi []int) {
	lo, hi = make([]int, len(p.out)), slices.Clone(p.out)
	for a := len(p.out) - 1; a >= 0; a-- {
		if e := max(p.extents[a], 1); e < p.out[a] {
			n := (p.out[a] + e - 1) / e
			lo[a] = i % n * e
			hi[a] = min(lo[a]+e, p.out[a])
			i /= n
		}
	}
	return lo, hi
}

// part is what a box is of an array at one end: whole along the axes of the
// pass, and no more than there is.
func part(l ndarray.Layout, lo, hi []int, p *pass, shape []int) ndarray.Layout {
	for a := range lo {
		from, to := lo[a], hi[a]
		if slices.Contains(p.axes, a) {
			from, to = 0, shape[a]
		}
		l = l.Range(a, min(from, l.Shape[a]), min(to, l.Shape[a]))
	}
	return l
}

// runStreamed goes through the passes.
func runStreamed[T simd.Float](s *streamed) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) error {
		if product(s.r.out) == 0 {
			return nil
		}
		arena := stream.NewArena(x.Mem, s.mem)
		src, between := x.Src[0], x.Dst[0]
		if n := s.temp(); n > 0 {
			blob, err := x.Temp(n)
			if err != nil {
				return err
			}
			between = kernels.Stored{Blob: blob, Layout: ndarray.NewLayout(s.complex, s.r.in...)}
		}
		for _, p := range s.passes {
			dst := between
			if p.last {
				dst = x.Dst[0]
			}
			arena.Reset()
			run := runPass[T]
			if p.columns() {
				run = runColumns[T]
			}
			if err := run(arena.Exec(x), s, p, src, dst); err != nil {
				return err
			}
			src = dst
		}
		return nil
	}
}

// passRun is a pass under way.
type passRun[T simd.Float] struct {
	s          *streamed
	p          *pass
	x          *kernels.Exec
	crew       *crew[T]
	src, dst   kernels.Stored
	inPlace    bool
	memIn      [2][]byte
	memOut     [3][]byte
	in, out    [3]stream.Piece
	bufA, bufB []byte
}

func runPass[T simd.Float](x *kernels.Exec, s *streamed, p *pass, src, dst kernels.Stored) error {
	in, out := p.tile()
	source, sink, inPlace := s.tileLayouts(p)
	r := &passRun[T]{s: s, p: p, x: x, src: src, dst: dst, inPlace: inPlace}
	if !inPlace {
		n := stream.SourceSize(source)
		r.memIn = [2][]byte{x.Mem.Alloc(n), x.Mem.Alloc(n)}
	}
	for i := range r.places() {
		r.memOut[i] = x.Mem.Alloc(stream.SinkSize(sink))
	}
	lengths := s.buffers(p, in, out)
	r.bufA = x.Mem.Alloc(lengths[0] * realSize[T]())
	if r.bufB = r.bufA; len(lengths) > 1 {
		r.bufB = x.Mem.Alloc(lengths[1] * realSize[T]())
	}
	r.crew = &crew[T]{w: x.W, space: spaceOf[T](x, s.need(p, in, out), s.r.threads), piece: s.r.params.Piece}
	steps := &stream.Steps{N: p.tiles(), Load: r.load, Compute: r.compute, Store: r.store}
	return steps.Run(x)
}

// places is how many tiles of output have memory.
func (r *passRun[T]) places() int {
	if r.inPlace {
		return 3
	}
	return 2
}

func (r *passRun[T]) load(f *stream.Flight, i int) []*stream.Move {
	lo, hi := r.p.box(i)
	if r.inPlace {
		at := i % 3
		r.out[at] = stream.Sink(kernels.Stored{Blob: r.dst.Blob, Layout: r.p.sink(r.dst.Layout, lo, hi)}, r.memOut[at])
		r.in[at] = r.out[at]
		return []*stream.Move{f.Load(&r.in[at])}
	}
	r.in[i%2] = stream.Source(kernels.Stored{Blob: r.src.Blob, Layout: r.p.source(r.src.Layout, lo, hi)}, r.memIn[i%2])
	return []*stream.Move{f.Load(&r.in[i%2])}
}

func (r *passRun[T]) store(f *stream.Flight, i int) []*stream.Move {
	return []*stream.Move{f.Store(&r.out[i%r.places()])}
}

// compute does tile i: in from the piece that was read, the axes, out to the
// piece that will be written.
func (r *passRun[T]) compute(i int) error {
	p, s := r.p, r.s
	lo, hi := p.box(i)
	at := i % r.places()
	if !r.inPlace {
		r.out[at] = stream.Sink(kernels.Stored{Blob: r.dst.Blob, Layout: p.sink(r.dst.Layout, lo, hi)}, r.memOut[at])
	}
	in, out := make([]int, len(lo)), make([]int, len(lo))
	for a := range lo {
		in[a], out[a] = hi[a]-lo[a], hi[a]-lo[a]
	}
	for _, a := range p.axes {
		in[a], out[a] = p.in[a], p.out[a]
	}
	a := arrayIn(r.bufA, s.endType(!p.real || s.r.inv), in)
	if err := p.fetch(r.x.W, a, r.in[at].Array); err != nil {
		return err
	}
	b := arrayIn(r.bufB, s.endType(!p.real || !s.r.inv), out)
	if err := r.axes(reals[T](b), reals[T](a), in, out); err != nil {
		return err
	}
	if p.to != nil {
		return p.to.write(r.x.W, r.out[at].Array, b)
	}
	return convert(r.x.W, r.out[at].Array, b)
}

// fetch copies a tile that was read to where it is computed.
func (p *pass) fetch(w *pool.Worker, dst, tile ndarray.Array) error {
	if p.from != nil {
		return p.from.read(w, dst, tile)
	}
	return load(w, dst, tile)
}

// endType is the type in which a tile is computed.
func (s *streamed) endType(complexes bool) ndarray.DType {
	if complexes {
		return s.complex
	}
	return s.r.prec
}

// arrayIn is a C-ordered array in a buffer.
func arrayIn(buf []byte, d ndarray.DType, shape []int) ndarray.Array {
	return ndarray.Array{Layout: ndarray.NewLayout(d, shape...), Data: buf}
}

// axes transforms a tile from src to dst, which are the same but for the real
// axis.
func (r *passRun[T]) axes(dst, src []T, in, out []int) error {
	s, p, q := r.s, r.p, r.s.r
	for i, a := range p.axes {
		final := p.final && i == len(p.axes)-1
		if p.real && a == q.axes[len(q.axes)-1] {
			if err := alongReal(r.crew, s.tileRequest(in, out), a, dst, src); err != nil {
				return err
			}
			continue
		}
		dir, shape, x := forward[T](), out, dst
		if q.inv {
			dir, shape, x = inverse(T(1)), in, src
			if final {
				dir = inverse(T(q.scale))
			}
		}
		if err := alongBy(r.crew, x, x, shape, a, dir, false, s.way(p, a)); err != nil {
			return err
		}
	}
	if p.final && !q.inv {
		return scaleAll(r.crew, dst, T(q.scale))
	}
	return nil
}
