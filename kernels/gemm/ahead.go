package gemm

import "vgpu/kernels/simd"

// What the next tiles will read is asked for while the present ones compute,
// a line at a step, so that its way from memory is hidden and leaves room for
// what is needed now.

// aheadA is the way through the rows of A from row i on, which come next.
func (p *product) aheadA(b block, i int) simd.Walk {
	m := &p.a.m
	rows := min(p.kernel.MR, p.c.rows-i)
	if rows <= 0 || b.depth == 0 || !p.direct {
		return simd.Walk{}
	}
	return rowsAhead(m, i, rows, b.k0, b.depth)
}

// aheadB is the way through a share of the block of B that follows the one up
// to column j1: each MR rows of A but the first, which pack, take one.
func (p *product) aheadB(b block, i0, i1, i, j0, j1 int) simd.Walk {
	m, mr := &p.b.m, p.kernel.MR
	shares, q := (i1-i0+mr-1)/mr-1, (i-i0)/mr-1
	if b.depth == 0 || shares <= 0 || q < 0 {
		return simd.Walk{}
	}
	width, k0 := j1-j0, b.k0
	if j1 >= p.c.cols {
		j1 = 0
		if i1 >= p.c.rows {
			k0 += b.depth
		}
	}
	cols, depth := min(width, p.c.cols-j1), min(b.depth, p.depth-k0)
	switch size := m.dtype.Size(); {
	case depth <= 0 || cols <= 0:
	case m.rowStride == size: // lines of B lie side by side: its rows are walked
		lo, hi := depth*q/shares, depth*(q+1)/shares
		t := *m
		t.transpose()
		return rowsAhead(&t, k0+lo, hi-lo, j1, cols)
	case m.colStride == size:
		lo, hi := cols*q/shares, cols*(q+1)/shares
		return rowsAhead(m, j1+lo, hi-lo, k0, depth)
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
