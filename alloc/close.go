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
func (s *Store) Close(keep bool) error {
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
	if s.cfg.Persist && s.Spills() {
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
		err = errors.Join(err, s.remove())
	}
	err = errors.Join(err, s.lock.release(!keep))
	if s.made && !keep {
		gone := s.unlink(entry{unix.AT_FDCWD, s.cfg.Dir, s.cfg.Dir}, unix.AT_REMOVEDIR)
		if !errors.Is(gone, unix.ENOTEMPTY) { // what others keep there stays
			err = errors.Join(err, gone)
		}
	}
	return err
}

// remove takes the RAM tier away with all buffers. Its descriptors are closed
// already, or the unmount would find it busy with us.
func (s *Store) remove() (err error) {
	if s.ram.mounted {
		err = unmount(s.sys, s.ram.path)
	} else {
		err = s.removeShm()
	}
	if s.cfg.Persist && s.Spills() { // they have been saved
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
func (s *Store) removeShm() error {
	from, gone := entry{unix.AT_FDCWD, s.ram.path, s.ram.path}, goneShm(s.ram.path)
	if err := s.ram.clearGone(gone); err != nil {
		return err
	}
	if err := s.rename(from, gone, 0); err != nil {
		return err
	}
	return s.ram.clearDir(gone)
}
