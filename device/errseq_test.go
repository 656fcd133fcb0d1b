package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/command"
)

// hears tells what a check of the handle says.
func hears(t *testing.T, s *Session) bool {
	t.Helper()
	err := s.Sync(context.Background())
	if err != nil && !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	return err != nil
}

func TestErrseq(t *testing.T) {
	l := newLab(t)
	open := func() *Session { return l.session(SessionOptions{}) }
	fail := func() { l.want(l.put("fail"), Failed) }
	a, b := open(), open()
	if hears(t, a) || hears(t, b) {
		t.Error("errors before any")
	}
	fail()
	// Every handle that was open hears of it, once.
	if !hears(t, a) || hears(t, a) || !hears(t, b) || hears(t, b) {
		t.Error("a handle did not hear once")
	}
	// It was heard: who opens now does not.
	if hears(t, open()) {
		t.Error("a later handle hears of what was told")
	}
	fail()
	fail() // one report covers both
	if !hears(t, a) || hears(t, a) {
		t.Error("once for two")
	}
	// None has heard: the next opener does, and those after it do too until
	// one has been told.
	b = open()
	fail()
	c, d := open(), open()
	if !hears(t, c) || hears(t, c) || !hears(t, d) || hears(t, open()) || !hears(t, b) {
		t.Error("the next opener")
	}
	// What close says does not count as heard, but not twice to one handle.
	fail()
	if err := a.Flush(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if err := a.Flush(context.Background()); err != nil || hears(t, a) {
		t.Error(err)
	}
	if !hears(t, open()) || hears(t, open()) {
		t.Error("after close")
	}
	// Other queues have errors of their own.
	l.queue("q")
	s := l.d.Queue("q").Open(user, SessionOptions{})
	fail()
	if hears(t, s) {
		t.Error("an error of another queue")
	}
}

// readWait reads one round of a wait file.
func readWait(t *testing.T, w *Wait) (text string, failed bool) {
	t.Helper()
	buf := make([]byte, 16)
	for {
		n, err := w.Read(context.Background(), buf, false)
		text += string(buf[:n])
		switch {
		case errors.Is(err, syscall.EIO):
			return text, true
		case err != nil:
			t.Fatal(err)
		case n == 0:
			return text, false
		}
	}
}

func TestWait(t *testing.T) {
	l := newLab(t)
	q := l.d.Queue(MainQueue)
	w := q.OpenWait()
	if text, failed := readWait(t, w); text != "" || failed {
		t.Error(text)
	}
	l.put("hold g")
	l.want(l.put("fail errno=33"), Failed)
	l.put("gate never x.npy timeout=0.001")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Read(ctx, make([]byte, 9), false); !errors.Is(err, syscall.EINTR) {
		t.Error(err)
	}
	if _, err := w.Read(ctx, make([]byte, 9), true); !errors.Is(err, syscall.EAGAIN) {
		t.Error(err)
	}
	// A second reader of the handle waits for its turn, and can be interrupted.
	w.turn <- struct{}{}
	if _, err := w.Read(context.Background(), make([]byte, 9), true); !errors.Is(err, syscall.EAGAIN) {
		t.Error(err)
	}
	if _, err := w.Read(ctx, make([]byte, 9), false); !errors.Is(err, syscall.EINTR) {
		t.Error(err)
	}
	<-w.turn
	l.gate("g").release()
	text, failed := readWait(t, w)
	lines := strings.Split(text, "\n")
	if !failed || len(lines) != 3 || lines[0] != "job 2 failed: EDOM: failed as asked to: fail errno=33" ||
		!strings.HasPrefix(lines[1], "job 3 timedout: ETIMEDOUT: ran longer") {
		t.Errorf("%v %q", failed, text)
	}
	if text, failed := readWait(t, w); text != "" || failed {
		t.Errorf("told twice: %q", text)
	}
	if text, failed := readWait(t, q.OpenWait()); text != "" || failed {
		t.Errorf("told to a later handle: %q", text)
	}
	l.want(l.put("fail"), Failed)
	if text, failed := readWait(t, q.OpenWait()); !strings.HasPrefix(text, "job 4 failed") || !failed {
		t.Errorf("the next opener: %q", text)
	}
}

func TestWaitListIsBounded(t *testing.T) {
	l := newLab(t)
	q := l.d.Queue(MainQueue)
	w := q.OpenWait()
	l.d.mu.Lock()
	for i := range 3 * maxFailLines {
		q.fails.add(&Job{ID: uint64(i + 1), Line: "x", state: Failed}, ErrorEntry{Errno: syscall.EIO, Msg: "m"})
	}
	kept := len(q.fails.lines)
	l.d.mu.Unlock()
	text, failed := readWait(t, w)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if want := fmt.Sprintf("%d earlier failures are no longer listed", 3*maxFailLines-kept); !failed || lines[0] != want || len(lines) != kept+1 || kept > maxFailLines {
		t.Errorf("%d kept, %d lines, the first is %q", kept, len(lines), lines[0])
	}
}

// readAll reads a stream until it ends.
func readAll(t *testing.T, s *Stream) []string {
	t.Helper()
	var out []byte
	buf := make([]byte, 1000)
	for {
		n, err := s.Read(context.Background(), buf, false)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")[min(1-min(len(out), 1), 1):]
		}
		out = append(out, buf[:n]...)
	}
}

