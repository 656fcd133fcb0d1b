package tune

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/gemm"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// heap lends from the Go heap.
type heap struct{}

func (heap) Alloc(n int) []byte { return make([]byte, n) }

func lend(int64) (kernels.Memory, func(), error) { return heap{}, func() {}, nil }

func newPool(t *testing.T, threads int) *pool.Pool {
	t.Helper()
	p, err := pool.New(pool.Config{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

var small = []Point{
	{DType: ndarray.F32, M: 64, N: 64, K: 64, Threads: 2, Epilogue: gemm.EpilogueAct},
	{DType: ndarray.F64, M: 200, N: 200, K: 200, Threads: 2, Epilogue: gemm.EpilogueAdd},
	{DType: ndarray.I8, M: 64, N: 256, K: 64, Threads: 1},
}

func TestSearch(t *testing.T) {
	d, r := open(t, Config{Dir: t.TempDir()})
	var seen []Progress
	err := Search(t.Context(), newPool(t, 2), d, Options{
		Budget: 3 * time.Second, Points: small, Memory: lend, Seed: 5, Progress: func(p Progress) { seen = append(seen, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 || seen[2].Done != 3 || seen[2].Total != 3 {
		t.Errorf("progress %+v", seen)
	}
	if len(r.list) > 0 {
		t.Errorf("what was just found is not used: %q", r.list)
	}
	for _, p := range seen {
		e := p.Entry
		if e == nil {
			continue // a machine so slow that there was no time for it
		}
		if ev := e.Evidence; ev.Median <= 0 || ev.Samples < minRounds || ev.Gflops <= 0 || ev.Default <= 0 || ev.Candidates < 2 || ev.Seed != 5 || ev.Time.IsZero() {
			t.Errorf("evidence %+v", ev)
		}
		if w := e.Value["ways"]; w < 1 || w > e.Key.Threads {
			t.Errorf("%s: %d ways", e.Key.Name(), w)
		}
		if v, source := d.Tuned("gemm", e.Key.Class, e.Key.Threads); v == nil || source != e.Key.Name() {
			t.Errorf("%s is not found", e.Key.Name())
		}
	}
}

// What was found before a search is stopped stays.
func TestSearchStops(t *testing.T) {
	d, _ := open(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	err := Search(ctx, newPool(t, 1), d, Options{Budget: time.Minute, Points: []Point{small[2], small[0], small[1]}, Memory: lend, Progress: func(Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped search: %v", err)
	}
	if n := d.Names(); len(n) != 1 || !strings.Contains(n[0], ".i8.") {
		t.Errorf("found %v", n)
	}
}

// A budget of nothing finds nothing, and says so by no entry.
func TestNoTime(t *testing.T) {
	d, _ := open(t, Config{})
	points := 0
	err := Search(t.Context(), newPool(t, 2), d, Options{Budget: 1, Points: small, Memory: lend, Progress: func(p Progress) {
		if points++; p.Entry != nil {
			t.Errorf("found %+v", p.Entry)
		}
	}})
	if err != nil || points != 3 || len(d.Names()) > 0 {
		t.Errorf("%v, %d points, %v", err, points, d.Names())
	}
}

// Samples during which something else computed do not count.
func TestBusy(t *testing.T) {
	d, _ := open(t, Config{})
	var asked, count atomic.Uint64
	busy := func() (uint64, bool) {
		n := asked.Add(1)
		if n < 40 && n%3 == 0 {
			count.Add(1)
		}
		return count.Load(), n == 2
	}
	if err := Search(t.Context(), newPool(t, 1), d, Options{Budget: 10 * time.Second, Points: small[2:], Memory: lend, Busy: busy}); err != nil {
		t.Fatal(err)
	}
	if asked.Load() < 40 {
		t.Errorf("asked %d times", asked.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	always := func() (uint64, bool) { cancel(); return 0, true }
	if err := Search(ctx, newPool(t, 1), d, Options{Points: small, Memory: lend, Busy: always}); !errors.Is(err, context.Canceled) {
		t.Errorf("a search that never got its turn: %v", err)
	}
}

// Products that a device has no memory for are left out; other failures end
// the search.
func TestMemory(t *testing.T) {
	d, _ := open(t, Config{})
	for _, c := range []struct{ err, want error }{{syscall.ENOMEM, nil}, {syscall.EIO, syscall.EIO}} {
		o := Options{Budget: time.Second, Points: small[:1], Memory: func(int64) (kernels.Memory, func(), error) { return nil, nil, c.err }}
		if err := Search(t.Context(), newPool(t, 1), d, o); !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c.err, err)
		}
	}
	o := Options{Points: []Point{{DType: ndarray.Bool, M: 4, N: 4, K: 4, Threads: 1}}, Memory: lend}
	if err := Search(t.Context(), newPool(t, 1), d, o); !errors.Is(err, errNoProduct) {
		t.Errorf("bool: %v", err)
	}
}

func TestPoints(t *testing.T) {
	quick, full := Points(true, 2), Points(false, 2)
	if len(quick) != 16 || len(full) != 2*(6*11+6) || len(Points(false, 1)) != 6*11+6 {
		t.Errorf("%d and %d points", len(quick), len(full))
	}
	seen := map[string]bool{}
	for _, pt := range full {
		q, ok := pt.problem()
		if !ok {
			t.Fatalf("%v is not multiplied", pt)
		}
		if part := pt.measured(); part.M > pt.M || part.K > pt.K || part.work() > 2048*4096*1024 || part.weight() != pt.weight() {
			t.Errorf("of %v %v is measured", pt, part)
		}
		c, _ := q.Class()
		if c.Epilogue != pt.Epilogue {
			t.Errorf("%v is of class %s", pt, c)
		}
		if key := id("gemm", c.String(), pt.Threads); seen[key] {
			t.Errorf("two points of class %s", key)
		} else {
			seen[key] = true
		}
	}
	for _, pt := range quick {
		if !slices.Contains(full, pt) {
			t.Errorf("%v is in the quick search alone", pt)
		}
	}
}

func samples(ways int, times ...float64) result[gemm.Params] {
	return result[gemm.Params]{params: gemm.Params{Ways: ways, MC: int(1e6 * times[0])}, ways: ways, times: times}
}

// More threads must be clearly faster; fewer need not.
func TestChoose(t *testing.T) {
	for _, c := range []struct {
		what string
		list []result[gemm.Params]
		want int
	}{
		{"alone", []result[gemm.Params]{samples(1, 1)}, 0},
		{"clearly faster", []result[gemm.Params]{samples(1, 1, 1, 1), samples(1, 0.9, 0.9, 0.9)}, 1},
		{"within the margin", []result[gemm.Params]{samples(1, 1, 1, 1), samples(1, 0.995, 0.995, 0.995)}, 0},
		{"within the spread", []result[gemm.Params]{samples(1, 0.8, 1, 1.2), samples(1, 0.76, 0.97, 1.16)}, 0},
		{"two threads as fast as one", []result[gemm.Params]{samples(2, 1, 1, 1), samples(1, 1.01, 1.01, 1.01)}, 1},
		{"two threads faster", []result[gemm.Params]{samples(2, 1, 1, 1), samples(1, 1.9, 1.9, 1.9)}, 0},
		{"two threads slower", []result[gemm.Params]{samples(2, 1, 1, 1), samples(1, 0.7, 0.7, 0.7)}, 1},
		{"four, two, one", []result[gemm.Params]{samples(4, 1, 1, 1), samples(1, 1.3, 1.3, 1.3), samples(2, 1.04, 1.04, 1.04)}, 2},
	} {
		if got := choose(c.list); got != c.list[c.want].params {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

// What is kept in the end is not slower than what there was without a search.
func TestConfirm(t *testing.T) {
	for _, c := range []struct {
		what string
		list []result[gemm.Params]
		want int
	}{
		{"alone", []result[gemm.Params]{samples(1, 1)}, 0},
		{"faster", []result[gemm.Params]{samples(2, 1, 1, 1), samples(2, 0.9, 0.9, 0.9)}, 1},
		{"fewer threads, faster", []result[gemm.Params]{samples(2, 1, 1, 1), samples(1, 0.7, 0.7, 0.7)}, 1},
		{"fewer threads, as fast", []result[gemm.Params]{samples(2, 1, 1, 1), samples(1, 1.005, 1.005, 1.005)}, 1},
		{"fewer threads, slower", []result[gemm.Params]{samples(2, 1, 1, 1), samples(1, 1.03, 1.03, 1.03)}, 0},
	} {
		if got := confirm(c.list); got != &c.list[c.want] {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

func TestQuantile(t *testing.T) {
	r := samples(1, 4, 1, 3, 2)
	if r.median() != 2.5 || r.spread() != (3.25-1.75)/2.5 {
		t.Errorf("median %g, spread %g", r.median(), r.spread())
	}
	if q := quantile([]float64{7}, 0.75); q != 7 {
		t.Errorf("of one sample: %g", q)
	}
}

func TestRegion(t *testing.T) {
	r := &region{slab: make([]byte, 10000), more: heap{}}
	for range 2 {
		a, b, c := r.Alloc(5000), r.Alloc(1000), r.Alloc(5000)
		if len(a) != 5000 || &a[0] != &r.slab[0] || &b[0] != &r.slab[8192] || len(c) != 5000 {
			t.Error("blocks are not where they should be")
		}
		r.reset()
	}
	if a := r.Alloc(10000); len(a) != 10000 || len(r.Alloc(1)) != 1 {
		t.Error("the whole slab, and then some")
	}
}

func TestClock(t *testing.T) {
	for _, threads := range []int{1, 2} {
		start, x := Clock(threads), 1.0
		for Clock(threads) == start {
			x *= 1.0000001
		}
		if d := Clock(threads) - start; d <= 0 || x < 1 {
			t.Errorf("%d threads: the clock goes by %g s", threads, d)
		}
	}
}
