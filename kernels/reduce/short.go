package reduce

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
	"vgpu/kernels/simd"
)

// shortRows reduces n outputs of less than 64 elements each, from o on, to vals.
// Rows become columns, so that the loops run over outputs: a call for each of so
// few elements would take longer than they do. The order is that of the leaf,
// from left to right.
func (p *pass[T, A]) shortRows(ws *workspace[T, A], o, n int) {
	k := p.g.k
	for at := 0; at < n; {
		m := min(block/k, n-at)
		columns(ws.cols, p.in.get(ws.elems, (o+at)*k, m*k), m, k)
		acc := ws.vals[at : at+m]
		for i := range acc {
			acc[i] = p.identity
		}
		for c := range k {
			x, where := ws.cols[c*m:(c+1)*m], place{o + at, c, true, 0}
			switch {
			case c == 0 && p.bare:
				p.lift(acc, x, where)
			case p.fusedFold != nil:
				p.fusedFold(acc, x, where)
			default:
				p.lift(ws.lift[:m], x, where)
				p.fold(acc, ws.lift[:m])
			}
		}
		at += m
	}
}

// columns transposes m rows of k elements.
func columns[T ndarray.Element](dst, src []T, m, k int) {
	d, s := scratch.Bytes(dst[:m*k]), scratch.Bytes(src[:m*k])
	switch len(d) / (m * k) {
	case 4:
		simd.Transpose32(scratch.Carve[uint32](&d, m*k), m, scratch.Carve[uint32](&s, m*k), k, k, m)
	case 8:
		simd.Transpose64(scratch.Carve[uint64](&d, m*k), m, scratch.Carve[uint64](&s, m*k), k, k, m)
	default:
		for c := range k {
			col := dst[c*m : (c+1)*m]
			for i := range col {
				col[i] = src[i*k+c]
			}
		}
	}
}
