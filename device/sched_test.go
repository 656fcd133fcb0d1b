package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vgpu/alloc"
)

// backlog fills queues while the only slot is taken, and gives the order in
// which what was written then runs.
func (l *lab) backlog(fill func()) string {
	l.t.Helper()
	l.slots(1)
	j := l.put("hold backlog")
	<-l.gate("backlog").started
	fill()
	l.gate("backlog").release()
	l.want(j, Done)
	l.idle()
	return l.tags()
}

func TestPriority(t *testing.T) {
	l := newLab(t)
	low, high := l.queue("low"), l.queue("high")
	l.set(low, AttrPriority, 0)
	l.set(high, AttrPriority, MaxPriority)
	got := l.backlog(func() {
		for _, line := range []string{"low 1", "main 2", "high 3", "low 4", "high 5"} {
			q, tag, _ := strings.Cut(line, " ")
			l.on(q, "tag "+tag)
		}
		if s := l.d.Job(2).Snapshot(); s.Reason != "slot" {
			t.Errorf("%+v", s)
		}
	})
	if got != "3 5 2 1 4" {
		t.Errorf("ran %q", got)
	}
}

func TestFIFO(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a", "b", "c"} {
		l.set(l.queue(name), AttrWeight, MaxWeight)
	}
	if l.d.Policy() != Fair {
		t.Error(l.d.Policy())
	}
	if err := l.d.Control(user, []string{"policy fifo"}); err != nil || l.d.Policy() != FIFO {
		t.Error(err)
	}
	got := l.backlog(func() {
		for i := range 9 {
			l.on([]string{"c", "a", "b"}[i%3], fmt.Sprintf("tag %d", i))
		}
	})
	if got != "0 1 2 3 4 5 6 7 8" {
		t.Errorf("ran %q", got)
	}
}

// Jobs of one cost are chosen in proportion to their queues' weights.
func TestWeights(t *testing.T) {
	l := newLab(t)
	d := l.d
	share := map[string]int{}
	heavy, light := l.queue("heavy"), l.queue("light")
	l.set(heavy, AttrWeight, 300)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range []*Queue{heavy, light} {
		q.ready = []*Job{{ID: uint64(len(share))}}
	}
	for range 400 {
		q := d.pick()
		share[q.Name]++
		q.vtime += 1 / float64(q.weight)
	}
	for _, q := range []*Queue{heavy, light} {
		q.ready = nil
	}
	if n := share["heavy"]; n < 299 || n > 301 {
		t.Errorf("%v", share)
	}
}

// A queue that was not served, for whatever reason, has saved nothing up.
func TestRejoin(t *testing.T) {
	l := newLab(t)
	d := l.d
	main, other, low := d.Queue(MainQueue), l.queue("other"), l.queue("low")
	vtime := func(q *Queue) float64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return q.vtime
	}
	setVtime := func(q *Queue, v float64) {
		d.mu.Lock()
		defer d.mu.Unlock()
		q.vtime = v
	}
	l.set(low, AttrPriority, 1)
	l.on("low", "hold g")
	l.on("main", "hold g")
	setVtime(main, 5)
	l.on("other", "hold g") // comes back to work
	if v := vtime(other); v != 5 {
		t.Errorf("%g, though it shares with main at 5, not with low", v)
	}
	l.set(other, AttrPaused, 1)
	setVtime(main, 7)
	l.set(other, AttrPaused, 0)
	if v := vtime(other); v != 7 {
		t.Errorf("%g after a pause", v)
	}
	setVtime(main, 9)
	setVtime(other, 9)
	l.set(low, AttrPriority, DefaultPriority)
	if v := vtime(low); v != 9 {
		t.Errorf("%g in its new priority", v)
	}
	l.gate("g").release()
}

func TestPaused(t *testing.T) {
	l := newLab(t)
	q := l.d.Queue(MainQueue)
	l.set(q, AttrPaused, 1)
	j := l.put("tag a")
	l.want(l.on(RunQueue, "tag b"), Done)
	if s := j.Snapshot(); s.State != Queued || s.Reason != "paused" || q.Stats().State != "paused" || q.Get(AttrPaused) != 1 {
		t.Errorf("%+v", s)
	}
	l.set(q, AttrPaused, 0)
	l.want(j, Done)
	if l.tags() != "b a" {
		t.Error(l.tags())
	}
}

