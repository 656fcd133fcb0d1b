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

type waiter struct {
	ready func() bool   // called with Ring.mu held
	ch    chan struct{} // of capacity 1: look again
}

// Open makes a ring. Close it.
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

// Window is the number of operations in flight at most.
func (r *Ring) Window() int { return r.opt.Window }

// InFlight is the number of operations in flight, of all queues.
func (r *Ring) InFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inFlight()
}

func (r *Ring) inFlight() int { return len(r.slots) - len(r.free) }

// RegisterBuffers tells the kernel of memory that operations will use again
// and again, and replaces what it was told before; nil just forgets.
// Transfers whose buffer lies in one of them then need no look-up of pages.
// Each is 1 byte to 1 GiB, and there are 1024 at most. They are locked in
// memory, which RLIMIT_MEMLOCK bounds: ENOMEM then, and the ring works as
// before without them. EBUSY while operations are in flight.
func (r *Ring) RegisterBuffers(bufs [][]byte) error {
	for i, b := range bufs {
		if len(b) == 0 || len(b) > maxTransfer {
			return fmt.Errorf("iouring: registered buffer %d has %d bytes: it may have 1 to 1 GiB: %w", i, len(b), unix.EINVAL)
		}
	}
	return r.registering("buffers", len(bufs), func() error { return r.b.registerBuffers(bufs) })
}

// RegisterFiles tells the kernel of files that operations with FixedFile name
// by their index, and replaces what it was told before; nil just forgets. The
// descriptors may then be closed: the ring holds on to the files. 1024 at
// most. EBUSY while operations are in flight.
func (r *Ring) RegisterFiles(fds []int) error {
	return r.registering("files", len(fds), func() error {
		own, err := dupAll(fds)
		if err == nil {
			if err = r.b.registerFiles(own); err != nil {
				err = errors.Join(err, closeAll(own))
				own = nil
			}
		}
		err = errors.Join(err, closeAll(r.files))
		r.files = own
		return err
	})
}

// registering does f while nothing is in flight and nothing is submitted.
func (r *Ring) registering(what string, n int, f func() error) error {
	if n > 1024 {
		return fmt.Errorf("iouring: %d registered %s: 1024 at most: %w", n, what, unix.EINVAL)
	}
	r.mu.Lock()
	switch {
	case r.closed:
		r.mu.Unlock()
		return ErrClosed
	case r.inFlight() > 0 || r.register:
		r.mu.Unlock()
		return fmt.Errorf("iouring: %s cannot be registered while operations are in flight: %w", what, unix.EBUSY)
	}
	r.register = true
	r.mu.Unlock()
	err := f()
	r.mu.Lock()
	r.register = false
	r.signal()
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("iouring: registering %d %s: %w", n, what, err)
	}
	return nil
}

// dupAll duplicates descriptors, for the life of a registration.
func dupAll(fds []int) ([]int, error) {
	var own []int
	for i, fd := range fds {
		d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("file %d, descriptor %d: %w", i, fd, err), closeAll(own))
		}
		own = append(own, d)
	}
	return own, nil
}

func closeAll(fds []int) (err error) {
	for _, fd := range fds {
		err = errors.Join(err, unix.Close(fd))
	}
	return err
}

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

const (
	slotBits = 13
	slotMask = 1<<slotBits - 1
)

// deliver takes results from the backend.
func (r *Ring) deliver(list []completion) {
	var again [][]*Op
	r.mu.Lock()
	for _, c := range list {
		o := r.slots[c.id&slotMask]
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

// wait blocks until ready holds, which is true at once if it does, whatever
// ctx says. r.mu is held by the caller, and again on return.
func (r *Ring) wait(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	w := &waiter{ready: ready, ch: make(chan struct{}, 1)}
	r.waiters = append(r.waiters, w)
	defer r.leave(w)
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, r.interrupt)()
	}
	for !ready() {
		if err := ctx.Err(); err != nil {
			return err
		}
		lead := r.b.reaps() && !r.reaping && r.inFlight() > 0
		r.reaping = r.reaping || lead
		r.mu.Unlock()
		if lead {
			r.b.reap()
		} else {
			select {
			case <-w.ch:
			case <-ctx.Done():
			}
		}
		r.mu.Lock()
		if lead {
			r.reaping = false
		}
	}
	return nil
}

// leave takes a waiter off the list. r.mu is held.
func (r *Ring) leave(w *waiter) {
	r.waiters = slices.DeleteFunc(r.waiters, func(x *waiter) bool { return x == w })
	r.appoint()
}

// appoint makes a waiter the leader if there is none. r.mu is held.
func (r *Ring) appoint() {
	if !r.reaping && len(r.waiters) > 0 {
		r.waiters[0].look()
	}
}

// signal wakes those who wait for what has come. r.mu is held.
func (r *Ring) signal() {
	for _, w := range r.waiters {
		if w.ready() {
			w.look()
		}
	}
}

func (w *waiter) look() {
	select {
	case w.ch <- struct{}{}:
	default:
	}
}

// interrupt makes the leader look at its context again.
func (r *Ring) interrupt() {
	r.mu.Lock()
	reaping := r.reaping
	r.mu.Unlock()
	if reaping {
		r.b.wake()
	}
}
