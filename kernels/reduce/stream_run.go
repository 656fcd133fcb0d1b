package reduce

import (
	"math/bits"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// tilesRun is a streamed reduction under way.
type tilesRun struct {
	x        *kernels.Exec
	flight   *stream.Flight
	sources  [2]slot
	sinks    [2]slot
	lanes    *scratch.Lanes
	partial  []byte
	kept     []byte
	joins    []byte
	stageMem []byte

	tile int // the tile under work
	pass int // of it
}

// slot is one of two places in memory that pieces pass through in turn.
type slot struct {
	room  []byte
	id    int // of the chunk in it, or -1
	piece stream.Piece
	k0, n int // the elements of K in it
	move  *stream.Move
}

// run reduces tile by tile.
func (s *tiles) run(x *kernels.Exec) (err error) {
	s.tilesRun = tilesRun{x: x, flight: stream.NewFlight(x)}
	defer func() { err = s.flight.End(err) }()
	s.allocate()
	answer := ndarray.New(s.result)
	for s.tile = range s.count() {
		if err := s.flight.Err(); err != nil {
			return err
		}
		out, err := s.openSink(answer)
		if err != nil {
			return err
		}
		if err := s.reduce(out); err != nil {
			return err
		}
		if s.writes() {
			sink := &s.sinks[s.tile%2]
			sink.move = s.flight.Store(&sink.piece)
		}
	}
	if !s.writes() {
		x.Answer(Format(answer))
	}
	return s.flight.Err()
}

// allocate takes all memory of the run.
func (s *tiles) allocate() {
	n := &s.need
	s.lanes = scratch.NewLanes(s.x.Mem, n.lane, n.workers(n.pieces))
	alloc := s.x.Mem.Alloc
	s.partial, s.kept, s.joins = alloc(n.partial), alloc(n.fixed), alloc(n.joins)
	if s.room > 0 {
		g := s.geometryOf(s.t.Extents)
		s.stageMem = alloc(s.room * g.outputs() * s.in.DType.Size())
	}
	for i := range 2 {
		s.sources[i].id = -1
		if s.reads() {
			l := s.tiled(s.in)
			l.Shape = s.t.Extents
			s.sources[i].room = alloc(stream.SourceSize(l))
		}
		if s.writes() {
			l := s.out
			l.Shape = s.t.Extents[:s.o+s.w]
			s.sinks[i].room = alloc(stream.SinkSize(l))
		}
	}
}

// openSink is the memory for the tile's results.
func (s *tiles) openSink(answer ndarray.Array) (ndarray.Array, error) {
	if !s.writes() {
		return answer, nil
	}
	dst := s.x.Dst[0]
	dst.Layout = outputView(&s.j.g, dst.Layout, s.j.c.Bool("keepdims"))
	sink := &s.sinks[s.tile%2]
	if err := sink.move.Wait(); err != nil {
		return ndarray.Array{}, err
	}
	sink.piece = stream.Sink(s.sink(dst, s.tile), sink.room)
	return sink.piece.Array, nil
}

// reduce runs the verb on the tile: on all of it, or with passes over chunks.
func (s *tiles) reduce(out ndarray.Array) error {
	lo, hi := s.t.Box(s.tile * s.perTile())
	extents := make([]int, len(lo))
	for i := range lo {
		extents[i] = hi[i] - lo[i]
	}
	j := s.j
	j.x, j.out, j.lanes, j.partial, j.kept, j.stream = s.x, out, s.lanes, s.partial, s.kept, s
	if j.g = s.geometryOf(extents); s.chunks > 1 {
		j.g.k = s.j.g.k
	}
	j.in = ndarray.Array{Layout: s.in}
	s.pass = 0
	if s.chunks == 1 && s.reads() {
		p, err := s.source(s.tile)
		if err != nil {
			return err
		}
		j.in = s.ordered(p.piece.Array)
	}
	return s.verb.run(&j)
}

// ordered is a piece with its axes in the order O, K, W.
func (s *tiles) ordered(a ndarray.Array) ndarray.Array {
	var axes []int
	for i := range a.Rank() {
		axes = append(axes, i)
	}
	kept := s.o + s.w
	return a.Permute(slices.Concat(axes[:s.o], axes[kept:], axes[s.o:kept])...)
}

// source is the chunk of that number, over all tiles, in memory; and it has the
// one that comes next read meanwhile.
func (s *tiles) source(id int) (*slot, error) {
	k := slices.IndexFunc(s.sources[:], func(p slot) bool { return p.id == id })
	if k < 0 {
		k = 0
		if s.sources[0].id > s.sources[1].id {
			k = 1 // the older one goes
		}
		if err := s.load(k, id); err != nil {
			return nil, err
		}
	}
	if next := s.next(id); next >= 0 && s.sources[1-k].id != next {
		if err := s.load(1-k, next); err != nil {
			return nil, err
		}
	}
	return &s.sources[k], s.sources[k].move.Wait()
}

// next is the chunk that is wanted after one, as far as it is known; -1 if none
// is.
func (s *tiles) next(id int) int {
	switch last := (s.tile+1)*s.chunks - 1; {
	case id < last:
		return id + 1
	case s.chunks > 1 && s.pass+1 < s.need.passes:
		return s.tile * s.chunks
	case s.tile+1 < s.count():
		return id + 1
	}
	return -1
}

// load starts reading a chunk into a place.
func (s *tiles) load(k, id int) error {
	p := &s.sources[k]
	if err := p.move.Wait(); err != nil {
		return err
	}
	src := s.x.Src[0]
	src.Layout = s.arranged(src.Layout)
	part, k0, n := s.cut(src, id/s.chunks, id%s.chunks)
	p.id, p.k0, p.n, p.piece = id, k0, n, stream.Source(part, p.room)
	p.move = s.flight.Load(&p.piece)
	return nil
}

// reduceTile is reduce on a streamed job: on what is in memory, or on chunks.
func reduceTile[T ndarray.Element, A any](j *job, r *reduction[T, A], sink func(vals []A, o int)) error {
	s := j.stream
	defer func() { s.pass++ }()
	if s.chunks == 1 {
		return reduce(j, r, sink)
	}
	c := &joiner[T, A]{reduction: r, j: j, sink: sink}
	buf := s.joins
	c.stack = scratch.Carve[A](&buf, s.need.levels*j.g.outputs())
	if err := s.eachChunk(j, c.add); err != nil {
		return err
	}
	return c.finish()
}

// eachChunk calls f with K chunk by chunk, as arrays of the axes O, K, W, O and W
// perhaps of several axes. Chunks begin at multiples of the unit.
func (s *tiles) eachChunk(j *job, f func(a ndarray.Array, k0, n int) error) error {
	if s.room > 0 {
		return s.eachStaged(j, f)
	}
	for c := range s.chunks {
		p, err := s.source(s.tile*s.chunks + c)
		if err != nil {
			return err
		}
		if err := f(s.ordered(p.piece.Array), p.k0, p.n); err != nil {
			return err
		}
	}
	return nil
}

// eachStaged puts chunks together in memory, and gives what makes up units.
func (s *tiles) eachStaged(j *job, f func(a ndarray.Array, k0, n int) error) error {
	l := ndarray.NewLayout(s.in.DType, j.g.o, s.room, j.g.w)
	l.Swapped = s.in.Swapped
	stage := ndarray.Array{Layout: l, Data: s.stageMem}
	begin, fill := 0, 0
	for c := range s.chunks {
		p, err := s.source(s.tile*s.chunks + c)
		if err != nil {
			return err
		}
		if err := s.copyIn(s.x, stage, p.piece.Array, fill, p.n); err != nil {
			return err
		}
		fill += p.n
		n := fill - fill%s.unit
		if c == s.chunks-1 {
			n = fill
		}
		if n == 0 {
			continue
		}
		if err := f(stage.Range(1, 0, n), begin, n); err != nil {
			return err
		}
		row := l.Strides[1]
		for o := range j.g.o { // what is left goes to the front
			at := s.stageMem[o*l.Strides[0]:]
			copy(at[:(fill-n)*row], at[n*row:fill*row])
		}
		begin, fill = begin+n, fill-n
	}
	return nil
}

// joiner joins the segments of chunks as a binary counter does it: behind
// segment i as many joins are done as i+1 has trailing zeros. That is the tree
// that joining neighbours level by level gives, an odd last one moving up.
type joiner[T ndarray.Element, A any] struct {
	*reduction[T, A]
	j     *job
	sink  func(vals []A, o int)
	stack []A // rows of a value an output
	top   int // rows in use
	seen  int // segments
}

// add reduces the segments of a chunk and joins them.
func (c *joiner[T, A]) add(a ndarray.Array, k0, n int) error {
	s, g := c.j.stream, c.j.g
	g.k = n
	p := &pass[T, A]{reduction: c.reduction, g: g, split: g.splitBy(s.unit), len: c.lengths(&g), chunk: true, base: k0, lanes: s.lanes}
	p.in = c.reader(a)
	buf, segs := s.partial, p.split.segs
	partial := scratch.Carve[A](&buf, g.outputs()*segs)
	if err := p.segments(s.x.W, partial); err != nil {
		return err
	}
	err := s.x.W.For(g.outputs(), pieceElements, func(_ *pool.Worker, lo, hi int) {
		top := c.top
		for i := range segs {
			row := c.row(top, lo, hi)
			for o := lo / g.w; o*g.w < hi; o++ {
				from, to := max(lo, o*g.w), min(hi, (o+1)*g.w)
				copy(row[from-lo:to-lo], partial[(o*segs+i)*g.w+from-o*g.w:])
			}
			top++
			for k := c.seen + i + 1; k%2 == 0; k /= 2 {
				top--
				c.joinRow(c.row(top-1, lo, hi), c.row(top, lo, hi))
			}
		}
	})
	c.seen += segs
	c.top = bits.OnesCount(uint(c.seen))
	return err
}

// row is places lo to hi-1 of row i.
func (c *joiner[T, A]) row(i, lo, hi int) []A {
	n := c.j.g.outputs()
	return c.stack[i*n+lo : i*n+hi]
}

// joinRow joins as the reduction in core does: one by one inside, by loops
// outside.
func (c *joiner[T, A]) joinRow(acc, x []A) {
	if !c.j.g.inner {
		c.fold(acc, x)
		return
	}
	for i := range acc {
		acc[i] = c.join(acc[i], x[i])
	}
}

// finish joins what is left and hands it to the sink.
func (c *joiner[T, A]) finish() error {
	return c.j.x.W.For(c.j.g.outputs(), block, func(_ *pool.Worker, lo, hi int) {
		for top := c.top; top > 1; top-- {
			c.joinRow(c.row(top-2, lo, hi), c.row(top-1, lo, hi))
		}
		c.sink(c.row(0, lo, hi), lo)
	})
}