func TestSlots(t *testing.T) {
	l := newLab(t)
	l.slots(2)
	var jobs []*Job
	for i := range 5 {
		jobs = append(jobs, l.put(fmt.Sprintf("hold %d", i)))
	}
	for i, j := range jobs {
		<-l.gate(fmt.Sprint(i)).started
		if s := l.d.Stats(); s.Running > 2 || s.Slots != 2 {
			t.Errorf("%+v", s)
		}
		if s := jobs[4].Snapshot(); i < 3 && (s.State != Queued || s.Reason != "slot") {
			t.Errorf("%+v", s)
		}
		l.gate(fmt.Sprint(i)).release()
		l.want(j, Done)
	}
}

// A job that finds no scratch waits for those that have it, and for buffers.
func TestMemoryWait(t *testing.T) {
	l := newTierLab(t, func(c *Config) { c.Store.Mem = 8 << 20 })
	a := l.put("hold a scratch=5000000")
	<-l.gate("a").started
	b, c := l.put("hold b scratch=5000000"), l.put("hold c scratch=5000000")
	for _, j := range []*Job{b, c} {
		if !poll(func() bool { return j.Snapshot().Reason == "memory" }) {
			t.Errorf("%+v", j.Snapshot())
		}
	}
	c.Cancel("while it waited for memory")
	if s := l.want(c, Cancelled); !s.Started.IsZero() {
		t.Errorf("%+v", s)
	}
	l.want(l.put("tag small"), Done)
	l.gate("a").release()
	l.want(a, Done)
	l.gate("b").release()
	l.want(b, Done)
}

func TestMemoryWaitsForBuffers(t *testing.T) {
	l := newTierLab(t, func(c *Config) { c.Store.Mem = 8 << 20 })
	l.do("mix big.npy n=5000000")
	hold := l.put("hold g") // something runs, which could free some
	j := l.put("hold a scratch=5000000")
	if !poll(func() bool { return j.Snapshot().Reason == "memory" }) {
		t.Errorf("%+v", j.Snapshot())
	}
	if err := l.d.Files().Unlink("big.npy"); err != nil {
		t.Fatal(err)
	}
	<-l.gate("a").started
	l.gate("a").release()
	l.gate("g").release()
	l.want(j, Done)
	l.want(hold, Done)
	// Alone it fails: nothing will free any.
	l.do("mix big.npy n=5000000")
	if s := l.want(l.put("hold a scratch=5000000"), Failed); s.Errno != syscall.ENOMEM || !strings.Contains(s.Error.Msg, "bytes of scratch") {
		t.Errorf("%+v", s.Error)
	}
}

// One whose memory was freed between its attempt and its verdict tries again.
func TestMemoryVerdicts(t *testing.T) {
	l := newLab(t)
	d, q := l.d, l.d.Queue(MainQueue)
	j := &Job{queue: q, state: Running}
	frees := d.freesSoFar()
	set := func(running int) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.running = running
	}
	set(1)
	if v := d.waitForMemory(j, frees); v != memNever {
		t.Error(v)
	}
	d.memoryFreed()
	if v := d.waitForMemory(j, frees); v != memRetry {
		t.Error(v)
	}
	set(2)
	j.ending = syscall.ECANCELED
	if v := d.waitForMemory(j, d.freesSoFar()); v != memNever {
		t.Error(v)
	}
	set(0)
}

// A kernel that wants more than it planned fails, however much there is.
func TestMemoryBeyondPlan(t *testing.T) {
	l := newTierLab(t)
	hold := l.put("hold g")
	if s := l.want(l.put("panics memory"), Failed); s.Errno != syscall.ENOMEM || !strings.Contains(s.Error.Msg, "more scratch than it had planned") {
		t.Errorf("%+v", s.Error)
	}
	l.gate("g").release()
	l.want(hold, Done)
	s, err := l.d.scratch(0)
	if err != nil || s.Alloc(0) != nil || len(s.Alloc(100)) != 100 {
		t.Error(err)
	}
	s.close()
	if _, err := l.d.scratch(1 << 40); !errors.Is(err, syscall.ENOMEM) || !errors.As(err, new(*scratchError)) {
		t.Error(err)
	}
	var mem *alloc.BudgetError
	if _, err := l.d.scratch(1 << 40); !errors.As(err, &mem) {
		t.Error(err)
	}
}

