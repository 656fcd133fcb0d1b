package alloc

import "time"

// Scratch that is kept ready for the next arena.
//
// Pages that are new have to be zeroed, and in a virtual machine that gives free memory
// back its host has to find them first, at half a gigabyte a second: a job on nearly all
// of the memory lost a tenth of its time so. What has ended is kept whole therefore, for
// a while. It counts as free, and whoever needs it gets it, but for those who make files
// longer without asking us: where there are any, only keep bytes stay, and none if
// memory is short.

const (
	// lullTime is how long what is kept beyond keep waits for the next arena.
	lullTime = time.Minute
	// leastOpen is the part of the memory that stays open to files, as names can take pages too.
	leastOpen = 32
)

// ready is how much may stay reserved that no arena needs. b.mu is held.
func (b *budget) ready() int64 {
	switch {
	case b.writers == 0 && b.mem-b.lastUsed-b.reserved >= b.mem/leastOpen:
		return b.mem
	case b.short(b.active):
		return 0
	}
	return b.keep
}

// rest has what is kept beyond keep go, unless an arena ends meanwhile. b.mu is held.
func (b *budget) rest() {
	switch {
	case b.reserved-b.active <= b.keep:
	case b.lull == nil:
		b.lull = time.AfterFunc(lullTime, b.cool)
	default:
		b.lull.Reset(lullTime)
	}
}

// cool gives back what is kept beyond keep. What the kernel will not take is given back
// when it is needed.
func (b *budget) cool() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed && b.reserved-b.active > b.keep {
		_ = b.shrink(b.active + b.keep)
	}
}

// Writers counts those, change more or fewer, who may make buffers in memory longer without our seeing it.
// What is kept ready for arenas goes before the first of them begins.
func (s *Store) Writers(change int) {
	b := s.mem
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writers += change
	if b.closed || b.writers == 0 {
		return
	}
	b.sample()
	if n := b.ready(); b.reserved-b.active > n {
		if err := b.shrink(b.active + n); err != nil {
			s.cfg.Logf("scratch stays reserved: %v", err)
		}
	}
}
