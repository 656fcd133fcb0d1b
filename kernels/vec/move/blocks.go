package move

import "vgpu/kernels/ndarray"

// Blocks cuts a shape into boxes that are runs of consecutive elements in C
// order: one axis is cut, those after it are whole, those before it have one
// index each.
type Blocks struct {
	shape []int
	axis  int // the axis that is cut
	step  int // extent of a box along it
	inner int // elements of the axes after it
	cuts  int // boxes along it
}

// NewBlocks cuts shape into boxes of at most limit elements.
func NewBlocks(shape []int, limit int) Blocks {
	b := Blocks{shape: shape, axis: len(shape) - 1, inner: 1}
	if len(shape) == 0 {
		return b
	}
	for b.axis > 0 && b.inner*shape[b.axis] <= limit {
		b.inner *= shape[b.axis]
		b.axis--
	}
	if b.inner > 0 {
		b.step = max(1, min(shape[b.axis], limit/b.inner))
		b.cuts = ceil(shape[b.axis], b.step)
	}
	return b
}

// Count is the number of boxes; 0 if there are no elements.
func (b Blocks) Count() int {
	if len(b.shape) == 0 {
		return 1
	}
	n := b.cuts
	for _, s := range b.shape[:b.axis] {
		n *= s
	}
	return n
}

// Size is the number of elements of a full box.
func (b Blocks) Size() int { return max(1, b.step*b.inner) }

// First is the number, in C order, of the first element of box i.
func (b Blocks) First(i int) int {
	if len(b.shape) == 0 {
		return 0
	}
	return (i/b.cuts*b.shape[b.axis] + i%b.cuts*b.step) * b.inner
}

// Cut is box i of an array of the shape.
func (b Blocks) Cut(a ndarray.Array, i int) ndarray.Array {
	if len(b.shape) == 0 {
		return a
	}
	lo := i % b.cuts * b.step
	i /= b.cuts
	for k := b.axis - 1; k >= 0; k-- {
		a.Offset += i % b.shape[k] * a.Strides[k]
		i /= b.shape[k]
	}
	a.Shape, a.Strides = a.Shape[b.axis:], a.Strides[b.axis:]
	return a.Range(0, lo, min(lo+b.step, b.shape[b.axis]))
}
