package alloc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// brokenDisk makes the disk of one tier of a store fail, at its n-th call, or from then on.
type brokenDisk struct {
	path  string
	n     int64
	once  bool
	err   error
	calls atomic.Int64
}

func (d *brokenDisk) fault(op, _ string) error {
	if op == "flock" {
		return nil
	}
	if k := d.calls.Add(1); k < d.n || d.once && k > d.n {
		return nil
	}
	return d.err
}

// breakDisk does so from now on. inject is the store's injector: transfers pass there, with the tier's path.
func breakDisk(t *testing.T, s *Store, i, n int, once bool, err error, inject *injector) *brokenDisk {
	t.Helper()
	calm(t, s)
	d := &brokenDisk{path: s.spills[i].path, n: int64(n), once: once, err: err}
	s.spills[i].faults = d.fault
	inject.arm(func(op, path string) error {
		if path == d.path {
			return d.fault(op, path)
		}
		return nil
	})
	return d
}

// sowBoth makes a tree with buffers on each of two tiers, and in memory.
func sowBoth(t *testing.T, s *Store) {
	t.Helper()
	sow(t, s)
	put(t, s, "second", newBytes+big)
	s.spills[0].limit = 0 // full
	ok(t, with(s, "second", spilled))
	s.spills[0].limit = 1 << 30
	for i, name := range []string{"far", "second"} {
		ok(t, with(s, name, func(b *Buffer) error {
			if got := fmt.Sprintf("spill%d", i); b.Tier() != got {
				t.Errorf("%s is on %s, not %s", name, b.Tier(), got)
			}
			return nil
		}))
	}
}

// diskFails says what is tried at each of the calls on a disk of a stop.
type diskFails struct {
	fault   unix.Errno
	once    bool // at one call alone, or from that on
	tier    int
	restart bool // of the machine
}

// The disk of a tier fails at each call of a stop that saves, and stays so: to the next daemon nothing is lost, to a restart of the machine
// what the stop named and could not save, at most. What it has is true.
func TestPersistDiskFails(t *testing.T) {
	var all []diskFails
	for tier := range 2 {
		for _, restart := range []bool{false, true} {
			all = append(all, diskFails{unix.EIO, false, tier, restart}, diskFails{unix.EIO, true, tier, restart},
				diskFails{unix.ENOSPC, false, tier, restart}, diskFails{unix.ENOSPC, true, tier, restart})
		}
	}
	for _, f := range all {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			t.Parallel()
			points := 0
			for f.stop(t, points+1) {
				points += findScenario("spill").stride()
			}
			t.Logf("at each of %d calls", points)
		})
	}
}

// stop reports whether there was an n-th call.
func (f *diskFails) stop(t *testing.T, n int) bool {
	t.Helper()
	cfg, inject := persistConfig(t, spillKinds()[0])
	s := mustOpen(t, cfg)
	sowBoth(t, s)
	before := picture(t, s)
	disk := breakDisk(t, s, f.tier, n, f.once, f.fault, inject)
	err := s.Close(false)
	inject.disarm()
	what := fmt.Sprintf("call %d, the stop ended with %v", n, err)
	var unsaved *UnsavedError
	if err != nil && (!errors.As(err, &unsaved) || !errors.Is(err, f.fault) && !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "start the device again")) {
		t.Error(what)
	}
	if f.restart {
		reboot(t, &cfg)
	}
	s = mustOpen(t, cfg)
	switch {
	case err == nil || !f.restart:
		samePicture(t, what, picture(t, s), before)
	case len(unsaved.Buffers) > 0:
		onlyLost(t, what, s, unsaved.Buffers)
	default: // nothing, or what the disk would not have removed
		if got := picture(t, s); len(got) > 0 {
			samePicture(t, what, got, before)
		}
	}
	checkStore(t, s)
	cfg.Persist = false
	ok(t, s.Close(true))
	ok(t, mustOpen(t, cfg).Close(false))
	return disk.calls.Load() >= int64(n)
}

