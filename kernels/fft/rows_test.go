package fft

import (
	"context"
	"slices"
	"testing"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// TestRowGroups: short rows in groups are the transforms of the rows one by one,
// whatever is left of the last group, both ways, in place, and on threads with
// the same bits.
func TestRowGroups(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		testRowGroups[float32](t)
		testRowGroups[float64](t)
	})
}

func testRowGroups[T simd.Float](t *testing.T) {
	rng := newRand(97)
	k := simd.FFT[T]()
	m := machineOf(k)
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, n := range []int{2 * k.W, 4 * k.W, 8 * k.W} {
		if !m.grouped(n) {
			continue
		}
		for _, rows := range []int{2, 3, 7, 8, 9, 31, 65, parallelFrom/n + 3} {
			plan, err := NewPlan[T](nil, []int{rows, n}, []int{1})
			if err != nil {
				t.Fatal(err)
			}
			src, scratch := normals[T](rng, 2*rows*n), make([]T, plan.Scratch())
			want, got, back := make([]T, len(src)), make([]T, len(src)), make([]T, len(src))
			l, own := mustPlan(k, n), make([]T, mustPlan(k, n).scratchLen())
			for i := range rows {
				if err := l.run(nil, k, want[2*n*i:2*n*(i+1)], src[2*n*i:], forward[T](), own); err != nil {
					t.Fatal(err)
				}
			}
			if err := plan.Forward(nil, got, src, scratch); err != nil {
				t.Fatal(err)
			}
			if e := relative(got, want); e > 2*errorBound[T](n) {
				t.Errorf("%T: %d rows of %d are off by %.3g", src, rows, n, e)
			}
			if err := plan.Inverse(nil, back, got, 1/T(n), scratch); err != nil {
				t.Fatal(err)
			}
			if e := relative(back, src); e > 4*errorBound[T](n) {
				t.Errorf("%d rows of %d come back off by %.3g", rows, n, e)
			}
			err = p.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error { return plan.Forward(w, back, src, scratch) })
			if err != nil || !slices.Equal(back, got) {
				t.Errorf("%d rows of %d: other bits on two threads (%v)", rows, n, err)
			}
			if err := plan.Forward(nil, src, src, scratch); err != nil || !slices.Equal(src, got) {
				t.Errorf("%d rows of %d: other bits in place (%v)", rows, n, err)
			}
		}
	}
}

// TestLinesPastCaches: lines of a batch that is stored past the caches have the
// bits that they have alone, wherever the result begins.
func TestLinesPastCaches(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{256, 1000, 2048, 4096} {
			testLinesPastCaches[float32](t, n)
			testLinesPastCaches[float64](t, n)
		}
	})
}

func testLinesPastCaches[T simd.Float](t *testing.T, n int) {
	rows := streamBytes/(2*n*realSize[T]()) + 2
	plan, err := NewPlan[T](nil, []int{rows, n}, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	src, room, scratch := normals[T](newRand(3), 2*rows*n), make([]T, 2*rows*n+2), make([]T, plan.Scratch())
	k := simd.FFT[T]()
	l, own, want := mustPlan(k, n), make([]T, mustPlan(k, n).scratchLen()), make([]T, 2*n)
	for _, at := range []int{0, 2} {
		for name, dir := range map[string]*direction[T]{"forward": forward[T](), "inverse": inverse(1 / T(n))} {
			got := room[at:][:len(src)]
			if name == "forward" {
				err = plan.Forward(nil, got, src, scratch)
			} else {
				err = plan.Inverse(nil, got, src, 1/T(n), scratch)
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				if err := l.run(nil, k, want, src[2*n*i:], dir, own); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got[2*n*i:2*n*(i+1)], want) {
					t.Fatalf("%T: line %d of %d of %d points, %s, from %d on, differs from what it is alone", want, i, rows, n, name, at)
				}
			}
		}
	}
}
