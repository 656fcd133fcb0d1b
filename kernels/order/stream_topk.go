package order

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// topkStream is a choice along an axis of an array outside memory: tiles of whole
// rows, each as in core; or of parts of rows, whose first elements are merged with
// those that the parts before had. Rows across the file go by way of panels, if that
// costs less.
type topkStream struct {
	topk
	c    *kernels.Call
	axis int
	in   ndarray.Layout // the axis last
	out  ndarray.Layout // likewise
	t    *stream.Tiling
}

// stream plans a run within mem bytes.
func (t topk) stream(c *kernels.Call, axis int, spec kernels.OutSpec, mem int64) (*kernels.Streamed, error) {
	s := &topkStream{topk: t, c: c, axis: axis, in: axisLast(c.In[0].Layout, axis), out: axisLast(stream.Output(c, 0, spec), axis)}
	p, err := pack.FirstOf(mem, s.whole, s.parts)
	if err != nil {
		return nil, err
	}
	rows := &sorting{c: c, out: spec, axis: axis, perLane: t.scratch(s.in.DType, s.in.Shape[s.in.Rank()-1]), index: t.indices, fn: t.row}
	return rows.panels(mem, p), nil
}

// tiling cuts the input; of the output a tile has its rows.
func (s *topkStream) tiling(mem int64, cuts stream.Cuts) (err error) {
	last := s.in.Rank() - 1
	out := stream.Operand{Layout: s.out, Store: true}
	for a := range last {
		out.Reach = append(out.Reach, stream.Reach{Axis: a, Step: 1, To: 1})
	}
	out.Reach = append(out.Reach, stream.Whole(s.k))
	s.t, err = stream.NewTiling(s.in.Shape, []stream.Operand{{Layout: s.in, Load: true}, out}, mem, cuts)
	return err
}

// run takes body over the tiles.
func (s *topkStream) run(x *kernels.Exec, body func(tile *stream.Tile) error) error {
	in, out := x.Src[0], x.Dst[0]
	in.Layout, out.Layout = axisLast(in.Layout, s.axis), axisLast(out.Layout, s.axis)
	return s.t.Run(x, []kernels.Stored{in, out}, body)
}

// whole plans tiles of whole rows.
func (s *topkStream) whole(mem int64) (*kernels.Streamed, error) {
	last := s.in.Rank() - 1
	rows := func(extents []int) rowPlan {
		a, b := s.in, s.out
		a.Shape, b.Shape = extents, slices.Clone(extents)
		b.Shape[last] = s.k
		a.Offset, b.Offset = 0, 0
		return newRowPlan(s.c, last, s.topk.scratch(s.in.DType, s.in.Shape[last]), false, a, b)
	}
	cuts := stream.Cuts{Whole: make([]bool, last+1), Scratch: func(extents []int) int64 { return rows(extents).scratch() }}
	cuts.Whole[last] = true
	if err := s.tiling(mem, cuts); err != nil {
		return nil, err
	}
	return s.t.Streamed(func(x *kernels.Exec) error {
		r := rows(s.t.Extents).open(x.Mem)
		return s.run(x, func(tile *stream.Tile) error { return r.run(x.W, tile.Arrays[1], tile.Arrays[0], s.row) })
	}), nil
}

// parts plans tiles of parts of rows.
func (s *topkStream) parts(mem int64) (*kernels.Streamed, error) {
	if err := s.tiling(mem, stream.Cuts{Scratch: s.scratch}); err != nil {
		return nil, err
	}
	return s.t.Streamed(func(x *kernels.Exec) error {
		last := s.in.Rank() - 1
		p := &partial{topkStream: s, part: s.t.Extents[last]}
		p.lanes = scratch.NewLanes(x.Mem, p.lane(p.part), p.workers(s.t.Extents))
		rows := elements(s.t.Extents[:last])
		p.keys, p.index = scratchSlice[uint64](x.Mem, rows*s.k), scratchSlice[int64](x.Mem, rows*s.k)
		p.values = scratchSlice[byte](x.Mem, rows*s.k*s.in.DType.Size())
		return s.run(x, func(tile *stream.Tile) error { return p.tile(x.W, tile) })
	}), nil
}

// elements is the number of elements of a shape.
func elements(shape []int) int {
	n := 1
	for _, e := range shape {
		n *= e
	}
	return n
}

// scratch is the bytes for tiles of parts: what has been chosen of every row, and
// lanes.
func (s *topkStream) scratch(extents []int) int64 {
	last := len(extents) - 1
	chosen := elements(extents[:last]) * s.k
	kept := 2*scratch.Size[uint64](chosen) + scratch.Size[byte](chosen*s.in.DType.Size())
	return int64(kept + s.workers(extents)*scratch.Round(s.lane(extents[last])))
}

// workers is how many rows are worked on at once.
func (s *topkStream) workers(extents []int) int {
	last := len(extents) - 1
	if extents[last] >= parallelSort {
		return 1
	}
	return scratch.Workers(s.c, scratch.Pieces(elements(extents[:last]), s.grain(extents[last])))
}

// grain is how many rows' parts make a piece of work.
func (s *topkStream) grain(part int) int { return max(1, pieceElements/max(part, 1)) }

// lane is the bytes for a part of a row of n elements, or a shorter one: a copy,
// the indices of its first, their keys and values, what is merged, and what topk
// itself needs.
func (s *topkStream) lane(n int) int {
	size, k := s.in.DType.Size(), min(s.k, n)
	choose := topk{k: k}
	own := choose.scratch(s.in.DType, n)
	if k > 64 { // a shorter part may be sorted where this one is not
		m := min(n, 32*k)
		own = max(own, indexScratch(s.in.DType, m)+scratch.Size[uint64](m))
	}
	return scratch.Size[byte](n*size) + 2*scratch.Size[uint64](k) + scratch.Size[byte](k*size) +
		2*scratch.Size[uint64](s.k) + scratch.Size[byte](s.k*size) + own
}