// onlyLost checks that all of sowBoth's buffers have their bytes, but for some that may be lost.
func onlyLost(t *testing.T, what string, s *Store, lost []string) {
	t.Helper()
	for name, bytes := range map[string]string{"d/a": big, "again": big, "d/b\xff\n": oldBytes, "none": "", "far": big + newBytes, "second": newBytes + big} {
		b, err := s.Get(name)
		ok(t, err)
		got := make([]byte, len(bytes))
		_, err = b.ReadAt(got, 0)
		if b.Release(); err == nil && string(got) != bytes {
			t.Errorf("%s: %s has other bytes", what, name)
		}
		if err != nil && (!slices.Contains(lost, name) || !errors.Is(err, unix.EIO)) {
			t.Errorf("%s: %s: %v", what, name, err)
		}
	}
}

// A disk on which there is no buffer may fail before a stop: all is saved on the other. One that can still be read is left.
func TestPersistWithoutTier(t *testing.T) {
	for _, fault := range []unix.Errno{unix.EIO, unix.EROFS} {
		for tier := range 2 {
			cfg, inject := persistConfig(t, spillKinds()[0])
			s := mustOpen(t, cfg)
			sowBoth(t, s)
			before := picture(t, s)
			if fault == unix.EIO {
				ok(t, with(s, []string{"far", "second"}[tier], promoted))
				breakDisk(t, s, tier, 1, false, fault, inject)
			} else {
				calm(t, s)
				s.spills[tier].faults = writesFail(fault)
			}
			ok(t, s.Close(false))
			inject.disarm()
			reboot(t, &cfg)
			gone := cfg.Spill[tier].Dir
			ok(t, os.RemoveAll(gone+"/"+cfg.Name))
			cfg.Spill = slices.Delete(slices.Clone(cfg.Spill), tier, tier+1)
			s = mustOpen(t, cfg)
			samePicture(t, fmt.Sprintf("%v on spill%d", fault, tier), picture(t, s), before)
			checkStore(t, s)
			cfg.Persist = false
			ok(t, s.Close(true))
			ok(t, mustOpen(t, cfg).Close(false))
		}
	}
}

// writesFail is a disk that became read-only: what is there can be opened and read.
func writesFail(err error) Faults {
	reads := []string{"read", "stat", "fstat", "statx", "readlink", "readdir", "close", "flock", "statfs", "syncfs"}
	return func(op, path string) error {
		if slices.Contains(reads, op) || op == "open" && strings.HasPrefix(path, "/") { // not so a temporary, whose path is the buffer's
			return nil
		}
		return err
	}
}

// saved is a store with buffers on two tiers that has been stopped, and the machine restarted.
func saved(t *testing.T) (cfg Config, before []string) {
	t.Helper()
	cfg, _ = persistConfig(t, spillKinds()[0])
	s := mustOpen(t, cfg)
	sowBoth(t, s)
	before = picture(t, s)
	ok(t, s.Close(false))
	reboot(t, &cfg)
	return cfg, before
}

// restored checks that a start finds all of it, and gives the disks back.
func restored(t *testing.T, cfg Config, before []string) {
	t.Helper()
	s := mustOpen(t, cfg)
	samePicture(t, "restored", picture(t, s), before)
	checkStore(t, s)
	cfg.Persist = false
	ok(t, s.Close(true))
	ok(t, mustOpen(t, cfg).Close(false))
}

// A start while the disk of a tier is not mounted, so that its directory is another, is refused, and drops nothing of the other tier.
func TestPersistNotMounted(t *testing.T) {
	for tier := range 2 {
		cfg, before := saved(t)
		dir := cfg.Spill[tier].Dir
		ok(t, os.Rename(dir, dir+".disk"))
		ok(t, os.Mkdir(dir, 0o755))
		for range 2 {
			_, err := Open(cfg)
			want(t, err, unix.ENODEV)
			if !strings.Contains(err.Error(), dir) {
				t.Error(err)
			}
		}
		ok(t, os.RemoveAll(dir))
		ok(t, os.Rename(dir+".disk", dir))
		restored(t, cfg, before)
	}
}

