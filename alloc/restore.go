package alloc

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
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
		return "", s.dropTrees()
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
	s.only = true
	return m.RAM, s.dropTrees()
}

// dropTrees removes the manifest wherever it is.
func (s *Store) dropTrees() error {
	for _, t := range s.spills {
		if err := t.dropTree(); err != nil {
			return err
		}
	}
	return nil
}

// findTree finds the manifest: each tier that was in use has one. EEXIST,
// ENODEV: they say different things, or not all is here that they are about;
// nothing has changed.
func (s *Store) findTree() (on *spillTier, found *manifest, err error) {
	for _, t := range s.spills {
		m, err := t.readTree()
		switch {
		case err != nil:
			return nil, nil, err
		case m == nil:
			continue
		case found != nil && m.RAM != found.RAM:
			return nil, nil, fmt.Errorf("%s and %s hold buffers that were saved by clean stops of two devices: start with one of them, or remove %s from the other: %w",
				on.path, t.path, treeFile, unix.EEXIST)
		case found == nil || m.Saved > found.Saved:
			on, found = t, m
		}
	}
	if found != nil && found.RAM != s.id {
		err = s.complete(on, found)
	}
	return on, found, err
}

// complete refuses to restore while a disk is not mounted, whose buffers would
// be lost then; and what is stale, since a device was started without it.
func (s *Store) complete(on *spillTier, m *manifest) error {
	for token, path := range m.Tiers {
		t := s.tierOf(token)
		if t == nil {
			if slices.ContainsFunc(s.spills, func(o *spillTier) bool { return o.path == path }) {
				return fmt.Errorf("%s is not the directory that buffers were saved in: mount its disk; or to start without what is there, for good, leave it out: %w",
					path, unix.ENODEV)
			}
			continue
		}
		owner, err := t.readlink(entry{t.dir, "owner", "owner"})
		if err != nil {
			return err
		}
		if id, _, _ := strings.Cut(owner, " "); id != m.RAM {
			return fmt.Errorf("%s holds buffers that were saved together with those of %s, which a device was started with without it: start with it alone, or remove %s/%s to drop them: %w",
				on.path, t.path, on.path, treeFile, unix.EEXIST)
		}
	}
	return nil
}

// tierOf finds the tier of a token; nil: this start does not have it.
func (s *Store) tierOf(token string) *spillTier {
	for _, t := range s.spills {
		if t.token == token {
			return t
		}
	}
	return nil
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
	if err := s.noteAway(m.Tiers); err != nil {
		return err
	}
	if err := s.noteAway(m.Away); err != nil {
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

// noteAway is noteTier for those that this start does not have.
func (s *Store) noteAway(tiers map[string]string) error {
	for token, path := range tiers {
		if s.tierOf(token) != nil {
			continue
		}
		if err := s.symlink(path, entry{s.homes, token, homesDir + "/" + token}); err != nil {
			return err
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
		if err := s.restoreHome(st.Ino, r); err != nil {
			return err
		}
	}
	if r.Mark == nil {
		return nil
	}
	return s.restoreMark(st.Ino, r.Mark)
}

// restoreHome says where the bytes are. Where that is in doubt they count as
// those of a file system that was mounted anew.
func (s *Store) restoreHome(ino uint64, r *savedEntry) error {
	data, whole := r.Data, r.Data != lostData
	if r.Doubt && whole {
		var err error
		if whole, err = s.wholeFile(r); err != nil {
			return err
		}
	}
	if !whole {
		data = fmt.Sprintf("%d-%s", ino, lostData)
	}
	return s.symlink(r.Tier+" "+data, s.homeEntry(ino))
}

// wholeFile reports whether a spill file is there with all its checksums.
func (s *Store) wholeFile(r *savedEntry) (bool, error) {
	t := s.tierOf(r.Tier)
	if t == nil {
		return false, nil
	}
	h := &home{spot: &spot{t: t, token: t.token, name: r.Data, where: t.path}, fd: -1, direct: -1}
	defer h.close()
	err := h.open()
	if err == nil {
		err = h.openSums(h.era.Load() + 1)
	}
	lost := (*remountedError)(nil)
	if errors.Is(err, unix.ENOENT) || errors.As(err, &lost) {
		return false, nil
	}
	return err == nil, err
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
