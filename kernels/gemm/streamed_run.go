package gemm

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/stream"
)

// stored is a problem's arrays where they lie, of the shapes of the folded
// problem. c has no blob if it stays in memory: the result is left in streamRun.c.
type stored struct {
	a, b, c        kernels.Stored
	bias, residual kernels.Stored // without a blob if absent
}

// streamRun is a run of a cut. Its goroutine is that of the job's root task.
type streamRun struct {
	*cut
	s    stored
	x    *kernels.Exec
	f    *stream.Flight
	a, b supply
	// of strips
	old, bias, residual *stream.Feed // old: C's values, if they are not read into the tile
	ahead               *inputs      // of the strip that comes next
	next                panels       // of the step that comes next, on their way
	staging             [2][]byte
	staged              [2]*stream.Move
	turn                int // strips that were staged

	room   []byte         // of a tile of C, if it is direct
	c      ndarray.Array  // the tile's sums; its extents are the present tile's
	tile   stream.Piece   // direct: the tile
	box    [2][]int       // of the present tile
	writes []*stream.Move // of strips, the last of each place
	lag    int            // strips of the last tile beyond its own that a strip's place may overlap
	dots   []byte         // sums of parts

	lenders chan *lender
}

// run computes all tiles.
func (c *cut) run(x *kernels.Exec, s stored) (result ndarray.Array, err error) {
	r := &streamRun{cut: c, s: s, x: x, f: stream.NewFlight(x)}
	defer func() { err = r.f.End(err) }()
	if c.q.C.Len() == 0 {
		return r.c, nil
	}
	r.allocate()
	r.next = r.panelsOf(0)
	for step := range c.total() * c.panels() {
		if err := r.f.Err(); err != nil {
			return r.c, err
		}
		if err := r.step(step, r.next); err != nil {
			return r.c, err
		}
	}
	return r.c, nil
}

// allocate takes all memory.
func (r *streamRun) allocate() {
	mem, c := r.x.Mem, r.cut
	if c.depth > 0 {
		r.a = c.newSupply(mem, r.s.a, c.panelA(), len(c.extents)-1, c.wholeA, c.rollA, c.staysA())
		r.b = c.newSupply(mem, r.s.b, c.panelB(), len(c.extents)-2, c.wholeB, c.rollB, c.staysB())
	}
	strip := stream.SinkSize(c.stripOf(c.q.C.Layout))
	if c.way.direct {
		r.room = mem.Alloc(stream.SinkSize(c.tileOf(c.q.C.Layout)))
	} else {
		r.room = mem.Alloc(c.sums().Bytes())
		r.staging = [2][]byte{mem.Alloc(strip), mem.Alloc(strip)}
		if c.q.Beta != 0 {
			r.old = stream.NewFeed(mem, strip, stream.Sink)
		}
	}
	if r.s.bias.Blob != nil {
		r.bias = stream.NewFeed(mem, stream.SourceSize(c.stripOf(r.s.bias.Layout)), stream.Source)
	}
	if r.s.residual.Blob != nil {
		r.residual = stream.NewFeed(mem, stream.SourceSize(c.stripOf(r.s.residual.Layout)), stream.Source)
	}
	if n := c.dotBytes(); n > 0 {
		r.dots = mem.Alloc(int(n))
	}
	r.lenders = c.newLenders(mem, threads(r.x.W))
}

// supply is A or B on its way into memory.
type supply struct {
	roll  *roll // nil, and stay too: panels come whole, by feed
	stay  *stay
	feed  *stream.Feed
	s     kernels.Stored
	axis  int // that runs along k
	whole bool
	asked int              // panels so far
	last  [2]*stream.Piece // and the last two of them
	moves [2]*stream.Move
}

func (c *cut) newSupply(mem kernels.Memory, s kernels.Stored, panel ndarray.Layout, axis int, whole, rolls, stays bool) supply {
	switch {
	case rolls:
		return supply{roll: c.newRoll(mem, s, panel, axis)}
	case stays:
		return supply{stay: c.newStay(mem, s, panel, axis)}
	}
	return supply{feed: stream.NewFeed(mem, stream.SourceSize(panel), stream.Source), s: s, axis: axis, whole: whole}
}

// panels are the parts of A and B that a step multiplies.
type panels struct {
	a, b  ndarray.Array
	moves [2]*stream.Move
	k0    int // where they begin along k
}

