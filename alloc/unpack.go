package alloc

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// unpack brings a chunk of a compressed file of size bytes into the codec,
// verified, and gives it. It tells whether that was work: the codec may have it
// already.
func (h *home) unpack(ctx context.Context, e *engine, c *codec, i int64, path string, size int64) (got []byte, work bool, err error) {
	off, k := i*packChunk, h.sums.pack
	n := min(packChunk, size-off)
	if c.spot == h.spot && c.chunk == i {
		return c.raw[:n], false, nil
	}
	c.spot = nil
	if packChunks(size) != int64(len(k.of)) { // it was made longer, or cut, behind our back
		return nil, true, h.damaged(path, off, n)
	}
	if part := k.of[i]; part.size == 0 {
		err = h.transferOne(ctx, e, iouring.Read, c.raw[:pages(n)], off, int(n))
	} else {
		data := c.data[:pages(int64(part.size))]
		err = h.transferOne(ctx, e, iouring.Read, data, off, len(data))
		if err == nil && !c.undo(k, part, data, n) {
			err = h.damaged(path, off, n)
		}
	}
	if err == nil {
		err = h.verify(path, c.raw[:n], off, size, h.sums.now())
	}
	if err != nil {
		return nil, true, err
	}
	c.spot, c.chunk = h.spot, i
	return c.raw[:n], true, nil
}

// undo decompresses data, if it is what was written, to n bytes of raw.
func (c *codec) undo(k *packing, part packedChunk, data []byte, n int64) bool {
	data = data[:part.size]
	return sum(data) == part.sum && c.unpack(data, int(n), k.width)
}

