package alloc

import (
	"context"
	"slices"
	"sync/atomic"

	"vgpu/iouring"
)

// shape is how a buffer goes to a spill tier.
type shape struct {
	width int   // of the elements whose bytes are shuffled before they are compressed; 0: it stays as it is
	left  int64 // bytes that will about be left of it
}

// on is the shape that the buffer has on that tier.
func (f shape) on(t *spillTier, size int64) shape {
	if !t.packs || f.width == 0 {
		return shape{0, size}
	}
	return f
}

// Trying a buffer before it is compressed: how many chunks of it are, one for so many bytes, and what part compressing has to save.
const (
	maxSamples  = 4
	sampleEvery = 16 * packChunk
	minSaved    = 16 // a sixteenth
)

// shape finds the element width whose shuffle makes the most of a resident buffer, by trying: a raw buffer does not say what its elements are, and
// a typed one may hold others. Preconditions: b.mu is held.
func (b *Buffer) shape(ctx context.Context, size int64) (shape, error) {
	if size <= pageSize || !slices.ContainsFunc(b.s.spills, func(t *spillTier) bool { return t.packs }) {
		return shape{0, size}, nil
	}
	z := b.s.io.codecs
	c, err := z.take(ctx, nil, 0)
	if err != nil {
		return shape{}, err
	}
	defer z.give(c)
	c.spot = nil
	total, lens := 0, [len(widths)]int{}
	whole := size / packChunk
	count := min(max(size/sampleEvery, min(whole, 2), 1), maxSamples)
	for i := range count {
		off := (2*i + 1) * whole / (2 * count) * packChunk
		n, err := b.s.readFull(b.fd, b.Path(), c.raw[:min(packChunk, size-off)], off)
		if err != nil {
			return shape{}, err
		}
		total += n
		for k, w := range widths {
			lens[k] += c.tried(n, w)
		}
	}
	return best(size, total, lens), nil
}

// tried is how many bytes are left of the first n.
func (c *codec) tried(n, width int) int {
	if out, ok := c.pack(n, width); ok {
		return len(out)
	}
	return n
}

// best chooses the width by what was left of samples of total bytes.
func best(size int64, total int, lens [len(widths)]int) shape {
	k := 0
	for i, n := range lens {
		if n < lens[k] {
			k = i
		}
	}
	if lens[k] >= total-total/minSaved {
		return shape{0, size}
	}
	left := int64(float64(size)*float64(lens[k])/float64(total)) + packChunks(size)*pageSize
	return shape{widths[k], min(left, size)}
}

// newPacked makes an empty file of so many bytes that compressed chunks are written to.
func (s *Store) newPacked(t *spillTier, ino uint64, size int64, width int, rel string) (*newHome, error) {
	n, err := s.newFileOn(t, ino, size, packedSuffix, rel)
	if err != nil {
		return nil, err
	}
	n.sums.pack = &packing{width: width, of: make([]packedChunk, packChunks(size))}
	if err = n.open(rel, func() error { return t.ftruncate(n.fd, rel, pages(size)) }); err != nil {
		return nil, err
	}
	return n, nil
}

// claims is space of a tier that is taken for a file bit by bit.
type claims struct {
	t   *spillTier
	key key
	sum atomic.Int64
}

func (c *claims) add(n int64) error {
	if err := c.t.meter.claim(c.key, n); err != nil {
		return &fullError{c.t.path, n}
	}
	c.sum.Add(n)
	return nil
}

// A file system notes in blocks of its own where the pieces of a file are, which the file's blocks include; a few fit into the inode.
const (
	piecesInInode = 4
	piecesInBlock = 256
)

// pack compresses the bytes behind a descriptor of the buffer into the file, and sums them up on the way. Space is claimed chunk by chunk.
func (n *newHome) pack(ctx context.Context, fd int, b *Buffer) (err error) {
	space := &claims{t: n.t, key: n.key}
	count, path := packChunks(n.size), b.Path()
	if count > piecesInInode {
		err = space.add(pageSize * (1 + count/piecesInBlock))
	}
	if err == nil {
		err = b.s.io.codecs.each(ctx, n.spot, count, same, func(ctx context.Context, c *codec, i int64) error {
			return n.packOne(ctx, b.s.io, c, i, fd, path, space)
		})
	}
	now, berr := n.blocks()
	if berr != nil {
		now = unknown
	}
	n.t.meter.settle(n.key, space.sum.Load(), now)
	n.saved = max(pages(n.size)-max(now, 0), 0)
	return firstOf(err, berr)
}

// packOne compresses and writes a chunk.
func (n *newHome) packOne(ctx context.Context, e *engine, c *codec, i int64, fd int, path string, space *claims) error {
	off := i * packChunk
	size := min(packChunk, n.size-off)
	c.spot = nil
	if err := n.load(fd, path, c.raw[:pages(size)], off, size); err != nil {
		return err
	}
	out := c.raw[:pages(size)]
	if data, ok := c.pack(int(size), n.sums.pack.width); ok {
		n.sums.pack.of[i] = packedChunk{uint32(len(data)), sum(data)}
		out = c.data[:pages(int64(len(data)))]
	}
	if err := space.add(int64(len(out))); err != nil {
		return err
	}
	return n.transferOne(ctx, e, iouring.Write, out, off, 0)
}

// transferOne reads or writes one aligned block of the file. short is with how many bytes a read is complete.
func (h *home) transferOne(ctx context.Context, e *engine, code iouring.Code, p []byte, off int64, short int) error {
	one := &piece{path: h.where, short: short}
	one.Code, one.FD, one.Off, one.Buf = code, h.fd, off, p
	if h.direct >= 0 {
		one.FD = h.direct
	}
	return e.flow(ctx, func() *piece {
		p := one
		one = nil
		return p
	})
}
