package fft

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// TestTabulate: every element of a table is made once, and no more of it at once
// than the job may have threads.
func TestTabulate(t *testing.T) {
	for _, threads := range []int{1, 2, 3} {
		for limit := 1; limit <= threads; limit++ {
			onPool(t, threads, limit, func(w *pool.Worker) error {
				for _, n := range []int{0, 5, parallelFrom - 1, parallelFrom, parallelFrom + tableGrain + 5} {
					tabulateOnce(t, w, n, limit)
				}
				return nil
			})
		}
	}
	tabulateOnce(t, nil, 3*parallelFrom+5, 1)
}

func tabulateOnce(t *testing.T, w *pool.Worker, n, limit int) {
	var busy, most atomic.Int32
	seen, own := make([]uint8, n), unix.Gettid() // one made twice at once is a race
	err := tabulate(w, n, func(lo, hi int) {
		most.Store(max(most.Load(), busy.Add(1)))
		defer busy.Add(-1)
		if w != nil && limit == 1 && unix.Gettid() != own {
			t.Errorf("of %d: a thread that is not the job's works on the table", n)
		}
		for i := lo; i < hi; i++ {
			seen[i]++
		}
	})
	if err != nil {
		t.Error(err)
	}
	if m := most.Load(); int(m) > limit {
		t.Errorf("of %d: %d threads at once, %d are allowed", n, m, limit)
	}
	for i, c := range seen {
		if c != 1 {
			t.Errorf("of %d: element %d is made %d times", n, i, c)
			return
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
		own := [][]T{l.blue.chirp.table, l.blue.spec.table}
		if c := l.blue.conv; c != nil {
			return append(own, c.there.t, c.there.u, c.back.t, c.back.u)
		}
		return append(tablesOf(l.blue.inner), own...)
	}
	return nil
}

// TestPlansOfThreads: a plan's tables have the same bits however many threads
// make them.
func TestPlansOfThreads(t *testing.T) {
	for _, n := range []int{1 << 18, 140009, 65537} {
		t.Run(itoa(n), func(t *testing.T) {
			plansOfThreads[float32](t, n)
			plansOfThreads[float64](t, n)
		})
	}
}

func plansOfThreads[T simd.Float](t *testing.T, n int) {
	k := simd.FFT[T]()
	first, err := newLine(nil, k, n)
	must(t, err)
	want := tablesOf(first)
	if len(want) == 0 {
		t.Fatal("there are no tables")
	}
	for _, threads := range []int{1, 3} {
		onPool(t, threads, 0, func(w *pool.Worker) error {
			l, err := newLine(w, k, n)
			if err != nil {
				return err
			}
			for i, table := range tablesOf(l) {
				if !slices.Equal(table, want[i]) {
					t.Errorf("%T: table %d differs on %d threads", table, i, threads)
				}
			}
			return nil
		})
	}
}

// TestPlanOfCancelledJob: a job that is cancelled while it makes a plan says so and
// leaves none behind; the next one makes it whole.
func TestPlanOfCancelledJob(t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 2})
	must(t, err)
	defer p.Close()
	for _, kind := range []struct {
		name string
		plan func(w *pool.Worker) (sized, error)
		key  planKey
	}{
		{"line", func(w *pool.Worker) (sized, error) { return planned(w, simd.FFT[float32](), 600011) }, keyOf[float32](linePlan, 600011)},
		{"prime", func(w *pool.Worker) (sized, error) { return planned(w, simd.FFT[float64](), 746497) }, keyOf[float64](linePlan, 746497)},
		{"rader", func(w *pool.Worker) (sized, error) { return planned(w, simd.FFT[float64](), 786433) }, keyOf[float64](linePlan, 786433)},
		{"real", func(w *pool.Worker) (sized, error) { return plannedReal(w, simd.FFT[float64](), 300022) }, keyOf[float64](realPlan, 300022)},
		{"cosine", func(w *pool.Worker) (sized, error) {
			return newTrig(w, simd.FFT[float32](), 300044, 4, false, false, 1)
		}, keyOf[float32](trigPlans+4, 300044)},
	} {
		forget(kind.key) // what is left of an earlier run
		ctx, cancel := context.WithCancel(context.Background())
		err := p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
			cancel()
			for w.Err() == nil {
				runtime.Gosched()
			}
			_, err := kind.plan(w)
			return err
		})
		if !errors.Is(err, context.Canceled) || made(kind.key) {
			t.Errorf("%s: %v, and the plan is kept: %v", kind.name, err, made(kind.key))
		}
		must(t, p.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error {
			_, err := kind.plan(w)
			return err
		}))
		if !made(kind.key) {
			t.Errorf("%s: no plan is made", kind.name)
		}
	}
}

// keyOf is the key of a plan for the instruction set in use.
func keyOf[T simd.Float](kind planKind, n int) planKey {
	return planKey{kind, n, 0, isSingle[T](), simd.FFT[T]().ISA}
}

// made tells whether a plan is cached.
func made(key planKey) bool {
	e, ok := plans.entries.Load(key)
	return ok && e.(*planEntry).made.Load()
}

// forget takes a plan out of the cache.
func forget(key planKey) {
	plans.mu.Lock()
	defer plans.mu.Unlock()
	if e, ok := plans.entries.LoadAndDelete(key); ok {
		plans.held -= e.(*planEntry).size
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

// TestRootsAt: roots made many at a time are those made one by one.
func TestRootsAt(t *testing.T) {
	for _, n := range []int{1, 2, 3, 12, 1022, 4096, 100003} {
		r, index := newRoots(n), make([]int, min(n, 2*rootChunk+3))
		for i := range index {
			index[i] = (i*i + 5) % n
		}
		double, single := make([]float64, 2*len(index)), make([]float32, 2*len(index))
		rootsAt(r, double, index)
		rootsAt(r, single, index)
		for i, k := range index {
			re, im := r.at(k)
			re32, im32 := rootAt[float32](r, k)
			if double[2*i] != re || double[2*i+1] != im || single[2*i] != re32 || single[2*i+1] != im32 {
				t.Errorf("root %d of %d is %v%+vi and %v%+vi, alone %v%+vi and %v%+vi",
					k, n, double[2*i], double[2*i+1], single[2*i], single[2*i+1], re, im, re32, im32)
			}
		}
	}
}

// TestRaderOrders: the orders in which Rader's method takes points are the powers
// of a generator and their inverses, though tasks make them in pieces.
func TestRaderOrders(t *testing.T) {
	for _, p := range []int{3, 5, 67, 127, 30241, 65537, 114689} {
		onPool(t, 2, 0, func(w *pool.Worker) error {
			r, err := newRader(w, simd.FFT[float32](), p)
			if err != nil {
				return err
			}
			v, g := 1, generator(p)
			for q := range p - 1 {
				if int(r.in[q]) != v || v*int(r.out[q])%p != 1 {
					return fmt.Errorf("p=%d: %d and %d at %d, want %d and its inverse", p, r.in[q], r.out[q], q, v)
				}
				v = v * g % p
			}
			return nil
		})
	}
}

func abs(x float64) float64 { return max(x, -x) }
