package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/command"
)

func TestLineBuffer(t *testing.T) {
	long := strings.Repeat("x", command.MaxLine)
	for _, c := range []struct {
		writes []string
		lines  string // joined by |
		tail   string
		errs   int
	}{
		{[]string{""}, "", "", 0},
		{[]string{"a\n"}, "a", "", 0},
		{[]string{"a", "\n"}, "a", "", 0},
		{[]string{"a\nb\nc"}, "a|b", "c", 0},
		{[]string{"a", "b\nc", "d"}, "ab", "cd", 0},
		{[]string{"\n\n"}, "|", "", 0},
		{[]string{long, "\n"}, long, "", 0},
		{[]string{long, "x", "y", "\nb\n"}, "b", "", 1},
		{[]string{"a\n" + long + "x", "z\nb\n"}, "b", "", 1},
		{[]string{long + "x", "y"}, "", "", 1},
	} {
		var b LineBuffer
		var lines []string
		errs := 0
		for _, w := range c.writes {
			l, err := b.Add([]byte(w))
			if err != nil && !errors.Is(err, syscall.E2BIG) {
				t.Error(err)
			}
			if err != nil {
				errs++
			}
			lines = append(lines, l...)
		}
		if got := strings.Join(lines, "|"); got != c.lines || b.Tail() != c.tail || errs != c.errs {
			t.Errorf("%.40q: %.40q, %d errors", c.writes, got, errs)
		}
		if b.Tail() != "" {
			t.Error("Tail gives the same twice")
		}
	}
}

// write writes to a session what must be taken.
func write(t *testing.T, s *Session, text string) {
	t.Helper()
	if n, err := s.Write(context.Background(), []byte(text)); err != nil || n != len(text) {
		t.Fatalf("%q: %d, %v", text, n, err)
	}
}

func (l *lab) session(o SessionOptions) *Session {
	q := MainQueue
	if o.Sync {
		q = RunQueue
	}
	return l.d.Queue(q).Open(user, o)
}

func (l *lab) idle() {
	l.t.Helper()
	for _, q := range l.d.Queues() {
		if err := q.waitIdle(context.Background()); err != nil {
			l.t.Fatal(err)
		}
	}
}

func TestSessionAssembles(t *testing.T) {
	l := newLab(t)
	l.slots(1)
	s := l.session(SessionOptions{})
	for _, text := range []string{"tag a\nta", "g b", "\n# nothing\n\n   \ntag", " c\ntag d"} {
		write(t, s, text)
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	l.idle()
	if l.tags() != "a b c d" {
		t.Errorf("ran %q", l.tags())
	}
}

func TestSessionAllOrNothing(t *testing.T) {
	l := newLab(t)
	s := l.session(SessionOptions{})
	if n, err := s.Write(context.Background(), []byte("tag a\nbad\ntag c\ntag d")); n != 0 || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("%d, %v", n, err)
	}
	// What was left of a line is not run at the end.
	if err := s.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := s.Write(context.Background(), []byte("tag 'x\n")); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if e := l.lastError(); e.Line != "tag 'x" || e.Queue != MainQueue || e.Job != 0 || !e.Caret {
		t.Errorf("%+v", e)
	}
	l.idle()
	if l.tags() != "" || l.d.Stats().Accepted != 0 {
		t.Errorf("ran %q", l.tags())
	}
	if _, err := s.Write(context.Background(), []byte("tag "+strings.Repeat("x", command.MaxLine))); !errors.Is(err, syscall.E2BIG) {
		t.Error(err)
	}
	write(t, s, "the rest of it is dropped\ntag e\n")
	l.idle()
	if l.tags() != "e" {
		t.Errorf("ran %q", l.tags())
	}
	write(t, s, "bad")
	if err := s.Flush(context.Background()); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Error(err)
	}
}

// After EAGAIN and EINTR the same bytes can be written again, and what was
// there of a line before them still counts.
func TestSessionAgain(t *testing.T) {
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx      context.Context
		nonblock bool
		want     error
	}{{context.Background(), true, syscall.EAGAIN}, {interrupted, false, syscall.EINTR}} {
		l := newLab(t)
		l.slots(1)
		l.set(l.d.Queue(MainQueue), AttrDepth, 1)
		s := l.session(SessionOptions{NonBlock: c.nonblock})
		j := l.put("hold g")
		write(t, s, "ta")
		for range 2 {
			if n, err := s.Write(c.ctx, []byte("g a\ntag b")); n != 0 || !errors.Is(err, c.want) {
				t.Errorf("%d, %v, want %v", n, err, c.want)
			}
		}
		l.gate("g").release()
		l.want(j, Done)
		write(t, s, "g a\ntag b")
		l.idle()
		j = l.put("hold h")
		for range 2 {
			if err := s.Flush(c.ctx); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		}
		l.gate("h").release()
		l.want(j, Done)
		if err := s.Flush(context.Background()); err != nil {
			t.Error(err)
		}
		l.idle()
		if l.tags() != "a b" {
			t.Errorf("ran %q", l.tags())
		}
		if _, err := s.Write(c.ctx, []byte("mute\nmute\n")); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("more lines than the depth: %v", err)
		}
	}
}

