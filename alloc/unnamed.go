package alloc

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What follows asks and changes a buffer through its descriptor, and so also
// after its last name is gone: fchmod(2) and its like on a file that was
// unlinked while open. The Store's methods of the same names do it by name.

// Chmod sets the permission bits.
func (b *Buffer) Chmod(mode uint32) error {
	return b.s.do("fchmod", b.Path(), func() error { return unix.Fchmod(b.fd, mode&0o7777) })
}

// Chown sets the owner and the group; -1 keeps one. EDQUOT: the new owner's
// quota has no room for it.
func (b *Buffer) Chown(uid, gid int) error {
	path := b.Path()
	st, err := b.s.fstat(b.fd, path)
	if err != nil {
		return err
	}
	undo, err := b.s.chownQuota(&st, uid)
	if err != nil {
		return fail("fchown", path, unix.EDQUOT)
	}
	if err = b.s.do("fchown", path, func() error { return unix.Fchown(b.fd, uid, gid) }); err != nil {
		undo()
	}
	return err
}

// Utimens sets the times of access and change; nil keeps one. Of a buffer that
// has spilled those of the spill file count.
func (b *Buffer) Utimens(atime, mtime *time.Time) error {
	path := b.Path()
	b.hm.RLock()
	defer b.hm.RUnlock()
	if err := b.s.futimens(b.fd, path, atime, mtime); err != nil {
		return err
	}
	switch p, h := b.spot, b.home; {
	case h != nil:
		return h.t.futimens(h.fd, h.where, atime, mtime)
	case p != nil && p.t != nil:
		return p.t.utimens(p.entry(), atime, mtime)
	}
	return nil
}

// futimens sets the times of what is open.
func (x sys) futimens(fd int, path string, atime, mtime *time.Time) error {
	ts := []unix.Timespec{timespec(atime), timespec(mtime)}
	return x.do("futimens", path, func() error { return unix.UtimesNanoAt(fd, "", ts, unix.AT_EMPTY_PATH) })
}

// Getxattr reads an attribute into p and tells its size, as the Store's does.
func (b *Buffer) Getxattr(name string, p []byte) (n int, err error) {
	err = b.xattr("fgetxattr", name, func() (err error) {
		n, err = unix.Fgetxattr(b.fd, name, p)
		return err
	})
	return n, err
}

// Setxattr sets an attribute; flags are those of setxattr(2).
func (b *Buffer) Setxattr(name string, value []byte, flags int) error {
	return b.xattr("fsetxattr", name, func() error { return unix.Fsetxattr(b.fd, name, value, flags) })
}

// Removexattr removes an attribute.
func (b *Buffer) Removexattr(name string) error {
	return b.xattr("fremovexattr", name, func() error { return unix.Fremovexattr(b.fd, name) })
}

// Listxattr lists the names of the user.* attributes.
func (b *Buffer) Listxattr() (names []string, err error) {
	buf := make([]byte, maxXattr)
	err = b.xattr("flistxattr", "user.", func() error {
		n, err := unix.Flistxattr(b.fd, buf)
		buf = buf[:max(n, 0)]
		return err
	})
	if err != nil {
		return nil, err
	}
	return userNames(buf), nil
}

// xattr makes a call about an attribute of an open buffer: EOPNOTSUPP outside
// the namespace user.
func (b *Buffer) xattr(op, name string, call func() error) error {
	if !strings.HasPrefix(name, "user.") {
		return fail(op, b.Path(), unix.EOPNOTSUPP)
	}
	return b.s.do(op, b.Path(), call)
}
