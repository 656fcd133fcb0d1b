package alloc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Create makes an empty file that belongs to c, or without excl gives the one
// that is there, as it is. created tells which. With excl an existing name is
// EEXIST. What is there is asked and what is not is made under one hold of the
// names: two creators of one name get one buffer.
func (s *Store) Create(c Cred, rel string, mode uint32, excl bool) (b *Buffer, created bool, err error) {
	err = s.change(rel, func(e entry) (err error) {
		_, err = s.stat(e)
		switch {
		case err == nil && excl:
			return fail("create", rel, unix.EEXIST)
		case err == nil:
			b, err = s.get(e)
			return err
		case !errors.Is(err, unix.ENOENT):
			return err
		}
		b, err = s.newFile(c, e, mode)
		created = err == nil
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return b, created, nil
}

// newFile makes an empty file that belongs to c, under a temporary name, and
// renames it to e. Killed in between, it leaves a temporary: the next start
// drops it. Preconditions: s.ns is held for writing.
func (s *Store) newFile(c Cred, e entry, mode uint32) (*Buffer, error) {
	tmp, b, err := s.tempFile(e)
	if err != nil {
		return nil, err
	}
	if err = s.own(c, tmp, e, mode); err == nil {
		err = s.chargeOwner(tmp, b, key{})
	}
	if err == nil {
		err = s.ram.place(tmp, e)
	}
	if err != nil {
		s.scrap(tmp, b)
		return nil, err
	}
	s.table.named(b, e.rel)
	s.count.Add(1)
	return b, nil
}

// chargeOwner counts a file that is about to be named as its owner's, instead
// of the one that it replaces.
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

// copyXattrs copies the user.* attributes: pins and advice go with the name,
// not with the inode.
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
