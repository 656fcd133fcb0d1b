package gemm

import (
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

// smallPart computes a part of C, so many steps at a time. What it hands to
// others by value is kept from being copied: a copy of fields just written waits
// for their stores, and a product of 32 x 32 takes half a microsecond.
func (p *product) smallPart(steps, i0, i1, j0, j1 int) {
	var t simd.Tile
	t.ARow, t.AStep, t.BStep, t.CRow = p.a.m.rowStride, p.a.m.colStride, p.b.m.colStride, p.c.rowStride
	for k0 := 0; k0 < p.depth; k0 += steps {
		t.K = min(p.depth-k0, steps)
		p.setScale(&t, k0 == 0)
		smallTiles(p.kernel, &t, p.a.m.at(i0, k0), p.b.m.at(j0, k0), p.c.at(i0, j0), i1-i0, j1-j0)
	}
	p.finished(i0, i1, j0, j1)
}

// smallTiles runs the micro-kernel over m x n elements of C at c, of rows at a and
// columns at b; t has the strides, the steps and the scalars. Rows are shared out
// evenly: nine tiles of 4 or 3 rows are faster than eight of 4 and one of 1.
func smallTiles(k *simd.GemmKernel, t *simd.Tile, a, b, c simd.Ptr, m, n int) {
	for j, cols := 0, 0; j < n; j += cols {
		cols = k.Width(n - j)
		mr := k.Height(m, cols)
		tiles := (m + mr - 1) / mr
		rows, more := m/tiles, m%tiles // the first tiles have one more
		t.A, t.C = a, c.Add(j*k.Type.SumBytes())
		right := b.Add(j * k.Type.ElemBytes())
		if more > 0 {
			smallRun(k, t, right, rows+1, cols, more)
			t.A, t.C = t.A.Add(t.ANext), t.C.Add(t.CNext)
		}
		smallRun(k, t, right, rows, cols, tiles-more)
	}
}

// smallRun runs the micro-kernel over tiles of m x n below one another, and leaves
// A and C at the last.
func smallRun(k *simd.GemmKernel, t *simd.Tile, b simd.Ptr, m, n, tiles int) {
	t.B, t.Tiles, t.ANext, t.CNext = b, tiles, m*t.ARow, m*t.CRow
	k.Run(t, m, n)
}

// runPlain computes a small product of real floats on the calling goroutine, if
// it is nothing else and rows of A, B and C can be used as they lie. It is what
// remains of runDirect if all questions have the usual answers: those took a tenth
// of the time at 32 x 32.
// The bits are the same. q must be two-dimensional.
func (q *Problem) runPlain() (done bool) {
	a, b, c, typ := &q.A, &q.B, &q.C, q.scheme.typ
	m, n, k, size := c.Shape[0], c.Shape[1], a.Shape[1], typ.ElemBytes()
	if typ > simd.GemmF64 || q.scheme.a.value != a.DType || c.DType != q.scheme.sum || a.Swapped || b.Swapped || c.Swapped ||
		q.Alpha == 0 || q.Act != "" || q.Bias != nil || q.Residual != nil ||
		m < 2 || n < 2 || k < 1 || k > stepsKC || m*n*k > min(serialWork, q.Params.SmallWork) ||
		b.Strides[1] != size || c.Strides[1] != size {
		return false
	}
	pc := simd.PtrTo(c.Data).Add(c.Offset)
	if !pc.Aligned(size, c.Strides[0]) {
		return false
	}
	var t simd.Tile
	t.K, t.ARow, t.AStep, t.BStep, t.CRow = k, a.Strides[0], a.Strides[1], b.Strides[0], c.Strides[0]
	if q.Alpha != 1 || q.Beta != 0 { // which a new Tile has
		t.Scale(typ, q.Alpha, q.Beta, false, false)
	}
	smallTiles(q.kernel, &t, simd.PtrTo(a.Data).Add(a.Offset), simd.PtrTo(b.Data).Add(b.Offset), pc, m, n)
	return true
}
