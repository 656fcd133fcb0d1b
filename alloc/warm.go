package alloc

import (
	"slices"
	"sync"
	"time"
)

// warm keeps mappings for a while after their last hold has ended. Commands
// come in bursts over the same buffers, and a mapping made anew costs a page
// fault for each page (on a tmpfs without huge pages 1 ms for 4 MiB) and, when
// it goes, an interrupt to every CPU. A warm mapping does not count as a hold:
// whoever wants to shrink the buffer, or takes its last name, drops it first.
//
// mu is the innermost but for none: nothing is called under it. cooling is held
// by expire, which the timer's goroutine runs, until what it drops is gone; it
// is outside all other locks.
type warm struct {
	cooling sync.Mutex

	mu     sync.Mutex
	list   []warmth // oldest first
	timer  *time.Timer
	shut   bool
	longer time.Duration // than warmTime, for tests that must not be overtaken by it
}

// warmth is a mapping that is kept, with the hold and the reference that it
// keeps.
type warmth struct {
	b     *Buffer
	m     *mapped
	until time.Time
}

// Bounds of what is kept.
const (
	warmMappings = 32
	warmTime     = time.Second
)

// keep takes over the last hold of a mapping and of its buffer. It returns what
// has to go instead.
func (w *warm) keep(b *Buffer, m *mapped) (out []warmth) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := warmth{b, m, time.Now().Add(warmTime + w.longer)}
	if w.shut {
		return []warmth{e}
	}
	w.list = append(w.list, e)
	if over := len(w.list) - warmMappings; over > 0 {
		out = slices.Clone(w.list[:over])
		w.list = w.list[over:]
	}
	if w.timer == nil {
		w.timer = time.AfterFunc(warmTime, w.expire)
	}
	return out
}

// expire drops what has not been used for a while.
func (w *warm) expire() {
	w.cooling.Lock()
	defer w.cooling.Unlock()
	now := time.Now()
	w.mu.Lock()
	var out []warmth
	w.list = slices.DeleteFunc(w.list, func(e warmth) bool {
		if e.until.After(now) {
			return false
		}
		out = append(out, e)
		return true
	})
	if len(w.list) > 0 && !w.shut {
		w.timer = time.AfterFunc(time.Until(w.list[0].until)+time.Millisecond, w.expire)
	} else {
		w.timer = nil
	}
	w.mu.Unlock()
	cool(out)
}

// drop ends what is kept of a buffer. Preconditions: no lock is held.
func (w *warm) drop(b *Buffer) { w.dropIf(func(e warmth) bool { return e.b == b }) }

// dropIf drops those that which picks, outside of the lock. which must not take
// one.
func (w *warm) dropIf(which func(warmth) bool) {
	w.mu.Lock()
	var out []warmth
	w.list = slices.DeleteFunc(w.list, func(e warmth) bool {
		if !which(e) {
			return false
		}
		out = append(out, e)
		return true
	})
	w.mu.Unlock()
	cool(out)
}

// close drops everything, now and from now on. When it returns nothing is on
// its way out any more.
func (w *warm) close() {
	w.mu.Lock()
	w.shut = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.cooling.Lock() // expire may have begun before it was stopped
	defer w.cooling.Unlock()
	w.dropIf(func(warmth) bool { return true })
}

// cool ends the holds that were taken over. Preconditions: no lock is held.
func cool(list []warmth) {
	for _, e := range list {
		e.b.unhold(e.m)
	}
}
