package fft

import (
	"fmt"
	"math"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
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
	return s.sweeps(n1, n2)
}

// sweeps is a line as sweeps of n1·n2 points.
func (s *streamed) sweeps(n1, n2 int) *lineStream {
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
	out := &kernels.Streamed{Mem: best.mem, Moved: best.traffic(true), Apart: best.traffic(false) - best.traffic(true), Temp: best.temp(), Explain: best.explain()}
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
			c.from = &panels{stream.Panels{DType: c.complex, Rows: c.n1, Cols: c.n2, Width: c.cols}}
		}
		return c.firstMem()
	}
	second := func() int64 {
		if to {
			c.to = &panels{stream.Panels{DType: c.complex, Rows: c.n2, Cols: c.n1, Width: min(c.blocks*c.m.w, c.n1)}}
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
		return l.from.Panel(lo / l.from.Width)
	}
	return l.src.Range(1, lo, hi)
}

func (l *lineStream) resultTile(lo, hi int) ndarray.Layout {
	if l.to != nil {
		return l.to.Panel(lo / l.to.Width)
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
			n = max(n, tempBytes(q.Layout()))
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
