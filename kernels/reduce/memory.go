package reduce

import (
	"math/bits"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
)

// need is the working memory that a job takes. It is found out by a dry run:
// the verb calls run and perOutput as it always does, and these count instead
// of computing.
type need struct {
	lane    int // bytes of a worker's lane, of the pass that takes the most
	pieces  int // of work, likewise
	partial int // bytes of partial results between pieces, likewise
	fixed   int // bytes of values kept between passes, together
	workers func(pieces int) int

	// Of a streamed job: its passes, and the bytes of joins that are not finished
	// between chunks of K; levels of them are planned, 0 in core.
	passes, joins int
	levels        int
}

// total is the bytes of all of it.
func (n *need) total() int64 {
	return int64(n.workers(n.pieces))*int64(n.lane) + int64(n.partial) + int64(n.fixed) + int64(n.joins)
}

// measure runs the verb dry.
func (v *verb) measure(j job) (*need, error) {
	j.dry = &need{workers: func(pieces int) int { return scratch.Workers(j.c, pieces) }}
	return j.dry, v.run(&j)
}

// lend makes the lanes of a job that will take no more than n.
func (j *job) lend(n *need) {
	j.need = n
	j.lanes = scratch.NewLanes(j.x.Mem, n.lane, n.workers(n.pieces))
}

// partials is memory for partial results, the same for all passes.
func (j *job) partials() []byte {
	if j.partial == nil {
		j.partial = j.x.Mem.Alloc(j.need.partial)
	}
	return j.partial
}

// perOutput is memory for a value an output, kept to the end; empty in a dry
// run.
func perOutput[A ndarray.Element](j *job) []A {
	size := scratch.Size[A](j.g.outputs())
	if j.dry != nil {
		j.dry.fixed += size
		return nil
	}
	if j.stream != nil {
		return scratch.Carve[A](&j.kept, j.g.outputs())
	}
	buf := j.x.Mem.Alloc(size)
	return scratch.Carve[A](&buf, j.g.outputs())
}

// pieces is how a pass is split into work.
type pieces struct {
	count, grain int // as pool.Worker.For has them
	unit, segs   int // pieces of K: their length and number; with more than one there are partial results
	tiles, width int // pieces of W: their number and extent
}

// split is the pieces of a pass over g; it depends on the shape alone.
func (g *geometry) split() pieces {
	switch {
	case g.outputs() == 0:
		return pieces{}
	case g.k == 0:
		return pieces{count: g.outputs(), grain: block, segs: 1, tiles: 1}
	}
	return g.splitBy(g.unit())
}

// unit is the greatest length of a segment of K.
func (g *geometry) unit() int {
	if g.inner {
		return pieceElements
	}
	return segmentRows
}

// leaf is the least one.
func (g *geometry) leaf() int {
	if g.inner {
		return block
	}
	return group
}

// splitBy is split with segments of a given length.
func (g *geometry) splitBy(unit int) pieces {
	p := pieces{unit: unit, segs: ceil(g.k, unit), width: tile}
	if g.o*p.segs >= manyPieces {
		p.width = wideTile
	}
	p.tiles = ceil(g.w, p.width)
	p.count, p.grain = g.o*p.segs*p.tiles, max(1, pieceElements/(min(g.k, unit)*min(g.w, p.width)))
	return p
}

func ceil(a, b int) int { return (a + b - 1) / b }

// lengths are those of a workspace's slices.
type lengths struct{ elems, cols, lift, vals, stack int }

// levels is how many unfinished joins of groups a piece has at once.
var levels = bits.Len(branches) + 1

// sinkRows is how many results are handed to the sink at once, at least.
const sinkRows = 64

// lengths says what a piece of a pass over g needs. Elements are gathered
// unless they lie as the loops want them, which shows only in the run.
func (r *reduction[T, A]) lengths(g *geometry) lengths {
	l := lengths{elems: min(block, g.o*g.k*g.w)}
	switch {
	case g.k == 0:
		return lengths{vals: min(block, g.outputs())}
	case g.inner:
		l.vals = max(branches+1, min(max(block/g.k, sinkRows), g.o))
		switch rows := min(block/g.k, g.o); {
		case g.k < lanes:
			l.cols = g.k * rows
			if r.fusedFold == nil {
				l.lift = rows
			}
		case r.fused == nil:
			l.lift = min(block, g.k)
		}
	default:
		width := min(wideTile, max(g.w, branches*min(g.w, narrow))) // it may not fall as tiles grow
		l.stack = levels * width
		if r.fusedFold == nil {
			l.lift = width
		}
	}
	return l
}

// count adds what a pass takes.
func count[T ndarray.Element, A any](n *need, g *geometry, r *reduction[T, A]) {
	p, l := g.split(), r.lengths(g)
	if p.count == 0 {
		return
	}
	n.passes++
	if n.levels > 0 { // these may not fall as tiles grow
		l.vals = max(l.vals, branches+1, min(block, g.o))
		p.segs = max(2, ceil(g.k, g.unit())+1) + 1
		p.count, p.grain = 1<<30, 1
		n.joins = max(n.joins, scratch.Size[A](n.levels*g.outputs()))
	}
	lane := scratch.Size[T](l.elems) + scratch.Size[T](l.cols) + scratch.Size[A](l.lift) + scratch.Size[A](l.vals) + scratch.Size[A](l.stack)
	n.lane, n.pieces = max(n.lane, lane), max(n.pieces, scratch.Pieces(p.count, p.grain))
	if p.segs > 1 {
		n.partial = max(n.partial, scratch.Size[A](g.outputs()*p.segs))
	}
}

// workspace is the buffers of one piece under way.
type workspace[T ndarray.Element, A any] struct {
	elems []T
	cols  []T
	rows  []T // what is read of elements, in elems or not
	lift  []A
	vals  []A
	stack []A // rows of the unfinished joins

	lane []byte
}

func (p *pass[T, A]) borrow() workspace[T, A] {
	lane := p.lanes.Get()
	rest := lane
	return workspace[T, A]{
		elems: scratch.Carve[T](&rest, p.len.elems), cols: scratch.Carve[T](&rest, p.len.cols), lift: scratch.Carve[A](&rest, p.len.lift),
		vals: scratch.Carve[A](&rest, p.len.vals), stack: scratch.Carve[A](&rest, p.len.stack), lane: lane,
	}
}

func (p *pass[T, A]) giveBack(ws workspace[T, A]) { p.lanes.Put(ws.lane) }

// row is row i of the stack, which has rows of equal length.
func (ws *workspace[T, A]) row(i, width int) []A {
	n := len(ws.stack) / levels
	return ws.stack[i*n:][:width]
}
