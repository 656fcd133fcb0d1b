package fft

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// TestLongLines: lines along any axis, of views, padded and cropped, go one by one
// through a plan for one line, and where numbers lie apart by way of arrays that are
// transposed. The plan here turns the line around.
func TestLongLines(t *testing.T) {
	rng := newRand(142)
	for _, c := range []struct {
		from, to []int // shapes
		ax       int
		type_    ndarray.DType
		view     bool
		copies   string
	}{
		{[]int{9}, []int{9}, 0, ndarray.F64, false, ""}, {[]int{3, 9}, []int{3, 9}, 1, ndarray.F64, false, ""}, {[]int{9, 3}, []int{9, 3}, 0, ndarray.F64, false, "tt"}, {[]int{9, 1}, []int{9, 1}, 0, ndarray.F64, false, ""},
		{[]int{2, 9, 3}, []int{2, 9, 3}, 1, ndarray.F32, false, "tt"}, {[]int{2, 9, 1}, []int{2, 9, 1}, 1, ndarray.F32, false, ""}, {[]int{7}, []int{9}, 0, ndarray.F64, false, "c"}, {[]int{3, 7}, []int{3, 9}, 1, ndarray.F64, false, "c"},
		{[]int{3, 7}, []int{4, 9}, 1, ndarray.I16, false, "c"}, {[]int{7, 3}, []int{9, 3}, 0, ndarray.F64, true, "tt"}, {[]int{5, 9}, []int{2, 4}, 1, ndarray.F64, false, ""}, {[]int{6, 5, 4}, []int{3, 9, 4}, 0, ndarray.F64, true, "tt"},
	} {
		src, dst := randomArray(rng, c.type_, c.from...), ndarray.New(ndarray.F64, c.to...)
		if c.view {
			src = randomView(rng, src)
		}
		l := &longLines{ax: c.ax, in: c.to, out: c.to, inType: ndarray.F64, outType: ndarray.F64}
		l.padded = l.lacks(src.Layout, -1)
		n := c.to[c.ax]
		what := fmt.Sprintf("axis %d of %s to %s", c.ax, src.Layout, dst.Layout)
		plan := plannedIn(t, what, 1.5, func(mem int64) (*kernels.Streamed, error) {
			return l.stream(mem, src.Layout, dst.Layout, func(l *longLines, src, dst ndarray.Layout) (*kernels.Streamed, error) {
				line := newChain(mem, lineOf(dst, l.ax, 0), lineOf(src, l.ax, 0))
				z := line.temp(ndarray.F64, n) // since the result may lie where the line does
				line.copy("the line", z, source)
				line.copy("backwards", result, z.backwards())
				line.each(l.ax, product(l.out)/n)
				return line.streamed()
			})
		})
		a := &account{plan: plan, in: []ndarray.Array{src}, out: []ndarray.Array{dst}}
		a.run(t, what)
		want, got := backwardsAlong(t, src, c.to, c.ax), values(dst)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
		if copies := copiesOf(plan.Explain); copies != c.copies {
			t.Errorf("%s: copies %q, want %q", what, copies, c.copies)
		}
	}
}

// copiesOf is a letter for each copy that a plan tells: transposed, or not.
func copiesOf(passes []kernels.Entry) (out string) {
	for _, e := range passes {
		switch {
		case strings.HasPrefix(e.Text, "a transposed copy"):
			out += "t"
		case strings.HasPrefix(e.Text, "a copy"):
			out += "c"
		}
	}
	return out
}

// backwardsAlong is an array cropped and padded to a shape, backwards along an axis.
func backwardsAlong(t *testing.T, a ndarray.Array, shape []int, ax int) []complex128 {
	t.Helper()
	all := ndarray.New(ndarray.F64, shape...)
	to, from := all, a
	for i, n := range shape {
		n = min(n, a.Shape[i])
		to, from = to.Range(i, 0, n), from.Range(i, 0, n)
	}
	must(t, ndarray.Convert(to, from))
	all.Strides = slices.Clone(all.Strides)
	all.Offset, all.Strides[ax] = all.Offset+(shape[ax]-1)*all.Strides[ax], -all.Strides[ax]
	return values(all)
}

// TestApart: numbers of a line that are not neighbours, either way.
func TestApart(t *testing.T) {
	l := ndarray.NewLayout(ndarray.C64, 4, 3)
	for _, c := range []struct {
		l     ndarray.Layout
		ax    int
		apart bool
	}{{l, 1, false}, {l, 0, true}, {reversed(lineOf(l, 1, 2)), 0, false}, {l.Range(0, 0, 1), 0, false}, {l.Range(1, 0, 2), 1, false}, {reversed(lineOf(l, 0, 1)), 0, true}} {
		if apart(c.l, c.ax) != c.apart {
			t.Errorf("axis %d of %s, strides %v: apart is %t", c.ax, c.l, c.l.Strides, !c.apart)
		}
	}
}

// TestLacks: what the input lacks along an axis, or along others than one.
func TestLacks(t *testing.T) {
	l := &longLines{in: []int{4, 5, 6}}
	for _, c := range []struct {
		shape []int
		but   int
		lacks bool
	}{{[]int{4, 5, 6}, -1, false}, {[]int{9, 9, 9}, -1, false}, {[]int{3, 5, 6}, -1, true}, {[]int{3, 5, 6}, 0, false}, {[]int{3, 5, 5}, 0, true}, {[]int{4, 5, 5}, 2, false}, {[]int{4, 0, 6}, 2, true}} {
		if got := l.lacks(ndarray.NewLayout(ndarray.F32, c.shape...), c.but); got != c.lacks {
			t.Errorf("%v but axis %d lacks numbers of %v: %t", c.shape, c.but, l.in, got)
		}
	}
}

// TestCuttable: what is cut has sweeps that can be passes; a convolution whose spectrum
// is made in double is cut in double too.
func TestCuttable(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
			m, wide, cut := machineFor(d), machineFor(ndarray.F64), 0
			for n := 1; n < 1<<19; n += 1 + n/300 {
				if !m.cuttable(n) {
					if n >= raderBelow {
						t.Errorf("%s:%d is not cut", d, n)
					}
					continue
				}
				cut++
				p := m.innerLength(n)
				n1, n2, ok := m.sweeps(p)
				if !ok || n1*n2 != p || n1 < m.w || n2 < m.w || p <= factorAbove {
					t.Errorf("%s:%d is cut as %d x %d of %d", d, n, n1, n2, p)
				}
				if methodFor(n, m) == methodBluestein && p <= wideSpectrumMax && !wide.cuttable(p) {
					t.Errorf("%s:%d has a spectrum of %d numbers, which cannot be cut in double", d, n, p)
				}
				q := lineRequest(&request{threads: 1}, d, n, false, 1)
				l := ndarray.NewLayout(complexOf(d), p)
				if q.shape[0] = p; (&streamed{r: q, m: m, src: l, dst: l, complex: l.DType}).line() == nil {
					t.Errorf("%s:%d has no line of %d points", d, n, p)
				}
			}
			if cut == 0 {
				t.Errorf("%s: no line is cut", d)
			}
		}
	})
}
