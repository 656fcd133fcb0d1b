package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// A line may use what an earlier one of the same write will have made.
func TestAcceptVirtual(t *testing.T) {
	eachLab(t, func(t *testing.T, l *lab) {
		jobs, err := l.try(MainQueue,
			"mix a.npy salt=1", "mix a.npy b.npy n=4", "update b.npy a.npy", // a is read, then changed
			"mix raw.bin salt=3", "mix raw.bin:u8 raw.bin:u8:2x4[0] c.npy", // a raw buffer is typed where it is used
			"mix a.npy salt=9 n=3", "mix a.npy d.npy") // a is another one now
		if err != nil || len(jobs) != 7 {
			t.Fatalf("%d jobs, %v, %+v", len(jobs), err, l.lastError())
		}
		for _, j := range jobs {
			l.want(j, Done)
		}
		zero := func(n int) []byte { return make([]byte, n) }
		a := mixed(zero(8), nil, 1, false)
		b := mixed(zero(4), [][]byte{a}, 0, false)
		raw := mixed(zero(8), nil, 3, false)
		c := mixed(zero(8), [][]byte{raw, raw[:4]}, 0, false)
		last := mixed(zero(3), nil, 9, false)
		for name, want := range map[string][]byte{"a.npy": last, "b.npy": b, "raw.bin": raw, "c.npy": c, "d.npy": mixed(zero(8), [][]byte{last}, 0, false)} {
			if got := body(l.data(name)); !bytes.Equal(got, want) {
				t.Errorf("%s holds %v, want %v", name, got, want)
			}
		}
	})
}

func TestAcceptRefusals(t *testing.T) {
	eachLab(t, func(t *testing.T, l *lab) {
		l.write("a.npy", npy(1, 2, 3, 4))
		l.write("raw", []byte("12345"))
		l.write("short.npy", npy(1, 2, 3, 4)[:130])
		l.write("corrupt.npy", append([]byte("\x93NUMPY\x01\x00\x10\x00"), "no dictionary at all"...))
		l.write("big.npy", append(ndarray.AppendNPY(nil, ndarray.U8, []int{2}), 1, 2))
		l.write("swapped.npy", swapped())
		if err := l.d.Files().Mkdir(user, "dir", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := l.d.Files().Symlink(user, "/etc/passwd", "link"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			line, caret, msg string
			errno            syscall.Errno
		}{
			{"nosuch a.npy", "nosuch", "", syscall.EINVAL},
			{"mix nothing.npy b.npy", "nothing.npy", "no such buffer", syscall.ENOENT},
			{"mix raw b.npy", "raw", "needs a type", syscall.EINVAL},
			{"mix raw:u16 b.npy", "raw:u16", "no whole number", syscall.EINVAL},
			{"mix raw:u8:6 b.npy", "raw:u8:6", "truncated", syscall.EINVAL},
			{"mix raw:f32:9999999999x9999999999 b.npy", "", "", syscall.EINVAL},
			{"mix a.npy:u8:5 b.npy", "a.npy:u8:5", "header that says", syscall.EINVAL},
			{"mix a.npy:f32 b.npy", "a.npy:f32", "header that says", syscall.EINVAL},
			{"mix a.npy[9] b.npy", "a.npy[9]", "", syscall.EINVAL},
			{"mix short.npy b.npy", "short.npy", "truncated", syscall.EINVAL},
			{"mix corrupt.npy b.npy", "corrupt.npy", "bad NPY header", syscall.EINVAL},
			{"mix swapped.npy b.npy", "swapped.npy", "not u8", syscall.EINVAL},
			{"mix dir b.npy", "dir", "", syscall.EISDIR},
			{"mix dir", "dir", "", syscall.EISDIR},
			{"mix ../x", "../x", "", syscall.EINVAL},
			{"mix /x", "/x", "", syscall.EINVAL},
			{"mix link b.npy", "link", "", syscall.ELOOP},
			{"mix nodir/b.npy", "nodir/b.npy", "", syscall.ENOENT},
			{"mix b.npy[0:2]", "b.npy[0:2]", "", syscall.ENOENT},
			{"mix raw[0:2]", "raw[0:2]", "needs a type", syscall.EINVAL},
			{"update nothing.npy", "nothing.npy", "does not exist", syscall.ENOENT},
			{"mix b.npy n=99999999999", "mix", "", syscall.ENOMEM},
			{"mix b.npy maxmem=8", "mix", "maxmem is 8", syscall.ENOMEM},
			{"mix b.npy timeout=0", "0", "", syscall.EINVAL},
			{"mix b.npy threads=-1", "-1", "", syscall.EINVAL},
			{"mix b.npy maxmem=x", "x", "", syscall.EINVAL},
			{"panics plan", "panics", "no plan", syscall.EIO},
			{"explain", "explain", "needs a command", syscall.EINVAL},
			{"explain mix nothing.npy b.npy", "nothing.npy", "no such buffer", syscall.ENOENT},
			{"explain explain mute", "explain", "", syscall.EINVAL},
			{"explain 'mute", "", "", syscall.EINVAL},
		} {
			if c.errno == syscall.ENOMEM && l.d.cfg.Store.Plain != "" && c.msg == "" {
				continue // there an output takes no memory
			}
			// The line before it is as good as it would be alone.
			l.refused(c.errno, "mix good.npy", c.line)
			e := l.lastError()
			if c.caret != "" && e.caret() != c.caret || !strings.Contains(e.Msg, c.msg) || e.Errno != c.errno {
				t.Errorf("%s: under %q: %+v", c.line, e.caret(), e)
			}
		}
	})
}

// swapped is a big-endian array.
func swapped() []byte {
	head := ndarray.AppendNPY(nil, ndarray.U16, []int{2})
	return append(bytes.Replace(head, []byte("<u2"), []byte(">u2"), 1), 0, 1, 0, 2)
}

func TestAcceptSwapped(t *testing.T) {
	err := (&batch{}).updateOutput(nil, outputOf(swapped()), &outDraft{})
	e := (*command.Error)(nil)
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "big-endian") || !strings.Contains(e.Hint, "copy it") {
		t.Errorf("%+v", err)
	}
}

