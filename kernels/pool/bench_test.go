package pool

import (
	"context"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// benchPool makes a pool with a P to spare for the caller, as a server has.
func benchPool(b *testing.B, threads int) *Pool {
	b.Helper()
	old := runtime.GOMAXPROCS(threads + 2)
	p, err := New(Config{Threads: threads})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close(); runtime.GOMAXPROCS(old) })
	return p
}

func inPool(b *testing.B, p *Pool, fn func(w *Worker)) {
	b.Helper()
	if err := p.Run(context.Background(), Options{}, func(w *Worker) error { fn(w); return nil }); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRunWarm(b *testing.B) {
	p := benchPool(b, 2)
	for b.Loop() {
		inPool(b, p, func(*Worker) {})
	}
}

// BenchmarkRunCold waits until the workers sleep before each Run; the time
// of the Run alone is cold-us/op.
func BenchmarkRunCold(b *testing.B) {
	p := benchPool(b, 2)
	var times []time.Duration
	for b.Loop() {
		for p.parked.Load() < 2 {
			time.Sleep(200 * time.Microsecond)
		}
		start := time.Now()
		inPool(b, p, func(*Worker) {})
		times = append(times, time.Since(start))
	}
	b.ReportMetric(median(times).Seconds()*1e6, "cold-us")
}

func median(d []time.Duration) time.Duration {
	s := append([]time.Duration(nil), d...)
	for i := range s { // insertion sort: few
		for k := i; k > 0 && s[k] < s[k-1]; k-- {
			s[k], s[k-1] = s[k-1], s[k]
		}
	}
	return s[len(s)/2]
}

func BenchmarkForkJoin(b *testing.B) {
	b.Run("pool1", func(b *testing.B) { benchForkJoin(b, 1) })
	b.Run("pool2", func(b *testing.B) { benchForkJoin(b, 2) })
	b.Run("goroutines", func(b *testing.B) {
		for b.Loop() {
			var wg sync.WaitGroup
			wg.Add(1)
			go wg.Done()
			wg.Wait()
		}
	})
	b.Run("errgroup", func(b *testing.B) {
		for b.Loop() {
			var g errgroup.Group
			g.Go(func() error { return nil })
			_ = g.Wait()
		}
	})
}

func benchForkJoin(b *testing.B, threads int) {
	p := benchPool(b, threads)
	inPool(b, p, func(w *Worker) {
		for b.Loop() {
			g := w.Group()
			g.Go(func(*Worker) {})
			_ = g.Wait()
		}
	})
}

// BenchmarkForEmpty is a parallel loop of two empty pieces.
func BenchmarkForEmpty(b *testing.B) {
	p := benchPool(b, 2)
	inPool(b, p, func(w *Worker) {
		for b.Loop() {
			_ = w.For(2, 1, func(*Worker, int, int) {})
		}
	})
}

func fibSerial(n int) int {
	if n < 2 {
		return n
	}
	return fibSerial(n-1) + fibSerial(n-2)
}

const fibN, fibCut = 25, 10

func fibPool(w *Worker, n int) int {
	if n <= fibCut {
		return fibSerial(n)
	}
	var a int
	g := w.Group()
	g.Go(func(w *Worker) { a = fibPool(w, n-1) })
	b := fibPool(w, n-2)
	_ = g.Wait()
	return a + b
}

func fibGo(n int) int {
	if n <= fibCut {
		return fibSerial(n)
	}
	var a int
	var wg sync.WaitGroup
	wg.Go(func() { a = fibGo(n - 1) })
	b := fibGo(n - 2)
	wg.Wait()
	return a + b
}

func fibErrgroup(n int) int {
	if n <= fibCut {
		return fibSerial(n)
	}
	var a int
	var g errgroup.Group
	g.Go(func() error { a = fibErrgroup(n - 1); return nil })
	b := fibErrgroup(n - 2)
	_ = g.Wait()
	return a + b
}

func BenchmarkFib(b *testing.B) {
	b.Run("serial", func(b *testing.B) {
		for b.Loop() {
			fibSerial(fibN)
		}
	})
	for _, threads := range []int{1, 2} {
		b.Run([]string{"", "pool1", "pool2"}[threads], func(b *testing.B) {
			p := benchPool(b, threads)
			inPool(b, p, func(w *Worker) {
				for b.Loop() {
					fibPool(w, fibN)
				}
			})
		})
	}
	b.Run("goroutines", func(b *testing.B) {
		for b.Loop() {
			fibGo(fibN)
		}
	})
	b.Run("errgroup", func(b *testing.B) {
		for b.Loop() {
			fibErrgroup(fibN)
		}
	})
}

// The unbalanced tree: a node's number of children is a hash of its name, as
// in UTS (Olivier et al., "UTS: an unbalanced tree search benchmark", LCPC
// 2006), binomial with 8 children at odds of 0.12: finite but erratic. A node
// costs about 0.5 µs, as much as the SHA-1 of UTS.
const (
	utsRoots  = 200
	utsFan    = 8
	utsRounds = 200
)

func utsHash(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9)
	return hi ^ lo
}

