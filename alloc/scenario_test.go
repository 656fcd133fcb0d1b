package alloc

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// scenario is an operation that is cut short, by a failing system call or by SIGKILL, before each of its system calls in turn.
// legal looks at what is left of it: by the contract it must hold whatever step was the last.
type scenario struct {
	name  string
	tiers int   // to spill to
	packs bool  // they compress
	mem   int64 // 0: 16 MiB
	first int64 // size of the first tier; 0: enough
	full  bool  // a full disk makes a difference
	setup func(s *Store) error
	run   func(s *Store) error // can be run again after it failed
	legal func(t *testing.T, s *Store)
	final func(t *testing.T, s *Store) // nil: legal is all
}

const (
	oldBytes = "the old bytes, which nobody may lose"
	newBytes = "new"
)

var job = Mark{State: Pending, Job: 7, Cmd: "copy a b"}

var scenarios = []scenario{
	{name: "mkdir", run: func(s *Store) error { return ignore(s.Mkdir(me(), "d", 0o2750), unix.EEXIST) },
		legal: func(t *testing.T, s *Store) { absentOr(t, s, "d", unix.S_IFDIR|0o2750) }},
	{name: "symlink", run: func(s *Store) error { return ignore(s.Symlink(me(), "x", "d"), unix.EEXIST) },
		legal: func(t *testing.T, s *Store) { absentOr(t, s, "d", unix.S_IFLNK|0o777) }},
	{name: "create", run: func(s *Store) error {
		b, _, err := s.Create(me(), "d", 0o640, false)
		return released(b, err)
	},
		legal: func(t *testing.T, s *Store) { absentOr(t, s, "d", unix.S_IFREG|0o640) }},
	{name: "output", run: prepared, legal: func(t *testing.T, s *Store) { goodOr(t, s, "out", newBytes) }, final: finished},
	{name: "output over another", setup: putOld("out"), run: prepared, legal: func(t *testing.T, s *Store) { goodOr(t, s, "out", newBytes, oldBytes) },
		final: finished},
	{name: "recycled output", setup: func(s *Store) error {
		s.pool.on.Store(true)
		return first(putBytes("out", large)(s), putBytes("x", large)(s), s.Unlink("x"))
	}, run: func(s *Store) error {
		p, err := s.PrepareWhole("out", int64(len(large)))
		return outputOf(p, err, larger)
	}, legal: func(t *testing.T, s *Store) { bigOr(t, s, "out", large, larger) }, final: func(t *testing.T, s *Store) { bigIsIn("out", larger)(t, s) }},
	{name: "replace", setup: putOld("out"), run: func(s *Store) error { return released(published(s, "out")) }, legal: func(t *testing.T, s *Store) { goodOr(t, s, "out", "", oldBytes) }},
	{name: "rename over", setup: both(putOld("a"), putNew("b")), run: func(s *Store) error { return ignore(s.Rename("a", "b", 0), unix.ENOENT) },
		legal: func(t *testing.T, s *Store) {
			goodOr(t, s, "a", oldBytes)
			goodOr(t, s, "b", newBytes, oldBytes)
			if exists(t, s, "a") == (text(t, s, "b") == oldBytes) {
				t.Error("the renamed buffer is there twice, or not at all")
			}
		}},
	{name: "rename directory", setup: both(func(s *Store) error { return s.Mkdir(me(), "a", 0o755) }, putOld("a/f")),
		run: func(s *Store) error { return ignore(s.Rename("a", "b", 0), unix.ENOENT) }, legal: func(t *testing.T, s *Store) {
			if exists(t, s, "a/f") == exists(t, s, "b/f") {
				t.Error("the renamed directory is there twice, or not at all")
			}
			goodOr(t, s, "a/f", oldBytes)
			goodOr(t, s, "b/f", oldBytes)
		}},
	{name: "unlink marked", setup: both(putOld("a"), mark("a", job)), run: func(s *Store) error { return ignore(s.Unlink("a"), unix.ENOENT) },
		legal: func(t *testing.T, s *Store) {
			if m, marked := s.MarkOf("a"); exists(t, s, "a") != marked {
				t.Errorf("mark %v %v", m, marked)
			}
		}},
	{name: "mark", setup: putOld("a"), run: mark("a", job), legal: func(t *testing.T, s *Store) { bytesAre(t, s, "a", oldBytes) }},
	{name: "mark again", setup: both(putOld("a"), mark("a", job)), run: mark("a", Mark{State: Bad, Job: 7, Reason: strings.Repeat("z", 9000)}),
		legal: func(t *testing.T, s *Store) {
			if m, ok := s.MarkOf("a"); !ok || m.Job != 7 {
				t.Errorf("mark %v %v", m, ok)
			}
		}},
	{name: "clear mark", setup: both(putOld("a"), mark("a", job)), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error { return b.ClearMark() })
	}, legal: func(t *testing.T, s *Store) { bytesAre(t, s, "a", oldBytes) }},
	{name: "grow", setup: putOld("a"), run: func(s *Store) error { return with(s, "a", func(b *Buffer) error { return b.Resize(3 << 20) }) },
		legal: func(t *testing.T, s *Store) { sizeIs(t, s, "a", int64(len(oldBytes)), 3<<20) }},
	{name: "shrink", setup: putOld("a"), run: func(s *Store) error { return with(s, "a", func(b *Buffer) error { return b.Resize(3) }) },
		legal: func(t *testing.T, s *Store) { sizeIs(t, s, "a", int64(len(oldBytes)), 3) }},
	{name: "append", setup: putOld("a"), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			if n, err := b.Size(); err != nil || n > int64(len(oldBytes)) {
				return err
			}
			_, err := b.Append([]byte(newBytes))
			return err
		})
	}, legal: func(t *testing.T, s *Store) {
		if got := text(t, s, "a"); !strings.HasPrefix(oldBytes+newBytes, got) || len(got) < len(oldBytes) {
			t.Errorf("after an append: %q", got)
		}
	}},
	{name: "map", setup: both(putOld("a"), func(s *Store) error {
		return with(s, "a", func(b *Buffer) error { _, err := b.WriteAt([]byte{1}, 5<<20); return err })
	}), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			m, err := b.Map()
			if err == nil {
				m.Data[3<<20] = 9
				m.Close()
			}
			return err
		})
	}, legal: func(t *testing.T, s *Store) { sizeIs(t, s, "a", 5<<20+1) }},
	{name: "punch", setup: putOld("a"), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			return b.Allocate(8192, 4096, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE)
		})
	}, legal: func(t *testing.T, s *Store) { bytesAre(t, s, "a", oldBytes) }},
	{name: "attributes", setup: putOld("a"), run: func(s *Store) error {
		return first(s.Chmod("a", 0o600), s.Setxattr("a", "user.x", []byte("1"), 0), ignore(s.Link("a", "b"), unix.EEXIST), s.Unlink("b"))
	}, legal: func(t *testing.T, s *Store) { bytesAre(t, s, "a", oldBytes); goodOr(t, s, "b", oldBytes) }},
}

