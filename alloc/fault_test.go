package alloc

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// nth fails the n-th system call.
func nth(n int, err error, calls *atomic.Int64) Faults {
	return func(string, string) error {
		if calls.Add(1) == int64(n) {
			return err
		}
		return nil
	}
}

// calm probes the disks, and stops the goroutine that would do so at a moment of its own: it must not meet faults that are meant for others.
func calm(t *testing.T, s *Store) {
	t.Helper()
	if s.io != nil {
		s.io.nurse.stop()
		ok(t, s.ProbeTiers())
	}
}

// Each system call of each operation fails in turn. After each failure the store is whole, nothing is lost, and the operation
// can be done again.
func TestEverySystemCallFails(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for _, sc := range scenariosFor(kind) {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel() // a mount waits more than it works
				var s *Store
				var inject *injector
				for _, fault := range faultsFor(kind, &sc) {
					for n, reached := 1, true; reached; n += sc.stride() {
						if s == nil {
							var cfg Config
							cfg, inject = sc.config(t, kind)
							s = mustOpen(t, cfg)
						}
						reached = failOnce(t, s, inject, &sc, n, fault)
						s = recycle(t, s, &sc)
					}
				}
				if s != nil {
					ok(t, s.Close(false))
				}
			})
		}
	})
}

// faultsFor are the errors to inject. Spilling is the same over either RAM tier, and a full disk another case only where there is a way
// round it.
func faultsFor(kind string, sc *scenario) []error {
	switch {
	case sc.tiers == 0 || sc.full && kind == kinds()[0]:
		return []error{unix.EIO, unix.ENOSPC}
	case sc.name == "spill" || kind == kinds()[0]:
		return []error{unix.EIO}
	}
	return nil
}

// failOnce reports whether there was an n-th system call.
func failOnce(t *testing.T, s *Store, inject *injector, sc *scenario, n int, fault error) bool {
	if sc.setup != nil {
		ok(t, sc.setup(s))
	}
	calm(t, s)
	var calls atomic.Int64
	inject.arm(nth(n, fault, &calls))
	err := sc.run(s)
	inject.disarm()
	reached := calls.Load() >= int64(n)
	if err != nil && !errors.Is(err, fault) {
		t.Errorf("call %d: %v, want %v", n, err, fault)
	}
	if !reached {
		ok(t, err)
	}
	sc.legal(t, s)
	if err != nil {
		ok(t, sc.run(s))
		sc.legal(t, s)
	}
	if sc.final != nil {
		sc.final(t, s)
	}
	checkStore(t, s)
	return reached
}

// recycle empties a store for the next round, or where opening one is cheap, closes it and gives nil.
func recycle(t *testing.T, s *Store, sc *scenario) *Store {
	t.Helper()
	if sc.tiers == 0 {
		ok(t, s.Close(false))
		return nil
	}
	list, err := s.ReadDir("")
	ok(t, err)
	for _, d := range list {
		ok(t, s.Unlink(d.Name))
	}
	checkStore(t, s)
	return s
}

// Interrupted and short system calls are carried on with: every operation succeeds.
func TestInterruptedAndShortCalls(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for _, sc := range scenariosFor(kind) {
			cfg, inject := sc.config(t, kind)
			s := openWith(t, cfg)
			if sc.setup != nil {
				ok(t, sc.setup(s))
			}
			var calls atomic.Int64
			inject.arm(func(string, string) error {
				switch calls.Add(1) % 3 {
				case 0:
					return nil
				case 1:
					return unix.EINTR
				}
				return ErrShort
			})
			ok(t, sc.run(s))
			inject.disarm()
			sc.legal(t, s)
			if sc.final != nil {
				sc.final(t, s)
			}
			checkStore(t, s)
		}
	})
}

// startScenario is what starts and ends are tried with: tiers, over one kind of RAM tier.
func startScenario(kind string) *scenario {
	if kind != kinds()[0] || kind == onPlain {
		return &scenario{}
	}
	return findScenario("spill")
}

// A start that fails at any of its system calls leaves what it found, and the next one succeeds.
func TestStartFails(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		cfg, inject := startScenario(kind).config(t, kind)
		s := mustOpen(t, cfg)
		ok(t, s.Mkdir(me(), "d", 0o755))
		put(t, s, "d/a", oldBytes)
		ok(t, mark("d/a", job)(s))
		put(t, s, "b", newBytes)
		if len(cfg.Spill) > 0 {
			ok(t, with(s, "d/a", spilled))
		}
		ok(t, s.Close(true))
		for n := 1; ; n += startScenario(kind).stride() {
			var calls atomic.Int64
			inject.arm(nth(n, unix.EIO, &calls))
			s, err := Open(cfg)
			inject.disarm()
			if err != nil {
				want(t, err, unix.EIO)
				s = mustOpen(t, cfg)
			}
			if got := text(t, s, "d/a") + text(t, s, "b"); got != oldBytes+newBytes {
				t.Errorf("call %d: the buffers hold %q", n, got)
			}
			if m, marked := s.MarkOf("d/a"); kind != onPlain && (!marked || m.State != Bad || m.Path != "d/a") {
				t.Errorf("call %d: mark %+v", n, m)
			}
			checkStore(t, s)
			last := calls.Load() < int64(n)
			ok(t, s.Close(!last))
			if last {
				return
			}
		}
	})
}