// panel starts loading the panel that a step needs, unless that was done, and
// tells where its values will be.
func (r *streamRun) panel(d *supply, step int) (ndarray.Array, *stream.Move) {
	k0, k1 := r.span(step)
	if l := d.roll; l != nil {
		if step == 0 {
			l.load(r.f, l.next, 1)
		}
		return l.of(step/r.panels()).Range(l.axis, k0, k1), nil
	}
	if d.stay != nil {
		return d.stay.panel(r.f, r.cut, step%r.panels())
	}
	if !d.whole {
		r.load(d, step)
		return d.last[step%2].Array, d.moves[step%2]
	}
	t := step / r.panels()
	r.load(d, t)
	return d.last[t%2].Array.Range(d.axis, k0, k1), d.moves[t%2]
}

// load starts loading panels up to number i, which takes the place of number i-2.
func (r *streamRun) load(d *supply, i int) {
	for ; d.asked <= i; d.asked++ {
		t, k0, k1 := d.asked, 0, r.depth
		if !d.whole {
			t = d.asked / r.panels()
			k0, k1 = r.span(d.asked)
		}
		lo, hi := r.boxOf(t)
		lo[d.axis], hi[d.axis] = k0, k1
		d.last[d.asked%2], d.moves[d.asked%2] = d.feed.Load(r.f, stream.Box(d.s, lo, hi))
	}
}

// span is the values along k of a step.
func (c *cut) span(step int) (k0, k1 int) {
	k0 = step % c.panels() * c.kp
	return k0, min(k0+c.kp, c.depth)
}

// boxOf is tile t of C. The axis that goes on first is the last one, or the one
// before it.
func (c *cut) boxOf(t int) (lo, hi []int) {
	n, r := c.tiles(), len(c.extents)
	order := make([]int, r)
	for i := range order {
		order[i] = i
	}
	if !c.rowsFirst {
		order[r-2], order[r-1] = r-1, r-2
	}
	lo, hi = make([]int, r), make([]int, r)
	for i := r - 1; i >= 0; i-- {
		axis := order[i]
		lo[axis] = t % n[axis] * c.extents[axis]
		hi[axis] = min(lo[axis]+c.extents[axis], c.q.C.Shape[axis])
		t /= n[axis]
	}
	return lo, hi
}

// panelsOf starts loading what a step needs. The step before the last one is
// over.
func (r *streamRun) panelsOf(step int) (p panels) {
	if r.depth == 0 {
		return p
	}
	p.k0, _ = r.span(step)
	p.a, p.moves[0] = r.panel(&r.a, step)
	p.b, p.moves[1] = r.panel(&r.b, step)
	if t := step / r.panels(); step%r.panels() == 1 && t+1 < r.total() { // of the last tile nothing is in use
		for _, d := range []*supply{&r.a, &r.b} {
			if d.feed != nil && d.whole {
				r.load(d, t+1)
			}
		}
	}
	return p
}

// inputs are what a strip needs beside the panels, on its way.
type inputs struct {
	old, bias, residual *stream.Piece
	moves               []*stream.Move
}

// step multiplies the panels of a step. What comes after is asked for when they
// are there: the disk has one thing to do at a time, and the first of it soonest.
func (r *streamRun) step(step int, p panels) error {
	first, last := step%r.panels() == 0, (step+1)%r.panels() == 0
	if first {
		if err := r.enter(step / r.panels()); err != nil {
			return err
		}
	}
	n := r.c.Shape[r.stripAxis()]
	size := r.strip()
	if !first && !last {
		size = n
	} else if err := r.fetch(0, min(size, n), first, last); err != nil {
		return err
	}
	if err := waitAll(p.moves[:]); err != nil {
		return err
	}
	if err := r.rolled(0); err != nil {
		return err
	}
	if step+1 < r.total()*r.panels() {
		r.next = r.panelsOf(step + 1)
	}
	for lo := 0; lo < n; lo += size {
		hi := min(lo+size, n)
		in := r.ahead
		r.ahead = nil
		if hi < n {
			if err := r.fetch(hi, min(hi+size, n), first, last); err != nil {
				return err
			}
		}
		if err := r.rolled(lo / size); err != nil {
			return err
		}
		if err := r.doStrip(p, lo, hi, first, last, in); err != nil {
			return err
		}
	}
	return nil
}

// rolling is the one of A and B that comes strip by strip; nil if none does.
func (r *streamRun) rolling() *roll {
	if r.a.roll != nil {
		return r.a.roll
	}
	return r.b.roll
}

// rolled waits for strip i of what comes strip by strip.
func (r *streamRun) rolled(i int) error {
	if l := r.rolling(); l != nil {
		return l.there(r.f, i)
	}
	return nil
}

