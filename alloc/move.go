package alloc

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// Spill moves the bytes to the first spill tier that has room for them; the names, and all that stat tells but the blocks, stay. It does
// nothing for a buffer that has spilled. EBUSY: it is mapped, or held; ENOSPC: no tier has room; EOPNOTSUPP: there is none. After an error,
// the context's too, the bytes are where they were.
func (b *Buffer) Spill(ctx context.Context) error { return b.evict(ctx, true) }

// SpillEmpty is Spill for a buffer that will be written whole: its bytes are not copied, and it reads as zeros until then.
func (b *Buffer) SpillEmpty(ctx context.Context) error { return b.evict(ctx, false) }

// evict moves the buffer out of the RAM tier, with or without its bytes.
func (b *Buffer) evict(ctx context.Context, bytes bool) error {
	moved, err := b.move(ctx, func(ctx context.Context) (bool, error) {
		if h, err := b.at(); h != nil || err != nil {
			return false, err
		}
		return true, b.spillWith(ctx, 0, bytes)
	})
	if moved {
		b.s.freed()
	}
	return err
}

// Promote moves the bytes back into the RAM tier, each chunk verified against its checksum; with discard they are not brought, and the
// buffer's contents are undefined until it is written. It does nothing for a resident buffer. ENOSPC: the memory is full, and nothing is evicted
// for it; EIO: a *ChecksumError, or what the disk says; EBUSY: it is held. After an error the bytes are where they were.
func (b *Buffer) Promote(ctx context.Context, discard bool) error {
	_, err := b.move(ctx, func(ctx context.Context) (bool, error) {
		h, err := b.at()
		if h == nil || err != nil {
			return false, err
		}
		if h.name == "" {
			return false, fail("promote", "temporary space", unix.EINVAL)
		}
		return true, b.promote(ctx, h, discard)
	})
	return err
}

// move runs a move while the store is open and nobody uses the bytes. It tells whether there was one.
func (b *Buffer) move(ctx context.Context, f func(context.Context) (bool, error)) (moved bool, err error) {
	s := b.s
	if !s.Spills() {
		return false, fail("spill", b.Path(), unix.EOPNOTSUPP)
	}
	s.moving.RLock()
	defer s.moving.RUnlock()
	if s.closed.Load() {
		return false, unix.ESHUTDOWN
	}
	ctx, cancel := s.stop(ctx)
	defer cancel()
	s.warm.drop(b)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mappings.Load() > 0 || b.pins.Load() > 0 || b.readonly {
		return false, fail("spill", b.Path(), unix.EBUSY)
	}
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	if alone, err := b.alone(); err != nil || !alone {
		return false, firstOf(err, fail("spill", b.Path(), unix.EBUSY))
	}
	moved, err = f(ctx)
	return moved && err == nil, err
}

// spillWith moves a resident buffer, with or without its bytes, to the first tier where it can grow by so many more. Preconditions: b.mu is
// held for writing.
func (b *Buffer) spillWith(ctx context.Context, more int64, bytes bool) error {
	st, err := b.s.fstat(b.fd, b.Path())
	if err != nil {
		return err
	}
	var f shape
	if bytes && more == 0 { // what is written on would not stay compressed
		if f, err = b.shape(ctx, st.Size); err != nil {
			return err
		}
	}
	return someTier(b.s.spills, "spill", b.Path(), func(t *spillTier) error {
		f := f.on(t, st.Size)
		if err := t.room(f.left + more); err != nil {
			return err
		}
		return b.spillTo(ctx, t, &st, bytes, f.width)
	})
}

// room asks whether the tier could take so many bytes more.
func (t *spillTier) room(n int64) error {
	st, err := t.statfs(t.dir, t.path)
	if err != nil {
		return err
	}
	n = pages(n)
	if used, err := t.meter.used(); err != nil || used+n > t.limit || n > int64(st.Bavail)*st.Bsize {
		return errors.Join(err, &fullError{t.path, n})
	}
	return nil
}

// arrived counts a buffer that moved here.
func (t *spillTier) arrived(p *spot, size int64) {
	t.has(p)
	t.traffic.moves.Add(1)
	t.traffic.in.Add(uint64(size))
}

// has counts a buffer that is here.
func (t *spillTier) has(p *spot) {
	t.buffers.Add(1)
	t.saved.Add(p.saved)
}

// spillTo makes a file on a tier, copies the bytes, and then by the making of one symlink makes it the buffer.
func (b *Buffer) spillTo(ctx context.Context, t *spillTier, st *unix.Stat_t, bytes bool, width int) (err error) {
	var n *newHome
	if bytes {
		n, err = b.fileOn(ctx, t, st, width)
	} else {
		n, err = b.s.newData(t, b.key.ino, st.Size, b.Path())
	}
	if err != nil {
		return err
	}
	err = n.finish(st)
	if err == nil {
		err = b.leave(n.home, st)
	}
	if err != nil {
		n.discard()
		return err
	}
	t.arrived(n.spot, st.Size)
	b.s.traffic.out.Add(uint64(st.Size))
	return nil
}

