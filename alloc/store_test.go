package alloc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTakeover(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			cfg, _ := config(t, kind, 16<<20)
			cfg.Mode, cfg.Group = 0o770|os.ModeSticky, os.Getegid()
			s := mustOpen(t, cfg)
			st, err := s.Lstat("")
			ok(t, err)
			if st.Mode != unix.S_IFDIR|0o1770 || s.Root() == "" {
				t.Errorf("root %q: mode %o", s.Root(), st.Mode)
			}
			_, err = Open(cfg)
			want(t, err, unix.EBUSY)
			if !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
				t.Errorf("the error does not name the process: %v", err)
			}
			b, _, err := s.Create(me(), "f", 0o644, true)
			ok(t, err)
			ok(t, b.Resize(8<<20))
			a, err := s.NewArena(2 << 20)
			ok(t, err)
			ok(t, s.Close(true))
			// What is held can still be let go, and nothing else works.
			b.Release()
			a.Close()
			want(t, s.Close(true), unix.ESHUTDOWN)
			_, err = s.Get("f")
			want(t, err, unix.ESHUTDOWN)
			_, err = s.NewArena(1)
			want(t, err, unix.ESHUTDOWN)
			_, _, err = s.Resolve(me(), "f")
			want(t, err, unix.ESHUTDOWN)
			want(t, s.MayCreate(me(), "f"), unix.ESHUTDOWN)
			if u := s.Usage(); u.Used != 0 || u.Mem != 16<<20 {
				t.Errorf("%+v", u)
			}
			small := cfg
			small.Mem = 4 << 20
			_, err = Open(small)
			want(t, err, unix.ENOSPC)
			larger := cfg
			larger.Mem = 64 << 20
			s = mustOpen(t, larger)
			if u := s.Usage(); u.Buffers != 1 || u.Used < 8<<20 || u.Mem != 64<<20 {
				t.Errorf("%+v", u)
			}
			put(t, s, "g", strings.Repeat("g", 40<<20))
			checkStore(t, s)
			ok(t, s.Close(false))
			list, err := os.ReadDir(cfg.Dir) // which was there at the last Open
			ok(t, err)
			if len(list) > 0 {
				t.Errorf("left: %v", list)
			}
			ok(t, os.Remove(cfg.Dir))
			ok(t, mustOpen(t, cfg).Close(false))
			if _, err := os.Lstat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the state directory is left: %v", err)
			}
		})
	}
}

func TestCloseWhileHeld(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		put(t, s, "f", oldBytes)
		b := get(t, s, "f")
		m, err := b.Map()
		ok(t, err)
		ok(t, b.SetMark(job))
		ok(t, s.Close(false))
		if string(m.Data) != oldBytes || content(t, b) != oldBytes {
			t.Error("the bytes went before their holder")
		}
		want(t, b.SetMark(job), unix.ESHUTDOWN)
		want(t, b.ClearMark(), unix.ESHUTDOWN)
		m.Close()
		b.Release()
	})
}

func TestOpenRefuses(t *testing.T) {
	cfg, _ := config(t, kinds()[0], 1000)
	_, err := Open(cfg)
	want(t, err, unix.EINVAL)
	cfg, _ = config(t, onPlain, 16<<20)
	cfg.Plain = filepath.Join(cfg.Plain, "none")
	_, err = Open(cfg)
	want(t, err, unix.ENOENT)
	cfg, _ = config(t, kinds()[0], 16<<20)
	cfg.Dir = filepath.Join(cfg.Dir, "x", "y")
	s := mustOpen(t, cfg) // makes the parents too
	st, err := os.Stat(cfg.Dir)
	ok(t, err)
	if st.Mode().Perm() != 0o711 {
		t.Errorf("mode %v", st.Mode())
	}
	ok(t, s.Close(false))
}

