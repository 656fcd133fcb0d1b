package alloc

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// ReadAt reads as io.ReaderAt says: fewer than len(p) bytes come with io.EOF.
func (b *Buffer) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fail("read", b.Path(), unix.EINVAL)
	}
	for {
		n, err := b.readAt(p, off)
		again, err := b.instead(context.Background(), err)
		if !again {
			return n, err
		}
	}
}

// readAt reads from wherever the bytes are, which cannot change meanwhile: mu
// keeps movers out. Of a spill tier the checksums of the chunks are verified
// first.
func (b *Buffer) readAt(p []byte, off int64) (int, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	h, err := b.at()
	fd, x := b.fd, b.s.sys
	if h != nil && err == nil {
		if h.packed() {
			return b.readPacked(h, p, off)
		}
		fd, x = h.fd, h.t.sys
		err = b.proof(h, off, int64(len(p)))
	}
	if err != nil {
		return 0, err
	}
	n, err := x.readFull(fd, b.Path(), p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// proof verifies the chunks of [off, off+n) that nobody has yet.
func (b *Buffer) proof(h *home, off, n int64) error {
	var buf []byte
	for at := off &^ (chunkSize - 1); at < off+n; at += chunkSize {
		if !h.sums.unverified(at) {
			continue
		}
		if buf == nil {
			buf = make([]byte, chunkSize)
		}
		epoch := h.sums.now()
		st, err := h.t.fstat(h.fd, h.where)
		if err != nil {
			return err
		}
		k, err := h.t.readFull(h.fd, h.where, buf, at)
		if err == nil {
			err = h.verify(b.Path(), buf[:k], at, st.Size, epoch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteAt writes p at off, growing the buffer if it ends before that. ENOSPC
// when the memory, and what it may spill to, is full; n bytes were written
// then.
func (b *Buffer) WriteAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fail("write", b.Path(), unix.EINVAL)
	}
	if off+int64(len(p)) < off {
		return 0, fail("write", b.Path(), unix.EFBIG)
	}
	err = b.roomy(func() (int64, error) {
		k, err := b.writeAt(p[n:], off+int64(n))
		n += k
		return int64(len(p) - n), err
	})
	return n, err
}

// writeAt writes all of p. Within the size any number of goroutines may write
// at once; growth is one at a time. The size is asked again with the lock that
// allows growth, as others may have grown the buffer in between.
func (b *Buffer) writeAt(p []byte, off int64) (n int, err error) {
	b.mu.RLock()
	st, err := b.stat()
	if err != nil || off+int64(len(p)) <= st.Size {
		defer b.mu.RUnlock()
		if err != nil {
			return 0, err
		}
		return b.write(p, off, &st)
	}
	b.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if st, err = b.stat(); err != nil {
		return 0, err
	}
	return b.writeMore(p, off, &st)
}

// writeMore is write that may make the buffer longer. Preconditions: b.mu is
// held for writing.
func (b *Buffer) writeMore(p []byte, off int64, st *unix.Stat_t) (n int, err error) {
	err = b.enlarge("write", max(st.Size, off+int64(len(p))), func() error {
		n, err = b.write(p, off, st)
		return err
	})
	return n, err
}

// Append writes p at the end, in one piece as far as the other calls of Buffer
// can see, and tells where. If it fails midway (ENOSPC) nothing is appended.
func (b *Buffer) Append(p []byte) (off int64, err error) {
	err = b.roomy(func() (int64, error) {
		off, err = b.append(p)
		return int64(len(p)), err
	})
	return off, err
}

// append writes p at the end, wherever that is by then, whole or not at all: a
// part that was written before an error is cut off again.
func (b *Buffer) append(p []byte) (off int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	st, err := b.stat()
	if err != nil {
		return 0, err
	}
	n, err := b.writeMore(p, st.Size, &st)
	if err != nil && n > 0 {
		err = errors.Join(err, b.cutBack(st.Size))
	}
	return st.Size, err
}

// write writes all of p. Preconditions: b.mu is held, for writing if the size
// changes; st is from since then, of the file with the bytes.
func (b *Buffer) write(p []byte, off int64, st *unix.Stat_t) (done int, err error) {
	path := b.Path()
	if b.readonly {
		return 0, fail("write", path, unix.EACCES)
	}
	end := off + int64(len(p))
	fd, endWrite, err := b.beginWrite(off, end, st)
	if err != nil {
		return 0, err
	}
	err = b.spend(b.needs(off, end, st), func() error {
		n, err := b.sysOf(fd).writeFull(fd, path, p[done:], off+int64(done))
		done += n
		return err
	})
	endWrite(p[:done])
	return done, err
}

// beginWrite gives the descriptor to write [off, end) through; what is known of
// the bytes there is not, from now on. The caller calls done at last, with what
// is at off now if it knows. Preconditions: as write's.
func (b *Buffer) beginWrite(off, end int64, st *unix.Stat_t) (fd int, done func(p []byte), err error) {
	h, err := b.at()
	if err != nil {
		return -1, nil, err
	}
	if h == nil {
		return b.fd, func([]byte) {}, nil
	}
	w, err := h.sums.begin(h.t, h.spot, min(off, st.Size), end)
	if err != nil {
		return -1, nil, err
	}
	if end <= st.Size {
		h.measure(w, st.Size)
	}
	return h.fd, func(p []byte) { h.sums.end(w, max(off+int64(len(p)), st.Size), fragments(Segment{off, p})) }, nil
}

// needs bounds how many bytes writing [off, end) can add: none if the file has
// no holes and does not grow.
func (b *Buffer) needs(off, end int64, st *unix.Stat_t) int64 {
	if end <= st.Size && st.Blocks*512 >= pages(st.Size) {
		return 0
	}
	return pages(end) - off&^(pageSize-1)
}

// spend runs a call that may add n bytes to the file with the bytes, within the
// budget of its tier.
func (b *Buffer) spend(n int64, call func() error) error {
	h, err := b.at()
	if err != nil {
		return err
	}
	if h != nil {
		return h.t.spend(h.fd, h.key, n, call)
	}
	return b.s.mem.spend(b.key, n, call, b.stubBlocks)
}

// Sync makes the bytes durable as far as the tier is.
func (b *Buffer) Sync() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	fd, err := b.file()
	if err != nil {
		return err
	}
	return b.sysOf(fd).fsync(fd, b.Path())
}
