package fft

import (
	"math"
	"sync"
	"sync/atomic"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// method is how the transform of a length is decomposed. It depends on the
// length, precision and instruction set alone: the bits must not depend on
// anything that is measured.
type method string

const (
	methodCopy      method = "copy"      // n = 1
	methodDirect    method = "direct"    // definition, small n with a prime factor above 13
	methodTile      method = "tile"      // one column of a tile
	methodTwoStep   method = "two-step"  // n1·n2
	methodRader     method = "rader"     // prime n, smooth n-1
	methodBluestein method = "bluestein" // anything else
)

// line transforms one contiguous line of n complex numbers. It is immutable
// and safe for concurrent use.
type line[T simd.Float] struct {
	n       int
	method  method
	scratch int
	col     *col[T]
	two     *twoStep[T]
	rad     *rader[T]
	blue    *bluestein[T]
	dir     *direct[T]
}

// raderPasses is the largest number of passes that the convolution of Rader's
// method may take: more (n-1 = 2·3^9) would exceed the error bound. raderBelow is
// where its orders, which take the points as at random, cost more than the longer
// convolution of Bluestein's does: 786433 points in f32 take 29 ms by the one and 19
// by the other. Bluestein's has no random orders to make outside memory either.
const (
	raderPasses = 7
	raderBelow  = memoryFrom
)

// methodFor decides how a line of n >= 1 points is decomposed.
func methodFor(n int, m machine) method { return m.decompose(n).method }

// decomposition is what is decided of a length.
type decomposition struct {
	method method
	n1, n2 int // of the two-step method
}

// decompositions remembers what was decided, as planning asks again and again.
// Beyond maxDecompositions it begins anew.
var decompositions struct {
	of    sync.Map // decompositionKey -> decomposition
	count atomic.Int64
}

const maxDecompositions = 1 << 14

type decompositionKey struct {
	m machine
	n int
}

// decompose is a function of its arguments.
func (m machine) decompose(n int) decomposition {
	key := decompositionKey{m, n}
	if d, ok := decompositions.of.Load(key); ok {
		return d.(decomposition)
	}
	d := m.decide(n)
	if decompositions.count.Add(1) > maxDecompositions {
		decompositions.of.Clear()
		decompositions.count.Store(0)
	}
	decompositions.of.Store(key, d)
	return d
}

func (m machine) decide(n int) decomposition {
	switch {
	case n == 1:
		return decomposition{method: methodCopy}
	case smooth(n):
		if n1, n2, ok := m.bestSplit(n); ok {
			return decomposition{methodTwoStep, n1, n2}
		}
		return decomposition{method: methodTile}
	case n <= directMax:
		return decomposition{method: methodDirect}
	case n < raderBelow && smooth(n-1) && len(radices(n-1, m.maxPow2)) <= raderPasses && isPrime(n):
		return decomposition{method: methodRader}
	}
	return decomposition{method: methodBluestein}
}

// newLine plans length n >= 1.
func newLine[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n int) (*line[T], error) {
	m := machineOf(k)
	l := &line[T]{n: n, method: methodFor(n, m), scratch: m.scratch(n)}
	var err error
	switch l.method {
	case methodTwoStep:
		n1, n2, _ := split(n, m)
		l.two, err = newTwoStep(w, k, n1, n2)
	case methodTile:
		l.col = plannedCol(k, n)
	case methodDirect:
		l.dir = newDirect[T](n)
	case methodRader:
		l.rad, err = newRader(w, k, n)
	case methodBluestein:
		l.blue, err = newBluestein(w, k, n)
	}
	return l, err
}

// scratchLen is the number of reals that run needs.
func (l *line[T]) scratchLen() int { return l.scratch }

// run transforms src to dst (which may be the same), n complex numbers each,
// with scratch of scratchLen reals. If c is not nil and the line is long the
// work is spread over it; the bits are the same.
func (l *line[T]) run(c *crew[T], k *simd.FFTKernels[T], dst, src []T, dir *direction[T], scratch []T) error {
	if l.n < lineFrom || c != nil && c.w == nil {
		c = nil
	}
	if l.two != nil {
		n := l.two.s
		return l.two.run(c, dst, src, dir, scratch[:n], scratch[n:])
	}
	switch l.method {
	case methodTile:
		l.tile(k, dst, src, dir, scratch)
	case methodRader:
		return l.rad.run(c, k, dst, src, dir, scratch)
	case methodBluestein:
		return l.blue.run(c, k, dst, src, dir, scratch)
	case methodDirect:
		l.dir.run(dst, src, dir, scratch)
	default:
		dst[0], dst[1] = src[0], src[1]
		if dir.out == simd.Swapped {
			scaleReals(dst[:2], dir.scale[0])
		}
	}
	return nil
}

// runAlone is run for a table of a plan, with scratch of its own.
func (l *line[T]) runAlone(w *pool.Worker, k *simd.FFTKernels[T], dst, src []T, dir *direction[T]) error {
	tasks := &space[T]{need: machineOf(k).lineNeed(l.n), alloc: newTable[T], threads: math.MaxInt}
	return l.run(&crew[T]{w: w, space: tasks}, k, dst, src, dir, newTable[T](l.scratchLen()))
}

// tile transforms the line as lane 0 of a tile.
func (l *line[T]) tile(k *simd.FFTKernels[T], dst, src []T, dir *direction[T], scratch []T) {
	row := 2 * k.W
	a, b, in := scratch[:l.n*row], scratch[l.n*row:2*l.n*row], scratch[2*l.n*row:3*l.n*row]
	clear(in)
	re, im := 0, 1
	if dir.in == simd.Swapped {
		re, im = 1, 0
	}
	for i := range l.n {
		in[i*row], in[i*row+k.W] = src[2*i+re], src[2*i+im]
	}
	out := l.col.other(a, b)
	l.col.exec(&rows[T]{buf: out, pitch: row, layout: dir.out}, &rows[T]{buf: in, pitch: row}, 1, dir.scale, a, b)
	for i := range l.n {
		copy(dst[2*i:2*i+2], out[i*row:])
	}
}