// A first start that fails leaves nothing.
func TestFirstStartFails(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for n := 1; ; n += startScenario(kind).stride() {
			cfg, inject := startScenario(kind).config(t, kind)
			var calls atomic.Int64
			stays := false // nobody knows whose the lock's file is, or it is the taking back that fails
			fail := nth(n, unix.ENOMEM, &calls)
			inject.arm(func(op, path string) error {
				err := fail(op, path)
				stays = stays || err != nil && (op == "flock" && filepath.Base(path) == "lock" || op == "unlink" && filepath.Base(path) == "ram")
				return err
			})
			s, err := Open(cfg)
			inject.disarm()
			if err != nil {
				want(t, err, unix.ENOMEM)
				if left := madeBy(t, &cfg); len(left) > 0 && !stays {
					t.Fatalf("call %d: left: %q", n, left)
				}
				s = mustOpen(t, cfg)
			}
			ok(t, s.Close(false))
			if left := madeBy(t, &cfg); len(left) > 0 && !stays {
				t.Fatalf("the end left: %q", left)
			}
			if calls.Load() < int64(n) {
				return
			}
		}
	})
}

// madeBy lists what there is of a device: its mount, and the folders that it has or makes.
func madeBy(t *testing.T, cfg *Config) (left []string) {
	t.Helper()
	if cfg.Plain != "" {
		return nil
	}
	if fstype, _, _ := mountedAt(filepath.Join(cfg.Dir, "ram")); fstype != "" {
		left = append(left, fstype)
	}
	shm, gone := shmPath(cfg), goneShm(shmPath(cfg)).name
	for _, path := range []string{cfg.Dir, shm, gone} {
		if _, err := os.Lstat(path); err == nil {
			left = append(left, path)
		}
	}
	for _, c := range cfg.Spill {
		list, err := os.ReadDir(c.Dir)
		if len(list) > 0 || err == nil && filepath.Base(c.Dir) == "disk0" { // which Open makes
			left = append(left, c.Dir)
		}
	}
	return left
}

// What refuses a start once tiers are made, and undoes it after it has succeeded, takes away all that there was not before.
func TestRefusedStartLeavesNothing(t *testing.T) {
	for what, refuse := range map[string]func(t *testing.T, cfg *Config) unix.Errno{
		"a spill directory in memory": func(_ *testing.T, cfg *Config) unix.Errno { cfg.Spill[1].Dir = "/dev/shm"; return unix.EINVAL },
		"one that is missing":         func(_ *testing.T, cfg *Config) unix.Errno { cfg.Spill[1].Dir += "/a/b"; return unix.ENOENT },
		"a name in use on a disk": func(t *testing.T, cfg *Config) unix.Errno {
			other := *cfg
			other.Dir, other.Spill = filepath.Join(t.TempDir(), "other"), cfg.Spill[1:]
			openWith(t, other)
			return unix.EBUSY
		},
		"a backend that is none": func(_ *testing.T, cfg *Config) unix.Errno { cfg.IO = "pigeons"; return unix.EINVAL },
		"what comes later":       func(*testing.T, *Config) unix.Errno { return 0 },
	} {
		eachSpillKind(t, func(t *testing.T, kind string) {
			cfg, _ := spillConfig(t, kind, 16<<20, 2)
			cfg.Persist = true
			errno := refuse(t, &cfg)
			s, err := Open(cfg)
			if errno == 0 {
				ok(t, err)
				ok(t, s.Undo())
			} else {
				want(t, err, errno)
			}
			cfg.Spill = cfg.Spill[:1]
			if left := madeBy(t, &cfg); len(left) > 0 {
				t.Errorf("%s: left: %q", what, left)
			}
		})
	}
}

// An end that fails can leave the mount, which the next start takes over.
func TestEndFails(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		for n := 1; ; n += startScenario(kind).stride() {
			cfg, inject := startScenario(kind).config(t, kind)
			s := mustOpen(t, cfg)
			ok(t, s.Mkdir(me(), "d", 0o755))
			put(t, s, "d/a", oldBytes)
			if len(cfg.Spill) > 0 {
				ok(t, with(s, "d/a", spilled))
			}
			var calls atomic.Int64
			inject.arm(nth(n, unix.EIO, &calls))
			err := s.Close(false)
			inject.disarm()
			if err != nil {
				want(t, err, unix.EIO)
				s = mustOpen(t, cfg)
				ok(t, s.Close(false))
			}
			if calls.Load() < int64(n) {
				return
			}
		}
	})
}

// Without fallocate space is made by writing, and what is there stays.
func TestNoFallocate(t *testing.T) {
	s, inject := openFaulty(t, onPlain, 16<<20)
	inject.arm(func(op, _ string) error {
		if op == "fallocate" {
			return unix.EOPNOTSUPP
		}
		return nil
	})
	put(t, s, "a", oldBytes)
	b := get(t, s, "a")
	defer b.Release()
	ok(t, b.Resize(3<<20))
	st, err := b.Stat()
	ok(t, err)
	if got := content(t, b); got[:len(oldBytes)] != oldBytes || st.Size != 3<<20 || st.Blocks*512 < 3<<20 {
		t.Errorf("%q..., %d bytes, %d held", got[:40], st.Size, st.Blocks*512)
	}
	want(t, b.Allocate(0, 4096, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE), unix.EOPNOTSUPP)
}

// A file system without RENAME_NOREPLACE still refuses to overwrite.
func TestNoRenameFlags(t *testing.T) {
	s, inject := openFaulty(t, onPlain, 16<<20)
	armed := true
	inject.arm(func(op, _ string) error {
		if op == "rename" && armed {
			armed = false
			return unix.EINVAL
		}
		return nil
	})
	ok(t, s.Mkdir(me(), "d", 0o755))
	armed = true
	want(t, s.Mkdir(me(), "d", 0o755), unix.EEXIST)
	list, err := os.ReadDir(s.Root())
	ok(t, err)
	if len(list) != 1 {
		t.Errorf("left: %v", list)
	}
}
