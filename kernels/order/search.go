package order

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/vec/move"
)

// searchBlock is the number of values that are looked up at once.
const searchBlock = 1024

// planSearchsorted is numpy.searchsorted.
func planSearchsorted(c *kernels.Call) (*kernels.Plan, error) {
	sorted, values := c.In[0].Layout, c.In[1].Layout
	if sorted.Rank() != 1 {
		return nil, c.In[0].Errorf("the sorted array has %d axes, not one", sorted.Rank())
	}
	s := search{d: ndarray.Promote(sorted.DType, values.DType), right: c.Str("side") == "right"}
	words := 1
	if s.d.IsComplex() {
		words = 2
	}
	return &kernels.Plan{
		Out: []kernels.OutSpec{{DType: ndarray.I64, Shape: values.Shape}},
		Cost: kernels.Cost{
			Bytes:   float64(sorted.Bytes() + values.Bytes() + 8*values.Len()),
			Scratch: int64(words * round64(8*sorted.Len())),
		},
		Run: s.run,
	}, nil
}

type search struct {
	d     ndarray.DType // in which values are compared
	right bool
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

// room is keys for n values, from alloc.
func (s search) room(n int, alloc func(d ndarray.DType, shape []int) ndarray.Array) keyed {
	k := keyed{hi: ndarray.Slice[uint64](alloc(ndarray.U64, []int{n}))}
	if s.d.IsComplex() {
		k.lo = ndarray.Slice[uint64](alloc(ndarray.U64, []int{n}))
		if k.lo == nil {
			k.lo = []uint64{}
		}
	}
	return k
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
	table := s.room(n, func(d ndarray.DType, shape []int) ndarray.Array { return scratchArray(x, d, shape) })
	err := x.W.For(n, pieceElements, func(_ *pool.Worker, lo, hi int) {
		tmp := ndarray.New(s.d, min(searchBlock, n))
		for ; lo < hi; lo += searchBlock {
			end := min(lo+searchBlock, hi)
			part := tmp.Range(0, 0, end-lo)
			convert(part, x.In[0].Range(0, lo, end))
			table.part(lo, end).write(part)
		}
	})
	if err != nil {
		return err
	}
	b := move.NewBlocks(x.In[1].Shape, searchBlock)
	return x.W.For(b.Count(), 8, func(_ *pool.Worker, lo, hi int) {
		l := lookup{search: s, table: table, values: ndarray.New(s.d, b.Size()), found: ndarray.New(ndarray.I64, b.Size())}
		l.keys = s.room(b.Size(), func(d ndarray.DType, shape []int) ndarray.Array { return ndarray.New(d, shape...) })
		for i := lo; i < hi; i++ {
			l.run(b.Cut(x.Out[0], i), b.Cut(x.In[1], i))
		}
	})
}

// lookup is one worker's buffers for a block of values.
type lookup struct {
	search
	table, keys   keyed
	values, found ndarray.Array
}

// run looks the values of one block up.
func (l *lookup) run(out, in ndarray.Array) {
	n := in.Len()
	values, found, keys := l.values.Range(0, 0, n), l.found.Range(0, 0, n), l.keys.part(0, n)
	convert(shaped(values, in.Shape), in)
	keys.write(values)
	l.table.findAll(ndarray.Slice[int64](found), keys, l.right)
	convert(out, shaped(found, out.Shape))
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
	for i, h := range of.hi {
		var l uint64
		if of.lo != nil {
			l = of.lo[i]
		}
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