func TestEventsAndLog(t *testing.T) {
	l := newLab(t)
	q := l.d.Queue(MainQueue)
	l.do("tag before")
	s := q.OpenEvents()
	if _, err := s.Read(context.Background(), make([]byte, 9), true); !errors.Is(err, syscall.EAGAIN) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Read(ctx, make([]byte, 9), false); !errors.Is(err, syscall.EINTR) {
		t.Error(err)
	}
	l.do("tag after")
	l.want(l.put("fail errno=33"), Failed)
	l.close(false) // which ends the stream
	lines := readAll(t, s)
	if len(lines) != 2 {
		t.Fatalf("%q", lines)
	}
	var first, second JobRecord
	if err := errors.Join(json.Unmarshal([]byte(lines[0]), &first), json.Unmarshal([]byte(lines[1]), &second)); err != nil {
		t.Fatal(err)
	}
	if first.ID != 2 || first.State != "done" || first.Answer != "after" || first.Cmd != "tag after" || first.UID != user.UID || first.Started == 0 || first.Threads != 4 || first.Errno != "" {
		t.Errorf("%+v", first)
	}
	if second.State != "failed" || second.Errno != "EDOM" || second.Error == "" {
		t.Errorf("%+v", second)
	}
	log := make([]byte, 1<<16)
	n := q.ReadLog(log, 0)
	if int64(n) != q.LogSize() || bytes.Count(log[:n], []byte("\n")) != 3 || !strings.HasSuffix(string(log[:n]), lines[1]+"\n") {
		t.Errorf("%q", log[:n])
	}
	if q.ReadLog(log, int64(n)) != 0 || q.ReadLog(log, -1) != 0 || q.ReadLog(log, int64(n)-5) != 5 {
		t.Error("ReadLog at offsets")
	}
	s.Close()
}

func TestLogRotates(t *testing.T) {
	var f logFile
	for i := range 4000 {
		f.add(fmt.Appendf(nil, "%0999d\n", i))
	}
	if len(f.text) > logBytes || len(f.text) < logBytes/2-1000 || len(f.text)%1000 != 0 || !bytes.HasSuffix(f.text, []byte("3999\n")) {
		t.Errorf("%d bytes", len(f.text))
	}
}

// A slow reader loses whole lines, the oldest, and is told how many, between
// lines.
func TestStreamLosesLines(t *testing.T) {
	l := newLab(t)
	s := l.d.Queue(MainQueue).OpenEvents()
	defer s.Close()
	const total = 4000
	line := func(i int) []byte { return fmt.Appendf(nil, "{\"id\":%d,\"cmd\":%q}\n", i, strings.Repeat("x", 980)) }
	s.add(line(0))
	buf := make([]byte, 10)
	n, err := s.Read(context.Background(), buf, true) // a part of a line
	if n != 10 || err != nil {
		t.Fatal(n, err)
	}
	for i := 1; i < total; i++ {
		s.add(line(i))
	}
	out := append([]byte(nil), buf...)
	big := make([]byte, 4096)
	for {
		n, err := s.Read(context.Background(), big, true)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		out = append(out, big[:n]...)
	}
	lost, seen := 0, 0
	for text := range strings.Lines(string(out)) {
		var v struct{ ID, Lost int }
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%.100q: %v", text, err)
		}
		if lost += v.Lost; v.Lost == 0 {
			seen++
		}
	}
	if lost == 0 || lost+seen != total || !strings.HasPrefix(string(out), string(line(0))) {
		t.Errorf("%d lost and %d seen of %d", lost, seen, total)
	}
}

// What names and kernels bring along does not break the lines of a text file.
func TestEntryText(t *testing.T) {
	for _, c := range []struct {
		err       error
		msg, hint string
	}{
		{fmt.Errorf("weight takes 1 to 9: %w", syscall.EINVAL), "weight takes 1 to 9", ""},
		{syscall.EINVAL, "invalid argument", ""},
		{&os.PathError{Op: "write", Path: "/t/\xff", Err: syscall.EIO}, "write /t/?: input/output error", ""},
		{fmt.Errorf("the kernel panicked: a\nb: %w", syscall.EIO), "the kernel panicked: a b", ""},
		{failf(syscall.ENOENT, command.Span{}, "ls \xfe", "\xff: none"), "?: none", "ls ?"},
	} {
		e := entryOf("q", 1, "mute", c.err)
		if e.Msg != c.msg || e.Hint != c.hint || !errors.Is(c.err, e.Errno) {
			t.Errorf("%v: %+v", c.err, e)
		}
	}
	var f failures
	f.add(&Job{ID: 3, Line: "mute \"\xff\"", state: Failed}, entryOf("q", 3, "", syscall.EIO))
	if want := "job 3 failed: EIO: input/output error: mute \"?\"\n"; f.lines[0].text != want {
		t.Errorf("%q, want %q", f.lines[0].text, want)
	}
}

// Several readers of one stream all see its end.
func TestStreamReaders(t *testing.T) {
	l := newLab(t)
	q := l.queue("q")
	s := q.OpenEvents()
	ends := make(chan error, 3)
	for range 3 {
		go func() {
			for {
				n, err := s.Read(context.Background(), make([]byte, 7), false)
				if n == 0 || err != nil {
					ends <- err
					return
				}
			}
		}()
	}
	l.want(l.on("q", "mute"), Done)
	if err := l.d.RemoveQueue(context.Background(), "q"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
}
