package stream

import (
	"slices"
	"testing"

	"vgpu/kernels/ndarray"
)

// Rows that are copied to panels strip by strip, of several matrices at once and from
// behind, come back as they were; a panel has its columns.
func TestPanels(t *testing.T) {
	for _, c := range []struct{ outer, rows, cols, width, count, real int }{
		{1, 4, 10, 3, 4, 3}, {3, 5, 7, 7, 1, 7}, {2, 6, 50, 20, 3, 17}, {1, 4, 100, 40, 2, 64}, {2, 3, 33, 1, 33, 1}, {1, 2, 5, 9, 1, 5},
	} {
		q := NewPanels(ndarray.I16, c.rows, c.cols, c.width)
		if q.Count() != c.count || q.Width != c.real {
			t.Fatalf("%+v: %d strips of %d columns", c, q.Count(), q.Width)
		}
		space := ndarray.New(ndarray.I16, append([]int{c.outer}, q.Layout().Shape...)...)
		src, got := ndarray.New(ndarray.I16, c.outer, c.rows, c.cols), ndarray.New(ndarray.I16, c.outer, c.rows, c.cols)
		v := ndarray.Slice[int16](src)
		for i := range v {
			v[i] = int16(i)
		}
		for lo := 0; lo < c.rows; lo += 2 {
			hi := min(lo+2, c.rows)
			for _, p := range q.Strips(space.Range(2, lo, hi), src.Range(1, lo, hi)) {
				if err := ndarray.Convert(p[0], p[1]); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range q.Strips(space.Range(2, lo, hi), got.Range(1, lo, hi)) {
				if err := ndarray.Convert(p[1], p[0]); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !slices.Equal(ndarray.Slice[int16](got), v) {
			t.Errorf("%+v: not the same", c)
		}
		first := ndarray.Array{Layout: q.Panel(0), Data: space.Data}.Index(0)
		if x := ndarray.Slice[int16](first)[q.Width]; c.rows > 1 && x != int16(c.cols) {
			t.Errorf("%+v: the second row of the first panel begins with %d", c, x)
		}
	}
}
