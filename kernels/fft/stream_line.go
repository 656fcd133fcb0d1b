package fft

import (
	"fmt"
	"math"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// lineStream is a single line that does not fit into memory: the two sweeps of
// its two-step transform, n1·n2 points, are two passes. The first reads blocks
// of columns of the line seen as n1 rows, and writes the twiddled transforms to
// temporary space, as [block of k1][j2][vector]; the second reads blocks of k1,
// which lie together, and writes columns of the result seen as n2 rows. Bailey's
// external algorithm, with the arithmetic of [twoStep]: the bits are the same.
// Where columns would be many short runs, one more pass copies the line to
// panels before, or the result from them behind. A last block that is not whole
// overlaps the one before it, as in core: both are in one tile.
type lineStream struct {
	*streamed
	n1, n2   int
	src, dst ndarray.Layout // as matrices: n1 x n2 and n2 x n1
	cols     int            // columns of a tile of the first pass
	blocks   int            // blocks of k1 of a tile of the second
	from, to *panels        // of the line and of the result, or nil
	copies   [2]*pass       // to the one and from the other
	mem      int64
}

// line is nil if the request is not a single line of two sweeps in blocks of one
// vector.
func (s *streamed) line() *lineStream {
	r := s.r
	if r.real || len(r.shape) != 1 || s.src.Shape[0] != r.shape[0] || s.dst.Shape[0] != r.shape[0] {
		return nil
	}
	n1, n2, ok := s.m.sweeps(r.shape[0])
	if !ok {
		return nil
	}
	return &lineStream{streamed: s, n1: n1, n2: n2, src: asMatrix(s.src, n1, n2), dst: asMatrix(s.dst, n2, n1)}
}

// sweeps is the factors of a two-step transform whose sweeps can be passes over blocks
// of one vector: twiddles are products of two tables, and sweeps are no routine of their
// own. Blocks of several vectors, as shorter lines have in core, have the same bits.
func (m machine) sweeps(n int) (n1, n2 int, ok bool) {
	n1, n2, ok = split(n, m)
	return n1, n2, ok && n > factorAbove && !m.fuses(n1, n2) && n1 >= m.w && n2 >= m.w
}

// asMatrix sees a line as rows one behind the other.
func asMatrix(l ndarray.Layout, rows, cols int) ndarray.Layout {
	step := l.Strides[0]
	l.Shape, l.Strides = []int{rows, cols}, []int{cols * step, step}
	return l
}

// between is the temporary space's layout: vectors of W real and W imaginary
// parts.
func (l *lineStream) between() ndarray.Layout {
	return ndarray.NewLayout(l.r.prec, tilesOf(l.n1, l.m.w), l.n2, 2*l.m.w)
}

// atMost is the greatest number of blocks a tile, no more than most, with which the
// last tile of n columns has a whole block, beside one that is not; 0 if there is
// none.
func (l *lineStream) atMost(most, n int) int {
	whole, all := n/l.m.w, tilesOf(n, l.m.w)
	for most = min(most, all); most < all && all > whole && most > 0 && whole%most == 0; {
		most--
	}
	return most
}

// least is the smallest such number.
func (l *lineStream) least(n int) int {
	b := 1
	for l.atMost(b, n) == 0 {
		b++
	}
	return b
}

// stream plans passes that take at most mem bytes, by way of panels where that
// costs less, or where columns lie so near to each other that all is read for some.
func (l *lineStream) stream(mem int64) (*kernels.Streamed, error) {
	var best *lineStream
	least := int64(math.MaxInt64)
	for _, ends := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		c := l.by(ends[0], ends[1], mem)
		if c.mem > mem {
			least = min(least, l.by(ends[0], ends[1], 0).mem)
		} else if best == nil || c.traffic(false) < best.traffic(false) {
			best = c
		}
	}
	if best == nil {
		return nil, &stream.NoMemError{Least: least, Have: mem}
	}
	out := &kernels.Streamed{Mem: best.mem, Moved: best.traffic(true), Temp: best.temp(), Explain: best.explain()}
	out.Run = runLine[float64](best)
	if l.r.prec == ndarray.F32 {
		out.Run = runLine[float32](best)
	}
	return out, nil
}

