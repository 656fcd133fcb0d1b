package ndarray

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestOverlaps(t *testing.T) {
	at := func(lo, hi int) Layout {
		l := NewLayout(U8, hi-lo)
		l.Offset = lo
		return l
	}
	rev := at(0, 10)
	rev.Offset, rev.Strides = 9, []int{-1}
	for _, c := range []struct {
		a, b Layout
		want bool
	}{
		{at(0, 10), at(0, 10), true}, {at(0, 10), at(9, 20), true}, {at(0, 10), at(10, 20), false},
		{at(5, 6), at(0, 10), true}, {at(5, 5), at(0, 10), false}, {at(0, 10), at(90, 100), false},
		{rev, at(0, 1), true}, {rev, at(9, 10), true}, {rev, at(10, 11), false}, {Layout{DType: U8, Shape: []int{0}, Strides: []int{1}}, at(0, 10), false},
		{at(10, 15), NewLayout(U8, 20).Range(0, 14, 20), true},
	} {
		if got := Overlaps(c.a, c.b); got != c.want {
			t.Errorf("%+v and %+v: %v", c.a, c.b, got)
		}
		if got := Overlaps(c.b, c.a); got != c.want {
			t.Errorf("%+v and %+v, reversed: %v", c.a, c.b, got)
		}
	}
}

func TestSameLayout(t *testing.T) {
	a := NewLayout(F32, 3, 1, 4)
	b := NewLayout(F32, 3, 1, 4)
	b.Strides[1] = 999 // an axis of one element
	if !SameLayout(a, b) {
		t.Error("the stride of an axis of extent 1 counts")
	}
	for _, change := range []func(*Layout){
		func(l *Layout) { l.DType = I32 }, func(l *Layout) { l.Swapped = true }, func(l *Layout) { l.Offset = 4 },
		func(l *Layout) { l.Shape[0] = 2 }, func(l *Layout) { l.Strides[2] = 8 },
	} {
		b := NewLayout(F32, 3, 1, 4)
		if change(&b); SameLayout(a, b) {
			t.Errorf("%+v and %+v are the same", a, b)
		}
	}
}

func TestCollapse(t *testing.T) {
	c := func(shape ...int) Layout { return NewLayout(F32, shape...) }
	reversed := Layout{DType: F32, Shape: []int{3, 4}, Strides: []int{-16, -4}, Offset: 44}
	for _, x := range []struct {
		in    Layout
		shape []int
	}{
		{c(), []int{}}, {c(1, 1), []int{}}, {c(3, 4, 5), []int{60}}, {c(1, 3, 1, 4, 1), []int{12}}, {c(3, 0, 2), []int{0}},
		{c(3, 4).Permute(1, 0), []int{4, 3}}, {c(2, 3, 4).Permute(1, 2, 0), []int{12, 2}}, {reversed, []int{12}},
		{c(4, 6).Range(1, 0, 5), []int{4, 5}}, {c(4, 6).Range(0, 1, 3), []int{12}},
		{Layout{DType: F32, Shape: []int{3, 4}, Strides: []int{0, 0}}, []int{12}},
	} {
		got := x.in.Collapse()
		if !slices.Equal(got.Shape, x.shape) || got.Offset != x.in.Offset || got.Len() != x.in.Len() {
			t.Errorf("%+v collapses to %+v", x.in, got)
		}
	}
}

// Collapsing changes neither the elements nor their order.
func TestCollapseKeepsOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for range 500 {
		shape := make([]int, rng.IntN(5))
		for i := range shape {
			shape[i] = 1 + rng.IntN(4)
		}
		a := randomBits(U16, shape, rng)
		a.Layout = a.Layout.Permute(rng.Perm(len(shape))...)
		b := Array{a.Collapse(), a.Data}
		if !bytes.Equal(packed(a), packed(b)) {
			t.Fatalf("%+v collapses to %+v", a.Layout, b.Layout)
		}
	}
}
