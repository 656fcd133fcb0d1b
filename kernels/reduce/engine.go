package reduce

import (
	"sync/atomic"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// The sizes of the tree. They are part of what results mean: changing one
// changes bits.
const (
	lanes    = 64
	block    = 4096 // elements of an inner leaf
	group    = 32   // rows of an outer leaf
	branches = 16   // leaves of a piece of work
	// tile is how many columns an outer piece has, wideTile how many if there are
	// manyPieces even so: longer runs of memory are read faster. They do not touch the
	// order.
	tile       = 1024
	wideTile   = 4096
	manyPieces = 8
	// pieceElements is about how many elements a piece of work has.
	pieceElements = block * branches
)

// place says which elements a loop sees: of output o on, from reduced element
// k on. Along an inner loop k grows, along an outer one o does; if period is not 0 it
// begins again after so many, at the next group's row.
type place struct {
	o, k   int
	outer  bool
	period int
}

// reduction is an associative operation on A over elements T.
type reduction[T ndarray.Element, A any] struct {
	dt       ndarray.DType // T's
	identity A             // of no elements
	bare     bool          // there is no identity
	// lift brings elements to the operation's type: squares, distances from
	// a mean, pairs of value and index.
	lift func(dst []A, x []T, at place)
	// leaf reduces a block.
	leaf func(x []A) A
	// fused is lift and leaf in one, fusedFold lift and fold, where that is
	// faster; else nil.
	fused     func(x []T, at place) A
	fusedFold func(acc []A, x []T, at place)
	// foldRows is fusedFold of rows that are ld apart, one after the other, where that is
	// faster; else nil.
	foldRows func(acc []A, x []T, ld, rows int)
	// clean is lift and leaf of blocks that allow a shorter way, which shows on
	// it; else nil.
	clean func(x []T, at place) (v A, ok bool)
	// settle brings the result of an output, or of a chunk, to its last form, given
	// the elements of the leaf that begins at element begins(v); else nil.
	settle func(v A, x []T) A
	begins func(v A) int
	// enough tells whether further elements will change nothing; else nil.
	enough func(v A) bool
	// apart is set if loops cannot be given rows of several groups side by side;
	// else later moves the places in vals on by so many elements of K, if there are any.
	apart bool
	later func(vals []A, by int)
	// raw is set if elements are looked at as bits alone: T stands for any integer of
	// its size.
	raw bool
	// fold is acc[i] = acc[i] op x[i].
	fold func(acc, x []A)
	join func(a, b A) A
}

// pass is one run of a reduction over an array.
type pass[T ndarray.Element, A any] struct {
	*reduction[T, A]
	g     geometry
	split pieces
	len   lengths
	chunk bool // K is a chunk of a streamed run's
	base  int  // the reduced element that K begins with
	in    reader[T]
	sink  func(vals []A, o int)
	lanes *scratch.Lanes
	found atomic.Bool // that of the only output enough has been seen
}

// reduce runs r over the job's input and hands the results to sink in runs of
// neighbours, from several goroutines.
func reduce[T ndarray.Element, A any](j *job, r *reduction[T, A], sink func(vals []A, o int)) error {
	g := &j.g
	p := &pass[T, A]{reduction: r, g: *g, split: g.split(), len: r.lengths(g), sink: sink, lanes: j.lanes}
	switch {
	case g.outputs() == 0:
		return nil
	case g.k == 0:
		return p.empty(j.x.W)
	}
	p.in = r.reader(j.in.Permute(g.axes...))
	switch {
	case p.split.segs == 1 && g.inner:
		return p.runInner(j.x.W)
	case p.split.segs == 1:
		return p.outerSegments(j.x.W, nil)
	}
	buf := j.partials()
	partial := scratch.Carve[A](&buf, g.outputs()*p.split.segs)
	if err := p.segments(j.x.W, partial); err != nil {
		return err
	}
	return p.join(j.x.W, partial)
}

// segments reduces each segment of K by itself. partial has a row of W values
// for each segment of each output row.
func (p *pass[T, A]) segments(w *pool.Worker, partial []A) error {
	if p.g.inner {
		return p.innerSegments(w, partial)
	}
	return p.outerSegments(w, partial)
}

// join joins the segments of each output in pairs.
func (p *pass[T, A]) join(w *pool.Worker, partial []A) error {
	if !p.g.inner {
		return p.joinRows(w, partial)
	}
	segs := p.split.segs
	return w.For(p.g.o, max(1, pieceElements/segs), func(_ *pool.Worker, lo, hi int) {
		ws := p.borrow()
		defer p.giveBack(ws)
		for o := lo; o < hi; o++ {
			partial[o*segs] = p.settled(&ws, p.pairwise(partial[o*segs:(o+1)*segs]), o, p.g.k)
			p.sink(partial[o*segs:o*segs+1], o)
		}
	})
}

// empty gives the identity to all outputs.
func (p *pass[T, A]) empty(w *pool.Worker) error {
	return w.For(p.split.count, p.split.grain, func(_ *pool.Worker, lo, hi int) {
		ws := p.borrow()
		defer p.giveBack(ws)
		vals := ws.vals[:hi-lo]
		for i := range vals {
			vals[i] = p.identity
		}
		p.sink(vals, lo)
	})
}

// pairwise joins neighbours until one is left. It overwrites vals.
func (r *reduction[T, A]) pairwise(vals []A) A {
	for n := len(vals); n > 1; n = (n + 1) / 2 {
		for i := range n / 2 {
			vals[i] = r.join(vals[2*i], vals[2*i+1])
		}
		if n%2 == 1 {
			vals[n/2] = vals[n-1]
		}
	}
	return vals[0]
}

// block reduces up to a block of elements.
func (p *pass[T, A]) block(ws *workspace[T, A], x []T, at place) A {
	if p.fused != nil {
		return p.fused(x, at)
	}
	if p.clean != nil {
		if v, ok := p.clean(x, at); ok {
			return v
		}
	}
	p.lift(ws.lift[:len(x)], x, at)
	return p.leaf(ws.lift[:len(x)])
}

func (p *pass[T, A]) runInner(w *pool.Worker) error {
	g := &p.g
	return w.For(p.split.count, p.split.grain, func(_ *pool.Worker, lo, hi int) {
		ws := p.borrow()
		defer p.giveBack(ws)
		if g.k > block {
			for o := lo; o < hi; o++ {
				ws.vals[branches] = p.settled(&ws, p.segment(&ws, o, 0, g.k), o, g.k)
				p.sink(ws.vals[branches:branches+1], o)
			}
			return
		}
		for o := lo; o < hi; {
			n := min(len(ws.vals), hi-o)
			if g.k < lanes {
				p.shortRows(&ws, o, n)
			} else {
				p.wholeRows(&ws, o, n)
			}
			p.sink(ws.vals[:n], o)
			o += n
		}
	})
}

// wholeRows reduces n outputs of a block's elements at most each, from o on, to vals.
func (p *pass[T, A]) wholeRows(ws *workspace[T, A], o, n int) {
	k := p.g.k
	batch := block / k
	for i := range n {
		at := i % batch * k
		if at == 0 {
			ws.rows = p.in.get(ws.elems, (o+i)*k, min(batch, n-i)*k)
		}
		row := ws.rows[at : at+k]
		v := p.block(ws, row, place{o: o + i})
		if p.settle != nil {
			v = p.settle(v, row)
		}
		ws.vals[i] = v
	}
}

// segment reduces elements [lo, hi) of output o, at most a piece of them.
func (p *pass[T, A]) segment(ws *workspace[T, A], o, lo, hi int) A {
	n := 0
	for k := lo; k < hi; k += block {
		x := p.in.get(ws.elems, o*p.g.k+k, min(block, hi-k))
		ws.vals[n] = p.block(ws, x, place{o: o, k: p.base + k})
		if p.enough != nil && p.enough(ws.vals[n]) {
			return ws.vals[n]
		}
		n++
	}
	return p.pairwise(ws.vals[:n])
}

// settled is the result v of output o, of elements before hi, in its last form.
func (p *pass[T, A]) settled(ws *workspace[T, A], v A, o, hi int) A {
	if p.settle == nil {
		return v
	}
	k := p.begins(v) - p.base
	return p.settle(v, p.in.get(ws.elems, o*p.g.k+k, min(block, hi-k)))
}

// innerSegments is segments for neighbours.
func (p *pass[T, A]) innerSegments(w *pool.Worker, partial []A) error {
	g, segs, unit := &p.g, p.split.segs, p.split.unit
	return w.For(p.split.count, p.split.grain, func(_ *pool.Worker, lo, hi int) {
		ws := p.borrow()
		defer p.giveBack(ws)
		for i := lo; i < hi; i++ {
			k := i % segs * unit
			end := min(k+unit, g.k)
			if p.found.Load() {
				partial[i] = p.identity
				continue
			}
			partial[i] = p.segment(&ws, i/segs, k, end)
			if p.enough != nil && g.o == 1 && p.enough(partial[i]) {
				p.found.Store(true)
			}
			if p.chunk { // later its elements are gone
				partial[i] = p.settled(&ws, partial[i], i/segs, end)
			}
		}
	})
}
