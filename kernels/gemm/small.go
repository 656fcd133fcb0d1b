package gemm

import (
	"sync"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// small tells whether the product is computed on A and B as they lie. The
// bits are those of the packed path: only the order of the tiles differs.
func (p *product) small() bool {
	return p.a.readable() && p.b.readable() && p.b.m.rowStride == p.b.m.dtype.Size() &&
		p.depth > 0 && float64(p.c.rows)*float64(p.c.cols)*float64(p.depth) <= float64(p.params.SmallWork)
}

// Shapes of tasks of the unpacked path.
const (
	smallRows  = 4          // tiles of a task along the rows
	smallCols  = 4          // and along the columns
	serialWork = 128 * 4096 // m·n·k below which a second worker does not pay
)

// tilePool keeps the arguments of micro-kernels off the garbage.
var tilePool = sync.Pool{New: func() any { return new(simd.Tile) }}

// runSmall computes the product without packing.
func (p *product) runSmall(w *pool.Worker) error {
	if w == nil || w.Threads() == 1 || p.c.rows*p.c.cols*p.depth < serialWork {
		p.smallPart(stepsKC, 0, p.c.rows, 0, p.c.cols)
		return nil
	}
	shared := *p // the copy, not p, is moved to the heap
	return w.For2(p.c.rows, p.c.cols, smallRows*p.kernel.MR, smallCols*p.kernel.NR, func(_ *pool.Worker, i0, i1, j0, j1 int) {
		shared.smallPart(stepsKC, i0, i1, j0, j1)
	})
}

// smallPart computes a part of C, so many steps at a time. What it hands to others by value is kept
// from being copied: a copy of fields just written waits for their stores, and
// a product of 32 x 32 takes half a microsecond.
func (p *product) smallPart(steps, i0, i1, j0, j1 int) {
	t := tilePool.Get().(*simd.Tile)
	t.BNext, t.ARow, t.AStep, t.BStep, t.CRow = 0, p.a.m.rowStride, p.a.m.colStride, p.b.m.colStride, p.c.rowStride
	for k0 := 0; k0 < p.depth; k0 += steps {
		t.K = min(p.depth-k0, steps)
		p.setScale(t, k0 == 0)
		p.smallTiles(t, k0, i0, i1, j0, j1)
	}
	t.A, t.B, t.C = simd.Ptr{}, simd.Ptr{}, simd.Ptr{} // it holds no addresses while it waits
	tilePool.Put(t)
	p.finished(i0, i1, j0, j1)
}

// smallTiles runs the micro-kernel over a part of C. Rows are shared out
// evenly: five tiles of 7 or 6 rows are faster than four of 8 and one of 1.
func (p *product) smallTiles(t *simd.Tile, k0, i0, i1, j0, j1 int) {
	tiles := (i1 - i0 + p.kernel.MR - 1) / p.kernel.MR
	rows, more := (i1-i0)/tiles, (i1-i0)%tiles // the first tiles have one more
	for n := 0; j0 < j1; j0 += n {
		n = p.kernel.Width(j1 - j0)
		p.smallRun(t, k0, i0, j0, rows+1, n, more)
		p.smallRun(t, k0, i0+more*(rows+1), j0, rows, n, tiles-more)
	}
}

// smallRun runs the micro-kernel over tiles of m x n below one another.
func (p *product) smallRun(t *simd.Tile, k0, i, j, m, n, tiles int) {
	if tiles == 0 {
		return
	}
	t.A, t.B, t.C = p.a.m.at(i, k0), p.b.m.at(j, k0), p.c.at(i, j)
	t.Tiles, t.ANext, t.CNext = tiles, m*t.ARow, m*t.CRow
	p.kernel.Run(t, m, n)
}
