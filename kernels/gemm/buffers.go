package gemm

import (
	"sync"

	"vgpu/kernels/simd"
)

// packedA names what a scratch block of A holds.
type packedA struct {
	p      *product
	i0, i1 int
	k0     int
}

// scratch is what a task needs for itself.
type scratch struct {
	a      []byte // a block of A; nil if A is read as it lies
	b      []byte // a block of B
	init   []byte // what its columns begin with, of i8
	stage  []byte
	tile   simd.Tile
	packed packedA
}

// buffers are the packing buffers of a product, a scratch for every worker.
// Tasks take the scratch that was given back last, which often holds the block
// of A they need.
type buffers struct {
	slab []byte // a scratch copy of C

	mu   sync.Mutex // guards free
	some sync.Cond  // free is not empty
	free []*scratch
}

// take hands out a scratch. There is one for every worker that the plan
// counted on; others wait until one of them is through with a task.
func (b *buffers) take() *scratch {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.free) == 0 {
		b.some.Wait()
	}
	s := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return s
}

func (b *buffers) give(s *scratch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, s)
	b.some.Signal()
}
