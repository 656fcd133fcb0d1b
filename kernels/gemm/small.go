package gemm

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// small tells whether the product is computed on A and B as they lie. The
// bits are those of the packed path: only the order of the tiles differs.
func (p *product) small() bool {
	m, n := p.c.rows(), p.c.cols()
	return p.a.readable() && p.b.readable() && p.b.m.rowStride() == p.b.m.DType.Size() &&
		p.depth > 0 && float64(m)*float64(n)*float64(p.depth) <= float64(p.params.SmallWork)
}

// smallRows is how many rows of C a task of the unpacked path takes.
const smallRows = 4

// runSmall computes the product without packing.
func (p *product) runSmall(w *pool.Worker) error {
	mr, nr := p.kernel.MR, p.kernel.NR
	if p.c.rows()*p.c.cols()*p.depth < 64*64*128 {
		w = nil
	}
	return forRange2(w, p.c.rows(), p.c.cols(), smallRows*mr, 4*nr, func(_ *pool.Worker, i0, i1, j0, j1 int) {
		s := p.buffers.take()
		defer p.buffers.give(s)
		_ = p.blocks(func(b block) error {
			p.smallTiles(&s.tile, b, i0, i1, j0, j1)
			return nil
		})
		if p.finish != nil {
			p.finish(p.c.sub(i0, i1, j0, j1), i0, j0)
		}
	})
}

// smallTiles runs the micro-kernel over a part of C. Rows are shared out
// evenly: three tiles of 11 rows are faster than 14, 14 and 5.
func (p *product) smallTiles(t *simd.Tile, b block, i0, i1, j0, j1 int) {
	nr := p.kernel.NR
	*t = simd.Tile{K: b.steps, ARow: p.a.m.rowStride(), AStep: p.a.m.colStride(), BStep: p.b.m.colStride(), CRow: p.c.rowStride()}
	p.scale.apply(t, p.kernel.Type, b.first)
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
