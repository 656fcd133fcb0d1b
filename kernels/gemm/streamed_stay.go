package gemm

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// Where the tiles are as wide as C, all of them need the same panel of B. If it has all
// of k, it needs one place too, and is read once: A, B and C are moved once each, with
// memory for B, for a panel of A that comes strip by strip, and for a tile. The first
// tile need not wait for all of B: its steps go along k, and B comes in their order.

// stay is A or B in memory from the first tile to the last.
type stay struct {
	piece stream.Piece
	axis  int // that runs along k
	parts int // in which it comes: one a step, or one
	moves []*stream.Move
}

// staysA and staysB tell whether one panel of the operand serves all tiles.
func (c *cut) staysA() bool { return c.wholeA && !c.rollA && c.total() == c.tiles()[len(c.extents)-1] }
func (c *cut) staysB() bool { return c.wholeB && !c.rollB && c.total() == c.tiles()[len(c.extents)-2] }

// newStay makes room for the panel.
func (c *cut) newStay(mem kernels.Memory, s kernels.Stored, panel ndarray.Layout, axis int) *stay {
	y := &stay{axis: axis, parts: 1}
	if layered(panel, axis) {
		y.parts = c.panels()
	}
	lo, hi := c.boxOf(0)
	lo[axis], hi[axis] = 0, c.depth
	y.piece = stream.Source(stream.Box(s, lo, hi), mem.Alloc(stream.SourceSize(panel)))
	return y
}

// panel starts loading what step i of a tile needs, unless that was done.
func (y *stay) panel(f *stream.Flight, c *cut, i int) (ndarray.Array, *stream.Move) {
	part := min(i, y.parts-1)
	for j := len(y.moves); j <= part; j++ {
		k0, k1 := 0, c.depth
		if y.parts > 1 {
			k0, k1 = c.span(j)
		}
		p := y.piece.Range(y.axis, k0, k1)
		y.moves = append(y.moves, f.Load(&p))
	}
	k0, k1 := c.span(i)
	return y.piece.Array.Range(y.axis, k0, k1), y.moves[part]
}
