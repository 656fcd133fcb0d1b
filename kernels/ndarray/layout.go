package ndarray

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Layout says where the elements of an array lie in a byte slice. Element (i0,
// ..., ik) begins at byte Offset + Σ i_j·Strides[j]. Strides are in bytes and
// may be negative (a reversed view) or zero (a broadcast axis), and need not be
// multiples of the element's size (a field of records). The stride of an axis
// of extent 0 or 1 means nothing and may be anything.
type Layout struct {
	DType   DType
	Shape   []int // empty for a scalar
	Strides []int // len(Strides) == len(Shape)
	Offset  int
	Swapped bool // the bytes of each element are in the other order (big-endian)
}

// MaxRank is the largest number of axes accepted: numpy 2's own limit. Walks
// keep an index an axis on the stack.
const MaxRank = 64

// ErrTooLarge is returned for a shape whose product overflows.
var ErrTooLarge = errors.New("shape is too large: its product overflows")

// CheckShape returns the number of elements of shape, or an error if an
// extent is negative, there are more than MaxRank, or the size in bytes
// overflows an int.
func CheckShape(d DType, shape []int) (int, error) {
	if len(shape) > MaxRank {
		return 0, fmt.Errorf("%d axes, at most %d are allowed", len(shape), MaxRank)
	}
	n, zero := 1, false
	for _, s := range shape {
		switch {
		case s < 0:
			return 0, fmt.Errorf("negative extent %d", s)
		case s == 0:
			zero = true
		case n > math.MaxInt/s/max(d.Size(), 1):
			return 0, ErrTooLarge
		default:
			n *= s
		}
	}
	if zero {
		return 0, nil
	}
	return n, nil
}

// NewLayout is the C-ordered layout of shape from byte 0. The shape must pass
// CheckShape.
func NewLayout(d DType, shape ...int) Layout {
	return Layout{DType: d, Shape: slices.Clone(shape), Strides: CStrides(d, shape)}
}

// CStrides are the byte strides of a C-ordered array.
func CStrides(d DType, shape []int) []int {
	strides := make([]int, len(shape))
	step := d.Size()
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(shape[i], 1)
	}
	return strides
}

// FStrides are the byte strides of a Fortran-ordered array: the first axis goes
// on first.
func FStrides(d DType, shape []int) []int {
	strides := make([]int, len(shape))
	step := d.Size()
	for i, s := range shape {
		strides[i] = step
		step *= max(s, 1)
	}
	return strides
}

// Rank is the number of axes.
func (l Layout) Rank() int { return len(l.Shape) }

// Len is the number of elements: 1 for a scalar, 0 if any extent is 0.
func (l Layout) Len() int {
	n := 1
	for _, s := range l.Shape {
		n *= s
	}
	return n
}

// Bytes is the size of the elements, packed.
func (l Layout) Bytes() int { return l.Len() * l.DType.Size() }

// Contiguous tells whether the elements lie in C order without gaps. Arrays
// without elements do; axes of extent 1 are not looked at.
func (l Layout) Contiguous() bool {
	step := l.DType.Size()
	for i := len(l.Shape) - 1; i >= 0; i-- {
		switch l.Shape[i] {
		case 0:
			return true
		case 1:
			continue
		}
		if l.Strides[i] != step {
			return false
		}
		step *= l.Shape[i]
	}
	return true
}

// Extent is the half-open range of bytes that the elements touch. It is
// empty (lo == hi) if there are none.
func (l Layout) Extent() (lo, hi int) {
	lo, hi = l.Offset, l.Offset
	for i, s := range l.Shape {
		if s == 0 {
			return l.Offset, l.Offset
		}
		if d := (s - 1) * l.Strides[i]; d < 0 {
			lo += d
		} else {
			hi += d
		}
	}
	return lo, hi + l.DType.Size()
}

// Permute reorders the axes: axis i of the result is axis axes[i] of l.
// It panics unless axes is a permutation.
func (l Layout) Permute(axes ...int) Layout {
	if len(axes) != len(l.Shape) {
		panic("ndarray: Permute needs one entry an axis")
	}
	out := l
	out.Shape, out.Strides = make([]int, len(axes)), make([]int, len(axes))
	for i, a := range axes {
		out.Shape[i], out.Strides[i] = l.Shape[a], l.Strides[a]
	}
	return out
}

// Index fixes the leading axis at i and drops it. The bounds are not checked;
// Shape and Strides of the result are shared with l.
func (l Layout) Index(i int) Layout {
	out := l
	out.Offset += i * l.Strides[0]
	out.Shape, out.Strides = l.Shape[1:], l.Strides[1:]
	return out
}

// Broadcast stretches l to shape by numpy's rule: trailing axes are matched,
// extents of 1 are repeated with stride 0, missing ones likewise. An axis of
// extent 1 matches 0 too. What is written to the result is written to shared
// memory.
func (l Layout) Broadcast(shape []int) (Layout, error) {
	lead := len(shape) - len(l.Shape)
	if lead < 0 {
		return Layout{}, fmt.Errorf("shape %s does not broadcast to %s", ShapeString(l.Shape), ShapeString(shape))
	}
	out := l
	out.Shape, out.Strides = slices.Clone(shape), make([]int, len(shape))
	for i, s := range l.Shape {
		switch {
		case s == shape[lead+i]:
			out.Strides[lead+i] = l.Strides[i]
		case s != 1:
			return Layout{}, fmt.Errorf("shape %s does not broadcast to %s", ShapeString(l.Shape), ShapeString(shape))
		}
	}
	return out, nil
}

// BroadcastShapes is the common shape of several by numpy's rule; the scalar
// shape (which is nil here) of none. The result is the caller's. Extents of 1
// yield to any other, 0 included.
func BroadcastShapes(shapes ...[]int) ([]int, error) {
	var out []int
	for _, s := range shapes {
		if len(s) > len(out) {
			out = append(slices.Repeat([]int{1}, len(s)-len(out)), out...)
		}
		lead := len(out) - len(s)
		for i, n := range s {
			switch have := out[lead+i]; {
			case have == n, n == 1:
			case have == 1:
				out[lead+i] = n
			default:
				return nil, fmt.Errorf("shapes %s and %s do not broadcast: %d against %d", ShapeString(out), ShapeString(s), have, n)
			}
		}
	}
	return out, nil
}

// ShapeString writes a shape as commands do: 3x4x5, and "scalar" for rank 0.
func ShapeString(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	parts := make([]string, len(shape))
	for i, s := range shape {
		parts[i] = strconv.Itoa(s)
	}
	return strings.Join(parts, "x")
}

// ParseShape reads 3x4x5; the empty string and "scalar" are rank 0. Extents may
// be 0, but not signed below it. The product is not looked at: see
// [CheckShape].
func ParseShape(s string) ([]int, error) {
	if s == "" || s == "scalar" {
		return []int{}, nil
	}
	parts := strings.Split(s, "x")
	shape := make([]int, len(parts))
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("bad shape %q: extents are written as 3x4x5", s)
		}
		shape[i] = n
	}
	return shape, nil
}

// String gives dtype and shape, such as f32:3x4.
func (l Layout) String() string { return l.DType.String() + ":" + ShapeString(l.Shape) }
