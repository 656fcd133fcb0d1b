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
