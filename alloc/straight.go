package alloc

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// Moves of large buffers go straight between the disk and a mapping of the buffer: to copy the bytes to staging memory and back takes a
// core as long as the disk takes for them.

// minMapped is the size from which on a buffer is mapped to be moved: for a smaller one that takes longer than copying.
const minMapped = hugePage

// straightStep is how much of a mapping goes in one operation: huge pages whole.
func (e *engine) straightStep() int64 { return max(e.block, hugePage) }

// mappable tells whether a resident buffer can be written out from a mapping. The holes of a tmpfs file become pages when they are read through
// one, so it may have none. What is saved by Close may still be open by way of a device that was detached, so that others write it between the disk's
// reading it and ours: of a copy, the checksum is true. Preconditions: b.mu is held.
func (b *Buffer) mappable(size int64) (bool, error) {
	if size < minMapped || b.s.closing.Err() != nil {
		return false, nil
	}
	if b.allocated >= size {
		return true, nil
	}
	hole := int64(0)
	err := b.s.do("lseek", b.Path(), func() (err error) {
		hole, err = unix.Seek(b.fd, 0, unix.SEEK_HOLE)
		return err
	})
	return hole >= size, err
}

// writeOut writes the bytes of a resident buffer from a mapping to the file, and sums them up while the disk is at work. Nobody changes them
// meanwhile: b.mu is held for writing, and nobody has them mapped or open past us. What lies behind the end in the last page is cut off
// by finish.
func (n *newHome) writeOut(ctx context.Context, b *Buffer) error {
	data, err := b.mmap(pages(n.size))
	if err != nil {
		return err
	}
	off, step := int64(0), b.s.io.straightStep()
	err = b.s.io.flows(ctx, func() *piece {
		if off >= n.size {
			return nil
		}
		at, size := off, min(step, n.size-off)
		off += size
		p := &piece{path: n.where}
		p.Code, p.FD, p.Off, p.Buf = iouring.Write, n.fd, at, data[at:at+size]
		if n.direct >= 0 {
			p.FD, p.Buf = n.direct, data[at:at+pages(size)]
		}
		p.drain = func() error {
			n.sumUp(data[at:at+size], at)
			return nil
		}
		return p
	})
	return errors.Join(err, b.munmap(data))
}

// readInto reads the spill file straight to where its bytes belong, and verifies them there. Two writes to one file of a tmpfs wait for each
// other, and clear what they leave of a huge page; two threads that touch its pages do not wait, and that is what takes the time where pages are
// new to a virtual machine.
func (b *Buffer) readInto(ctx context.Context, h *home, data []byte, size int64) error {
	off, path, epoch := int64(0), b.Path(), h.sums.now()
	step := b.s.io.straightStep()
	return b.s.io.flows(ctx, func() *piece {
		if off >= size {
			return nil
		}
		at, n := off, min(step, size-off)
		off += n
		whole := data[at : at+pages(n)]
		p := &piece{path: h.where, short: int(n)}
		p.Code, p.FD, p.Off, p.Buf = iouring.Read, h.fd, at, whole[:n]
		if h.direct >= 0 {
			p.FD, p.Buf = h.direct, whole
		}
		p.fill = func() error { return b.s.populate(path, whole) }
		p.drain = func() error {
			clear(whole[n:]) // the file may be made longer
			return h.verify(path, whole[:n], at, size, epoch)
		}
		return p
	})
}

// populate has the pages of a mapping there before they are used, if the kernel knows how (Linux 5.14).
func (x sys) populate(path string, p []byte) error {
	err := x.do("madvise", path, func() error { return unix.Madvise(p, unix.MADV_POPULATE_WRITE) })
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
