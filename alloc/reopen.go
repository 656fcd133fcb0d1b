package alloc

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// A file system that is dead stays so for as long as somebody has a file of it
// open: the same disk, mounted again, is the same dead file system. So a tier
// that cannot even be read lets go of its folder, and looks for it at its path
// from then on. Whatever is at a descriptor of a folder is replaced in place
// (dup3), and so nobody who uses it need know.

// unreadable tells whether the disk gives nothing at all any more.
func (t *spillTier) unreadable() bool {
	x := t.quiet()
	list, err := x.readdir(t.data, t.path)
	if err != nil || len(list) == 0 {
		return true // or there is nothing that could be read
	}
	e := entry{t.data, list[0].Name, t.path}
	fd, err := x.open(e, unix.O_RDONLY, 0)
	if err == nil {
		_, err = x.pread(fd, t.path, make([]byte, 1), 0)
		err = errors.Join(err, x.close(fd, t.path))
	}
	return err != nil && !errors.Is(err, unix.ENOENT)
}

// folders are the tier's descriptors of folders.
func (t *spillTier) folders() []int { return []int{t.dir, t.data, t.sums, t.tmp} }

// detach lets go of the tier's folders: what is looked up there is ENOTDIR
// until it is found again. Preconditions: health.mu is held.
func (t *spillTier) detach() {
	x := sys{}
	null, err := x.open(entry{unix.AT_FDCWD, "/dev/null", "/dev/null"}, unix.O_RDONLY, 0)
	if err == nil {
		t.health.mount = x.mountID(t.dir)
		t.health.away = true
		err = t.become([]int{null, null, null, null})
		t.drop(null, t.path)
	}
	if err != nil {
		t.logf("%v", err)
	}
}

// become makes the tier's descriptors of folders mean what others do. The lock
// is given up by name: a process that is just being started has copies of all
// descriptors.
func (t *spillTier) become(by []int) error {
	x := sys{}
	err := x.unlock(t.dir, t.path)
	for i, fd := range t.folders() {
		err = errors.Join(err, x.do("dup", t.path, func() error { return unix.Dup3(by[i], fd, unix.O_CLOEXEC) }))
	}
	return err
}

// reopen finds the tier's folder at its path again. It fails if that is
// another's, or what is open already. Preconditions: health.mu is held.
func (t *spillTier) reopen() error {
	h := &t.health
	n := &spillTier{tier: &tier{sys: t.quiet(), logf: t.logf, path: t.path, dir: -1, root: -1, marks: -1, tmp: -1}, data: -1, sums: -1}
	if err := n.openAgain(t); err != nil {
		n.shut()
		return err
	}
	if now := n.mountID(n.dir); now == 0 || now != h.mount {
		h.era.Add(1)
	}
	h.away = false
	err := t.become(n.folders())
	for _, fd := range n.folders() { // the lock stays: it is that of both
		n.drop(fd, t.path)
	}
	return err
}

// openAgain opens the folders at the path of old, if that is the same tier, and
// not what is open already.
func (t *spillTier) openAgain(old *spillTier) (err error) {
	if t.dir, err = t.openPath(t.path); err != nil {
		return err
	}
	if !old.health.away {
		if old.health.mount = t.mountID(old.dir); old.health.mount == t.mountID(t.dir) {
			return fail("open", t.path, unix.EALREADY)
		}
	}
	token, err := t.readlink(entry{t.dir, "id", "id"})
	if err == nil && token != old.token {
		err = fail("open", t.path, unix.ENOENT)
	}
	if err == nil {
		err = t.do("flock", t.path, func() error { return unix.Flock(t.dir, unix.LOCK_EX|unix.LOCK_NB) })
	}
	for _, f := range []struct {
		fd   *int
		name string
	}{{&t.data, dataDir}, {&t.sums, sumsDir}, {&t.tmp, tmpDir}} {
		if err == nil {
			*f.fd, err = t.open(entry{t.dir, f.name, f.name}, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		}
	}
	return err
}

// mountID is the number of the mount that an open file is on, which no other
// has had since the machine started; 0 if the kernel does not tell (before
// Linux 6.8).
func (x sys) mountID(fd int) uint64 {
	var st unix.Statx_t
	err := x.do("statx", "", func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE, &st) })
	if err != nil || st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return 0
	}
	return st.Mnt_id
}

// survived refuses a file of a file system that has been mounted anew since it
// was made, unless its checksums tell what it holds: what is written is on the
// disk only some time later. era is that of the mount where it has been opened:
// from now on it is one of that.
func (p *spot) survived(u *sums, size int64, era uint64) error {
	if p.era.Load() == era {
		return nil
	}
	if p.changed.Load() || int64(len(u.of)) != chunks(size) && u.pack == nil || slices.Contains(u.of, 0) {
		return &remountedError{p.t.path}
	}
	p.era.Store(era)
	return nil
}

// remountedError says that nobody can tell what a file holds. It is an EIO.
type remountedError struct{ path string }

func (e *remountedError) Error() string {
	return "the file system of " + e.path + " went away with bytes that were not on the disk yet, and no checksum tells whether these are all"
}

// Unwrap makes the error EIO.
func (e *remountedError) Unwrap() error { return unix.EIO }

// letGo closes the spill files on a tier of buffers that nobody uses just now,
// so that its file system can be unmounted, and those that are opened next are
// what is mounted then.
func (s *Store) letGo(t *spillTier) {
	s.table.mu.Lock()
	held := make([]*Buffer, 0, len(s.table.held))
	for _, b := range s.table.held {
		b.refs++ // whoever releases it meanwhile is not the last
		held = append(held, b)
	}
	s.table.mu.Unlock()
	for _, b := range held {
		if b.mu.TryLock() {
			b.closeHome(t)
			b.mu.Unlock()
		}
		b.Release()
	}
}

// closeHome closes the buffer's spill file on a tier, unless a client has it.
// Preconditions: b.mu is held for writing.
func (b *Buffer) closeHome(t *spillTier) {
	b.hm.Lock()
	defer b.hm.Unlock()
	if h := b.home; h != nil && h.t == t && h.name != "" && b.pins.Load() == 0 {
		b.home = nil
		h.close()
	}
}
