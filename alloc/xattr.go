package alloc

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxXattr is the kernel's bound on a value and on a list of names.
const maxXattr = 64 << 10

// Getxattr reads an attribute into p and tells its size; with an empty p it
// tells the size alone. ERANGE: p is too small. As in all of these a name must
// begin with "user.": the other namespaces mean something to the tier's own
// file system (EOPNOTSUPP).
func (s *Store) Getxattr(rel, name string, p []byte) (n int, err error) {
	err = s.look(rel, func(e entry) (err error) {
		n, err = s.getxattr(e, name, p)
		return err
	})
	return n, err
}

// Setxattr sets an attribute; flags are those of setxattr(2).
func (s *Store) Setxattr(rel, name string, value []byte, flags int) error {
	return s.look(rel, func(e entry) error { return s.setxattr(e, name, value, flags) })
}

// Listxattr lists the names of the user.* attributes.
func (s *Store) Listxattr(rel string) (names []string, err error) {
	err = s.look(rel, func(e entry) (err error) {
		names, err = s.listxattr(e)
		return err
	})
	return names, err
}

// Removexattr removes an attribute.
func (s *Store) Removexattr(rel, name string) error {
	return s.look(rel, func(e entry) error {
		return s.xattr("removexattr", e, name, func(path string) error { return unix.Lremovexattr(path, name) })
	})
}

// xattr makes a call by path, since what a name stands for need not be
// something that can be opened. The directory is named by its descriptor, so
// that only the last component is looked up, and that is not followed.
func (x sys) xattr(op string, e entry, name string, call func(path string) error) error {
	if !strings.HasPrefix(name, "user.") {
		return fail(op, e.rel, unix.EOPNOTSUPP)
	}
	return x.do(op, e.rel, func() error { return call(fmt.Sprintf("/proc/self/fd/%d/%s", e.dir, e.name)) })
}

func (x sys) getxattr(e entry, name string, p []byte) (n int, err error) {
	err = x.xattr("getxattr", e, name, func(path string) (err error) {
		n, err = unix.Lgetxattr(path, name, p)
		return err
	})
	return n, err
}

func (x sys) setxattr(e entry, name string, value []byte, flags int) error {
	return x.xattr("setxattr", e, name, func(path string) error { return unix.Lsetxattr(path, name, value, flags) })
}

func (x sys) listxattr(e entry) (names []string, err error) {
	var buf []byte
	err = x.xattr("listxattr", e, "user.", func(path string) error {
		n, err := unix.Llistxattr(path, nil)
		if n <= 0 { // most files have none, and the buffer is large
			return err
		}
		buf = make([]byte, maxXattr)
		n, err = unix.Llistxattr(path, buf)
		buf = buf[:max(n, 0)]
		return err
	})
	return userNames(buf), err
}

// userNames are the names that are ours of a list as the kernel gives it.
func userNames(list []byte) (names []string) {
	for name := range strings.SplitSeq(string(list), "\x00") {
		if strings.HasPrefix(name, "user.") {
			names = append(names, name)
		}
	}
	return names
}
