package order

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/vec/move"
)

const (
	// searchBlock is the number of values that are looked up at once.
	searchBlock = 1024
	// searchGrain is the number of such blocks in a piece of work.
	searchGrain = 8
)

// planSearchsorted is numpy.searchsorted: values are compared in the type that
// both promote to, NaN being the greatest. That the array is sorted is not
// checked.
func planSearchsorted(c *kernels.Call) (*kernels.Plan, error) {
	sorted, values := c.In[0].Layout, c.In[1].Layout
	if sorted.Rank() != 1 {
		return nil, c.In[0].Errorf("the sorted array has %d axes, not one", sorted.Rank())
	}
	s := search{d: ndarray.Promote(sorted.DType, values.DType), right: c.Str("side") == "right", words: 1}
	if s.d.IsComplex() {
		s.words = 2
	}
	blocks := move.NewBlocks(values.Shape, searchBlock)
	s.block = min(max(blocks.Size(), min(searchBlock, sorted.Len())), searchBlock)
	s.lanes = scratch.Workers(c, max(scratch.Pieces(sorted.Len(), pieceElements), scratch.Pieces(blocks.Count(), searchGrain)))
	spec := kernels.OutSpec{DType: ndarray.I64, Shape: values.Shape}
	return &kernels.Plan{
		Out: []kernels.OutSpec{spec},
		Cost: kernels.Cost{
			Bytes:   float64(sorted.Bytes() + values.Bytes() + 8*values.Len()),
			Scratch: int64(s.words*scratch.Size[uint64](sorted.Len()) + s.lanes*s.lane()),
			Work:    searchCost(sorted.Len(), values.Len()),
		},
		Stream: func(mem int64) (*kernels.Streamed, error) { return s.stream(c, spec, mem) },
		Run:    s.run,
	}, nil
}

// search is a call.
type search struct {
	d     ndarray.DType // in which values are compared
	words int           // 64-bit words of a key
	right bool
	block int // values worked on at once at the most
	lanes int // workers that look up at once
}

// lane is the bytes that a worker needs: values, keys and places of a block.
func (s search) lane() int {
	return scratch.Round(s.block*s.d.Size()) + (s.words+1)*scratch.Size[uint64](s.block)
}

// keyed is keys of values: lo is nil for real types.
type keyed struct{ hi, lo []uint64 }

// write fills k with the keys of a direct one-dimensional array.
func (k keyed) write(a ndarray.Array) {
	if k.lo != nil {
		complexKeys(k.hi, k.lo, a, false)
		return
	}
	keys64(k.hi, a, false)
}

// carve cuts keys for n values off a lane.
func (s search) carve(lane *[]byte, n int) keyed {
	k := keyed{hi: scratch.Carve[uint64](lane, n)}
	if s.words == 2 {
		k.lo = scratch.Carve[uint64](lane, n)
	}
	return k
}

// values cuts an array of n values off a lane.
func (s search) values(lane *[]byte, n int) ndarray.Array {
	l := ndarray.NewLayout(s.d, n)
	return ndarray.Array{Layout: l, Data: scratch.Carve[byte](lane, l.Bytes())}
}

// part is the keys [lo, hi).
func (k keyed) part(lo, hi int) keyed {
	p := keyed{hi: k.hi[lo:hi]}
	if k.lo != nil {
		p.lo = k.lo[lo:hi]
	}
	return p
}

// run turns the sorted array into a table of keys once, then looks the values
// up block by block.
func (s search) run(x *kernels.Exec) error {
	n := x.In[0].Len()
	buf := x.Mem.Alloc(s.words * scratch.Size[uint64](n))
	table, lanes := s.carve(&buf, n), scratch.NewLanes(x.Mem, s.lane(), s.lanes)
	err := x.W.For(n, pieceElements, func(_ *pool.Worker, lo, hi int) {
		lane := lanes.Get()
		defer lanes.Put(lane)
		rest := lane
		tmp := s.values(&rest, s.block)
		for ; lo < hi; lo += s.block {
			end := min(lo+s.block, hi)
			part := tmp.Range(0, 0, end-lo)
			convert(part, x.In[0].Range(0, lo, end))
			table.part(lo, end).write(part)
		}
	})
	if err != nil {
		return err
	}
	b := move.NewBlocks(x.In[1].Shape, searchBlock)
	return x.W.For(b.Count(), searchGrain, func(_ *pool.Worker, lo, hi int) {
		lane := lanes.Get()
		defer lanes.Put(lane)
		rest := lane
		l := lookup{search: s, table: table, values: s.values(&rest, s.block), keys: s.carve(&rest, s.block)}
		l.found = scratch.Carve[int64](&rest, s.block)
		for i := lo; i < hi; i++ {
			l.run(b.Cut(x.Out[0], i), b.Cut(x.In[1], i))
		}
	})
}

// lookup is one worker's buffers for a block of values.
type lookup struct {
	search
	table, keys keyed
	values      ndarray.Array
	found       []int64
}

// run looks the values of one block up.
func (l *lookup) run(out, in ndarray.Array) {
	n := in.Len()
	values, found, keys := l.values.Range(0, 0, n), l.found[:n], l.keys.part(0, n)
	convert(shaped(values, in.Shape), in)
	keys.write(values)
	l.table.findAll(found, keys, l.right)
	ndarray.Store(out, found, 0)
}

// shaped gives a contiguous array another shape of the same length.
func shaped(a ndarray.Array, shape []int) ndarray.Array {
	a.Shape, a.Strides = shape, ndarray.CStrides(a.DType, shape)
	return a
}

// convert is ndarray.Convert of arrays whose shapes are equal by construction.
func convert(dst, src ndarray.Array) {
	if err := ndarray.Convert(dst, src); err != nil {
		panic(err)
	}
}

// findAll writes where each key belongs: before its equals, or after them.
func (k keyed) findAll(dst []int64, of keyed, right bool) {
	for i := range of.hi {
		h, l := of.at(i)
		dst[i] = int64(k.find(h, l, right))
	}
}

// find counts the keys below (h, l), and those equal if right. The loop halves
// the range without a branch on the data.
func (k keyed) find(h, l uint64, right bool) int {
	base, n := 0, len(k.hi)
	for n > 0 {
		half := (n + 1) / 2
		if k.goesBefore(base+half-1, h, l, right) {
			base += half
		}
		n -= half
	}
	return base
}

// goesBefore tells whether the value (h, l) belongs behind element i.
func (k keyed) goesBefore(i int, h, l uint64, right bool) bool {
	switch {
	case k.hi[i] != h:
		return k.hi[i] < h
	case k.lo != nil && k.lo[i] != l:
		return k.lo[i] < l
	}
	return right
}
