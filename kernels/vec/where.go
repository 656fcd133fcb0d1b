package vec

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// planWhere is numpy.where with three arguments: the shapes broadcast, the type
// is what the two values promote to, and a condition of any type is true unless
// it is zero. The output may be any of the inputs, as a block is read before it
// is written.
func planWhere(c *kernels.Call) (*kernels.Plan, error) {
	shape, err := ndarray.BroadcastShapes(c.In[0].Layout.Shape, c.In[1].Layout.Shape, c.In[2].Layout.Shape)
	if err != nil {
		return nil, c.Errorf("%v", err)
	}
	d := common(c, 1)
	bytes := sizeOf(d, shape)
	for i := range c.In {
		bytes += float64(c.In[i].Layout.Bytes())
	}
	p := single(d, shape, bytes, func(x *kernels.Exec) error {
		var in [3]ndarray.Array
		for i, a := range x.In {
			in[i] = ndarray.Array{Layout: stretch(a.Layout, shape), Data: a.Data}
		}
		return where(x.W, x.Out[0], in)
	})
	p.Alias = true
	p.Stream = streamWhere(c, p.Out[0])
	return p, nil
}

// streamWhere chooses tile by tile.
func streamWhere(c *kernels.Call, spec kernels.OutSpec) func(mem int64) (*kernels.Streamed, error) {
	var ops []stream.Operand
	for i := range c.In {
		ops = append(ops, stream.Operand{Layout: stretch(c.In[i].Layout, spec.Shape), Load: true})
	}
	ops = append(ops, stream.Operand{Layout: stream.Output(c, 0, spec), Store: true})
	return func(mem int64) (*kernels.Streamed, error) {
		t, err := stream.NewTiling(spec.Shape, ops, mem, stream.Cuts{})
		if err != nil {
			return nil, err
		}
		return t.Streamed(func(x *kernels.Exec) error {
			var all []kernels.Stored
			for _, s := range x.Src {
				all = append(all, kernels.Stored{Blob: s.Blob, Layout: stretch(s.Layout, spec.Shape)})
			}
			return t.Run(x, append(all, x.Dst[0]), func(t *stream.Tile) error {
				return where(x.W, t.Arrays[3], [3]ndarray.Array(t.Arrays))
			})
		}), nil
	}
}

// where chooses block by block. Operands of another type or layout than the
// block needs are converted into small buffers first.
func where(w *pool.Worker, out ndarray.Array, in [3]ndarray.Array) error {
	b := move.NewBlocks(out.Shape, blockElements)
	return w.For(b.Count(), pieceBlocks, func(_ *pool.Worker, lo, hi int) {
		buffers := [4]buffer{{d: ndarray.Bool}, {d: out.DType}, {d: out.DType}, {d: out.DType}}
		for i := lo; i < hi; i++ {
			dst := b.Cut(out, i)
			cond, yes, no := buffers[0].read(b.Cut(in[0], i)), buffers[1].read(b.Cut(in[1], i)), buffers[2].read(b.Cut(in[2], i))
			if dst.Direct() {
				choose(flat(dst), cond, yes, no)
				continue
			}
			tmp := buffers[3].room(dst.Shape)
			choose(flat(tmp), cond, yes, no)
			convert(dst, tmp)
		}
	})
}

// buffer is room for one block of an operand in type d. It belongs to one piece
// of work, and is made when it is first needed.
type buffer struct {
	d    ndarray.DType
	data []byte
}

// room is an uninitialised array of the shape, good until the next call.
func (b *buffer) room(shape []int) ndarray.Array {
	l := ndarray.NewLayout(b.d, shape...)
	if len(b.data) < l.Bytes() {
		b.data = ndarray.New(b.d, max(blockElements, l.Len())).Data
	}
	return ndarray.Array{Layout: l, Data: b.data}
}

// read gives the elements of a as a direct one-dimensional array of type b.d:
// a itself if it is one, else a converted copy.
func (b *buffer) read(a ndarray.Array) ndarray.Array {
	if a.DType == b.d && a.Direct() {
		return flat(a)
	}
	tmp := b.room(a.Shape)
	convert(tmp, a)
	return flat(tmp)
}

