package pool

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRunReturnsTheTasksError(t *testing.T) {
	p := newPool(t, Config{Threads: 2})
	if err := p.Run(context.Background(), Options{}, func(*Worker) error { return io.ErrUnexpectedEOF }); err != io.ErrUnexpectedEOF {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err := p.Run(ctx, Options{}, func(w *Worker) error { cancel(); _ = w.Err(); return nil })
	if err != context.Canceled {
		t.Errorf("a job that ignored its cancellation gave %v", err)
	}
	if err := p.Run(ctx, Options{}, func(*Worker) error { t.Error("ran"); return nil }); err != context.Canceled {
		t.Errorf("a cancelled context gave %v", err)
	}
}

func TestPanicsReachEveryWaiter(t *testing.T) {
	boom := errors.New("boom")
	for _, threads := range []int{1, 3} {
		p := newPool(t, Config{Threads: threads})
		for name, task := range map[string]func(w *Worker) error{
			"group": func(w *Worker) error {
				g := w.Group()
				g.Go(func(w *Worker) { panicDeep(w, boom) })
				return g.Wait()
			},
			"for":       func(w *Worker) error { return w.For(9, 1, func(*Worker, int, int) { panic(boom) }) },
			"one piece": func(w *Worker) error { return w.For(1, 1, func(*Worker, int, int) { panic(boom) }) },
			"unwaited":  func(w *Worker) error { w.Group().Go(func(*Worker) { panic(boom) }); return nil },
			"root":      func(w *Worker) error { panic(boom) },
			"nested error": func(w *Worker) error {
				_ = w.For(2, 1, func(w *Worker, _, _ int) {
					_ = w.For(2, 1, func(*Worker, int, int) { panic(boom) })
				})
				return io.EOF // a panic outranks it
			},
		} {
			err := p.Run(context.Background(), Options{}, func(w *Worker) error {
				err := task(w)
				if pe := new(PanicError); name != "unwaited" && name != "nested error" && !errors.As(err, &pe) {
					t.Errorf("%s: the waiter got %v", name, err)
				}
				return err
			})
			var pe *PanicError
			if !errors.As(err, &pe) || !errors.Is(err, boom) || !strings.Contains(err.Error(), "boom") {
				t.Fatalf("%d threads, %s: got %v", threads, name, err)
			}
			if name == "group" && !strings.Contains(string(pe.Stack), "panicDeep") {
				t.Errorf("the stack does not show the culprit:\n%s", pe.Stack)
			}
		}
	}
}

//go:noinline
func panicDeep(_ *Worker, v any) { panic(v) }

func TestPanicOfAPlainValue(t *testing.T) {
	p := newPool(t, Config{Threads: 1})
	err := p.Run(context.Background(), Options{}, func(*Worker) error { panic("text") })
	if err == nil || !strings.Contains(err.Error(), "text") || errors.Unwrap(err) != nil {
		t.Errorf("got %v", err)
	}
}

func TestPanicCancelsSiblings(t *testing.T) {
	p := newPool(t, Config{Threads: 2})
	var ran atomic.Int32
	err := p.Run(context.Background(), Options{}, func(w *Worker) error {
		return w.For(100_000, 1, func(w *Worker, lo, _ int) {
			ran.Add(1)
			if lo == 0 {
				panic("stop")
			}
			if !spinUntil(func() bool { return w.Err() != nil }) {
				t.Error("a sibling was not told")
			}
		})
	})
	if err == nil || ran.Load() > 2 {
		t.Errorf("%d pieces ran, %v", ran.Load(), err)
	}
}

// TestGoexitEndsTheJobOnly lets a task end its goroutine, as FailNow would.
func TestGoexitEndsTheJobOnly(t *testing.T) {
	for _, threads := range []int{1, 2} {
		p := newPool(t, Config{Threads: threads})
		for range 3 {
			err := p.Run(context.Background(), Options{}, func(w *Worker) error {
				return w.For(4, 1, func(w *Worker, _, _ int) {
					g := w.Group()
					g.Go(func(*Worker) { runtime.Goexit() })
					_ = g.Wait()
				})
			})
			if !errors.Is(err, errGoexit) {
				t.Errorf("got %v", err)
			}
		}
		run(t, p, func(w *Worker) {
			_ = w.For(100, 1, func(*Worker, int, int) {})
		})
	}
}

func TestCancellationStopsALoop(t *testing.T) {
	for _, threads := range []int{1, 3} {
		p := newPool(t, Config{Threads: threads})
		ctx, cancel := context.WithCancel(context.Background())
		var ran, cancelled atomic.Int32
		err := p.Run(ctx, Options{}, func(w *Worker) error {
			return w.For(1_000_000, 1, func(*Worker, int, int) {
				if ran.Add(1) == 10 {
					cancel()
					cancelled.Store(ran.Load()) // others may have gone on until here
				}
			})
		})
		if err != context.Canceled || ran.Load() > cancelled.Load()+int32(threads) {
			t.Errorf("%d threads: %d pieces, %d when it was cancelled, %v", threads, ran.Load(), cancelled.Load(), err)
		}
		ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
		err = p.Run(ctx, Options{}, func(w *Worker) error {
			for w.Err() == nil {
			}
			g := w.Group()
			g.Go(func(*Worker) { t.Error("a task of a cancelled job ran") })
			return g.Wait()
		})
		cancel()
		if err != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	}
}

func TestACancelledRootLeavesTheQueue(t *testing.T) {
	p, release := busyPool(t)
	defer release()
	p2 := make(chan struct{})
	ended := make(chan error, 2)
	go func() {
		ended <- p.Run(context.Background(), Options{}, func(*Worker) error { <-p2; return nil })
	}()
	eventually(t, "second worker busy", func() bool { return p.running.Load() == 2 })
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- p.Run(ctx, Options{Priority: 5}, func(*Worker) error { t.Error("ran"); return nil })
	}()
	eventually(t, "root queued", func() bool { return p.roots.best.Load() == 5 })
	cancel()
	if err := <-ended; err != context.Canceled || p.roots.best.Load() != noRoot {
		t.Errorf("got %v, best %d", err, p.roots.best.Load())
	}
	close(p2)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRootsStartByPriorityThenArrival(t *testing.T) {
	p := newPool(t, Config{Threads: 1})
	held, let := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var order []string // written by the only worker
	submit := func(name string, prio int, fn func()) {
		wg.Go(func() {
			if err := p.Run(context.Background(), Options{Priority: prio}, func(*Worker) error { fn(); return nil }); err != nil {
				t.Error(name, err)
			}
		})
	}
	submit("first", 0, func() { close(held); <-let })
	<-held
	for i, c := range []struct {
		name string
		prio int
	}{{"low", -1}, {"a", 2}, {"b", 2}, {"lowest", -1 << 63}, {"high", 1<<63 - 1}, {"c", 2}} {
		submit(c.name, c.prio, func() { order = append(order, c.name) })
		eventually(t, c.name+" queued", func() bool { return p.roots.size.Load() == int32(i+1) })
	}
	close(let)
	wg.Wait()
	if got := strings.Join(order, " "); got != "high a b c low lowest" {
		t.Errorf("order: %s", got)
	}
}

func TestRootsRunSideBySide(t *testing.T) {
	p := newPool(t, Config{Threads: 3})
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			err := p.Run(context.Background(), Options{}, func(*Worker) error {
				in.Add(1)
				if !spinUntil(func() bool { return in.Load() == 3 }) {
					t.Error("roots wait for one another")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestHelperLeavesForAWaitingRoot has the helper of a long loop find a root
// of the same or a higher priority after its first piece.
func TestHelperLeavesForAWaitingRoot(t *testing.T) {
	for _, priority := range []int{0, 1} {
		helperLeaves(t, priority)
	}
}

func helperLeaves(t *testing.T, priority int) {
	p := newPool(t, Config{Threads: 2})
	urgent := make(chan struct{})
	var owner, helped, seen atomic.Int32
	owner.Store(-1)
	loopEnded := make(chan error)
	helping := make(chan struct{})
	go func() {
		loopEnded <- p.Run(context.Background(), Options{Threads: 2}, func(w *Worker) error {
			owner.Store(int32(w.ID()))
			return w.For(1000, 1, func(w *Worker, _, _ int) {
				if int32(w.ID()) == owner.Load() {
					<-urgent
				} else if helped.Add(1) == 1 {
					close(helping)
					spinUntil(func() bool { return p.roots.best.Load() == int64(priority) }) // which is set after size
				}
			})
		})
	}()
	<-helping
	err := p.Run(context.Background(), Options{Priority: priority}, func(*Worker) error {
		seen.Store(helped.Load())
		close(urgent)
		return nil
	})
	if err != nil || seen.Load() != 1 {
		t.Errorf("the urgent root ran after %d pieces, %v", seen.Load(), err)
	}
	if err := <-loopEnded; err != nil {
		t.Error(err)
	}
}

// TestHelpGoesToTheHigherPriority offers a free worker tasks of two jobs.
func TestHelpGoesToTheHigherPriority(t *testing.T) {
	p, release := newPool(t, Config{Threads: 3}), make(chan struct{})
	var wg sync.WaitGroup
	var started, ready, helped atomic.Int32
	var first atomic.Int64
	block := make(chan struct{})
	wg.Go(func() { // keeps the third worker until both jobs are on offer
		if err := p.Run(context.Background(), Options{}, func(*Worker) error { <-block; return nil }); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "third worker busy", func() bool { return p.running.Load() == 1 })
	for _, prio := range []int{1, 7} {
		wg.Go(func() {
			err := p.Run(context.Background(), Options{Priority: prio}, func(w *Worker) error {
				started.Add(1)
				spinUntil(func() bool { return started.Load() == 2 }) // else the other's worker is still free, and helps
				g := w.Group()
				g.Go(func(v *Worker) {
					if v.ID() != w.ID() && helped.Add(1) == 1 {
						first.Store(int64(prio))
						close(release)
					}
				})
				ready.Add(1)
				<-release
				return g.Wait()
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "both on offer", func() bool { return ready.Load() == 2 })
	close(block)
	wg.Wait()
	if first.Load() != 7 {
		t.Errorf("the free worker helped priority %d first", first.Load())
	}
}

// TestIDsBeyondAWord fills a job of more workers than a word has bits. It
// needs all pieces to be on offer at once.
func TestIDsBeyondAWord(t *testing.T) {
	const threads = 70
	p := newPool(t, Config{Threads: threads})
	seen := make([]atomic.Int32, threads)
	var in atomic.Int32
	all := make(chan struct{})
	run(t, p, func(w *Worker) {
		_ = w.For(threads, 1, func(w *Worker, _, _ int) {
			seen[w.ID()].Add(1)
			if in.Add(1) == threads {
				close(all)
			}
			<-all
		})
	})
	for id := range seen {
		if n := seen[id].Load(); n != 1 {
			t.Errorf("ID %d was had %d times", id, n)
		}
	}
}

func TestRunInsideATaskPanics(t *testing.T) {
	p, other := newPool(t, Config{Threads: 1}), newPool(t, Config{Threads: 1})
	for name, call := range map[string]func(){
		"Run":   func() { _ = p.Run(context.Background(), Options{}, func(*Worker) error { return nil }) },
		"Close": p.Close,
	} {
		err := p.Run(context.Background(), Options{}, func(*Worker) error { call(); return nil })
		if err == nil || !strings.Contains(err.Error(), name+" called by a task of the same pool") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	run(t, p, func(*Worker) { run(t, other, func(*Worker) {}) }) // another pool's is fine
}
