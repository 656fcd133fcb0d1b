package stream

import (
	"cmp"
	"slices"
)

// Gaps of an output. Elements that lie apart, as those of x[::2] do, are a run
// each, and a run is a request: millions of them take minutes. Where nobody else
// can write what lies between, a tile is brought in, changed, and written back
// with it. The kernel's own tiles are kept apart by taking only those gaps that no
// tile has elements in; other jobs wait for this one, since they wait for buffers; a
// client that has kept the file open for writing must not write the bytes between
// while a job writes those beside them, as with what a job copies in windows.

// ownGap is the most bytes between elements of an output that are brought in and
// written back: to write a run through the page cache takes as long as some KiB do.
const ownGap = 1 << 10

// owned marks the axes along which tiles of those extents are written with what
// lies between their elements: all axes with smaller strides are whole, so that
// no other tile has anything there. It is nil if elements of one axis may lie
// between those of another.
func (o *Operand) owned(extents []int) []bool {
	l := o.Layout
	stride := func(axis int) int { return max(l.Strides[axis], -l.Strides[axis]) }
	var axes []int
	for i, n := range l.Shape {
		if n > 1 {
			axes = append(axes, i)
		}
	}
	slices.SortFunc(axes, func(a, b int) int { return cmp.Compare(stride(a), stride(b)) })
	out, run, whole := make([]bool, len(l.Shape)), l.DType.Size(), true
	for _, a := range axes {
		between := stride(a) - run
		if between < 0 {
			return nil
		}
		out[a] = whole && between <= ownGap
		whole = whole && extents[a] == l.Shape[a]
		run += (l.Shape[a] - 1) * stride(a)
	}
	return out
}

// ownable tells whether a tiling may write back what lies between elements, and
// there is anything: of two outputs, which may share a buffer, each could undo
// what the other wrote.
func ownable(ops []Operand) bool {
	stores, gaps := 0, false
	for i := range ops {
		if o := &ops[i]; o.Store {
			stores++
			f := newForm(o.Layout, 0, o.owned(o.Layout.Shape))
			gaps = o.Reach == nil && f.gaps
		}
	}
	return stores == 1 && gaps
}