// readPacked is ReadAt of a compressed buffer. Preconditions: b.mu is held.
func (b *Buffer) readPacked(h *home, p []byte, off int64) (n int, err error) {
	st, err := h.t.fstat(h.fd, h.where)
	if err != nil {
		return 0, err
	}
	if h.sums.pack.wasteful(st.Size) {
		return 0, errWaste
	}
	short := off+int64(len(p)) > st.Size
	p = p[:max(min(int64(len(p)), st.Size-off), 0)]
	err = b.unpackRange(h, off, int64(len(p)), st.Size, func(got []byte) error {
		n += copy(p[n:], got)
		return nil
	})
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// unpackRange gives [off, off+n) of a compressed file of size bytes to use, in order.
func (b *Buffer) unpackRange(h *home, off, n, size int64, use func([]byte) error) error {
	e, path, ctx := b.s.io, b.Path(), context.Background()
	for end := off + n; off < end; {
		i := off / packChunk
		c, err := e.codecs.take(ctx, h.spot, i)
		if err != nil {
			return err
		}
		all, work, err := h.unpack(ctx, e, c, i, path, size)
		if err == nil {
			got := all[off-i*packChunk : min(end-i*packChunk, int64(len(all)))]
			if err = use(got); work {
				h.sums.pack.wasted.Add(int64(len(all) - len(got)))
			}
			off += int64(len(got))
		}
		e.codecs.give(c)
		if err != nil {
			return err
		}
	}
	return nil
}

// unpackEach gives the first n bytes of a compressed file of size bytes to use,
// chunk by chunk, in any order, several at a time. What is given has room
// behind it to the end of the page.
func (b *Buffer) unpackEach(ctx context.Context, h *home, n, size int64, use func(ctx context.Context, got []byte, off int64) error) error {
	e, path, i := b.s.io, b.Path(), int64(0)
	if packChunks(size) != int64(len(h.sums.pack.of)) {
		return h.damaged(path, 0, size)
	}
	return e.flowsOn(ctx, e.codecs.threads(), func() *piece {
		off := i * packChunk
		if off >= n {
			return nil
		}
		part, length := h.sums.pack.of[i], min(packChunk, size-off)
		i++
		p := &piece{path: h.where, staged: pages(length), short: int(length)}
		if part.size > 0 {
			p.staged = pages(int64(part.size))
			p.short = int(p.staged)
		}
		p.Code, p.FD, p.Off = iouring.Read, h.transferFD(), off
		p.drain = func() error {
			return b.unpackPiece(ctx, h, p, part, length, size, path, func(got []byte) error {
				return use(ctx, got[:min(length, n-off)], off)
			})
		}
		return p
	})
}

// unpackPiece gives the bytes of a chunk that has been read to use, verified.
func (b *Buffer) unpackPiece(ctx context.Context, h *home, p *piece, part packedChunk, length, size int64, path string, use func([]byte) error) error {
	got, off := p.Buf, p.Off
	if part.size > 0 {
		c, err := b.s.io.codecs.take(ctx, nil, 0)
		if err != nil {
			return err
		}
		defer b.s.io.codecs.give(c)
		c.spot = nil
		if !c.undo(h.sums.pack, part, p.Buf, length) {
			return h.damaged(path, off, length)
		}
		got = c.raw
	}
	got = got[:length]
	if err := h.verify(path, got, off, size, h.sums.now()); err != nil {
		return err
	}
	return use(got)
}

// unpackSegs is readSegs of a compressed buffer: a chunk is decompressed once
// for all the segments that have a part in it.
func (b *Buffer) unpackSegs(ctx context.Context, h *home, segs []Segment, size int64) error {
	k := h.sums.pack
	if k.wasteful(size) {
		return errWaste
	}
	h.t.traffic.hits.Add(1)
	parts, order := byChunk(segs)
	e, path := b.s.io, b.Path()
	return e.codecs.each(ctx, h.spot, int64(len(order)), func(n int64) int64 { return order[n] }, func(ctx context.Context, c *codec, n int64) error {
		i, wanted := order[n], 0
		got, work, err := h.unpack(ctx, e, c, i, path, size)
		if err != nil {
			return err
		}
		for _, s := range parts[i] {
			wanted += copy(s.Buf, got[s.Off-i*packChunk:])
		}
		h.t.traffic.read.Add(uint64(wanted))
		if work {
			k.wasted.Add(max(int64(len(got)-wanted), 0))
		}
		return nil
	})
}

// byChunk cuts segments where chunks end, and lists the chunks in the order in
// which they are wanted.
func byChunk(segs []Segment) (parts map[int64][]Segment, order []int64) {
	parts = map[int64][]Segment{}
	for _, s := range segs {
		for off, buf := s.Off, s.Buf; len(buf) > 0; {
			i := off / packChunk
			n := min(int64(len(buf)), (i+1)*packChunk-off)
			if parts[i] == nil {
				order = append(order, i)
			}
			parts[i] = append(parts[i], Segment{off, buf[:n]})
			off, buf = off+n, buf[n:]
		}
	}
	return parts, order
}

// expand rewrites a compressed buffer, or its first limit bytes, uncompressed:
// on its tier, or one that has room, or if there is none and it may be resident
// in memory. It does nothing for any other. Unlike other moves it goes by
// holds: a descriptor of a compressed file is nobody's. Preconditions: no lock
// is held.
func (b *Buffer) expand(ctx context.Context, limit int64, resident bool) error {
	s := b.s
	s.moving.RLock()
	defer s.moving.RUnlock()
	if s.closed.Load() {
		return unix.ESHUTDOWN
	}
	ctx, cancel := s.stop(ctx)
	defer cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	h, err := b.at()
	if err != nil || h == nil || !h.packed() {
		return err
	}
	st, err := h.t.fstat(h.fd, b.Path())
	if err != nil {
		return err
	}
	if err = b.expandOn(ctx, h, &st, limit); errors.Is(err, unix.ENOSPC) && resident {
		if perr := b.promote(ctx, h, false); !errors.Is(perr, unix.ENOSPC) {
			return perr
		}
	}
	return err
}

// expandOn does so on a spill tier. st is the compressed file's.
func (b *Buffer) expandOn(ctx context.Context, h *home, st *unix.Stat_t, limit int64) error {
	to := *st
	to.Size = min(st.Size, limit)
	tiers := append([]*spillTier{h.t}, b.s.others(h.t)...)
	return someTier(tiers, "spill", b.Path(), func(t *spillTier) error {
		if err := t.room(to.Size); err != nil {
			return err
		}
		return b.rehomeTo(h, t, &to, func(n *newHome) error { return n.unpackFrom(ctx, b, h, st.Size) })
	})
}

// unpackFrom writes what a compressed file of size bytes has into the file.
func (n *newHome) unpackFrom(ctx context.Context, b *Buffer, h *home, size int64) error {
	return b.unpackEach(ctx, h, n.size, size, func(ctx context.Context, got []byte, off int64) error {
		n.sumUp(got, off)
		k := len(got)
		got = got[:pages(int64(k))]
		clear(got[k:])
		return n.transferOne(ctx, b.s.io, iouring.Write, got, off, 0)
	})
}

// blank makes a compressed file one of as many zeros, all of them a hole.
// Preconditions: nobody else uses the buffer of that inode.
func (s *Store) blank(ino uint64, p *spot, st *unix.Stat_t, rel string) (*newHome, error) {
	n, err := s.newFileOn(p.t, ino, st.Size, "", rel)
	if err != nil {
		return nil, err
	}
	if err := n.open(rel, func() error { return nil }); err != nil {
		return nil, err
	}
	if err = n.finish(st); err == nil {
		err = s.rehome(n.home, ino)
	}
	if err != nil {
		n.discard()
		return nil, err
	}
	p.t.has(n.spot)
	return n, nil
}