// by is the plan with panels of the line, or of the result. It may take more
// than mem, if even the least tiles do.
func (l *lineStream) by(from, to bool, mem int64) *lineStream {
	c := *l
	grow := func(n int, set func(blocks int), need func() int64) {
		for at := c.least(n); ; {
			set(at)
			next := c.atMost(2*at, n)
			if next <= at {
				return
			}
			if set(next); need() > mem {
				set(at)
				return
			}
			at = next
		}
	}
	first := func() int64 {
		if from {
			c.from = &panels{c.complex, c.n1, c.n2, c.cols}
		}
		return c.firstMem()
	}
	second := func() int64 {
		if to {
			c.to = &panels{c.complex, c.n2, c.n1, min(c.blocks*c.m.w, c.n1)}
		}
		return c.secondMem()
	}
	grow(c.n2, func(blocks int) { c.cols = c.columns(blocks) }, first)
	grow(c.n1, func(blocks int) { c.blocks = blocks }, second)
	c.mem = max(first(), second())
	c.copies = [2]*pass{}
	if from {
		c.copies[0] = c.copyPass(c.src.Shape, nil, c.from, mem)
	}
	if to {
		c.copies[1] = c.copyPass(c.dst.Shape, c.to, nil, mem)
	}
	for _, p := range c.copies {
		if p != nil {
			c.mem = max(c.mem, p.mem)
		}
	}
	return &c
}

// columns is how many columns a tile of so many blocks has.
func (l *lineStream) columns(blocks int) int { return min(blocks*l.m.w, l.n2) }

// matrices is what the copies see: the line and the result as matrices.
func (l *lineStream) matrices() *streamed {
	return &streamed{r: l.r, m: l.m, src: l.src, dst: l.dst, complex: l.complex}
}

func (l *lineStream) copyPass(shape []int, from, to *panels, mem int64) *pass {
	p := &pass{first: to != nil, last: from != nil, in: shape, out: shape, extents: []int{1, shape[1]}, from: from, to: to}
	s := l.matrices()
	p.mem = s.passMem(p)
	s.growRows(p, mem)
	return p
}

func (l *lineStream) explain() []kernels.Entry {
	texts := []string{
		fmt.Sprintf("%d tiles of %dx%d", tilesOf(l.n2, l.cols), l.n1, l.cols),
		fmt.Sprintf("%d tiles of %dx%d", tilesOf(l.n1, l.blocks*l.m.w), l.n2, l.blocks*l.m.w),
	}
	text := func(p *pass) string {
		return fmt.Sprintf("a copy, %d tiles of %s", p.tiles(), ndarray.ShapeString(p.extents))
	}
	if p := l.copies[0]; p != nil {
		texts = append([]string{text(p)}, texts...)
	}
	if p := l.copies[1]; p != nil {
		texts = append(texts, text(p))
	}
	out := make([]kernels.Entry, len(texts))
	for i, t := range texts {
		out[i] = kernels.Entry{Term: "pass" + itoa(i+1), Text: t}
	}
	return out
}

// tilesOf is the number of tiles of n things, by at a time.
func tilesOf(n, by int) int { return (n + by - 1) / by }

// taskReals is the scratch of a task: the two tiles of a sweep, a vector wide.
func (l *lineStream) taskReals() int { return 2 * l.tileReals() }
func (l *lineStream) tileReals() int { return 2 * l.m.w * max(roundUp(l.n1, l.m.w), l.n2) }

