package alloc

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// Resize sets the size. The space of what is added is there when it returns:
// ENOSPC, and nothing changed, if it cannot be. A buffer that is mapped does
// not shrink: EBUSY.
func (b *Buffer) Resize(n int64) error {
	b.s.warm.drop(b)
	var freed bool
	err := b.roomy(func() (need int64, err error) {
		freed, need, err = b.resize(n)
		if errors.Is(err, errPacked) { // what is cut off need not be written anew
			if err = b.expand(context.Background(), n, true); err == nil {
				freed, need, err = b.resize(n)
			}
		}
		return need, err
	})
	if freed {
		b.s.freed()
	}
	return err
}

// resize does so, and tells whether it freed anything, or else how much space it needed.
func (b *Buffer) resize(n int64) (freed bool, need int64, err error) {
	path := b.Path()
	if n < 0 {
		return false, 0, fail("truncate", path, unix.EINVAL)
	}
	if b.readonly {
		return false, 0, fail("truncate", path, unix.EACCES)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	st, err := b.stat()
	if err != nil {
		return false, 0, err
	}
	if n < st.Size && b.mappings.Load() > 0 {
		return false, 0, fail("truncate", path, unix.EBUSY)
	}
	if n > st.Size {
		return false, pages(n) - pages(st.Size), b.enlarge("truncate", n, func() error { return b.grow(st.Size, n) })
	}
	return n < st.Size, 0, b.cutBack(n)
}

// grow allocates what comes after size, then sets the size: until the last step
// nothing is seen of it.
func (b *Buffer) grow(size, n int64) error {
	err := b.allocate(size, n)
	if err == nil {
		err = b.truncate(size, n)
	}
	if err != nil {
		return errors.Join(err, b.cutBack(size))
	}
	if b.allocated >= size {
		b.allocated = n
	}
	b.s.mem.note()
	return nil
}

// truncate sets the size, which is from. What a checksum says of the end is
// unknown before that.
func (b *Buffer) truncate(from, n int64) error {
	h, err := b.at()
	if err != nil {
		return err
	}
	fd := b.fd
	if h != nil {
		fd = h.fd
		if err := h.sums.resize(h.t, h.spot, from, n); err != nil {
			return err
		}
	}
	return b.sysOf(fd).ftruncate(fd, b.Path(), n)
}

// cutBack sets the size to n, which is no more than it is, and gives back what
// is allocated beyond it.
func (b *Buffer) cutBack(n int64) error {
	st, err := b.stat()
	if err == nil {
		err = b.spend(0, func() error { return b.truncate(st.Size, n) })
	}
	if err == nil {
		b.allocated = min(b.allocated, n)
		b.s.quota.set(b.key, n)
	}
	return err
}

// reserve allocates the holes, so that no access to a mapping can run out of
// space and end in SIGBUS, and tells the size. ENOSPC: some stay.
// Preconditions: b.mu is held for writing.
func (b *Buffer) reserve() (size int64, err error) {
	st, err := b.stat()
	if err != nil {
		return 0, err
	}
	if h, err := b.at(); err != nil || h != nil && h.packed() {
		return st.Size, err
	}
	if b.readonly || b.allocated >= st.Size { // the holes of a file on disk read as zeros
		return st.Size, nil
	}
	if err := b.allocate(b.allocated, st.Size); err != nil {
		return 0, err
	}
	b.allocated = st.Size
	return st.Size, nil
}

// allocStep is how much one fallocate call allocates. The kernel gives up such
// a call when a signal comes, with all its work undone, and the Go runtime
// sends signals: a whole buffer in one call might never be done.
const allocStep = 64 << 20

// allocate gives [from, to) its pages, also beyond the end of the file, whose size stays.
func (b *Buffer) allocate(from, to int64) error {
	if h, err := b.at(); err == nil && h != nil && h.packed() {
		return errPacked
	}
	fd, err := b.file()
	if err != nil {
		return err
	}
	path := b.Path()
	// st_blocks bounds what is missing. Beyond the end of the file it is all of it.
	return b.spend(b.missing(from, to), func() error {
		done, err := b.sysOf(fd).fill(fd, path, from, to)
		from = done
		return err
	})
}

// fill gives [from, to) of a file its blocks, and tells how far it came.
func (x sys) fill(fd int, path string, from, to int64) (int64, error) {
	for from < to {
		n := min(allocStep, to-from)
		err := x.fallocate(fd, path, unix.FALLOC_FL_KEEP_SIZE, from, n)
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = x.rewrite(fd, path, from, n)
		}
		if err != nil {
			return from, err
		}
		from += n
	}
	return from, nil
}

