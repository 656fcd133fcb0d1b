package order

import (
	"cmp"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// planSort is numpy.sort with kind='stable', and a descending order, which
// numpy lacks: equal elements and NaN stay where the ascending one has them.
func planSort(c *kernels.Call) (*kernels.Plan, error) {
	in := c.In[0].Layout
	if in.Rank() == 0 {
		return nil, c.In[0].Errorf("a scalar has no axis to sort along")
	}
	axis, err := axisOf(c, "axis", in.Rank())
	if err != nil {
		return nil, err
	}
	n, descending := in.Shape[axis], c.Bool("descending")
	perLane, fn := sortScratch(in.DType, n), func(w *pool.Worker, out, in ndarray.Array, lane []byte) error {
		return sortRow(w, out, in, lane, descending)
	}
	block := n < columnLimit(in)
	if block {
		columns := newColumnSort(in.DType, n, descending)
		perLane, fn = columns.scratch(), columns.run
	}
	p := planRows(c, axis, in.DType, in.Shape, perLane, block)
	s := &sorting{c: c, out: kernels.OutSpec{DType: in.DType, Shape: in.Shape}, axis: axis, perLane: p.perLane, block: block, descending: descending, fn: fn}
	return &kernels.Plan{
		Out:     []kernels.OutSpec{s.out},
		Stream:  s.stream,
		Cost:    kernels.Cost{Bytes: 2 * float64(in.Bytes()), Scratch: p.scratch(), Work: sortCost(in.DType, n, in.Len())},
		Explain: p.explain(in.DType),
		Run:     func(x *kernels.Exec) error { return p.run(x, fn) },
	}, nil
}

// sortScratch is the bytes that sortRow needs for n elements of type d.
func sortScratch(d ndarray.DType, n int) int {
	if d.IsComplex() {
		return indexScratch(d, n) + scratch.Size[int64](n)
	}
	return scratch.Round(n*d.Size()) + countScratch(n)
}

// sortRow writes in to out in order, stably.
func sortRow(w *pool.Worker, out, in ndarray.Array, lane []byte, descending bool) error {
	if in.DType.IsComplex() {
		return sortComplex(w, out, in, lane, descending)
	}
	switch in.DType.Size() {
	case 1:
		return sortReal[uint8](w, out, in, lane, descending)
	case 2:
		return sortReal[uint16](w, out, in, lane, descending)
	case 4:
		return sortReal[uint32](w, out, in, lane, descending)
	}
	return sortReal[uint64](w, out, in, lane, descending)
}

// sortReal sorts patterns by their keys in place of the output. Two things
// that keys cannot give back are put right afterwards, so that the sort is
// stable to the bit: NaNs, which share a key, and zeros of both signs, which
// are equal but have keys of their own.
func sortReal[K interface {
	word
	ndarray.Element
}](w *pool.Worker, out, in ndarray.Array, lane []byte, descending bool) error {
	c := newCoder[K](in.DType, descending, false)
	src, dst := ndarray.Slice[K](in), ndarray.Slice[K](out)
	seen, err := c.encodeRow(w, dst, src)
	if err != nil {
		return err
	}
	tmp := scratch.Carve[K](&lane, len(src))
	none := make([]struct{}, len(src))
	if err := radix(w, 0, dst, none, tmp, none, carveCounts(&lane, len(src))); err != nil {
		return err
	}
	err = blocks(w, len(dst), func(lo, hi int) { c.decode(dst[lo:hi], dst[lo:hi]) })
	if err != nil || seen&hasNaN == 0 && seen&(hasNegZero|hasPosZero) != hasNegZero|hasPosZero {
		return err
	}
	return c.mend(w, dst, src)
}

// mend puts right what keys cannot give back of src in the sorted dst: NaNs, and
// zeros of both signs, take the order that they had.
func (c coder[K]) mend(w *pool.Worker, dst, src []K) error {
	less, more := min(c.key(c.sign), c.key(0)), max(c.key(c.sign), c.key(0)) // of the zeros
	if zeros, ok := c.find(dst, less); ok {
		if _, ok := c.find(dst, more); ok {
			if err := restore(w, dst[zeros:], src, func(v K) bool { return v&^c.sign == 0 }); err != nil {
				return err
			}
		}
	}
	if numbers, ok := c.find(dst, c.nan()); ok {
		return restore(w, dst[numbers:], src, c.isNaN)
	}
	return nil
}

// find is the place of the first pattern with a key among sorted ones, if it is there.
func (c coder[K]) find(sorted []K, key K) (at int, ok bool) {
	return slices.BinarySearchFunc(sorted, key, func(v, key K) int { return cmp.Compare(c.key(v), key) })
}

// restore writes the elements of src that are wanted to dst, in order, as many
// as there are; dst has room for them. It is one worker's: what a filter writes
// depends on all before it.
func restore[K word](w *pool.Worker, dst, src []K, wanted func(K) bool) error {
	k := 0
	for lo := 0; lo < len(src); lo += radixBlock {
		if err := w.Err(); err != nil {
			return err
		}
		for _, v := range src[lo:min(lo+radixBlock, len(src))] {
			if wanted(v) {
				dst[k] = v
				k++
			}
		}
	}
	return nil
}

// sortComplex finds the order of indices first, then gathers.
func sortComplex(w *pool.Worker, out, in ndarray.Array, lane []byte, descending bool) error {
	index := scratch.Carve[int64](&lane, in.Len())
	if err := argsortRow(w, index, in, lane, descending); err != nil {
		return err
	}
	if in.DType == ndarray.C64 {
		return gather[complex64](w, out, in, index)
	}
	return gather[complex128](w, out, in, index)
}

// gather writes the elements of in that index names, in its order.
func gather[T ndarray.Element](w *pool.Worker, out, in ndarray.Array, index []int64) error {
	dst, src := ndarray.Slice[T](out), ndarray.Slice[T](in)
	return blocks(w, len(index), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dst[i] = src[index[i]]
		}
	})
}

// explain says how rows are sorted.
func (p rowPlan) explain(d ndarray.DType) []kernels.Entry {
	algorithm, split := "radix-lsd-8", "rows"
	switch {
	case p.block:
		algorithm = "network-columns"
	case p.n < smallSort:
		algorithm = "network-merge"
	case p.n >= parallelSort:
		split = "within-row"
	}
	return []kernels.Entry{{Term: "algorithm", Text: algorithm}, {Term: "parallel", Text: split}, {Term: "dtype", Text: d.String()}}
}