// columnTile is columns lo to hi-1 of the line, where the first pass finds them;
// resultTile columns of the result, where the second leaves them. A panel is
// taken whole.
func (l *lineStream) columnTile(lo, hi int) ndarray.Layout {
	if l.from != nil {
		return l.from.panel(lo / l.from.width)
	}
	return l.src.Range(1, lo, hi)
}

func (l *lineStream) resultTile(lo, hi int) ndarray.Layout {
	if l.to != nil {
		return l.to.panel(lo / l.to.width)
	}
	return l.dst.Range(1, lo, hi)
}

// firstMem is the bytes of the first pass: pieces read twice, written twice, a
// buffer, and what tasks need. secondMem is that of the second.
func (l *lineStream) firstMem() int64 {
	return l.passBytes(l.columnTile(0, l.cols), l.between().Range(1, 0, l.cols), l.bufferReals(l.from, l.n1*l.cols))
}

func (l *lineStream) secondMem() int64 {
	k := min(l.blocks*l.m.w, l.n1)
	return l.passBytes(l.between().Range(0, 0, l.blocks), l.resultTile(0, k), l.bufferReals(l.to, l.n2*k))
}

// bufferReals is the buffer of a pass for that many points. Panels need none:
// they are computed where they lie.
func (l *lineStream) bufferReals(q *panels, points int) int {
	if q != nil {
		return 0
	}
	return 2 * points
}

func (l *lineStream) passBytes(source, sink ndarray.Layout, buffer int) int64 {
	size := l.r.prec.Size()
	return int64(2*stream.Padded(stream.SourceSize(source)) + 2*stream.Padded(stream.SinkSize(sink)) + stream.Padded(buffer*size) + l.r.threads*stream.Padded(l.taskReals()*size))
}

// temp is the bytes of temporary space: that between the passes, and panels
// of the line, whose place those of the result take.
func (l *lineStream) temp() int64 { return tempBytes(l.between()) + l.panelBytes() }

func (l *lineStream) panelBytes() (n int64) {
	for _, q := range []*panels{l.from, l.to} {
		if q != nil {
			n = max(n, tempBytes(q.layout()))
		}
	}
	return n
}

// traffic is as [streamed.traffic].
func (l *lineStream) traffic(bytes bool) (total float64) {
	add := func(src, dst ndarray.Layout) {
		read, readCost := stream.SourceTraffic(src)
		wrote, writeCost := stream.SinkTraffic(dst)
		if total += read + wrote; !bytes {
			total += readCost + writeCost + stream.StepCost - read - wrote
		}
	}
	for i := range tilesOf(l.n2, l.cols) {
		lo, hi := i*l.cols, min((i+1)*l.cols, l.n2)
		add(l.columnTile(lo, hi), l.between().Range(1, lo, hi))
	}
	for i := range tilesOf(l.n1, l.blocks*l.m.w) {
		lo, hi := i*l.blocks, min((i+1)*l.blocks, tilesOf(l.n1, l.m.w))
		add(l.between().Range(0, lo, hi), l.resultTile(lo*l.m.w, min(hi*l.m.w, l.n1)))
	}
	s := l.matrices()
	for _, p := range l.copies {
		if p != nil {
			s.passes = append(s.passes, p)
		}
	}
	return total + s.traffic(bytes)
}

// lineRun is a run: the passes and what they go over.
type lineRun[T simd.Float] struct {
	l                         lineStream
	src, dst, between, strips kernels.Stored
}

