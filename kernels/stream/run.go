package stream

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// Tile is what a body computes. It is good until the body returns.
type Tile struct {
	Index  int
	Lo, Hi []int           // its box: of every axis the first index, and the one after the last
	Arrays []ndarray.Array // one an operand, of the box's shape or what Reach makes of it
}

// Run takes the body over all tiles, in order. stored are the operands as they
// lie: layouts that differ from the tiling's in their offset alone. Where an
// operand is only written, the body must write every element of its tile. Tiles in
// a row that have the same part of an operand have it in the same memory: what the
// body has written is there for the next, and is stored after the last of them.
//
// It allocates from x.Mem; with the body's scratch that is [Tiling].Mem.
func (t *Tiling) Run(x *kernels.Exec, stored []kernels.Stored, body func(tile *Tile) error) error {
	r := &tilingRun{t: t, body: body}
	for i := range t.ops {
		o := &t.ops[i]
		k := newTrack(x.Mem, o, stored[i], t.route(o, t.Extents))
		k.group = t.group(o, t.Extents)
		r.ops = append(r.ops, k)
	}
	s := Steps{N: t.Tiles(), Load: r.load, Compute: r.compute, Store: r.store}
	return s.Run(x)
}

// tilingRun is a Run under way.
type tilingRun struct {
	t    *Tiling
	body func(tile *Tile) error
	ops  []*track
}

// track is an operand on its way through its places in memory.
type track struct {
	op     *Operand
	route  route
	stored kernels.Stored
	group  int            // of tiles with the same part
	feed   *Feed          // of a source
	rooms  [][]byte       // of a sink
	pieces map[int]*Piece // by tile, of the last two
}

func newTrack(mem kernels.Memory, o *Operand, s kernels.Stored, r route) *track {
	k := &track{op: o, route: r, stored: s, pieces: map[int]*Piece{}}
	if !o.Store {
		k.feed = NewFeed(mem, r.bytes, Source)
		return k
	}
	for range r.places {
		k.rooms = append(k.rooms, mem.Alloc(r.bytes))
	}
	return k
}

// enter makes the piece of tile i and starts loading what has to be.
func (k *track) enter(f *Flight, i int, lo, hi []int) (m *Move) {
	s := kernels.Stored{Blob: k.stored.Blob, Layout: k.op.part(k.stored.Layout, lo, hi)}
	var p *Piece
	switch {
	case k.feed != nil:
		p, m = k.feed.Load(f, s)
	case i%k.group > 0:
		p = k.pieces[i-1]
	default:
		piece := newPiece(s, k.rooms[i/k.group%len(k.rooms)], 0, k.route.owned)
		p = &piece
		if k.route.loads {
			m = f.Load(p)
		}
	}
	k.pieces[i] = p
	delete(k.pieces, i-2)
	return m
}

// load, compute and store are the run's [Steps].
func (r *tilingRun) load(f *Flight, i int) (moves []*Move) {
	lo, hi := r.t.Box(i)
	for _, k := range r.ops {
		moves = append(moves, k.enter(f, i, lo, hi))
	}
	return moves
}

func (r *tilingRun) compute(i int) error {
	tile := &Tile{Index: i}
	tile.Lo, tile.Hi = r.t.Box(i)
	for _, k := range r.ops {
		tile.Arrays = append(tile.Arrays, k.pieces[i].Array)
	}
	return r.body(tile)
}

func (r *tilingRun) store(f *Flight, i int) (moves []*Move) {
	for _, k := range r.ops {
		if k.op.Store && (i+1)%k.group == 0 {
			moves = append(moves, f.Store(k.pieces[i]))
		}
	}
	return moves
}
