package vec

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// rollLine rolls all axes of a by shifts.
func rollLine(shifts []int) string {
	axes := make([]int, len(shifts))
	for i := range axes {
		axes[i] = i
	}
	list := func(v []int) string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]") }
	return "roll a o shift=" + list(shifts) + " axes=" + list(axes)
}

// Rolls of many axes against one element at a time.
func TestRollManyAxes(t *testing.T) {
	for _, c := range []struct{ shape, shift []int }{
		{slices.Repeat([]int{2}, 13), []int{1, 0, -1, 3, 1, 1, 2, 1, 1, -7, 1, 5, 1}},
		{slices.Repeat([]int{3}, 8), []int{1, 2, -1, 4, -5, 1, 2, 1}},
		{[]int{3, 3, 2, 3, 1, 3, 4, 3, 3, 3}, []int{1, 2, 1, -1, 9, 3, 2, 1, 2, 2}},
		{[]int{5, 0, 3}, []int{1, 1, 1}},
	} {
		a := ndarray.New(ndarray.I32, c.shape...)
		for i, s := 0, ndarray.Slice[int32](a); i < len(s); i++ {
			s[i] = int32(i)
		}
		in := arrays{"a": a}
		o, _ := run(t, rollLine(c.shift), in)
		got := ndarray.Slice[int32](o)
		for i := range got {
			to, left, step := 0, i, 1
			for k := len(c.shape) - 1; k >= 0; k-- {
				n := c.shape[k]
				to += ((left%n+c.shift[k])%n + n) % n * step
				left, step = left/n, step*n
			}
			if got[to] != int32(i) {
				t.Fatalf("%v by %v: element %d did not go to %d", c.shape, c.shift, i, to)
			}
		}
		if len(got) < 3000 {
			kerneltest.Stream(t, Kernels(), rollLine(c.shift), in)
		}
	}
}

// The assignments of a roll are few, whatever the number of axes, and what is
// read was written: the two temporary arrays take turns.
func TestRollIsBounded(t *testing.T) {
	for _, c := range []struct{ n, axes, list, temps int }{
		{2, 26, 1, 0}, {1, 60, 1, 0}, {3, 1, 2, 0}, {3, 6, 64, 0}, {3, 7, 16 + 8, 1}, {3, 12, 128, 1}, {3, 13, 32 + 16 + 16, 2}, {3, 38, 0, 2},
	} {
		l := ndarray.NewLayout(ndarray.U8, slices.Repeat([]int{c.n}, c.axes)...)
		var axes []int
		for i := range c.axes {
			axes = append(axes, i)
		}
		var a assignments
		a.roll(assignment{output, 0, l, l}, axes, slices.Repeat([]int{1}, c.axes))
		if len(a.list) > 7*64 || c.axes < 30 && len(a.list) != c.list || len(a.temps) != c.temps {
			t.Errorf("%d axes of %d: %d assignments, %d temporary arrays", c.axes, c.n, len(a.list), len(a.temps))
		}
		from := place(0)
		for i, s := range a.list {
			if i > 0 && a.list[i-1].to != s.to {
				from = a.list[i-1].to
			}
			if s.from != from || s.to == from {
				t.Fatalf("assignment %d goes from %d to %d, and the elements are at %d", i, s.from, s.to, from)
			}
		}
		if a.list[len(a.list)-1].to != output {
			t.Error("the output is not written last")
		}
	}
}
