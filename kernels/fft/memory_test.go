package fft

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// lent is scratch memory from a block made before, with an account.
type lent struct {
	mu   sync.Mutex // guards what follows
	slab []byte
	used int
}

func (m *lent) Alloc(n int) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.used
	m.used += roundUp(n, 64)
	return m.slab[at : at+n : at+n]
}

// heapMost is what may come from the Go heap: closures, and a few numbers for each
// line or piece, over the whole run. The arrays of TestWorkingMemory have
// megabytes, and so has the scratch.
const heapMost = 512 << 10

// TestWorkingMemory: what grows with the data or the threads comes from the
// run's memory, and is in Cost.Scratch; the Go heap is for plans alone.
func TestWorkingMemory(t *testing.T) {
	rng := newRand(51)
	operands := map[string]ndarray.Array{
		"line": randomArray(rng, ndarray.C64, 1<<18), "prime": randomArray(rng, ndarray.C64, 200003), "real": randomArray(rng, ndarray.F32, 1<<18), "odd": randomArray(rng, ndarray.F32, 250047),
		"plane": randomArray(rng, ndarray.C64, 500, 600), "cube": randomArray(rng, ndarray.C64, 64, 64, 64), "tall": randomArray(rng, ndarray.C64, 9001, 40),
		"i": randomArray(rng, ndarray.I16, 1<<18), "m": randomArray(rng, ndarray.F64, 500, 600), "h": randomArray(rng, ndarray.F32, 300), "k": randomArray(rng, ndarray.F64, 7, 9),
	}
	for _, line := range []string{
		"fft line y", "ifft line[::-1] y", "fft prime y", "rfft real y", "rfft odd y", "irfft line y", "fft plane y axes=0,1", "fft cube y axes=0,1,2", "fft tall y axes=0", "rfft m y axes=1,0",
		"irfft plane y axes=0,1", "fft i y", "dct real y", "dct m y axes=0,1 type=1", "idst odd y type=4", "dst m y axes=0 type=3", "conv real h y method=fft", "conv real h y method=overlap", "conv real h y method=direct",
		"conv m k y method=fft", "conv m k y method=direct", "correlate m k y method=overlap", "psd real y", "spectrogram i y nperseg=1024", "stft real y nperseg=4096", "stft m y axis=0", "window y n=300000 type=kaiser", "fftshift m y",
	} {
		if got := heapOf(t, line, operands); got > heapMost {
			t.Errorf("%s: %d bytes from the Go heap", line, got)
		}
	}
}

// heapOf runs a line twice, and gives the bytes that the second run took from
// the Go heap.
func heapOf(t *testing.T, line string, operands map[string]ndarray.Array) (bytes uint64) {
	t.Helper()
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 2 {
		j, err := kerneltest.Prepare(t, Kernels(), line, operands)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		mem := &lent{slab: make([]byte, 2*j.Plan.Cost.Scratch+1<<20)}
		x := &kernels.Exec{Ctx: t.Context(), In: j.In, Out: j.Out, Mem: mem}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = p.Run(t.Context(), pool.Options{}, func(w *pool.Worker) error {
			x.W = w
			return j.Plan.Run(x)
		})
		if runtime.ReadMemStats(&after); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		bytes = after.TotalAlloc - before.TotalAlloc
	}
	return bytes
}

// TestScratchFollowsThreads: a plan told of few threads asks for less.
func TestScratchFollowsThreads(t *testing.T) {
	x := map[string]ndarray.Array{"x": randomArray(newRand(52), ndarray.C64, 300, 300)}
	scratch := func(threads int) int64 {
		j, err := kerneltest.Prepare(t, Kernels(), "fft x y axes=0,1", x)
		if err != nil {
			t.Fatal(err)
		}
		j.Call.Threads = threads
		p, err := j.Call.Check()
		if err != nil {
			t.Fatal(err)
		}
		return p.Cost.Scratch
	}
	one, two, nine := scratch(1), scratch(2), scratch(9)
	if two <= one || nine-two != 7*(two-one) {
		t.Errorf("scratch of 1, 2 and 9 threads: %d, %d, %d", one, two, nine)
	}
}

// TestScratchOfPlainOperands: what can be used as it lies is not copied, and no memory is
// asked for that.
func TestScratchOfPlainOperands(t *testing.T) {
	rng := newRand(95)
	operands := map[string]ndarray.Array{"z": randomArray(rng, ndarray.C64, 600, 700), "x": randomArray(rng, ndarray.F32, 900, 800), "s": randomArray(rng, ndarray.F64, 1<<19), "h": randomArray(rng, ndarray.F64, 9), "i": randomArray(rng, ndarray.I32, 900, 800)}
	for line, whole := range map[string]bool{
		"fft z y": false, "ifft z z axes=0,1": false, "rfft x y axes=0,1": false, "irfft z y": false, "dct x y": false, "conv s h y": false, "psd s y nperseg=64": true, // one line's spectra
		"fft x y": true, "fft z[::-1] y": true, "dct i y": true, "rfft x y n=700": true,
	} {
		j, err := kerneltest.Prepare(t, Kernels(), line, operands)
		must(t, err)
		if n, in := j.Plan.Cost.Scratch, int64(j.In[0].Bytes()); (n >= in/2) != whole {
			t.Errorf("%s: %d bytes of scratch for an input of %d", line, n, in)
		}
	}
}

