package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

func TestQueueNames(t *testing.T) {
	l := newLab(t)
	for _, bad := range []string{"", ".", "..", ".x", "a/b", "a b", "a\tb", "a'b", "a=b", "a#b"} {
		if _, err := l.d.MakeQueue(user, bad, 0o755); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%q: %v", bad, err)
		}
		if e := l.lastError(); !strings.Contains(e.Msg, "bad queue name") || e.Hint == "" {
			t.Errorf("%q: %+v", bad, e)
		}
	}
	if _, err := l.d.MakeQueue(user, strings.Repeat("x", 256), 0o755); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Error(err)
	}
	q := l.queue("fine-1.2_é")
	if _, err := l.d.MakeQueue(user, "fine-1.2_é", 0o755); !errors.Is(err, syscall.EEXIST) {
		t.Error(err)
	}
	q.SetOwner(-1, -1, -1)
	if c, mode, created := q.Owner(); c.UID != user.UID || mode != 0o755 || created.IsZero() {
		t.Errorf("%v %o", c, mode)
	}
	q.SetOwner(1, 2, 0o10700)
	if c, mode, _ := q.Owner(); c.UID != 1 || c.GID != 2 || mode != 0o700 {
		t.Errorf("%v %o", c, mode)
	}
	for i := len(l.d.Queues()); i < maxQueues; i++ {
		l.queue(fmt.Sprint("q", i))
	}
	if _, err := l.d.MakeQueue(user, "onemore", 0o755); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

