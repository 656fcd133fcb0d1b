package gemm

import (
	"sync"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// product is C = alpha·A·B + beta·C of two matrices, ready to compute. Lines
// of a are rows of A, lines of b are columns of B; c is row-major and of the
// kernel's sum type.
type product struct {
	kernel  *simd.GemmKernel
	a, b    operand
	c       matrix
	depth   int // values along k
	scale   scale
	params  Params
	finish  *epilogue // nil if there is none
	i0, j0  int       // where c begins in the epilogue's operands
	lender  *lender
	buffers *buffers
}

// scale is alpha and beta of a product; of integer types they are integers.
type scale struct{ alpha, beta complex128 }

// setScale sets t's scalars. Only the first block along k sees beta; later
// ones add to what is there.
func (p *product) setScale(t *simd.Tile, first bool) {
	beta := p.scale.beta
	if !first {
		beta = 1
	}
	if p.kernel.Type.Integer() {
		t.ScaleInt(int64(real(p.scale.alpha)), int64(real(beta)))
	} else {
		t.Scale(p.kernel.Type, p.scale.alpha, beta, p.a.m.conj, p.b.m.conj)
	}
}

// block is a range of k: values [k0, k0+depth), steps of the micro-kernel.
type block struct {
	k0, depth, steps int
	first, last      bool
}

// firstBlock and nextBlock walk the blocks of k; there is one, an empty one,
// if k is 0.
func (p *product) firstBlock() block { return p.block(0) }

func (p *product) nextBlock(b block) (next block, ok bool) {
	return p.block(b.k0 + b.depth), !b.last
}

func (p *product) block(k0 int) block {
	group := p.kernel.Type.Group()
	depth := min(p.depth-k0, stepsKC*group)
	return block{k0, depth, (depth + group - 1) / group, k0 == 0, k0+depth >= p.depth}
}

// finished runs the epilogue on a part of C whose sums are complete.
func (p *product) finished(i0, i1, j0, j1 int) {
	if p.finish != nil {
		p.finish.apply(p.c.sub(i0, i1, j0, j1), p.i0+i0, p.j0+j0)
	}
}

// run computes the product on w, or on the calling goroutine if w is nil.
func (p *product) run(w *pool.Worker) error {
	if p.small() {
		return p.runSmall(w)
	}
	shared := *p // the copy, not p, is moved to the heap
	shared.buffers = p.lender.get()
	return shared.runPacked(w)
}

// runPacked is the scheme of Goto and van de Geijn: its fifth loop over
// columns, its fourth over k.
func (p *product) runPacked(w *pool.Worker) error {
	if p.buffers.strips {
		return p.runThin(w)
	}
	nc := p.params.NC
	for j0 := 0; j0 < p.c.cols; j0 += nc {
		j1 := min(j0+nc, p.c.cols)
		for b, more := p.firstBlock(), true; more; b, more = p.nextBlock(b) {
			if err := p.packB(w, b, j0, j1); err != nil {
				return err
			}
			if err := p.multiply(w, b, j0, j1); err != nil {
				return err
			}
		}
	}
	return nil
}

// columnsPerTask is how many columns of C a task takes at most, so that one
// stays below a few milliseconds.
const columnsPerTask = 512

// packB packs columns [j0, j1) of block b, panels in parallel.
func (p *product) packB(w *pool.Worker, b block, j0, j1 int) error {
	nr := p.kernel.NR
	pitch := nr * p.kernel.Type.ElemBytes()
	return forRange(w, j1-j0, 4*nr, func(w *pool.Worker, lo, hi int) {
		scratch := p.buffers.take()
		defer p.buffers.give(scratch)
		first := p.packWide(p.buffers.panelB(lo, b.steps*pitch/nr), b, j0+lo, j0+hi)
		for j := lo + nr*first; j < hi; j += nr {
			panel := p.buffers.panelB(j, b.steps*pitch/nr)
			n := min(nr, hi-j)
			p.b.pack(panel, pitch, j0+j, n, b.k0, b.depth, scratch.stage)
			if p.a.flip {
				p.columnSums(scratch, p.buffers.sums(j), panel, pitch, b.steps)
			}
		}
	})
}

// packWide packs full panels of columns [j0, j1) to dst, several at once,
// where B's rows can be copied; it returns how many.
func (p *product) packWide(dst simd.Ptr, b block, j0, j1 int) int {
	elem, m := p.kernel.Type.ElemBytes(), &p.b.m
	if !p.b.readable() || m.rowStride != elem || p.kernel.NR*elem != 128 || b.steps == 0 {
		return 0
	}
	return simd.PackWide(dst, b.steps*128, m.at(j0, b.k0), m.colStride, (j1-j0)/p.kernel.NR, b.steps)
}

// columnSums sets the NR sums at dst to -128 times the sums of the panel's
// columns.
func (p *product) columnSums(s *scratch, dst simd.Ptr, panel simd.Ptr, pitch, steps int) {
	t := &s.tile
	*t = simd.Tile{K: steps, A: simd.PtrTo(all128[:]), B: panel, BStep: pitch, C: dst}
	t.ScaleInt(-1, 0)
	p.kernel.Run(t, 1, p.kernel.NR)
}

var all128 = [8]byte{128, 128, 128, 128}

// multiply runs block b of k over columns [j0, j1) of C.
func (p *product) multiply(w *pool.Worker, b block, j0, j1 int) error {
	mc, nj := p.taskShape(w)
	return forRange2(w, p.c.rows, j1-j0, mc, nj, func(w *pool.Worker, i0, i1, lo, hi int) {
		s := p.buffers.take()
		defer p.buffers.give(s)
		p.packA(s, b, i0, i1)
		p.tiles(s, b, i0, i1, j0, lo, hi, p.buffers.panelB(lo, b.steps*p.kernel.Type.ElemBytes()))
		if b.last {
			p.finished(i0, i1, j0+lo, j0+hi)
		}
	})
}

// narrowTiles bounds the columns of a narrow product, and the rows of its
// blocks of A, in tiles. Such a block is read a few times only, so what counts
// is its way from memory: what is asked for ahead stays in the L2 cache with it.
const narrowTiles = 4

// taskShape is the size of a task on C: rows are shared out evenly among blocks
// of at most MC, as many for every worker.
func (p *product) taskShape(w *pool.Worker) (mc, nj int) {
	mr, nr := p.kernel.MR, p.kernel.NR
	most := min(p.params.MC, p.buffers.rowsA)
	if p.c.cols <= narrowTiles*nr {
		most = min(most, narrowTiles*mr)
	}
	blocks := roundUp((p.c.rows+most-1)/most, threads(w))
	mc = min(roundUp((p.c.rows+blocks-1)/blocks, mr), most)
	return mc, roundDown(columnsPerTask, nr)
}

// packA packs rows [i0, i1) of block b into s, unless they are there.
func (p *product) packA(s *scratch, b block, i0, i1 int) {
	if tag := (packedA{p, i0, i1, b.k0}); s.packed != tag {
		elem, mr := p.kernel.Type.ElemBytes(), p.kernel.MR
		for i := i0; i < i1; i += mr {
			m := min(mr, i1-i)
			p.a.pack(simd.PtrTo(s.a).Add((i-i0)*b.steps*elem), m*elem, i, m, b.k0, b.depth, s.stage)
		}
		s.packed = tag
	}
}

// tiles runs the micro-kernel over rows [i0, i1) and columns j0 + [lo, hi):
// the second and first loops of the Goto scheme. panels is where the first
// panel of B lies. Each call asks for a strip of
// what will be packed next.
func (p *product) tiles(s *scratch, b block, i0, i1, j0, lo, hi int, panels simd.Ptr) {
	elem, mr, nr := p.kernel.Type.ElemBytes(), p.kernel.MR, p.kernel.NR
	t := &s.tile
	*t = simd.Tile{K: b.steps, ARow: elem, BStep: nr * elem, CRow: p.c.rowStride}
	p.setScale(t, b.first)
	strip := 0
	for j := lo; j < hi; j += nr {
		t.B = panels.Add((j - lo) * b.steps * elem)
		if p.a.flip {
			t.Init = p.buffers.sums(j)
		}
		n := min(nr, hi-j)
		for i := i0; i < i1; i += mr {
			m := min(mr, i1-i)
			t.A, t.AStep = simd.PtrTo(s.a).Add((i-i0)*b.steps*elem), m*elem
			t.C = p.c.at(i, j0+j)
			if b.depth == 0 {
				t.Next = simd.Ptr{} // nothing lies ahead
			} else if i == 0 {
				t.Next, t.NextStep = p.aheadB(b, j0+j)
			} else if lo == 0 {
				p.aheadA(t, b, i0, i1, strip)
				strip++
			}
			p.kernel.Run(t, m, n)
		}
	}
}

// aheadB is where packing will read what takes the place of the panel at
// column j of block b: its columns in the next block of k, or the next block
// of columns; of strips, the next strip. The first tile of the panel asks for it.
func (p *product) aheadB(b block, j int) (next simd.Ptr, step int) {
	m := &p.b.m
	k0 := b.k0 + b.depth
	switch {
	case p.buffers.strips:
		if j, k0 = j+stripPanels*p.kernel.NR, b.k0; j >= m.rows && !b.last {
			j, k0 = j-m.rows, b.k0+b.depth // about where the next block of k begins
		}
	case b.last: // the next block of columns begins at k = 0
		j, k0 = j+p.params.NC, 0
	}
	if j >= m.rows || m.rowStride != m.dtype.Size() {
		return simd.Ptr{}, 0
	}
	return m.at(j, k0), m.colStride
}

// aheadA asks for part number q of the block of A after rows [i0, i1), as much
// as a tile has steps: whole rows of the block, or strips of two cache lines.
func (p *product) aheadA(t *simd.Tile, b block, i0, i1, q int) {
	m := &p.a.m
	size := m.dtype.Size()
	rows := min(i1-i0, m.rows-i1)
	t.Next = simd.Ptr{}
	switch {
	case m.colStride == size:
		run := max((b.depth*size+127)/128, 1)
		if down := q * max(b.steps/run, 1); down < rows {
			t.Next, t.NextStep, t.NextRun, t.NextJump = m.at(i1+down, b.k0), 128, run, m.rowStride-128*run
		}
	case m.rowStride == size && q*128/size < rows:
		t.Next, t.NextStep = m.at(i1+q*128/size, b.k0), m.colStride
	}
}

// packedA names what a scratch block of A holds.
type packedA struct {
	p      *product
	i0, i1 int
	k0     int
}

// scratch is what a task needs for itself.
type scratch struct {
	a      []byte
	strip  []byte // of B, if there are strips
	stage  []byte
	tile   simd.Tile
	packed packedA
}

// buffers are the packing buffers of a product: one block of B, and a scratch
// for every worker. Tasks take the scratch that was given back last, which
// often holds the block of A they need.
type buffers struct {
	b, init []byte
	strips  bool   // B is packed strip by strip into scratches, not into b
	slab    []byte // a scratch copy of C
	rowsA   int    // rows that fit into scratch.a

	mu   sync.Mutex // guards free
	some sync.Cond  // free is not empty
	free []*scratch
}

// take hands out a scratch. There is one for every worker that the plan
// counted on; others wait until one of them is through with a task.
func (b *buffers) take() *scratch {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.free) == 0 {
		b.some.Wait()
	}
	s := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return s
}

