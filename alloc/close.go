package alloc

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Close ends the store. With keep the buffers stay, for the next Open to take
// over; else they are deleted, and the mount, the folders and the lock that
// Open made are removed. With Config.Persist they are saved in the spill tiers
// first, for good: the next Open finds them after the machine's restart too; if
// they cannot be saved they are kept, and the error says so. A tmpfs that
// somebody still has a file open on is detached and goes with the last of them.
// Every later call but the releasing of what is held fails with ESHUTDOWN. A
// plain store's files stay in any case.
func (s *Store) Close(keep bool) error { return s.end(keep, s.cfg.Persist && s.Spills()) }

// Undo is Close for a store that could not be put to use: what has a name stays
// for the next Open, and one without any leaves nothing that Open made.
func (s *Store) Undo() error {
	if list, err := s.ReadDir(""); err != nil || len(list) > 0 {
		return errors.Join(err, s.Close(true))
	}
	return s.end(false, false)
}

// end is Close. With save all is saved in the spill tiers.
func (s *Store) end(keep, save bool) error {
	s.warm.close()
	s.cancel()
	if s.io != nil {
		s.io.nurse.stop()
	}
	s.moving.Lock()
	defer s.moving.Unlock()
	s.ns.Lock()
	defer s.ns.Unlock()
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	if s.closed.Load() {
		return unix.ESHUTDOWN
	}
	var err error
	if save {
		if err = s.save(); err != nil {
			keep = true
		}
	}
	s.closed.Store(true)
	s.mem.shut()
	err = errors.Join(err, s.shutTiers())
	if s.ram.plain {
		return err
	}
	if !keep {
		err = errors.Join(err, s.remove(save))
	}
	err = errors.Join(err, s.lock.release(!keep))
	if !keep {
		err = errors.Join(err, s.unmakeDir())
	}
	return err
}

// unmakeDir removes the state directory if Open made it, and nobody else keeps
// something there.
func (s *Store) unmakeDir() error {
	if !s.made {
		return nil
	}
	return s.unlinkDir(s.cfg.Dir)
}

// remove takes the RAM tier away with all buffers, and the spill tiers unless
// they have been saved there. Its descriptors are closed already, or the unmount
// would find it busy with us.
func (s *Store) remove(saved bool) (err error) {
	if s.ram.mounted {
		err = unmount(s.sys, s.ram.path)
	} else {
		err = s.ram.removeShm()
	}
	if saved {
		return err
	}
	for _, t := range s.spills { // after the homes, so that none ever names what is gone
		if c := t.health.cause.Load(); c != nil {
			s.cfg.Logf("%v: what is there is left, and dropped by the next device that uses it", c)
			continue
		}
		err = errors.Join(err, t.remove())
	}
	return err
}

// removeShm takes a folder under /dev/shm away: by one rename, so that a start
// never finds a part of it.
func (t *tier) removeShm() error {
	from, gone := entry{unix.AT_FDCWD, t.path, t.path}, goneShm(t.path)
	if err := t.clearGone(gone); err != nil {
		return err
	}
	if err := t.rename(from, gone, 0); err != nil {
		return err
	}
	return t.clearDir(gone)
}