func TestAcceptOutputs(t *testing.T) {
	eachLab(t, func(t *testing.T, l *lab) {
		l.do("mix a.npy salt=1")
		ino := l.ino("a.npy")
		l.do("mix a.npy salt=2")
		if l.ino("a.npy") != ino {
			t.Error("an output of the same size was not written in place")
		}
		l.do("flip a.npy a.npy") // its input is the old inode
		if got, want := body(l.data("a.npy")), mixed(make([]byte, 8), nil, 2, false); got[0] != want[7] || got[7] != want[0] || l.ino("a.npy") == ino {
			t.Errorf("%v is not the reverse of %v", got, want)
		}
		l.write("a.npy", npy(1, 2, 3, 4, 5, 6))
		l.do("flip a.npy[:4] a.npy[2:]") // overlapping views of one inode: the kernel gets a copy
		if got := body(l.data("a.npy")); !bytes.Equal(got, []byte{1, 2, 4, 3, 2, 1}) {
			t.Error(got)
		}
		l.do("mix a.npy[::-1] a.npy[::-1]") // a reversed view as an output
		l.write("raw", []byte("abcdefgh"))
		l.do("update raw:u8:8")
		l.do("mix raw:u8:2x4[1]") // shape 4 by the slice
		l.do("mix raw salt=4 n=2")
		if got := l.data("raw"); !bytes.Equal(got, mixed(make([]byte, 2), nil, 4, false)) {
			t.Error(got)
		}
	})
}

