package alloc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The folders of a tier.
const (
	buffersDir = "buffers" // the tree
	marksDir   = "marks"   // one file a marked buffer, named by inode number
	tmpDir     = "tmp"     // what has no name in the tree yet; dropped at start
)

// tier is one directory that buffers live in. What names a buffer is the file
// system's own directory tree: there is no other record to lose or to disagree
// with. All of a tier is one file system, so that a rename moves from tmp into
// the tree.
type tier struct {
	sys
	logf    func(string, ...any)
	path    string // absolute
	plain   bool   // path itself is the tree; there are no marks, and temporaries stand beside what they replace
	mounted bool   // path is a tmpfs of ours
	dir     int    // path, open and locked
	root    int    // buffers, or for a plain tier path: O_PATH
	marks   int
	tmp     int
	seq     atomic.Uint64 // names temporaries
	id      uint64        // random: temporaries of a run that was killed stay in a plain tree, and are not to be in the way
}

// openTier opens the tier at path and makes what folders it lacks. The lock
// taken on path ends with the process.
func openTier(x sys, path string, logf func(string, ...any)) (*tier, error) {
	t := &tier{sys: x, logf: logf, path: path, dir: -1, root: -1, marks: -1, tmp: -1}
	err := t.openDirs()
	if err != nil {
		t.shut()
		return nil, err
	}
	return t, nil
}

// openLocked opens the tier's directory and locks it.
func (t *tier) openLocked() (err error) {
	if t.dir, err = t.openPath(t.path); err != nil {
		return err
	}
	err = t.do("flock", t.path, func() error { return unix.Flock(t.dir, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s is in use by another daemon: %w", t.path, unix.EBUSY)
	}
	return err
}

// openDirs locks the tier before it looks into it: two daemons with different
// state directories can mean one folder under /dev/shm.
func (t *tier) openDirs() (err error) {
	if err = t.openLocked(); err != nil {
		return err
	}
	if t.root, err = t.folder(buffersDir, unix.O_PATH); err != nil {
		return err
	}
	if t.marks, err = t.folder(marksDir, 0); err != nil {
		return err
	}
	t.tmp, err = t.folder(tmpDir, 0)
	return err
}

// openPath opens an absolute directory, through symlinks if the administrator
// put some there.
func (t *tier) openPath(path string) (fd int, err error) {
	fd = -1
	err = t.do("open", path, func() (err error) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// folder opens one of the tier's own directories, and makes it if this is the
// first start, or the last was killed before it did.
func (t *tier) folder(name string, flags int) (int, error) {
	e := entry{t.dir, name, name}
	if err := t.mkdir(e, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return t.open(e, flags|unix.O_DIRECTORY, 0)
}

// openPlain opens an existing directory as a tree of ordinary files.
func openPlain(x sys, path string, logf func(string, ...any)) (*tier, error) {
	t := &tier{sys: x, logf: logf, path: path, plain: true, id: rand.Uint64(), dir: -1, root: -1, marks: -1, tmp: -1}
	err := t.do("open", path, func() (err error) {
		t.root, err = unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// tree is the absolute path of the tree's root.
func (t *tier) tree() string {
	if t.plain {
		return t.path
	}
	return filepath.Join(t.path, buffersDir)
}

// setAccess gives the tree's root its group and mode.
func (t *tier) setAccess(group int, mode os.FileMode) error {
	e := entry{t.dir, buffersDir, buffersDir}
	if group > 0 {
		if err := t.chown(e, -1, group); err != nil {
			return err
		}
	}
	return t.chmod(e, unixMode(mode))
}

// unixMode translates the permission bits, which os.FileMode keeps elsewhere
// for three of them.
func unixMode(m os.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range []struct {
		mode os.FileMode
		bit  uint32
	}{{os.ModeSticky, unix.S_ISVTX}, {os.ModeSetgid, unix.S_ISGID}, {os.ModeSetuid, unix.S_ISUID}} {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}

// temp names a temporary on the file system of the entry it is to become.
func (t *tier) temp(e entry) entry {
	n := strconv.FormatUint(t.seq.Add(1), 10)
	if t.plain {
		return entry{e.dir, fmt.Sprintf(".vgpu-%016x-%s", t.id, n), e.rel}
	}
	return entry{t.tmp, n, e.rel}
}

// place renames what was made at tmp to e, which must not exist.
func (t *tier) place(tmp, e entry) error {
	err := t.rename(tmp, e, unix.RENAME_NOREPLACE)
	if !t.plain || !errors.Is(err, unix.EINVAL) {
		return err
	}
	// A file system without RENAME_NOREPLACE (9p, some network ones): only
	// plain trees lie there.
	if _, err := t.stat(e); err == nil {
		return fail("rename", e.rel, unix.EEXIST)
	} else if !errors.Is(err, unix.ENOENT) {
		return err
	}
	return t.rename(tmp, e, 0)
}

// discard removes a temporary after a failure, whose error is the one to report.
func (t *tier) discard(tmp entry, flags int) {
	if err := t.unlink(tmp, flags); err != nil {
		t.logf("temporary %s is left until the next start: %v", tmp.name, err)
	}
}

// clear removes everything below an open directory.
func (t *tier) clear(dir int, rel string) error {
	list, err := t.readdir(dir, rel)
	if err != nil {
		return err
	}
	for _, d := range list {
		e := entry{dir, d.Name, join(rel, d.Name)}
		if d.Mode != unix.S_IFDIR {
			if err := t.unlink(e, 0); err != nil {
				return err
			}
			continue
		}
		if err := t.clearDir(e); err != nil {
			return err
		}
	}
	return nil
}

// clearDir removes a directory with everything in it.
func (t *tier) clearDir(e entry) error {
	fd, err := t.open(e, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	err = t.clear(fd, e.rel)
	t.drop(fd, e.rel)
	if err != nil {
		return err
	}
	return t.unlink(e, unix.AT_REMOVEDIR)
}

// walk calls visit for everything below an open directory of the tree.
func (t *tier) walk(dir int, rel string, visit func(e entry, st *unix.Stat_t) error) error {
	list, err := t.readdir(dir, rel)
	if err != nil {
		return err
	}
	for _, d := range list {
		e := entry{dir, d.Name, join(rel, d.Name)}
		st, err := t.stat(e)
		if err != nil {
			return err
		}
		if err := visit(e, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			if err := t.walkDir(e, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// walkDir is walk for a directory that is not open yet.
func (t *tier) walkDir(e entry, visit func(e entry, st *unix.Stat_t) error) error {
	fd, err := t.open(e, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer t.drop(fd, e.rel)
	return t.walk(fd, e.rel, visit)
}

// shut closes the descriptors, and with them the lock.
func (t *tier) shut() {
	if t.dir >= 0 {
		if err := t.unlock(t.dir, t.path); err != nil {
			t.logf("%v", err)
		}
	}
	for _, fd := range []*int{&t.root, &t.marks, &t.tmp, &t.dir} {
		if *fd >= 0 {
			t.drop(*fd, t.path)
			*fd = -1
		}
	}
}
