package alloc

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// saver writes the tree of a store that is being closed to its spill tiers.
type saver struct {
	s     *Store
	m     manifest
	seen  map[uint64][]byte // the first name of each inode
	added []*spot           // copies made
}

// save copies the bytes of all resident buffers to the spill tiers and writes
// the manifest, for good. The RAM tier stays as it is, and until the manifest
// is there it alone counts; a start that finds both takes the RAM tier. ENOSPC:
// they do not fit, and nothing is saved. Preconditions: nobody else uses the
// store; s.ns is held for writing, and s.marks.mu.
func (s *Store) save() error {
	v := &saver{s: s, seen: map[uint64][]byte{}}
	v.m.RAM = s.id
	err := v.all()
	if err != nil {
		for _, p := range v.added {
			s.dropSpot(p)
		}
		return fmt.Errorf("the buffers cannot be saved, and stay in memory at %s: %w", s.ram.path, err)
	}
	return nil
}

// all does so.
func (v *saver) all() error {
	s := v.s
	for _, b := range s.table.held {
		b.fileSums()
	}
	err := s.at("", func(root entry) error {
		fd, err := s.open(root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer s.ram.drop(fd, "")
		return s.ram.walk(fd, "", v.add)
	})
	for _, t := range s.spills {
		if err == nil {
			err = t.syncfs()
		}
	}
	if err != nil {
		return err
	}
	text, err := v.m.encode()
	if err != nil {
		return err
	}
	return s.spills[0].writeTree(text)
}

// add records one entry.
func (v *saver) add(e entry, _ *unix.Stat_t) error {
	s := v.s
	st, err := s.status(e)
	if err != nil {
		return err
	}
	r := savedEntry{Path: []byte(e.rel), Mode: st.Mode, UID: st.Uid, GID: st.Gid, Atime: st.Atim.Nano(), Mtime: st.Mtim.Nano()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := s.readlink(e)
		if err != nil {
			return err
		}
		r.Target = []byte(target)
	case unix.S_IFREG:
		if err := v.addFile(e, &st, &r); err != nil {
			return err
		}
		fallthrough
	default:
		if r.Xattrs, err = s.allXattrs(e); err != nil {
			return err
		}
	}
	v.m.Entries = append(v.m.Entries, r)
	return nil
}

// addFile records where the bytes of a buffer are, once they are on a spill tier.
func (v *saver) addFile(e entry, st *unix.Stat_t, r *savedEntry) error {
	s := v.s
	if first, again := v.seen[st.Ino]; again {
		r.First = first
		return nil
	}
	v.seen[st.Ino] = r.Path
	if m, marked := s.marks.of[st.Ino]; marked {
		r.Mark = &m
	}
	p := s.table.spot(keyOf(st))
	if p == nil && st.Size > 0 {
		var err error
		if p, err = v.copy(e); err != nil {
			return err
		}
	}
	if r.Size = st.Size; p != nil {
		r.Tier, r.Data = p.token, p.name
	}
	return nil
}

// copy puts the bytes of a resident buffer on the first spill tier that has room.
func (v *saver) copy(e entry) (*spot, error) {
	b, err := v.s.get(e)
	if err != nil {
		return nil, err
	}
	defer b.release()
	b.mu.RLock()
	defer b.mu.RUnlock()
	st, err := v.s.fstat(b.fd, e.rel)
	if err != nil {
		return nil, err
	}
	f, err := b.shape(context.Background(), st.Size)
	if err != nil {
		return nil, err
	}
	var p *spot
	err = someTier(v.s.spills, "save", e.rel, func(t *spillTier) (err error) {
		f := f.on(t, st.Size)
		if err = t.room(f.left); err == nil {
			p, err = b.copyTo(context.Background(), t, &st, f.width)
		}
		if err == nil {
			v.added = append(v.added, p)
		}
		return err
	})
	return p, err
}

// copyTo makes a file on a tier with the bytes of the buffer.
func (b *Buffer) copyTo(ctx context.Context, t *spillTier, st *unix.Stat_t, width int) (*spot, error) {
	n, err := b.fileOn(ctx, t, st, width)
	if err != nil {
		return nil, err
	}
	if err = n.finish(st); err != nil {
		n.discard()
		return nil, err
	}
	n.close()
	t.has(n.spot)
	return n.spot, nil
}

// allXattrs reads the user.* attributes; nil where the file system has none.
func (s *Store) allXattrs(e entry) (map[string][]byte, error) {
	names, err := s.listxattr(e)
	if errors.Is(err, unix.EOPNOTSUPP) || err == nil && len(names) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	buf := make([]byte, maxXattr)
	for _, name := range names {
		n, err := s.getxattr(e, name, buf)
		if err != nil {
			return nil, err
		}
		all[name] = append([]byte{}, buf[:n]...)
	}
	return all, nil
}