// TestSpace: slices are lent and come back; beyond the planned ones there is
// the heap; and alone is one slice.
func TestSpace(t *testing.T) {
	made := 0
	s := &space[float64]{need: need{alone: 7, task: 5}, threads: 2, alloc: func(n int) []float64 { made += n; return make([]float64, n) }}
	a, b, c := s.take(5), s.take(3), s.take(4)
	if len(a) != 5 || len(b) != 3 || len(c) != 4 || made != 10 {
		t.Errorf("lent %d, %d, %d; allocated %d", len(a), len(b), len(c), made)
	}
	s.give(b)
	if d := s.take(5); &d[0] != &b[0] || made != 10 {
		t.Error("what came back is not lent again")
	}
	if e, f := s.alone(7), s.alone(2); &e[0] != &f[0] || made != 17 {
		t.Error("alone is not one slice")
	}
	if s.take(0) != nil {
		t.Error("nothing is something")
	}
	own := single(make([]float32, 9))
	if x, y := own.alone(9), own.take(9); &x[0] != &y[0] {
		t.Error("a crew of one has two slices")
	}
	if n := (need{3, 4}).or(need{5, 1}); n != (need{5, 4}) || n.serial() != 5 || n.total(3) != 17 {
		t.Errorf("needs add up to %+v", n)
	}
}

// TestTasksShareNothing: tasks at once never have the same scratch.
func TestTasksShareNothing(t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	n := need{task: 64}
	var wrong atomic.Int64
	err = p.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error {
		c := &crew[float64]{w: w, space: spaceIn(make([]float64, roomFor(n)), n)}
		return c.tasks(400, 1, 64, func(lo, hi int, s []float64) {
			for i := range s {
				s[i] = float64(lo)
			}
			runtime.Gosched()
			if slices.ContainsFunc(s, func(v float64) bool { return v != float64(lo) }) {
				wrong.Add(1)
			}
		})
	})
	if err != nil || wrong.Load() > 0 {
		t.Errorf("%v; %d tasks found another's numbers", err, wrong.Load())
	}
}

// thing is a plan of a given size.
type thing struct{ n, size int }

func (x *thing) bytes() int { return x.size }

// TestPlanCache: the least recently used go first, what is held stays within
// the limit, and one that is larger than all stays alone.
func TestPlanCache(t *testing.T) {
	c := &planCache{limit: 100}
	made := map[int]int{}
	get := func(n, size int) {
		x, err := cached(c, planKey{n: n}, func() (*thing, error) { made[n]++; return &thing{n, size}, nil })
		must(t, err)
		if x.n != n {
			t.Fatalf("asked for %d, got %d", n, x.n)
		}
	}
	for n := range 4 {
		get(n, 25)
	}
	get(0, 25) // 1 is the oldest now
	get(4, 25)
	if c.held != 100 {
		t.Errorf("%d bytes are held", c.held)
	}
	get(0, 25)
	get(1, 25)
	if want := map[int]int{0: 1, 1: 2, 2: 1, 3: 1, 4: 1}; fmt.Sprint(made) != fmt.Sprint(want) {
		t.Errorf("made %v, want %v", made, want)
	}
	get(9, 1000)
	if c.held != 1000 {
		t.Errorf("%d bytes are held beside one that is too large", c.held)
	}
	if get(9, 1000); made[9] != 1 {
		t.Error("the large one was not kept")
	}
	if get(5, 10); c.held != 10 {
		t.Errorf("%d bytes are held after the large one", c.held)
	}
}

// TestPlanCacheAtOnce: many goroutines, few plans: each is made once while it
// is held, and nobody gets another's.
func TestPlanCacheAtOnce(t *testing.T) {
	c := &planCache{limit: 1 << 20}
	var made atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				n := (i*7 + g) % 50
				if x, err := cached(c, planKey{n: n}, func() (*thing, error) { made.Add(1); return &thing{n, 100}, nil }); err != nil || x.n != n {
					t.Errorf("asked for %d, got %d", n, x.n)
					return
				}
			}
		})
	}
	wg.Wait()
	if made.Load() != 50 || c.held != 5000 {
		t.Errorf("%d plans were made, %d bytes are held", made.Load(), c.held)
	}
}

// TestPlanSizes: a plan knows about what its tables take.
func TestPlanSizes(t *testing.T) {
	k := simd.FFT[float64]()
	for _, c := range []struct{ n, least, most int }{
		{1, 1, 1000}, {8, 1, 4000}, {31, 400, 2000}, {4096, 4096 * 8, 4096 * 40}, {1 << 20, 1 << 18, 1 << 24}, {10007, 10007 * 40, 10007 * 200},
	} {
		if b := mustPlan(k, c.n).bytes(); b < c.least || b > c.most {
			t.Errorf("n=%d: %d bytes, want %d to %d", c.n, b, c.least, c.most)
		}
	}
	if r, _ := plannedReal(nil, k, 1000); r.bytes() <= r.inner.bytes() {
		t.Error("a real plan is no more than its half")
	}
	if x, _ := newTrig(nil, k, 100, 4, false, false, 1); x.bytes() <= x.full.bytes() {
		t.Error("a cosine plan is no more than its line")
	}
	if b := plans.held; b > planBytes {
		t.Errorf("%d bytes of plans are held", b)
	}
}
