package alloc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// homeEntry is the symlink that says where the bytes of an inode are.
func (s *Store) homeEntry(ino uint64) entry {
	name := strconv.FormatUint(ino, 10)
	return entry{s.homes, name, homesDir + "/" + name}
}

// target is what the symlink says: the tier's token and the file's name there.
// It must be short: from 128 bytes on a symlink takes a page, and there is none
// when the memory is full.
func (p *spot) target() string { return p.t.token + " " + p.name }

// tierPath tells where the tier of a token was, for messages.
func (s *Store) tierPath(token string) string {
	path, err := s.readlink(entry{s.homes, token, homesDir + "/" + token})
	if err != nil {
		return "a place that is not known"
	}
	return path
}

// noteTier notes where a tier is, for messages of a start without it. It is a
// symlink, named by the token.
func (s *Store) noteTier(t *spillTier) error {
	e := entry{s.homes, t.token, homesDir + "/" + t.token}
	if s.tierPath(t.token) == t.path {
		return nil
	}
	tmp := s.ram.temp(e)
	err := s.symlink(t.path, tmp)
	if err == nil {
		err = s.rename(tmp, e, 0)
	}
	if errors.Is(err, unix.ENOSPC) { // a long path, and no memory left
		s.cfg.Logf("%v", err)
		return nil
	}
	return err
}

// openHomes opens the folder of homes, and makes it if this device has spill
// tiers. Without them there may be one of an earlier start.
func (s *Store) openHomes() (err error) {
	e := entry{s.ram.dir, homesDir, homesDir}
	if len(s.cfg.Spill) > 0 {
		s.homes, err = s.ram.folder(homesDir, 0)
		return err
	}
	s.homes, err = s.open(e, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ENOENT) {
		s.homes = -1
		return nil
	}
	return err
}

// loadHomes reads where the buffers are. names has the stubs that exist; a home
// of another is dropped, and with it its bytes.
func (s *Store) loadHomes(names map[uint64]string) error {
	if s.homes < 0 {
		return nil
	}
	list, err := s.readdir(s.homes, homesDir)
	if err != nil {
		return err
	}
	dir, err := s.fstat(s.homes, homesDir)
	if err != nil {
		return err
	}
	for _, d := range list {
		if len(d.Name) == tokenSize {
			continue
		}
		ino, err := strconv.ParseUint(d.Name, 10, 64)
		e := entry{s.homes, d.Name, homesDir + "/" + d.Name}
		if _, there := names[ino]; err != nil || !there {
			err = s.unlink(e, 0)
		} else {
			err = s.loadHome(e, key{dir.Dev, ino})
		}
		if err != nil {
			return err
		}
	}
	return s.loadSpills(names)
}

// loadHome reads one home.
func (s *Store) loadHome(e entry, k key) error {
	to, err := s.readlink(e)
	if err != nil {
		return err
	}
	token, name, _ := strings.Cut(to, " ")
	p := &spot{token: token, name: name, t: s.tierOf(token)}
	if p.t != nil {
		p.where = p.t.path
	} else {
		p.where = s.tierPath(token)
	}
	s.table.spots[k] = p
	return nil
}

// loadSpills loads the spill tiers, gives back the pages of stubs whose bytes
// had just spilled, and says what cannot be reached.
func (s *Store) loadSpills(names map[uint64]string) error {
	for _, t := range s.spills {
		mine := map[string]*spot{}
		for _, p := range s.table.spots {
			if p.t == t {
				mine[p.name] = p
			}
		}
		if err := t.load(mine); err != nil {
			return fmt.Errorf("spill directory %s: %w", t.parent, err)
		}
	}
	missing := 0
	for k, p := range s.table.spots {
		if p.t == nil || !p.found {
			missing++
			s.cfg.Logf("the bytes of %q should be on the spill tier at %s, and are not: reading it fails", names[k.ino], p.where)
			continue
		}
		p.t.has(p)
		s.quota.set(k, p.size)
		if err := s.emptyStub(names[k.ino]); err != nil {
			return err
		}
	}
	if missing > 0 {
		s.cfg.Logf("the bytes of %d buffers cannot be reached: start the device with the spill directories that it had", missing)
	}
	return nil
}

// emptyStub gives back the pages of a stub, if the move that spilled it was
// killed before it did.
func (s *Store) emptyStub(rel string) error {
	return s.at(rel, func(e entry) error {
		st, err := s.stat(e)
		if err != nil || st.Blocks == 0 {
			return err
		}
		fd, err := s.open(e, unix.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = s.punch(fd, rel, &st)
		return errors.Join(err, s.close(fd, rel))
	})
}

// punch gives back all pages of a stub, whose size and times stay.
func (s *Store) punch(fd int, path string, st *unix.Stat_t) error {
	n := max(pages(st.Size), st.Blocks*512)
	if n == 0 {
		return nil
	}
	return s.do("fallocate", path, func() error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, n)
	})
}
