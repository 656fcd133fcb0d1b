package alloc

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Faults is a hook for tests. It is called before every system call of a tier
// with the call's name and the path it is about; an error it returns is the
// call's result, and the call is not made. EINTR is retried like the kernel's
// own, and ErrShort makes a read or a write transfer only half of what was
// asked.
type Faults func(op, path string) error

// either asks two hooks, of which one or both may be nil.
func either(a, b Faults) Faults {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	return func(op, path string) error { return firstOf(a(op, path), b(op, path)) }
}

// ErrShort, from a Faults hook, asks for a short read or write.
var ErrShort = errors.New("short transfer")

// sys makes the system calls: each is retried after EINTR and its error
// wrapped, with the call and the path, in an *os.PathError that errors.Is finds
// the errno in.
type sys struct {
	faults Faults
	failed func(error) // hears of every call that fails; nil: nobody does
}

// entry is a name in a directory that is open: what the *at calls take. rel is
// the name to report.
type entry struct {
	dir  int
	name string
	rel  string
}

// fault asks the hook, if there is one.
func (x sys) fault(op, path string) error {
	if x.faults == nil {
		return nil
	}
	return x.faults(op, path)
}

// do makes one call, again for as long as a signal interrupts it: Go's runtime
// sends itself signals, and a caller of ours must never see an operation half
// applied because of one.
func (x sys) do(op, path string, call func() error) error {
	for {
		err := x.fault(op, path)
		if err == nil || err == ErrShort {
			err = call()
		}
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return x.failure(op, path, err)
		}
	}
}

