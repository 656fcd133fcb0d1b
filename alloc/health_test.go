package alloc

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// onwards fails the n-th call and all that follow.
func onwards(n int, err error, calls *atomic.Int64) Faults {
	return func(op, _ string) error {
		if calls.Add(1) >= int64(n) && op != "flock" {
			return err
		}
		return nil
	}
}

// The disk of the spill tiers fails under every operation, at each of its calls in turn, and stays so: it gives nothing any more (EIO), takes nothing
// (EROFS), or is full. What is in memory is as it was and memory can be used; the operation fails with an errno that says why; and when the disk
// works again so does everything, with every byte what it was.
func TestDiskFailsUnderEveryOperation(t *testing.T) {
	kind := spillKinds()[0]
	for _, sc := range slices.Concat(spillScenarios, packedScenarios) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			d := newDyingDisk(t, kind, &sc)
			for _, fault := range []unix.Errno{unix.EIO, unix.EROFS, unix.ENOSPC} {
				points := 0
				for d.dies(t, points+1, fault) {
					points += sc.stride()
				}
				t.Logf("%v at each of %d calls", fault, points)
			}
		})
	}
}

// dyingDisk is a store whose spill tiers fail when they are told to.
type dyingDisk struct {
	s    *Store
	disk *injector
	sc   *scenario
}

func newDyingDisk(t *testing.T, kind string, sc *scenario) *dyingDisk {
	t.Helper()
	cfg, _ := sc.config(t, kind)
	d := &dyingDisk{disk: &injector{}, sc: sc}
	cfg.SpillFaults, cfg.Logf = d.disk.fault, func(string, ...any) {}
	d.s = openWith(t, cfg)
	put(t, d.s, "witness", oldBytes)
	return d
}

