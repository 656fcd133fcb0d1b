package stream

import (
	"slices"

	"vgpu/kernels/ndarray"
)

// Panels is temporary space for a matrix of Rows x Cols elements, cut into
// vertical strips of Width columns that lie one behind the other. A block
// of rows is a long run of each of them, and a strip is a run of its own, where
// columns of an array are as many short runs as there are rows. For long
// columns one or two more passes over the array take less time than those.
type Panels struct {
	DType             ndarray.DType
	Rows, Cols, Width int
}

// NewPanels takes strips of about width columns, as equal as can be, and of
// whole cache lines if they are not narrower.
func NewPanels(d ndarray.DType, rows, cols, width int) Panels {
	n := count(cols, width)
	width = count(cols, n)
	if line := lineBytes / d.Size(); width >= line {
		width = roundUp(width, line)
	}
	return Panels{d, rows, cols, width}
}

// Count is the number of strips. The last one may have columns in excess.
func (q *Panels) Count() int { return count(q.Cols, q.Width) }

// Layout has three axes: strips, rows, and the columns of a strip.
func (q *Panels) Layout() ndarray.Layout {
	return ndarray.NewLayout(q.DType, q.Count(), q.Rows, q.Width)
}

// Tile is rows lo to hi-1, Panel is strip i.
func (q *Panels) Tile(lo, hi int) ndarray.Layout { return q.Layout().Range(1, lo, hi) }
func (q *Panels) Panel(i int) ndarray.Layout     { return q.Layout().Range(0, i, i+1) }

// Strips are the parts of a tile, and those of the same rows of a matrix, that
// hold the same elements. Axes before those of a matrix are of both.
func (q *Panels) Strips(tile, rows ndarray.Array) (parts [][2]ndarray.Array) {
	r := rows.Rank()
	down, right := rows.Strides[r-2], rows.Strides[r-1]
	cut := func(first, n, width int) {
		if n == 0 || width == 0 {
			return
		}
		l := rows.Layout
		l.Shape = append(slices.Clone(rows.Shape[:r-2]), n, rows.Shape[r-2], width)
		l.Strides = append(slices.Clone(rows.Strides[:r-2]), q.Width*right, down, right)
		l.Offset += first * q.Width * right
		parts = append(parts, [2]ndarray.Array{tile.Range(r-2, first, first+n).Range(r, 0, width), {Layout: l, Data: rows.Data}})
	}
	whole := q.Cols / q.Width
	cut(0, whole, q.Width)
	cut(whole, q.Count()-whole, q.Cols%q.Width)
	return parts
}
