package iouring

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// Queue is where the operations that were submitted to it end up. Its methods
// may be called concurrently; each operation is handed out once. A queue needs
// no closing.
type Queue struct {
	ring     *Ring
	inFlight int   // guarded by Ring.mu, as is done
	done     []*Op // ended, not yet handed out
}

// NewQueue makes a queue.
func (r *Ring) NewQueue() *Queue { return &Queue{ring: r} }

// Submit begins operations and returns how many it began: all, or with an
// error the first n, which go on. It waits while the window has no room, in
// the order of calls; a chain is begun as a whole, so it may be no longer than
// the window. Operations that nothing links may run and end in any order.
//
// Errors: EINVAL or EOPNOTSUPP for an operation that makes no sense, before
// any is begun; EBUSY for one that is in flight; ErrClosed; ctx's, which does
// not end what has begun.
func (q *Queue) Submit(ctx context.Context, ops ...*Op) (n int, err error) {
	r := q.ring
	if len(ops) == 1 {
		if err := ops[0].validate(); err != nil {
			return 0, err
		}
		return q.submit(ctx, [][]*Op{ops})
	}
	for _, o := range ops {
		if err := o.validate(); err != nil {
			return 0, err
		}
	}
	chains := cut(ops)
	for _, c := range chains {
		if len(c) > len(r.slots) {
			return 0, fmt.Errorf("iouring: a chain of %d operations: the window is %d: %w", len(c), len(r.slots), unix.EINVAL)
		}
	}
	return q.submit(ctx, chains)
}

// submit begins chains as room comes, holding the gate so that calls begin in
// their order. The fast path takes the gate without looking at ctx: a call that
// need not wait is not refused for an expired one.
func (q *Queue) submit(ctx context.Context, chains [][]*Op) (n int, err error) {
	r := q.ring
	select {
	case r.gate <- struct{}{}:
	default:
		select {
		case r.gate <- struct{}{}:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	defer func() { <-r.gate }()
	for len(chains) > 0 && err == nil {
		segments, k, e := q.admit(ctx, chains)
		if err = e; len(segments) > 0 {
			r.b.start(segments)
		}
		chains = chains[len(segments):]
		n += k
	}
	return n, err
}

// admit waits for room for one chain and takes as many as there is room for.
func (q *Queue) admit(ctx context.Context, chains [][]*Op) ([][]*Op, int, error) {
	r := q.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	ready := func() bool { return r.closed || len(r.free) >= len(chains[0]) && !r.register }
	if err := r.wait(ctx, ready); err != nil {
		return nil, 0, err
	}
	if r.closed {
		return nil, 0, ErrClosed
	}
	return r.launch(q, chains)
}

// Next returns an operation that has ended, waiting for one. ErrIdle if
// none is left, ctx's error if it expires before; operations go on then.
func (q *Queue) Next(ctx context.Context) (*Op, error) {
	r := q.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.wait(ctx, func() bool { return len(q.done) > 0 || q.inFlight == 0 }); err != nil {
		return nil, err
	}
	if o := q.take(); o != nil {
		return o, nil
	}
	return nil, ErrIdle
}

// Poll returns an operation that has ended, or nil without waiting.
func (q *Queue) Poll() *Op {
	r := q.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(q.done) == 0 && q.inFlight > 0 && r.b.reaps() && !r.reaping { // a leader would do it
		r.reaping = true
		r.mu.Unlock()
		r.b.poll()
		r.mu.Lock()
		r.reaping = false
		r.appoint()
	}
	return q.take()
}

// take is the oldest of done, or nil. Precondition: Ring.mu is held.
func (q *Queue) take() *Op {
	if len(q.done) == 0 {
		return nil
	}
	o := q.done[0]
	q.done[0] = nil
	if q.done = q.done[1:]; len(q.done) == 0 {
		q.done = nil
	}
	return o
}

// Pending is the number of operations submitted and not yet handed out.
func (q *Queue) Pending() int {
	q.ring.mu.Lock()
	defer q.ring.mu.Unlock()
	return q.inFlight + len(q.done)
}

// Cancel asks that operations of the queue end soon, all of them if none are
// named, and does not wait. Each still ends, and is handed out: in full, if it
// was too late, or with ECANCELED and N bytes. Operations that are not in
// flight in this queue are ignored.
func (q *Queue) Cancel(ops ...*Op) {
	r := q.ring
	named := make(map[*Op]bool, len(ops))
	for _, o := range ops {
		named[o] = true
	}
	r.mu.Lock()
	ids := r.markCancelled(func(o *Op) bool { return o.queue == q && (len(ops) == 0 || named[o]) })
	r.mu.Unlock()
	r.b.cancel(ids)
}

// Do carries out operations and returns when all have ended, with the error of
// the first, in their order, that has one. If ctx expires it cancels them,
// waits for that, and returns ctx's error. The operations are the caller's
// again in any case.
func (r *Ring) Do(ctx context.Context, ops ...*Op) error {
	q := r.NewQueue()
	n, err := q.Submit(ctx, ops...)
	for err == nil {
		_, err = q.Next(ctx)
	}
	if err != ErrIdle {
		q.Cancel()
		for q.Pending() > 0 {
			if _, e := q.Next(context.Background()); e != nil {
				return e
			}
		}
		return err
	}
	for _, o := range ops[:n] {
		if o.Err != nil {
			return o.Err
		}
	}
	return nil
}