func (l *lab) ino(name string) uint64 {
	l.t.Helper()
	st, err := l.d.store.Lstat(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return st.Ino
}

func TestAcceptPermissions(t *testing.T) {
	l := newTierLab(t)
	other := Cred{UID: 2000, GID: 2000}
	l.write("mine.npy", npy(1, 2, 3, 4, 5, 6, 7, 8))
	f := l.d.Files()
	send := func(c Cred, line string) error {
		_, err := l.d.Queue(MainQueue).Open(c, SessionOptions{}).Write(context.Background(), []byte(line+"\n"))
		l.idle()
		return err
	}
	for _, c := range []struct {
		who  Cred
		mode uint32
		line string
		want error
	}{
		{other, 0o644, "mix mine.npy theirs.npy", nil},
		{other, 0o644, "mix mine.npy", syscall.EACCES},
		{other, 0o644, "update mine.npy", syscall.EACCES},
		{other, 0o640, "mix mine.npy theirs.npy", syscall.EACCES},
		{Cred{UID: 2000, GID: 2000, Groups: []uint32{1000}}, 0o640, "mix mine.npy theirs.npy", nil},
		{other, 0o662, "mix mine.npy", nil},
		{other, 0o662, "mix mine.npy\nmix mine.npy theirs.npy", syscall.EACCES}, // overwriting it does not make it readable
		{user, 0o200, "mix mine.npy theirs2.npy", syscall.EACCES},
		{Cred{}, 0, "mix mine.npy roots.npy", nil},
	} {
		if err := f.Chmod("mine.npy", c.mode); err != nil {
			t.Fatal(err)
		}
		if err := send(c.who, c.line); !errors.Is(err, c.want) && (err != nil || c.want != nil) {
			t.Errorf("%v %o %s: %v, want %v", c.who, c.mode, c.line, err, c.want)
		}
		if st, err := f.Lstat("mine.npy"); err != nil || st.Uid != user.UID || st.Mode&0o777 != c.mode {
			t.Errorf("%s: owner %d mode %o %v", c.line, st.Uid, st.Mode, err)
		}
	}
	if st, err := f.Lstat("theirs.npy"); err != nil || st.Uid != other.UID || st.Gid != other.GID || st.Mode&0o777 != outputMode {
		t.Errorf("%+v %v", st, err)
	}
	if err := f.Mkdir(user, "private", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := send(other, "mix private/x.npy"); !errors.Is(err, syscall.EACCES) {
		t.Error(err)
	}
}

// When an output cannot be had, no line of the write is accepted.
func TestAcceptNoRoom(t *testing.T) {
	l := newTierLab(t, func(c *Config) { c.Store.Mem = 4 << 20 })
	l.do("mix keep.npy")
	l.refused(syscall.ENOSPC, "mix keep.npy salt=3 n=3000000", "mix other.npy n=3000000")
	if e := l.lastError(); e.caret() != "other.npy" || !strings.Contains(e.Msg, "no room") {
		t.Errorf("%+v", e)
	}
	l.refused(syscall.ENOMEM, "hold g scratch=5000000")
	if e := l.lastError(); !strings.Contains(e.Msg, "needs 5000000 bytes") {
		t.Errorf("%+v", e)
	}
	l.do("mix keep.npy salt=3 n=4000000") // nearly all there is: a job without scratch needs none
	if used := l.d.Stats().Memory; used.Used > used.Mem {
		t.Errorf("%+v", used)
	}
}

// A plain file is not memory.
func TestAcceptPlainOutputs(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Store.Mem = 1 << 20 })
	l.do("mix big.npy n=3000000")
	l.refused(syscall.ENOMEM, "hold g scratch=3000000")
}