func runLine[T simd.Float](l *lineStream) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) (err error) {
		r := &lineRun[T]{
			l:       *l,
			src:     kernels.Stored{Blob: x.Src[0].Blob, Layout: asMatrix(x.Src[0].Layout, l.n1, l.n2)},
			dst:     kernels.Stored{Blob: x.Dst[0].Blob, Layout: asMatrix(x.Dst[0].Layout, l.n2, l.n1)},
			between: kernels.Stored{Layout: l.between()},
		}
		r.l.src, r.l.dst = r.src.Layout, r.dst.Layout // where they lie is known now
		if r.between.Blob, err = x.Temp(int64(r.between.Layout.Bytes())); err != nil {
			return err
		}
		if n := l.panelBytes(); n > 0 {
			if r.strips.Blob, err = x.Temp(n); err != nil {
				return err
			}
		}
		arena := stream.NewArena(x.Mem, l.mem)
		for _, pass := range []func(x *kernels.Exec) error{r.copyIn, r.columns, r.rows, r.copyOut} {
			arena.Reset()
			if err := pass(arena.Exec(x)); err != nil {
				return err
			}
		}
		return nil
	}
}

// copyIn copies the line to its panels, if there are any; copyOut copies the
// result from its.
func (r *lineRun[T]) copyIn(x *kernels.Exec) error {
	if r.l.from == nil {
		return nil
	}
	return runPass[T](x, r.l.matrices(), r.l.copies[0], r.src, r.strips)
}

func (r *lineRun[T]) copyOut(x *kernels.Exec) error {
	if r.l.to == nil {
		return nil
	}
	return runPass[T](x, r.l.matrices(), r.l.copies[1], r.strips, r.dst)
}

// columns is the first sweep.
func (r *lineRun[T]) columns(x *kernels.Exec) error {
	l, from := &r.l, r.src.Blob
	if l.from != nil {
		from = r.strips.Blob
	}
	p := &linePass[T]{l: l,
		source: func(i int) kernels.Stored {
			return kernels.Stored{Blob: from, Layout: l.columnTile(i*l.cols, min((i+1)*l.cols, l.n2))}
		},
		sink: func(i int) kernels.Stored { return stream.Range(r.between, 1, i*l.cols, min((i+1)*l.cols, l.n2)) },
	}
	return p.run(x, tilesOf(l.n2, l.cols), l.bufferReals(l.from, l.n1*l.cols), p.columns)
}

// rows is the second sweep.
func (r *lineRun[T]) rows(x *kernels.Exec) error {
	l, to := &r.l, r.dst.Blob
	if l.to != nil {
		to = r.strips.Blob
	}
	k := l.blocks * l.m.w
	p := &linePass[T]{l: l,
		source: func(i int) kernels.Stored {
			return stream.Range(r.between, 0, i*l.blocks, min((i+1)*l.blocks, tilesOf(l.n1, l.m.w)))
		},
		sink: func(i int) kernels.Stored {
			return kernels.Stored{Blob: to, Layout: l.resultTile(i*k, min((i+1)*k, l.n1))}
		},
	}
	return p.run(x, tilesOf(l.n1, k), l.bufferReals(l.to, l.n2*min(k, l.n1)), p.rows)
}

// linePass is one of the sweeps under way.
type linePass[T simd.Float] struct {
	l            *lineStream
	x            *kernels.Exec
	crew         *crew[T]
	two          twoStep[T] // with the places of a tile
	dir          *direction[T]
	buf          []byte
	source, sink func(i int) kernels.Stored // of tile i; the first is as large as any
	memIn        [2][]byte
	memOut       [2][]byte
	in, out      [2]stream.Piece
}

