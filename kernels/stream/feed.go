package stream

import "vgpu/kernels"

// Feed brings parts of a stored array into memory one after the other, into two
// places in turn. A part that is asked for again at once stays where it is. Two
// are what [Steps] needs: step i computes on one while step i+1 is read into
// the other.
type Feed struct {
	rooms [2][]byte
	piece func(kernels.Stored, []byte) Piece
	at    int // the room of last
	last  *Piece
	move  *Move // that loads it
}

// NewFeed allocates two places of size bytes. piece is [Source] or [Sink]: sinks
// read no gaps, which somebody else may be writing.
func NewFeed(mem kernels.Memory, size int, piece func(kernels.Stored, []byte) Piece) *Feed {
	return &Feed{rooms: [2][]byte{mem.Alloc(size), mem.Alloc(size)}, piece: piece}
}

// Load gives the piece of a part, and the move that loads it, to be waited for.
// It takes the place of the part before the last: whoever used that must be
// through with it, and it must have been waited for.
func (d *Feed) Load(f *Flight, s kernels.Stored) (*Piece, *Move) {
	if d.last != nil {
		if p := d.piece(s, d.rooms[d.at]); d.last.Same(&p) {
			d.last = &p
			return d.last, d.move
		}
	}
	d.at = 1 - d.at
	p := d.piece(s, d.rooms[d.at])
	d.last, d.move = &p, f.Load(&p)
	return d.last, d.move
}
