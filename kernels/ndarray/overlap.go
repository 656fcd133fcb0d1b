package ndarray

import "slices"

// Overlaps tells whether two arrays in one buffer may share bytes: whether the
// ranges between their first and last elements meet. It is conservative:
// interleaved views overlap by it, though they share nothing. (The exact
// question is NP-hard in general, as numpy.shares_memory says; here a needless
// copy is all that a wrong yes costs.)
func Overlaps(a, b Layout) bool {
	alo, ahi := a.Extent()
	blo, bhi := b.Extent()
	return alo < ahi && blo < bhi && alo < bhi && blo < ahi
}

// SameLayout tells whether a and b place their elements alike: same type,
// byte order, offset, shape, and strides of the axes that have more than one
// element.
func SameLayout(a, b Layout) bool {
	if a.DType != b.DType || a.Swapped != b.Swapped || a.Offset != b.Offset || !slices.Equal(a.Shape, b.Shape) {
		return false
	}
	for i, s := range a.Shape {
		if s > 1 && a.Strides[i] != b.Strides[i] {
			return false
		}
	}
	return true
}

// Collapse is the same elements in the same C order with as few axes as
// possible: axes of extent 1 go, and neighbours that are one walk are merged.
// A scalar has no axis left; an empty layout keeps a single axis of extent 0.
func (l Layout) Collapse() Layout {
	out := []Layout{l}
	collapse(out)
	return out[0]
}

// collapse merges axes of layouts of one shape where all of them allow it. It
// replaces the elements of ls, whose old Shape and Strides stay as they are. An
// axis joins the one before it if stepping the latter once is stepping the
// former all its length, in every layout.
func collapse(ls []Layout) {
	shape := ls[0].Shape
	if slices.Contains(shape, 0) {
		for i := range ls {
			ls[i].Shape, ls[i].Strides = []int{0}, []int{ls[i].DType.Size()}
		}
		return
	}
	merged := make([]Layout, len(ls))
	copy(merged, ls)
	for i := range merged {
		merged[i].Shape, merged[i].Strides = make([]int, 0, len(shape)), make([]int, 0, len(shape))
	}
	for axis, n := range shape {
		if n == 1 {
			continue
		}
		join := len(merged[0].Shape) > 0
		for i, m := range merged {
			last := len(m.Strides) - 1
			join = join && m.Strides[last] == n*ls[i].Strides[axis]
		}
		for i := range merged {
			m := &merged[i]
			if join {
				last := len(m.Shape) - 1
				m.Shape[last] *= n
				m.Strides[last] = ls[i].Strides[axis]
			} else {
				m.addAxis(n, ls[i].Strides[axis])
			}
		}
	}
	copy(ls, merged)
}
