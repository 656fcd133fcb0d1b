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
		p.smallPart(0, p.c.rows, 0, p.c.cols)
		return nil
	}
	shared := *p // the copy, not p, is moved to the heap
	return w.For2(p.c.rows, p.c.cols, smallRows*p.kernel.MR, smallCols*p.kernel.NR, func(_ *pool.Worker, i0, i1, j0, j1 int) {
		shared.smallPart(i0, i1, j0, j1)
	})
}

// smallPart computes a part of C.
func (p *product) smallPart(i0, i1, j0, j1 int) {
	t := tilePool.Get().(*simd.Tile)
	for b, more := p.firstBlock(), true; more; b, more = p.nextBlock(b) {
		p.smallTiles(t, b, i0, i1, j0, j1)
	}
	*t = simd.Tile{} // it holds no addresses while it waits
	tilePool.Put(t)
	p.finished(i0, i1, j0, j1)
}

// smallTiles runs the micro-kernel over a part of C. Rows are shared out
// evenly: three tiles of 11 rows are faster than 14, 14 and 5.
func (p *product) smallTiles(t *simd.Tile, b block, i0, i1, j0, j1 int) {
	nr := p.kernel.NR
	*t = simd.Tile{K: b.steps, ARow: p.a.m.rowStride, AStep: p.a.m.colStride, BStep: p.b.m.colStride, CRow: p.c.rowStride}
	p.setScale(t, b.first)
	tiles := (i1 - i0 + p.kernel.MR - 1) / p.kernel.MR
	for j := j0; j < j1; j += nr {
		t.B = p.b.m.at(j, b.k0)
		n := min(nr, j1-j)
		i := i0
		for q := range tiles {
			m := (i1 - i + tiles - q - 1) / (tiles - q)
			t.A, t.C = p.a.m.at(i, b.k0), p.c.at(i, j)
			p.kernel.Run(t, m, n)
			i += m
		}
	}
}
