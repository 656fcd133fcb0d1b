package order

import (
	"context"
	"sort"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// extent is packed elements in blobs: values from byte off of one, indices from
// byte at of another; either may be missing.
type extent struct {
	values  kernels.Blob
	off     int64
	indices kernels.Blob
	at      int64
}

// batch is elements in memory: values, and their indices if they have any.
type batch struct {
	values  []byte
	indices []int64
}

// sortRows sorts all rows of src into dst, which have them packed.
func (e *external) sortRows(x *kernels.Exec, s *scratch.Slab, dst, src kernels.Stored) (err error) {
	var temps [2]extent
	for i := range min(e.levels, 2) {
		if temps[i], err = e.tempExtent(x); err != nil {
			return err
		}
	}
	m := &merger{external: e, x: x}
	m.ctx, m.cancel = context.WithCancel(x.Ctx)
	defer func() { err = m.end(err) }()
	for r := range e.rows {
		from := extent{values: src.Blob, off: int64(rowOffset(src.Layout, r))}
		to := extent{values: dst.Blob, off: int64(rowOffset(dst.Layout, r))}
		if e.index {
			to = extent{indices: to.values, at: to.off}
		}
		if err := m.sortRow(s, to, from, temps); err != nil {
			return err
		}
	}
	return nil
}

// tempExtent is temporary space for a row of records.
func (e *external) tempExtent(x *kernels.Exec) (extent, error) {
	n := int64(e.n)
	b, err := x.Temp(n * int64(e.record()))
	t := extent{values: b}
	if e.index { // these are aligned better, and come first
		t.indices, t.off = b, 8*n
	}
	return t, err
}

// rowOffset is the byte at which row r along the last axis begins.
func rowOffset(l ndarray.Layout, r int) int {
	k := l.Rank() - 1
	off := l.Offset
	for i := k - 1; i >= 0; i-- {
		off += r % l.Shape[i] * l.Strides[i]
		r /= l.Shape[i]
	}
	return off
}

// merger is an external sort under way. One goroutine drives it; the workers
// are used inside the sorts in core.
type merger struct {
	*external
	x      *kernels.Exec
	ctx    context.Context
	cancel context.CancelFunc
	groups []*group // of the phase
}

// group is transfers that are waited for together.
type group struct{ open []kernels.Transfer }

// begin makes the groups of a phase.
func (m *merger) begin(n int) []*group {
	m.groups = make([]*group, n)
	for i := range m.groups {
		m.groups[i] = &group{}
	}
	return m.groups
}

// end waits for all transfers, which it cancels if err is not nil, and gives err
// or the first error of one.
func (m *merger) end(err error) error {
	if err != nil {
		m.cancel()
	}
	for _, g := range m.groups {
		for _, t := range g.open {
			if e := t.Wait(m.ctx); e != nil && err == nil {
				err = e
				m.cancel()
			}
		}
	}
	m.cancel()
	return err
}

// wait waits for groups. After an error end has to, as transfers of these and
// other groups may still be under way. It sees a cancelled job too.
func (m *merger) wait(groups ...*group) error {
	for _, g := range groups {
		for _, t := range g.open {
			if err := t.Wait(m.ctx); err != nil {
				return err
			}
		}
		g.open = g.open[:0]
	}
	return m.x.W.Err()
}

// read starts reading a batch from element i of an extent on.
func (m *merger) read(g *group, from extent, b batch, i int) {
	m.move(g, from, b, i, kernels.Blob.Read)
}

// write starts writing a batch.
func (m *merger) write(g *group, to extent, b batch, i int) {
	m.move(g, to, b, i, kernels.Blob.Write)
}

// move starts the transfers of a batch, which belongs to them until they have
// been waited for. Empty ones are none.
func (m *merger) move(g *group, e extent, b batch, i int, call func(kernels.Blob, ...kernels.Segment) kernels.Transfer) {
	if e.values != nil && len(b.values) > 0 {
		g.open = append(g.open, call(e.values, kernels.Segment{Off: e.off + int64(i*m.size), Buf: b.values}))
	}
	if e.indices != nil && len(b.indices) > 0 {
		g.open = append(g.open, call(e.indices, kernels.Segment{Off: e.at + int64(i*8), Buf: scratch.Bytes(b.indices)}))
	}
}

// cut is elements lo to hi-1 of a batch.
func (m *merger) cut(b batch, lo, hi int) batch {
	c := batch{values: b.values[lo*m.size : hi*m.size : hi*m.size]}
	if b.indices != nil {
		c.indices = b.indices[lo:hi:hi]
	}
	return c
}

// room is a batch of n elements from a slab.
func (m *merger) room(s *scratch.Slab, n int, indices bool) batch {
	b := batch{values: s.Alloc(n * m.size)}
	if indices {
		buf := s.Alloc(8 * n)
		b.indices = scratch.Carve[int64](&buf, n)
	}
	return b
}

// array is a batch's values.
func (m *merger) array(b batch) ndarray.Array {
	return ndarray.Array{Layout: ndarray.NewLayout(m.d, len(b.values)/m.size), Data: b.values}
}

// sortRow sorts one row: runs first, then levels of merges.
func (m *merger) sortRow(s *scratch.Slab, to, from extent, temps [2]extent) error {
	target := to
	if m.levels > 0 {
		target = temps[0]
	}
	if err := m.makeRuns(s, target, from); err != nil {
		return err
	}
	length := m.run
	for level := range m.levels {
		from, target = temps[level%2], temps[(level+1)%2]
		if level == m.levels-1 {
			target = to
		}
		for lo := 0; lo < m.n; lo += length * m.fan {
			if err := m.merge(s, target, from, lo, min(lo+length*m.fan, m.n), length); err != nil {
				return err
			}
		}
		length *= m.fan
	}
	return nil
}

// makeRuns sorts runs: while one is sorted the next is read and the last
// written.
func (m *merger) makeRuns(s *scratch.Slab, to, from extent) error {
	s.Reset()
	var in, out [2]batch
	for i := range 2 {
		in[i], out[i] = m.room(s, m.run, false), m.room(s, m.run, m.index)
	}
	lane := s.Alloc(m.rowScratch(m.run))
	g := m.begin(4)
	reads, writes := g[:2], g[2:]
	read := func(i int) {
		if lo := i * m.run; i < m.runs {
			m.read(reads[i%2], from, m.cut(in[i%2], 0, min(m.run, m.n-lo)), lo)
		}
	}
	read(0)
	for i := range m.runs {
		read(i + 1)
		if err := m.wait(reads[i%2], writes[i%2]); err != nil {
			return err
		}
		lo := i * m.run
		n := min(m.run, m.n-lo)
		b := m.cut(out[i%2], 0, n)
		if err := m.sortBatch(b, m.cut(in[i%2], 0, n), nil, lane, lo, to.values != nil); err != nil {
			return err
		}
		m.write(writes[i%2], to, b, lo)
	}
	return m.wait(g...)
}

// sortBatch sorts in to out. The indices of in are those that it has, for which
// order is room for as many; or they count from first. With values false only
// the indices are wanted.
func (m *merger) sortBatch(out, in batch, order []int64, lane []byte, first int, values bool) error {
	if !m.index {
		return sortRow(m.x.W, m.array(out), m.array(in), lane, m.descending)
	}
	if in.indices == nil {
		order = out.indices
	}
	if err := argsortRow(m.x.W, order, m.array(in), lane, m.descending); err != nil {
		return err
	}
	if values {
		if err := gatherPatterns(m.x.W, m.array(out), m.array(in), order); err != nil {
			return err
		}
	}
	return m.x.W.For(len(order), radixBlock, func(_ *pool.Worker, lo, hi int) {
		for i := lo; i < hi; i++ {
			if in.indices != nil {
				out.indices[i] = in.indices[order[i]]
			} else {
				out.indices[i] = order[i] + int64(first)
			}
		}
	})
}

// gatherPatterns is gather for any type.
func gatherPatterns(w *pool.Worker, out, in ndarray.Array, index []int64) error {
	switch in.DType.Size() {
	case 1:
		return gather[uint8](w, out, in, index)
	case 2:
		return gather[uint16](w, out, in, index)
	case 4:
		return gather[uint32](w, out, in, index)
	case 8:
		return gather[uint64](w, out, in, index)
	}
	return gather[complex128](w, out, in, index)
}

// window is what is in memory of a run.
type window struct {
	room batch
	have int // elements in it
	next int // the element of the row that is read next
	end  int // where the run ends
}

// merge merges runs of length elements that elements lo to hi-1 consist of.
// Each round takes one window's worth at least, so there are at most as many
// rounds as elements over a window.
func (m *merger) merge(s *scratch.Slab, to, from extent, lo, hi, length int) error {
	s.Reset()
	windows := make([]window, (hi-lo+length-1)/length)
	per := m.round / len(windows)
	all, taken := m.room(s, m.round, m.index), m.room(s, m.round, m.index)
	out := [2]batch{m.room(s, m.round, m.index), m.room(s, m.round, m.index)}
	var order []int64
	if m.index {
		buf := s.Alloc(8 * m.round)
		order = scratch.Carve[int64](&buf, m.round)
	}
	lane := s.Alloc(m.rowScratch(m.round))
	for i := range windows {
		at := lo + i*length
		windows[i] = window{room: m.cut(all, i*per, (i+1)*per), next: at, end: min(at+length, hi)}
	}
	g := m.begin(3)
	reads, writes := g[0], g[1:]
	m.refill(reads, from, windows)
	for round := 0; lo < hi; round++ {
		if err := m.wait(reads, writes[round%2]); err != nil {
			return err
		}
		n := m.take(taken, windows)
		m.refill(reads, from, windows)
		b := m.cut(out[round%2], 0, n)
		if err := m.sortBatch(b, m.cut(taken, 0, n), order[:min(n, len(order))], lane, 0, to.values != nil); err != nil {
			return err
		}
		m.write(writes[round%2], to, b, lo)
		lo += n
	}
	return m.wait(g...)
}

// refill starts reading what fits into the windows.
func (m *merger) refill(g *group, from extent, windows []window) {
	for i := range windows {
		w := &windows[i]
		n := min(len(w.room.values)/m.size-w.have, w.end-w.next)
		m.read(g, from, m.cut(w.room, w.have, w.have+n), w.next)
		w.have += n
		w.next += n
	}
}

// take moves to taken what comes before everything that has not been read yet,
// in the order of runs, and tells how much it is: all of a window at least. The
// bound is the least of the last elements in memory of runs that go on; of
// equal ones the first run's, so that the result is stable. Windows close up,
// to be filled behind.
func (m *merger) take(taken batch, windows []window) int {
	last, bound := -1, key{}
	for i := range windows {
		if w := &windows[i]; w.next < w.end {
			if k := m.key(w, w.have-1); last < 0 || k.less(bound) {
				last, bound = i, k
			}
		}
	}
	n := 0
	for i := range windows {
		w := &windows[i]
		count := w.have
		if last >= 0 {
			// Of equal elements, those of later runs wait for what that run may
			// still have.
			count = sort.Search(w.have, func(j int) bool {
				k := m.key(w, j)
				return bound.less(k) || i > last && k == bound
			})
		}
		m.copy(m.cut(taken, n, n+count), m.cut(w.room, 0, count))
		m.copy(m.cut(w.room, 0, w.have-count), m.cut(w.room, count, w.have))
		n += count
		w.have -= count
	}
	return n
}

// copy moves elements, within a window also towards its front.
func (m *merger) copy(dst, src batch) {
	copy(dst.values, src.values)
	copy(dst.indices, src.indices)
}

// key orders elements as the sort in core does; upper is 0 for real types.
type key struct{ upper, lower uint64 }

func (k key) less(l key) bool { return k.upper < l.upper || k.upper == l.upper && k.lower < l.lower }

// key is that of element i of a window.
func (m *merger) key(w *window, i int) (k key) {
	var upper, lower [1]uint64
	a := m.array(m.cut(w.room, i, i+1))
	if m.d.IsComplex() {
		complexKeys(upper[:], lower[:], a, m.descending)
	} else {
		keys64(lower[:], a, m.descending)
	}
	return key{upper[0], lower[0]}
}
