package alloc

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// copyStep is how much CopyFrom copies between looking at its context.
const copyStep = 8 << 20

// CopyFrom copies n bytes of src from off on to the place `to` of the buffer,
// which grows if it must, in the kernel where both are on one file system. It
// stops early, without an error, where src ends. EINVAL: the two overlap in one
// buffer; else as ReadAt and WriteAt. done bytes were copied in any case.
func (b *Buffer) CopyFrom(ctx context.Context, src *Buffer, off, to, n int64) (done int64, err error) {
	if off < 0 || to < 0 || n < 0 || to+n < to || off+n < off || src == b && off < to+n && to < off+n {
		return 0, fail("copy", b.Path(), unix.EINVAL)
	}
	src.touch()
	for end := false; done < n && !end && err == nil; {
		if err = ctx.Err(); err != nil {
			break
		}
		err = b.roomy(func() (int64, error) {
			var k int64
			k, end, err = b.copyOnce(src, off+done, to+done, min(copyStep, n-done))
			done += k
			return n - done, err
		})
	}
	return done, err
}

// copyOnce copies a step. end: src has no more.
func (b *Buffer) copyOnce(src *Buffer, off, to, n int64) (done int64, end bool, err error) {
	unlock, grows, err := b.lockWith(src, to+n)
	if err != nil {
		return 0, false, err
	}
	defer unlock()
	sst, err := src.stat()
	if err != nil {
		return 0, false, err
	}
	if n = min(n, sst.Size-off); n <= 0 {
		return 0, true, nil
	}
	st, err := b.stat()
	if err != nil {
		return 0, false, err
	}
	if !grows && to+n > st.Size { // it shrank just now
		return 0, false, nil
	}
	copyIn := func() (err error) {
		done, err = b.copyHeld(src, off, to, n, &st)
		return err
	}
	if grows {
		err = b.enlarge("copy", max(st.Size, to+n), copyIn)
	} else {
		err = copyIn()
	}
	return done, false, err
}

// lockWith locks two buffers, in the order of their inodes: src to read, b to
// read too if it is long enough already.
func (b *Buffer) lockWith(src *Buffer, end int64) (unlock func(), grows bool, err error) {
	b.mu.RLock()
	st, err := b.stat()
	b.mu.RUnlock()
	if err != nil {
		return nil, false, err
	}
	grows = end > st.Size
	lock, undo := b.mu.RLock, b.mu.RUnlock
	if grows {
		lock, undo = b.mu.Lock, b.mu.Unlock
	}
	switch {
	case src == b:
		lock()
		return undo, grows, nil
	case src.key.ino < b.key.ino:
		src.mu.RLock()
		lock()
	default:
		lock()
		src.mu.RLock()
	}
	return func() { undo(); src.mu.RUnlock() }, grows, nil
}

// copyHeld copies between two buffers that are locked. st is the buffer's.
func (b *Buffer) copyHeld(src *Buffer, off, to, n int64, st *unix.Stat_t) (done int64, err error) {
	if b.readonly {
		return 0, fail("copy", b.Path(), unix.EACCES)
	}
	from, err := src.file()
	if err != nil {
		return 0, err
	}
	h, err := src.at()
	if err == nil && h != nil && !h.packed() {
		err = src.proof(h, off, n)
	}
	if err != nil {
		return 0, err
	}
	into, endWrite, err := b.beginWrite(to, to+n, st)
	if err != nil {
		return 0, err
	}
	defer endWrite(nil)
	err = b.spend(b.needs(to, to+n, st), func() error {
		if h != nil && h.packed() {
			k, err := b.copyPacked(src, h, into, off+done, to+done, n-done)
			done += k
			return err
		}
		k, err := b.sysOf(into).copyRange(from, into, b.Path(), off+done, to+done, n-done)
		done += k
		return err
	})
	return done, err
}

// copyPacked copies from a compressed buffer, which has all of [off, off+n).
func (b *Buffer) copyPacked(src *Buffer, h *home, into int, off, to, n int64) (done int64, err error) {
	st, err := h.t.fstat(h.fd, h.where)
	if err != nil {
		return 0, err
	}
	err = src.unpackRange(h, off, n, st.Size, func(p []byte) error {
		k, err := b.sysOf(into).writeFull(into, b.Path(), p, to+done)
		done += int64(k)
		return err
	})
	return done, err
}

// copyRange copies between two files, in the kernel if it can.
func (x sys) copyRange(from, into int, path string, off, to, n int64) (done int64, err error) {
	for done < n {
		var k int
		err := x.do("copy", path, func() (err error) {
			r, w := off+done, to+done
			k, err = unix.CopyFileRange(from, &r, into, &w, int(n-done), 0)
			return err
		})
		if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || err == nil && k == 0 {
			m, err := x.copyThrough(from, into, path, off+done, to+done, n-done)
			return done + m, err
		}
		if err != nil {
			return done, err
		}
		done += int64(k)
	}
	return done, nil
}

// copyThrough copies through memory.
func (x sys) copyThrough(from, into int, path string, off, to, n int64) (done int64, err error) {
	buf := make([]byte, min(n, 1<<20))
	for done < n {
		k, err := x.readFull(from, path, buf[:min(n-done, int64(len(buf)))], off+done)
		if err == nil && k == 0 { // somebody cut it
			return done, nil
		}
		var m int
		if err == nil {
			m, err = x.writeFull(into, path, buf[:k], to+done)
		}
		if done += int64(m); err != nil {
			return done, err
		}
	}
	return done, nil
}
