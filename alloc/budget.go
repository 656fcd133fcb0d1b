package alloc

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pageSize = 4096
	hugePage = 2 << 20
	minMem   = 1 << 20
)

// pages rounds n up to whole pages.
func pages(n int64) int64 { return (n + pageSize - 1) &^ (pageSize - 1) }

// BudgetError says that a reservation does not fit now. It is an ENOMEM.
type BudgetError struct {
	Need int64 // bytes asked for
	Free int64 // bytes that were free
	Mem  int64 // the limit
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("%d bytes of memory are needed, %d of %d are free", e.Need, e.Free, e.Mem)
}

// Unwrap makes the error ENOMEM.
func (e *BudgetError) Unwrap() error { return unix.ENOMEM }

// budget divides Mem between buffers and scratch. What is reserved for scratch
// is taken off the bound of the buffers, so that neither can overrun the other.
// A reservation whose arena has ended is kept for the next, with its memory: a job
// costs no mount call and no page faults then (see ready.go). It is given back as
// soon as a buffer needs the space.
//
// Invariants: used by buffers <= mem - reserved; active <= reserved; charged +
// cached <= reserved.
type budget struct {
	sys
	meter meter
	mem   int64
	keep  int64

	pooled func() int64 // what a pool of files has, which is as good as free
	drain  func() bool  // gives that back

	mu       sync.Mutex
	closed   bool      // the tier is not ours any more
	reserved int64     // taken off the buffers' bound
	active   int64     // of that, promised to live arenas, and staging
	spare    int64     // that neither buffers nor scratch take: marks and directories always find room
	staging  int64     // of that, what transfers to and from the spill tiers use for as long as the store is open
	charged  int64     // memory that the live arenas' regions may have resident
	cached   int64     // the same of the idle regions
	idle     []*region // least recently used first
	lastUsed int64     // by the buffers, as last read
	peak     int64

	writers int         // who may make files longer without our seeing it
	lull    *time.Timer // until what is kept beyond keep goes
}

// newBudget makes a budget with nothing reserved. An eighth of the memory, 256
// MiB at most, is kept for the next arenas for as long as nobody needs it.
func newBudget(x sys, mem int64, m meter) *budget {
	return &budget{sys: x, meter: m, mem: mem, pooled: func() int64 { return 0 }, drain: func() bool { return false }, keep: min(mem/8, 256<<20) &^ (pageSize - 1)}
}

// start sets the buffers' bound to all of the memory.
func (b *budget) start() error {
	err := b.meter.bound(b.mem)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSPC) {
		used, _ := b.meter.used()
		return fmt.Errorf("the buffers that are there hold %d bytes, the memory is to be %d: %w", used, b.mem, unix.ENOSPC)
	}
	return err
}

// reserve promises n bytes to an arena.
func (b *budget) reserve(n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if want := b.active + n; want > b.reserved {
		if err := b.raise(want); err != nil {
			return err
		}
	}
	b.active += n
	b.sample()
	return nil
}

// reserveStaging takes n bytes for good.
func (b *budget) reserveStaging(n int64) error {
	if err := b.reserve(n); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.staging = n
	return nil
}

// setSpare has buffers and scratch leave n bytes to others.
func (b *budget) setSpare(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = n
	switch m := b.meter.(type) {
	case *kernelMeter:
		m.spare = n
	case *countMeter:
		m.spare = n
	}
}

// raise reserves want bytes, or somewhat more so that the next is served from it.
func (b *budget) raise(want int64) error {
	if want > b.mem-pageSize { // the buffers' bound is a page at least
		return b.tooMuch(want)
	}
	more := b.keep / 4
	if b.sample(); b.short(want) {
		more = 0
	}
	if b.spare > 0 && want > b.mem-b.lastUsed-b.spare {
		return b.tooMuch(want)
	}
	err := b.setReserved(min(want+more, b.mem-pageSize))
	if isFull(err) && more > 0 {
		err = b.setReserved(want)
	}
	if isFull(err) && b.drain() {
		err = b.setReserved(want)
	}
	if isFull(err) {
		return b.tooMuch(want)
	}
	return err
}

// isFull recognises that a bound was refused: the remount of a tmpfs says
// EINVAL, the count ENOSPC.
func isFull(err error) bool { return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSPC) }

// tooMuch is the refusal of a reservation, with the figures as they are now.
// b.mu is held.
func (b *budget) tooMuch(want int64) error {
	b.sample()
	return &BudgetError{Need: want - b.active, Free: max(b.mem-b.lastUsed-b.active-b.spare, 0), Mem: b.mem}
}

// setReserved moves the border between buffers and scratch. The kernel, or the
// count, checks it against what is in use in the same step: there is no moment
// at which both sides could take the same page. b.mu is held.
func (b *budget) setReserved(n int64) error {
	n = pages(n)
	if err := b.meter.bound(b.mem - n); err != nil {
		return err
	}
	b.reserved = n
	return nil
}

// unreserve ends the promise of n bytes to an arena.
func (b *budget) unreserve(n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active -= n
	if b.closed {
		b.evict(-1)
		return nil
	}
	b.sample()
	if n := b.ready(); b.reserved-b.active > n {
		return b.shrink(b.active + n)
	}
	b.rest()
	return nil
}

// short reports whether with n bytes reserved so little is left that idle
// scratch is not to sit on it: what clients write through descriptors of their
// own would run into it, and cannot ask for it back.
func (b *budget) short(n int64) bool { return b.mem-b.lastUsed-n < 2*b.keep }

// shrink gives reserved memory back down to n bytes, idle regions first.
func (b *budget) shrink(n int64) error {
	b.evict(n)
	return b.setReserved(n)
}

// relieve gives back all that no arena needs, and reports whether that was anything.
func (b *budget) relieve() bool { return b.drain() || b.unlend() }

// unlend gives back the scratch that no arena needs, and reports whether that
// was anything.
func (b *budget) unlend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.reserved <= pages(b.active) {
		return false
	}
	return b.shrink(b.active) == nil
}

// sample reads what the buffers use. If that fails the last figure stands.
func (b *budget) sample() {
	if b.closed {
		return
	}
	if used, err := b.meter.used(); err == nil {
		b.lastUsed = used - b.pooled()
	}
	b.peak = max(b.peak, b.lastUsed+b.active)
}

// note updates the peak.
func (b *budget) note() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sample()
}

// usage gives the figures of Usage but the number of buffers.
func (b *budget) usage() Usage {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sample()
	return Usage{Mem: b.mem, Used: b.lastUsed, Scratch: b.active - b.staging, Staging: b.staging, Cached: b.reserved - b.active,
		Spare: b.spare, Free: max(b.mem-b.lastUsed-b.active-b.spare, 0), Peak: b.peak}
}

// shut frees the idle memory, and leaves the tier alone from now on.
func (b *budget) shut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.lull != nil {
		b.lull.Stop()
	}
	b.evict(-1)
}

// spend runs a call that may take n more bytes for file k. If there is no room,
// idle scratch is given up and it runs again: it must carry on where it
// stopped. blocks tells what the file holds afterwards.
func (b *budget) spend(k key, n int64, call func() error, blocks func() (int64, error)) error {
	for {
		err := b.meter.claim(k, n)
		if err == nil {
			err = call()
			now, serr := blocks()
			if serr != nil {
				now, err = unknown, errors.Join(err, serr)
			}
			b.meter.settle(k, n, now)
		}
		if !errors.Is(err, unix.ENOSPC) || !b.relieve() {
			return err
		}
	}
}