// choose assigns dst[i] = yes[i] where cond[i] is not zero, else no[i]. All are
// direct, of one length; values are moved as patterns.
func choose(dst, cond, yes, no ndarray.Array) {
	mask := ndarray.Slice[uint8](cond)
	switch dst.DType.Size() {
	case 1:
		chooseAs[uint8](dst, mask, yes, no)
	case 2:
		chooseAs[uint16](dst, mask, yes, no)
	case 4:
		chooseAs[uint32](dst, mask, yes, no)
	case 8:
		chooseAs[uint64](dst, mask, yes, no)
	case 16:
		chooseAs[complex128](dst, mask, yes, no)
	}
}

// chooseAs is choose for elements of T's size.
func chooseAs[T ndarray.Element](dst ndarray.Array, mask []uint8, yes, no ndarray.Array) {
	d := ndarray.Slice[T](dst)
	a, b := ndarray.Slice[T](yes)[:len(d)], ndarray.Slice[T](no)[:len(d)]
	mask = mask[:len(d)]
	for i := range d {
		v, other := b[i], a[i] // both read, so that the choice needs no branch
		if mask[i] != 0 {
			v = other
		}
		d[i] = v
	}
}

// planTri is numpy.tril and numpy.triu: copy, then clear one side of diagonal
// k of each matrix.
func planTri(upper bool) func(c *kernels.Call) (*kernels.Plan, error) {
	return func(c *kernels.Call) (*kernels.Plan, error) {
		in, k := c.In[0].Layout, c.Int("k")
		if in.Rank() < 2 {
			return nil, c.In[0].Errorf("%s is not a matrix or a stack of them", in)
		}
		zero := ndarray.New(in.DType)
		tri := func(w *pool.Worker, out, in ndarray.Array, k int) error {
			if err := move.Copy(w, out, in); err != nil {
				return err
			}
			return clearSide(w, out, zero, k, upper)
		}
		p := single(in.DType, in.Shape, 2*float64(in.Bytes()), func(x *kernels.Exec) error { return tri(x.W, x.Out[0], x.In[0], k) })
		ops := []stream.Operand{{Layout: in, Load: true}, {Layout: stream.Output(c, 0, p.Out[0]), Store: true}}
		rank := in.Rank()
		k = min(max(k, -in.Shape[rank-2]), in.Shape[rank-1]) // the same sides, and no overflow
		p.Stream = func(mem int64) (*kernels.Streamed, error) {
			t, err := stream.NewTiling(in.Shape, ops, mem, stream.Cuts{})
			if err != nil {
				return nil, err
			}
			return t.Streamed(func(x *kernels.Exec) error {
				return t.Run(x, []kernels.Stored{x.Src[0], x.Dst[0]}, func(t *stream.Tile) error {
					return tri(x.W, t.Arrays[1], t.Arrays[0], k+t.Lo[rank-2]-t.Lo[rank-1])
				})
			}), nil
		}
		return p, nil
	}
}

// clearSide zeroes what triu drops below diagonal k, or tril above it, a row at
// a time. zero is a scalar of out's type.
func clearSide(w *pool.Worker, out, zero ndarray.Array, k int, upper bool) error {
	rank := out.Rank()
	m, n := out.Shape[rank-2], out.Shape[rank-1]
	if out.Len() == 0 {
		return nil
	}
	b := move.NewBlocks(out.Shape[:rank-1], 1) // a block is a row
	heads := out
	heads.Shape, heads.Strides = out.Shape[:rank-1], out.Strides[:rank-1]
	k = min(max(k, -m), n) // the same rows, and no overflow below
	return w.For(b.Count(), max(1, blockElements*pieceBlocks/n), func(_ *pool.Worker, lo, hi int) {
		for r := lo; r < hi; r++ {
			row := b.Cut(heads, r)
			row.Shape, row.Strides = []int{n}, out.Strides[rank-1:]
			from, to := 0, min(max(r%m+k, 0), n)
			if !upper {
				from, to = min(max(r%m+k+1, 0), n), n
			}
			part := row.Range(0, from, to)
			l, err := zero.Broadcast(part.Shape)
			if err != nil {
				panic(err) // a scalar broadcasts to anything
			}
			convert(part, ndarray.Array{Layout: l, Data: zero.Data})
		}
	})
}