// run goes over the tiles, with a buffer of so many reals.
func (p *linePass[T]) run(x *kernels.Exec, tiles, buffer int, compute func(i int, in, out ndarray.Array) error) error {
	l, k := p.l, simd.FFT[T]()
	whole, err := planned(x.W, k, l.r.shape[0])
	if err != nil {
		return err
	}
	p.x, p.two, p.dir = x, *whole.two, forward[T]()
	p.two.v1, p.two.v2, p.two.tile = 1, 1, l.tileReals()
	if l.r.inv {
		p.dir = inverse(T(l.r.scale))
	}
	for i := range 2 {
		p.memIn[i] = x.Mem.Alloc(stream.SourceSize(p.source(0).Layout))
		p.memOut[i] = x.Mem.Alloc(stream.SinkSize(p.sink(0).Layout))
	}
	if buffer > 0 {
		p.buf = x.Mem.Alloc(buffer * realSize[T]())
	}
	p.crew = &crew[T]{w: x.W, space: spaceOf[T](x, need{task: l.taskReals()}, l.r.threads), piece: l.r.params.Piece}
	steps := &stream.Steps{N: tiles,
		Load: func(f *stream.Flight, i int) []*stream.Move {
			p.in[i%2] = stream.Source(p.source(i), p.memIn[i%2])
			return []*stream.Move{f.Load(&p.in[i%2])}
		},
		Compute: func(i int) error {
			p.out[i%2] = stream.Sink(p.sink(i), p.memOut[i%2])
			return compute(i, p.in[i%2].Array, p.out[i%2].Array)
		},
		Store: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Store(&p.out[i%2])} },
	}
	return steps.Run(x)
}

// columns is the first sweep over the columns of tile i.
func (p *linePass[T]) columns(i int, in, out ndarray.Array) error {
	w, cols, from := p.l.m.w, out.Shape[1], in
	if p.l.from != nil { // a panel is used where it lies, all its columns or not
		from = in.Index(0)
	} else {
		from = arrayIn(p.buf, p.l.complex, in.Shape)
		if err := convert(p.x.W, from, in); err != nil {
			return err
		}
	}
	p.two.pitchIn, p.two.between = 2*from.Shape[1], out.Strides[0]/realSize[T]()
	src, to, first := reals[T](from), flat[T](out), i*p.l.cols/w
	return p.crew.tasks(cols/w, p.crew.grain(2*w*p.l.n1), p.l.taskReals(), func(lo, hi int, tiles []T) {
		for i := lo; i < hi; i++ {
			p.two.columnBlock(to, src, first+i, i*w, p.dir, tiles)
		}
		if hi == cols/w && cols%w != 0 { // after the one that it overlaps
			p.two.columnBlock(to, src, first+hi, cols-w, p.dir, tiles)
		}
	})
}

// rows is the second sweep over the blocks of k1 of a tile.
func (p *linePass[T]) rows(i int, in, out ndarray.Array) error {
	w, dst, first := p.l.m.w, out, i*p.l.blocks*p.l.m.w
	cols := min(first+p.l.blocks*w, p.l.n1) - first
	if p.l.to != nil {
		dst = out.Index(0)
	} else {
		dst = arrayIn(p.buf, p.l.complex, out.Shape)
	}
	p.two.pitchOut = 2 * dst.Shape[1]
	from, to, next := flat[T](in), reals[T](dst), in.Strides[0]/realSize[T]()
	err := p.crew.tasks(cols/w, p.crew.grain(2*w*p.l.n2), p.l.taskReals(), func(lo, hi int, tiles []T) {
		for i := lo; i < hi; i++ {
			p.two.rowBlock(to, from[i*next:], 0, i*w, p.dir, tiles)
		}
		if hi == cols/w && cols%w != 0 {
			p.two.rowBlock(to, from[hi*next:], 0, cols-w, p.dir, tiles)
		}
	})
	if err != nil {
		return err
	}
	if !p.l.r.inv {
		if err := scaleAll(p.crew, to, T(p.l.r.scale)); err != nil {
			return err
		}
	}
	if p.l.to != nil {
		return nil
	}
	return convert(p.x.W, out, dst)
}

// flat is the memory of a piece of the temporary space. Blocks may be apart;
// the vectors of a block lie together.
func flat[T simd.Float](a ndarray.Array) []T {
	l := ndarray.NewLayout(realType[T](), a.Strides[0]/realSize[T]()*(a.Shape[0]-1)+a.Shape[1]*a.Shape[2])
	l.Offset = a.Offset
	return ndarray.Slice[T](ndarray.Array{Layout: l, Data: a.Data})
}