// dies lets the disk fail at its n-th call during the operation, and work again later. It tells whether there was such a call.
func (d *dyingDisk) dies(t *testing.T, n int, fault unix.Errno) bool {
	t.Helper()
	s, sc := d.s, d.sc
	if sc.setup != nil {
		ok(t, sc.setup(s))
	}
	var calls atomic.Int64
	d.disk.arm(onwards(n, fault, &calls))
	err := sc.run(s)
	died := calls.Load() >= int64(n)
	if err != nil && !errors.Is(err, fault) && !errors.Is(err, unix.ENOSPC) {
		t.Errorf("call %d: %v, want %v", n, err, fault)
	}
	if !died {
		ok(t, err)
	}
	d.goesOn(t, n, fault)
	d.disk.disarm()
	ok(t, s.ProbeTiers())
	for _, u := range s.Tiers()[1:] {
		if u.Offline || u.Free == 0 {
			t.Errorf("call %d: the disk works again, and its tier is %s", n, u.State())
		}
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
	d.clear(t)
	return died
}

// goesOn checks what works while the disk does not.
func (d *dyingDisk) goesOn(t *testing.T, n int, fault unix.Errno) {
	t.Helper()
	s := d.s
	bytesAre(t, s, "witness", oldBytes)
	if fault == unix.ENOSPC {
		return
	}
	err := s.ProbeTiers()
	var off *OfflineError
	if !errors.As(err, &off) || !errors.Is(err, fault) || off.Tier != "spill0" || !strings.Contains(err.Error(), off.Path) {
		t.Errorf("call %d: %v", n, err)
	}
	for _, u := range s.Tiers()[1:] {
		if !u.Offline || u.State() != "offline" || u.Free != 0 || u.Note == "" {
			t.Errorf("call %d: %+v", n, u)
		}
	}
	put(t, s, "new", newBytes)
	want(t, with(s, "new", spilled), unix.ENOSPC)
	bytesAre(t, s, "new", newBytes)
	ok(t, s.Unlink("new"))
	if _, err := s.ReadDir(""); err != nil {
		t.Error(err)
	}
}

// clear removes all but the witness.
func (d *dyingDisk) clear(t *testing.T) {
	t.Helper()
	list, err := d.s.ReadDir("")
	ok(t, err)
	for _, e := range list {
		if e.Name != "witness" {
			ok(t, d.s.Unlink(e.Name))
		}
	}
}

// openDisks is a store whose spill tiers fail as the injector says.
func openDisks(t *testing.T) (*Store, *injector) {
	t.Helper()
	cfg, _ := spillConfig(t, spillKinds()[0], 16<<20, 1)
	disk := &injector{}
	cfg.SpillFaults = disk.fault
	return openWith(t, cfg), disk
}

// A probe that finds the disk well, but a file there that cannot be removed, does not ask for another probe: that would never end.
func TestProbeEnds(t *testing.T) {
	s, disk := openDisks(t)
	s.io.nurse.stop() // which would probe first
	tier, h := s.spills[0], &s.spills[0].health
	put(t, s, "a", oldBytes)
	ok(t, with(s, "a", spilled))
	disk.arm(func(op, path string) error {
		if op == "unlink" && strings.Contains(path, "/"+dataDir+"/") {
			return unix.EIO
		}
		return nil
	})
	ok(t, s.Unlink("a"))
	if !h.suspect.Load() {
		t.Error("a call has failed, and nobody suspects the disk")
	}
	tier.check()
	if h.suspect.Load() || h.cause.Load() != nil || len(tier.trash.list) != 1 {
		t.Errorf("suspect %v, %v, %d files are left", h.suspect.Load(), h.cause.Load(), len(tier.trash.list))
	}
	disk.disarm()
	tier.check()
	if len(tier.trash.list) != 0 {
		t.Error("what can be removed is not")
	}
}

// Space that a disk does not tell is asked for until it does.
func TestRecountAgain(t *testing.T) {
	s, disk := openDisks(t)
	s.io.nurse.stop()
	put(t, s, "a", oldBytes)
	ok(t, with(s, "a", spilled))
	tier, h, p := s.spills[0], &s.spills[0].health, s.onlySpot()
	was, err := tier.meter.used()
	ok(t, err)
	tier.meter.settle(p.key, 0, 7<<20)
	h.unsure.Store(true)
	disk.arm(func(string, string) error { return unix.EIO })
	s.recount(tier)
	disk.disarm()
	if !h.unsure.Load() || h.suspect.Load() {
		t.Errorf("unsure %v, suspect %v", h.unsure.Load(), h.suspect.Load())
	}
	s.recount(tier)
	if now, err := tier.meter.used(); err != nil || now != was || h.unsure.Load() {
		t.Errorf("%d bytes, %v; were %d", now, err, was)
	}
}

// onlySpot is where the one buffer is that has spilled.
func (s *Store) onlySpot() *spot {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for _, p := range s.table.spots {
		return p
	}
	return nil
}

// What was found whole after its file system had been mounted anew can be written there, as often as one likes; it is doubted again only
// when that mount is gone too.
func TestWrittenAfterRemount(t *testing.T) {
	s, _ := openDisks(t)
	put(t, s, "a", oldBytes)
	ok(t, with(s, "a", spilled))
	write := func(p string) error {
		return with(s, "a", func(b *Buffer) error {
			_, err := b.WriteAt([]byte(p), 0)
			return err
		})
	}
	s.spills[0].health.era.Add(1)
	for _, p := range []string{"one", "two"} {
		ok(t, write(p))
		bytesAre(t, s, "a", p+oldBytes[3:])
	}
	s.spills[0].health.era.Add(1)
	var lost *LostError
	if err := write("six"); !errors.As(err, &lost) || !errors.Is(err, unix.EIO) {
		t.Errorf("it was written by a mount that is gone: %v", err)
	}
}

// Who hears of a disk at the end may use the store still.
func TestCloseWaitsForNurse(t *testing.T) {
	s, disk := openDisks(t)
	put(t, s, "a", oldBytes)
	heard := make(chan error, 2) // it may work again by then
	s.OnTier(func(TierEvent) {
		<-s.closing.Done()
		_, err := s.Lstat("a")
		heard <- err
	})
	disk.arm(func(string, string) error { return unix.EIO })
	if s.ProbeTiers() == nil {
		t.Error("the disk does not work")
	}
	disk.disarm()
	ok(t, s.Close(false))
	ok(t, <-heard)
}
