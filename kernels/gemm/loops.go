package gemm

import (
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
	thin    bool // few rows go along much of B
	banded  bool // A is packed once a band, for all blocks of B
	direct  bool // A is read as it lies, not packed
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

// nextBlock is the block of k behind b; ok is false if b is the last.
func (p *product) nextBlock(b block) (next block, ok bool) {
	return p.block(b.k0 + b.depth), !b.last
}

// block is the block of k that begins at k0. Its depth is a constant of the
// type: where a sum is cut decides its bits, so no tuning changes it.
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
	shared.thin = p.thinA()
	shared.banded = !shared.thin && shared.buffers.band(p) && (p.longA() || !p.directA())
	shared.direct = !shared.thin && !shared.banded && p.directA()
	return shared.runPacked(w)
}

// runPacked goes through k block by block, and through C in tasks.
func (p *product) runPacked(w *pool.Worker) error {
	for b, more := p.firstBlock(), true; more; b, more = p.nextBlock(b) {
		g := p.grid(w, b)
		err := forRange(w, g.tasks(), 1, func(w *pool.Worker, task, _ int) {
			t := g.task(task)
			if t.i0 == t.i1 {
				return
			}
			s := p.buffers.take(w)
			if s == nil {
				return // cancelled
			}
			defer p.buffers.give(s)
			p.packA(s, b, t)
			p.multiply(s, b, t)
			if b.last {
				p.finished(t.i0, t.i1, t.j0, t.j1)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// thinPanels is how many panels of B make up for A's being packed, in a product of few rows.
const thinPanels = 64

// thinA tells whether rows are so few that what counts is how B comes from memory. With AVX2
// it is packed beforehand then, row by row as it lies: tiles that pack it read it panel by panel,
// lines that are a stride apart, and of 64 rows one in eleven tiles does so. A is packed too, once for all of B.
func (p *product) thinA() bool {
	return p.kernel.ISA == simd.AVX2 && p.c.rows <= p.params.MC && p.c.cols >= thinPanels*p.kernel.NR && p.rowsOfB()
}

// What makes packing A worth its time: longColumns bytes of a row of C, longSteps of k, and panels of longPanel bytes
// at the most, half of an L1 cache. Those of f64 take twice as much, and gain nothing.
const (
	longColumns = 4096
	longSteps   = stepsKC / 2
	longPanel   = 16 << 10
)

// longA tells whether a band of A is packed though it could be read as it lies: rows are as many streams,
// often on as many pages, and a panel is one.
func (p *product) longA() bool {
	elem := p.kernel.Type.ElemBytes()
	return p.kernel.MR*stepsKC*elem <= longPanel && p.c.cols*elem >= longColumns && p.depth >= longSteps
}

// rowsOfB tells whether rows of B are copied to panels as they are.
func (p *product) rowsOfB() bool {
	return p.b.readable() && p.b.m.rowStride == p.kernel.Type.ElemBytes()
}

// directA tells whether the micro-kernel can read A as it lies: its rows run
// along k in whole packed elements.
func (p *product) directA() bool {
	return p.a.asIs() && p.a.m.colStride == p.a.m.dtype.Size() && p.depth%p.kernel.Type.Group() == 0
}

// packA packs the rows of a task of block b into s, unless they are there or are
// read as they lie.
func (p *product) packA(s *scratch, b block, t task) {
	if p.direct {
		return
	}
	elem, mr, first := p.kernel.Type.ElemBytes(), p.kernel.MR, p.firstRow(t)
	tag := packedA{p, t.i0, t.i1, b.k0}
	if at := (t.i0 - first) / mr; s.packed[at] != tag {
		s.packed[at] = tag
		for i := t.i0; i < t.i1; i += mr {
			m := min(mr, t.i1-i)
			p.a.pack(simd.PtrTo(s.a).Add((i-first)*b.steps*elem), m*elem, i, m, b.k0, b.depth, s.stage)
		}
	}
}

// firstRow is the row of A with which the packed rows in a task's scratch begin.
func (p *product) firstRow(t task) int {
	if p.banded {
		return t.start
	}
	return t.i0
}

// packB packs columns [j0, j1) of block b into s, from the panel on that
// begins at column j.
func (p *product) packB(s *scratch, b block, j0, j1, j int) {
	pitch := p.kernel.NR * p.kernel.Type.ElemBytes()
	if p.thin && b.steps > 0 {
		whole := p.wholePanels(j1 - j)
		simd.PackRows(simd.PtrTo(s.b).Add(p.panel(j-j0)*b.steps*pitch), b.steps*pitch, p.b.m.at(j, b.k0), p.b.m.colStride, pitch, whole, b.steps)
		j += whole * p.kernel.NR
	}
	for n := 0; j < j1; j += n {
		n = p.kernel.Width(j1 - j)
		q := p.panel(j - j0)
		dst := simd.PtrTo(s.b).Add(q * b.steps * pitch)
		p.b.pack(dst, pitch, j, n, b.k0, b.depth, s.stage)
		if p.a.flip {
			p.columnSums(&s.tile, simd.PtrTo(s.init).Add(4*q*p.kernel.NR), dst, b.steps)
		}
	}
}

// panel is the number of the panel that begins at column j of a block. All
// but the last two are whole ones.
func (p *product) panel(j int) int { return (j + p.kernel.NR - 1) / p.kernel.NR }

// wholePanels is how many whole panels n columns begin with.
func (p *product) wholePanels(n int) int {
	whole := n / p.kernel.NR
	if whole > 0 && p.kernel.Width(n-(whole-1)*p.kernel.NR) < p.kernel.NR {
		whole--
	}
	return whole
}

// columnSums sets the NR sums at dst to -128 times the sums of the panel's
// columns.
func (p *product) columnSums(t *simd.Tile, dst, panel simd.Ptr, steps int) {
	*t = simd.Tile{K: steps, A: simd.PtrTo(all128[:]), B: panel, BStep: 4 * p.kernel.NR, C: dst}
	t.ScaleInt(-1, 0)
	p.kernel.Run(t, 1, p.kernel.NR)
}

var all128 = [8]byte{128, 128, 128, 128}

// multiply computes a task: MR rows of A, which the L1 cache holds, go along the
// whole block of B, which the L2 cache holds. If it is not there yet the first
// rows pack it as they go, where it needs no more than to be copied.
func (p *product) multiply(s *scratch, b block, t task) {
	nr, elem := p.kernel.NR, p.kernel.Type.ElemBytes()
	fused := 0 // columns
	if tag := (packedB{p, t.j0, b.k0}); s.packedB != tag {
		s.packedB = tag
		if !p.thin && b.steps > 0 && t.i1-t.i0 >= p.kernel.MR && p.rowsOfB() {
			fused = p.wholePanels(t.j1-t.j0) * nr
		}
		p.packB(s, b, t.j0, t.j1, t.j0+fused)
	}
	x := &s.tile
	*x = simd.Tile{K: b.steps, CRow: p.c.rowStride, BNext: nr * elem * b.steps}
	if p.a.flip {
		x.Flip = simd.FlipI8
	}
	p.setScale(x, b.first)
	for i := t.i0; i < t.i1; i += p.kernel.MR {
		m, j := min(p.kernel.MR, t.i1-i), t.j0
		p.rowsOfA(x, s, b, p.firstRow(t), i, m)
		if fused > 0 {
			p.fusedTiles(x, s, b, i, j, fused)
			j, fused = j+fused, 0
		}
		p.rowOfTiles(x, s, b, t, i, m, j)
	}
}

// rowOfTiles runs the micro-kernel over m rows from row i on, from column j of
// the task on: tiles of one width in one call, unless the first one asks for A
// and the others for B.
func (p *product) rowOfTiles(x *simd.Tile, s *scratch, b block, t task, i, m, j int) {
	ahead := p.aheadB(b, t, i)
	for j < t.j1 {
		width, tiles := p.alike(t.j1 - j)
		x.Ahead = ahead
		if j == t.j0 {
			x.Ahead = p.aheadA(b, t, i+m)
			if ahead.Runs > 0 {
				tiles = 1
			}
		}
		p.place(x, s, b, i, t.j0, j)
		x.Tiles, x.CNext = tiles, width*p.c.colStride
		p.kernel.Run(x, m, width)
		j += tiles * width
	}
}

// alike is how many tiles of the same width n columns begin with, and how wide
// those are.
func (p *product) alike(n int) (width, tiles int) {
	if whole := p.wholePanels(n); whole > 0 {
		return p.kernel.NR, whole
	}
	if width = p.kernel.Width(n); n == 2*width {
		return width, 2 // they share a narrow rest
	}
	return width, 1
}

// rowsOfA sets where m rows from row i on are read.
func (p *product) rowsOfA(t *simd.Tile, s *scratch, b block, i0, i, m int) {
	elem := p.kernel.Type.ElemBytes()
	if p.direct && b.depth > 0 {
		t.A, t.ARow, t.AStep = p.a.m.at(i, b.k0), p.a.m.rowStride, elem
		return
	}
	t.A, t.ARow, t.AStep = simd.PtrTo(s.a).Add((i-i0)*b.steps*elem), elem, m*elem
}

// place sets where the packed panel of column j lies, and the tile.
func (p *product) place(t *simd.Tile, s *scratch, b block, i, j0, j int) {
	q, pitch := p.panel(j-j0), p.kernel.NR*p.kernel.Type.ElemBytes()
	t.B, t.BStep = simd.PtrTo(s.b).Add(q*b.steps*pitch), pitch
	t.C = p.c.at(i, j)
	if p.a.flip {
		t.Init, t.INext = simd.PtrTo(s.init).Add(4*q*p.kernel.NR), 4*p.kernel.NR
	}
}

// fusedTiles runs whole tiles over the first columns of a block, and packs
// those of B.
func (p *product) fusedTiles(t *simd.Tile, s *scratch, b block, i, j0, columns int) {
	packed := t.BNext
	t.B, t.BStep, t.BNext = p.b.m.at(j0, b.k0), p.b.m.colStride, p.kernel.NR*p.kernel.Type.ElemBytes()
	t.Pack, t.C, t.CNext = simd.PtrTo(s.b), p.c.at(i, j0), p.kernel.NR*p.c.colStride
	t.Tiles, t.Ahead = columns/p.kernel.NR, simd.Walk{}
	p.kernel.Run(t, p.kernel.MR, p.kernel.NR)
	t.Pack, t.BNext = simd.Ptr{}, packed
}

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

// threads is how many workers may take part; 1 without a pool.
func threads(w *pool.Worker) int {
	if w == nil {
		return 1
	}
	return w.Threads()
}
