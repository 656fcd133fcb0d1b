package iouring

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// RegisterBuffers tells the kernel of memory that operations will use again
// and again, and replaces what it was told before; nil just forgets.
// Transfers whose buffer lies in one of them then need no look-up of pages.
// Each is 1 byte to 1 GiB, and there are 1024 at most. They are locked in
// memory, which RLIMIT_MEMLOCK bounds: ENOMEM then, and the ring works as
// before without them. EBUSY while operations are in flight.
func (r *Ring) RegisterBuffers(bufs [][]byte) error {
	for i, b := range bufs {
		if len(b) == 0 || len(b) > maxTransfer {
			return fmt.Errorf("iouring: registered buffer %d has %d bytes: it may have 1 to 1 GiB: %w", i, len(b), unix.EINVAL)
		}
	}
	return r.registering("buffers", len(bufs), func() error { return r.b.registerBuffers(bufs) })
}

// RegisterFiles tells the kernel of files that operations with FixedFile name
// by their index, and replaces what it was told before; nil just forgets. The
// descriptors may then be closed: the ring holds on to the files. 1024 at most.
// EBUSY while operations are in flight. After EBUSY, or where a descriptor
// cannot be had (EBADF, EMFILE), what was registered before still is. After an
// error of the kernel's FixedFile must not be used until a call has succeeded.
func (r *Ring) RegisterFiles(fds []int) error {
	return r.registering("files", len(fds), func() error {
		own, err := dupAll(fds)
		if err != nil {
			return err // the backend has the old ones, and so must we
		}
		if err = r.b.registerFiles(own); err != nil {
			err = errors.Join(err, closeAll(own))
			own = nil
		}
		err = errors.Join(err, closeAll(r.files))
		r.files = own
		return err
	})
}

// registering does f while nothing is in flight and nothing is submitted.
// Submits wait for it (see admit); f runs without a lock, as it makes system
// calls.
func (r *Ring) registering(what string, n int, f func() error) error {
	if n > 1024 {
		return fmt.Errorf("iouring: %d registered %s: 1024 at most: %w", n, what, unix.EINVAL)
	}
	r.mu.Lock()
	switch {
	case r.closed:
		r.mu.Unlock()
		return ErrClosed
	case r.inFlight() > 0 || r.register:
		r.mu.Unlock()
		return fmt.Errorf("iouring: %s cannot be registered while operations are in flight: %w", what, unix.EBUSY)
	}
	r.register = true
	r.mu.Unlock()
	err := f()
	r.mu.Lock()
	r.register = false
	r.signal()
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("iouring: registering %d %s: %w", n, what, err)
	}
	return nil
}

// dupAll duplicates descriptors, for the life of a registration.
func dupAll(fds []int) ([]int, error) {
	var own []int
	for i, fd := range fds {
		d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("file %d, descriptor %d: %w", i, fd, err), closeAll(own))
		}
		own = append(own, d)
	}
	return own, nil
}

// closeAll closes all of them, whatever fails, and joins the errors.
func closeAll(fds []int) (err error) {
	for _, fd := range fds {
		err = errors.Join(err, unix.Close(fd))
	}
	return err
}