func TestQueueAttributes(t *testing.T) {
	l := newLab(t)
	q, run := l.queue("q"), l.d.Queue(RunQueue)
	for _, c := range []struct {
		q    *Queue
		a    Attribute
		v    int
		want error
	}{
		{q, AttrWeight, 1, nil}, {q, AttrWeight, 10000, nil}, {q, AttrWeight, 0, syscall.EINVAL}, {q, AttrWeight, 10001, syscall.EINVAL},
		{q, AttrPriority, 0, nil}, {q, AttrPriority, 100, nil}, {q, AttrPriority, -1, syscall.EINVAL}, {q, AttrPriority, 101, syscall.EINVAL},
		{q, AttrDepth, 1, nil}, {q, AttrDepth, 0, syscall.EINVAL}, {q, AttrDepth, MaxDepth + 1, syscall.EINVAL},
		{q, AttrPaused, 1, nil}, {q, AttrPaused, 2, syscall.EINVAL}, {run, AttrPaused, 1, syscall.EPERM}, {run, AttrPaused, 0, nil},
		{q, "nosuch", 1, syscall.EINVAL},
	} {
		before := c.q.Get(c.a)
		if err := c.q.Set(c.a, c.v); !errors.Is(err, c.want) && (err != nil || c.want != nil) {
			t.Errorf("%s=%d: %v", c.a, c.v, err)
		}
		if got := c.q.Get(c.a); c.want == nil && got != c.v || c.want != nil && got != before {
			t.Errorf("%s=%d: %d", c.a, c.v, got)
		}
	}
	if err := q.Assign(AttrDepth, []string{" 5", "7 "}); err != nil || q.Get(AttrDepth) != 7 {
		t.Error(err)
	}
	for _, bad := range []string{"x", "", "0", "1.5"} {
		if err := q.Assign(AttrDepth, []string{"9", bad}); !errors.Is(err, syscall.EINVAL) || q.Get(AttrDepth) != 7 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRemoveQueue(t *testing.T) {
	l := newLab(t)
	ctx := context.Background()
	for name, want := range map[string]error{MainQueue: syscall.EBUSY, RunQueue: syscall.EBUSY, "nosuch": syscall.ENOENT} {
		if err := l.d.RemoveQueue(ctx, name); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	q := l.queue("q")
	events := q.OpenEvents()
	running, queued := l.on("q", "gate g x.npy"), l.on("q", "mix x.npy y.npy")
	<-l.gate("g").started
	if err := l.d.RemoveQueue(ctx, "q"); err != nil {
		t.Fatal(err)
	}
	l.want(running, Cancelled)
	if s := l.d.Stats(); s.Accepted != 2 || s.Ended[Cancelled] != 2 { // counters do not go down
		t.Errorf("with the queue went what it counted: %d accepted, %v ended", s.Accepted, s.Ended)
	}
	if s := l.want(queued, Cancelled); s.Error.Msg != "its queue was removed" {
		t.Errorf("%+v", s.Error)
	}
	if l.d.Queue("q") != nil || l.d.Job(running.ID) != nil {
		t.Error("it is still there")
	}
	if _, err := q.Open(user, SessionOptions{}).Write(ctx, []byte("mute\n")); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	if n := len(readAll(t, events)); n != 2 {
		t.Errorf("%d events", n)
	}
	if n := len(readAll(t, q.OpenEvents())); n != 0 {
		t.Errorf("%d events of a queue that is gone", n)
	}
	l.queue("q") // another one of the same name
	l.do("mix x.npy")
}

// A line that is being accepted while its queue is removed does not end up on
// a queue that nobody schedules.
func TestRemoveQueueWhileAccepting(t *testing.T) {
	l := newLab(t)
	l.write("w.npy", npy(1, 2, 3, 4, 5, 6, 7, 8))
	q := l.queue("q")
	accepted, removed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := q.Open(user, SessionOptions{}).Write(context.Background(), []byte("slowplan p w.npy y.npy\n"))
		accepted <- err
	}()
	<-l.gate("p").started
	go func() { removed <- l.d.RemoveQueue(context.Background(), "q") }()
	l.gate("p").release()
	if err := <-accepted; err != nil && !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	if err := <-removed; err != nil && !errors.Is(err, syscall.EBUSY) {
		t.Error(err)
	}
	l.do("mix y.npy")
}

func TestRemoveQueueInterrupted(t *testing.T) {
	l := newLab(t)
	l.queue("q")
	j := l.on("q", "gate g x.npy")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.d.RemoveQueue(ctx, "q"); err != nil && !errors.Is(err, syscall.EINTR) {
		t.Error(err)
	}
	l.want(j, Cancelled)
}

func TestQueueStats(t *testing.T) {
	l := newLab(t)
	l.do("mute")
	l.want(l.put("fail"), Failed)
	l.want(l.put("gate never x.npy timeout=0.001"), TimedOut)
	hold := l.put("gate g x.npy")
	<-l.gate("g").started
	wait := l.put("mix x.npy y.npy")
	s := l.d.Queue(MainQueue).Stats()
	if s.Accepted != 5 || s.Done != 1 || s.Failed != 1 || s.TimedOut != 1 || s.Pending != 2 || s.Running != 1 || s.Waiting != 1 || s.Failures != 2 ||
		s.State != "running" || s.Depth != 16384 || s.Weight != DefaultWeight || s.Priority != DefaultPriority || !s.OldestQueued.Equal(wait.queued) {
		t.Errorf("%+v", s)
	}
	wait.Cancel("")
	l.gate("g").release()
	l.want(hold, Done)
	l.want(wait, Cancelled)
	all := l.d.Stats()
	if all.Accepted != 5 || all.Ended[Done] != 2 || all.Ended[Cancelled] != 1 || all.State != "running" || all.Slots != 5 || all.Pending != 0 || all.Errors != 3 ||
		all.Verbs["gate"].Jobs != 2 || all.Verbs["gate"].Flops != 8 || all.Flops != 8 || all.Bytes != 16 || all.Goroutines == 0 || all.Descriptors <= 0 || len(all.Workers) != 4 {
		t.Errorf("%+v", all)
	}
}

func TestControl(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		lines []string
		want  error
		caret string
	}{
		{[]string{"", "# nothing", "queue a weight=5 priority=7 depth=9 paused=1"}, nil, ""},
		{[]string{"queue a weight=6"}, nil, ""},
		{[]string{"queue b", "nosuch"}, syscall.EINVAL, "nosuch"},
		{[]string{"queue b", "queue c weight=0"}, syscall.EINVAL, "weight=0"},
		{[]string{"queue b color=1"}, syscall.EINVAL, "color=1"},
		{[]string{"queue b weight=x"}, syscall.EINVAL, "weight=x"},
		{[]string{"queue .b"}, syscall.EINVAL, ".b"},
		{[]string{"queue"}, syscall.EINVAL, "queue"},
		{[]string{"queue run paused=1"}, syscall.EPERM, "paused=1"},
		{[]string{"policy"}, syscall.EINVAL, "policy"},
		{[]string{"policy lifo"}, syscall.EINVAL, "policy"},
		{[]string{"policy fifo x=1"}, syscall.EINVAL, "policy"},
		{[]string{"drain now"}, syscall.EINVAL, "drain"},
		{[]string{"resume x=1"}, syscall.EINVAL, "resume"},
		{[]string{"queue 'x"}, syscall.EINVAL, ""},
		{[]string{"policy fair"}, nil, ""},
	} {
		err := l.d.Control(user, c.lines)
		if !errors.Is(err, c.want) && (err != nil || c.want != nil) {
			t.Errorf("%q: %v", c.lines, err)
		}
		if c.caret != "" && l.lastError().caret() != c.caret {
			t.Errorf("%q: %+v", c.lines, l.lastError())
		}
	}
	a := l.d.Queue("a")
	if l.d.Queue("b") != nil || l.d.Queue("c") != nil || a.Get(AttrWeight) != 6 || a.Get(AttrPriority) != 7 || a.Get(AttrDepth) != 9 || a.Get(AttrPaused) != 1 {
		t.Errorf("%+v", a.Stats())
	}
	for _, v := range Verbs() {
		if v.Name == "" || v.Synopsis == "" || v.Help == "" {
			t.Errorf("%+v", v)
		}
	}
}

func TestDrainAndReset(t *testing.T) {
	l := newLab(t)
	j := l.put("hold g")
	if err := l.d.Control(user, []string{"drain"}); err != nil {
		t.Fatal(err)
	}
	l.refused(syscall.EBUSY, "mute")
	if e := l.lastError(); !strings.Contains(e.Hint, "resume") || l.d.Stats().State != "draining" || l.d.Queue(MainQueue).Stats().State != "draining" {
		t.Errorf("%+v", e)
	}
	l.gate("g").release()
	l.want(j, Done)
	if err := l.d.Control(user, []string{"resume"}); err != nil {
		t.Fatal(err)
	}
	j = l.put("hold h")
	if err := l.d.Control(user, []string{"reset"}); err != nil {
		t.Fatal(err)
	}
	if s := l.want(j, Cancelled); s.Error.Msg != "the device was reset" {
		t.Errorf("%+v", s.Error)
	}
	l.do("mute")
}

func TestErrorList(t *testing.T) {
	l := newLab(t)
	for i := range 150 {
		l.refused(syscall.EINVAL, fmt.Sprintf("nosuch %d", i))
	}
	list, total := l.d.Errors()
	if len(list) != maxErrors || total != 150 || list[0].Line != "nosuch 50" || list[99].Line != "nosuch 149" || list[0].Time.IsZero() {
		t.Errorf("%d of %d", len(list), total)
	}
	l.d.ClearErrors()
	if list, total := l.d.Errors(); len(list) != 0 || total != 150 {
		t.Errorf("%d of %d", len(list), total)
	}
	for e, want := range map[syscall.Errno]string{0: "OK", syscall.EDOM: "EDOM", 9999: "errno 9999"} {
		if got := ErrnoName(e); got != want {
			t.Errorf("%d: %s", e, got)
		}
	}
	if Errno(nil) != 0 || Errno(errors.New("x")) != syscall.EIO || Errno(fmt.Errorf("x: %w", syscall.EDOM)) != syscall.EDOM {
		t.Error("Errno is wrong")
	}
}
