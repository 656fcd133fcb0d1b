package alloc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile is the state directory's lock: a file that holds the daemon's pid.
// The kernel frees it when the daemon dies.
type lockFile struct {
	sys
	path string
	fd   int
	made bool // its file was not there
}

// takeLock locks dir or fails with EBUSY, naming the process that has it.
func takeLock(x sys, dir string) (*lockFile, error) {
	path := filepath.Join(dir, "lock")
	for {
		l := &lockFile{sys: x, path: path}
		current, err := l.take()
		if err != nil || current {
			return l, err
		}
	}
}

// take reports false if the file was removed, by a daemon that ended, between
// the opening and the locking.
func (l *lockFile) take() (current bool, err error) {
	if err = l.openFile(); err != nil {
		return false, err
	}
	err = l.do("flock", l.path, func() error { return unix.Flock(l.fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%s is held by %s: %w", l.path, l.holder(), unix.EBUSY)
		}
		return false, errors.Join(err, l.close(l.fd, l.path))
	}
	if current, err = l.current(); err == nil && current {
		err = l.sign()
	}
	if err != nil || !current {
		return false, errors.Join(err, l.release(l.made && err != nil))
	}
	return true, nil
}

// openFile opens the file, and makes it if it is not there.
func (l *lockFile) openFile() (err error) {
	e := entry{unix.AT_FDCWD, l.path, l.path}
	l.fd, err = l.open(e, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o644)
	if l.made = err == nil; errors.Is(err, unix.EEXIST) {
		l.fd, err = l.open(e, unix.O_RDWR|unix.O_CREAT, 0o644)
	}
	return err
}

// current reports whether the file that is locked has its name still.
func (l *lockFile) current() (bool, error) {
	mine, err := l.fstat(l.fd, l.path)
	if err != nil {
		return false, err
	}
	named, err := l.stat(entry{unix.AT_FDCWD, l.path, l.path})
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return named.Ino == mine.Ino, err
}

// sign writes our pid, for the message that the next one gets who wants the lock.
func (l *lockFile) sign() error {
	if err := l.ftruncate(l.fd, l.path, 0); err != nil {
		return err
	}
	_, err := l.writeFull(l.fd, l.path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names who has the lock, if it has come to signing it.
func (l *lockFile) holder() string {
	buf := make([]byte, 32)
	n, err := l.readFull(l.fd, l.path, buf, 0)
	if pid := strings.TrimSpace(string(buf[:n])); err == nil && pid != "" {
		return "process " + pid
	}
	return "another process"
}

// release frees the lock, and removes its file if the state directory is to be as it was.
func (l *lockFile) release(remove bool) error {
	var err error
	if remove { // while it is still locked, so that nobody else's is removed
		err = l.unlink(entry{unix.AT_FDCWD, l.path, l.path}, 0)
	}
	return errors.Join(err, l.unlock(l.fd, l.path), l.close(l.fd, l.path))
}

// unlock frees a lock now. The close alone would not while a child that was
// just forked, and has not executed its program yet, has the descriptor too.
func (x sys) unlock(fd int, path string) error {
	return x.do("flock", path, func() error { return unix.Flock(fd, unix.LOCK_UN) })
}
