package fft

import (
	"runtime"
	"sync"

	"vgpu/kernels"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// need is the scratch of a computation in reals: alone for lines that run one
// after the other, task for each task on the pool.
type need struct{ alone, task int }

// or is what covers both, one after the other.
func (a need) or(b need) need { return need{max(a.alone, b.alone), max(a.task, b.task)} }

// serial is the scratch of the same on one thread, in one slice.
func (a need) serial() int { return max(a.alone, a.task) }

// total is the scratch on that many threads.
func (a need) total(threads int) int { return a.alone + threads*a.task }

// planThreads is the number of workers that a plan makes room for.
func planThreads(c *kernels.Call) int {
	if c != nil && c.Threads > 0 {
		return c.Threads
	}
	return max(runtime.NumCPU(), runtime.GOMAXPROCS(0))
}

// space is scratch memory: a slice for what runs alone, and one for each task
// that runs at a time.
type space[T simd.Float] struct {
	need    need
	threads int             // tasks for which alloc has room
	alloc   func(n int) []T // n reals with undefined contents, aligned to 64 bytes
	line    []T             // what runs alone
	mu      sync.Mutex      // guards what follows
	made    int
	free    [][]T
}

// spaceOf is scratch from a run's memory.
func spaceOf[T simd.Float](x *kernels.Exec, n need, threads int) *space[T] {
	return &space[T]{need: n, threads: threads, alloc: func(n int) []T { return reals[T](borrow[T](x, []int{n}, false)) }}
}

// spaceIn is scratch cut from a slice of roomFor reals.
func spaceIn[T simd.Float](buf []T, n need) *space[T] {
	at := 0
	return &space[T]{need: n, threads: planThreads(nil), alloc: func(n int) []T {
		at += roundUp(n, lineReals64)
		return buf[at-roundUp(n, lineReals64):][:n]
	}}
}

// lineReals64 is the reals that keep any type on cache lines.
const lineReals64 = 16

// roomFor is the reals that spaceIn cuts up.
func roomFor(n need) int {
	return roundUp(n.alone, lineReals64) + planThreads(nil)*roundUp(n.task, lineReals64)
}

// alone is the slice for what runs alone. Only one goroutine may use it.
func (s *space[T]) alone(n int) []T {
	if s.line == nil && s.need.alone > 0 {
		s.line = s.alloc(s.need.alone)
	}
	return s.line[:n]
}

// take lends a task n reals with undefined contents; give takes them back.
func (s *space[T]) take(n int) []T {
	if n == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := len(s.free) - 1; k >= 0 {
		buf := s.free[k]
		s.free = s.free[:k]
		return buf[:n]
	}
	if s.made++; s.made > s.threads { // a pool of more threads than the machine has
		return make([]T, s.need.task)[:n]
	}
	return s.alloc(s.need.task)[:n]
}

func (s *space[T]) give(buf []T) {
	if buf == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, buf)
}

// crew is who computes: a worker of a pool, or nobody but the calling
// goroutine, and the scratch memory of the tasks.
type crew[T simd.Float] struct {
	w *pool.Worker // nil: the calling goroutine
	*space[T]
	piece int // Params.Piece
}

// grain is how many things of that many reals make a task.
func (c *crew[T]) grain(reals int) int {
	piece := c.piece
	if piece == 0 {
		piece = pieceReals
	}
	return max(1, piece/reals)
}

// single is a crew of the calling goroutine, with need.serial reals.
func single[T simd.Float](buf []T) *crew[T] {
	n := need{len(buf), len(buf)}
	return &crew[T]{space: &space[T]{need: n, threads: 1, line: buf, made: 1, free: [][]T{buf}}}
}

// fork is the crew for work on n elements: the calling goroutine if they are
// not worth spreading.
func (c *crew[T]) fork(n int) *crew[T] {
	if c == nil || c.w == nil || n >= parallelFrom {
		return c
	}
	return &crew[T]{space: c.space, piece: c.piece}
}

// tasks runs body over [0, n) in pieces, each with need reals of scratch.
func (c *crew[T]) tasks(n, grain, need int, body func(lo, hi int, scratch []T)) error {
	if c.w == nil {
		s := c.take(need)
		defer c.give(s)
		body(0, n, s)
		return nil
	}
	return c.w.For(n, grain, func(_ *pool.Worker, lo, hi int) {
		s := c.take(need)
		defer c.give(s)
		body(lo, hi, s)
	})
}

// over runs body over [0, n), pieces of elements that need no scratch, on the
// crew if there is one and n is worth it.
func (c *crew[T]) over(n int, body func(lo, hi int)) error {
	if c == nil || n < parallelFrom {
		body(0, n)
		return nil
	}
	return parallel(c.w, n, c.grain(2), body)
}
