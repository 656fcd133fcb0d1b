package order

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/numpytest"
)

// The heap keeps the first k of any sequence, by key and then by place.
func TestHeapAgainstSort(t *testing.T) {
	r := numpytest.NewRand(21)
	for range 200 {
		n := 1 + r.IntN(60)
		k := 1 + r.IntN(n)
		all := make([]candidate, n)
		h := heap{keys: make([]uint64, k), index: make([]int64, k)}
		for i := range all {
			all[i] = candidate{uint64(r.IntN(8)), int64(i)}
			h.offer(all[i])
		}
		slices.SortFunc(all, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.index, b.index))
		})
		keys, index := slices.Clone(h.keys), slices.Clone(h.index)
		lane := ndarray.New(ndarray.U64, 2*k+16).Data
		got := topk{k: k}.merge(&lane, keys, index)
		for i := range k {
			if got[i] != all[i].index {
				t.Fatalf("n=%d k=%d: place %d is %d, want %d", n, k, i, got[i], all[i].index)
			}
		}
	}
}

// find against the library's search, on real and on two-part keys.
func TestFindAgainstSearch(t *testing.T) {
	r := numpytest.NewRand(22)
	for n := range 40 {
		k := keyed{hi: make([]uint64, n), lo: make([]uint64, n)}
		for i := range n {
			k.hi[i], k.lo[i] = uint64(i/4), uint64(i%4/2)
		}
		for range 50 {
			h, l := uint64(r.IntN(12)), uint64(r.IntN(3))
			for _, right := range []bool{false, true} {
				want := sort.Search(n, func(i int) bool {
					c := cmp.Or(cmp.Compare(k.hi[i], h), cmp.Compare(k.lo[i], l))
					return c > 0 || c == 0 && !right
				})
				if got := k.find(h, l, right); got != want {
					t.Fatalf("n=%d (%d, %d) right=%t: %d, want %d", n, h, l, right, got, want)
				}
				single := keyed{hi: k.hi}
				want = sort.Search(n, func(i int) bool { return k.hi[i] > h || k.hi[i] == h && !right })
				if got := single.find(h, 0, right); got != want {
					t.Fatalf("n=%d %d right=%t: %d, want %d", n, h, right, got, want)
				}
			}
		}
	}
}

// Both ways of finding a bin agree with the definition, on edges and beside
// them.
func TestBinningAgainstDefinition(t *testing.T) {
	for _, bins := range []int{1, 2, 3, 7, 100} {
		even := &binning{even: true, scale: float64(bins) / 3}
		for i := range bins + 1 {
			even.edges = append(even.edges, -1+3*float64(i)/float64(bins))
		}
		other := &binning{edges: even.edges}
		for _, e := range even.edges {
			for _, v := range []float64{e, e - 1e-16, e + 1e-16, e - 1e-9, e + 1e-9, e + 0.01, -1.5, 2.5} {
				want := -1
				for i := range bins {
					if v >= even.edges[i] && (v < even.edges[i+1] || i == bins-1 && v == even.edges[bins]) {
						want = i
					}
				}
				if a, b := even.find(v), other.find(v); a != want || b != want {
					t.Errorf("%d bins, %v: %d and %d, want %d", bins, v, a, b, want)
				}
			}
		}
	}
}

// The number of partial tables is bounded, and their memory by the input's.
func TestPartsAreBounded(t *testing.T) {
	for _, n := range []int{0, 1, minPart, 10 * minPart, 1 << 40} {
		for _, bins := range []int{1, 256, 1 << 20, 1 << 30} {
			p := partsOf(n, bins)
			if p < 1 || p > maxParts || p > 1 && 8*bins*p > n {
				t.Errorf("n=%d bins=%d: %d tables", n, bins, p)
			}
		}
	}
}

// Rows are where the layout puts them, whichever axis was last.
func TestRow(t *testing.T) {
	a := ndarray.New(ndarray.I64, 2, 3, 4)
	for i, s := 0, ndarray.Slice[int64](a); i < len(s); i++ {
		s[i] = int64(i)
	}
	for axis := range 3 {
		p := a
		p.Layout = axisLast(a.Layout, axis)
		n := p.Shape[2]
		for r := range 24 / n {
			want, got := make([]int64, n), make([]int64, n)
			ndarray.Load(want, p, r*n)
			ndarray.Load(got, row(p, r), 0)
			if !slices.Equal(got, want) {
				t.Errorf("axis %d row %d: %v, want %v", axis, r, got, want)
			}
		}
	}
}

// A network that sorts all zeros and ones sorts everything (Knuth 5.3.4,
// theorem Z).
func TestNetwork(t *testing.T) {
	for mask := range 256 {
		var v [8]uint32
		for i := range v {
			v[i] = uint32(mask >> i & 1)
		}
		if network(&v); !slices.IsSorted(v[:]) {
			t.Fatalf("%b: %v", mask, v)
		}
	}
}

func TestSortFew(t *testing.T) {
	r := numpytest.NewRand(23)
	for n := range smallSort {
		for _, span := range []int{1, 3, 1 << 16} {
			keys := make([]uint16, n)
			for i := range keys {
				keys[i] = uint16(r.IntN(span) - r.IntN(2)) // the greatest key occurs
			}
			want := slices.Sorted(slices.Values(keys))
			if sortFew(keys); !slices.Equal(keys, want) {
				t.Fatalf("n=%d span=%d: %v", n, span, keys)
			}
		}
	}
}

// Every value between the edges is within reach of their middle, wherever they
// lie; count agrees with find.
func TestBinningReach(t *testing.T) {
	for _, ends := range [][2]float64{
		{0, 1}, {-3, 3}, {1e16, 1e16 + 2}, {-1e16 - 4, -1e16}, {0, 5e-324}, {5e-324, 1.5e-323}, {-1e308, 1e308}, {math.Inf(-1), 0}, {0, math.Inf(1)},
		{1, 1 + 0x1p-52}, {-5e-324, 1e300}, {2, 2}, {1.7e308, math.MaxFloat64},
	} {
		b := &binning{edges: []float64{ends[0], ends[0], ends[1]}}
		b.bounded()
		values := []float64{ends[0], ends[1], math.Nextafter(ends[0], ends[1]), math.Nextafter(ends[1], ends[0]), math.NaN(), math.Inf(1), math.Inf(-1),
			math.Nextafter(ends[0], math.Inf(-1)), math.Nextafter(ends[1], math.Inf(1))}
		got, want := make([]int64, 2), make([]int64, 2)
		for _, v := range values {
			if i := b.find(v); i >= 0 {
				want[i]++
			}
		}
		if b.count(got, values); !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", ends, got, want)
		}
	}
}