// fileOn makes a file on a tier with the bytes of a resident buffer, compressed if width is not 0.
func (b *Buffer) fileOn(ctx context.Context, t *spillTier, st *unix.Stat_t, width int) (n *newHome, err error) {
	if width > 0 {
		n, err = b.s.newPacked(t, b.key.ino, st.Size, width, b.Path())
	} else {
		n, err = b.s.newData(t, b.key.ino, st.Size, b.Path())
	}
	if err != nil {
		return nil, err
	}
	if width > 0 {
		err = n.pack(ctx, b.fd, b)
	} else {
		err = n.copyIn(ctx, b)
	}
	if err != nil {
		n.discard()
		return nil, err
	}
	return n, nil
}

// leave makes the home the buffer, and gives back the pages of the stub. If they cannot be given back the stub stays the buffer.
func (b *Buffer) leave(h *home, st *unix.Stat_t) error {
	s, e := b.s, b.s.homeEntry(b.key.ino)
	if err := s.symlink(h.target(), e); err != nil {
		return err
	}
	if err := b.emptied(st); err != nil {
		undo := s.unlink(e, 0)
		if undo == nil {
			return err
		}
		s.cfg.Logf("%s has spilled, and takes memory still: %v, %v", b, err, undo)
	}
	b.allocated = 0
	b.settle(h)
	return nil
}

// stubBlocks is the memory that the stub has.
func (b *Buffer) stubBlocks() (int64, error) {
	st, err := b.s.fstat(b.fd, b.Path())
	return st.Blocks * 512, err
}

// promote moves a spilled buffer back. Preconditions: b.mu is held for writing.
func (b *Buffer) promote(ctx context.Context, h *home, discard bool) error {
	s := b.s
	st, err := h.t.fstat(h.fd, b.Path())
	if err != nil {
		return err
	}
	err = b.refill(ctx, h, &st, discard)
	if err == nil {
		err = s.unlink(s.homeEntry(b.key.ino), 0)
	}
	if err != nil {
		return errors.Join(err, b.emptied(&st))
	}
	b.allocated = st.Size
	old := h.spot
	b.settle(nil)
	s.dropSpot(old)
	h.t.traffic.out.Add(uint64(st.Size))
	if !discard {
		h.t.traffic.hits.Add(1)
		s.traffic.in.Add(uint64(st.Size))
	}
	s.traffic.moves.Add(1)
	return nil
}

// refill gives the stub its size, its pages and its bytes.
func (b *Buffer) refill(ctx context.Context, h *home, st *unix.Stat_t, discard bool) error {
	s, path := b.s, b.Path()
	if err := s.ftruncate(b.fd, path, st.Size); err != nil {
		return err
	}
	from := int64(0)
	err := s.mem.spend(b.key, pages(st.Size), func() (err error) {
		if !discard { // that takes the pages
			return b.copyBack(ctx, h, st.Size)
		}
		from, err = s.fill(b.fd, path, from, st.Size)
		return err
	}, b.stubBlocks)
	if err == nil {
		err = s.setTimes(b.fd, path, st)
	}
	return err
}

// emptied gives back the pages of the stub.
func (b *Buffer) emptied(st *unix.Stat_t) error {
	err := b.s.punch(b.fd, b.Path(), st)
	if err == nil {
		b.s.mem.meter.settle(b.key, 0, 0)
	}
	return err
}

// setTimes gives an open file the times of another.
func (x sys) setTimes(fd int, path string, st *unix.Stat_t) error {
	a, m := time.Unix(st.Atim.Unix()), time.Unix(st.Mtim.Unix())
	return x.futimens(fd, path, &a, &m)
}

// dropSpot removes the files of a spot that is no buffer's any more.
func (s *Store) dropSpot(p *spot) {
	if p == nil || p.t == nil {
		return
	}
	if p.found { // else it was not counted
		p.t.buffers.Add(-1)
		p.t.saved.Add(-p.saved)
	}
	if p.name == "" {
		p.t.meter.forget(p.key)
		return
	}
	p.t.discardFile(p.sumsEntry(), p.sumsKey)
	p.t.discardFile(p.entry(), p.key)
}

// copyBack reads the whole spill file into the stub.
func (b *Buffer) copyBack(ctx context.Context, h *home, size int64) error {
	path := b.Path()
	write := func(_ context.Context, got []byte, off int64) error {
		_, err := b.s.writeFull(b.fd, path, got, off)
		return err
	}
	switch {
	case h.packed():
		return b.unpackEach(ctx, h, size, size, write)
	case size < minMapped:
		return b.readThrough(ctx, h, size, write)
	}
	if _, err := b.s.fill(b.fd, path, 0, size); err != nil {
		return err
	}
	data, err := b.mmap(pages(size))
	if err != nil {
		return err
	}
	return errors.Join(b.readInto(ctx, h, data, size), b.munmap(data))
}

// readThrough reads the spill file by way of staging blocks.
func (b *Buffer) readThrough(ctx context.Context, h *home, size int64, write func(context.Context, []byte, int64) error) error {
	off, path, epoch := int64(0), b.Path(), h.sums.now()
	return b.s.io.flow(ctx, func() *piece {
		if off >= size {
			return nil
		}
		at, n := off, min(b.s.io.block, size-off)
		off += n
		p := &piece{path: h.where, staged: n, short: int(n)}
		p.Code, p.FD, p.Off = iouring.Read, h.fd, at
		if h.direct >= 0 {
			p.FD, p.staged = h.direct, pages(n)
		}
		p.drain = func() error {
			if err := h.verify(path, p.Buf[:n], at, size, epoch); err != nil {
				return err
			}
			return write(ctx, p.Buf[:n], at)
		}
		return p
	})
}
