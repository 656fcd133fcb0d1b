package alloc

import (
	"golang.org/x/sys/unix"
)

// victim is a file that is losing a name. It is kept open over that, so that
// freeing its pages, which takes long for a large one, waits until no lock is
// held, and so that its inode number is not given to another before its mark is
// dropped.
type victim struct {
	fd   int // O_PATH; -1 if there is none
	key  key
	rel  string
	last bool // the name it loses is its last
	file bool // a regular one
	dead bool // it has lost it, and nobody holds it

	size, blocks int64 // of it, in bytes
	tmp          entry // the name that it has instead, if it could be used again
}

// victim opens what e names. Preconditions: s.ns is held for writing.
func (s *Store) victim(e entry) (victim, error) {
	fd, err := s.open(e, unix.O_PATH, 0)
	if err != nil {
		return victim{fd: -1}, err
	}
	st, err := s.fstat(fd, e.rel)
	if err != nil {
		s.ram.drop(fd, e.rel)
		return victim{fd: -1}, err
	}
	file := st.Mode&unix.S_IFMT == unix.S_IFREG
	return victim{fd: fd, key: keyOf(&st), rel: e.rel, last: st.Nlink == 1, file: file, size: st.Size, blocks: st.Blocks * 512}, nil
}

// gone takes note that the victim has lost its name. Preconditions: s.ns is
// held for writing, since before it was opened.
func (s *Store) gone(v *victim) {
	if v.fd < 0 || !v.file {
		return
	}
	held := s.table.unnamed(v.key, v.rel, v.last, v.tmp)
	if v.last {
		s.count.Add(-1)
		v.dead = !held
	}
}

// bury ends the victim's life, if that was its last name and nobody holds it.
// Preconditions: no lock is held.
func (s *Store) bury(v victim) {
	if v.fd < 0 {
		return
	}
	if v.dead {
		s.forget(v.key)
		s.keepOrDrop(pooled{v.tmp, v.key, v.blocks})
	}
	s.ram.drop(v.fd, v.rel)
	if v.dead {
		s.freed()
	} else if v.file && v.last { // its pages go with its last hold, so a warm mapping may not be that
		s.warm.dropIf(func(e warmth) bool { return e.b.key == v.key })
	}
}

// forget drops what is known of a file that has neither name nor holder.
func (s *Store) forget(k key) {
	if s.closed.Load() {
		return
	}
	s.buryMark(k.ino)
	s.buryHome(k)
	s.quota.drop(k)
}