// enter begins a tile of C. Its strips take the places of those of the last one,
// which have to be written first.
func (r *streamRun) enter(t int) error {
	before := r.c.Layout
	lo, hi := r.boxOf(t)
	r.box = [2][]int{lo, hi}
	part := stream.Box(r.s.c, lo, hi)
	if r.way.direct {
		r.tile = stream.Sink(part, r.room)
		r.c = r.tile.Array
	} else {
		r.c = ndarray.Array{Layout: ndarray.NewLayout(r.q.scheme.sum, part.Layout.Shape...), Data: r.room}
	}
	if l := r.rolling(); l != nil {
		l.enter(t)
	}
	if t == 0 {
		r.writes = make([]*stream.Move, r.strips())
		return nil
	}
	left := count(before.Shape[r.stripAxis()], r.strip()) // of tiles before the last one, if that was smaller
	if r.lag = r.cut.lag(before, r.c.Layout); r.lag == r.strips() {
		r.lag, left = 0, 0
	}
	return waitAll(r.writes[left:])
}

// waitAll waits for all, up to the first error; the flight's End waits for the
// rest.
func waitAll(moves []*stream.Move) error {
	for _, m := range moves {
		if err := m.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// free waits until the place of the strip from lo on is free: until what is in it
// of the last tile is written. What came before it has been waited for.
func (r *streamRun) free(lo int) error {
	i := lo / r.strip()
	return waitAll(r.writes[i:min(i+r.lag+1, len(r.writes))])
}

// fetch starts loading what strip [lo, hi) of the tile needs.
func (r *streamRun) fetch(lo, hi int, first, last bool) error {
	in := &inputs{}
	r.ahead = in
	add := func(m *stream.Move) { in.moves = append(in.moves, m) }
	if first && r.q.Beta != 0 {
		if r.way.direct {
			if err := r.free(lo); err != nil {
				return err
			}
			part := r.tile.Range(r.stripAxis(), lo, hi)
			add(r.f.Load(&part))
		} else {
			var m *stream.Move
			in.old, m = r.old.Load(r.f, r.stripOfTile(r.s.c, lo, hi))
			add(m)
		}
	}
	if last && r.bias != nil {
		var m *stream.Move
		in.bias, m = r.bias.Load(r.f, r.stripOfTile(r.s.bias, lo, hi))
		add(m)
	}
	if last && r.residual != nil {
		var m *stream.Move
		in.residual, m = r.residual.Load(r.f, r.stripOfTile(r.s.residual, lo, hi))
		add(m)
	}
	return nil
}

// stripOfTile is strip [lo, hi) of the present tile of s.
func (r *streamRun) stripOfTile(s kernels.Stored, lo, hi int) kernels.Stored {
	return stream.Range(stream.Box(s, r.box[0], r.box[1]), r.stripAxis(), lo, hi)
}

// doStrip computes a strip, and starts writing it if it is finished.
func (r *streamRun) doStrip(p panels, lo, hi int, first, last bool, in *inputs) error {
	axis := r.stripAxis()
	c := r.c.Range(axis, lo, hi)
	if in == nil {
		in = &inputs{}
	}
	if err := waitAll(in.moves); err != nil {
		return err
	}
	if first {
		if err := r.free(lo); err != nil {
			return err
		}
	}
	if in.old != nil {
		if err := r.convert(c, in.old.Array); err != nil {
			return err
		}
	}
	q := r.stripProblem(p, c, lo, hi)
	if !first && r.way.vector != dots {
		q.Beta = 1
	}
	q.Bias, q.Residual, q.Act = arrayOf(in.bias), arrayOf(in.residual), ""
	if last {
		q.Act = r.q.Act
	}
	if err := r.multiply(q, p.k0, last); err != nil {
		return err
	}
	if l := r.rolling(); last && l != nil {
		l.used(r.f, lo/r.strip())
	}
	if last && r.s.c.Blob != nil {
		return r.write(c, lo, hi)
	}
	return nil
}

// arrayOf is a piece's array; nil of none.
func arrayOf(p *stream.Piece) *ndarray.Array {
	if p == nil {
		return nil
	}
	return &p.Array
}

// stripProblem is the product of the strip's parts of the panels.
func (r *streamRun) stripProblem(p panels, c ndarray.Array, lo, hi int) *Problem {
	q := *r.q
	axis, rank := r.stripAxis(), c.Rank()
	q.C = c
	if r.depth == 0 { // not read
		q.A = empty(q.A, c.Shape[:rank-2], c.Shape[rank-2], 0)
		q.B = empty(q.B, c.Shape[:rank-2], 0, c.Shape[rank-1])
		return &q
	}
	q.A, q.B = p.a, p.b
	if axis != rank-1 {
		q.A = q.A.Range(axis, lo, hi)
	}
	if axis != rank-2 {
		q.B = q.B.Range(axis, lo, hi)
	}
	return &q
}

// empty is an array of a's type without elements, all of which lie in one place.
func empty(a ndarray.Array, batch []int, m, n int) ndarray.Array {
	l := ndarray.NewLayout(a.DType, append(slices.Clone(batch), m, n)...)
	clear(l.Strides)
	return ndarray.Array{Layout: l}
}

// write starts writing a finished strip.
func (r *streamRun) write(c ndarray.Array, lo, hi int) error {
	i := lo / r.strip()
	if r.way.direct {
		part := r.tile.Range(r.stripAxis(), lo, hi)
		r.writes[i] = r.f.Store(&part)
		return nil
	}
	place := r.turn % 2
	r.turn++
	if err := r.staged[place].Wait(); err != nil {
		return err
	}
	part := stream.Sink(r.stripOfTile(r.s.c, lo, hi), r.staging[place])
	if err := r.convert(part.Array, c); err != nil {
		return err
	}
	r.staged[place] = r.f.Store(&part)
	return nil
}

// convert is ndarray.Convert of stacks of matrices.
func (r *streamRun) convert(dst, src ndarray.Array) error {
	if dst.Rank() == 2 {
		return convertRows(r.x.W, dst, src)
	}
	grain := max(1, (1<<16)/max(dst.Len()/dst.Shape[0], 1))
	return forRange(r.x.W, dst.Shape[0], grain, func(_ *pool.Worker, lo, hi int) {
		if err := ndarray.Convert(dst.Range(0, lo, hi), src.Range(0, lo, hi)); err != nil {
			panic(err) // the shapes are equal
		}
	})
}

// multiply computes q the way that the whole problem goes. k0 is where its panel
// begins, last tells that it is the last one.
func (r *streamRun) multiply(q *Problem, k0 int, last bool) error {
	if r.way.vector == dots && r.panels() > 1 {
		if q.scheme.sum == ndarray.F64 {
			return dotPanel[float64](r, q.item(0), k0, last)
		}
		return dotPanel[float32](r, q.item(0), k0, last)
	}
	if cap(r.lenders) == 1 {
		l := <-r.lenders
		defer func() { r.lenders <- l }()
		return q.eachItem(func(i *Problem) error { return i.runWay(r.way, r.x.W, l) })
	}
	grain := max(1, int(itemsWork/q.work()))
	return forRange(r.x.W, q.items(), grain, func(_ *pool.Worker, lo, hi int) {
		l := <-r.lenders
		defer func() { r.lenders <- l }()
		for i := lo; i < hi; i++ {
			_ = q.item(i).runWay(r.way, nil, l) // without a worker nothing can be cancelled
		}
	})
}

// runWay computes an item.
func (q *Problem) runWay(how way, w *pool.Worker, l *lender) error {
	var p product
	q.bind(&p)
	p.lender = l
	if how.transposed {
		p.transpose()
	}
	switch how.vector {
	case dots:
		return p.dotRows(w)
	case adds:
		return p.addRows(w)
	}
	return p.run(w)
}

// dotPanel adds up a panel of the products with a vector, and finishes C after
// the last.
func dotPanel[T float32 | float64](r *streamRun, q *Problem, k0 int, last bool) error {
	var p product
	q.bind(&p)
	if r.way.transposed {
		p.transpose()
	}
	all := dotParts(r.depth) * p.c.rows
	l := ndarray.NewLayout(q.scheme.sum, all)
	sums := ndarray.Slice[T](ndarray.Array{Layout: l, Data: r.dots})
	if err := dotSums(&p, r.x.W, sums[k0/dotDepth*p.c.rows:]); err != nil {
		return err
	}
	if last {
		dotFinish(&p, sums)
	}
	return nil
}

// lenderSizes are the buffers that a tile needs at the most, and whether workers
// take whole items, each with buffers of its own.
func (c *cut) lenderSizes() (z sizes, items bool) {
	if c.way.vector != noVector {
		return z, false
	}
	m, n := c.tile()
	if c.way.transposed {
		m, n = n, m
	}
	z = c.q.sizesFor(m, n, c.kp, false)
	if c.narrow {
		z.narrow(c.q)
	}
	return z, slices.Max(append([]int{1}, c.extents[:len(c.extents)-2]...)) > 1 && c.q.smallItems()
}

// lenderBytes is the memory of the buffers.
func (c *cut) lenderBytes() int64 {
	z, _ := c.lenderSizes()
	return int64(c.q.planThreads()) * z.own()
}

// newLenders makes the buffers: for the pool, or one for each of its workers.
func (c *cut) newLenders(mem kernels.Memory, t int) chan *lender {
	z, items := c.lenderSizes()
	n := 1
	if t = min(t, c.q.planThreads()); items {
		n, t = t, 1
	}
	lenders := make(chan *lender, n)
	for range n {
		lenders <- &lender{buffers: z.buffers(mem, t)}
	}
	return lenders
}
