package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mountPoint is a directory that a daemon of this device made, and that the one
// that ends the device takes away again. A note in the state directory says
// which it is, since who made it may have been killed. The zero value is a
// directory of somebody else's, which stays.
type mountPoint struct {
	dir      string
	dev, ino uint64 // so that one made there since is told from it
	note     string // the note's file; "" while there is none
}

// mountNote is the note's name in a state directory.
const mountNote = "mountpoint"

// makeMountPoint makes the directory if it is missing, with its parents, which
// stay. The zero mountPoint if it is there.
func makeMountPoint(dir string) (m mountPoint, err error) {
	st, err := os.Stat(dir)
	switch {
	case err == nil && !st.IsDir():
		return m, fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
	case err == nil, errors.Is(err, syscall.ENOTCONN): // there, if only a dead mount
		return m, nil
	case !errors.Is(err, os.ErrNotExist):
		return m, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return m, err
	}
	m.dir = dir
	m.dev, m.ino, err = m.identity()
	return m, err
}

// identity tells which directory has the name now.
func (m *mountPoint) identity() (dev, ino uint64, err error) {
	var st unix.Stat_t
	if err := unix.Stat(m.dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "stat", Path: m.dir, Err: err}
	}
	return st.Dev, st.Ino, nil
}

// remember notes in the device's state that the directory is ours, or finds there
// that an earlier daemon made it. What that one made elsewhere is taken away.
func (m *mountPoint) remember(state, dir string) error {
	path := filepath.Join(state, mountNote)
	old, err := readMountNote(path)
	switch {
	case err != nil:
		return err
	case m.dir == "" && old.dir == dir:
		*m = old
		return nil
	}
	if old.dir != dir { // else it has been made anew, maybe with the same number
		if err := old.remove(); err != nil {
			log.Printf("the mount point of an earlier daemon: %v", err)
		}
	}
	if m.dir == "" {
		return nil
	}
	text := fmt.Sprintf("%d %d %s\n", m.dev, m.ino, m.dir)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	m.note = path
	return nil
}

// readMountNote gives what the note says; of one that was cut short by a crash,
// nothing.
func readMountNote(path string) (m mountPoint, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	m.note = path
	line, whole := strings.CutSuffix(string(text), "\n")
	words := strings.SplitN(line, " ", 3)
	if !whole || len(words) != 3 {
		return m, nil
	}
	if _, err := fmt.Sscan(words[0], &m.dev); err != nil {
		return mountPoint{note: path}, nil
	}
	if _, err := fmt.Sscan(words[1], &m.ino); err != nil {
		return mountPoint{note: path}, nil
	}
	m.dir = words[2]
	return m, nil
}

// remove takes the directory away, if it is the one that was made and nothing is
// mounted or kept there, and then the note.
func (m mountPoint) remove() error {
	var err error
	if m.dir != "" {
		var dev, ino uint64
		if dev, ino, err = m.identity(); err == nil && dev == m.dev && ino == m.ino {
			err = os.Remove(m.dir)
		}
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTCONN) { // gone, or covered by a dead mount
			err = nil
		}
	}
	if m.note == "" {
		return err
	}
	return errors.Join(err, os.Remove(m.note))
}
