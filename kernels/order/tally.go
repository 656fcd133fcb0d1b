package order

import (
	"vgpu/kernels"
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
// function of the shape alone, since sums of weights depend on it.
func partsOf(n, bins int) int {
	return max(1, min(maxParts, n/max(minPart, 8*bins)))
}

// scratchBins makes the partial tables.
type scratchBins struct {
	x           *kernels.Exec
	bins, parts int
}

// tally runs add over [0, n) in blocks, each part of the range into a table
// of its own, and adds the tables up in order.
func tally[T int64 | float64](s scratchBins, n int, add func(table []T, lo, hi int) error) ([]T, error) {
	tables := make([][]T, s.parts)
	for i := range tables {
		tables[i] = scratchSlice[T](s.x, s.bins)
		clear(tables[i])
	}
	var first firstError
	per := (n + s.parts - 1) / s.parts
	err := s.x.W.For(s.parts, 1, func(w *pool.Worker, p0, p1 int) {
		for p := p0; p < p1; p++ {
			for lo := p * per; lo < min((p+1)*per, n) && w.Err() == nil; lo += countBlock {
				first.set(add(tables[p], lo, min(lo+countBlock, (p+1)*per, n)))
			}
		}
	})
	if err == nil {
		err = first.err
	}
	for _, t := range tables[1:] {
		for i, v := range t {
			tables[0][i] += v
		}
	}
	return tables[0], err
}
