package alloc

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// arenaSlack is reserved beside what an arena is asked for: the rounding of
// thousands of small pieces to cache lines.
const arenaSlack = 256 << 10

// Arena is the scratch memory of one job: anonymous memory, never on the Go
// heap, that lives until Close. Its methods may be called concurrently. What
// Alloc returns is not cleared.
type Arena struct {
	s      *Store
	limit  int64 // bytes reserved
	charge int64 // bytes that small and big may have resident
	small  *region
	big    []*region
	bump   int64 // of small, handed out
	closed atomic.Bool
}

// NewArena reserves n bytes of scratch. If they do not fit beside what the
// buffers hold it fails with a *BudgetError (ENOMEM).
func (s *Store) NewArena(n int64) (*Arena, error) {
	s.ns.RLock()
	defer s.ns.RUnlock()
	if s.closed.Load() {
		return nil, unix.ESHUTDOWN
	}
	if n < 0 {
		return nil, unix.EINVAL
	}
	if n > s.mem.mem {
		return nil, &BudgetError{Need: n, Free: s.mem.usage().Free, Mem: s.mem.mem}
	}
	a := &Arena{s: s, limit: arenaLimit(n)}
	if err := s.mem.reserve(a.limit); err != nil {
		return nil, err
	}
	return a, nil
}

// arenaLimit is what n bytes can need with rounding: pieces of 2 MiB and more
// lose less than a page each (1/512), the small ones less than a cache line
// each, and their region ends in a part of a huge page.
func arenaLimit(n int64) int64 {
	limit := n + n/512 + arenaSlack
	if n >= hugePage {
		limit += hugePage
	}
	return pages(limit)
}

// Alloc returns n bytes, aligned to 64 bytes, or to 2 MiB if there are as many.
// It panics with a *BudgetError if the arena was reserved for less: the job
// that asked has mistaken its own needs.
func (a *Arena) Alloc(n int) []byte {
	if n == 0 {
		return nil
	}
	if n < 0 || a.closed.Load() {
		panic(fmt.Errorf("arena: Alloc(%d): %w", n, unix.EINVAL))
	}
	b := a.s.mem
	b.mu.Lock()
	defer b.mu.Unlock()
	if n >= hugePage {
		return a.allocBig(b, int64(n))
	}
	return a.allocSmall(b, int64(n))
}

// allocSmall cuts a piece off the small region. b.mu is held.
func (a *Arena) allocSmall(b *budget, n int64) []byte {
	if a.small == nil {
		a.takeSmall(b)
	}
	end := a.bump + (n+63)&^63
	if end > int64(len(a.small.mem)) {
		panic(a.beyond(n))
	}
	if grown := a.small.step(end) - a.small.dirty; grown > 0 {
		if a.charge+grown > a.limit {
			panic(a.beyond(n))
		}
		a.small.dirty += grown
		a.use(b, grown)
	}
	p := a.small.mem[a.bump : a.bump+n : end]
	a.bump = end
	return p
}

// takeSmall gives the arena its region of small pieces: an idle one that is
// large enough, or a new one.
func (a *Arena) takeSmall(b *budget) {
	r := b.takeIdle(func(r *region) bool {
		size := int64(len(r.mem))
		return r.small && size >= a.limit && size <= 4*a.limit && (a.limit >= 2*hugePage || r.step(a.limit) <= a.limit)
	})
	if r == nil {
		r = newRegion(b.sys, a.limit, true)
	}
	if r.dirty > a.limit-a.charge {
		r.trim(b.sys, 0)
	}
	a.small = r
	a.use(b, r.dirty)
}

// allocBig gives a piece a region of its own, so that the next arena finds it
// again by its size. Nothing is taken or mapped before the limit is checked: a
// panic must not leak. b.mu is held.
func (a *Arena) allocBig(b *budget, n int64) []byte {
	size := pages(n)
	a.makeRoom(b, size)
	if a.charge+size > a.limit {
		panic(a.beyond(n))
	}
	r := b.takeIdle(func(r *region) bool { return !r.small && int64(len(r.mem)) == size })
	if r == nil {
		r = newRegion(b.sys, size, false)
	}
	r.dirty = size
	a.big = append(a.big, r)
	a.use(b, size)
	return r.mem[:n:n]
}

// makeRoom gives up small memory that an earlier arena dirtied and this one has
// not handed out, if with n bytes more the limit would be passed.
func (a *Arena) makeRoom(b *budget, n int64) {
	if a.small == nil || a.charge+n <= a.limit {
		return
	}
	before := a.small.dirty
	a.small.trim(b.sys, a.small.step(a.bump))
	a.charge -= before - a.small.dirty
	b.charged -= before - a.small.dirty
}

// use charges the arena n bytes more. Idle memory goes if all would pass what
// is reserved.
func (a *Arena) use(b *budget, n int64) {
	a.charge += n
	b.charged += n
	b.evict(b.reserved)
}

// beyond is what Alloc panics with.
func (a *Arena) beyond(n int64) error {
	return fmt.Errorf("arena: %w", &BudgetError{Need: n, Free: a.limit - a.charge, Mem: a.limit})
}

// Close gives the memory back; nothing that Alloc returned may be touched
// afterwards. A second Close does nothing.
func (a *Arena) Close() {
	if a.closed.Swap(true) {
		return
	}
	b := a.s.mem
	b.mu.Lock()
	b.charged -= a.charge
	if a.small != nil {
		b.putIdle(a.small)
	}
	for _, r := range a.big {
		b.putIdle(r)
	}
	b.mu.Unlock()
	if err := b.unreserve(a.limit); err != nil {
		a.s.cfg.Logf("scratch stays reserved: %v", err)
	}
	a.s.freed()
}
