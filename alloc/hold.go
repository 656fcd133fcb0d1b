package alloc

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Hold keeps the bytes where they are until Unhold: for a descriptor that
// somebody else uses, or a run that streams them. Holds are counted. It waits
// for a move that is under way.
func (b *Buffer) Hold() {
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.pins.Add(1)
}

// Unhold ends a Hold. What was written through the descriptor past the end of a
// spill file is counted from now on.
func (b *Buffer) Unhold() {
	b.mu.RLock()
	h := b.home
	if h != nil {
		if now, err := h.blocks(); err != nil {
			b.s.cfg.Logf("%v", err)
		} else {
			h.t.meter.settle(h.key, 0, now)
		}
	}
	if b.s.quota.limit > 0 {
		b.recount()
	}
	left := b.pins.Add(-1)
	b.mu.RUnlock()
	if left < 0 {
		panic("alloc: Unhold without Hold")
	}
	b.touch()
	if left == 0 {
		b.s.freed() // it can be evicted
	}
}

// Pinned reports whether anybody holds the bytes where they are.
func (b *Buffer) Pinned() bool { return b.pins.Load() > 0 }

// Unsum forgets the checksums of a spilled buffer, here and on the tier. It is
// called before somebody else may write the spill file.
func (b *Buffer) Unsum() error {
	for {
		b.mu.RLock()
		err := b.unsum()
		b.mu.RUnlock()
		again, err := b.instead(context.Background(), err)
		if !again {
			return err
		}
	}
}

// unsum does so. Preconditions: b.mu is held.
func (b *Buffer) unsum() error {
	h, err := b.at()
	if h == nil || err != nil {
		return err
	}
	return h.sums.drop(h.t, h.spot)
}

// unfiled reports whether there are checksums that are not on the tier.
// Preconditions: the table is locked, and the last hold is ending.
func (b *Buffer) unfiled() bool {
	b.hm.RLock()
	defer b.hm.RUnlock()
	return b.home != nil && b.spot.name != ""
}

// fileSums writes the checksums to the tier, if they have changed. Without them
// the bytes go unverified.
func (b *Buffer) fileSums() {
	b.hm.RLock()
	h := b.home
	b.hm.RUnlock()
	if h == nil || b.s.closed.Load() {
		return
	}
	if err := h.sums.file(h.t, h.spot); err != nil {
		b.s.cfg.Logf("checksums of %s: %v", b, err)
	}
}

// settleBytes does what is to be done before nobody holds the buffer: a job
// that was given up has left it stale, or checksums are to be written.
func (b *Buffer) settleBytes() {
	if err := b.wipe(); err != nil {
		b.s.cfg.Logf("%s holds bytes that are not its own: %v", b, err)
	}
	b.fileSums()
}

// touch notes that the buffer is being used.
func (b *Buffer) touch() { b.lastUse.Store(time.Now().UnixNano()) }

// LastUse is when the buffer was last mapped, read, written or held.
func (b *Buffer) LastUse() time.Time { return time.Unix(0, b.lastUse.Load()) }

// buryHome drops the bytes of a buffer that is gone, wherever they are. If the
// home cannot be removed that is tried again with the next one's: the inode
// number must not come to another with it.
func (s *Store) buryHome(k key) {
	if s.homes < 0 {
		return
	}
	s.table.mu.Lock()
	p := s.table.spots[k]
	delete(s.table.spots, k)
	delete(s.table.used, k)
	s.table.mu.Unlock()
	if p != nil && p.name != "" {
		s.stale.add(k.ino)
	}
	s.buryStale()
	s.dropSpot(p)
}

// buryStale removes the homes that could not be removed before.
func (s *Store) buryStale() {
	s.stale.remove(func(ino uint64) bool {
		err := s.unlink(s.homeEntry(ino), 0)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			s.cfg.Logf("home of a buffer that is gone: %v", err)
			return false
		}
		return true
	})
}