// failure is the error of a call.
func (x sys) failure(op, path string, err error) error {
	if x.failed != nil {
		x.failed(err)
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

// open never follows a symlink in the last component, and no child process
// inherits the descriptor.
func (x sys) open(e entry, flags int, mode uint32) (fd int, err error) {
	err = x.do("open", e.rel, func() (err error) {
		fd, err = unix.Openat(e.dir, e.name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
		return err
	})
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// close has no fault to inject: Linux frees the descriptor whatever close
// returns. What it returns is a late write error.
func (x sys) close(fd int, path string) error {
	if err := unix.Close(fd); err != nil && err != unix.EINTR {
		return &os.PathError{Op: "close", Path: path, Err: err}
	}
	return nil
}

// stat tells about the entry itself, a symlink included.
func (x sys) stat(e entry) (st unix.Stat_t, err error) {
	err = x.do("stat", e.rel, func() error { return unix.Fstatat(e.dir, e.name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// fstat tells about what is open, whatever has become of its name.
func (x sys) fstat(fd int, path string) (st unix.Stat_t, err error) {
	err = x.do("fstat", path, func() error { return unix.Fstat(fd, &st) })
	return st, err
}

// statfs tells about the file system that fd is on.
func (x sys) statfs(fd int, path string) (st unix.Statfs_t, err error) {
	err = x.do("statfs", path, func() error { return unix.Fstatfs(fd, &st) })
	return st, err
}

// mkdir makes a directory; the umask applies, so that who wants a certain mode
// calls chmod after it.
func (x sys) mkdir(e entry, mode uint32) error {
	return x.do("mkdir", e.rel, func() error { return unix.Mkdirat(e.dir, e.name, mode) })
}

// unlink removes a name; with AT_REMOVEDIR that of an empty directory.
func (x sys) unlink(e entry, flags int) error {
	return x.do("unlink", e.rel, func() error { return unix.Unlinkat(e.dir, e.name, flags) })
}

// rename is the one step by which anything appears in the tree. flags are those
// of renameat2(2).
func (x sys) rename(from, to entry, flags uint) error {
	return x.do("rename", from.rel, func() error { return unix.Renameat2(from.dir, from.name, to.dir, to.name, flags) })
}

// link gives an inode a second name. A symlink is linked itself, not followed.
func (x sys) link(from, to entry) error {
	return x.do("link", from.rel, func() error { return unix.Linkat(from.dir, from.name, to.dir, to.name, 0) })
}

// symlink makes a symlink. Whatever its target, the store never follows it out
// of the tree.
func (x sys) symlink(target string, e entry) error {
	return x.do("symlink", e.rel, func() error { return unix.Symlinkat(target, e.dir, e.name) })
}

// readlink gives a symlink's target, which is shorter than PATH_MAX by the
// kernel's own rule.
func (x sys) readlink(e entry) (target string, err error) {
	buf := make([]byte, unix.PathMax)
	err = x.do("readlink", e.rel, func() error {
		n, err := unix.Readlinkat(e.dir, e.name, buf)
		target = string(buf[:max(n, 0)])
		return err
	})
	return target, err
}

// chmod must not be given a symlink: the call would follow it.
func (x sys) chmod(e entry, mode uint32) error {
	return x.do("chmod", e.rel, func() error { return unix.Fchmodat(e.dir, e.name, mode, 0) })
}

// chown sets owner and group, of a symlink itself too; -1 keeps one.
func (x sys) chown(e entry, uid, gid int) error {
	return x.do("chown", e.rel, func() error { return unix.Fchownat(e.dir, e.name, uid, gid, unix.AT_SYMLINK_NOFOLLOW) })
}

// utimens sets the times to the nanosecond; nil keeps one.
func (x sys) utimens(e entry, atime, mtime *time.Time) error {
	ts := []unix.Timespec{timespec(atime), timespec(mtime)}
	return x.do("utimens", e.rel, func() error { return unix.UtimesNanoAt(e.dir, e.name, ts, unix.AT_SYMLINK_NOFOLLOW) })
}

// timespec converts a time; times before 1970 have negative seconds and, as the
// kernel wants, nanoseconds from 0 up.
func timespec(t *time.Time) unix.Timespec {
	if t == nil {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// ftruncate sets the size. On tmpfs and the disk file systems it also frees
// what is allocated beyond it, even if the size is that already.
func (x sys) ftruncate(fd int, path string, n int64) error {
	return x.do("ftruncate", path, func() error { return unix.Ftruncate(fd, n) })
}

// fsync makes a file durable, as far as its file system is.
func (x sys) fsync(fd int, path string) error {
	return x.do("fsync", path, func() error { return unix.Fsync(fd) })
}

// pread reads once: n may be short, and is 0 at the end of the file.
func (x sys) pread(fd int, path string, p []byte, off int64) (n int, err error) {
	return x.transfer("read", path, p, func(p []byte) (int, error) { return unix.Pread(fd, p, off) })
}

// pwrite writes once: n may be short.
func (x sys) pwrite(fd int, path string, p []byte, off int64) (n int, err error) {
	return x.transfer("write", path, p, func(p []byte) (int, error) { return unix.Pwrite(fd, p, off) })
}

// transfer makes one read or write. A short count is the caller's to carry on
// with: only it knows whether a file that ends is an error.
func (x sys) transfer(op, path string, p []byte, call func([]byte) (int, error)) (n int, err error) {
	for {
		err = x.fault(op, path)
		if err == ErrShort {
			p, err = p[:(len(p)+1)/2], nil
		}
		if err == nil {
			n, err = call(p)
		}
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
		default:
			return 0, x.failure(op, path, err)
		}
	}
}

// writeFull writes all of p at off, or returns how much of it was.
func (x sys) writeFull(fd int, path string, p []byte, off int64) (done int, err error) {
	for done < len(p) {
		n, err := x.pwrite(fd, path, p[done:], off+int64(done))
		if err != nil {
			return done, err
		}
		if n == 0 {
			return done, &os.PathError{Op: "write", Path: path, Err: unix.EIO}
		}
		done += n
	}
	return done, nil
}

// readFile reads a whole file; nil if there is none.
func (x sys) readFile(e entry) (text []byte, err error) {
	fd, err := x.open(e, unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := x.fstat(fd, e.rel)
	if err == nil {
		text = make([]byte, st.Size)
		_, err = x.readFull(fd, e.rel, text, 0)
	}
	if err = errors.Join(err, x.close(fd, e.rel)); err != nil {
		return nil, err
	}
	return text, nil
}

// readFull reads until p is full or the file ends.
func (x sys) readFull(fd int, path string, p []byte, off int64) (done int, err error) {
	for done < len(p) {
		n, err := x.pread(fd, path, p[done:], off+int64(done))
		if err != nil {
			return done, err
		}
		if n == 0 {
			break
		}
		done += n
	}
	return done, nil
}

// DirEntry is one name of a directory. Mode holds the file type alone (the S_IFMT bits).
type DirEntry struct {
	Name string
	Mode uint32
	Ino  uint64
}

// readdir lists an open directory from its start, without "." and "..". Types
// the file system does not tell are looked up.
func (x sys) readdir(fd int, path string) ([]DirEntry, error) {
	var list []DirEntry
	if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil { // it may have been read before
		return nil, &os.PathError{Op: "readdir", Path: path, Err: err}
	}
	buf := make([]byte, 32<<10)
	for {
		n := 0
		err := x.do("readdir", path, func() (err error) {
			n, err = unix.Getdents(fd, buf)
			return err
		})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return list, nil
		}
		if list, err = x.dirents(list, fd, path, buf[:n]); err != nil {
			return nil, err
		}
	}
}

// dirents appends the struct linux_dirent64 records of p: ino 8 bytes, off 8,
// reclen 2, type 1, name.
func (x sys) dirents(list []DirEntry, fd int, path string, p []byte) ([]DirEntry, error) {
	for len(p) > 0 {
		size := binary.NativeEndian.Uint16(p[16:])
		d := DirEntry{Name: unix.ByteSliceToString(p[19:size]), Mode: uint32(p[18]) << 12, Ino: binary.NativeEndian.Uint64(p)}
		p = p[size:]
		if d.Name == "." || d.Name == ".." {
			continue
		}
		if d.Mode == unix.DT_UNKNOWN {
			st, err := x.stat(entry{fd, d.Name, path + "/" + d.Name})
			if errors.Is(err, unix.ENOENT) {
				continue
			}
			if err != nil {
				return nil, err
			}
			d.Mode = st.Mode & unix.S_IFMT
		}
		list = append(list, d)
	}
	return list, nil
}
