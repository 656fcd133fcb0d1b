package gemm

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// A panel that has all of k, and that lies in the file in the order of C's strips,
// needs no second place: as the last step of a tile is through with a strip, that
// of the next tile comes into its place. The room that is saved makes tiles
// larger, and the first step of all waits for a strip and not for a panel.

// roll is A or B on its way through one place.
type roll struct {
	cut       *cut
	s         kernels.Stored
	room      []byte
	axis      int     // that runs along k
	tile      int     // the present one; -1 before the first
	now, next *rolled // panels of the present tile and of the one that follows; the same if they are
}

// rolled is a panel, and the moves of its first strips.
type rolled struct {
	piece stream.Piece
	moves []*stream.Move
}

// rolling is the cut with A, or B, coming strip by strip.
func (c *cut) rolling(a bool) *cut {
	d := c.holding(c.wholeA || a, c.wholeB || !a)
	d.rollA, d.rollB = a, !a
	return d
}

// rolls tells whether the panels that are to come strip by strip can: strips
// must be parts of them, and lie apart. A tile of one strip would wait for all.
func (c *cut) rolls() bool {
	axis, r := c.stripAxis(), len(c.extents)
	if !c.rollA && !c.rollB {
		return true
	}
	if c.depth == 0 || c.strips() == 1 || c.rollA != (axis == r-2) || c.rollB != (axis == r-1) {
		return false
	}
	if c.rollB {
		return layered(c.panelB(), axis)
	}
	return layered(c.panelA(), axis)
}

// layered tells whether what a panel has at one place of an axis lies in front of all that it has at the next.
func layered(panel ndarray.Layout, axis int) bool {
	one := panel
	one.Shape = slices.Clone(panel.Shape)
	one.Shape[axis] = 1
	lo, hi := one.Extent()
	return max(panel.Strides[axis], -panel.Strides[axis]) >= hi-lo
}

// strips is how many a full tile has.
func (c *cut) strips() int { return count(c.extents[c.stripAxis()], c.strip()) }

// newRoll makes room for a panel.
func (c *cut) newRoll(mem kernels.Memory, s kernels.Stored, panel ndarray.Layout, axis int) *roll {
	l := &roll{cut: c, s: s, room: mem.Alloc(stream.SourceSize(panel)), axis: axis, tile: -1}
	l.next = l.panel(0)
	return l
}

// panel is the one of a tile, of which nothing is there.
func (l *roll) panel(t int) *rolled {
	lo, hi := l.cut.boxOf(t)
	lo[l.axis], hi[l.axis] = 0, l.cut.depth
	return &rolled{piece: stream.Source(stream.Box(l.s, lo, hi), l.room)}
}

// of is where the panel of tile t is, or will be: the present one or the next.
func (l *roll) of(t int) ndarray.Array {
	if t == l.tile {
		return l.now.piece.Array
	}
	return l.next.piece.Array
}

// enter begins tile t.
func (l *roll) enter(t int) {
	l.tile, l.now = t, l.next
	if t+1 < l.cut.total() {
		if next := l.panel(t + 1); !next.piece.Same(&l.now.piece) {
			l.next = next
		}
	}
}

// load starts loading the first n strips of a panel, as far as that was not done.
func (l *roll) load(f *stream.Flight, p *rolled, n int) {
	axis, size := l.cut.stripAxis(), l.cut.strip()
	extent := p.piece.Array.Shape[axis]
	for i := len(p.moves); i < min(n, count(extent, size)); i++ {
		part := p.piece.Range(axis, i*size, min((i+1)*size, extent))
		p.moves = append(p.moves, f.Load(&part))
	}
}

// there waits for strip i of the present panel. When the first is there the others
// are asked for, those of the first tile, that is.
func (l *roll) there(f *stream.Flight, i int) error {
	if err := l.now.moves[i].Wait(); err != nil {
		return err
	}
	l.load(f, l.now, l.cut.strips())
	return nil
}

// used says that nobody needs the present panel's strips up to number i any more:
// the next one's take their places.
func (l *roll) used(f *stream.Flight, i int) {
	if l.next == l.now {
		return
	}
	n := i + 1
	if n == len(l.now.moves) {
		n = l.cut.strips()
	} else {
		n -= l.cut.lag(l.now.piece.Array.Layout, l.next.piece.Array.Layout)
	}
	l.load(f, l.next, n)
}

// lag is how many strips of a tile beyond the one with the same number are in the way of
// one of the next tile: none if both lie alike in memory, one if they lie a part of
// a page apart (see [stream.Piece]), all if their rows do not.
func (c *cut) lag(now, next ndarray.Layout) int {
	axis := c.stripAxis()
	if !slices.Equal(now.Strides, next.Strides) {
		return c.strips()
	}
	d, strip := now.Offset-next.Offset, now.Strides[axis]*c.strip()
	return min(count(max(d, -d), max(strip, -strip)), c.strips())
}
