package order

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// planArgsort is numpy.argsort with kind='stable'. The output is always i64, so
// that it can index any buffer that fits a machine.
func planArgsort(c *kernels.Call) (*kernels.Plan, error) {
	in := c.In[0].Layout
	if in.Rank() == 0 {
		return nil, c.In[0].Errorf("a scalar has no axis to sort along")
	}
	axis, err := axisOf(c, "axis", in.Rank())
	if err != nil {
		return nil, err
	}
	descending := c.Bool("descending")
	fn := func(w *pool.Worker, out, in ndarray.Array, lane []byte) error {
		return argsortRow(w, ndarray.Slice[int64](out), in, lane, descending)
	}
	p := planRows(c, axis, ndarray.I64, in.Shape, indexScratch(in.DType, in.Shape[axis]), false)
	s := &sorting{c: c, out: kernels.OutSpec{DType: ndarray.I64, Shape: in.Shape}, axis: axis, perLane: p.perLane, index: true, descending: descending, fn: fn}
	return &kernels.Plan{
		Out:     []kernels.OutSpec{s.out},
		Stream:  s.stream,
		Cost:    kernels.Cost{Bytes: float64(in.Bytes()) + 8*float64(in.Len()), Scratch: p.scratch(), Work: sortCost(in.DType, in.Shape[axis], in.Len())},
		Explain: p.explain(in.DType),
		Run:     func(x *kernels.Exec) error { return p.run(x, fn) },
	}, nil
}

// packs tells whether key and index of a row share one 64-bit word.
func packs(d ndarray.DType, n int) bool { return d.Size() <= 4 && uint64(n) <= 1<<32 }

// indexScratch is the bytes that argsortRow needs for n elements of type d.
func indexScratch(d ndarray.DType, n int) int {
	words := 2 // packed words and their twin
	if !packs(d, n) {
		words = 3 // keys and their twin, indices' twin
	}
	if d.IsComplex() {
		words = 4 // the upper keys as well
	}
	return words*scratch.Size[uint64](n) + countScratch(n)
}

// argsortRow writes to index the stable order of in: index[0] is where the
// first element stands. Real types of up to 32 bits carry the index in the
// lower half of the key's word; wider ones carry it as payload; complex ones
// are sorted by the lower key, then by the upper one.
func argsortRow(w *pool.Worker, index []int64, in ndarray.Array, lane []byte, descending bool) error {
	n := in.Len()
	keys := scratch.Carve[uint64](&lane, n)
	twin := scratch.Carve[uint64](&lane, n)
	counts := carveCounts(&lane, n)
	if packs(in.DType, n) {
		return argsortPacked(w, index, in, keys, twin, counts, descending)
	}
	indexTwin := scratch.Carve[int64](&lane, n)
	var upper []uint64
	if in.DType.IsComplex() {
		upper = scratch.Carve[uint64](&lane, n)
	}
	err := blocks(w, n, func(lo, hi int) {
		part := in.Range(0, lo, hi)
		if upper != nil {
			complexKeys(upper[lo:hi], keys[lo:hi], part, descending)
		} else {
			keys64(keys[lo:hi], part, descending)
		}
		for i := lo; i < hi; i++ {
			index[i] = int64(i)
		}
	})
	if err != nil {
		return err
	}
	if err := radix(w, 0, keys, index, twin, indexTwin, counts); err != nil || upper == nil {
		return err
	}
	err = blocks(w, n, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			keys[i] = upper[index[i]]
		}
	})
	if err != nil {
		return err
	}
	return radix(w, 0, keys, index, twin, indexTwin, counts)
}

// argsortPacked sorts words of key·2^32 + index by their upper halves. The
// lower halves ascend to begin with, so a stable sort keeps equal keys in their
// order; one array is moved instead of two.
func argsortPacked(w *pool.Worker, index []int64, in ndarray.Array, words, twin []uint64, counts [][256]int, descending bool) error {
	n := len(index)
	err := blocks(w, n, func(lo, hi int) {
		keys64(words[lo:hi], in.Range(0, lo, hi), descending)
		for i := lo; i < hi; i++ {
			words[i] = words[i]<<32 | uint64(i)
		}
	})
	if err != nil {
		return err
	}
	none := make([]struct{}, n)
	if err := radix(w, 32, words, none, twin, none, counts); err != nil {
		return err
	}
	return blocks(w, n, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			index[i] = int64(uint32(words[i]))
		}
	})
}
