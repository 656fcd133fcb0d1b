package alloc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Create makes an empty file that belongs to c, or without excl gives the one that is there, as it is. created tells which.
// With excl an existing name is EEXIST.
func (s *Store) Create(c Cred, rel string, mode uint32, excl bool) (b *Buffer, created bool, err error) {
	return s.create(c, rel, mode, excl, nil)
}

// CreateMarked is Create with a mark that is on the file before its name is seen: the output of a job that is killed at any point
// is never taken for good. A file that is there gets the mark too.
func (s *Store) CreateMarked(c Cred, rel string, mode uint32, excl bool, m Mark) (b *Buffer, created bool, err error) {
	return s.create(c, rel, mode, excl, &m)
}

// create asks what is there and makes what is not under one hold of the names: two creators of one name get one buffer.
func (s *Store) create(c Cred, rel string, mode uint32, excl bool, m *Mark) (b *Buffer, created bool, err error) {
	err = s.change(rel, func(e entry) (err error) {
		_, err = s.stat(e)
		switch {
		case err == nil && excl:
			return fail("create", rel, unix.EEXIST)
		case err == nil:
			if b, err = s.get(e); err == nil {
				err = s.markHeld(b, m)
			}
			return err
		case !errors.Is(err, unix.ENOENT):
			return err
		}
		b, err = s.newFile(e, m, func(tmp entry) error { return s.own(c, tmp, e, mode) }, s.ram.place)
		created = err == nil
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return b, created, nil
}

// markHeld marks a buffer that was found, or ends the hold on it.
func (s *Store) markHeld(b *Buffer, m *Mark) error {
	if m == nil {
		return nil
	}
	err := b.SetMark(*m)
	if err != nil {
		b.release() // it has a name: nothing is freed
	}
	return err
}

// newFile makes an empty file under a temporary name, lets dress give it owner and mode, marks it if m is not nil, and lets place rename
// it to e. Killed in between, it leaves a temporary, and a mark of an inode that has no name: the next start drops both.
// Preconditions: s.ns is held for writing.
func (s *Store) newFile(e entry, m *Mark, dress func(tmp entry) error, place func(tmp, e entry) error) (*Buffer, error) {
	tmp, b, err := s.tempFile(e)
	if err != nil {
		return nil, err
	}
	err = dress(tmp)
	if err == nil && m != nil {
		named := *m
		named.Path = e.rel
		err = b.SetMark(named)
	}
	if err == nil {
		err = s.chargeOwner(tmp, b, key{})
	}
	if err == nil {
		err = place(tmp, e)
	}
	if err != nil {
		s.scrap(tmp, b)
		return nil, err
	}
	s.table.named(b, e.rel)
	s.count.Add(1)
	return b, nil
}

// chargeOwner counts a file that is about to be named as its owner's, instead of the one that it replaces.
func (s *Store) chargeOwner(tmp entry, b *Buffer, instead key) error {
	if s.quota.limit == 0 {
		return nil
	}
	st, err := s.stat(tmp)
	if err != nil {
		return err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	data, err := b.stat()
	if err != nil {
		return err
	}
	if s.quota.charge(b.key, st.Uid, data.Size, instead) != nil {
		return fail("create", tmp.rel, unix.EDQUOT)
	}
	return nil
}

// tempFile makes an empty file that is to stand at e. Its buffer has no name yet.
func (s *Store) tempFile(e entry) (tmp entry, b *Buffer, err error) {
	tmp = s.ram.temp(e)
	fd, err := s.open(tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return tmp, nil, err
	}
	st, err := s.fstat(fd, e.rel)
	if err != nil {
		s.ram.discard(tmp, 0)
		s.ram.drop(fd, e.rel)
		return tmp, nil, err
	}
	if s.stale.has(st.Ino) {
		if s.buryStale(); s.stale.has(st.Ino) { // it would be taken for a buffer that has spilled
			s.ram.discard(tmp, 0)
			s.ram.drop(fd, e.rel)
			return tmp, nil, fail("create", e.rel, unix.EIO)
		}
	}
	return tmp, s.hold(fd, false, keyOf(&st), ""), nil
}

// scrap removes what tempFile made, with its mark. It tells whether the bytes are gone.
func (s *Store) scrap(tmp entry, b *Buffer) bool {
	s.ram.discard(tmp, 0)
	s.table.unnamed(b.key, "", true, entry{})
	return b.release()
}

// Replace puts a new, empty inode under the name of an existing file, by rename, with the owner, the mode and the attributes of the old
// one. Who holds the old one keeps it.
func (s *Store) Replace(rel string) (*Buffer, error) { return s.replace(rel, nil) }

// ReplaceMarked is Replace with a mark that is on the new inode before it has the name.
func (s *Store) ReplaceMarked(rel string, m Mark) (*Buffer, error) { return s.replace(rel, &m) }

// replace keeps the old inode open until no lock is held: freeing its pages takes long.
func (s *Store) replace(rel string, m *Mark) (b *Buffer, err error) {
	v := victim{fd: -1}
	err = s.change(rel, func(e entry) error {
		st, err := s.stat(e)
		if err != nil {
			return err
		}
		if err := regular(rel, &st); err != nil {
			return err
		}
		dress := func(tmp entry) error { return s.dressLike(tmp, e, &st) }
		b, err = s.newFile(e, m, dress, func(tmp, e entry) (err error) {
			v, err = s.supplant(tmp, e)
			return err
		})
		return err
	})
	s.bury(v)
	return b, err
}

// supplant renames tmp over the file at e.
func (s *Store) supplant(tmp, e entry) (victim, error) {
	v, err := s.victim(e)
	if err != nil {
		return v, err
	}
	flags := uint(0)
	if s.poolable(&v) { // it goes where the new one was
		v.tmp, flags = tmp, unix.RENAME_EXCHANGE
	}
	if err = s.rename(tmp, e, flags); err == nil {
		s.gone(&v)
	}
	return v, err
}

// dressLike gives tmp the owner, the attributes and the mode of the file at e.
func (s *Store) dressLike(tmp, e entry, like *unix.Stat_t) error {
	st, err := s.stat(tmp)
	if err != nil {
		return err
	}
	if st.Uid != like.Uid || st.Gid != like.Gid {
		if err := s.chown(tmp, int(like.Uid), int(like.Gid)); err != nil {
			return err
		}
	}
	if err := s.copyXattrs(e, tmp); err != nil {
		return err
	}
	return s.chmod(tmp, like.Mode&0o7777)
}

// copyXattrs copies the user.* attributes: pins and advice go with the name, not with the inode.
func (s *Store) copyXattrs(from, to entry) error {
	names, err := s.listxattr(from)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a file system that has none
	}
	if err != nil || len(names) == 0 {
		return err
	}
	buf := make([]byte, maxXattr)
	for _, name := range names {
		n, err := s.getxattr(from, name, buf)
		if err != nil {
			return err
		}
		if err := s.setxattr(to, name, buf[:n], 0); err != nil {
			return err
		}
	}
	return nil
}
