package simd

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFind looks for every place of a match in lengths around the vectors, at
// all alignments, and for none, and compares counts of zeros with the loop.
func TestFind(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		testFind[int8](t)
		testFind[uint8](t)
		testFind[int16](t)
		testFind[uint16](t)
		testFind[int32](t)
		testFind[uint32](t)
		testFind[int64](t)
		testFind[uint64](t)
		testFind[float32](t)
		testFind[float64](t)
	})
}

func testFind[T Number](t *testing.T) {
	t.Helper()
	for n := range 300 {
		x := make([]T, n+4)[n%4:][:n]
		for i := range x {
			x[i] = 5
		}
		if at := Index(x, 7); at != -1 {
			t.Fatalf("%T: found at %d of %d what is not there", x, at, n)
		}
		for _, i := range []int{0, n / 2, n - 2, n - 1} {
			if i < 0 || i >= n {
				continue
			}
			x[i] = 7
			if n > i+1 {
				x[n-1] = 7
			}
			if at := Index(x, 7); at != i {
				t.Fatalf("%T: found at %d of %d, is at %d", x, at, n, i)
			}
			x[i], x[n-1] = 5, 5
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 63, 64, 65, 1000, 40000} {
		x := make([]T, n)
		for i := range x {
			x[i] = T(rng.IntN(3))
		}
		if got, want := CountZero(x), countZeroGo(x); got != want {
			t.Errorf("%T: %d zeros of %d, want %d", x, got, n, want)
		}
	}
	x := make([]T, 70000) // beyond a call
	x[69999] = 1
	if at, zeros := Index(x, 1), CountZero(x); at != 69999 || zeros != 69999 {
		t.Errorf("%T: the last is at %d, %d zeros", x, at, zeros)
	}
}

// TestFindFloats has zeros of both signs, NaN, and the least numbers.
func TestFindFloats(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		testFindFloats[float32](t, math.SmallestNonzeroFloat32)
		testFindFloats[float64](t, math.SmallestNonzeroFloat64)
	})
}

func testFindFloats[T float32 | float64](t *testing.T, least T) {
	t.Helper()
	nan := T(math.NaN())
	for _, n := range []int{5, 16, 70, 200} {
		x := make([]T, n)
		for i := range x {
			x[i] = least
		}
		x[n/2], x[n-1] = T(math.Copysign(0, -1)), nan
		if at := Index(x, 0); at != n/2 {
			t.Errorf("%T: -0 found at %d of %d", x, at, n)
		}
		if at := Index(x, nan); at != n-1 {
			t.Errorf("%T: NaN found at %d of %d", x, at, n)
		}
		x[n/3] = -nan
		if at := Index(x, nan); at != n/3 {
			t.Errorf("%T: the first NaN found at %d of %d", x, at, n)
		}
		if zeros := CountZero(x); zeros != 1 {
			t.Errorf("%T: %d zeros", x, zeros)
		}
	}
}
