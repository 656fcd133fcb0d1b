package alloc

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// ReadAt reads as io.ReaderAt says: fewer than len(p) bytes come with io.EOF.
func (b *Buffer) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fail("read", b.Path(), unix.EINVAL)
	}
	n, err := b.s.readFull(b.fd, b.Path(), p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// WriteAt writes p at off, growing the buffer if it ends before that. ENOSPC when the memory is full; n bytes were written then.
func (b *Buffer) WriteAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fail("write", b.Path(), unix.EINVAL)
	}
	if off+int64(len(p)) < off {
		return 0, fail("write", b.Path(), unix.EFBIG)
	}
	b.mu.RLock()
	st, err := b.Stat()
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
	if st, err = b.Stat(); err != nil {
		return 0, err
	}
	return b.write(p, off, &st)
}

// Append writes p at the end, in one piece as far as the other calls of Buffer can see, and tells where. If it fails midway
// (ENOSPC) nothing is appended.
func (b *Buffer) Append(p []byte) (off int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	st, err := b.Stat()
	if err != nil {
		return 0, err
	}
	n, err := b.write(p, st.Size, &st)
	if err != nil && n > 0 {
		err = errors.Join(err, b.cutBack(st.Size))
	}
	return st.Size, err
}

// write writes all of p. Preconditions: b.mu is held, for writing if the size changes; st is from since then.
func (b *Buffer) write(p []byte, off int64, st *unix.Stat_t) (done int, err error) {
	if b.readonly {
		return 0, fail("write", b.Path(), unix.EACCES)
	}
	end := off + int64(len(p))
	path := b.Path()
	err = b.spend(b.needs(off, end, st), func() error {
		n, err := b.s.writeFull(b.fd, path, p[done:], off+int64(done))
		done += n
		return err
	})
	return done, err
}

// needs bounds how many bytes writing [off, end) can add: none if the file has no holes and does not grow.
func (b *Buffer) needs(off, end int64, st *unix.Stat_t) int64 {
	if end <= st.Size && st.Blocks*512 >= pages(st.Size) {
		return 0
	}
	return pages(end) - off&^(pageSize-1)
}

// spend runs a call that may add n bytes to the file, within the budget.
func (b *Buffer) spend(n int64, call func() error) error {
	return b.s.mem.spend(b.key, n, call, b.held)
}

// held is the memory that the file has.
func (b *Buffer) held() (int64, error) {
	st, err := b.Stat()
	return st.Blocks * 512, err
}

// Sync makes the bytes durable as far as the tier is.
func (b *Buffer) Sync() error { return b.s.fsync(b.fd, b.Path()) }
