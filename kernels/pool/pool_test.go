package pool

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds how long a test waits for what must happen.
const patience = 30 * time.Second

func newPool(t *testing.T, cfg Config) *Pool {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func run(t *testing.T, p *Pool, fn func(w *Worker)) {
	t.Helper()
	if err := p.Run(context.Background(), Options{}, func(w *Worker) error { fn(w); return nil }); err != nil {
		t.Fatal(err)
	}
}

// eventually polls a condition that other threads make true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}

// spinUntil waits inside a task.
func spinUntil(ok func() bool) bool {
	for end := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func TestForRunsEachPieceOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := newPool(t, Config{Threads: threads})
		for _, n := range []int{-3, 0, 1, 2, 7, 64, 1000} {
			for _, grain := range []int{-1, 0, 1, 3, 64, 5000} {
				hits := make([]atomic.Int32, max(n, 0))
				run(t, p, func(w *Worker) {
					err := w.For(n, grain, func(w *Worker, lo, hi int) {
						g := max(grain, 1)
						if lo%g != 0 || hi != min(n, lo+g) || w.ID() < 0 || w.ID() >= threads {
							t.Errorf("n=%d grain=%d: piece [%d, %d) on worker %d", n, grain, lo, hi, w.ID())
						}
						for i := lo; i < hi; i++ {
							hits[i].Add(1)
						}
					})
					if err != nil {
						t.Error(err)
					}
				})
				for i := range hits {
					if c := hits[i].Load(); c != 1 {
						t.Fatalf("threads=%d n=%d grain=%d: index %d was visited %d times", threads, n, grain, i, c)
					}
				}
			}
		}
	}
}

func TestForAtTheEndOfIntegers(t *testing.T) {
	const most = int(^uint(0) >> 1)
	p := newPool(t, Config{Threads: 2})
	for _, grain := range []int{most, most - 1, most/2 + 1, most / 2} {
		var sum, pieces atomic.Int64
		run(t, p, func(w *Worker) {
			_ = w.For(most, grain, func(_ *Worker, lo, hi int) { sum.Add(int64(hi - lo)); pieces.Add(1) })
		})
		if sum.Load() != int64(most) || pieces.Load() != int64((most-1)/grain+1) {
			t.Errorf("grain %d: %d in %d pieces", grain, sum.Load(), pieces.Load())
		}
	}
}

func TestFor2CoversTheRectangle(t *testing.T) {
	for _, threads := range []int{1, 3} {
		p := newPool(t, Config{Threads: threads})
		for _, c := range [][4]int{{0, 5, 1, 1}, {5, 0, 1, 1}, {1, 1, 9, 9}, {7, 11, 3, 4}, {6, 8, 2, 2}, {5, 5, 0, -1}} {
			m, n := c[0], c[1]
			hits := make([]atomic.Int32, m*n)
			run(t, p, func(w *Worker) {
				_ = w.For2(m, n, c[2], c[3], func(_ *Worker, i0, i1, j0, j1 int) {
					if i0%max(c[2], 1) != 0 || j0%max(c[3], 1) != 0 || i1 > m || j1 > n {
						t.Errorf("%v: tile %d:%d %d:%d", c, i0, i1, j0, j1)
					}
					for i := i0; i < i1; i++ {
						for j := j0; j < j1; j++ {
							hits[i*n+j].Add(1)
						}
					}
				})
			})
			for i := range hits {
				if hits[i].Load() != 1 {
					t.Fatalf("%v: element %d was visited %d times", c, i, hits[i].Load())
				}
			}
		}
	}
}

// TestAllWorkersHelp lets no piece end before every worker has one.
func TestAllWorkersHelp(t *testing.T) {
	for _, limit := range []int{0, 3, 9} {
		p := newPool(t, Config{Threads: 5})
		want := int32(5)
		if limit == 3 {
			want = 3
		}
		var inside, most atomic.Int32
		err := p.Run(context.Background(), Options{Threads: limit}, func(w *Worker) error {
			if w.Threads() != int(want) {
				t.Errorf("Threads() is %d, want %d", w.Threads(), want)
			}
			return w.For(200, 1, func(w *Worker, _, _ int) {
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				if !spinUntil(func() bool { return most.Load() >= want }) {
					t.Errorf("only %d workers came", most.Load())
				}
				inside.Add(-1)
			})
		})
		if err != nil || most.Load() != want {
			t.Errorf("limit %d: %d workers at once, want %d (%v)", limit, most.Load(), want, err)
		}
	}
}

