package pool

import (
	"context"
	"errors"
	"os"
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
	last := [2]TraceEvent{}
	for i, e := range p.Trace() {
		if e.Tag != tag || e.End < e.Start || e.Worker < 0 || e.Worker > 1 || i > 0 && e.Start < p.Trace()[i-1].Start {
			t.Errorf("event %+v", e)
		}
		if before := last[e.Worker]; before.End <= e.Start { // else it lies within the one before
			if e.Tasks <= before.Tasks || e.Steals < before.Steals || e.Idle < before.Idle || !e.Root && e.Steals == 0 {
				t.Errorf("counters %+v after %+v", e, before)
			}
			last[e.Worker] = e
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
		if e := last[i]; e.Tasks > s.Tasks || e.Steals > s.Steals || e.Idle > s.Idle {
			t.Errorf("the trace ends with %+v, the counters with %+v", e, s)
		}
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

// A nice value that may not be had costs the nice value alone. The thread that
// gives its privilege away ends with the goroutine.
func TestBatchWithoutThePrivilegeOfNice(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		header, data := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
		if err := unix.Capget(&header, &data[0]); err != nil {
			t.Error(err)
			return
		}
		data[0].Effective &^= 1 << unix.CAP_SYS_NICE
		if err := unix.Capset(&header, &data[0]); err != nil {
			t.Error(err)
			return
		}
		before, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Error(err)
			return
		}
		refused := (&thread{p: &Pool{cfg: Config{Batch: true, Nice: -5}}}).setup()
		after, err := unix.SchedGetAttr(0, 0)
		if err != nil || after.Policy != unix.SCHED_BATCH {
			t.Errorf("the class is %d (%v), setup says %v", after.Policy, err, refused)
		}
		if after.Nice == before.Nice && (refused == nil || !strings.Contains(refused.Error(), ": nice ")) {
			t.Errorf("nice stays %d, and setup says %v", after.Nice, refused)
		}
	}()
	<-done
}
