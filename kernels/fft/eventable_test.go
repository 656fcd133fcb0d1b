package fft

import (
	"fmt"
	"slices"
	"testing"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// evenOf is a table of n random numbers, even or odd but for those kept twice, and all
// of its elements.
func evenOf[T simd.Float](n, kept int, opposite bool) (t evenTable[T], all []T) {
	t = newEvenTable[T](n, kept)
	t.opposite = opposite
	copy(t.table, normals[T](newRand(uint64(n)), len(t.table)))
	for k := range n {
		from, sign := k, T(1)
		if k >= kept {
			if from = n - k; opposite {
				sign = -1
			}
		}
		all = append(all, sign*t.table[2*from], sign*t.table[2*from+1])
	}
	return t, all
}

// TestEvenTable: parts of a table are its elements, those that it does not keep too,
// and products with it have the bits of products with all of them, in whole vectors.
func TestEvenTable(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testEvenTable[float32])
		t.Run("f64", testEvenTable[float64])
	})
}

func testEvenTable[T simd.Float](t *testing.T) {
	k := simd.FFT[T]()
	for _, c := range []struct{ n, kept int }{{1, 1}, {7, 7}, {2, 2}, {3, 2}, {64, 33}, {999, 500}, {3000, 1501}, {4001, 4001}} {
		for _, opposite := range []bool{false, true} {
			table, all := evenOf[T](c.n, c.kept, opposite)
			for lo := 0; lo < c.n; lo += 1 + c.n/23 {
				count := min(c.n-lo, 3*c.n/5+1)
				x, buf := normals[T](newRand(uint64(lo)), 2*count), make([]T, evenReals)
				got, want := make([]T, 2*count), make([]T, 2*roundUp(count, vectorUnit))
				padded, factors := make([]T, len(want)), make([]T, len(want))
				if table.part(got, lo); !slices.Equal(got, all[2*lo:2*(lo+count)]) {
					t.Errorf("%v opposite=%v: %d elements from %d on are others", c, opposite, count, lo)
				}
				copy(padded, x)
				copy(factors, all[2*lo:])
				k.Mul(want, padded, factors, len(want)/2)
				want = want[:2*count]
				if table.times(k, got, x, lo, count, buf); !slices.Equal(got, want) {
					t.Errorf("%v opposite=%v: %d products from %d on have other bits", c, opposite, count, lo)
				}
				if table.times(k, x, x, lo, count, buf); !slices.Equal(x, want) {
					t.Errorf("%v opposite=%v: %d products from %d on in place have other bits", c, opposite, count, lo)
				}
			}
		}
	}
}

// TestEvenTransform: the spectrum of an even sequence has the bits of its transform
// where it is kept, for any number of threads, whether blocks are whole or not, and
// is within bounds where it is not.
func TestEvenTransform(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testEvenTransform[float32])
		t.Run("f64", testEvenTransform[float64])
	})
}

func testEvenTransform[T simd.Float](t *testing.T) {
	k := simd.FFT[T]()
	for _, c := range []struct{ n1, n2 int }{{512, 512}, {480, 640}, {64, 4160}} {
		m := c.n1 * c.n2
		two, err := newTwoStep(nil, k, c.n1, c.n2)
		must(t, err)
		x := normals[T](newRand(uint64(m)), 2*m)
		for j := 1; j < m-j; j++ {
			x[2*(m-j)], x[2*(m-j)+1] = x[2*j], x[2*j+1]
		}
		want, scratch := make([]T, 2*m), make([]T, two.s+2*two.tile)
		must(t, two.run(nil, want, x, forward[T](), scratch[:two.s], scratch[two.s:]))
		for threads := range 3 {
			check := func(w *pool.Worker) error {
				got, err := evenTransform(w, two, func(dst []T, lo int) { copy(dst, x[2*lo:]) })
				if err != nil {
					return err
				}
				return sameWhereKept(&got, want)
			}
			if threads == 0 {
				must(t, check(nil))
			} else {
				onPool(t, threads, 0, check)
			}
		}
	}
}

// sameWhereKept compares a table with all elements, which need not be even to the bit.
func sameWhereKept[T simd.Float](got *columnSpectrum[T], want []T) error {
	all := inOrder(got)
	for i, v := range all {
		if got.has(i/2) && v != want[i] {
			return fmt.Errorf("%d columns of %d: element %d is %v, want %v", got.kept, got.n1, i/2, v, want[i])
		}
	}
	if e, bound := relative(all, want), errorBound[T](len(want)/2); e > bound {
		return fmt.Errorf("%d columns of %d: error %.3g > %.3g", got.kept, got.n1, e, bound)
	}
	return nil
}

// TestLongConvolutions: lengths of convolutions whose spectrum is made in place are
// split so that all of its blocks are whole.
func TestLongConvolutions(t *testing.T) {
	for _, m := range []machine{{16, 4, 16, true, true, &costsAVX512}, {8, 8, 16, true, false, &costsAVX512}, {8, 4, 16, true, true, &costsAVX2}, {4, 8, 8, true, true, &costsAVX2}, {8, 4, 8, false, false, &costsAVX512}, {4, 8, 8, false, false, &costsAVX512}, {4, 4, 8, false, false, &costsAVX512}} {
		for n := wideSpectrumMax/2 + 1; n < 1<<27; n += n / 50 {
			p := padLength(2*n - 1)
			c, ok := m.cyclic(p)
			if kept := halfSpectrum[float32](c.n1, c.n2, m.w).kept; !ok || kept > c.n1 || kept <= c.n1/2 || len(radices(c.n2, m.maxPow2)) < 2 {
				t.Fatalf("%+v: %d points by %d as %+v, of which %d columns are kept", m, n, p, c, kept)
			}
		}
	}
}
