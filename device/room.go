package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"vgpu/alloc"
)

// Room for what clients write.
//
// A buffer that a client makes longer, by write(2), ftruncate(2), fallocate(2) or copy_file_range(2), has others leave memory, or goes to a
// spill tier itself (alloc.Store.OnShort, mover.grow). Where that does not do, it may be for what running jobs hold: their scratch, buffers
// that they have mapped, this one even. They give that back when they end, with nobody's help, and so the client waits for it. It does not
// for what clients hold, which might be what waits: if the end of all that runs could not make enough room, it is told ENOSPC at once, and
// `errors` has the figures.

// roomTries bounds how often a growth is tried anew for no other reason than that memory was freed meanwhile, which others took.
const roomTries = 32

// growing runs a growth of the handle's buffer, which must leave off where it can go on, until it has room, or nothing will make any. need is
// how many bytes it lacks. EINTR: ctx has ended; EAGAIN: the handle does not wait.
func (h *Handle) growing(ctx context.Context, need func() int64, grow func() error) error {
	d := h.f.d
	for idle, waited := 0, false; ; {
		frees := d.freesSoFar()
		err := grow()
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		if h.stays(); !waited && h.flags&syscall.O_NONBLOCK == 0 && d.lettingGo(frees) {
			waited = true
			continue
		}
		n := need()
		busy, enough := d.prospect(h.buf, n)
		if !busy {
			idle++
		}
		switch {
		case !enough, idle > roomTries, !busy && d.freesSoFar() == frees:
			d.noRoom(h.buf, n, err)
			return err
		case h.flags&syscall.O_NONBLOCK != 0:
			return fmt.Errorf("growing %s waits for memory that jobs hold: %w", h.buf.Path(), syscall.EAGAIN)
		}
		if !d.awaitFree(ctx, frees) {
			return syscall.EINTR
		}
	}
}

// awaitFree waits until memory has been freed since frees was counted, or nothing runs any more that could free some. It tells whether ctx let it.
func (d *Device) awaitFree(ctx context.Context, frees uint64) bool {
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.idle.Broadcast()
	})
	defer stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	ending := d.releasing > 0 // then what that comes to is to be known first
	for d.frees == frees && ctx.Err() == nil && (d.releasing > 0 || d.running > 0 && !ending) {
		d.idle.Wait()
	}
	return ctx.Err() == nil
}

// prospect tells whether anything runs, and whether what that gives back when it ends would make so much room for a buffer in memory, or let
// all of it go elsewhere. It errs on the side of hope, which lasts for as long as something runs: a job may hold what a client holds too.
func (d *Device) prospect(b *alloc.Buffer, need int64) (busy, enough bool) {
	used, busy, ending := d.inUse()
	defer func() {
		for _, u := range used {
			u.buf.Release()
		}
	}()
	if ending {
		return busy, true
	}
	if !b.Resident() { // memory is not what it lacks
		return busy, false
	}
	self, leave, gone := shares(used, b)
	usage, space := d.store.Usage(), d.tierSpace()
	gone += usage.Scratch
	if gone+leave > 0 && usage.Free+gone+min(leave+d.idleBytes(b), space) >= need {
		return busy, true
	}
	size, err := b.Size()
	return busy, err == nil && self && size+need <= space
}

// shares tells what the buffers of running jobs hold of memory: whether b is one, what the others could leave with once the jobs have
// ended, and what is gone with them.
func shares(used []usedBuffer, b *alloc.Buffer) (self bool, leave, gone int64) {
	for _, u := range used {
		n := u.held()
		switch {
		case u.buf == b:
			self = true
		case u.buf.Path() == "": // the job is all that keeps it
			gone += n
		case u.streamed || !u.buf.Pinned():
			leave += n
		}
	}
	return self, leave, gone
}

// usedBuffer is a buffer of a job that runs.
type usedBuffer struct {
	buf      *alloc.Buffer
	streamed bool // the job holds it where it is
}

// held is how many bytes of memory it has: none if it is elsewhere.
func (u usedBuffer) held() int64 {
	st, err := u.buf.Stat()
	if err != nil || !u.buf.Resident() {
		return 0
	}
	return st.Blocks * 512
}

// inUse lists the buffers of running jobs, held, and tells whether any runs, and whether one has just ended and lets go of its own.
func (d *Device) inUse() (used []usedBuffer, busy, ending bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b, h := range d.hazards {
		for _, a := range h.accesses {
			if a.job.state == Running {
				b.Ref()
				used = append(used, usedBuffer{b, a.job.mode.streamed != nil})
				break
			}
		}
	}
	return used, d.running+d.releasing > 0, d.releasing > 0
}

// tierSpace is how much the spill tiers could take.
func (d *Device) tierSpace() (n int64) {
	for _, t := range d.spillTiers() {
		n += t.Free
	}
	return n
}

// spillTiers is the account of the spill tiers; of a device that is closed there are none.
func (d *Device) spillTiers() []TierUsage {
	if all := d.Tiers(); len(all) > 0 {
		return all[1:]
	}
	return nil
}

// idleBytes is how much memory would be free if all buffers but b left that can now.
func (d *Device) idleBytes(b *alloc.Buffer) (n int64) {
	list, _, err := d.residents()
	if err != nil {
		return 0
	}
	for _, r := range list {
		if r.ino != b.Ino() {
			n += r.bytes
		}
	}
	return n
}

// noRoom lists that a client was told ENOSPC; who tries again and again is listed once.
func (d *Device) noRoom(b *alloc.Buffer, need int64, why error) {
	e := ErrorEntry{Errno: syscall.ENOSPC, Msg: fmt.Sprintf("%q: no room to grow by %d bytes: %s", b.Path(), need, d.roomText()), Hint: tierHint(why)}
	if e.Hint == "" {
		e.Hint = "remove buffers, or mount with a larger --mem or --spill"
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.errors); n == 0 || d.errors[n-1].Msg != e.Msg {
		d.noteErrorLocked(e)
	}
}

// roomText says where how much is free.
func (d *Device) roomText() string {
	var s strings.Builder
	u := d.store.Usage()
	fmt.Fprintf(&s, "memory has %d of %d bytes free, jobs have %d", u.Free, u.Mem, u.Scratch)
	for _, t := range d.spillTiers() {
		fmt.Fprintf(&s, "; %s has %d of %d bytes free", t.Name, t.Free, t.Size)
		if t.Offline {
			s.WriteString(", and is out of use")
		}
	}
	return s.String()
}
