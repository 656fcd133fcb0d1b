package order

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// planTopk is the first k of sort or argsort: by a heap where k is small, which
// chooses the same elements in the same order, ties and NaN included.
func planTopk(c *kernels.Call) (*kernels.Plan, error) {
	in := c.In[0].Layout
	switch {
	case in.Rank() == 0:
		return nil, c.In[0].Errorf("a scalar has no axis to choose along")
	case in.DType.IsComplex():
		return nil, c.In[0].Errorf("%s has no largest element", in.DType)
	}
	axis, err := axisOf(c, "axis", in.Rank())
	if err != nil {
		return nil, err
	}
	k, n := c.Int("k"), in.Shape[axis]
	if k < 0 || k > n {
		return nil, c.Opt("k").Errorf("%d of %d elements cannot be chosen", k, n)
	}
	d, shape := in.DType, slices.Clone(in.Shape)
	shape[axis] = k
	if c.Bool("indices") {
		d = ndarray.I64
	}
	t := topk{k: k, largest: c.Bool("largest"), indices: c.Bool("indices")}
	p := planRows(c, axis, d, shape, t.scratch(in.DType, n), false)
	spec := kernels.OutSpec{DType: d, Shape: shape}
	work := heapWork * float64(in.Len())
	if t.sorts(n) {
		work = sortCost(in.DType, n, in.Len())
	}
	return &kernels.Plan{
		Out:  []kernels.OutSpec{spec},
		Cost: kernels.Cost{Bytes: float64(in.Bytes()) + float64(ndarray.NewLayout(d, shape...).Bytes()), Scratch: p.scratch(), Work: work},
		Explain: []kernels.Entry{{Term: "algorithm", Text: map[bool]string{true: "argsort", false: "heap"}[t.sorts(n)]},
			{Term: "dtype", Text: in.DType.String()}},
		Stream: func(mem int64) (*kernels.Streamed, error) { return t.stream(c, axis, spec, mem) },
		Run:    func(x *kernels.Exec) error { return p.run(x, t.row) },
	}, nil
}

// topk chooses the k first elements of a row in its order.
type topk struct {
	k                int
	largest, indices bool
}

// candidate is an element by its key and place.
type candidate struct {
	key   uint64
	index int64
}

// before is the order wanted; equal keys come in the order of the row.
func (a candidate) before(b candidate) bool {
	return a.key < b.key || a.key == b.key && a.index < b.index
}

// sorts tells whether k of n is so much that the whole row is sorted.
func (t topk) sorts(n int) bool { return t.k > 64 && t.k > min(n, radixBlock)/32 }

// scratch is the bytes that row needs for n elements.
func (t topk) scratch(d ndarray.DType, n int) int {
	if t.sorts(n) {
		return indexScratch(d, n) + scratch.Size[uint64](n)
	}
	return 2*scratch.Size[uint64](t.candidates(n)) + 2*scratch.Size[uint64](t.k)
}

// candidates is the number of heap places for a row: k a block.
func (t topk) candidates(n int) int { return t.k * max(1, (n+radixBlock-1)/radixBlock) }

// row chooses from one row: by sorting all of it, or by a heap for each block
// of it and one for what the blocks have kept.
func (t topk) row(w *pool.Worker, out, in ndarray.Array, lane []byte) error {
	n := in.Len()
	if t.k == 0 {
		return nil
	}
	if t.sorts(n) {
		index := scratch.Carve[int64](&lane, n)
		if err := argsortRow(w, index, in, lane, t.largest); err != nil {
			return err
		}
		t.write(out, in, index[:t.k])
		return nil
	}
	m := t.candidates(n)
	keys, index := scratch.Carve[uint64](&lane, m), scratch.Carve[int64](&lane, m)
	err := blocks(w, n, func(lo, hi int) {
		for ; lo < hi; lo += radixBlock {
			b := lo / radixBlock * t.k
			h := heap{keys: keys[b : b+t.k], index: index[b : b+t.k]}
			h.scan(in.Range(0, lo, min(lo+radixBlock, n)), int64(lo), t.largest)
			for ; h.n < t.k; h.n++ { // the block is shorter than k
				h.index[h.n] = -1
			}
		}
	})
	if err != nil {
		return err
	}
	t.write(out, in, t.merge(&lane, keys, index))
	return nil
}

// merge gives the indices of the k first of the blocks' candidates, in order.
func (t topk) merge(lane *[]byte, keys []uint64, index []int64) []int64 {
	h := heap{keys: scratch.Carve[uint64](lane, t.k), index: scratch.Carve[int64](lane, t.k)}
	for i, j := range index {
		if j >= 0 {
			h.offer(candidate{keys[i], j})
		}
	}
	for h.n > 1 { // the last of those left goes to the end
		h.n--
		top, end := h.at(0), h.at(h.n)
		h.replace(end)
		h.set(h.n, top)
	}
	return h.index
}

// write puts what was chosen to out: the indices, or the elements there.
func (t topk) write(out, in ndarray.Array, index []int64) {
	if t.indices {
		copy(ndarray.Slice[int64](out), index)
		return
	}
	size := int64(in.DType.Size())
	src, dst := in.Data[in.Offset:], out.Data[out.Offset:]
	for i, j := range index {
		copy(dst[int64(i)*size:][:size], src[j*size:][:size])
	}
}

// heap holds the first elements seen so far, the last of them on top.
type heap struct {
	keys  []uint64
	index []int64
	n     int
}

// at is the candidate at place i of the heap.
func (h *heap) at(i int) candidate { return candidate{h.keys[i], h.index[i]} }

// set puts c at place i.
func (h *heap) set(i int, c candidate) { h.keys[i], h.index[i] = c.key, c.index }

// scan offers the elements of a, which begin at number first of the row.
func (h *heap) scan(a ndarray.Array, first int64, largest bool) {
	var buf [512]uint64
	for lo := 0; lo < a.Len(); lo += len(buf) {
		part := buf[:min(len(buf), a.Len()-lo)]
		keys64(part, a.Range(0, lo, lo+len(part)), largest)
		for i, k := range part {
			// What comes later does not displace its equals.
			if h.n < len(h.keys) || k < h.keys[0] {
				h.offer(candidate{k, first + int64(lo+i)})
			}
		}
	}
}

// offer takes c if it is among the first.
func (h *heap) offer(c candidate) {
	switch {
	case h.n < len(h.keys):
		h.push(c)
	case c.before(h.at(0)):
		h.replace(c)
	}
}

// push adds c; there must be room.
func (h *heap) push(c candidate) {
	i := h.n
	h.n++
	for i > 0 && h.at((i-1)/2).before(c) {
		h.set(i, h.at((i-1)/2))
		i = (i - 1) / 2
	}
	h.set(i, c)
}

// replace puts c in the place of the top.
func (h *heap) replace(c candidate) {
	i := 0
	for child := 1; child < h.n; child = 2*i + 1 {
		if child+1 < h.n && h.at(child).before(h.at(child+1)) {
			child++
		}
		if !c.before(h.at(child)) {
			break
		}
		h.set(i, h.at(child))
		i = child
	}
	h.set(i, c)
}
