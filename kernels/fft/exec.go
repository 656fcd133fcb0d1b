package fft

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// direction says which way a transform goes. The inverse is the forward
// transform between swapped ends, times scale[0]. It is passed by pointer: a
// copy of fields just written stalls behind the vector stores before them,
// which costs short lines a quarter of their time.
type direction[T simd.Float] struct {
	in, out simd.FFTLayout
	scale   []T
	stream  bool // the results of a batch are too large for the caches
}

func forward[T simd.Float]() *direction[T] {
	if isSingle[T]() {
		return any(&forward32).(*direction[T])
	}
	return any(&forward64).(*direction[T])
}

var (
	forward32 = direction[float32]{in: simd.Interleaved, out: simd.Interleaved}
	forward64 = direction[float64]{in: simd.Interleaved, out: simd.Interleaved}

	unscaled32 = direction[float32]{in: simd.Swapped, out: simd.Swapped, scale: []float32{1}}
	unscaled64 = direction[float64]{in: simd.Swapped, out: simd.Swapped, scale: []float64{1}}
)

func inverse[T simd.Float](scale T) *direction[T] {
	if scale == 1 && isSingle[T]() {
		return any(&unscaled32).(*direction[T])
	} else if scale == 1 {
		return any(&unscaled64).(*direction[T])
	}
	return &direction[T]{in: simd.Swapped, out: simd.Swapped, scale: []T{scale}}
}

// pieceReals is about how many reals one task of a parallel sweep handles: a
// fraction of a millisecond of work.
const pieceReals = 1 << 15

// parallelFrom is the number of elements from which work on several lines is
// spread over threads, lineFrom that from which a single line is; below them a
// fork costs more than it saves.
const (
	parallelFrom = 1 << 15
	lineFrom     = 1 << 17
)

// parallel runs body over [0, n) in pieces on w's pool, or at once if w is nil.
func parallel(w *pool.Worker, n, grain int, body func(lo, hi int)) error {
	if w == nil {
		body(0, n)
		return nil
	}
	return w.For(n, grain, func(_ *pool.Worker, lo, hi int) { body(lo, hi) })
}

// tableGrain is how many elements of a table one task makes: a fraction of a
// millisecond of work.
const tableGrain = 1 << 13

// tabulate runs body over [0, n), elements of a table of a plan, on w's pool if
// they are many: fresh memory alone takes longer than the arithmetic. An error is
// that of a cancelled job, and the table is not whole.
func tabulate(w *pool.Worker, n int, body func(lo, hi int)) error {
	if n < parallelFrom {
		w = nil
	}
	return parallel(w, n, tableGrain, body)
}

func roundUp(n, m int) int { return (n + m - 1) / m * m }

// scaleReals multiplies x by s.
func scaleReals[T simd.Float](x []T, s T) {
	if s == 1 {
		return
	}
	for i := range x {
		x[i] *= s
	}
}

// realSize is the size of T in bytes.
func realSize[T simd.Float]() int {
	if isSingle[T]() {
		return 4
	}
	return 8
}