func TestGroupsForkAndJoin(t *testing.T) {
	for _, threads := range []int{1, 2, 4} {
		p := newPool(t, Config{Threads: threads})
		run(t, p, func(w *Worker) {
			g := w.Group()
			for round := range 3 { // a group may be used again
				var sum atomic.Int64
				for i := range 100 {
					g.Go(func(*Worker) { sum.Add(int64(i)) })
				}
				if err := g.Wait(); err != nil || sum.Load() != 4950 {
					t.Errorf("round %d: sum %d, %v", round, sum.Load(), err)
				}
			}
		})
		if got := 0; fibIn(p, 18, &got) != nil || got != 2584 {
			t.Errorf("fib(18) = %d on %d threads", got, threads)
		}
	}
}

func fibIn(p *Pool, n int, out *int) error {
	return p.Run(context.Background(), Options{}, func(w *Worker) error { *out = fibAll(w, n); return nil })
}

func fibAll(w *Worker, n int) int {
	if n < 2 {
		return n
	}
	var a int
	g := w.Group()
	g.Go(func(w *Worker) { a = fibAll(w, n-1) })
	b := fibAll(w, n-2)
	_ = g.Wait()
	return a + b
}

func TestForksThatNobodyWaitsForEndBeforeTheirTask(t *testing.T) {
	p := newPool(t, Config{Threads: 3})
	var ended atomic.Int32
	run(t, p, func(w *Worker) {
		for range 10 {
			w.Group().Go(func(w *Worker) {
				w.Group().Go(func(*Worker) { ended.Add(1) })
				ended.Add(1)
			})
		}
	})
	if ended.Load() != 20 {
		t.Errorf("%d of 20 tasks had ended", ended.Load())
	}
}

func TestMoreForksThanADequeHolds(t *testing.T) {
	p := newPool(t, Config{Threads: 2})
	var n atomic.Int32
	run(t, p, func(w *Worker) {
		g := w.Group()
		for range 3 * maxDeque {
			g.Go(func(*Worker) { n.Add(1) })
		}
		_ = g.Wait()
	})
	if n.Load() != 3*maxDeque {
		t.Errorf("%d ran", n.Load())
	}
}

// TestOnePieceMayWaitForAGroupFromOutside: the piece is the task itself.
func TestOnePieceMayWaitForAGroupFromOutside(t *testing.T) {
	p := newPool(t, Config{Threads: 2})
	run(t, p, func(w *Worker) {
		var n atomic.Int32
		g, other := w.Group(), w.Group()
		g.Go(func(*Worker) { n.Add(1) })
		other.Go(func(*Worker) { n.Add(1) })
		_ = w.For(1, 1, func(*Worker, int, int) {
			_ = g.Wait()
			g.Go(func(*Worker) { n.Add(1) })
		})
		_ = g.Wait()
		_ = other.Wait()
		if n.Load() != 3 || w.open != nil {
			t.Errorf("%d of 3 tasks ran, open %v", n.Load(), w.open)
		}
	})
}

// busyPool is a pool of two of which one worker is kept by another job until
// release is called: what the other does is then in its own order.
func busyPool(t *testing.T) (p *Pool, release func()) {
	p = newPool(t, Config{Threads: 2})
	held, let := make(chan struct{}), make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- p.Run(context.Background(), Options{}, func(*Worker) error { close(held); <-let; return nil })
	}()
	<-held
	return p, sync.OnceFunc(func() {
		close(let)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestWaitRunsNoStranger holds what a task of another group would want.
func TestWaitRunsNoStranger(t *testing.T) {
	p, release := busyPool(t)
	defer release()
	var order []string
	run(t, p, func(w *Worker) {
		a, b := w.Group(), w.Group()
		log := func(s string) func(*Worker) { return func(*Worker) { order = append(order, s) } }
		b.Go(log("b1"))
		a.Go(log("a1"))
		b.Go(log("b2"))
		b.Go(log("b3"))
		_ = a.Wait()
		order = append(order, "|")
		_ = w.For(2, 1, func(*Worker, int, int) { order = append(order, "f") })
		order = append(order, "|")
		_ = b.Wait()
	})
	if got := strings.Join(order, " "); got != "a1 | f f | b3 b2 b1" {
		t.Errorf("ran %s", got)
	}
}

// TestPieceDoesNotMeetItsSiblings marks a worker as in a piece; a nested join
// that ran another outer piece on it would find the mark.
func TestPieceDoesNotMeetItsSiblings(t *testing.T) {
	const threads = 4
	p := newPool(t, Config{Threads: threads})
	var in [threads]atomic.Int32
	run(t, p, func(w *Worker) {
		_ = w.For(300, 1, func(w *Worker, lo, _ int) {
			if !in[w.ID()].CompareAndSwap(0, 1) {
				t.Errorf("piece %d runs inside another on worker %d", lo, w.ID())
			}
			id := w.ID()
			_ = w.For(8, 1, func(w *Worker, _, _ int) {
				g := w.Group()
				g.Go(func(*Worker) {})
				_ = g.Wait()
			})
			if w.ID() != id {
				t.Error("a task changed its worker")
			}
			in[id].Store(0)
		})
	})
}