func (b *buffers) give(s *scratch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, s)
	b.some.Signal()
}

// panelB is where the panel that begins at column j lies; columnBytes is
// what a column of it takes.
func (b *buffers) panelB(j, columnBytes int) simd.Ptr {
	return simd.PtrTo(b.b).Add(j * columnBytes)
}

// sums is where the column sums of the panel at column j lie.
func (b *buffers) sums(j int) simd.Ptr { return simd.PtrTo(b.init).Add(4 * j) }

// forRange is w.For, or a plain loop on the calling goroutine.
func forRange(w *pool.Worker, n, grain int, body func(w *pool.Worker, lo, hi int)) error {
	if w != nil {
		return w.For(n, grain, body)
	}
	for lo := 0; lo < n; lo += grain {
		body(nil, lo, min(lo+grain, n))
	}
	return nil
}

// forRange2 is w.For2, or plain loops on the calling goroutine.
func forRange2(w *pool.Worker, m, n, gm, gn int, body func(w *pool.Worker, i0, i1, j0, j1 int)) error {
	if w != nil {
		return w.For2(m, n, gm, gn, body)
	}
	for i := 0; i < m; i += gm {
		for j := 0; j < n; j += gn {
			body(nil, i, min(i+gm, m), j, min(j+gn, n))
		}
	}
	return nil
}

func threads(w *pool.Worker) int {
	if w == nil {
		return 1
	}
	return w.Threads()
}