// partial is a run over parts of rows. What has been chosen of row r of a tile lies
// from r·k on, in order.
type partial struct {
	*topkStream
	part   int // elements of a part
	lanes  *scratch.Lanes
	keys   []uint64
	index  []int64
	values []byte
}

// tile goes through the rows of a tile.
func (p *partial) tile(w *pool.Worker, t *stream.Tile) error {
	last := p.in.Rank() - 1
	rows := elements(t.Arrays[0].Shape[:last])
	if p.part >= parallelSort {
		lane := p.lanes.Get()
		defer p.lanes.Put(lane)
		for i := range rows {
			if err := p.row(w, t, i, lane); err != nil {
				return err
			}
		}
		return nil
	}
	var first firstError
	err := w.For(rows, p.grain(p.part), func(w *pool.Worker, lo, hi int) {
		lane := p.lanes.Get()
		defer p.lanes.Put(lane)
		for i := lo; i < hi; i++ {
			first.set(p.row(w, t, i, lane))
		}
	})
	if err != nil {
		return err
	}
	return first.err
}

// row merges the first of a part of row i with what was chosen before.
func (p *partial) row(w *pool.Worker, t *stream.Tile, i int, lane []byte) error {
	last, size := p.in.Rank()-1, p.in.DType.Size()
	in := row(t.Arrays[0], i)
	n := in.Len()
	staged := ndarray.Array{Layout: ndarray.NewLayout(p.in.DType, n), Data: scratch.Carve[byte](&lane, n*size)}
	if directRows(in.Layout) && in.Aligned() {
		staged = in
	} else if err := move.Copy(w, staged, in); err != nil {
		return err
	}
	choose := topk{k: min(p.k, n), largest: p.largest, indices: true}
	found := scratch.Carve[int64](&lane, choose.k)
	keys := scratch.Carve[uint64](&lane, choose.k)
	values := scratch.Carve[byte](&lane, choose.k*size)
	m := merging{
		a: p.chosen(i, min(p.k, t.Lo[last])), b: chosen{keys, found, values}, size: size,
		to: chosen{scratch.Carve[uint64](&lane, p.k), scratch.Carve[int64](&lane, p.k), scratch.Carve[byte](&lane, p.k*size)},
	}
	list := ndarray.Array{Layout: ndarray.NewLayout(ndarray.I64, choose.k), Data: scratch.Bytes(found)}
	if err := choose.row(w, list, staged, lane); err != nil {
		return err
	}
	m.gather(staged, p.largest, int64(t.Lo[last]))
	p.keep(i, m.merge(min(p.k, t.Hi[last])))
	if t.Hi[last] < p.in.Shape[last] {
		return nil
	}
	return p.store(row(t.Arrays[1], i), i)
}

// chosen is elements in the order wanted: keys, places in the row, and
// patterns. Keys are 64 bits wide whatever the type, as merges compare them.
type chosen struct {
	keys   []uint64
	index  []int64
	values []byte
}

// chosen is what row i has, n elements.
func (p *partial) chosen(i, n int) chosen {
	size, at := p.in.DType.Size(), i*p.k
	return chosen{p.keys[at : at+n], p.index[at : at+n], p.values[at*size : (at+n)*size]}
}

// keep makes c what row i has.
func (p *partial) keep(i int, c chosen) {
	own := p.chosen(i, len(c.keys))
	copy(own.keys, c.keys)
	copy(own.index, c.index)
	copy(own.values, c.values)
}

// store writes what row i has.
func (p *partial) store(out ndarray.Array, i int) error {
	c := p.chosen(i, p.k)
	if p.indices {
		return ndarray.Convert(out, ndarray.Array{Layout: ndarray.NewLayout(ndarray.I64, p.k), Data: scratch.Bytes(c.index)})
	}
	return ndarray.Convert(out, ndarray.Array{Layout: ndarray.NewLayout(p.in.DType, p.k), Data: c.values})
}

// merging joins what was chosen of the parts before with what was chosen of one.
type merging struct {
	a, b, to chosen
	size     int // of an element
}

// gather completes b, of which the places in the part are known; the part begins
// at number first of the row.
func (m *merging) gather(part ndarray.Array, largest bool, first int64) {
	src := part.Data[part.Offset:]
	for i, j := range m.b.index {
		copy(m.b.values[i*m.size:][:m.size], src[int(j)*m.size:])
		m.b.index[i] += first
	}
	values := ndarray.Array{Layout: ndarray.NewLayout(part.DType, len(m.b.index)), Data: m.b.values}
	keys64(m.b.keys, values, largest)
}

// merge gives the first n of both. What comes before in the row comes before its
// equals.
func (m *merging) merge(n int) chosen {
	i, j := 0, 0
	for at := range n {
		from, k := &m.a, i
		if i == len(m.a.keys) || j < len(m.b.keys) && m.b.keys[j] < m.a.keys[i] {
			from, k = &m.b, j
			j++
		} else {
			i++
		}
		m.to.keys[at], m.to.index[at] = from.keys[k], from.index[k]
		copy(m.to.values[at*m.size:][:m.size], from.values[k*m.size:])
	}
	return chosen{m.to.keys[:n], m.to.index[:n], m.to.values[:n*m.size]}
}
