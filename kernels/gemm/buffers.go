package gemm

import (
	"slices"
	"sync"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// packedA names what rows of a scratch block of A hold.
type packedA struct {
	p      *product
	i0, i1 int
	k0     int
}

// packedB names what a scratch block of B holds: there is one division of the
// columns for a block of k.
type packedB struct {
	p      *product
	j0, k0 int
}

// scratch is what a task needs for itself.
type scratch struct {
	a      []byte // a block of A, or a band
	b      []byte // a block of B
	init   []byte // what its columns begin with, of i8
	stage  []byte
	tile   simd.Tile
	packed []packedA // by the row in MR that they begin with

	packedB packedB
	user    int // the worker that took it last
}

// buffers are the packing buffers of a product, a scratch for every worker.
// Tasks take the scratch that their worker had before, which often holds the
// block that they need, and which its caches do.
type buffers struct {
	slab   []byte // a scratch copy of C
	panels int    // of A that each holds

	mu   sync.Mutex // guards free
	some sync.Cond  // free is not empty
	free []*scratch
}

// band tells whether more rows of A find room than a task has: those of a band.
func (b *buffers) band(p *product) bool { return b.panels*p.kernel.MR > p.params.MC }

// take hands out a scratch to a worker, or to the calling goroutine if w is
// nil. There is one for every worker that the plan counted on, which are all of
// the job unless it was planned for fewer than run it. What is too many waits
// until another is through with its task, and for nothing else: who has a scratch
// forks nothing and takes no second one, so somebody always gets on. It is nil if
// the job was cancelled meanwhile.
func (b *buffers) take(w *pool.Worker) *scratch {
	user := 0
	if w != nil {
		user = w.ID()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.free) == 0 {
		b.some.Wait()
		if w != nil && w.Err() != nil {
			b.some.Signal() // what woke this one is another's to take
			return nil
		}
	}
	last := len(b.free) - 1
	at := max(slices.IndexFunc(b.free, func(s *scratch) bool { return s.user == user }), 0)
	s := b.free[at]
	b.free[at], b.free = b.free[last], b.free[:last]
	s.user = user
	return s
}

// give takes a scratch back and wakes one who waits. What is packed in it
// stays, for the same worker's next task.
func (b *buffers) give(s *scratch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, s)
	b.some.Signal()
}
