package device

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
)

var errEOF = io.EOF

// Files is the buffers as clients see them: the tree of alloc.Store, with
// open(2) and truncate(2) in the order of the jobs.
type Files struct {
	*alloc.Store
	d *Device
}

// Files gives the buffers.
func (d *Device) Files() Files { return Files{d.store, d} }

// Buffer is an inode of the tree, for as long as it is held.
type Buffer = alloc.Buffer

// Handle is an open buffer of a client. Its methods are safe for concurrent use.
type Handle struct {
	f      Files
	buf    *alloc.Buffer
	flags  int
	closed sync.Once

	mu     sync.Mutex // guards pinned
	pinned bool
}

func writes(flags int) bool { return flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0 }

// Open opens a buffer as open(2) does; the caller has checked permissions. It
// waits until the accepted jobs that will write the buffer have ended, and, to
// write, also those that will read it: EINTR if ctx ends, EAGAIN with
// O_NONBLOCK. A bad buffer opens for writing alone, and with O_TRUNC; else EIO:
// what is read through a backing file, or mapped, does not pass through us.
func (f Files) Open(ctx context.Context, rel string, flags int) (*Handle, error) {
	b, err := f.Store.Get(rel)
	if err != nil {
		return nil, err
	}
	return f.OpenBuffer(ctx, b, flags)
}

// OpenBuffer is Open of a buffer that is held, whether it has a name or not. It
// takes the hold.
func (f Files) OpenBuffer(ctx context.Context, b *Buffer, flags int) (*Handle, error) {
	h := &Handle{f: f, buf: b, flags: flags}
	if err := h.enter(ctx); err != nil {
		b.Release()
		return nil, err
	}
	return h, nil
}

// enter waits for the handle's turn and truncates if asked to.
func (h *Handle) enter(ctx context.Context) error {
	if err := h.f.d.await(ctx, h.buf, writes(h.flags), h.flags&unix.O_NONBLOCK != 0); err != nil {
		return err
	}
	if h.flags&unix.O_TRUNC != 0 {
		return h.Truncate(ctx, 0)
	}
	if m, bad := h.buf.Mark(); bad && m.Bad() && h.flags&unix.O_ACCMODE != unix.O_WRONLY {
		return badBuffer(m)
	}
	return nil
}

// Create makes a buffer that belongs to c and opens it. Without O_EXCL one
// that exists is opened.
func (f Files) Create(ctx context.Context, c Cred, rel string, flags int, mode uint32) (*Handle, error) {
	b, _, err := f.Store.Create(c, rel, mode, flags&unix.O_EXCL != 0)
	if err != nil {
		return nil, err
	}
	return f.OpenBuffer(ctx, b, flags)
}

// Truncate sets the size of a buffer by name, once no job holds it.
func (f Files) Truncate(ctx context.Context, rel string, size int64) error {
	h, err := f.Open(ctx, rel, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer h.Release()
	return h.Truncate(ctx, size)
}

// Truncate sets the size, once no job holds the buffer. Cut to 0, a bad buffer
// is good again: there is nothing in it.
func (h *Handle) Truncate(ctx context.Context, size int64) error {
	if err := h.f.d.await(ctx, h.buf, true, h.flags&unix.O_NONBLOCK != 0); err != nil {
		return err
	}
	if err := h.growing(ctx, h.lacks(size), func() error { return h.buf.Resize(size) }); err != nil {
		return err
	}
	if size > 0 {
		return nil
	}
	return h.buf.ClearMark()
}

// Buffer is the buffer that is open.
func (h *Handle) Buffer() *alloc.Buffer { return h.buf }

// ReadAt reads as pread(2) does: a short count at the end, 0 past it. EIO if
// the buffer is bad.
func (h *Handle) ReadAt(p []byte, off int64) (int, error) {
	if m, ok := h.buf.Mark(); ok && m.Bad() {
		return 0, badBuffer(m)
	}
	n, err := h.buf.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// WriteAt writes as pwrite(2) does, or at the end if the handle appends. n bytes were written in any case.
func (h *Handle) WriteAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	need := func() int64 { return int64(len(p) - n) }
	err = h.growing(ctx, need, func() error {
		if h.flags&unix.O_APPEND == 0 {
			k, err := h.buf.WriteAt(p[n:], off+int64(n))
			n += k
			return err
		}
		_, err := h.buf.Append(p) // all, or nothing
		if err == nil {
			n = len(p)
		}
		return err
	})
	return n, err
}

// Allocate is fallocate(2).
func (h *Handle) Allocate(ctx context.Context, off, n int64, mode uint32) error {
	need := func() int64 { return n }
	if mode&unix.FALLOC_FL_KEEP_SIZE == 0 {
		need = h.lacks(off + n)
	}
	return h.growing(ctx, need, func() error { return h.buf.Allocate(off, n, mode) })
}

// lacks is how much longer the buffer has to be for a size.
func (h *Handle) lacks(size int64) func() int64 {
	return func() int64 {
		now, err := h.buf.Size()
		if err != nil {
			return 0 // that will be heard of again
		}
		return max(size-now, 0)
	}
}

// Pin keeps the buffer where it is, in memory or on its tier, until Unpin or
// Release, and gives the descriptor of the file that its bytes are in: for
// somebody to whom the kernel hands that file. It waits for a move that is under
// way. If the handle writes, what the file's checksums say no longer counts, and
// there is room for an empty buffer to grow.
func (h *Handle) Pin() (fd int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.pinned {
		if writes(h.flags) {
			h.f.d.grows(1)
		}
		if h.flags&unix.O_ACCMODE == unix.O_RDWR {
			err = h.f.d.moves.mayGrow(h.buf)
		}
		h.buf.Hold()
		h.pinned = true
	}
	if err != nil {
		return -1, err
	}
	if writes(h.flags) {
		err = h.buf.Unsum()
	}
	if fd = h.buf.Fd(); fd < 0 && err == nil {
		err = fmt.Errorf("%s: its file on the tier cannot be opened: %w", h.buf.Path(), syscall.EIO)
	}
	return fd, err
}

// Unpin lets the buffer move again. Without a Pin before it, it does nothing.
func (h *Handle) Unpin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pinned {
		h.pinned = false
		h.buf.Unhold()
		if writes(h.flags) {
			h.f.d.grows(-1)
		}
	}
}

// Release closes the handle. Doing it twice is harmless.
func (h *Handle) Release() {
	h.closed.Do(func() {
		h.Unpin()
		h.buf.Release()
		h.released()
	})
}

// CopyTo copies n bytes from off to another buffer, at to, and tells how many
// were: fewer at the end of the source. Both must be open for it. EIO if the
// source is bad.
func (h *Handle) CopyTo(ctx context.Context, dst *Handle, off, to, n int64) (done int64, err error) {
	if m, ok := h.buf.Mark(); ok && m.Bad() {
		return 0, badBuffer(m)
	}
	err = dst.growing(ctx, func() int64 { return n - done }, func() error {
		k, err := dst.buf.CopyFrom(ctx, h.buf, off+done, to+done, n-done)
		done += k
		return err
	})
	return done, err
}

// badBuffer is what reading a bad buffer answers.
func badBuffer(m alloc.Mark) error {
	return fmt.Errorf("%s is bad: job %d: %s: %w", m.Path, m.Job, m.Reason, syscall.EIO)
}
