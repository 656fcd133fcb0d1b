package device

import (
	"context"
	"errors"
	"syscall"
	"time"

	"vgpu/alloc"
)

// Files that clients write for themselves.
//
// Who has a buffer open for passthrough writes to the file in the RAM tier, and
// makes it longer, without our seeing it: the kernel answers ENOSPC when the tier
// is full, and nobody is asked to make room. So room is made before: when such a
// handle is opened on an empty buffer, which will grow, an eighth of the memory is
// freed; where that cannot be, the buffer goes to a spill tier while it is empty,
// and grows there. And while there are such handles, free memory is watched, and
// what no job names leaves as it gets short.

// growthTick is how often free memory is looked at while clients write files for
// themselves. An eighth of it is written in that time only by who does nothing
// else.
const growthTick = 20 * time.Millisecond

// mayGrow is called before the file of a buffer is handed to a client that will
// write it.
func (m *mover) mayGrow(b *alloc.Buffer) error {
	if m == nil || !b.Resident() {
		return nil
	}
	if size, err := b.Size(); err != nil || size > 0 {
		return err
	}
	u := m.d.store.Usage()
	if want := u.Mem / highWater; forFiles(u) >= want || m.grow(want+u.Cached, b) {
		return nil
	}
	err := b.Spill(context.Background())
	if errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.ENOSPC) { // it is open already, or there is no room anywhere
		return nil
	}
	return err
}

// forFiles is how much of what is free files in the RAM tier can take as things
// are: scratch that is kept ready is given back only if the daemon needs it.
func forFiles(u alloc.Usage) int64 { return u.Free - u.Cached }

// grows counts handles that may make buffers longer without our seeing it.
func (d *Device) grows(change int) {
	d.store.Writers(change)
	d.moves.grows(change)
}

// grows has free memory watched while there are such handles.
func (m *mover) grows(change int) {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.growers += change
	m.mu.Unlock()
	m.wake()
}

// tick is when to look at free memory again; nil while nobody writes files.
func (m *mover) tick() <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.growers == 0 {
		return nil
	}
	return time.After(growthTick)
}

// watch asks for the high watermark if free memory has become short since the
// last time, and tells whether it did.
func (m *mover) watch() bool {
	u := m.d.store.Usage()
	m.mu.Lock()
	defer m.mu.Unlock()
	free := forFiles(u)
	short := free < u.Mem/highWater && free != m.watched
	m.watched = free
	m.pressed = m.pressed || short
	return short
}