// If publishing fails half way, what was published is marked bad, the rest is
// as it was, and nothing is held.
func TestAcceptPublishFails(t *testing.T) {
	l := newTierLab(t)
	l.do("mix a.npy")
	l.do("mix b.npy n=4")
	before := l.data("b.npy")
	fault := alloc.Faults(func(op, path string) error {
		if op == "rename" && strings.HasSuffix(path, "b.npy") {
			return unix.EIO
		}
		return nil
	})
	l.fault.Store(&fault)
	_, err := l.try(MainQueue, "mix a.npy salt=1", "mix c.npy", "mix a.npy b.npy", "mix d.npy")
	l.fault.Store(nil)
	if !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if e := l.lastError(); e.caret() != "b.npy" || e.Errno != syscall.EIO {
		t.Errorf("%+v", e)
	}
	for _, name := range []string{"a.npy", "c.npy"} {
		if m, ok := l.d.store.MarkOf(name); !ok || !m.Bad() || !strings.Contains(m.Reason, "refused") {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if m, ok := l.d.store.MarkOf("b.npy"); ok || !bytes.Equal(l.data("b.npy"), before) {
		t.Errorf("b.npy has changed: %+v", m)
	}
	if _, err := os.Stat(filepath.Join(l.d.store.Root(), "d.npy")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if l.d.Stats().Pending != 0 || len(l.d.hazards) != 0 {
		t.Errorf("%+v", l.d.Stats())
	}
	l.do("mix a.npy")
	l.do("mix a.npy b.npy")
}

// Faults of the tier at any call of an acceptance refuse it, and leave the
// device able to take the same again.
func TestAcceptFaults(t *testing.T) {
	l := newTierLab(t)
	l.do("mix a.npy")
	for n := 1; ; n++ {
		left := n
		var failed string
		fault := alloc.Faults(func(op, path string) error {
			if op == "close" {
				return nil
			}
			if left--; left == 0 {
				failed = fmt.Sprint(op, " ", path)
				return unix.ENOSPC
			}
			return nil
		})
		l.d.Queue(MainQueue).Set(AttrPaused, 1)
		l.fault.Store(&fault)
		jobs, err := l.try(MainQueue, "mix a.npy x.npy", "update x.npy", "mix a.npy n=12")
		l.fault.Store(nil)
		l.d.Queue(MainQueue).Set(AttrPaused, 0)
		for _, j := range jobs {
			l.want(j, Done)
		}
		if err == nil && left > 0 {
			if n < 10 {
				t.Errorf("only %d calls", n)
			}
			return
		}
		if err == nil {
			t.Logf("not needed: %s", failed)
		}
		if l.d.Stats().Pending != 0 || len(l.d.hazards) != 0 {
			t.Fatalf("%s: %+v", failed, l.d.Stats())
		}
		l.do("mix a.npy")
		if err := l.d.Files().Unlink("x.npy"); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Fatal(err)
		}
	}
}

// What a command writes is marked on the tier from its acceptance on.
func TestAcceptMarks(t *testing.T) {
	l := newTierLab(t)
	l.do("mix a.npy")
	j := l.put("gate g a.npy")
	k := l.put("mix b.npy")
	l.want(k, Done)
	if m, ok := l.d.store.MarkOf("a.npy"); !ok || m.State != alloc.Pending || m.Job != j.ID || m.Cmd != j.Line {
		t.Errorf("%+v", m)
	}
	if m, ok := l.d.store.MarkOf("b.npy"); ok {
		t.Errorf("%+v", m)
	}
	l.gate("g").release()
	l.want(j, Done)
	if m, ok := l.d.store.MarkOf("a.npy"); ok {
		t.Errorf("%+v", m)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "512": 512, "1K": 1 << 10, "1k": 1 << 10, "8G": 8 << 30, "1.5M": 3 << 19, "2t": 2 << 40, "3KiB": 3 << 10, "32MiB": 32 << 20, "1.5gib": 3 << 29, "2TiB": 2 << 40, "1e3": 1000,
		"": -1, "K": -1, "-1": -1, "1KB": -1, "32MB": -1, "1kb": -1, "iB": -1, "1iB": -1, "1B": -1, "1Ki": -1, "1KiBB": -1, "9e18KiB": -1, "1KK": -1, "x": -1, "nan": -1, "inf": -1, "1 G": -1, "9e18G": -1, "9223372036854775807": -1, "8P": -1,
	} {
		got, err := ParseSize(text)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestLimits(t *testing.T) {
	l := newLab(t)
	for text, want := range map[string]string{
		"timeout=nan": "nan", "timeout=inf": "inf", "timeout=-1": "-1", "timeout=1e10": "1e10", "threads=0": "0", "threads=x": "x", "maxmem=0": "0", "maxmem=-1": "-1", "maxmem=": "maxmem=",
	} {
		l.refused(syscall.EINVAL, "mute "+text)
		if e := l.lastError(); e.caret() != want {
			t.Errorf("%s: under %q: %+v", text, e.caret(), e)
		}
	}
	line, err := command.Parse("mute timeout=0.5 threads=2 maxmem=1K")
	if err != nil {
		t.Fatal(err)
	}
	call, err := l.d.Registry().Bind(line)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseLimits(call)
	if err != nil || got.timeout.Seconds() != 0.5 || got.threads != 2 || got.memory != 1024 {
		t.Errorf("%+v %v", got, err)
	}
	if snap := l.want(l.put("mute threads=2"), Done); snap.Threads != 2 {
		t.Errorf("%+v", snap)
	}
	if snap := l.want(l.put("mute threads=99"), Done); snap.Threads != 4 {
		t.Errorf("%+v", snap)
	}
}

func TestExplain(t *testing.T) {
	l := newLab(t)
	l.write("a.npy", npy(1, 2, 3))
	before := l.tree()
	for line, want := range map[string][]string{
		"explain mix a.npy new.npy": {"kernel mix\n", "input.0 a.npy u8:3", "output.0 new.npy u8:8 new\n", "flops 8\n", "bytes 16\n", "scratch 0\n", "threads 4\n"},
		"explain mix a.npy n=3":     {"output.0 a.npy u8:3 overwritten\n"},
		"explain update a.npy":      {"output.0 a.npy u8:3 updated\n"},
		"explain hold g scratch=9":  {"scratch 9\n", "flops 7000000000\n"},
	} {
		snap := l.want(l.put(line), Done)
		for _, w := range want {
			if !strings.Contains(snap.Answer, w) {
				t.Errorf("%s: no %q in\n%s", line, w, snap.Answer)
			}
		}
		if snap.Cost.Flops != 0 || snap.Line != line || snap.Verb != "explain" {
			t.Errorf("%+v", snap)
		}
	}
	if l.tree() != before {
		t.Error("explain changed something")
	}
	if err := l.d.Measure(context.Background()); err != nil {
		t.Fatal(err)
	}
	if snap := l.want(l.put("explain mute"), Done); !strings.Contains(snap.Answer, "\nseconds ") {
		t.Error(snap.Answer)
	}
}

// A job that has ended holds its buffers for a moment longer than its client
// waits. What the client removes in that moment is room for what it writes next.
func TestRoomOfAnEndedJob(t *testing.T) {
	l := newTierLab(t, func(c *Config) { c.Store.Mem = 4 << 20 })
	l.do("mix big.npy n=3000000")
	b, err := l.d.store.Get("big.npy") // as the job does
	if err != nil {
		t.Fatal(err)
	}
	l.refused(syscall.ENOSPC, "mix other.npy n=3000000")
	l.d.mu.Lock()
	l.d.releasing++
	l.d.mu.Unlock()
	if err := l.d.store.Unlink("big.npy"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := l.d.Queue(MainQueue).Open(user, SessionOptions{}).Write(context.Background(), []byte("mix other.npy n=3000000\n"))
		done <- err
	}()
	runtime.Gosched()
	select {
	case err := <-done:
		t.Errorf("it was not waited for: %v", err)
		done <- err
	default:
	}
	b.Release()
	l.d.released()
	if err := <-done; err != nil {
		t.Error(err)
	}
	l.idle()
}
