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
	e := entry{unix.AT_FDCWD, l.path, l.path}
	if l.fd, err = l.open(e, unix.O_RDWR|unix.O_CREAT, 0o644); err != nil {
		return false, err
	}
	defer func() {
		if !current {
			err = errors.Join(err, l.close(l.fd, l.path))
		}
	}()
	err = l.do("flock", l.path, func() error { return unix.Flock(l.fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, fmt.Errorf("%s is held by %s: %w", l.path, l.holder(), unix.EBUSY)
	}
	if err != nil {
		return false, err
	}
	mine, err := l.fstat(l.fd, l.path)
	if err != nil {
		return false, err
	}
	named, err := l.stat(e)
	if errors.Is(err, unix.ENOENT) || err == nil && named.Ino != mine.Ino {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = l.sign()
	return err == nil, err
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