// config is the configuration of a store for the scenario, below two directories.
func (sc *scenario) config(t *testing.T, kind string) (Config, *injector) {
	t.Helper()
	cfg, i := config(t, kind, max(sc.mem, 16<<20))
	sc.configure(&cfg, t.TempDir())
	return cfg, i
}

// configure adds what the scenario needs.
func (sc *scenario) configure(cfg *Config, spill string) {
	if sc.mem > 0 {
		cfg.Mem = sc.mem
	}
	for i := range sc.tiers {
		c := SpillConfig{Dir: filepath.Join(spill, "disk"+strconv.Itoa(i)), Size: 1 << 30}
		if i == 0 && sc.first > 0 {
			c.Size = sc.first
		}
		if sc.packs {
			c.Compress = CompressZstd
		}
		cfg.Spill = append(cfg.Spill, c)
	}
}

// stride is from which system call to which a test goes that cuts short what spills: to the next, or with -short (the run under the race
// detector) to some.
func (sc *scenario) stride() int {
	if testing.Short() && sc.tiers > 0 {
		return 4
	}
	return 1
}

// scenariosFor are those that make sense on a kind of store.
func scenariosFor(kind string) []scenario {
	if kind == onPlain {
		return scenarios
	}
	return slices.Concat(scenarios, spillScenarios, packedScenarios)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func ignore(err error, errno error) error {
	if err != nil && strings.HasSuffix(err.Error(), errno.Error()) {
		return nil
	}
	return err
}

func both(a, b func(*Store) error) func(*Store) error {
	return func(s *Store) error { return first(a(s), b(s)) }
}

func putOld(rel string) func(*Store) error { return putBytes(rel, oldBytes) }
func putNew(rel string) func(*Store) error { return putBytes(rel, newBytes) }

func putBytes(rel, bytes string) func(*Store) error {
	return func(s *Store) error {
		b, _, err := s.Create(me(), rel, 0o644, true)
		if err != nil {
			return err
		}
		defer b.Release()
		_, err = b.WriteAt([]byte(bytes), 0)
		return err
	}
}

func mark(rel string, m Mark) func(*Store) error {
	return func(s *Store) error { return with(s, rel, func(b *Buffer) error { return b.SetMark(m) }) }
}

func with(s *Store, rel string, f func(*Buffer) error) error {
	b, err := s.Get(rel)
	if err != nil {
		return err
	}
	defer b.Release()
	return f(b)
}

func released(b *Buffer, err error) error {
	if err == nil {
		b.Release()
	}
	return err
}

// output does what a job does with its output.
func output(b *Buffer) error {
	defer b.Release()
	if err := b.Resize(int64(len(newBytes))); err != nil {
		return err
	}
	for i := range newBytes {
		if _, err := b.WriteAt([]byte(newBytes[i:i+1]), int64(i)); err != nil {
			return err
		}
	}
	return b.ClearMark()
}

func prepared(s *Store) error {
	p, err := s.Prepare("out", int64(len(newBytes)))
	return outputOf(p, err, newBytes)
}

// large is what is worth recycling, and larger what comes instead.
var large, larger = string(noise(96, minPooled+100)), string(noise(95, minPooled+100))

// outputOf marks, publishes and writes what was prepared.
func outputOf(p *Prepared, err error, text string) error {
	if err != nil {
		return err
	}
	if err = p.SetMark(job); err == nil {
		err = p.Publish(me(), "out", 0o644)
	}
	if err != nil {
		return fmt.Errorf("%w (discard: %v)", err, p.Discard("out"))
	}
	if text == newBytes {
		return output(p.Buffer)
	}
	defer p.Release()
	if _, err := p.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return p.ClearMark()
}

func exists(t *testing.T, s *Store, rel string) bool {
	t.Helper()
	_, err := s.Lstat(rel)
	ok(t, ignore(err, unix.ENOENT))
	return err == nil
}

func absentOr(t *testing.T, s *Store, rel string, mode uint32) {
	t.Helper()
	if !exists(t, s, rel) {
		return
	}
	st, err := s.Lstat(rel)
	ok(t, err)
	if st.Mode != mode || st.Uid != me().UID || st.Gid != me().GID {
		t.Errorf("%s is half made: %o %d:%d", rel, st.Mode, st.Uid, st.Gid)
	}
}

// goodOr fails if rel is there, taken for good, and none of what it may be.
func goodOr(t *testing.T, s *Store, rel string, bytes ...string) {
	t.Helper()
	if _, marked := s.MarkOf(rel); marked || !exists(t, s, rel) {
		return
	}
	bytesAre(t, s, rel, bytes...)
}

func bytesAre(t *testing.T, s *Store, rel string, bytes ...string) {
	t.Helper()
	got := text(t, s, rel)
	for _, b := range bytes {
		if got == b {
			return
		}
	}
	t.Errorf("%s holds %q, taken for good", rel, got)
}

func sizeIs(t *testing.T, s *Store, rel string, sizes ...int64) {
	t.Helper()
	st, err := s.Lstat(rel)
	ok(t, err)
	if st.Blocks*512 > pages(st.Size) {
		t.Errorf("%s has %d bytes and holds %d", rel, st.Size, st.Blocks*512)
	}
	for _, n := range sizes {
		if st.Size == n {
			return
		}
	}
	t.Errorf("%s has %d bytes", rel, st.Size)
}

func finished(t *testing.T, s *Store) {
	t.Helper()
	if m, marked := s.MarkOf("out"); marked {
		t.Errorf("finished, and marked %v", m)
	}
	bytesAre(t, s, "out", newBytes)
}