func TestSessionBlocksOnDepth(t *testing.T) {
	l := newLab(t)
	l.slots(1)
	l.set(l.d.Queue(MainQueue), AttrDepth, 2)
	l.put("hold g")
	l.put("tag 0")
	done := make(chan error, 4)
	for i := range 4 {
		go func() {
			_, err := l.session(SessionOptions{}).Write(context.Background(), fmt.Appendf(nil, "tag %d\n", i+1))
			done <- err
		}()
	}
	select {
	case err := <-done:
		t.Errorf("a full queue took a line: %v", err)
	default:
	}
	l.gate("g").release()
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	l.idle()
	if got := l.d.Queue(MainQueue).Stats(); got.Done != 6 || got.Pending != 0 {
		t.Errorf("%+v", got)
	}
}

// A larger depth, a drain, and the end of the queue wake those who wait for room.
func TestSessionWokenFromDepth(t *testing.T) {
	l := newLab(t)
	q := l.queue("q")
	l.set(q, AttrDepth, 1)
	l.set(q, AttrPaused, 1)
	l.on("q", "tag a")
	done := make(chan error, 1)
	writer := func(line string) {
		_, err := q.Open(user, SessionOptions{}).Write(context.Background(), []byte(line))
		done <- err
	}
	go writer("tag b\n")
	l.set(q, AttrDepth, 2)
	if err := <-done; err != nil {
		t.Error(err)
	}
	go writer("tag c\n")
	if err := l.d.RemoveQueue(context.Background(), "q"); err != nil && !errors.Is(err, syscall.EBUSY) {
		t.Error(err)
	}
	if err := <-done; err != nil && !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
}

func TestSessionSync(t *testing.T) {
	l := newLab(t)
	s := l.session(SessionOptions{Sync: true})
	write(t, s, "tag one\nmute\ntag two\n")
	buf := make([]byte, 5)
	text := ""
	for n := s.Read(buf); n > 0; n = s.Read(buf) {
		text += string(buf[:n])
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != "one" || lines[2] != "two" || !strings.HasPrefix(lines[1], "job=2 verb=mute seconds=0.") {
		t.Errorf("%q", text)
	}
	// A failure is the errno of the write; what was answered before it stays.
	n, err := s.Write(context.Background(), []byte("tag three\nfail errno=33\nfail errno=2\ntag four\n"))
	if n != 0 || !errors.Is(err, syscall.EDOM) || !strings.Contains(err.Error(), "failed as asked to") {
		t.Errorf("%d, %v", n, err)
	}
	big := make([]byte, 100)
	if got := string(big[:s.Read(big)]); got != "three\nfour\n" {
		t.Errorf("%q", got)
	}
	// It was told: neither the queue nor a flush tells it again.
	if err := s.Flush(context.Background()); err != nil {
		t.Error(err)
	}
	if got := l.d.Queue(RunQueue).Stats(); got.Failures != 0 || got.Failed != 2 {
		t.Errorf("%+v", got)
	}
}

func TestSessionSyncInterrupted(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-l.gate("g").started
		cancel()
	}()
	s := l.session(SessionOptions{Sync: true})
	if _, err := s.Write(ctx, []byte("hold g\ngate g x.npy\ntag z\n")); !errors.Is(err, syscall.EINTR) {
		t.Error(err)
	}
	jobs := l.d.Queue(RunQueue).Jobs()
	l.want(jobs[0], Cancelled)
	if snap := l.want(jobs[1], Cancelled); snap.Errno != syscall.ECANCELED || !snap.OutputBad {
		t.Errorf("%+v", snap)
	}
}

func TestSync(t *testing.T) {
	l := newLab(t)
	s := l.session(SessionOptions{})
	write(t, s, "hold g\nfail\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Sync(ctx); !errors.Is(err, syscall.EINTR) {
		t.Error(err)
	}
	l.gate("g").release()
	if err := s.Sync(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if err := s.Sync(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestAnswersKept leaves answers unread: the newest stay, whole, within the
// bound.
func TestAnswersKept(t *testing.T) {
	s := newLab(t).session(SessionOptions{Sync: true})
	line := strings.Repeat("x", 999)
	for i := range 3000 {
		s.keep(fmt.Sprintf("%06d%s\n", i, line[:i%900]))
	}
	if n := len(s.answer); n > maxAnswer || n < maxAnswer/2-1000 {
		t.Errorf("%d bytes are kept", n)
	}
	lines := strings.Split(strings.TrimSuffix(string(s.answer), "\n"), "\n")
	for i, got := range lines {
		n := 3000 - len(lines) + i
		if want := fmt.Sprintf("%06d%s", n, line[:n%900]); got != want {
			t.Fatalf("line %d is %.20q, not %.20q", i, got, want)
		}
	}
}
