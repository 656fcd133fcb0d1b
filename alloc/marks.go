package alloc

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// States of a mark.
const (
	Pending = "pending" // a job that has not ended writes the buffer
	Bad     = "bad"     // the job that wrote it did not end well
)

// Mark says on the tier itself that a buffer's bytes are not to be trusted, and
// why. No mark: the buffer is good.
type Mark struct {
	State  string `json:"state"`
	Path   string `json:"path"` // the buffer's name when it was marked
	Job    uint64 `json:"job"`
	Cmd    string `json:"cmd"`
	Reason string `json:"reason,omitempty"`
	Stale  bool   `json:"stale,omitempty"` // set by SetMark: the buffer holds bytes of another (PrepareWhole)
}

// markSize is the most a mark's file holds: one page, so that a spare page is
// space enough for any change of a mark.
const markSize = pageSize

// marks is the marks in memory. What a mark says survives the daemon in the
// tier's marks folder.
//
// A mark's file is written under a temporary name and renamed into place. The
// spares, temporaries that already own their page, make changing a mark
// possible on a full tier: one is written and exchanged with the old mark's
// file, which becomes the spare. The file of a mark that is taken off becomes a
// spare too, so that marking costs no allocation in the steady state.
type marks struct {
	mu     sync.RWMutex
	of     map[uint64]Mark // by inode
	spares []entry         // one at least once there is a mark
	files  int64           // of a page each: those of marks, and the spares
	stale  []uint64        // inodes that are gone, and whose mark's file could not be removed yet
}

// maxSpares is how many pages are kept for marks.
const maxSpares = 8

// get tells the mark of an inode.
func (m *marks) get(ino uint64) (Mark, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	mark, ok := m.of[ino]
	return mark, ok
}

// SetMark marks the buffer. When it returns nil the mark is on the tier, whole;
// after an error the old state stands.
func (b *Buffer) SetMark(m Mark) error {
	if m.Path == "" {
		m.Path = b.Path()
	}
	m.Stale = b.stale.Load()
	return b.s.setMark(b.key.ino, m)
}

// Mark tells the buffer's mark. It makes no system call.
func (b *Buffer) Mark() (Mark, bool) { return b.s.marks.get(b.key.ino) }

// ClearMark makes the buffer good again.
func (b *Buffer) ClearMark() error {
	err := b.s.clearMark(b.key.ino)
	if err == nil {
		b.stale.Store(false)
	}
	return err
}

// MarkOf tells the mark of the buffer of that name.
func (s *Store) MarkOf(rel string) (Mark, bool) {
	st, err := s.Lstat(rel)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Mark{}, false
	}
	return s.marks.get(st.Ino)
}

// setMark marks an inode on the tier, then in memory.
func (s *Store) setMark(ino uint64, m Mark) error {
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	return s.setMarkLocked(ino, m)
}

// setMarkLocked does so. Preconditions: s.marks.mu is held.
func (s *Store) setMarkLocked(ino uint64, m Mark) error {
	if s.closed.Load() {
		return unix.ESHUTDOWN
	}
	if !s.ram.plain {
		if err := s.writeMark(ino, m); err != nil {
			return err
		}
	}
	s.marks.of[ino] = m
	s.marks.stale = slices.DeleteFunc(s.marks.stale, func(old uint64) bool { return old == ino })
	return nil
}

// filed reports whether the inode, or one before it of the same number, has a
// file among the marks.
func (m *marks) filed(ino uint64) bool {
	_, there := m.of[ino]
	return there || slices.Contains(m.stale, ino)
}

// writeMark puts a mark on the tier by one rename, or one exchange. Until then
// the old state stands, there and in memory. Preconditions: s.marks.mu is held,
// or nobody else has the store yet.
func (s *Store) writeMark(ino uint64, m Mark) error {
	filed := s.marks.filed(ino)
	need := 2 // one to use up and one that stays, since else a later change of the mark might find no room
	if filed {
		need = 1 // to exchange
	}
	if err := s.haveSpares(need); err != nil {
		return err
	}
	last := len(s.marks.spares) - 1
	spare := s.marks.spares[last]
	if err := s.fillSpare(spare, m); err != nil {
		return err
	}
	if filed {
		return s.rename(spare, s.markEntry(ino), unix.RENAME_EXCHANGE)
	}
	err := s.rename(spare, s.markEntry(ino), 0)
	if err == nil {
		s.marks.spares = s.marks.spares[:last]
	}
	return err
}