// What is in the way of the tier is not taken for it.
func TestSomethingInTheWay(t *testing.T) {
	cfg, _ := config(t, onShm, 16<<20)
	shm := shmPath(&cfg)
	ok(t, os.WriteFile(shm, nil, 0o600))
	_, err := Open(cfg)
	want(t, err, unix.EEXIST)
	ok(t, os.Remove(shm))
	ok(t, os.Mkdir(shm, 0o777))
	s := mustOpen(t, cfg)
	st, err := os.Stat(shm)
	ok(t, err)
	if st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", st.Mode())
	}
	ok(t, s.Close(false))
	if os.Geteuid() != 0 {
		return
	}
	cfg, _ = config(t, onTmpfs, 16<<20)
	cfg.Dir += " with\\odd\tcharacters"
	ram := filepath.Join(cfg.Dir, "ram")
	ok(t, os.MkdirAll(ram, 0o700))
	ok(t, unix.Mount("somebody", ram, "tmpfs", 0, "size=1m"))
	_, err = Open(cfg)
	want(t, err, unix.EBUSY)
	ok(t, unix.Unmount(ram, 0))
	s = mustOpen(t, cfg)
	put(t, s, "f", "x")
	ok(t, s.Close(true))
	s = mustOpen(t, cfg)
	bytesAre(t, s, "f", "x")
	ok(t, s.Close(false))
}

// Buffers that a daemon without the privilege to mount left are found by one that has it.
func TestTakeoverFromShm(t *testing.T) {
	cfg, inject := config(t, onShm, 16<<20)
	s := mustOpen(t, cfg)
	put(t, s, "f", oldBytes)
	ok(t, s.Close(true))
	inject.noMount = false
	s = mustOpen(t, cfg)
	bytesAre(t, s, "f", oldBytes)
	ok(t, s.Close(false))
}

// Nobody but the daemon can come at the backing files, whose truncation would kill it.
func TestTierIsClosed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can be somebody else")
		return
	}
	for _, kind := range []string{onTmpfs, onShm} {
		s := openStore(t, kind, 16<<20)
		b, _, err := s.Create(Cred{UID: 1000}, "f", 0o666, true)
		ok(t, err)
		b.Release()
		as(t, Cred{UID: 1000}, "/", func() { err = unix.Truncate(filepath.Join(s.Root(), "f"), 0) })
		want(t, err, unix.EACCES)
	}
}

func TestDefaultMem(t *testing.T) {
	n, err := defaultMem()
	if err != nil || n < 1<<20 {
		t.Errorf("%d, %v", n, err)
	}
	got, err := parseAvailable("MemTotal: 8 kB\nMemAvailable:   4096 kB\n")
	if err != nil || got != 4<<20 {
		t.Errorf("%d, %v", got, err)
	}
	_, err = parseAvailable("MemTotal: 8 kB\n")
	want(t, err, unix.ENOSYS)
	root := t.TempDir()
	ok(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	for path, limit := range map[string]string{"memory.max": "900\n", "a/memory.max": "700\n", "a/b/memory.max": "max\n"} {
		ok(t, os.WriteFile(filepath.Join(root, path), []byte(limit), 0o644))
	}
	for groups, limit := range map[string]int64{"4:memory:/x\n0::/a/b\n": 700, "0::/": 900, "0::/c": 900, "4:memory:/x\n": 1<<63 - 1, "": 1<<63 - 1} {
		if got := groupLimit(root, groups); got != limit {
			t.Errorf("%q: limit %d, want %d", groups, got, limit)
		}
	}
	cfg, _ := config(t, onPlain, 0)
	s := mustOpen(t, cfg)
	if u := s.Usage(); u.Mem < 1<<20 || u.Mem%pageSize != 0 {
		t.Errorf("%+v", u)
	}
	ok(t, s.Close(true))
}

// Everything that an unprivileged daemon can do is run as nobody.
func TestAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		return // this is that run
	}
	dir, err := os.MkdirTemp("", "alloc-nobody-")
	ok(t, err)
	defer os.RemoveAll(dir)
	ok(t, os.Chown(dir, 65534, 65534))
	exe, err := os.ReadFile("/proc/self/exe")
	ok(t, err)
	bin := filepath.Join(dir, "alloc.test")
	ok(t, os.WriteFile(bin, exe, 0o755))
	cmd := exec.Command(bin, "-test.timeout=5m", fmt.Sprintf("-test.short=%v", testing.Short()), "-test.skip=^(TestKilled|TestManyNames|TestEverySystemCall|TestArenasConc|TestNoWayOut|TestInterrupted|TestPersistKilled|TestPersistStart|TestFirstStart|TestEndFails)")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
