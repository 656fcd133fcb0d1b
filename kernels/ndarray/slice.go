package ndarray

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Range is one part of a slice, as Python's basic slicing has it. Index,
// Ellipsis and NewAxis exclude each other; with none of them it is
// start:stop:step, where HasStart and HasStop tell what was written. Step is
// never 0.
type Range struct {
	Start, Stop, Step int
	HasStart, HasStop bool
	Index             bool // a single index, which drops the axis: Start is it
	Ellipsis          bool // "...": as many full axes as are missing
	NewAxis           bool // "None": a new axis of extent 1
}

// SyntaxError is a fault in a text, at bytes [Start, End) of it.
type SyntaxError struct {
	Start, End int
	Msg        string
}

// Error gives the message without the place.
func (e *SyntaxError) Error() string { return e.Msg }

// ParseSlice reads what stands between the brackets of a basic slice in
// Python: indices, start:stop:step, ..., None or newaxis, separated by commas.
// Numbers of any length are taken, beyond the int range as its ends. The
// error is a *[SyntaxError].
func ParseSlice(s string) ([]Range, error) {
	parts := strings.Split(s, ",")
	if n := len(parts); n > 1 && strings.TrimSpace(parts[n-1]) == "" {
		parts = parts[:n-1] // a trailing comma
	}
	out := make([]Range, 0, len(parts))
	pos, seen := 0, false
	for _, p := range parts {
		r, err := parseRange(p, pos)
		if err != nil {
			return nil, err
		}
		if r.Ellipsis && seen {
			return nil, &SyntaxError{pos, pos + len(p), "a slice can have one ... only"}
		}
		seen = seen || r.Ellipsis
		out = append(out, r)
		pos += len(p) + 1
	}
	return out, nil
}

// parseRange reads one part, which begins at byte pos of the slice.
func parseRange(s string, pos int) (Range, error) {
	fail := func(msg string) (Range, error) { return Range{}, &SyntaxError{pos, pos + len(s), msg} }
	switch strings.TrimSpace(s) {
	case "":
		return fail("a part of the slice is empty")
	case "...", "Ellipsis":
		return Range{Ellipsis: true}, nil
	case "None", "newaxis":
		return Range{NewAxis: true}, nil
	}
	fields := strings.Split(s, ":")
	if len(fields) > 3 {
		return fail("more than two colons in " + strings.TrimSpace(s))
	}
	var nums [3]int
	var has [3]bool
	for i, f := range fields {
		f = strings.TrimSpace(f)
		if f == "" {
			continue
		}
		n, err := strconv.Atoi(f)
		if err != nil && !errors.Is(err, strconv.ErrRange) { // on ErrRange n is the nearest int
			return fail(fmt.Sprintf("%q is not an integer", f))
		}
		nums[i], has[i] = n, true
	}
	if len(fields) == 1 {
		return Range{Start: nums[0], HasStart: true, Step: 1, Index: true}, nil
	}
	if !has[2] {
		nums[2] = 1
	}
	if nums[2] == 0 {
		return fail("a slice step of 0")
	}
	return Range{Start: nums[0], Stop: nums[1], Step: nums[2], HasStart: has[0], HasStop: has[1]}, nil
}

// Slice is the view that numpy's basic indexing gives: bounds are clamped,
// negative ones count from the end, negative steps reverse, missing axes are
// taken whole. An index outside its axis and too many parts are errors.
func (l Layout) Slice(rs []Range) (Layout, error) {
	used, ellipsis := 0, false
	for _, r := range rs {
		if !r.Ellipsis && !r.NewAxis {
			used++
		}
		ellipsis = ellipsis || r.Ellipsis
	}
	if used > len(l.Shape) {
		return Layout{}, fmt.Errorf("too many indices: the array has %d axes, the slice takes %d", len(l.Shape), used)
	}
	if !ellipsis {
		rs = append(slices.Clone(rs), Range{Ellipsis: true})
	}
	out := Layout{DType: l.DType, Offset: l.Offset, Swapped: l.Swapped, Shape: []int{}, Strides: []int{}}
	axis := 0
	for _, r := range rs {
		switch {
		case r.NewAxis:
			out.addAxis(1, 0)
		case r.Ellipsis:
			for range len(l.Shape) - used {
				out.addAxis(l.Shape[axis], l.Strides[axis])
				axis++
			}
		case r.Index:
			i, n := r.Start, l.Shape[axis]
			if i < -n || i >= n {
				return Layout{}, fmt.Errorf("index %d is out of bounds for axis %d with size %d", i, axis, n)
			}
			if i < 0 {
				i += n
			}
			out.Offset += i * l.Strides[axis]
			axis++
		default:
			start, count, step := r.resolve(l.Shape[axis])
			out.Offset += start * l.Strides[axis]
			out.addAxis(count, step*l.Strides[axis])
			axis++
		}
	}
	if len(out.Shape) > MaxRank {
		return Layout{}, fmt.Errorf("%d axes, at most %d are allowed", len(out.Shape), MaxRank)
	}
	if out.Len() == 0 {
		out.Offset = l.Offset // an index may lead past the end of no elements
	}
	return out, nil
}

// addAxis appends an axis. The slices must be the layout's own: append may
// write where a shared one has its elements.
func (l *Layout) addAxis(n, stride int) {
	l.Shape = append(l.Shape, n)
	l.Strides = append(l.Strides, stride)
}

// resolve applies the range to an axis of n elements, as PySlice_AdjustIndices
// in CPython does. An empty result starts at 0 with step 1, as numpy has it.
func (r Range) resolve(n int) (start, count, step int) {
	step = max(r.Step, -math.MaxInt) // so that -step does not overflow
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
	}
	clamp := func(i int, has bool, def int) int {
		if !has {
			return def
		}
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	stop := 0
	if step > 0 {
		start, stop = clamp(r.Start, r.HasStart, low), clamp(r.Stop, r.HasStop, high)
		if start < stop {
			return start, (stop-start-1)/step + 1, step
		}
	} else {
		start, stop = clamp(r.Start, r.HasStart, high), clamp(r.Stop, r.HasStop, low)
		if stop < start {
			return start, (start-stop-1)/-step + 1, step
		}
	}
	return 0, 0, 1
}

// Range is the part [lo, hi) of one axis. It panics unless 0 <= lo <= hi <=
// the extent. Callers cut an array into pieces with it.
func (l Layout) Range(axis, lo, hi int) Layout {
	if lo < 0 || lo > hi || hi > l.Shape[axis] {
		panic(fmt.Sprintf("ndarray: range %d:%d of axis %d of %s", lo, hi, axis, l))
	}
	out := l
	out.Shape = slices.Clone(l.Shape)
	out.Shape[axis] = hi - lo
	out.Offset += lo * l.Strides[axis]
	return out
}

// Range is the part [lo, hi) of one axis, as [Layout.Range].
func (a Array) Range(axis, lo, hi int) Array { return Array{a.Layout.Range(axis, lo, hi), a.Data} }
