package alloc

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// maxShort is how often one growth asks for room to be made before the buffer
// itself spills.
const maxShort = 32

// maxStays is how often it is tried again for no other reason than that
// somebody else has just moved the buffer.
const maxStays = 8

// OnShort sets what is called, under no lock of the store's, when the growth of
// a buffer finds the memory full, and there are tiers to spill to. need is in
// bytes; except is the buffer that grows, or nil. True: something was freed,
// and the growth is tried again. Else, or if it does not help, the buffer
// itself is spilled, and goes on growing there.
func (s *Store) OnShort(f func(need int64, except *Buffer) bool) { s.onShort.Store(&f) }

// short asks for room.
func (s *Store) short(need int64, b *Buffer) bool {
	f := s.onShort.Load()
	return f != nil && *f != nil && (*f)(need, b)
}

// roomy runs a growth, which tells how many bytes it still needs, and where it
// runs out of memory makes room or spills the buffer, and runs it again.
// Preconditions: no lock is held.
func (b *Buffer) roomy(grow func() (need int64, err error)) error {
	b.touch()
	idle := 0
	for i := 0; ; i++ {
		need, err := grow()
		if errors.Is(err, errPacked) {
			if _, err = b.instead(context.Background(), err); err != nil {
				return err
			}
			continue
		}
		if !errors.Is(err, unix.ENOSPC) || !b.s.Spills() {
			return err
		}
		if b.Resident() && i < maxShort && b.s.short(need, b) {
			continue
		}
		moved, stays := b.makeWay(need)
		if stays != nil {
			return errors.Join(err, stays)
		}
		if !moved { // once more, as it was moved just now; but it may be compressed, with no room to expand it
			if idle++; idle > maxStays {
				return err
			}
			continue
		}
		b.s.freed()
	}
}

// makeWay moves a buffer that has no room to grow where it is to a tier that
// has. It tells whether it did.
func (b *Buffer) makeWay(need int64) (moved bool, err error) {
	return b.move(context.Background(), func(ctx context.Context) (bool, error) {
		h, err := b.at()
		switch {
		case err != nil:
			return false, err
		case h == nil:
			return true, b.spillWith(ctx, need, true)
		case h.packed(): // it was evicted meanwhile, and will be expanded
			return false, nil
		}
		return true, b.migrate(ctx, h, need)
	})
}

// stale is inode numbers that something is still to be done about.
type stale struct {
	mu   sync.Mutex
	list []uint64
}

// add takes note of an inode.
func (l *stale) add(ino uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, ino)
}

// remove drops those that done says are done.
func (l *stale) remove(done func(uint64) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, done)
}

// has reports whether a number is among them.
func (l *stale) has(ino uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.list, ino)
}
