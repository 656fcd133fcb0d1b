package alloc

import (
	"maps"
	"sync"
)

// rot is the chunks of a spill file that were found wrong. It outlives the file's
// being open: who meets one of them again, since a job streams what could not be
// brought in, or is tried once more, has found nothing new.
type rot struct {
	mu    sync.Mutex
	found map[int64]bool // by number; nil: none
}

// note takes note of a chunk, and tells whether it is a new one.
func (r *rot) note(i int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found[i] {
		return false
	}
	if r.found == nil {
		r.found = map[int64]bool{}
	}
	r.found[i] = true
	return true
}

// forget says that [lo, hi) changes: what is wrong there then is new.
func (r *rot) forget(lo, hi int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.found, func(i int64, _ bool) bool { return i*chunkSize < hi && lo < (i+1)*chunkSize })
}

// verify checks bytes that were read from off on, where a chunk begins.
func (h *home) verify(rel string, p []byte, off, size int64, epoch uint64) error {
	bad, n := h.sums.verify(p, off, size, epoch)
	h.t.traffic.verified.Add(uint64(n))
	if bad < 0 {
		return nil
	}
	return h.damaged(rel, bad, min(chunkSize, size-bad))
}

// damaged is the error of a chunk that is not what was spilled, or does not
// decompress. It is counted once.
func (h *home) damaged(rel string, off, n int64) error {
	if h.rot.note(off / chunkSize) {
		h.t.traffic.bad.Add(1)
	}
	return &ChecksumError{Path: rel, File: h.entry().rel, Off: off, Len: n}
}
