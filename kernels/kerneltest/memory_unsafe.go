package kerneltest

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"unsafe"
)

// poison fills memory that nobody has written. 0xff is a NaN in every float
// type, and a value that is seldom right in every integer type.
const poison = 0xff

// guard is how many bytes before and behind a room are watched.
const guard = 128

// room is memory between guards. Its data begin at a multiple of 64.
type room struct {
	buf        []byte
	start, end int
}

// newRoom makes a room of n bytes, poisoned, between guards.
func newRoom(n int) *room {
	buf := bytes.Repeat([]byte{poison}, n+2*guard+64)
	start := guard + 63 - int(uintptr(unsafe.Pointer(unsafe.SliceData(buf)))+guard+63)%64
	return &room{buf, start, start + n}
}

// data is the room itself. Its capacity ends with it, so that append and
// reslicing cannot reach the guard; only unsafe code can.
func (r *room) data() []byte { return r.buf[r.start:r.end:r.end] }

// intact tells whether the guards are as they were.
func (r *room) intact() bool {
	written := func(b byte) bool { return b != poison }
	return !slices.ContainsFunc(r.buf[:r.start], written) && !slices.ContainsFunc(r.buf[r.end:], written)
}

// memory lends scratch rooms and keeps account of them.
type memory struct {
	t     testing.TB
	limit int64

	mu    sync.Mutex // guards what follows
	used  int64
	rooms []*room
}

// Alloc implements kernels.Memory.
func (m *memory) Alloc(n int) []byte {
	r := newRoom(n)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used += int64(n)
	m.rooms = append(m.rooms, r)
	return r.data()
}

// check reports what went beyond the plan's scratch memory, or beside a room.
func (m *memory) check(kernel string) {
	m.t.Helper()
	if m.used > m.limit {
		m.t.Errorf("%s: %d bytes of scratch memory were taken, the plan has %d", kernel, m.used, m.limit)
	}
	for _, r := range m.rooms {
		if !r.intact() {
			m.t.Errorf("%s: the kernel wrote beside its scratch memory", kernel)
		}
	}
}
