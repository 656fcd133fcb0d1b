package fft

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"vgpu/kernels/simd"
)

// TestTabulate: every element of a table is made once, however many processors
// there are.
func TestTabulate(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	for _, procs := range []int{1, 2, 3, 7} {
		runtime.GOMAXPROCS(procs)
		for _, n := range []int{0, 1, 2, 5, parallelFrom - 1, parallelFrom, parallelFrom + 1, 3*parallelFrom + 5} {
			for name, f := range map[string]func(int, func(lo, hi int)){"tabulate": tabulate, "goroutines": goroutines} {
				seen := make([]atomic.Int32, n)
				f(n, func(lo, hi int) {
					for i := lo; i < hi; i++ {
						seen[i].Add(1)
					}
				})
				for i := range seen {
					if c := seen[i].Load(); c != 1 {
						t.Fatalf("%s of %d on %d processors: element %d is made %d times", name, n, procs, i, c)
					}
				}
			}
		}
	}
}

// tablesOf are the tables of a line's plan.
func tablesOf[T simd.Float](l *line[T]) [][]T {
	switch l.method {
	case methodTwoStep:
		return [][]T{l.two.t, l.two.u}
	case methodRader:
		return append(tablesOf(l.rad.inner), l.rad.spec)
	case methodBluestein:
		return append(tablesOf(l.blue.inner), l.blue.chirp, l.blue.spec)
	}
	return nil
}

// TestPlansOfProcessors: a plan's tables have the same bits however many
// processors make them.
func TestPlansOfProcessors(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	for _, n := range []int{1 << 18, 200003, 270029} {
		t.Run(itoa(n), func(t *testing.T) {
			plansOfProcessors[float32](t, n)
			plansOfProcessors[float64](t, n)
		})
	}
}

func plansOfProcessors[T simd.Float](t *testing.T, n int) {
	k := simd.FFT[T]()
	runtime.GOMAXPROCS(1)
	want := tablesOf(newLine(k, n))
	if len(want) == 0 {
		t.Fatal("there are no tables")
	}
	for _, procs := range []int{2, 3} {
		runtime.GOMAXPROCS(procs)
		for i, table := range tablesOf(newLine(k, n)) {
			if !slices.Equal(table, want[i]) {
				t.Errorf("%T: table %d differs on %d processors", table, i, procs)
			}
		}
	}
}

// TestRootsOnAxes: roots that are ±1 and ±i are exact, all others are near to the
// unit circle and to their conjugates.
func TestRootsOnAxes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 6, 8, 12, 100, 1022, 4096} {
		r := newRoots(n)
		for k := range n {
			if got := r.onAxis(k); got != (4*k%n == 0) {
				t.Errorf("root %d of %d: on an axis: %v", k, n, got)
			}
			re, im := r.at(k)
			sre, sim := r.at32(k)
			cre, cim := r.at((n - k) % n)
			if re != cre || im != -cim {
				t.Errorf("root %d of %d is %v%+vi, and that of -%d %v%+vi", k, n, re, im, k, cre, cim)
			}
			if d := max(abs(re-sre), abs(im-sim)); d > 4*0x1p-52 {
				t.Errorf("root %d of %d differs by %g in single precision", k, n, d)
			}
			if d := abs(re*re + im*im - 1); d > 0x1p-51 {
				t.Errorf("root %d of %d is %g off the circle", k, n, d)
			}
		}
	}
}

func abs(x float64) float64 { return max(x, -x) }