func utsChildren(x uint64) int {
	h := x
	for range utsRounds {
		h = utsHash(h)
	}
	if h%1000 < 120 {
		return utsFan
	}
	return 0
}

// utsCount visits the subtree of x; children adds up child(0) to child(n-1).
func utsCount(x uint64, children func(n int, child func(i int) int64) int64) int64 {
	return 1 + children(utsChildren(x), func(i int) int64 { return utsCount(utsHash(x+uint64(i)), children) })
}

func utsSerial(n int, child func(i int) int64) (sum int64) {
	for i := range n {
		sum += child(i)
	}
	return sum
}

func utsGo(n int, child func(i int) int64) (sum int64) {
	part := make([]int64, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { part[i] = child(i) })
	}
	wg.Wait()
	return total(part)
}

func utsErrgroup(n int, child func(i int) int64) int64 {
	part := make([]int64, n)
	var g errgroup.Group
	for i := range n {
		g.Go(func() error { part[i] = child(i); return nil })
	}
	_ = g.Wait()
	return total(part)
}

func utsPool(w *Worker, x uint64) int64 {
	n := utsChildren(x)
	if n == 0 {
		return 1
	}
	var part [utsFan]int64
	g := w.Group()
	for i := range n {
		g.Go(func(w *Worker) { part[i] = utsPool(w, utsHash(x+uint64(i))) })
	}
	_ = g.Wait()
	return 1 + total(part[:n])
}

func total(part []int64) (sum int64) {
	for _, p := range part {
		sum += p
	}
	return sum
}

func BenchmarkTree(b *testing.B) {
	forest := func(children func(n int, child func(i int) int64) int64) int64 {
		return children(utsRoots, func(i int) int64 { return utsCount(utsHash(uint64(i)), children) })
	}
	want := forest(utsSerial)
	for name, children := range map[string]func(int, func(int) int64) int64{
		"serial": utsSerial, "goroutines": utsGo, "errgroup": utsErrgroup,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if got := forest(children); got != want {
					b.Fatalf("%d nodes, want %d", got, want)
				}
			}
		})
	}
	for _, threads := range []int{1, 2} {
		b.Run([]string{"", "pool1", "pool2"}[threads], func(b *testing.B) {
			p := benchPool(b, threads)
			inPool(b, p, func(w *Worker) {
				for b.Loop() {
					var part [utsRoots]int64
					_ = w.For(utsRoots, 1, func(w *Worker, i, _ int) { part[i] = utsPool(w, utsHash(uint64(i))) })
					if got := total(part[:]); got != want {
						b.Errorf("%d nodes, want %d", got, want)
					}
				}
			})
		})
	}
}

var sink atomic.Uint64

// burn computes for about 100 µs.
func burn(rounds int) {
	x := uint64(rounds)
	for range rounds {
		x = x*6364136223846793005 + 1442695040888963407
	}
	sink.Store(x)
}

const (
	burnRounds = 90_000 // about 100 µs
	burnTasks  = 1000
)

// BenchmarkTasks runs 1000 tasks of about 100 µs; the overhead is the time over
// that of the plain loop, or of two such loops side by side, which share the
// machine with the same company.
func BenchmarkTasks(b *testing.B) {
	b.Run("serial", func(b *testing.B) {
		for b.Loop() {
			for range burnTasks {
				burn(burnRounds)
			}
		}
	})
	b.Run("halves", func(b *testing.B) {
		for b.Loop() {
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for range burnTasks / 2 {
						burn(burnRounds)
					}
				})
			}
			wg.Wait()
		}
	})
	for _, threads := range []int{1, 2} {
		name := []string{"", "1", "2"}[threads]
		b.Run("for"+name, func(b *testing.B) {
			p := benchPool(b, threads)
			inPool(b, p, func(w *Worker) {
				for b.Loop() {
					_ = w.For(burnTasks, 1, func(*Worker, int, int) { burn(burnRounds) })
				}
			})
		})
		b.Run("group"+name, func(b *testing.B) {
			p := benchPool(b, threads)
			inPool(b, p, func(w *Worker) {
				for b.Loop() {
					g := w.Group()
					for range burnTasks {
						g.Go(func(*Worker) { burn(burnRounds) })
					}
					_ = g.Wait()
				}
			})
		})
	}
}
