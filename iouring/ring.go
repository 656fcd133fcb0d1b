package iouring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Backend is how a ring does its work.
type Backend string

// The backends.
const (
	Auto    Backend = ""        // io_uring where it works, else threads
	Uring   Backend = "uring"   // io_uring(7), or Open fails
	Threads Backend = "threads" // preadv2(2) and pwritev2(2) on threads
)

// Limits of Options.Window.
const (
	DefaultWindow = 64
	MaxWindow     = 4096
)

// Options are a ring's.
type Options struct {
	Backend Backend
	// Window is the number of operations in flight at most, from 1 to
	// MaxWindow; 0 is DefaultWindow. Submit waits for room.
	Window int
	// Workers is the number of threads at most of that backend; 0 is Window,
	// 64 at most.
	Workers int
	// Faulty, if set, spoils operations, for tests.
	Faulty Faulty

	cqEntries uint32  // if set, a completion queue smaller than the window, for tests
	sys       *kernel // if set, instead of the kernel, for tests
}

// Ring has operations in flight. Its methods may be called concurrently.
//
// An operation has a slot from Submit to its end; an attempt's id is a serial
// number with the slot in its low bits, so that a result finds its operation
// without a map, and one of an attempt that is over would be told.
type Ring struct {
	opt    Options
	b      backend
	kind   Backend
	reason string        // why not io_uring
	gate   chan struct{} // held by the submitter that waits for room, so that nobody overtakes it
	files  []int         // registered; changed only while nothing is in flight

	mu       sync.Mutex
	slots    []*Op    // in flight
	free     []uint16 // slots
	serial   uint64   // of attempts
	waiters  []*waiter
	reaping  bool // a leader is in backend.reap
	register bool // a registration is under way
	closed   bool
}

// Open makes a ring. Close it. With Auto it falls back to threads whatever is
// wrong with io_uring, and Backend tells why; EINVAL for options out of range.
func Open(opt Options) (*Ring, error) {
	if opt.Window == 0 {
		opt.Window = DefaultWindow
	}
	if opt.Window < 1 || opt.Window > MaxWindow {
		return nil, fmt.Errorf("iouring: a window of %d operations: it is 1 to %d: %w", opt.Window, MaxWindow, unix.EINVAL)
	}
	if opt.Workers <= 0 {
		opt.Workers = min(opt.Window, 64)
	}
	if opt.sys == nil {
		opt.sys = &realKernel
	}
	r := &Ring{opt: opt, gate: make(chan struct{}, 1), slots: make([]*Op, opt.Window)}
	for i := range opt.Window {
		r.free = append(r.free, uint16(i))
	}
	if err := r.choose(); err != nil {
		return nil, err
	}
	return r, nil
}

// choose makes the backend.
func (r *Ring) choose() error {
	deliver := r.deliver
	var f *faulty
	if r.opt.Faulty != nil {
		f = &faulty{inject: r.opt.Faulty, out: r.deliver}
		deliver = f.filter
	}
	switch r.opt.Backend {
	case Auto, Uring:
		u, err := newUring(&r.opt, deliver, r.interrupt)
		if err == nil {
			r.b, r.kind = u, Uring
			break
		}
		if r.opt.Backend == Uring {
			return fmt.Errorf("iouring: %w", err)
		}
		r.reason = err.Error()
		fallthrough
	case Threads:
		r.b, r.kind = newThreads(&r.opt, deliver), Threads
	default:
		return fmt.Errorf("iouring: backend %q: it is uring or threads: %w", r.opt.Backend, unix.EINVAL)
	}
	if f != nil {
		f.backend = r.b
		r.b = f
	}
	return nil
}

// Backend is Uring or Threads, and with threads chosen by Open the reason why
// not io_uring.
func (r *Ring) Backend() (kind Backend, reason string) { return r.kind, r.reason }

// inFlight is the number of operations in flight, of all queues. r.mu is held.
func (r *Ring) inFlight() int { return len(r.slots) - len(r.free) }