func TestTimeout(t *testing.T) {
	l := newTierLab(t)
	s := l.want(l.put("gate never x.npy timeout=0.001"), TimedOut)
	if s.Errno != syscall.ETIMEDOUT || s.Error.Msg != "ran longer than timeout=0.001" || !s.OutputBad || s.Seconds < 0.001 {
		t.Errorf("%+v %+v", s, s.Error)
	}
	if m, _ := l.d.store.MarkOf("x.npy"); !m.Bad() || !strings.Contains(m.Reason, "timedout") {
		t.Errorf("%+v", m)
	}
	l.want(l.put("mute timeout=1000"), Done)
	// Time in the queue does not count.
	l.set(l.d.Queue(MainQueue), AttrPaused, 1)
	j := l.put("mute timeout=1000")
	l.set(l.d.Queue(MainQueue), AttrPaused, 0)
	l.want(j, Done)
	// Cancelling one that is on its way to time out, the first reason counts.
	c := l.put("gate never x.npy timeout=1000")
	c.Cancel("first")
	c.Cancel("second")
	if s := l.want(c, Cancelled); s.Error.Msg != "first" {
		t.Errorf("%+v", s.Error)
	}
}

func TestCancelEveryState(t *testing.T) {
	l := newLab(t)
	l.slots(1)
	running := l.put("gate g x.npy")
	<-l.gate("g").started
	dependent, ready := l.put("mix x.npy y.npy"), l.put("tag a")
	if _, err := l.d.MakeQueue(user, "paused", 0o700); err != nil {
		t.Fatal(err)
	}
	l.set(l.d.Queue("paused"), AttrPaused, 1)
	paused := l.on("paused", "tag b")
	for _, j := range []*Job{dependent, ready, paused, running} {
		j.Cancel("by the test")
		if s := l.want(j, Cancelled); s.Errno != syscall.ECANCELED || s.Error.Msg != "by the test" || s.Finished.IsZero() {
			t.Errorf("%+v", s)
		}
		j.Cancel("again")
		if s := j.Snapshot(); s.Error.Msg != "by the test" {
			t.Errorf("%+v", s.Error)
		}
	}
	done := l.put("tag c")
	l.want(done, Done)
	done.Cancel("too late")
	l.want(done, Done)
	if l.tags() != "c" {
		t.Error(l.tags())
	}
}

// A cancel between a job's start and its kernel's is not lost.
func TestCancelAtTheStart(t *testing.T) {
	l := newLab(t)
	j := &Job{queue: l.d.Queue(MainQueue), state: Running}
	j.Cancel("early")
	ctx, stop := l.d.jobContext(j)
	defer stop()
	var end *endError
	if !errors.As(context.Cause(ctx), &end) || end.errno != syscall.ECANCELED || end.Error() != "early" {
		t.Error(context.Cause(ctx))
	}
}

func TestPanics(t *testing.T) {
	l := newLab(t)
	for where, text := range map[string]string{"run": "in the run", "task": "in a task"} {
		if s := l.want(l.put("panics "+where), Failed); s.Errno != syscall.EIO || !strings.Contains(s.Error.Msg, "panicked: "+text) {
			t.Errorf("%+v", s.Error)
		}
		l.want(l.put("mute"), Done)
	}
}

// A client that resizes a buffer under a waiting job fails that job, no other.
func TestResizedWhileQueued(t *testing.T) {
	l := newTierLab(t)
	l.do("mix x.npy")
	hold := l.put("hold g x.npy")
	j := l.put("mix x.npy y.npy")
	b, err := l.d.store.Get("x.npy")
	if err != nil {
		t.Fatal(err)
	}
	l.set(l.d.Queue(MainQueue), AttrPaused, 1)
	k := l.put("mix x.npy z.npy")
	l.gate("g").release()
	l.want(hold, Done)
	l.want(j, Done)
	if err := b.Resize(130); err != nil {
		t.Fatal(err)
	}
	b.Release()
	l.set(l.d.Queue(MainQueue), AttrPaused, 0)
	if s := l.want(k, Failed); s.Errno != syscall.EIO || !strings.Contains(s.Error.Msg, "resized or overwritten") {
		t.Errorf("%+v", s.Error)
	}
}
