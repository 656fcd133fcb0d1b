package device

import (
	"strings"
	"syscall"
	"testing"

	"vgpu/alloc"
	"vgpu/kernels"
)

func TestSnapshot(t *testing.T) {
	l := newLab(t)
	j := l.put("hold g scratch=100")
	<-l.gate("g").started
	s := j.Snapshot()
	if s.ID != 1 || s.Queue != MainQueue || s.Verb != "hold" || s.Line != "hold g scratch=100" || s.State != Running || s.Started.IsZero() || s.Seconds <= 0 ||
		s.UID != user.UID || s.GID != user.GID || s.Cost.Flops != 7e9 || s.Threads != 4 || s.ISA == "" || s.Reason != "" || j.Queue() != l.d.Queue(MainQueue) {
		t.Errorf("%+v", s)
	}
	l.gate("g").release()
	s = l.want(j, Done)
	if s.Finished.Before(s.Started) || s.Started.Before(s.Queued) || s.Gflops() <= 0 || s.OutputBad || s.Error != nil {
		t.Errorf("%+v", s)
	}
	if (&Snapshot{}).Gflops() != 0 {
		t.Error("a rate of nothing")
	}
	if s := l.want(l.put("tag x"), Done); s.Answer != "x" || s.answerText() != "x\n" {
		t.Errorf("%+v", s)
	}
	l.do("mix a.npy")
	if s := l.want(l.put("mix a.npy b.npy"), Done); strings.Join(s.Operands, " ") != "a.npy b.npy" {
		t.Errorf("%+v", s)
	}
	names := ""
	for s := Queued; s <= TimedOut; s++ {
		names += s.String() + " "
	}
	if names != "queued running done failed cancelled timedout " {
		t.Error(names)
	}
}

func TestForget(t *testing.T) {
	l := newLab(t)
	done := l.put("mute")
	l.want(done, Done)
	done.Forget()
	running := l.put("hold g")
	<-l.gate("g").started
	queued := l.put("gate g x.npy")
	queued.Forget()
	running.Forget()
	l.want(running, Cancelled)
	if !poll(func() bool { return len(l.d.Queue(MainQueue).Jobs()) == 0 }) {
		t.Errorf("%d jobs are left", len(l.d.Queue(MainQueue).Jobs()))
	}
	for _, j := range []*Job{done, running, queued} {
		if l.d.Job(j.ID) != nil {
			t.Errorf("%s is remembered", j.Line)
		}
	}
}

func TestRetained(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Retain = 8 })
	hold := l.put("hold g")
	for range 100 {
		l.do("mute")
	}
	jobs := l.d.Queue(MainQueue).Jobs()
	if n := len(jobs); n < 9 || n > 8+1+3 || jobs[0] != hold || jobs[n-1].ID != 101 {
		t.Errorf("%d jobs, from %d to %d", n, jobs[0].ID, jobs[n-1].ID)
	}
	l.gate("g").release()
	l.want(hold, Done)
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if len(l.d.jobs) != len(l.d.queues[MainQueue].jobs) {
		t.Errorf("%d remembered by number", len(l.d.jobs))
	}
}

func TestMarkThatCannotBeWritten(t *testing.T) {
	l := newTierLab(t)
	l.do("mix x.npy")
	j := l.put("gate g x.npy")
	<-l.gate("g").started
	fault := alloc.Faults(func(op, path string) error {
		if op == "close" {
			return nil
		}
		return syscall.ENOSPC
	})
	l.fault.Store(&fault)
	j.Cancel("")
	l.want(j, Cancelled)
	l.fault.Store(nil)
	list, _ := l.d.Errors()
	told := false
	for _, e := range list {
		told = told || strings.Contains(e.Msg, "its mark cannot be written")
	}
	if !told {
		t.Errorf("%+v", list)
	}
	if m, ok := l.d.store.MarkOf("x.npy"); !ok || m.State != alloc.Pending {
		t.Errorf("%+v", m)
	}
	l.do("mix x.npy")
}

func TestLight(t *testing.T) {
	for _, c := range []struct {
		cost    kernels.Cost
		threads int
		want    bool
	}{
		{kernels.Cost{Flops: 7, Bytes: 9}, 0, true}, {kernels.Cost{Flops: 60e3, Bytes: 60e3}, 1, false}, {kernels.Cost{Bytes: 65536}, 0, true},
		{kernels.Cost{}, 0, false}, {kernels.Cost{}, 1, true}, {kernels.Cost{}, 2, false},
	} {
		if got := light(&kernels.Plan{Cost: c.cost, Threads: c.threads}); got != c.want {
			t.Errorf("%+v for %d: %v", c.cost, c.threads, got)
		}
	}
	l := newLab(t)
	j := l.put("gate g x.npy")
	l.gate("g").release()
	if s := l.want(j, Done); s.Threads != 1 {
		t.Errorf("a light job has %d threads", s.Threads)
	}
}
