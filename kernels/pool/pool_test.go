package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
		var ran atomic.Int32
		err := p.Run(ctx, Options{}, func(w *Worker) error {
			return w.For(1_000_000, 1, func(*Worker, int, int) {
				if ran.Add(1) == 10 {
					cancel()
				}
			})
		})
		if err != context.Canceled || ran.Load() > int32(10+threads) {
			t.Errorf("%d threads: %d pieces, %v", threads, ran.Load(), err)
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
					spinUntil(func() bool { return p.roots.size.Load() == 1 })
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
	var ready, helped atomic.Int32
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

func TestNewRefusesNonsense(t *testing.T) {
	for _, cfg := range []Config{{Threads: -1}, {Threads: maxThreads + 1}, {CPUs: []int{}}, {CPUs: []int{maxCPU + 1}}} {
		if p, err := New(cfg); err == nil {
			p.Close()
			t.Errorf("%+v accepted", cfg)
		}
	}
}

func TestThreadsTakeTheirScheduling(t *testing.T) {
	nice := func() int {
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // of the calling thread
		if err != nil {
			t.Error(err)
		}
		return 20 - raw
	}
	base := nice()
	p := newPool(t, Config{Threads: 1, Nice: 3, Batch: true, Pin: PinCPU})
	if len(p.Warnings()) != 0 {
		t.Errorf("warnings: %v", p.Warnings())
	}
	run(t, p, func(*Worker) {
		if got := nice(); got != min(19, base+3) {
			t.Errorf("nice %d, want %d", got, base+3)
		}
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil || attr.Policy != unix.SCHED_BATCH {
			t.Errorf("policy %+v, %v", attr, err)
		}
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() != 1 || !set.IsSet(p.threads[0].cpu.ID) {
			t.Errorf("bound to %v, %v", set.Count(), err)
		}
	})
	if got := nice(); got != base {
		t.Errorf("the caller's nice became %d", got)
	}
}

// TestRefusalsAreWarnings pins to CPUs that this machine does not have.
func TestRefusalsAreWarnings(t *testing.T) {
	root := tree(map[string]string{"proc/self/status": "Cpus_allowed_list:\t5000-5001"})
	p := newPool(t, Config{Root: root, Pin: PinCPU})
	if w := p.Warnings(); len(w) != 2 || !errors.Is(w[0], unix.EINVAL) || !strings.Contains(w[0].Error(), "affinity to CPUs 500") {
		t.Errorf("warnings %v", w)
	}
	if p.Topology().Usable[0] != 5000 || p.Threads() != 2 {
		t.Errorf("threads %d, usable %v", p.Threads(), p.Topology().Usable)
	}
	run(t, p, func(w *Worker) { _ = w.For(10, 1, func(*Worker, int, int) {}) })
}

func TestCloseRefusesRootsAndEndsThreads(t *testing.T) {
	before := runtime.NumGoroutine()
	p, err := New(Config{Threads: 4})
	if err != nil {
		t.Fatal(err)
	}
	tids := []int32{}
	for _, th := range p.threads {
		if th.tid.Load() != int32(os.Getpid()) { // the runtime keeps the first thread
			tids = append(tids, th.tid.Load())
		}
	}
	run(t, p, func(w *Worker) { _ = w.For(100, 1, func(*Worker, int, int) {}) })
	p.Close()
	p.Close()
	if err := p.Run(context.Background(), Options{}, func(*Worker) error { return nil }); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	eventually(t, "goroutines gone", func() bool { return runtime.NumGoroutine() <= before })
	for _, tid := range tids {
		eventually(t, "thread gone", func() bool {
			_, err := os.Stat(filepath.Join("/proc/self/task", strconv.Itoa(int(tid))))
			return errors.Is(err, os.ErrNotExist)
		})
	}
}

// TestCloseLetsAcceptedJobsEnd closes while jobs run, wait and steal.
func TestCloseLetsAcceptedJobsEnd(t *testing.T) {
	for range 20 {
		p, err := New(Config{Threads: 3})
		if err != nil {
			t.Fatal(err)
		}
		var done, refused atomic.Int32
		var wg sync.WaitGroup
		started := make(chan struct{}, 8)
		for range 8 {
			wg.Go(func() {
				var n atomic.Int32
				err := p.Run(context.Background(), Options{}, func(w *Worker) error {
					started <- struct{}{}
					return w.For(50, 1, func(w *Worker, _, _ int) { n.Add(1) })
				})
				switch {
				case err == ErrClosed:
					refused.Add(1)
				case err == nil && n.Load() == 50:
					done.Add(1)
				default:
					t.Errorf("%d pieces, %v", n.Load(), err)
				}
			})
		}
		<-started
		p.Close()
		wg.Wait()
		if done.Load()+refused.Load() != 8 || done.Load() == 0 {
			t.Errorf("%d done, %d refused", done.Load(), refused.Load())
		}
	}
}

func TestIdleThreadsSleep(t *testing.T) {
	p := newPool(t, Config{Threads: 3})
	run(t, p, func(*Worker) {})
	eventually(t, "all threads asleep", func() bool { return p.parked.Load() == 3 })
	if p.searching.Load() != 0 {
		t.Errorf("%d search", p.searching.Load())
	}
	for _, s := range p.Stats() {
		if s.Parks == 0 {
			t.Errorf("worker %d counts no park", s.ID)
		}
	}
}

// TestCollectorStopsPollers stops the world while idle workers poll and a
// busy one computes.
func TestCollectorStopsPollers(t *testing.T) {
	p := newPool(t, Config{Threads: 2, Spin: time.Hour})
	var stop atomic.Bool
	ended := make(chan error)
	go func() {
		ended <- p.Run(context.Background(), Options{}, func(*Worker) error {
			for !stop.Load() {
			}
			return nil
		})
	}()
	for range 3 {
		runtime.GC()
	}
	stop.Store(true)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestPoolOfTwoNodes runs on a description of another machine.
func TestPoolOfTwoNodes(t *testing.T) {
	p := newPool(t, Config{Root: tree(twoNodes()), Pin: PinNone})
	var sum atomic.Int64
	run(t, p, func(w *Worker) {
		_ = w.For(1000, 7, func(_ *Worker, lo, hi int) { sum.Add(int64(hi - lo)) })
	})
	nodes := ""
	for _, s := range p.Stats() {
		nodes += strconv.Itoa(s.Node)
	}
	if sum.Load() != 1000 || nodes != "00110011" {
		t.Errorf("sum %d, workers on nodes %s", sum.Load(), nodes)
	}
}

func TestStatsAndTraceTellWhatRan(t *testing.T) {
	p := newPool(t, Config{Threads: 2, Trace: 4})
	const tag = 42
	for range 5 {
		err := p.Run(context.Background(), Options{Tag: tag}, func(w *Worker) error {
			var in atomic.Int32
			return w.For(2, 1, func(*Worker, int, int) { // needs both workers
				in.Add(1)
				spinUntil(func() bool { return in.Load() == 2 })
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	roots, stolen := 0, 0
	for i, e := range p.Trace() {
		if e.Tag != tag || e.End < e.Start || e.Worker < 0 || e.Worker > 1 || i > 0 && e.Start < p.Trace()[i-1].Start {
			t.Errorf("event %+v", e)
		}
		if e.Root {
			roots++
		} else {
			stolen++
		}
	}
	if roots+stolen > 8 || stolen == 0 || roots == 0 {
		t.Errorf("%d roots, %d stolen", roots, stolen)
	}
	var tasks, steals uint64
	var busy time.Duration
	for i, s := range p.Stats() {
		tasks, steals, busy = tasks+s.Tasks, steals+s.Steals, busy+s.Busy
		if s.ID != i || s.CPU != p.threads[i].cpu.ID || s.Busy+s.Idle > time.Since(p.Epoch()) {
			t.Errorf("%+v", s)
		}
	}
	if tasks != 5*3 || steals != 5 || busy == 0 {
		t.Errorf("%d tasks, %d steals, %v busy", tasks, steals, busy)
	}
}

func TestTraceMayBeOff(t *testing.T) {
	p := newPool(t, Config{Threads: 1, Trace: -1, Spin: -1})
	run(t, p, func(*Worker) {})
	if got := p.Trace(); len(got) != 0 {
		t.Errorf("events %v", got)
	}
}

// TestOneCPU runs the stress test again in a process that may use one CPU.
func TestOneCPU(t *testing.T) {
	if os.Getenv("VGPU_POOL_ONE_CPU") != "" {
		p := newPool(t, Config{})
		if p.Threads() != 1 {
			t.Errorf("%d threads on one CPU", p.Threads())
		}
		stress(t, Config{Threads: 3}, 30)
		return
	}
	out := make(chan string)
	go func() {
		runtime.LockOSThread() // and end with it: children inherit its mask
		defer close(out)
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			out <- err.Error()
			return
		}
		one := 0
		for !set.IsSet(one) {
			one++
		}
		set.Zero()
		set.Set(one)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			out <- err.Error()
			return
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestOneCPU$", "-test.count=1")
		cmd.Env = append(os.Environ(), "VGPU_POOL_ONE_CPU=1")
		if text, err := cmd.CombinedOutput(); err != nil {
			out <- fmt.Sprintf("%v\n%s", err, text)
		}
	}()
	for s := range out {
		t.Error(s)
	}
}
