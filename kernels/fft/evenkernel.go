package fft

import (
	"math"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// stripBlocks is how many blocks of columns evenTransform makes at a time: rows of
// a few cache lines.
const stripBlocks = 4

// evenTransform transforms m = n1·n2 numbers, of which element m-j is element j, with
// the sweeps of t, whose blocks are all whole, in the memory of the result alone: the
// spectrum is even too, and only its columns k1 <= n1/2 are made, which the second sweep
// writes where it finds what the first left. Elements are what part says, which sets dst
// to those from lo on.
func evenTransform[T simd.Float](w *pool.Worker, t *twoStep[T], part func(dst []T, lo int)) (columnSpectrum[T], error) {
	h, lanes := *t, t.k.W
	spec := halfSpectrum[T](t.n1, t.n2, lanes)
	spec.table = newTable[T](2 * t.n2 * spec.kept)
	h.v1, h.v2 = 1, 1 // strips are made block by block; the tables are in the order of vectors
	h.blocks, h.step, h.between, h.pitchOut = spec.kept/lanes, 2*lanes, 2*lanes*t.n2, 2*lanes
	c := &crew[T]{w: w, space: &space[T]{need: need{task: 2*t.tile + 2*t.n1*stripBlocks*lanes}, alloc: newTable[T], threads: math.MaxInt}}
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
			h.rowBlock(spec.table[lo*h.between:], spec.table, lo, 0, forward[T](), tiles)
		}
	})
}

// strip is the first sweep over blocks lo to hi-1 of columns. It reads what part says.
func (t *twoStep[T]) strip(s []T, lo, hi int, part func(dst []T, lo int), scratch []T) {
	w, tiles, x := t.k.W, scratch[:2*t.tile], scratch[2*t.tile:]
	here := *t
	here.pitchIn = 2 * (hi - lo) * w
	for j := range t.n1 {
		part(x[j*here.pitchIn:(j+1)*here.pitchIn], j*t.n2+lo*w)
	}
	for i := lo; i < hi; i++ {
		here.columnsAt(s, x[2*(i-lo)*w:], i, i*w, forward[T](), tiles)
	}
}
