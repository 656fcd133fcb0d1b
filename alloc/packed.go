package alloc

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

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

// Trying a buffer before it is compressed: how many chunks of it are, one for
// so many bytes, and what part compressing has to save.
const (
	maxSamples  = 4
	sampleEvery = 16 * packChunk
	minSaved    = 16 // a sixteenth
)

// shape finds the element width whose shuffle makes the most of a resident
// buffer, by trying: a raw buffer does not say what its elements are, and a
// typed one may hold others. Preconditions: b.mu is held.
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
			lens[k] += c.tried(c.raw[:n], w)
		}
	}
	return best(size, total, lens), nil
}

// tried is how many bytes are left of a chunk.
func (c *codec) tried(p []byte, width int) int {
	if out, ok := c.pack(p, width); ok {
		return len(out)
	}
	return len(p)
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

// packWindow is how much of the file has its space at a time. Chunks are
// written into space that is there, since a file system lets only one writer at
// a time allocate; what they leave of it is given back at the end of the
// window.
const packWindow = 256 * packChunk

// A file system notes in blocks of its own where the pieces of a file are,
// which the file's blocks include; a few fit into the inode.
const (
	piecesInInode = 4
	piecesInBlock = 256
)

// pack compresses the bytes behind a descriptor of the buffer into the file,
// and sums them up on the way. Where the tier has no room for a window before
// it is compressed it takes smaller ones.
func (n *newHome) pack(ctx context.Context, fd int, b *Buffer) error {
	step, end := int64(packWindow), pages(n.size)
	for off := int64(0); off < end; {
		to := min(off+step, end)
		err := n.packTo(ctx, fd, b, off, to)
		if errors.Is(err, unix.ENOSPC) && step > packChunk {
			step = max(packChunks((to-off)/2), 1) * packChunk
			continue
		}
		if err != nil {
			return err
		}
		off = to
	}
	now, err := n.blocks()
	n.saved = max(end-now, 0)
	return err
}

// packTo does so for the chunks of [lo, hi), whole pages.
func (n *newHome) packTo(ctx context.Context, fd int, b *Buffer, lo, hi int64) error {
	first, count, need := lo/packChunk, packChunks(hi-lo), hi-lo
	if packChunks(n.size) > piecesInInode {
		need += pageSize * (1 + count/piecesInBlock)
	}
	return n.t.spend(n.fd, n.key, need, func() error {
		if err := n.allow(n.t.fallocate(n.fd, n.tmp.rel, unix.FALLOC_FL_KEEP_SIZE, lo, hi-lo)); err != nil {
			return errors.Join(err, n.giveBack(lo, hi))
		}
		i, e := first, b.s.io
		err := e.flowsOn(ctx, e.codecs.threads(), func() *piece {
			if i == first+count {
				return nil
			}
			i++
			return n.packPiece(ctx, b, i-1, fd)
		})
		if err != nil {
			return err
		}
		for i := first; i < first+count; i++ {
			if size := int64(n.sums.pack.of[i].size); size > 0 {
				if err := n.giveBack(i*packChunk+pages(size), min((i+1)*packChunk, hi)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// giveBack makes a part of the file a hole.
func (n *newHome) giveBack(lo, hi int64) error {
	return n.allow(n.t.fallocate(n.fd, n.tmp.rel, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, lo, hi-lo))
}

// allow is err, unless a file system has no fallocate: there what is not
// written is a hole.
func (n *newHome) allow(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// packPiece is the writing of a chunk, compressed.
func (n *newHome) packPiece(ctx context.Context, b *Buffer, i int64, fd int) *piece {
	off := i * packChunk
	size := min(packChunk, n.size-off)
	p := &piece{path: n.where, staged: pages(size)}
	p.Code, p.FD, p.Off = iouring.Write, n.transferFD(), off
	p.fill = func() error {
		if err := n.load(b.sysOf(fd), fd, b.Path(), p.Buf, off, size); err != nil {
			return err
		}
		c, err := b.s.io.codecs.take(ctx, nil, 0)
		if err != nil {
			return err
		}
		defer b.s.io.codecs.give(c)
		n.sums.pack.of[i] = packedChunk{}
		if data, ok := c.pack(p.Buf[:size], n.sums.pack.width); ok {
			n.sums.pack.of[i] = packedChunk{uint32(len(data)), sum(data)}
			p.Buf = p.Buf[:copy(p.Buf, c.data[:pages(int64(len(data)))])]
		}
		return nil
	}
	return p
}

// transferFD is the descriptor for transfers of whole blocks.
func (h *home) transferFD() int {
	if h.direct >= 0 {
		return h.direct
	}
	return h.fd
}

// transferOne reads or writes one aligned block of the file. short is with how
// many bytes a read is complete.
func (h *home) transferOne(ctx context.Context, e *engine, code iouring.Code, p []byte, off int64, short int) error {
	one := &piece{path: h.where, short: short}
	one.Code, one.FD, one.Off, one.Buf = code, h.transferFD(), off, p
	return e.flow(ctx, func() *piece {
		p := one
		one = nil
		return p
	})
}
