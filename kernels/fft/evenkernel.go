package fft

import (
	"math"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// stripBlocks is how many blocks of columns evenTransform makes at a time: rows of
// a few cache lines.
const stripBlocks = 4

// evenTransform transforms m = n1·n2 numbers, of which element m-j is element j,
// with the sweeps of t, in the memory of the result alone: the spectrum is even
// too, and only its columns k1 <= n1/2 are made. The first sweep leaves its rows
// where the second finds those of the result, which it writes over them. Elements
// are what part says, which sets dst to those from lo on.
func evenTransform[T simd.Float](w *pool.Worker, t *twoStep[T], part func(dst []T, lo int)) (evenTable[T], error) {
	h, lanes := *t, t.k.W
	spec := evenShape[T](t.n1, t.n2, lanes)
	spec.table = newTable[T](2 * t.n2 * spec.kept)
	h.v1, h.v2 = 1, 1 // strips are made block by block; the tables are in the order of vectors
	h.blocks, h.step, h.between, h.pitchOut = spec.kept/lanes, 2*spec.kept, 2*lanes, 2*spec.kept
	most := (stripBlocks + 1) * lanes // of columns of a strip, the last block overlaps
	c := &crew[T]{w: w, space: &space[T]{need: need{task: 2*t.tile + 2*t.n1*most}, alloc: newTable[T], threads: math.MaxInt}}
	whole := t.n2 / lanes
	err := c.tasks((whole+stripBlocks-1)/stripBlocks, 1, c.need.task, func(lo, hi int, scratch []T) {
		for ; lo < hi; lo++ {
			h.strip(spec.table, lo*stripBlocks, min((lo+1)*stripBlocks, whole), part, scratch)
		}
	})
	if err != nil {
		return spec, err
	}
	return spec, c.tasks(h.blocks, 1, 2*t.tile, func(lo, hi int, tiles []T) {
		for ; lo < hi; lo++ {
			h.rowBlock(spec.table, spec.table, lo, lo*lanes, forward[T](), tiles)
		}
	})
}

// evenShape is the table of such a spectrum, without its numbers: n1/2+1 columns in
// blocks of so many lanes.
func evenShape[T simd.Float](n1, n2, lanes int) evenTable[T] {
	return evenTable[T]{n: n1 * n2, width: n1, kept: (n1/2 + lanes) / lanes * lanes}
}

// strip is the first sweep over blocks lo to hi-1 of columns, and over that which
// overlaps the last whole one. It reads what part says.
func (t *twoStep[T]) strip(s []T, lo, hi int, part func(dst []T, lo int), scratch []T) {
	w, end := t.k.W, hi*t.k.W
	if hi == t.n2/w {
		end = t.n2
	}
	first, tiles, x := lo*w, scratch[:2*t.tile], scratch[2*t.tile:]
	here := *t
	here.pitchIn = 2 * (end - first)
	for j := range t.n1 {
		part(x[j*here.pitchIn:(j+1)*here.pitchIn], j*t.n2+first)
	}
	for i := lo; i < hi; i++ {
		here.columnsAt(s, x[2*(i-lo)*w:], i, i*w, forward[T](), tiles)
	}
	if end > hi*w {
		here.columnsAt(s, x[2*(end-w-first):], hi, end-w, forward[T](), tiles)
	}
}
