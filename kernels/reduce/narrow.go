package reduce

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
)

const (
	// narrow is the greatest width of rows that are folded several groups at a time:
	// a call for each of so few elements would take longer than they do.
	narrow = 32
	// abreastElements is how many are put in that order at once, within the first-level
	// cache.
	abreastElements = 2048
)

// abreast tells whether rows [lo, hi) of a tile are folded so. They must lie as the
// loops want them, with whole groups to put side by side.
func (p *pass[T, A]) abreast(lo, hi, width int) bool {
	return !p.apart && p.in.whole != nil && width == p.g.w && width <= narrow && hi-lo >= 2*group
}

// narrowRows is rows for narrow ones: the same joins in the same order.
func (p *pass[T, A]) narrowRows(ws *workspace[T, A], o, lo, hi, width int) []A {
	whole, groups := (hi-lo)/group, ceil(hi-lo, group)
	all := ws.row(0, groups*width)
	p.sideBySide(ws, all[:whole*width], o, lo)
	if groups > whole {
		p.groupRows(ws, all[whole*width:], o, lo+whole*group, hi, 0)
	}
	for step := 1; step < groups; step *= 2 {
		for i := 0; i+step < groups; i += 2 * step {
			p.fold(all[i*width:(i+1)*width], all[(i+step)*width:(i+step+1)*width])
		}
	}
	return all[:width]
}

// sideBySide adds up the rows of whole groups from row lo on, of a few groups at once:
// their first rows together, then the second ones, and so on.
func (p *pass[T, A]) sideBySide(ws *workspace[T, A], acc []A, o, lo int) {
	width := p.g.w
	for each := max(2, abreastElements/(group*width)) * width; len(acc) > 0; {
		n := min(each, len(acc))
		x := p.in.whole[(o*p.g.k+lo)*width:][:n*group]
		interleave(ws.elems[:len(x)], x, width)
		for k := range group {
			row, at := ws.elems[k*n:(k+1)*n], place{o * p.g.w, p.base + lo + k, true, width}
			switch {
			case k == 0:
				p.lift(acc[:n], row, at)
			case p.fusedFold != nil:
				p.fusedFold(acc[:n], row, at)
			default:
				p.lift(ws.lift[:n], row, at)
				p.fold(acc[:n], ws.lift[:n])
			}
		}
		if p.later != nil {
			for i := width; i < n; i += width {
				p.later(acc[i:i+width], i/width*group)
			}
		}
		acc, lo = acc[n:], lo+n/width*group
	}
}

// interleave puts rows that have the same number within their groups side by side.
func interleave[T ndarray.Element](dst, src []T, width int) {
	d, s := scratch.Bytes(dst), scratch.Bytes(src)
	row := width * len(s) / len(src)
	step := len(s) / group
	for at := 0; len(s) > 0; at += row {
		for k := at; k < len(d); k += step {
			if to := d[k : k+row]; row%16 == 0 {
				for i := 0; i < row; i += 16 { // in a register: a call takes longer
					*(*[16]byte)(to[i:]) = *(*[16]byte)(s[i:])
				}
			} else {
				copy(to, s)
			}
			s = s[row:]
		}
	}
}
