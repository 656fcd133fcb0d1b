package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// logName is the log of a background daemon, in the device's state directory.
const logName = "log"

// logLimit is how many bytes the log may have, and the one before it: with
// --debug, what the last few ten thousand requests left.
const logLimit = 4 << 20

// daemonLog is where a daemon logs. The zero value is standard error, which the
// terminal, systemd or the starting process reads. In the background it is moved
// to a file, which stays when the daemon ends; at its limit that takes the place
// of path.1, and a new one is begun.
type daemonLog struct {
	mu    sync.Mutex // guards what follows
	file  *os.File   // nil: standard error
	path  string
	limit int64
	size  int64
	also  int // a descriptor that is to be the file too: what the runtime says of a crash goes to 2
}

// Write writes one message, never a part of it to one file and the rest to
// another. A message longer than the limit has a file to itself.
func (l *daemonLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return os.Stderr.Write(p)
	}
	return l.write(p)
}

// write is Write to the file. l.mu is held.
func (l *daemonLog) write(p []byte) (int, error) {
	if l.size > 0 && l.size+int64(len(p)) > l.limit {
		l.turn()
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// move makes path the log, which begins with what was logged so far. What another
// daemon has left there is kept, as far as the limit lets it.
func (l *daemonLog) move(path string, limit int64, also int, soFar []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.path, l.limit, l.also = path, limit, also
	if err := l.open(); err != nil {
		return err
	}
	_, err := l.write(soFar)
	return err
}

// turn begins a new file. Where that fails, what the log holds is given up: it
// does not grow on. l.mu is held.
func (l *daemonLog) turn() {
	err := os.Rename(l.path, l.path+".1")
	if err == nil {
		err = l.open()
	}
	if err != nil {
		err = errors.Join(err, l.file.Truncate(0))
		l.size = 0
		fmt.Fprintf(l.file, "vgpu: what was logged before is lost: %v\n", err) // there is nowhere else to say it
	}
}

// open opens path to append to, in place of the file that is open; on an error
// that stays. Others may not read it: names of clients' files are in it. l.mu is held.
func (l *daemonLog) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a file", l.path)
	}
	if err == nil {
		err = unix.Dup3(int(f.Fd()), l.also, 0)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.size = f, st.Size()
	return err
}

// logPath is the log of a daemon in the background; "" for one that has a terminal,
// or systemd, to speak to.
func (o *mountOptions) logPath() string {
	if !o.daemon {
		return ""
	}
	return filepath.Join(o.stateDir(), logName)
}
