package alloc

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Chmod sets the permission bits, setuid, setgid and sticky included. A symlink
// has none: EOPNOTSUPP.
func (s *Store) Chmod(rel string, mode uint32) error {
	return s.look(rel, func(e entry) error {
		st, err := s.stat(e)
		if err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return fail("chmod", rel, unix.EOPNOTSUPP)
		}
		return s.chmod(e, mode&0o7777)
	})
}

// Chown sets the owner and the group; -1 keeps one. As in chown(2) a file loses
// its setuid and setgid bits. EDQUOT: the new owner's quota has no room for it.
func (s *Store) Chown(rel string, uid, gid int) error {
	return s.look(rel, func(e entry) error {
		st, err := s.stat(e)
		if err != nil {
			return err
		}
		undo, err := s.chownQuota(&st, uid)
		if err != nil {
			return fail("chown", rel, unix.EDQUOT)
		}
		if err = s.chown(e, uid, gid); err != nil {
			undo()
		}
		return err
	})
}

// Utimens sets the times of access and change; nil keeps one.
func (s *Store) Utimens(rel string, atime, mtime *time.Time) error {
	return s.look(rel, func(e entry) error {
		st, err := s.stat(e)
		if err != nil {
			return err
		}
		if err := s.utimens(e, atime, mtime); err != nil {
			return err
		}
		p := s.table.spot(keyOf(&st))
		if p == nil || p.t == nil {
			return nil
		}
		err = p.t.utimens(p.entry(), atime, mtime) // those count while it is there
		if errors.Is(err, unix.ENOENT) && s.table.spot(keyOf(&st)) != p {
			return nil // it moved meanwhile
		}
		return err
	})
}

// Statfs tells the device's size: Mem and the spill tiers in all, and what
// neither buffers nor scratch hold of them as free. What is free on a disk
// counts once, however many tiers it has. For a plain store it is the file
// system's own.
func (s *Store) Statfs() (st unix.Statfs_t, err error) {
	err = s.look("", func(e entry) (err error) {
		st, err = s.statfs(e.dir, e.rel)
		return err
	})
	if err != nil || s.ram.plain {
		return st, err
	}
	u := s.mem.usage()
	size, free := s.disks()
	st.Blocks = uint64((u.Mem + size) / st.Bsize)
	st.Bfree = uint64((u.Free + free) / st.Bsize)
	st.Bavail = st.Bfree
	return st, nil
}

// disks is the size of all spill tiers, and what is free on them: of those on
// one file system together no more than it has.
func (s *Store) disks() (size, free int64) {
	type disk struct{ size, used, free, left, largest int64 }
	all := map[uint64]*disk{}
	for _, t := range s.spills {
		d := all[t.dev]
		if d == nil {
			d = &disk{}
			all[t.dev] = d
		}
		u := s.tierUsage(t)
		d.size, d.used, d.free = d.size+u.Size, d.used+u.Used, d.free+u.Free
		d.left, d.largest = max(d.left, u.left), max(d.largest, u.Size)
	}
	for _, d := range all {
		size += min(d.size, max(d.largest, d.used+d.left))
		free += min(d.free, d.left)
	}
	return size, free
}
