package alloc

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// region is a mapping of anonymous memory, aligned to 2 MiB. A big one is one
// piece of an arena; a small one holds all the pieces under 2 MiB of an arena.
// Only what dirty covers can be resident.
type region struct {
	raw   []byte // as mapped
	mem   []byte // the aligned part
	small bool
	dirty int64 // from the start of mem
}

// newRegion maps size bytes, or panics as the runtime does when the system has
// no memory: the budget said there is.
func newRegion(x sys, size int64, small bool) *region {
	r := &region{small: small}
	err := x.do("mmap", "scratch", func() (err error) {
		r.raw, err = unix.Mmap(-1, 0, int(size+hugePage), unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		return err
	})
	if err != nil {
		panic(err)
	}
	r.mem = alignTo(r.raw, hugePage)[:size:size]
	// Huge pages only where whole ones fit: a part of one at the end would be
	// resident beyond what is charged.
	whole := size &^ (hugePage - 1)
	r.advise(x, r.mem[:whole], unix.MADV_HUGEPAGE)
	r.advise(x, r.mem[whole:], unix.MADV_NOHUGEPAGE)
	return r
}

// advise ignores EINVAL: a kernel without huge pages.
func (r *region) advise(x sys, p []byte, advice int) {
	if len(p) == 0 {
		return
	}
	err := x.do("madvise", "scratch", func() error { return unix.Madvise(p, advice) })
	if err != nil && !errors.Is(err, unix.EINVAL) {
		panic(err)
	}
}

// step is how much can be resident once the first n bytes have been touched.
func (r *region) step(n int64) int64 {
	if whole := int64(len(r.mem)) &^ (hugePage - 1); n <= whole {
		return (n + hugePage - 1) &^ (hugePage - 1)
	}
	return pages(n)
}

// trim gives the memory beyond the first n bytes back to the system.
func (r *region) trim(x sys, n int64) {
	if r.dirty > n {
		r.advise(x, r.mem[n:r.dirty], unix.MADV_DONTNEED)
		r.dirty = n
	}
}

// unmap gives the region back for good.
func (r *region) unmap(x sys) {
	if err := x.do("munmap", "scratch", func() error { return unix.Munmap(r.raw) }); err != nil {
		panic(err) // the kernel refuses only what is not a mapping
	}
}

// takeIdle takes the most recently used idle region that fits. b.mu is held.
func (b *budget) takeIdle(fits func(*region) bool) *region {
	for i, r := range slices.Backward(b.idle) {
		if fits(r) {
			b.idle = slices.Delete(b.idle, i, i+1)
			b.cached -= r.dirty
			return r
		}
	}
	return nil
}

// putIdle keeps a region, with its memory, for the next arena. b.mu is held.
func (b *budget) putIdle(r *region) {
	b.idle = append(b.idle, r)
	b.cached += r.dirty
}

// evict unmaps idle regions, the least recently used first, until the rest fits
// in n bytes beside the live ones. b.mu is held.
func (b *budget) evict(n int64) {
	for len(b.idle) > 0 && b.charged+b.cached > n || len(b.idle) > maxIdle {
		r := b.idle[0]
		b.idle = slices.Delete(b.idle, 0, 1)
		b.cached -= r.dirty
		r.unmap(b.sys)
	}
}

// maxIdle bounds the number of idle mappings.
const maxIdle = 64
