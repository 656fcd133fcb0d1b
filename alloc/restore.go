package alloc

import (
	"errors"
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// restoringLink is a symlink in the RAM tier that is there while a saved tree
// is being built in it. It names the RAM tier that was saved.
const restoringLink = "restoring"

// openSpillTiers opens the spill tiers, builds the tree that a clean stop saved
// there, if the RAM tier is new, and makes the tiers those of this RAM tier.
func (s *Store) openSpillTiers() (err error) {
	if err = s.openHomes(); err != nil || len(s.cfg.Spill) == 0 {
		return err
	}
	if s.id, err = s.identity(s.ram.dir); err != nil {
		return err
	}
	for i := range s.cfg.Spill {
		t, err := openSpill(s, i)
		if err != nil {
			return err
		}
		s.spills = append(s.spills, t)
	}
	saved, err := s.restore()
	if err != nil {
		return err
	}
	for _, t := range s.spills {
		if err = t.claimFor(s.id+" "+s.ram.path, saved); err == nil {
			err = s.noteTier(t)
		}
		if err != nil {
			return fmt.Errorf("spill directory %s: %w", t.parent, err)
		}
	}
	if saved == "" {
		return nil
	}
	return s.unlink(entry{s.ram.dir, restoringLink, restoringLink}, 0)
}

// restore builds a saved tree, and tells the identity of the RAM tier that it
// was saved from; "" if there was nothing to do. The order makes it safe to be
// killed: the link is there before anything is built, and a start that finds
// both it and the manifest begins anew; the manifest goes once all is built,
// before anything can change, and the link last.
func (s *Store) restore() (saved string, err error) {
	link := entry{s.ram.dir, restoringLink, restoringLink}
	saved, err = s.readlink(link)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return "", err
	}
	t, m, err := s.findTree()
	if err != nil || m == nil {
		return saved, err
	}
	if m.RAM == s.id { // it was kept, and has all of it
		return "", t.dropTree()
	}
	if saved == "" {
		if err := s.beginRestore(link, t, m); err != nil {
			return "", err
		}
	}
	if err := s.rebuild(m); err != nil {
		return "", fmt.Errorf("restoring what %s has: %w", t.path, err)
	}
	s.cfg.Logf("%d entries restored from %s", len(m.Entries), t.path)
	return m.RAM, t.dropTree()
}

// findTree finds the manifest, on whichever tier it is.
func (s *Store) findTree() (*spillTier, *manifest, error) {
	for _, t := range s.spills {
		m, err := t.readTree()
		if m != nil || err != nil {
			return t, m, err
		}
	}
	return nil, nil, nil
}

// beginRestore refuses to build a tree over another.
func (s *Store) beginRestore(link entry, t *spillTier, m *manifest) error {
	list, err := s.listRoot()
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return fmt.Errorf("%s holds buffers that were saved by a clean stop, and the memory holds others: start with an empty device, or remove %s/%s: %w",
			t.path, t.path, treeFile, unix.EEXIST)
	}
	return s.symlink(m.RAM, link)
}

// listRoot lists the tree's root.
func (s *Store) listRoot() ([]DirEntry, error) {
	fd, err := s.open(entry{s.ram.root, ".", ""}, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer s.ram.drop(fd, "")
	return s.readdir(fd, "")
}

// rebuild builds the tree, after removing what an earlier attempt left.
func (s *Store) rebuild(m *manifest) error {
	for _, d := range []struct {
		fd   int
		name string
	}{{s.ram.marks, marksDir}, {s.homes, homesDir}} {
		if err := s.ram.clear(d.fd, d.name); err != nil {
			return err
		}
	}
	fd, err := s.open(entry{s.ram.root, ".", ""}, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	err = s.ram.clear(fd, "")
	s.ram.drop(fd, "")
	if err != nil {
		return err
	}
	for i := range m.Entries {
		if err := s.restoreEntry(&m.Entries[i]); err != nil {
			return err
		}
	}
	for i := len(m.Entries) - 1; i >= 0; i-- { // directories after what is in them
		if r := &m.Entries[i]; r.Mode&unix.S_IFMT == unix.S_IFDIR {
			if err := s.at(string(r.Path), func(e entry) error { return s.restoreAttrs(e, r) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// restoreEntry makes one entry.
func (s *Store) restoreEntry(r *savedEntry) error {
	if p := string(r.Path); path.Clean(p) != p {
		return fail("restore", p, unix.EINVAL)
	}
	return s.at(string(r.Path), func(e entry) error {
		switch {
		case r.Mode&unix.S_IFMT == unix.S_IFDIR:
			return s.mkdir(e, 0o700)
		case r.First != nil:
			return s.at(string(r.First), func(first entry) error { return s.link(first, e) })
		case r.Mode&unix.S_IFMT == unix.S_IFLNK:
			if err := s.symlink(string(r.Target), e); err != nil {
				return err
			}
		default:
			if err := s.restoreFile(e, r); err != nil {
				return err
			}
		}
		return s.restoreAttrs(e, r)
	})
}

// restoreFile makes the stub of a buffer, its home and its mark.
func (s *Store) restoreFile(e entry, r *savedEntry) error {
	fd, err := s.open(e, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	st, err := s.fstat(fd, e.rel)
	if err == nil {
		err = s.ftruncate(fd, e.rel, r.Size)
	}
	if err = errors.Join(err, s.close(fd, e.rel)); err != nil {
		return err
	}
	if r.Tier != "" {
		if err := s.symlink(r.Tier+" "+r.Data, s.homeEntry(st.Ino)); err != nil {
			return err
		}
	}
	if r.Mark == nil {
		return nil
	}
	return s.restoreMark(st.Ino, r.Mark)
}

// restoreMark writes a mark as load will read it.
func (s *Store) restoreMark(ino uint64, m *Mark) error {
	e := s.markEntry(ino)
	fd, err := s.open(e, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = s.writeFull(fd, e.rel, m.encode(), 0)
	return errors.Join(err, s.close(fd, e.rel))
}

// restoreAttrs gives an entry its owner, mode, attributes and times.
func (s *Store) restoreAttrs(e entry, r *savedEntry) error {
	if err := s.chown(e, int(r.UID), int(r.GID)); err != nil {
		return err
	}
	if r.Mode&unix.S_IFMT != unix.S_IFLNK {
		for name, value := range r.Xattrs {
			if err := s.setxattr(e, name, value, 0); err != nil {
				return err
			}
		}
		if err := s.chmod(e, r.Mode&0o7777); err != nil {
			return err
		}
	}
	a, m := time.Unix(0, r.Atime), time.Unix(0, r.Mtime)
	return s.utimens(e, &a, &m)
}
