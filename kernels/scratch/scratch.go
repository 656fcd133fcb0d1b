// Package scratch divides the working memory of a run among its workers.
//
// # Model
//
// A plan says in Cost.Scratch how much memory it takes, and the run takes it
// from [kernels.Memory]. What every worker needs for itself is a lane: a piece
// of one size, which a piece of work borrows and gives back. A plan counts
// [Workers] lanes, and a lane is taken from memory only when it is asked for.
// [Carve] cuts a lane, or any other piece of bytes, into slices.
//
// # Synchronization
//
// Lanes may be used by any number of goroutines; its mutex is held for no
// other call than Memory.Alloc.
package scratch

import (
	"runtime"
	"sync"

	"vgpu/kernels"
)

// align is what pieces of memory begin at a multiple of: a cache line.
const align = 64

// Round is n rounded up to what keeps the piece of memory behind it aligned.
func Round(n int) int { return (n + align - 1) &^ (align - 1) }

// Workers is how many workers a run of the call may have at once: what its
// caller has said, else as many as there are CPUs. Of few pieces of work it is
// their number; of none, none.
func Workers(c *kernels.Call, pieces int) int {
	n := c.Threads
	if n < 1 {
		n = max(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	}
	return min(n, max(pieces, 0))
}

// Pieces is the number of pieces that pool.Worker.For makes of [0, n).
func Pieces(n, grain int) int {
	grain = max(grain, 1)
	return (max(n, 0) + grain - 1) / grain
}

// Lanes lends pieces of memory of one size.
type Lanes struct {
	mem           kernels.Memory
	size, planned int

	mu   sync.Mutex // guards what follows
	made int
	free [][]byte
}

// NewLanes lends pieces of size bytes. The first planned ones come from mem.
// Should more be asked for at once, which happens only if nobody told the plan
// the number of threads and it exceeds that of CPUs, the rest come from the Go
// heap.
func NewLanes(mem kernels.Memory, size, planned int) *Lanes {
	return &Lanes{mem: mem, size: size, planned: planned}
}

// Get lends a piece with undefined contents, aligned to 64.
func (l *Lanes) Get() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := len(l.free) - 1; k >= 0 {
		s := l.free[k]
		l.free = l.free[:k]
		return s
	}
	if l.made++; l.made > l.planned {
		return heap(l.size)
	}
	return l.mem.Alloc(l.size)
}

// Put takes back what Get lent.
func (l *Lanes) Put(s []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, s)
}
