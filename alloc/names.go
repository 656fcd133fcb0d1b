package alloc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// look runs f on an entry of the tree while no name changes.
func (s *Store) look(rel string, f func(entry) error) error {
	s.ns.RLock()
	defer s.ns.RUnlock()
	return s.at(rel, f)
}

// change runs f on an entry of the tree while nobody else looks at names.
func (s *Store) change(rel string, f func(entry) error) error {
	s.ns.Lock()
	defer s.ns.Unlock()
	return s.at(rel, f)
}

// at runs f on an entry. Preconditions: s.ns is held.
func (s *Store) at(rel string, f func(entry) error) error {
	if s.closed.Load() {
		return unix.ESHUTDOWN
	}
	e, err := s.ram.parent(rel)
	if err != nil {
		return err
	}
	defer s.ram.done(e)
	return f(e)
}

// Lstat tells about a name, symlinks not followed. "" is the root.
func (s *Store) Lstat(rel string) (st unix.Stat_t, err error) {
	err = s.look(rel, func(e entry) (err error) {
		st, err = s.status(e)
		return err
	})
	return st, err
}

// status tells about an entry of the tree, with what a spill file knows better.
// What cannot be had from there is told as the stub has it, so that a buffer
// whose bytes are gone can still be seen, and removed.
func (s *Store) status(e entry) (unix.Stat_t, error) {
	st, err := s.stat(e)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return st, err
	}
	for p := s.table.spot(keyOf(&st)); p != nil && p.t != nil; {
		data, err := p.t.stat(p.entry())
		now := s.table.spot(keyOf(&st))
		if err == nil {
			overlay(&st, &data)
		} else if now != p { // it has moved
			p = now
			continue
		} else if p.t.health.cause.Load() == nil { // else that has been said
			s.cfg.Logf("%v", p.lost(e.rel, err))
		}
		break
	}
	return st, nil
}

// ReadDir lists a directory, in the file system's order.
func (s *Store) ReadDir(rel string) (list []DirEntry, err error) {
	err = s.look(rel, func(e entry) error {
		fd, err := s.open(e, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer s.ram.drop(fd, rel)
		list, err = s.readdir(fd, rel)
		return err
	})
	return list, err
}

// Mkdir makes a directory that belongs to c.
func (s *Store) Mkdir(c Cred, rel string, mode uint32) error {
	return s.change(rel, func(e entry) error {
		create := func(tmp entry) error { return s.mkdir(tmp, 0o700) }
		return s.build(c, e, unix.S_IFDIR|mode&0o7777, create)
	})
}

// Symlink makes a symlink that belongs to c.
func (s *Store) Symlink(c Cred, target, rel string) error {
	return s.change(rel, func(e entry) error {
		create := func(tmp entry) error { return s.symlink(target, tmp) }
		return s.build(c, e, unix.S_IFLNK|0o777, create)
	})
}

// build makes an object beside the tree, gives it its owner and mode, and
// renames it to e: it is never seen half made. Preconditions: s.ns is held for
// writing.
func (s *Store) build(c Cred, e entry, mode uint32, create func(tmp entry) error) error {
	if e.rel == "" {
		return fail("create", "", unix.EEXIST)
	}
	tmp := s.ram.temp(e)
	if err := create(tmp); err != nil {
		return err
	}
	err := s.own(c, tmp, e, mode)
	if err == nil {
		err = s.ram.place(tmp, e)
	}
	if err != nil {
		s.ram.discard(tmp, removeFlags(mode))
	}
	return err
}

// removeFlags are what unlink needs to remove a file of that mode.
func removeFlags(mode uint32) int {
	if mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.AT_REMOVEDIR
	}
	return 0
}

// own gives what is to stand at e its owner and mode. A setgid directory passes
// on its group, and to directories the bit too.
func (s *Store) own(c Cred, tmp, e entry, mode uint32) error {
	dir, err := s.stat(entry{e.dir, ".", e.rel})
	if err != nil {
		return err
	}
	gid := c.GID
	if dir.Mode&unix.S_ISGID != 0 {
		gid = dir.Gid
		if mode&unix.S_IFMT == unix.S_IFDIR {
			mode |= unix.S_ISGID
		}
	}
	st, err := s.stat(tmp)
	if err != nil {
		return err
	}
	if st.Uid != c.UID || st.Gid != gid {
		if err := s.chown(tmp, int(c.UID), int(gid)); err != nil {
			return err
		}
	}
	if mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	return s.chmod(tmp, mode&0o7777) // last: chown clears the setuid and setgid bits
}

// Readlink tells where a symlink points.
func (s *Store) Readlink(rel string) (target string, err error) {
	err = s.look(rel, func(e entry) (err error) {
		target, err = s.readlink(e)
		return err
	})
	return target, err
}

// Rmdir removes an empty directory.
func (s *Store) Rmdir(rel string) error {
	return s.change(rel, func(e entry) error {
		if rel == "" {
			return fail("rmdir", rel, unix.EBUSY)
		}
		return s.unlink(e, unix.AT_REMOVEDIR)
	})
}

// Link gives a file a second name.
func (s *Store) Link(old, now string) error {
	return s.change(old, func(from entry) error {
		return s.at(now, func(to entry) error {
			if old == "" || now == "" {
				return fail("link", old, unix.EPERM)
			}
			return s.link(from, to)
		})
	})
}

// Unlink removes a name. Who holds the buffer keeps it.
func (s *Store) Unlink(rel string) error {
	v := victim{fd: -1}
	err := s.change(rel, func(e entry) (err error) {
		if rel == "" {
			return fail("unlink", rel, unix.EISDIR)
		}
		if v, err = s.victim(e); err != nil {
			return err
		}
		if err = s.retire(e, &v); err == nil {
			s.gone(&v)
		}
		return err
	})
	s.bury(v)
	return err
}

// Rename renames old to now; flags are those of renameat2(2): RENAME_NOREPLACE
// and RENAME_EXCHANGE. Buffers that are held follow, wherever they are below
// old.
func (s *Store) Rename(old, now string, flags uint) error {
	v := victim{fd: -1}
	err := s.change(old, func(from entry) error {
		return s.at(now, func(to entry) (err error) {
			if old == "" || now == "" {
				return fail("rename", old, unix.EBUSY)
			}
			v, err = s.renameTo(from, to, flags)
			return err
		})
	})
	s.bury(v)
	return err
}

// renameTo does so. v is what stood at the target. Preconditions: s.ns is held
// for writing.
func (s *Store) renameTo(from, to entry, flags uint) (v victim, err error) {
	v.fd = -1
	if flags&^(unix.RENAME_NOREPLACE|unix.RENAME_EXCHANGE) != 0 {
		return v, fail("rename", from.rel, unix.EINVAL)
	}
	st, err := s.stat(from)
	if err != nil {
		return v, err
	}
	if flags == 0 {
		v, err = s.victim(to)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return v, err
		}
	}
	if err := s.rename(from, to, flags); err != nil {
		return v, err
	}
	if v.fd >= 0 && v.key == keyOf(&st) { // two names of one file: rename(2) does nothing
		return v, nil
	}
	s.gone(&v)
	s.table.renamed(from.rel, to.rel, flags&unix.RENAME_EXCHANGE != 0)
	return v, nil
}
