package order

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

const (
	// countBlock is the number of elements that are loaded at once.
	countBlock = 1024
	// maxParts bounds the partial tables of counts.
	maxParts = 64
	// minPart is the least number of elements that a table of its own is for.
	minPart = 1 << 16
)

// partsOf is the number of partial tables of bins places for n elements: a
// function of the shape alone, since sums of weights depend on it. A part has
// eight times as many elements as places, so that adding tables up costs
// little.
func partsOf(n, bins int) int {
	return max(1, min(maxParts, n/max(minPart, 8*bins)))
}

// sums are tables of bins places, one a part, that are added up in the end.
type sums[T int64 | float64] struct{ tables [][]T }

// newSums makes empty tables in scratch memory.
func newSums[T int64 | float64](mem kernels.Memory, bins, parts int) sums[T] {
	s := sums[T]{make([][]T, parts)}
	for i := range s.tables {
		s.tables[i] = scratchSlice[T](mem, bins)
		clear(s.tables[i])
	}
	return s
}

// total adds the tables up, in order, in the first.
func (s sums[T]) total() []T {
	for _, t := range s.tables[1:] {
		for i, v := range t {
			s.tables[0][i] += v
		}
	}
	return s.tables[0]
}

// adder adds elements lo to hi-1 of values, at most countBlock of them, to the
// table of a part. weights has as many elements, or is the zero value.
type adder func(part int, values, weights ndarray.Array, lo, hi int) error

// sweep gives an adder all elements. Those of a part come in their order, from one
// goroutine at a time.
type sweep func(add adder) error

// sweepParts cuts arrays into parts of equal length, in C order.
func sweepParts(w *pool.Worker, parts int, values, weights ndarray.Array) sweep {
	n := values.Len()
	per := (n + parts - 1) / parts
	return func(add adder) error {
		var first firstError
		err := w.For(parts, 1, func(w *pool.Worker, p0, p1 int) {
			for p := p0; p < p1; p++ {
				first.set(sweepPart(w, add, p, values, weights, p*per, min((p+1)*per, n)))
			}
		})
		if err == nil {
			err = first.err
		}
		return err
	}
}

// sweepPart gives an adder elements lo to hi-1 of a part, in blocks, until
// there is an error or the job is cancelled, which is not told here: For tells
// it.
func sweepPart(w *pool.Worker, add adder, part int, values, weights ndarray.Array, lo, hi int) error {
	for ; lo < hi && w.Err() == nil; lo += countBlock {
		if err := add(part, values, weights, lo, min(lo+countBlock, hi)); err != nil {
			return err
		}
	}
	return nil
}

// sweepCall is the sweep over the operands in memory.
func sweepCall(x *kernels.Exec, parts, weights int) sweep {
	if weights < 0 {
		return sweepParts(x.W, parts, x.In[0], ndarray.Array{})
	}
	return sweepParts(x.W, parts, x.In[0], x.In[weights])
}
