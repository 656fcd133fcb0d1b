package gemm

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// stripPanels is how many panels of B a strip has: 512 bytes of a row of B at
// AVX-512, and 256 KiB when packed.
const stripPanels = 4

// thin tells whether a product of m rows takes B strip by strip. Its rows are
// half a block of A at most, so a panel of B is used once: packed into a block
// for all workers it would travel to the L3 cache and back. A strip is packed
// by the worker that multiplies with it, and stays in the L2 cache beside A.
func (q *Problem) thin(m int) bool {
	return m <= q.Params.MC/2 && !q.scheme.a.flip && !q.scheme.b.flip
}

// runThin computes a thin product. A is packed once by each worker for a
// block of k, which is why k is the outer loop.
func (p *product) runThin(w *pool.Worker) error {
	width := stripPanels * p.kernel.NR
	tasks := roundUp((p.c.cols+columnsPerTask-1)/columnsPerTask, threads(w))
	grain := roundUp((p.c.cols+tasks-1)/tasks, width)
	for b, more := p.firstBlock(), true; more; b, more = p.nextBlock(b) {
		err := forRange(w, p.c.cols, grain, func(_ *pool.Worker, lo, hi int) {
			s := p.buffers.take()
			defer p.buffers.give(s)
			p.packA(s, b, 0, p.c.rows)
			for j := lo; j < hi; j += width {
				p.strip(s, b, j, min(j+width, hi))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// strip packs columns [j0, j1) of block b of B, and multiplies A with them.
func (p *product) strip(s *scratch, b block, j0, j1 int) {
	elem, nr := p.kernel.Type.ElemBytes(), p.kernel.NR
	panels := simd.PtrTo(s.strip)
	for j := j0 + nr*p.packWide(panels, b, j0, j1); j < j1; j += nr {
		p.b.pack(panels.Add((j-j0)*b.steps*elem), nr*elem, j, min(nr, j1-j), b.k0, b.depth, s.stage)
	}
	p.tiles(s, b, 0, p.c.rows, 0, j0, j1, panels)
	if b.last {
		p.finished(0, p.c.rows, j0, j1)
	}
}
