package iouring

import (
	"context"
	"slices"
)

// waiter is a goroutine in Ring.wait. A look that is asked for twice is one.
type waiter struct {
	ready func() bool   // called with Ring.mu held
	ch    chan struct{} // of capacity 1: look again
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

// leave takes a waiter off the list, and appoints another leader should it have
// been the one. r.mu is held.
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

// look tells the waiter to look again; it never blocks.
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
