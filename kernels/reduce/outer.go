package reduce

import "vgpu/kernels/pool"

// rows of a piece of an outer reduction.
const segmentRows = group * branches

// outerSegments splits into (output row, segment of K, tile of columns), for
// segments; or, if K is one segment and partial is nil, for the sink.
func (p *pass[T, A]) outerSegments(w *pool.Worker, partial []A) error {
	g, segs, unit, tiles := &p.g, p.split.segs, p.split.unit, p.split.tiles
	return w.For(p.split.count, p.split.grain, func(_ *pool.Worker, lo, hi int) {
		ws := p.borrow()
		defer p.giveBack(ws)
		for i := lo; i < hi; i++ {
			o, s, col := i/tiles/segs, i/tiles%segs, i%tiles*p.split.width
			width := min(p.split.width, g.w-col)
			k := s * unit
			vals := p.rows(&ws, o, k, min(k+unit, g.k), col, width)
			if partial == nil {
				p.sink(vals, o*g.w+col)
			} else {
				copy(partial[(o*segs+s)*g.w+col:], vals)
			}
		}
	})
}

// joinRows joins the partial rows of each output row in pairs.
func (p *pass[T, A]) joinRows(w *pool.Worker, partial []A) error {
	g, segs, tiles := &p.g, p.split.segs, p.split.tiles
	return w.For(g.o*tiles, 1, func(_ *pool.Worker, lo, hi int) {
		for i := lo; i < hi; i++ {
			o, col := i/tiles, i%tiles*p.split.width
			width := min(p.split.width, g.w-col)
			row := func(s int) []A {
				at := (o*segs+s)*g.w + col
				return partial[at : at+width]
			}
			for n := segs; n > 1; n = (n + 1) / 2 {
				for s := range n / 2 {
					if s > 0 {
						copy(row(s), row(2*s))
					}
					p.fold(row(s), row(2*s+1))
				}
				if n%2 == 1 {
					copy(row(n/2), row(n-1))
				}
			}
			p.sink(row(0), o*g.w+col)
		}
	})
}

// rows reduces rows [lo, hi) of a tile. Groups are joined in pairs as a binary
// counter does it: after group i as many levels are joined as i+1 has trailing
// zeros.
func (p *pass[T, A]) rows(ws *workspace[T, A], o, lo, hi, col, width int) []A {
	if p.abreast(lo, hi, width) {
		return p.narrowRows(ws, o, lo, hi, width)
	}
	top := 0
	for i := 0; lo+i*group < hi; i++ {
		k := lo + i*group
		p.groupRows(ws, ws.row(top, width), o, k, min(k+group, hi), col)
		top++
		for j := i + 1; j%2 == 0; j /= 2 {
			top--
			p.fold(ws.row(top-1, width), ws.row(top, width))
		}
	}
	for ; top > 1; top-- {
		p.fold(ws.row(top-2, width), ws.row(top-1, width))
	}
	return ws.row(0, width)
}

// groupRows adds up rows [lo, hi) of a tile into acc.
func (p *pass[T, A]) groupRows(ws *workspace[T, A], acc []A, o, lo, hi, col int) {
	g, width := &p.g, len(acc)
	if p.foldRows != nil && p.in.whole != nil && g.w >= tile { // narrow rows are read better as they lie
		x := p.in.whole[(o*g.k+lo)*g.w+col:]
		p.lift(acc, x[:width], place{o*g.w + col, p.base + lo, true, 0})
		if n := hi - lo - 1; n > 0 {
			p.foldRows(acc, x[g.w:], g.w, n)
		}
		return
	}
	batch := 1 // rows that are neighbours are read together
	if width == g.w {
		batch = max(1, block/width)
	}
	for k := lo; k < hi; {
		n := min(batch, hi-k)
		x := p.in.get(ws.elems, (o*g.k+k)*g.w+col, n*width)
		for i := range n {
			row, at := x[i*width:(i+1)*width], place{o*g.w + col, p.base + k + i, true, 0}
			switch {
			case k+i == lo:
				p.lift(acc, row, at)
			case p.fusedFold != nil:
				p.fusedFold(acc, row, at)
			default:
				p.lift(ws.lift[:width], row, at)
				p.fold(acc, ws.lift[:width])
			}
		}
		k += n
	}
}
