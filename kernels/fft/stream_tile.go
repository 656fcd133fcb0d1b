package fft

import (
	"slices"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// What a pass reads and writes, tile by tile, and what that costs.

// tile is the shapes of the largest tile.
func (p *pass) tile() (in, out []int) {
	in, out = slices.Clone(p.extents), slices.Clone(p.extents)
	for _, a := range p.axes {
		in[a], out[a] = p.in[a], p.out[a]
	}
	return in, out
}

// ends are the layouts of what the pass reads and writes, and whether they are
// the same place.
func (s *streamed) ends(p *pass) (src, dst ndarray.Layout, inPlace bool) {
	src, dst = s.src, s.dst
	switch {
	case p.from != nil || p.to != nil:
		return src, dst, false
	case s.r.real && s.r.inv && !p.last: // to and in temporary space
		dst = ndarray.NewLayout(s.complex, p.out...)
	}
	switch {
	case p.first && !s.within:
		return src, dst, false
	case s.r.real && s.r.inv && p.last:
		return ndarray.NewLayout(s.complex, p.in...), dst, false
	}
	return dst, dst, true
}

// tileLayouts are the layouts of the largest tile at both ends.
func (s *streamed) tileLayouts(p *pass) (src, dst ndarray.Layout, inPlace bool) {
	in, out := p.tile()
	src, dst, inPlace = s.ends(p)
	if src = tileLayout(src, in); p.from != nil {
		src = p.from.Tile(0, p.extents[0])
	}
	if dst = tileLayout(dst, out); p.to != nil {
		dst = p.to.Tile(0, p.extents[0])
	}
	return src, dst, inPlace
}

// tileLayout is a layout cut to a tile's shape: along each axis at most what
// there is.
func tileLayout(l ndarray.Layout, shape []int) ndarray.Layout {
	for a, n := range shape {
		l = l.Range(a, 0, min(n, l.Shape[a]))
	}
	return l
}

// traffic is the bytes over all passes, or what they cost, with runs that are
// apart and steps of the pipeline.
func (s *streamed) traffic(bytes bool) (total float64) {
	const most = 64 // tiles of a pass that are looked at; others are as the first, nearly
	for _, p := range s.passes {
		sum, n := 0.0, p.tiles()
		for i := range min(n, most) {
			src, dst, inPlace := s.tileAt(p, i)
			source := stream.SourceTraffic
			if inPlace { // what lies between is not read: others write it
				source = stream.SinkTraffic
			}
			read, readCost := source(src)
			wrote, writeCost := stream.SinkTraffic(dst)
			if sum += read + wrote; !bytes {
				sum += readCost + writeCost + stream.StepCost - read - wrote
			}
		}
		total += sum * float64(n) / float64(max(min(n, most), 1))
	}
	return total
}

// tileAt is tile i at both ends, and whether they are the same place.
func (s *streamed) tileAt(p *pass, i int) (src, dst ndarray.Layout, inPlace bool) {
	if p.columns() {
		return p.from.Panel(i), p.to.Panel(i), true
	}
	lo, hi := p.box(i)
	src, dst, inPlace = s.ends(p)
	return p.source(src, lo, hi), p.sink(dst, lo, hi), inPlace
}

// columns tells whether the pass goes through columns of panels.
func (p *pass) columns() bool { return p.from != nil && p.to != nil }

// source is what a box is of what the pass reads, sink of what it writes.
func (p *pass) source(l ndarray.Layout, lo, hi []int) ndarray.Layout {
	if p.from != nil {
		return p.from.Tile(lo[0], hi[0])
	}
	return part(l, lo, hi, p, p.in)
}

func (p *pass) sink(l ndarray.Layout, lo, hi []int) ndarray.Layout {
	if p.to != nil {
		return p.to.Tile(lo[0], hi[0])
	}
	return part(l, lo, hi, p, p.out)
}

// tiles is the number of them.
func (p *pass) tiles() int {
	if p.columns() {
		return p.to.Count()
	}
	n := 1
	for a, e := range p.extents {
		n *= (p.out[a] + max(e, 1) - 1) / max(e, 1)
	}
	return n
}

// box is tile i, from index lo to hi of the output. The last axes go on first.
func (p *pass) box(i int) (lo, hi []int) {
	lo, hi = make([]int, len(p.out)), slices.Clone(p.out)
	for a := len(p.out) - 1; a >= 0; a-- {
		if e := max(p.extents[a], 1); e < p.out[a] {
			n := (p.out[a] + e - 1) / e
			lo[a] = i % n * e
			hi[a] = min(lo[a]+e, p.out[a])
			i /= n
		}
	}
	return lo, hi
}

// part is what a box is of an array at one end: whole along the axes of the
// pass, and no more than there is.
func part(l ndarray.Layout, lo, hi []int, p *pass, shape []int) ndarray.Layout {
	for a := range lo {
		from, to := lo[a], hi[a]
		if slices.Contains(p.axes, a) {
			from, to = 0, shape[a]
		}
		l = l.Range(a, min(from, l.Shape[a]), min(to, l.Shape[a]))
	}
	return l
}
