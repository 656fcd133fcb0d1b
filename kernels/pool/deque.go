package pool

import "sync/atomic"

// Sizes of a deque: it starts small and doubles; beyond maxDeque pushes are
// refused and the task runs at once instead, so memory stays bounded.
const (
	minDeque = 64
	maxDeque = 1 << 13
)

// deque is the work-stealing queue of Chase and Lev ("Dynamic circular
// work-stealing deque", SPAA 2005), with the order of accesses proved by Lê,
// Pop, Cohen and Zappa Nardelli ("Correct and efficient work-stealing for
// weak memory models", PPoPP 2013). Go's atomics are sequentially consistent,
// which is what their fences establish.
//
// The owner pushes and pops at the bottom, thieves take from the top. Indexes
// only grow, so a compare-and-swap of top that succeeds proves that the slot
// read before it was still at the top.
type deque struct {
	top    atomic.Int64 // next index to steal; thieves and the last pop move it
	_      [56]byte     // keep thieves' line apart from the owner's
	bottom atomic.Int64 // next index to push; only the owner writes it
	ring   atomic.Pointer[ring]
	_      [48]byte
}

// ring is a circular array whose length is a power of two. Slots are atomic as
// thieves read them while the owner writes others.
type ring struct {
	slots []atomic.Pointer[Worker]
}

// newRing has n slots, a power of two.
func newRing(n int) *ring { return &ring{slots: make([]atomic.Pointer[Worker], n)} }

// at is the slot of index i.
func (r *ring) at(i int64) *atomic.Pointer[Worker] { return &r.slots[i&int64(len(r.slots)-1)] }

func (d *deque) init() { d.ring.Store(newRing(minDeque)) }

// size is the number of tasks; exact for the owner, a hint to others.
func (d *deque) size() int64 { return d.bottom.Load() - d.top.Load() }

// noneAbove tells the owner that it has pushed nothing at base or above that
// is still there.
func (d *deque) noneAbove(base int64) bool {
	b := d.bottom.Load()
	return b <= base || d.top.Load() >= b
}

// push adds a task at the bottom. It reports false when the deque is full,
// which leaves it as it was. The store to bottom publishes the slot.
// Precondition: the caller is the owner.
func (d *deque) push(w *Worker) bool {
	b, t, r := d.bottom.Load(), d.top.Load(), d.ring.Load()
	if b-t >= int64(len(r.slots)) {
		if len(r.slots) >= maxDeque {
			return false
		}
		r = d.grow(r, t, b)
	}
	r.at(b).Store(w)
	d.bottom.Store(b + 1)
	return true
}

// grow publishes a ring of twice the size. Thieves that still hold the old ring
// read the same tasks there: it is never written again. The collector frees it,
// which is the part of the paper that is hard without one.
func (d *deque) grow(r *ring, t, b int64) *ring {
	n := newRing(2 * len(r.slots))
	for i := t; i < b; i++ {
		n.at(i).Store(r.at(i).Load())
	}
	d.ring.Store(n)
	return n
}

// pop takes the task at the bottom, or nil if none is at base or above.
// Precondition: the caller is the owner.
func (d *deque) pop(base int64) *Worker {
	b := d.bottom.Load() - 1
	if b < base {
		return nil
	}
	d.bottom.Store(b)
	t := d.top.Load()
	if t > b { // empty
		d.bottom.Store(b + 1)
		return nil
	}
	slot := d.ring.Load().at(b)
	w := slot.Load()
	if t < b { // thieves cannot reach b any more
		slot.Store(nil)
		return w
	}
	if !d.top.CompareAndSwap(t, t+1) { // a thief was first
		w = nil
	}
	d.bottom.Store(b + 1)
	return w
}

// peek is the task at the top and its index, or nil. The task may be gone by
// the time it is looked at: only its immutable fields may be read before
// steal has succeeded.
func (d *deque) peek() (*Worker, int64) {
	t := d.top.Load()
	if t >= d.bottom.Load() {
		return nil, 0
	}
	return d.ring.Load().at(t).Load(), t
}

// steal takes the task that peek saw at index t; false if it was gone.
func (d *deque) steal(t int64) bool { return d.top.CompareAndSwap(t, t+1) }
