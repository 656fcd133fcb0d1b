package alloc

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"
)

// migrate moves a spilled buffer that finds no room to grow to another tier.
// Preconditions: b.mu is held for writing.
func (b *Buffer) migrate(ctx context.Context, h *home, more int64) error {
	if h.name == "" {
		return fail("spill", "temporary space", unix.ENOSPC)
	}
	st, err := h.t.fstat(h.fd, b.Path())
	if err != nil {
		return err
	}
	return someTier(b.s.others(h.t), "spill", b.Path(), func(t *spillTier) error {
		if err := t.room(st.Size + more); err != nil {
			return err
		}
		return b.rehomeTo(h, t, &st, func(n *newHome) error {
			if err := b.proof(h, 0, st.Size); err != nil {
				return err
			}
			return n.copyFrom(ctx, h.fd, b)
		})
	})
}

// others are the tiers but one, in order.
func (s *Store) others(but *spillTier) []*spillTier {
	return slices.DeleteFunc(slices.Clone(s.spills), func(t *spillTier) bool { return t == but })
}

// rehomeTo puts what copies brings into a file of its own, and makes that the
// buffer: the symlink that names the new place replaces the one that names the
// old.
func (b *Buffer) rehomeTo(h *home, t *spillTier, st *unix.Stat_t, copies func(*newHome) error) error {
	s := b.s
	n, err := s.newData(t, b.key.ino, st.Size, b.Path())
	if err != nil {
		return err
	}
	err = copies(n)
	if err == nil {
		err = n.finish(st)
	}
	if err == nil {
		err = s.rehome(n.home, b.key.ino)
	}
	if err != nil {
		n.discard()
		return err
	}
	old := h.spot
	h.t.traffic.out.Add(uint64(st.Size))
	b.settle(n.home)
	s.dropSpot(old)
	t.arrived(n.spot, st.Size)
	return nil
}

// rehome makes the symlink of an inode name another place.
func (s *Store) rehome(h *home, ino uint64) error {
	e := s.homeEntry(ino)
	tmp := s.ram.temp(e)
	if err := s.symlink(h.target(), tmp); err != nil {
		return err
	}
	err := s.rename(tmp, e, 0)
	if err != nil {
		s.ram.discard(tmp, 0)
	}
	return err
}
