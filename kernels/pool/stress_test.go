package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestStress(t *testing.T) { stress(t, Config{Threads: 4}, 150) }

func TestStressOversubscribed(t *testing.T) { stress(t, Config{Threads: 17, Spin: -1}, 60) }

func TestStressWithoutSleep(t *testing.T) { stress(t, Config{Threads: 3, Spin: 1 << 40}, 60) }

func TestStressOneP(t *testing.T) {
	old := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(old)
	stress(t, Config{Threads: 2}, 60)
}

// stress runs random trees of groups and loops from several callers at once,
// at random priorities and limits; some are cancelled, some panic. Each task
// checks that it is where it may be, and that what it forked has ended.
func stress(t *testing.T, cfg Config, jobs int) {
	t.Helper()
	p := newPool(t, cfg)
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(caller), 7))
			for range jobs {
				newStressJob(t, p, rng).run()
			}
		})
	}
	wg.Wait()
	eventually(t, "all asleep or searching", func() bool {
		return p.running.Load() == 0 && p.parked.Load()+p.searching.Load() == int32(p.Threads())
	})
	for _, th := range p.threads {
		if th.deque.size() != 0 {
			t.Errorf("worker %d has %d tasks left", th.id, th.deque.size())
		}
	}
}

var errStress = errors.New("planned")

type stressJob struct {
	t       *testing.T
	p       *Pool
	opt     Options
	seed    uint64
	mode    int // 0: to the end, 1: cancel, 2: panic
	at      int32
	cancel  context.CancelFunc
	ctx     context.Context
	nodes   atomic.Int32
	on      []atomic.Int32 // per Worker.ID: tasks of this job on its stack
	owner   []atomic.Int32 // per Worker.ID: the thread that has it
	workers atomic.Int32   // with a task on the stack
}

func newStressJob(t *testing.T, p *Pool, rng *rand.Rand) *stressJob {
	s := &stressJob{
		t: t, p: p, seed: rng.Uint64(), mode: max(0, rng.IntN(6)-3), at: int32(1 + rng.IntN(60)),
		opt: Options{Priority: rng.IntN(3), Threads: rng.IntN(4)}, on: make([]atomic.Int32, p.Threads()),
	}
	s.owner = make([]atomic.Int32, len(s.on))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *stressJob) run() {
	defer s.cancel()
	err := s.p.Run(s.ctx, s.opt, func(w *Worker) error { s.node(w, s.seed, 0); return w.Err() })
	hit := s.nodes.Load() >= s.at
	var pe *PanicError
	switch {
	case s.mode == 0 || !hit:
		if err != nil {
			s.t.Errorf("mode %d ended with %v", s.mode, err)
		}
	case s.mode == 1 && err != context.Canceled:
		s.t.Errorf("cancelled job ended with %v", err)
	case s.mode == 2 && (!errors.As(err, &pe) || !errors.Is(err, errStress)):
		s.t.Errorf("panicking job ended with %v", err)
	}
	if s.workers.Load() != 0 {
		s.t.Errorf("Run returned with %d workers in the job", s.workers.Load())
	}
}

// enter notes that a task is on w's stack, and leave that it is gone.
func (s *stressJob) enter(w *Worker) {
	if w.ID() >= w.Threads() {
		s.t.Errorf("ID %d in a job of %d", w.ID(), w.Threads())
	}
	if s.on[w.ID()].Add(1) > 1 {
		if o := int(s.owner[w.ID()].Load()); o != w.t.id {
			s.t.Errorf("threads %d and %d have the ID %d", o, w.t.id, w.ID())
		}
	} else {
		s.owner[w.ID()].Store(int32(w.t.id))
		if n := int(s.workers.Add(1)); n > w.Threads() {
			s.t.Errorf("%d workers in a job of %d", n, w.Threads())
		}
	}
}

func (s *stressJob) leave(id int) {
	if s.on[id].Add(-1) == 0 {
		s.workers.Add(-1)
	}
}

// node is a task of the tree.
func (s *stressJob) node(w *Worker, seed uint64, depth int) {
	id := w.ID()
	s.enter(w)
	defer s.leave(id)
	if n := s.nodes.Add(1); n == s.at && s.mode == 1 {
		s.cancel()
	} else if n == s.at && s.mode == 2 {
		panic(errStress)
	}
	if depth == 5 {
		return
	}
	rng := rand.New(rand.NewPCG(seed, uint64(depth)))
	var begun, ended atomic.Int32
	child := func(w *Worker, k int) {
		begun.Add(1)
		defer ended.Add(1)
		s.node(w, seed+uint64(k)*0x9e3779b97f4a7c15+1, depth+1)
	}
	s.fork(w, rng, child)
	if begun.Load() != ended.Load() {
		s.t.Errorf("a join returned with %d of %d tasks running", begun.Load()-ended.Load(), begun.Load())
	}
	if w.ID() != id {
		s.t.Error("a task changed its worker")
	}
}

// fork runs a few children in one of the ways there are.
func (s *stressJob) fork(w *Worker, rng *rand.Rand, child func(w *Worker, k int)) {
	n := rng.IntN(5)
	switch rng.IntN(4) {
	case 0:
		_ = w.For(n, 1, func(w *Worker, lo, _ int) { child(w, lo) })
	case 1:
		_ = w.For2(n, 2, 2, 1, func(w *Worker, i0, _, j0, _ int) { child(w, 2*i0+j0) })
	case 2:
		g := w.Group()
		for k := range n {
			g.Go(func(w *Worker) { child(w, k) })
		}
		_ = g.Wait()
	default: // two groups at once, joined in the other order
		a, b := w.Group(), w.Group()
		for k := range n {
			a.Go(func(w *Worker) { child(w, k) })
			b.Go(func(w *Worker) { child(w, -k) })
		}
		_ = a.Wait()
		_ = b.Wait()
	}
}
