package vfs

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"vgpu/device"
)

// metadata is what is asked and changed of an inode beside its bytes, by name
// or through a handle. The kernel has checked permissions
// (default_permissions).
type metadata interface {
	Chmod(mode uint32) error
	Chown(uid, gid int) error
	Utimens(atime, mtime *time.Time) error
	Getxattr(name string, p []byte) (int, error)
	Setxattr(name string, value []byte, flags int) error
	Listxattr() ([]string, error)
	Removexattr(name string) error
}

// byName is the metadata of what has a name: of whatever the name means by now,
// which the caller has just checked (onMeta).
type byName struct {
	device.Files
	rel string
}

func (m byName) Chmod(mode uint32) error         { return m.Files.Chmod(m.rel, mode) }
func (m byName) Chown(uid, gid int) error        { return m.Files.Chown(m.rel, uid, gid) }
func (m byName) Utimens(a, mod *time.Time) error { return m.Files.Utimens(m.rel, a, mod) }
func (m byName) Listxattr() ([]string, error)    { return m.Files.Listxattr(m.rel) }
func (m byName) Removexattr(name string) error   { return m.Files.Removexattr(m.rel, name) }

func (m byName) Getxattr(name string, p []byte) (int, error) {
	return m.Files.Getxattr(m.rel, name, p)
}

func (m byName) Setxattr(name string, value []byte, flags int) error {
	return m.Files.Setxattr(m.rel, name, value, flags)
}

// held gives a buffer that has lost its name to another inode, or altogether,
// and that somebody has open; nil if nobody has. The caller releases it.
func (n *bufferNode) held() *device.Buffer {
	if n.top == nil {
		return nil
	}
	return n.files().Held(n.StableAttr().Ino)
}

// unnamed is held where a call by name has found nothing.
func (n *bufferNode) unnamed(err error) *device.Buffer {
	if !errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return n.held()
}

// onMeta calls f with the metadata of the node's inode: of what stands under its
// name, if that is it still, else of what somebody has open.
func (n *bufferNode) onMeta(f func(metadata) error) error {
	e := n.current()
	if e == 0 {
		return f(byName{n.files(), n.rel()})
	}
	b := n.held()
	if b == nil {
		return e
	}
	defer b.Release()
	return f(b)
}

// setMeta is the part of a SETATTR that is not the size.
func (n *bufferNode) setMeta(in *fuse.SetAttrIn) syscall.Errno {
	return errno(n.onMeta(func(m metadata) error { return n.change(m, in) }))
}

// change makes the changes that a request asks for. The owner goes first:
// chown(2) takes set-ID bits away, and a mode of the same request is to stand.
func (n *bufferNode) change(m metadata, in *fuse.SetAttrIn) error {
	uid, gid := -1, -1
	if v, ok := in.GetUID(); ok {
		uid = int(v)
	}
	if v, ok := in.GetGID(); ok {
		gid = int(v)
	}
	if uid >= 0 || gid >= 0 {
		if err := m.Chown(uid, gid); err != nil {
			return err
		}
	}
	if mode, ok := in.GetMode(); ok {
		if err := m.Chmod(mode & n.modeMask()); err != nil {
			return err
		}
	}
	var atime, mtime *time.Time
	if v, ok := in.GetATime(); ok {
		atime = &v
	}
	if v, ok := in.GetMTime(); ok {
		mtime = &v
	}
	if atime == nil && mtime == nil {
		return nil
	}
	return m.Utimens(atime, mtime)
}

// bufferModes are the mode bits that a buffer can have. A set-user-ID buffer
// would mean nothing (the mount is nosuid) and would have to lose the bit when
// it is written.
const bufferModes = 0o1777

// modeMask is the mode bits that a chmod may set; directories keep
// set-group-ID.
func (n *bufferNode) modeMask() uint32 {
	if n.StableAttr().Mode == unix.S_IFREG {
		return bufferModes
	}
	return 0o7777
}

// Getxattr implements getxattr(2): ENODATA if there is none of that name,
// ERANGE with the size if dest is too short, the size alone if dest is empty.
func (n *bufferNode) Getxattr(_ context.Context, name string, dest []byte) (size uint32, e syscall.Errno) {
	if !strings.HasPrefix(name, "user.") { // the kernel's own, as often as it writes: there is none
		return 0, syscall.ENODATA
	}
	buf := make([]byte, xattrMax)
	err := n.onMeta(func(m metadata) error {
		k, err := m.Getxattr(name, buf)
		size = uint32(k)
		return err
	})
	if err != nil {
		return 0, xattrErrno(err)
	}
	if len(dest) == 0 {
		return size, 0
	}
	if len(dest) < int(size) {
		return size, syscall.ERANGE
	}
	return uint32(copy(dest, buf[:size])), 0
}

// xattrErrno answers for names that a buffer cannot have (security.*, posix
// ACLs) that there is no such attribute.
func xattrErrno(err error) syscall.Errno {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return syscall.ENODATA
	}
	return errno(err)
}

// Setxattr implements setxattr(2); EOPNOTSUPP for what is not in the user
// namespace.
func (n *bufferNode) Setxattr(_ context.Context, name string, data []byte, flags uint32) syscall.Errno {
	return errno(n.onMeta(func(m metadata) error { return m.Setxattr(name, data, int(flags)) }))
}

// Listxattr implements listxattr(2): names that end in a NUL each.
func (n *bufferNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	var names []string
	err := n.onMeta(func(m metadata) (err error) {
		names, err = m.Listxattr()
		return err
	})
	if err != nil {
		return 0, errno(err)
	}
	var list []byte
	for _, name := range names {
		list = append(append(list, name...), 0)
	}
	if len(dest) == 0 {
		return uint32(len(list)), 0
	}
	if len(dest) < len(list) {
		return uint32(len(list)), syscall.ERANGE
	}
	return uint32(copy(dest, list)), 0
}

// Removexattr implements removexattr(2).
func (n *bufferNode) Removexattr(_ context.Context, name string) syscall.Errno {
	return errno(n.onMeta(func(m metadata) error { return m.Removexattr(name) }))
}

// xattrMax is the kernel's limit on an attribute's size (linux/limits.h).
const xattrMax = 64 << 10
