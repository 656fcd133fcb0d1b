package alloc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// alone tells whether nobody else has the file open or mapped in which the bytes are. Preconditions: b.mu is held for writing.
func (b *Buffer) alone() (bool, error) {
	if b.spot == nil {
		return b.s.alone(b.fd, b.Path())
	}
	if !b.spot.lent.Load() {
		return true, nil
	}
	h, err := b.at()
	if err != nil {
		return false, err
	}
	return h.alone()
}

// alone tells whether nobody else has the spill file open or mapped. The other descriptor of our own is closed meanwhile. What comes of that is no
// fault of the disk's.
func (h *home) alone() (alone bool, err error) {
	x, e := h.t.quiet(), h.entry()
	if h.direct < 0 {
		return x.alone(h.fd, e.rel)
	}
	h.t.drop(h.direct, e.rel)
	h.direct = -1
	alone, err = x.alone(h.fd, e.rel)
	mode := unix.O_RDWR
	if h.fixed {
		mode = unix.O_RDONLY
	}
	direct, again := h.t.open(e, mode|unix.O_DIRECT, 0)
	if h.direct = direct; again != nil { // it goes on by way of the page cache
		return false, errors.Join(err, again)
	}
	return alone, err
}

// alone tells whether a file, open at fd and nowhere else by us, is open or mapped nowhere else at all. Who maps a buffer that the kernel reads
// and writes for him (passthrough) and then closes it, as is usual, keeps the file in memory or on the tier and not the handle, which is
// released: no hold tells of him. A write lease is given only for a file that nobody else has open (fcntl(2), F_SETLEASE), and a mapping
// keeps one open. It is given back at once; who opens the file meanwhile waits for that. Where there are no leases, or none for us, the
// answer is yes. A process that is being started has all our files open until it runs its own program: the daemon starts none while it serves.
func (x sys) alone(fd int, path string) (bool, error) {
	switch err := x.lease(fd, path, unix.F_WRLCK); {
	case err == nil:
		return true, x.lease(fd, path, unix.F_UNLCK)
	case errors.Is(err, unix.EAGAIN):
		return false, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EOPNOTSUPP):
		return true, nil
	default:
		return false, err
	}
}

// lease takes or gives back a lease.
func (x sys) lease(fd int, path string, kind int) error {
	return x.do("lease", path, func() error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, kind)
		return err
	})
}