// Close cancels what is in flight, waits for it to end, and frees the ring.
// Queues still hand out what has ended. It waits as long as an operation that
// cannot be cancelled takes (with threads: one that has begun).
func (r *Ring) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.closed = true
	ids := r.markCancelled(func(*Op) bool { return true })
	r.signal()
	r.mu.Unlock()
	r.b.cancel(ids)
	r.interrupt()
	r.mu.Lock()
	err := r.wait(context.Background(), func() bool { return r.inFlight() == 0 && !r.reaping && !r.register })
	r.mu.Unlock()
	err = errors.Join(err, r.b.close(), closeAll(r.files))
	if err != nil {
		return fmt.Errorf("iouring: close: %w", err)
	}
	return nil
}

// markCancelled marks operations and returns their attempts. r.mu is held.
func (r *Ring) markCancelled(which func(*Op) bool) (ids []uint64) {
	for _, o := range r.slots {
		if o != nil && which(o) {
			o.cancelled.Store(true)
			ids = append(ids, o.id)
		}
	}
	return ids
}

// launch gives chains of the queue their slots, as many as there is room for,
// and returns their first segments and the number of operations. r.mu is
// held, and there is room for one chain.
func (r *Ring) launch(q *Queue, chains [][]*Op) (segments [][]*Op, n int, err error) {
	for _, ops := range chains {
		if len(ops) > len(r.free) {
			break
		}
		for i, o := range ops {
			if o.queue != nil || slices.Contains(ops[:i], o) {
				return segments, n, fmt.Errorf("iouring: a %v is submitted that is in flight already: %w", o.Code, unix.EBUSY)
			}
		}
		segments = append(segments, r.enlist(q, ops))
		n += len(ops)
	}
	return segments, n, nil
}

// enlist makes a chain of operations and takes their slots.
func (r *Ring) enlist(q *Queue, ops []*Op) []*Op {
	c := &ops[0].alone
	if len(ops) == 1 {
		ops[0].aloneOps[0] = ops[0]
		*c = chain{ops: ops[0].aloneOps[:]}
	} else {
		c = &chain{ops: slices.Clone(ops)}
	}
	for _, o := range ops {
		slot := r.free[len(r.free)-1]
		r.free = r.free[:len(r.free)-1]
		r.slots[slot] = o
		o.queue, o.chain, o.N, o.Err, o.tries, o.got = q, c, 0, nil, 0, false
		o.cancelled.Store(false)
		o.id = uint64(slot)
	}
	q.inFlight += len(ops)
	return r.segment(c)
}

// segment prepares the next part of a chain, with new ids.
func (r *Ring) segment(c *chain) []*Op {
	seg := c.segment()
	for _, o := range seg {
		r.serial++
		o.id = r.serial<<slotBits | o.id&slotMask
	}
	return seg
}

// An id has room for twice MaxWindow slots.
const (
	slotBits = 13
	slotMask = 1<<slotBits - 1
)

// deliver takes results from the backend, in any order and on any goroutine,
// and begins again what is not done. It panics on a result that belongs to
// nothing in flight: memory is being written that nobody answers for.
func (r *Ring) deliver(list []completion) {
	var again [][]*Op
	r.mu.Lock()
	for _, c := range list {
		o := r.slots[c.id&slotMask]
		if o == nil || o.id != c.id {
			panic(fmt.Sprintf("iouring: a result of an attempt %#x that is not in flight", c.id))
		}
		o.res, o.got = c.res, true
		o.chain.out--
		if ch := o.chain; ch.settle(r.end) {
			again = append(again, r.segment(ch))
		}
	}
	r.signal()
	r.mu.Unlock()
	if again != nil {
		r.b.start(again)
	}
}

// end hands an operation back to its queue. r.mu is held.
func (r *Ring) end(o *Op, err error) {
	slot := o.id & slotMask
	r.slots[slot] = nil
	r.free = append(r.free, uint16(slot))
	q := o.queue
	o.Err, o.queue, o.chain = err, nil, nil
	q.inFlight--
	q.done = append(q.done, o)
}
