package simd

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortingNetwork uses the zero-one principle (Knuth 3, 5.3.4, theorem Z): a
// network that sorts all sequences of zeros and ones sorts everything.
func TestSortingNetwork(t *testing.T) {
	for n := range 15 {
		net := SortingNetwork(n)
		for v := range uint32(1) << n {
			x := v
			for _, e := range net {
				if x>>e.A&1 > x>>e.B&1 {
					x ^= 1<<e.A | 1<<e.B
				}
			}
			if want := uint32(1)<<n - 1<<(n-bits.OnesCount32(v)); x != want {
				t.Fatalf("%d elements: %b became %b", n, v, x)
			}
		}
	}
	if n := len(SortingNetwork(16)); n != 63 {
		t.Errorf("%d comparators for 16", n)
	}
}

func TestSortColumns(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		testSortColumns[int32](t)
		testSortColumns[int64](t)
	})
}

func testSortColumns[T int32 | int64](t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	for _, n := range []int{0, 1, 2, 3, 7, 16, 33, 100, 128} {
		for _, columns := range []int{16, 48, 1600} {
			const margin = 5
			x := make([]T, n*columns+2*margin)
			for i := range x {
				x[i] = T(int64(rng.Uint64()) >> rng.IntN(60))
			}
			got := slices.Clone(x)
			SortColumns(got[margin:len(x)-margin], columns, SortingNetwork(n))
			col := make([]T, n)
			for c := range columns {
				for r := range n {
					col[r] = x[margin+r*columns+c]
				}
				slices.Sort(col)
				for r := range n {
					x[margin+r*columns+c] = col[r]
				}
			}
			if !slices.Equal(got, x) {
				t.Fatalf("%T: %d x %d", x, n, columns)
			}
		}
	}
}

func TestSortColumnsRefuses(t *testing.T) {
	net := SortingNetwork(4)
	for _, f := range []func(){
		func() { SortColumns(make([]int32, 63), 16, net) },
		func() { SortColumns(make([]int64, 100), 17, net) },
	} {
		if !panics(f) {
			t.Error("no panic")
		}
	}
	SortColumns([]int32(nil), 16, nil)
	SortColumns([]int32(nil), 0, net)
}

// TestSortKeys checks order and return of the keys of f32.
func TestSortKeys(t *testing.T) {
	const inf, low = 0x7f800000, 1<<31 - 1
	patterns := []int32{-0x800000, -0x3f800000 - 1<<30, -1 << 31, 0, 1, 0x3f800000, inf}
	for _, flip := range []int32{0, -1} {
		keys, back := make([]int32, len(patterns)), make([]int32, len(patterns))
		SortKeyI32(keys, patterns, inf, low, flip)
		SortValueI32(back, keys, low, flip)
		if !slices.Equal(back, patterns) {
			t.Errorf("%x came back as %x", patterns, back)
		}
		if flip != 0 {
			slices.Reverse(keys)
		}
		if !slices.IsSorted(keys) {
			t.Errorf("keys %x", keys)
		}
		nan := []int32{inf + 1, -1, low}
		SortKeyI32(nan, nan, inf, low, flip)
		if !slices.Equal(nan, []int32{low, low, low}) {
			t.Errorf("NaNs become %x", nan)
		}
	}
}
