package alloc

import "golang.org/x/sys/unix"

// Seek finds the next data or hole from off on: whence is SEEK_DATA or
// SEEK_HOLE. ENXIO past the end.
func (b *Buffer) Seek(off int64, whence int) (at int64, err error) {
	if whence != unix.SEEK_DATA && whence != unix.SEEK_HOLE {
		return 0, fail("lseek", b.Path(), unix.EINVAL)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	h, err := b.at()
	if err == nil && h != nil && h.packed() {
		return b.seekPacked(off, whence)
	}
	fd, err := b.file()
	if err != nil {
		return 0, err
	}
	err = b.s.do("lseek", b.Path(), func() error {
		at, err = unix.Seek(fd, off, whence)
		return err
	})
	return at, err
}

// seekPacked is Seek in a compressed buffer, whose holes are not the buffer's:
// it is data to the end. Preconditions: b.mu is held.
func (b *Buffer) seekPacked(off int64, whence int) (int64, error) {
	st, err := b.stat()
	switch {
	case err != nil:
		return 0, err
	case off < 0 || off >= st.Size:
		return 0, fail("lseek", b.Path(), unix.ENXIO)
	case whence == unix.SEEK_HOLE:
		return st.Size, nil
	}
	return off, nil
}

// Held gives the buffer of an inode that somebody holds, with another hold on
// it; nil if nobody does.
func (s *Store) Held(ino uint64) *Buffer {
	st, err := s.Lstat("")
	if err != nil {
		return nil
	}
	return s.table.ref(key{st.Dev, ino})
}
