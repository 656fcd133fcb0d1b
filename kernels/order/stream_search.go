package order

import (
	"fmt"
	"sync/atomic"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// searchStream looks values up in a sorted array, one or both outside memory. The
// values pass tile by tile. The array's keys stay in memory if there is room for
// them. If not, the first levels of the binary search, which ask for the same few
// elements whatever the values are, say in which part of the array the others go on,
// and for each tile the parts that are needed pass through memory. The search asks
// for the same elements in the same order as in core, so the places are the same,
// even in an array that is not sorted.
type searchStream struct {
	search
	c      *kernels.Call
	levels []int // elements that each of the first levels may skip
	part   int   // elements of a part: what is left then
	piece  int   // elements that are read at once
	fixed  int64 // bytes beside the tiles of values
	t      *stream.Tiling
}

const (
	// maxLevels bounds the elements that the first levels ask for.
	maxLevels = 12
	// searchPiece is the most elements of the sorted array that are read at once.
	searchPiece = 1 << 18
)

// stream plans a run within mem bytes: the fewest levels whose part takes no more
// than half of it, or if there are none the most.
func (s search) stream(c *kernels.Call, spec kernels.OutSpec, mem int64) (*kernels.Streamed, error) {
	p := &searchStream{search: s, c: c, part: c.In[0].Layout.Len()}
	p.lanes = scratch.Workers(c, 1<<20)
	values, out := c.In[1].Layout, stream.Output(c, 0, spec)
	ops := []stream.Operand{{Layout: values, Load: true}, {Layout: out, Store: true}}
	for {
		p.measure()
		var err error
		p.t, err = stream.NewTiling(values.Shape, ops, mem-p.fixed, stream.Cuts{Scratch: p.scratch})
		if err == nil && p.fixed <= mem/2 {
			break
		}
		if len(p.levels) == maxLevels || p.part <= 2*searchBlock {
			if err != nil {
				return nil, pack.Beside(err, p.fixed)
			}
			break
		}
		half := (p.part + 1) / 2
		p.levels, p.part = append(p.levels, half), p.part-half
	}
	plan, sweeps := p.t.Streamed(p.run), 1
	if len(p.levels) > 0 {
		sweeps = p.t.Tiles()
	}
	read, _ := stream.SourceTraffic(c.In[0].Layout)
	plan.Mem += p.fixed
	plan.Moved += float64(sweeps)*read + float64(p.probes()*stream.SourceSize(c.In[0].Layout.Range(0, 0, min(1, c.In[0].Layout.Len()))))
	plan.Explain = append(plan.Explain, kernels.Entry{Term: "parts", Text: fmt.Sprint(p.parts())}, kernels.Entry{Term: "reads_sorted", Text: fmt.Sprint(sweeps)})
	return plan, nil
}

// parts is how many parts there are.
func (s *searchStream) parts() int { return 1 << len(s.levels) }

// probes is how many elements the first levels ask for.
func (s *searchStream) probes() int { return s.parts() - 1 }

// measure finds the bytes beside the tiles: pieces of the sorted array, the keys of
// a part, those that the levels ask for, and lanes.
func (s *searchStream) measure() {
	sorted := s.c.In[0].Layout
	s.piece = min(s.part, searchPiece)
	total := 2*stream.Padded(stream.SourceSize(sorted.Range(0, 0, s.piece))) + s.words*scratch.Size[uint64](s.part) + s.words*scratch.Size[uint64](s.probes())
	s.fixed = int64(total + s.lanes*scratch.Round(s.lane()))
}

// lane is the bytes that a worker needs: values of a block.
func (s *searchStream) lane() int { return scratch.Round(searchBlock * s.d.Size()) }

// scratch is the bytes for tiles of values: their keys, the parts in which they
// are, and their places.
func (s *searchStream) scratch(extents []int) int64 {
	n := elements(extents)
	return int64((s.words+1)*scratch.Size[uint64](n) + scratch.Size[uint32](n))
}

// searchRun is a run.
type searchRun struct {
	*searchStream
	x      *kernels.Exec
	flight *stream.Flight
	feed   *stream.Feed
	lanes  *scratch.Lanes
	table  keyed // of the part that is in memory
	has    int   // which is that, -1: none
	probe  keyed // level by level
	keys   keyed // of a tile's values
	in     []uint32
	found  []int64
}

// run looks up tile by tile.
func (s *searchStream) run(x *kernels.Exec) (err error) {
	r := &searchRun{searchStream: s, x: x, flight: stream.NewFlight(x), has: -1}
	defer func() { err = r.flight.End(err) }()
	r.feed = stream.NewFeed(x.Mem, stream.SourceSize(x.Src[0].Layout.Range(0, 0, s.piece)), stream.Source)
	lend := func(n int) keyed {
		buf := x.Mem.Alloc(s.words * scratch.Size[uint64](n))
		return s.carve(&buf, n)
	}
	n := elements(s.t.Extents)
	r.table, r.probe, r.keys = lend(s.part), lend(s.probes()), lend(n)
	r.in, r.found = scratchSlice[uint32](x.Mem, n), scratchSlice[int64](x.Mem, n)
	r.lanes = scratch.NewLanes(x.Mem, s.lane(), s.search.lanes)
	if err := r.ask(); err != nil {
		return err
	}
	return s.t.Run(x, []kernels.Stored{x.Src[1], x.Dst[0]}, r.tile)
}

// base is the first element of a part.
func (s *searchStream) base(part int) (at int) {
	for l, half := range s.levels {
		if part>>(len(s.levels)-1-l)&1 > 0 {
			at += half
		}
	}
	return at
}

// ask reads what the first levels ask for: of level l, for every way through those
// above it, one element.
func (r *searchRun) ask() error {
	for l, half := range r.levels {
		above := searchStream{levels: r.levels[:l]}
		for way := range 1 << l {
			at, i := above.base(way)+half-1, 1<<l-1+way
			p, m := r.feed.Load(r.flight, stream.Range(r.x.Src[0], 0, at, at+1))
			if err := m.Wait(); err != nil {
				return err
			}
			if err := r.keysOf(r.probe.part(i, i+1), p.Array); err != nil {
				return err
			}
		}
	}
	return nil
}

// keysOf writes the keys of an array of one axis.
func (r *searchRun) keysOf(to keyed, a ndarray.Array) error {
	return r.x.W.For(a.Len(), pieceElements, func(_ *pool.Worker, lo, hi int) {
		lane := r.lanes.Get()
		defer r.lanes.Put(lane)
		rest := lane
		tmp := r.values(&rest, searchBlock)
		for ; lo < hi; lo += searchBlock {
			end := min(lo+searchBlock, hi)
			values := tmp.Range(0, 0, end-lo)
			convert(values, a.Range(0, lo, end))
			to.part(lo, end).write(values)
		}
	})
}

// load brings the keys of a part into memory.
func (r *searchRun) load(part int) error {
	if r.has == part {
		return nil
	}
	r.has = -1
	base := r.base(part)
	read := func(lo int) (*stream.Piece, *stream.Move) {
		return r.feed.Load(r.flight, stream.Range(r.x.Src[0], 0, base+lo, base+min(lo+r.piece, r.part)))
	}
	var next *stream.Piece
	var move *stream.Move
	for lo := 0; lo < r.part; lo += r.piece {
		if lo == 0 {
			next, move = read(0)
		}
		p, m := next, move
		if lo+r.piece < r.part {
			next, move = read(lo + r.piece)
		}
		if err := m.Wait(); err != nil {
			return err
		}
		if err := r.keysOf(r.table.part(lo, lo+p.Array.Len()), p.Array); err != nil {
			return err
		}
	}
	r.has = part
	return nil
}

// tile looks up the values of a tile, part by part.
func (r *searchRun) tile(t *stream.Tile) error {
	values, out := t.Arrays[0], t.Arrays[1]
	b, n := move.NewBlocks(values.Shape, searchBlock), values.Len()
	wanted := make([]atomic.Bool, r.parts())
	err := r.x.W.For(b.Count(), searchGrain, func(_ *pool.Worker, lo, hi int) {
		lane := r.lanes.Get()
		defer r.lanes.Put(lane)
		rest := lane
		tmp := r.values(&rest, searchBlock)
		for i := lo; i < hi; i++ {
			in, first := b.Cut(values, i), b.First(i)
			block := tmp.Range(0, 0, in.Len())
			convert(shaped(block, in.Shape), in)
			r.keys.part(first, first+in.Len()).write(block)
			r.descend(first, first+in.Len(), wanted)
		}
	})
	for part := range wanted {
		if err == nil && n > 0 && wanted[part].Load() {
			err = r.lookUp(part, n)
		}
	}
	if err != nil {
		return err
	}
	return r.x.W.For(b.Count(), searchGrain, func(_ *pool.Worker, lo, hi int) {
		for i := lo; i < hi; i++ {
			to, first := b.Cut(out, i), b.First(i)
			ndarray.Store(to, r.found[first:first+to.Len()], 0)
		}
	})
}

// descend goes through the first levels for values lo to hi-1, and marks the
// parts where they go on. The load before the store keeps the marks' lines
// shared.
func (r *searchRun) descend(lo, hi int, wanted []atomic.Bool) {
	for i := lo; i < hi; i++ {
		h, l := r.keys.at(i)
		part := 0
		for level := range r.levels {
			way := part
			if part *= 2; r.probe.goesBefore(1<<level-1+way, h, l, r.right) {
				part++
			}
		}
		r.in[i] = uint32(part)
		if !wanted[part].Load() {
			wanted[part].Store(true)
		}
	}
}

// at is key i.
func (k keyed) at(i int) (h, l uint64) {
	if k.lo != nil {
		l = k.lo[i]
	}
	return k.hi[i], l
}

// lookUp finds those of n values that are in a part.
func (r *searchRun) lookUp(part, n int) error {
	if err := r.load(part); err != nil {
		return err
	}
	base := int64(r.base(part))
	return r.x.W.For(n, searchGrain*searchBlock, func(_ *pool.Worker, lo, hi int) {
		for i := lo; i < hi; i++ {
			if r.in[i] == uint32(part) {
				h, l := r.keys.at(i)
				r.found[i] = base + int64(r.table.find(h, l, r.right))
			}
		}
	})
}
