package alloc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// saver writes the tree of a store that is being closed to its spill tiers.
type saver struct {
	s     *Store
	m     manifest
	seen  map[uint64][]byte // the first name of each inode
	added []*spot           // copies made
	out   map[*spillTier]bool
	left  []string // the buffers that are not saved
	why   error    // of the first of them
}

// UnsavedError says what a clean stop with Config.Persist could not save, and
// that it stays in memory for the next Open.
type UnsavedError struct {
	RAM     string   // the path of the RAM tier
	Buffers []string // that are not saved, while all others are; none: nothing is saved
	Err     error
}

func (e *UnsavedError) Error() string {
	what := "nothing could be saved"
	if n := len(e.Buffers); n > 0 {
		what = fmt.Sprintf("%d buffers could not be saved (%s), all others are", n, someOf(e.Buffers))
	}
	return fmt.Sprintf("%s: %v; until the machine restarts all of it stays at %s: make room or repair the disk, start the device again as it was, and stop it", what, e.Err, e.RAM)
}

func (e *UnsavedError) Unwrap() error { return e.Err }

// someOf names the first of many.
func someOf(names []string) string {
	const most = 5
	if len(names) > most {
		names = append(slices.Clone(names[:most]), "...")
	}
	return strings.Join(names, ", ")
}

// save copies the bytes of all resident buffers to the spill tiers and writes
// the manifest, for good. The RAM tier stays as it is, and until the manifest
// is there it alone counts; a start that finds both takes the RAM tier. A tier
// whose disk fails meanwhile is done without. The error is an *UnsavedError.
// Preconditions: nobody else uses the store; s.ns is held for writing, and
// s.marks.mu.
func (s *Store) save() error {
	for _, b := range s.table.held {
		b.fileSums()
	}
	for {
		v := &saver{s: s, seen: map[uint64][]byte{}, out: map[*spillTier]bool{}}
		v.m.Tiers, v.m.Away = map[string]string{}, map[string]string{}
		err := v.all()
		if err == nil {
			return v.unsaved()
		}
		v.undo()
		if !v.fewer() {
			return &UnsavedError{RAM: s.ram.path, Err: err}
		}
	}
}

// unsaved tells what is not saved of what should be.
func (v *saver) unsaved() error {
	if len(v.left) == 0 {
		return nil
	}
	return &UnsavedError{v.s.ram.path, v.left, v.why}
}

// undo drops what was made. A manifest that cannot be dropped is true, but for
// the copies; a later one counts more.
func (v *saver) undo() {
	for _, t := range v.used() {
		if err := t.dropTree(); err != nil {
			t.logf("%v", err)
		}
	}
	for _, p := range v.added {
		v.s.dropSpot(p)
	}
}

// fewer reports whether a tier has gone out of use meanwhile, and another is
// left to save to.
func (v *saver) fewer() bool {
	now := 0
	for _, t := range v.used() {
		if t.ready() == nil {
			now++
		}
	}
	return now > 0 && now < len(v.used())
}

// used are the tiers that are saved to.
func (v *saver) used() []*spillTier {
	return slices.DeleteFunc(slices.Clone(v.s.spills), func(t *spillTier) bool { return v.out[t] })
}

// all does all of it with the tiers that are in use.
func (v *saver) all() error {
	s := v.s
	for _, t := range s.spills {
		if err := t.ready(); err != nil {
			v.out[t], v.why = true, err
		}
	}
	if len(v.used()) == 0 {
		return v.why
	}
	err := s.at("", func(root entry) error {
		fd, err := s.open(root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer s.ram.drop(fd, "")
		return s.ram.walk(fd, "", v.add)
	})
	for _, t := range v.used() {
		if err == nil {
			err = t.syncfs()
		}
	}
	if err != nil {
		return err
	}
	return v.writeTrees()
}

// writeTrees puts the manifest on each tier, so that none of them can be taken
// for one that nothing was saved on. One that is full, where another is not, is
// done without.
func (v *saver) writeTrees() error {
	v.m.RAM, v.m.Saved = v.s.id, time.Now().UnixNano()
	for _, t := range v.used() {
		v.m.Tiers[t.token] = t.path
	}
	text, err := v.m.encode()
	if err != nil {
		return err
	}
	written := false
	var full error
	for _, t := range v.used() {
		switch err := t.writeTree(text); {
		case err == nil:
			written = true
		case !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT):
			return err
		default:
			full = err
		}
	}
	if !written {
		return full
	}
	return nil
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
	p, err := s.table.spot(keyOf(st)), error(nil)
	switch {
	case p != nil:
		r.Doubt, p, err = v.stays(e, p)
	case st.Size > 0:
		p, err = v.copy(e)
	}
	if r.Size = st.Size; err != nil || p == nil {
		return err
	}
	r.Tier, r.Data = p.token, p.name
	if r.Doubt && p.changed.Load() {
		r.Doubt, r.Data = false, lostData
	}
	if p.t == nil {
		v.m.Away[p.token] = p.where
	} else {
		v.m.Tiers[p.token] = p.where
	}
	return nil
}

// stays sees to it that the bytes of a spilled buffer are on a disk for good,
// and tells where. If they cannot be, it is in doubt what a later start finds
// there.
func (v *saver) stays(e entry, p *spot) (doubt bool, now *spot, err error) {
	if p.t == nil || !p.found { // they could not be reached before
		return false, p, nil
	}
	if !v.out[p.t] && p.era.Load() == p.t.health.era.Load() {
		return false, p, nil
	}
	b, err := v.s.get(e)
	if err != nil {
		return false, nil, err
	}
	defer b.release()
	err = b.leaveDisk(v.out[p.t])
	if err == nil {
		return false, v.s.table.spot(b.key), nil
	}
	gone := (*remountedError)(nil)
	if !errors.As(err, &gone) { // else they are lost already, and whoever asked for them was told
		if v.left = append(v.left, e.rel); len(v.left) == 1 {
			v.why = err
		}
	}
	return true, p, nil
}

// leaveDisk moves the bytes to another tier, if their disk has failed, or asks
// only whether they are there still. A compressed buffer is expanded.
func (b *Buffer) leaveDisk(failed bool) error {
	ctx := context.Background()
	b.mu.Lock()
	defer b.mu.Unlock()
	h, err := b.at()
	if err != nil || !failed {
		return err
	}
	st, err := h.t.fstat(h.fd, b.Path())
	switch {
	case err != nil:
		return err
	case h.packed():
		return b.expandOn(ctx, h, &st, st.Size)
	}
	return b.migrate(ctx, h, 0)
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
