package alloc

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A disk can fail under a running device: its file system goes read-only,
// answers every call with EIO, or is gone. A call that fails makes its tier
// suspect, and a probe tells whether it was that call's own trouble (a bad
// sector) or the disk's. A tier whose probe fails is out of use: nothing is put
// there, and the device goes on with memory and the other tiers. What is there
// stays its buffers', and is read for as long as the disk gives it. The tier is
// probed again every few seconds, and when it works is in use as before, also
// if the file system was mounted anew meanwhile.
type health struct {
	suspect atomic.Bool // a call has failed since the last probe began
	probing atomic.Bool
	unsure  atomic.Bool                  // how much space its files have is not known exactly
	cause   atomic.Pointer[OfflineError] // why it is out of use; nil: it is in use
	era     atomic.Uint64                // counts mounts: what was written in an earlier one may have been lost with it
	told    bool                         // the nurse has told that it is out of use: its own

	mu    sync.Mutex // held to probe; guards what follows
	away  bool       // its file system is not open, so that it can be unmounted and repaired
	mount uint64     // the one that was open then
}

// OfflineError says that a spill tier is out of use, and why. It is an ENOSPC:
// there is no room on it.
type OfflineError struct {
	Tier, Path string
	Cause      error
}

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s (%s) is out of use: %v", e.Tier, e.Path, e.Cause)
}

// Unwrap makes the error ENOSPC, and then what the disk said.
func (e *OfflineError) Unwrap() []error { return []error{unix.ENOSPC, e.Cause} }

// blames tells whether an error can mean that the disk has failed, not that it
// is full, or that we lack descriptors.
func blames(err error) bool {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return false
	}
	return !slices.Contains([]unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EINTR, unix.EAGAIN, unix.ECANCELED, unix.EEXIST, unix.EBUSY,
		unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.ESHUTDOWN, unix.EOPNOTSUPP, unix.ENOSYS, unix.EXDEV}, errno)
}

// blame takes note of what a call on the tier has failed with. That a file is
// not there is often no fault.
func (t *spillTier) blame(err error) {
	if blames(err) && !errors.Is(err, unix.ENOENT) && !t.health.suspect.Swap(true) {
		t.nurse.wake()
	}
}

// ready tells why nothing can be put on the tier now; nil: something can. A
// suspect one is probed.
func (t *spillTier) ready() error {
	t.settleDoubt()
	if c := t.health.cause.Load(); c != nil {
		return c
	}
	return nil
}

// settleDoubt probes the tier if it is suspect.
func (t *spillTier) settleDoubt() {
	h := &t.health
	if h.suspect.Load() || h.probing.Load() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.suspect.Load() {
			t.probeHealth()
		}
	}
}

// check probes the tier whatever is known of it.
func (t *spillTier) check() {
	t.health.mu.Lock()
	defer t.health.mu.Unlock()
	t.probeHealth()
}

// probeHealth finds out whether the tier can be used. health.mu is held.
func (t *spillTier) probeHealth() {
	h := &t.health
	h.probing.Store(true)
	defer h.probing.Store(false)
	h.suspect.Store(false)
	err := t.try()
	if blames(err) {
		if again := t.reopen(); again == nil {
			err = t.try()
		} else if h.away {
			err = again
		}
	}
	old := h.cause.Load()
	switch {
	case blames(err):
		h.cause.Store(&OfflineError{t.name(), t.path, err})
		if !h.away && t.unreadable() {
			t.detach()
		}
	case old != nil:
		h.cause.Store(nil)
	}
	if h.cause.Load() == nil {
		t.sweep(t.quiet())
	}
	if (old == nil) != (h.cause.Load() == nil) {
		t.nurse.wake() // to tell
	}
}

// quiet makes calls on the tier that leave it as suspect as it was: those of a
// probe, which would not end else.
func (t *spillTier) quiet() sys { return sys{faults: t.faults} }

// try writes a page to the disk, reads it back and removes it.
func (t *spillTier) try() (err error) {
	x, e := t.quiet(), entry{t.tmp, "probe", t.path}
	fd, err := x.open(e, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return err
	}
	err = x.tryFile(fd, e, t.direct)
	return errors.Join(err, x.close(fd, e.rel), x.unlink(e, 0))
}

// tryFile does so with a file: past the page cache if that can be.
func (x sys) tryFile(fd int, e entry, direct bool) error {
	mem, err := unix.Mmap(-1, 0, 2*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	page, back := mem[:pageSize], mem[pageSize:]
	copy(page, e.name)
	if direct {
		d, derr := x.open(e, unix.O_RDWR|unix.O_DIRECT, 0)
		if derr != nil {
			return errors.Join(derr, unix.Munmap(mem))
		}
		err = x.tryPage(d, e.rel, page, back)
		err = errors.Join(err, x.close(d, e.rel))
	} else if err = x.tryPage(fd, e.rel, page, back); err == nil {
		err = x.fsync(fd, e.rel)
	}
	return errors.Join(err, unix.Munmap(mem))
}

// tryPage writes a page and reads it back.
func (x sys) tryPage(fd int, path string, page, back []byte) error {
	_, err := x.writeFull(fd, path, page, 0)
	if err == nil {
		_, err = x.readFull(fd, path, back, 0)
	}
	if err == nil && !bytes.Equal(page, back) {
		err = fail("read", path, unix.EIO)
	}
	return err
}