// missing bounds how many bytes allocating [from, to) can add.
func (b *Buffer) missing(from, to int64) int64 {
	n := pages(to) - from&^(pageSize-1)
	if st, err := b.stat(); err == nil && to <= st.Size {
		n = min(n, max(pages(st.Size)-st.Blocks*512, 0))
	}
	return n
}

// fallocate makes one such call.
func (x sys) fallocate(fd int, path string, mode uint32, off, n int64) error {
	return x.do("fallocate", path, func() error { return unix.Fallocate(fd, mode, off, n) })
}

// rewrite allocates without fallocate, on file systems that have none: it
// writes what is there over itself.
func (x sys) rewrite(fd int, path string, from, n int64) error {
	buf := make([]byte, min(n, 1<<20))
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		clear(p) // beyond the end of the file there are zeros to write
		if _, err := x.readFull(fd, path, p, from); err != nil {
			return err
		}
		if _, err := x.writeFull(fd, path, p, from); err != nil {
			return err
		}
		from, n = from+int64(len(p)), n-int64(len(p))
	}
	return nil
}

// Allocate is fallocate(2). What would move or drop pages of a mapped buffer is
// refused with EBUSY.
func (b *Buffer) Allocate(off, n int64, mode uint32) error {
	b.s.warm.drop(b)
	var freed bool
	err := b.roomy(func() (need int64, err error) {
		freed, err = b.allocateMode(off, n, mode)
		return n, err
	})
	if freed {
		b.s.freed()
	}
	return err
}

// allocateMode does so, and tells whether it freed anything.
func (b *Buffer) allocateMode(off, n int64, mode uint32) (freed bool, err error) {
	path := b.Path()
	if off < 0 || n <= 0 {
		return false, fail("fallocate", path, unix.EINVAL)
	}
	if off+n < off {
		return false, fail("fallocate", path, unix.EFBIG)
	}
	if b.readonly {
		return false, fail("fallocate", path, unix.EACCES)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch mode {
	case 0:
		return false, b.extend(off, off+n)
	case unix.FALLOC_FL_KEEP_SIZE:
		return false, b.allocate(off, off+n)
	}
	if b.mappings.Load() > 0 {
		return false, fail("fallocate", path, unix.EBUSY)
	}
	return b.reshape(off, n, mode)
}

// reshape punches holes, and whatever else fallocate can do to what is there.
func (b *Buffer) reshape(off, n int64, mode uint32) (freed bool, err error) {
	fd, err := b.file()
	if err == nil {
		err = b.unsum()
	}
	if err != nil {
		return false, err
	}
	b.allocated = min(b.allocated, off)
	err = b.spend(0, func() error { return b.sysOf(fd).fallocate(fd, b.Path(), mode, off, n) })
	return err == nil, err
}

// extend allocates [from, to) and makes the file at least so long.
func (b *Buffer) extend(from, to int64) error {
	st, err := b.stat()
	if err != nil {
		return err
	}
	if to <= st.Size {
		return b.allocate(from, to)
	}
	return b.enlarge("fallocate", to, func() error {
		err := b.allocate(from, to)
		if err == nil {
			err = b.truncate(st.Size, to)
		}
		if err != nil {
			err = errors.Join(err, b.cutBack(st.Size))
		}
		return err
	})
}