// markEntry is the file of an inode's mark.
func (s *Store) markEntry(ino uint64) entry {
	name := strconv.FormatUint(ino, 10)
	return entry{s.ram.marks, name, marksDir + "/" + name}
}

// haveSpares makes what spares are missing of need.
func (s *Store) haveSpares(need int) error {
	for len(s.marks.spares) < need {
		e, err := s.newSpare()
		if err != nil {
			return err
		}
		s.marks.spares = append(s.marks.spares, e)
	}
	return nil
}

// ReserveMarks makes sure that n buffers more can be marked, whatever takes
// memory meanwhile: by n spares beside the one that stays, of which it tells
// how many it made. Where memory is full and can spill, room is made. ENOSPC:
// there is none. What is not used goes with TrimMarks, or as marks are taken
// off.
func (s *Store) ReserveMarks(n int) (made int, err error) {
	if s.ram.plain || n == 0 {
		return 0, nil
	}
	for i := 0; ; i++ {
		more, err := s.makeSpares(n + 1)
		made += more
		if !errors.Is(err, unix.ENOSPC) || !s.Spills() || i >= maxShort || !s.short(int64(n)*markSize, nil) {
			return made, err
		}
	}
}

// makeSpares keeps n pages for marks, and tells how many it made for that:
// ESHUTDOWN once the store is closed.
func (s *Store) makeSpares(n int) (made int, err error) {
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	if s.closed.Load() {
		return 0, unix.ESHUTDOWN
	}
	before := len(s.marks.spares)
	err = s.haveSpares(n)
	return len(s.marks.spares) - before, err
}

// TrimMarks gives back the spares that ReserveMarks made, as far as nobody used them.
func (s *Store) TrimMarks(made int) {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; made > 0 && len(m.spares) > 1 && !s.closed.Load(); made-- {
		last := len(m.spares) - 1
		if err := s.unlink(m.spares[last], 0); err != nil {
			s.cfg.Logf("a page kept for marks: %v", err)
			return
		}
		m.spares = m.spares[:last]
		m.files--
		s.mem.meter.settle(marksKey, 0, m.files*markSize)
	}
}

// newSpare makes a temporary that owns a page.
func (s *Store) newSpare() (entry, error) {
	e := s.ram.temp(entry{rel: marksDir})
	err := s.mem.spend(marksKey, markSize, func() error {
		err := s.makeSpare(e)
		if err == nil {
			s.marks.files++
		}
		return err
	}, s.marks.held)
	return e, err
}

// marksKey is what the pages of the marks are counted under.
var marksKey = key{ino: ^uint64(0)}

// held is the memory that all files of marks take.
func (m *marks) held() (int64, error) { return m.files * markSize, nil }