// A start that leaves a tier out has what is on the other; what was saved is stale from then on, and nobody takes it for what was saved later.
func TestPersistLeftOut(t *testing.T) {
	for tier, lost := range []string{"far", "second"} {
		cfg, _ := saved(t)
		inMemory := []string{"d/a", "again", "d/b\xff\n"}[:3*(1-tier)] // saved on the first
		both, one := cfg, cfg
		one.Spill = cfg.Spill[1-tier : 2-tier]
		for range 2 { // and once more after a stop and a restart
			s := mustOpen(t, one)
			onlyLost(t, "left out", s, append(slices.Clone(inMemory), lost))
			want(t, with(s, lost, func(b *Buffer) error { _, err := b.ReadAt(make([]byte, 1), 0); return err }), unix.EIO)
			checkStore(t, s)
			ok(t, s.Close(false))
			reboot(t, &cfg)
		}
		_, err := Open(both)
		want(t, err, unix.EEXIST)
		_, err = Open(both) // nothing has changed by that
		want(t, err, unix.EEXIST)
		ok(t, os.Remove(cfg.Spill[tier].Dir+"/"+cfg.Name+"/"+treeFile))
		s := mustOpen(t, both)
		onlyLost(t, "with both", s, append(slices.Clone(inMemory), lost))
		checkStore(t, s)
		s.cfg.Persist = false
		ok(t, s.Close(false))
	}
}

// Of two trees of one device the later counts: the other is one that a disk which failed did not let go of.
func TestPersistLaterTree(t *testing.T) {
	for tier := range 2 {
		cfg, before := saved(t)
		file := cfg.Spill[tier].Dir + "/" + cfg.Name + "/" + treeFile
		text, err := os.ReadFile(file)
		ok(t, err)
		m, err := decodeManifest(text)
		ok(t, err)
		m.Saved--
		m.Entries = m.Entries[:1]
		text, err = m.encode()
		ok(t, err)
		ok(t, os.WriteFile(file, text, 0o600))
		restored(t, cfg, before)
	}
}

// A buffer in doubt is there after a restart if its checksums are, and is else lost, as one that is known to be.
func TestPersistDoubt(t *testing.T) {
	for what, spoil := range map[string]func(*savedEntry, *Config) error{
		"whole": nil,
		"gone": func(r *savedEntry, c *Config) error {
			return os.Remove(c.Spill[0].Dir + "/" + c.Name + "/data/" + r.Data)
		},
		"unsummed": func(r *savedEntry, c *Config) error {
			return os.Remove(c.Spill[0].Dir + "/" + c.Name + "/sums/" + r.Data)
		},
		"short": func(r *savedEntry, c *Config) error {
			return os.Truncate(c.Spill[0].Dir+"/"+c.Name+"/data/"+r.Data, 10)
		},
		"lost": func(r *savedEntry, _ *Config) error { r.Data = lostData; return nil },
	} {
		cfg, before := saved(t)
		for _, tier := range cfg.Spill {
			file := tier.Dir + "/" + cfg.Name + "/" + treeFile
			text, err := os.ReadFile(file)
			ok(t, err)
			m, err := decodeManifest(text)
			ok(t, err)
			for i := range m.Entries {
				if r := &m.Entries[i]; string(r.Path) == "far" {
					if r.Doubt = true; spoil != nil && (tier == cfg.Spill[0] || what == "lost") {
						ok(t, spoil(r, &cfg))
					}
				}
			}
			text, err = m.encode()
			ok(t, err)
			ok(t, os.WriteFile(file, text, 0o600))
		}
		if spoil == nil {
			restored(t, cfg, before)
			continue
		}
		s := mustOpen(t, cfg)
		onlyLost(t, what, s, []string{"far"})
		want(t, with(s, "far", func(b *Buffer) error { _, err := b.ReadAt(make([]byte, 1), 0); return err }), unix.EIO)
		checkStore(t, s)
		ok(t, s.Unlink("far"))
		checkStore(t, s)
		s.cfg.Persist = false
		ok(t, s.Close(false))
	}
}
