package reduce

import (
	"slices"

	"vgpu/kernels/ndarray"
)

// lines is how a streamed kernel along an axis sees its operands: with the axes
// O, W, and K last, so that tiles that continue lines follow one another.
type lines struct {
	g    *geometry // of the whole; one axis is reduced
	rank int
}

// order brings an operand's layout into that order.
func (l lines) order(of ndarray.Layout) ndarray.Layout {
	b := l.g.before
	return of.Permute(slices.Concat(l.g.axes[:b], l.g.axes[b+1:], l.g.axes[b:b+1])...)
}

// back is a tile with its axes in the order O, K, W.
func (l lines) back(a ndarray.Array) ndarray.Array {
	axes := make([]int, l.rank)
	for i := range axes {
		axes[i] = i
	}
	b, last := l.g.before, l.rank-1
	return a.Permute(slices.Concat(axes[:b], axes[last:], axes[b:last])...)
}

// tile is the geometry of a tile of those extents.
func (l lines) tile(extents []int) geometry {
	g := geometry{o: 1, w: 1, k: extents[l.rank-1], inner: l.g.inner, before: l.g.before, reduced: 1}
	for i, n := range extents[:l.rank-1] {
		if i < l.g.before {
			g.o *= n
		} else {
			g.w *= n
		}
	}
	return g
}

// wholeLast marks the last axis, if that is to stay whole.
func (l lines) wholeLast(whole bool) []bool {
	w := make([]bool, l.rank)
	w[l.rank-1] = whole
	return w
}

// units lets the last axis be cut at multiples of unit.
func (l lines) units(unit int) []int {
	u := slices.Repeat([]int{1}, l.rank)
	u[l.rank-1] = unit
	return u
}