// makeSpare writes a page of a new temporary, or leaves none.
func (s *Store) makeSpare(e entry) error {
	t := s.ram
	fd, err := t.open(e, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = t.writeFull(fd, e.rel, make([]byte, markSize), 0)
	if err = errors.Join(err, t.close(fd, e.rel)); err != nil {
		t.discard(e, 0)
	}
	return err
}

// fillSpare overwrites the spare's page; blanks fill it up, so that nothing is
// left of an older and longer mark.
func (s *Store) fillSpare(e entry, m Mark) error {
	t := s.ram
	fd, err := t.open(e, unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = t.writeFull(fd, e.rel, m.encode(), 0)
	return errors.Join(err, t.close(fd, e.rel))
}

// encode gives the mark as a JSON line of exactly markSize bytes, its texts cut
// if they must be.
func (m Mark) encode() []byte {
	for limit := markSize / 4; ; limit /= 2 {
		m.Cmd, m.Reason, m.Path = cut(m.Cmd, limit), cut(m.Reason, limit), cut(m.Path, limit)
		line, err := json.Marshal(m)
		if err != nil {
			panic(err) // strings and numbers alone
		}
		if pad := markSize - 1 - len(line); pad >= 0 {
			return append(append(line, bytes.Repeat([]byte{' '}, pad)...), '\n')
		}
	}
}

// cut shortens a text to n bytes. encoding/json replaces half a character.
func cut(s string, n int) string { return s[:min(n, len(s))] }

// clearMark makes an inode good: on the tier, then in memory.
func (s *Store) clearMark(ino uint64) error {
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	return s.clearMarkLocked(ino)
}

// clearMarkLocked does so. Preconditions: s.marks.mu is held.
func (s *Store) clearMarkLocked(ino uint64) error {
	if _, there := s.marks.of[ino]; !there {
		return nil
	}
	if s.closed.Load() {
		return unix.ESHUTDOWN
	}
	if !s.ram.plain {
		if err := s.removeMark(ino); err != nil {
			return err
		}
	}
	delete(s.marks.of, ino)
	return nil
}

// removeMark takes a mark's file out of the marks: by one rename, or if there
// are spares enough by unlinking it.
func (s *Store) removeMark(ino uint64) error {
	e := s.markEntry(ino)
	if len(s.marks.spares) < maxSpares {
		spare := s.ram.temp(e)
		err := s.rename(e, spare, 0)
		if err == nil {
			s.marks.spares = append(s.marks.spares, spare)
		}
		return err
	}
	err := s.unlink(e, 0)
	if err == nil {
		s.marks.files--
		s.mem.meter.settle(marksKey, 0, s.marks.files*markSize)
	}
	return err
}

// buryMark drops the mark of an inode that is gone. If its file cannot be
// removed now, that is tried again with the next one's; the next start would
// drop it too.
func (s *Store) buryMark(ino uint64) {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.of[ino]; there {
		delete(m.of, ino)
		if !s.ram.plain {
			m.stale = append(m.stale, ino)
		}
	}
	m.stale = slices.DeleteFunc(m.stale, func(ino uint64) bool {
		err := s.removeMark(ino)
		if err != nil {
			s.cfg.Logf("mark of a buffer that is gone: %v", err)
		}
		return err == nil
	})
}

// loadMarks reads the marks at start. names has the files that exist: marks of
// others are dropped. A pending mark is one of a job that did not end: its
// buffer is bad from now on, and listed.
func (s *Store) loadMarks(names map[uint64]string) error {
	t := s.ram
	list, err := t.readdir(t.marks, marksDir)
	if err != nil {
		return err
	}
	for _, d := range list {
		e := entry{t.marks, d.Name, marksDir + "/" + d.Name}
		ino, err := strconv.ParseUint(d.Name, 10, 64)
		path, there := names[ino]
		if err != nil || !there {
			if err := t.unlink(e, 0); err != nil {
				return err
			}
			continue
		}
		if err := s.loadMark(e, ino, path); err != nil {
			return err
		}
	}
	return nil
}

// loadMark reads one mark. One that cannot be read still says that something
// was wrong: its buffer is bad.
func (s *Store) loadMark(e entry, ino uint64, path string) error {
	fd, err := s.open(e, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	buf := make([]byte, markSize)
	n, err := s.readFull(fd, e.rel, buf, 0)
	if err = errors.Join(err, s.close(fd, e.rel)); err != nil {
		return err
	}
	var m Mark
	if err := json.Unmarshal(buf[:n], &m); err != nil {
		m = Mark{State: Bad, Reason: "its mark cannot be read: " + err.Error()}
	}
	m.Path = path
	s.marks.of[ino] = m
	s.marks.files++
	s.mem.meter.settle(marksKey, 0, s.marks.files*markSize)
	if m.State != Pending {
		return nil
	}
	if m.Stale {
		if err := s.wipeFile(path); err != nil {
			return err
		}
	}
	m.State, m.Stale = Bad, false
	m.Reason = "interrupted: the daemon ended before the job did"
	s.interrupted = append(s.interrupted, m)
	s.marks.of[ino] = m
	if err := s.writeMark(ino, m); err != nil {
		// It stays pending on the tier, which the next start takes as it was taken now.
		s.cfg.Logf("mark of %s: %v", path, err)
	}
	return nil
}
