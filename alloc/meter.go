package alloc

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// unknown stands for the size of a file that could not be asked: the last one
// known stays.
const unknown = -1

// meter counts what the buffers use, and keeps them within a bound. Its methods
// may be called by any number of goroutines, and take no lock of the store's. A
// claim must be settled, whatever became of it.
type meter interface {
	used() (int64, error)
	bound(n int64) error            // sets the bound; ENOSPC or EINVAL, and nothing changed, if more is in use
	claim(k key, n int64) error     // ENOSPC if n more bytes for file k would pass the bound; else they count until settled
	settle(k key, claim, now int64) // file k holds now bytes, and the claim made for it ends
	forget(k key)                   // file k is gone
}

// kernelMeter is a tmpfs of our own: its size is the bound, and holds for all
// who write to it, mappings and passthrough included.
type kernelMeter struct {
	t     *tier
	spare int64 // that buffers leave to marks and directories, where they can spill; set once, at the start

	claimed atomic.Int64 // by buffers, if there is a spare
}

// used is what the tmpfs says, directories and marks included.
func (m *kernelMeter) used() (int64, error) {
	st, err := m.t.statfs(m.t.dir, m.t.path)
	return int64(st.Blocks-st.Bfree) * st.Bsize, err
}

// bound remounts the tmpfs with another size.
func (m *kernelMeter) bound(n int64) error { return m.t.remount(n) }

// claim leaves the bound to the kernel, but for the spare.
func (m *kernelMeter) claim(k key, n int64) error {
	if m.spare == 0 || n == 0 || k == marksKey {
		return nil
	}
	claimed := m.claimed.Add(n)
	st, err := m.t.statfs(m.t.dir, m.t.path)
	if err == nil && int64(st.Bfree)*st.Bsize-claimed < m.spare {
		err = unix.ENOSPC
	}
	if err != nil {
		m.claimed.Add(-n)
	}
	return err
}

// settle ends a claim; what the file holds the kernel knows.
func (m *kernelMeter) settle(k key, claim, _ int64) {
	if m.spare > 0 && k != marksKey {
		m.claimed.Add(-claim)
	}
}

// forget has nothing to do.
func (*kernelMeter) forget(key) {}

// countMeter counts the blocks of each file: for a folder on a tmpfs that
// others use too. All growth goes through the store then, since there is no
// passthrough without the privilege to mount.
type countMeter struct {
	mu      sync.Mutex
	blocks  map[key]int64
	sum     int64 // of blocks
	claimed int64
	limit   int64
	spare   int64 // as kernelMeter's
}

// used is the sum of what was settled; claims do not count yet.
func (m *countMeter) used() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum, nil
}

// bound counts claims as used, since they may become so.
func (m *countMeter) bound(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sum+m.claimed > n {
		return unix.ENOSPC
	}
	m.limit = n
	return nil
}

// claim leaves the spare to marks. A claim of nothing, or of less than nothing,
// may use it too.
func (m *countMeter) claim(k key, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := m.limit
	if n > 0 && k != marksKey {
		limit -= m.spare
	}
	if m.sum+m.claimed+n > limit {
		return unix.ENOSPC
	}
	m.claimed += n
	return nil
}

// settle replaces what is known of the file.
func (m *countMeter) settle(k key, claim, now int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claimed -= claim
	if now == unknown {
		return
	}
	m.sum += now - m.blocks[k]
	m.blocks[k] = now
}

// recount sets what a file holds by what blocks says, if it knows, under the
// lock: what others settle at the same time is newer.
func (m *countMeter) recount(k key, blocks func() (n int64, known bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now, known := blocks(); known {
		m.sum += now - m.blocks[k]
		m.blocks[k] = now
	}
}

// forget gives back what the file held.
func (m *countMeter) forget(k key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum -= m.blocks[k]
	delete(m.blocks, k)
}

// noMeter is a plain directory's: its files are not memory.
type noMeter struct{}

func (noMeter) used() (int64, error)     { return 0, nil }
func (noMeter) bound(int64) error        { return nil }
func (noMeter) claim(key, int64) error   { return nil }
func (noMeter) settle(key, int64, int64) {}
func (noMeter) forget(key)               {}
