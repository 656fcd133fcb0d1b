package gemm

import "vgpu/kernels/simd"

// What the next tiles will read is asked for while the present ones compute,
// a line at a step, so that its way from memory is hidden and leaves room for
// what is needed now.

// aheadA is the way through the rows of A that come after those before row i:
// the next in the task's band, or its first ones.
func (p *product) aheadA(b block, t task, i int) simd.Walk {
	if b.depth == 0 || !p.direct {
		return simd.Walk{}
	}
	if i >= t.end {
		if i = t.start; t.lastCols {
			i = t.end
		}
	}
	return rowsAhead(&p.a.m, i, min(p.kernel.MR, p.c.rows-i), b.k0, b.depth)
}

// aheadTiles is how many times MR rows ask for a share of the next block of B:
// the last ones of a block. Were it asked for earlier, then the L2 cache would
// have lost much of it to what is used meanwhile, as rows of B are often a
// power of two apart.
const aheadTiles = 8

// aheadB is the way through a share of the block of B that follows, while the
// rows from row i on are computed.
func (p *product) aheadB(b block, t task, i int) simd.Walk {
	m, mr := &p.b.m, p.kernel.MR
	all := (t.end - t.start + mr - 1) / mr
	shares := min(all-1, aheadTiles) // not the first ones, which pack
	q := (i-t.start)/mr - (all - shares)
	if b.depth == 0 || shares <= 0 || q < 0 {
		return simd.Walk{}
	}
	j, k0 := t.j1, b.k0
	if t.lastCols {
		j = 0
		if t.end >= p.c.rows {
			k0 += b.depth
		}
	}
	cols, depth := min(t.j1-t.j0, p.c.cols-j), min(b.depth, p.depth-k0)
	switch size := m.dtype.Size(); {
	case depth <= 0 || cols <= 0:
	case m.rowStride == size: // lines of B lie side by side: its rows are walked
		lo, hi := depth*q/shares, depth*(q+1)/shares
		x := *m
		x.transpose()
		return rowsAhead(&x, k0+lo, hi-lo, j, cols)
	case m.colStride == size:
		lo, hi := cols*q/shares, cols*(q+1)/shares
		return rowsAhead(m, j+lo, hi-lo, k0, depth)
	}
	return simd.Walk{}
}

// rowsAhead is the way through n elements of some rows of m, which lie side by
// side.
func rowsAhead(m *matrix, i, rows, j, n int) simd.Walk {
	if rows <= 0 {
		return simd.Walk{}
	}
	run := (n*m.dtype.Size() + 63) / 64
	return simd.Walk{At: m.at(i, j), Run: run, Jump: m.rowStride - 64*run, Runs: rows}
}
