package alloc

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// homesDir is the folder of the RAM tier that tells which buffers have spilled: for each a symlink, named by the inode number of its stub,
// which names the tier and the file that have its bytes. Making it, and removing it, are the steps by which bytes move: while it is there the spill file is
// the buffer, else the stub's own pages are, and the spill file is nobody's.
const homesDir = "homes"

// spot is where the bytes of a spilled buffer are. A move makes another; but for the atomic ones nothing in it changes after Open.
type spot struct {
	token   string     // of the tier
	t       *spillTier // nil: one that this start does not have
	name    string     // of the file; "" if it has none, as temporary space
	key     key        // of the file: what its blocks are counted under
	sumsKey key        // the same of the file of its checksums
	found   bool       // at start
	saved   int64      // bytes by compression; nothing of a file that is not compressed
	size    int64      // then
	where   string     // the path of its tier, for messages

	era     atomic.Uint64 // of its tier's file system when it was made, or last found whole
	changed atomic.Bool   // since it was made
	lent    atomic.Bool   // the kernel has had the file for a client, or may have, before this start
	rot     rot
}

// home is a spot whose file is open.
type home struct {
	*spot
	fd     int
	direct int  // past the page cache; -1 where there is no such thing
	fixed  bool // its file system is read-only
	sums   *sums
}

// ErrSpilled is what Map says of a buffer whose bytes are not in the RAM tier.
var ErrSpilled = errors.New("the buffer is spilled")

// Resident reports whether the bytes are in the RAM tier. It does not wait for a move that is under way.
func (b *Buffer) Resident() bool {
	b.hm.RLock()
	defer b.hm.RUnlock()
	return b.spot == nil
}

// Tier names the tier that the bytes are in, as Tiers does: "" is one that this device was started without. It does not wait for a move
// that is under way.
func (b *Buffer) Tier() string {
	b.hm.RLock()
	defer b.hm.RUnlock()
	switch {
	case b.spot == nil:
		return "ram"
	case b.spot.t == nil:
		return ""
	}
	return b.spot.t.name()
}

// at gives the open home of a spilled buffer, nil of a resident one. Preconditions: b.mu is held, so that the buffer stays there.
func (b *Buffer) at() (*home, error) {
	b.hm.RLock()
	h, p := b.home, b.spot
	b.hm.RUnlock()
	if h != nil || p == nil {
		return h, nil
	}
	path := b.Path()
	b.hm.Lock()
	defer b.hm.Unlock()
	if b.home == nil {
		h, err := b.s.openHome(p, path)
		if err != nil {
			return nil, err
		}
		b.home = h
	}
	return b.home, nil
}

// file is the descriptor that the bytes are behind. Preconditions: b.mu is held.
func (b *Buffer) file() (int, error) {
	h, err := b.at()
	if err != nil {
		return -1, err
	}
	if h != nil {
		return h.fd, nil
	}
	return b.fd, nil
}

// sysOf makes the system calls on the descriptor that file gave: those on a disk are told apart, since disks fail. Preconditions: b.mu is held.
func (b *Buffer) sysOf(fd int) sys {
	b.hm.RLock()
	defer b.hm.RUnlock()
	if h := b.home; h != nil && fd == h.fd {
		return h.t.sys
	}
	return b.s.sys
}

// stat tells about the file that has the bytes. Preconditions: b.mu is held.
func (b *Buffer) stat() (unix.Stat_t, error) {
	fd, err := b.file()
	if err != nil {
		return unix.Stat_t{}, err
	}
	return b.sysOf(fd).fstat(fd, b.Path())
}

// settle changes where the buffer is known to be. Preconditions: b.mu is held for writing, by a move.
func (b *Buffer) settle(h *home) {
	b.hm.Lock()
	old := b.home
	b.home, b.spot = h, nil
	if h != nil {
		b.spot = h.spot
	}
	b.hm.Unlock()
	b.s.table.settle(b.key, b.spot)
	if old != nil {
		old.close()
	}
}

// settle notes where the bytes of an inode are.
func (t *table) settle(k key, p *spot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p == nil {
		delete(t.spots, k)
	} else {
		t.spots[k] = p
	}
}

// spot tells where the bytes of an inode are; nil: in the RAM tier.
func (t *table) spot(k key) *spot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spots[k]
}

// entry is the spill file.
func (p *spot) entry() entry { return entry{p.t.data, p.name, p.where + "/" + dataDir + "/" + p.name} }

// sumsEntry is the file of its checksums.
func (p *spot) sumsEntry() entry {
	return entry{p.t.sums, p.name, p.where + "/" + sumsDir + "/" + p.name}
}

// openHome opens a spill file. EIO: it is not there, and says where it should be.
func (s *Store) openHome(p *spot, rel string) (*home, error) {
	if p.t == nil {
		return nil, p.lost(rel, fmt.Errorf("they are on the spill tier at %s, which this device was started without", p.where))
	}
	h, era := &home{spot: p, fd: -1, direct: -1}, p.t.health.era.Load()
	err := h.open()
	if err == nil {
		err = h.openSums(era)
	}
	if err != nil {
		h.close()
		p.t.settleDoubt()
		return nil, p.lost(rel, err)
	}
	return h, nil
}

// open opens the file, and where the file system has become read-only, to read.
func (h *home) open() (err error) {
	mode := unix.O_RDWR
	if h.fd, err = h.t.open(h.entry(), mode, 0); errors.Is(err, unix.EROFS) {
		mode = unix.O_RDONLY
		h.fd, err = h.t.open(h.entry(), mode, 0)
	}
	if err == nil && h.t.direct {
		h.direct, err = h.t.open(h.entry(), mode|unix.O_DIRECT, 0)
	}
	h.fixed = mode == unix.O_RDONLY
	return err
}

// openSums reads its checksums, and refuses what is known to be lost. era is that in which the file was opened.
func (h *home) openSums(era uint64) (err error) {
	if h.sums, err = h.t.readSums(h.spot); err != nil {
		return err
	}
	h.sums.fixed = h.fixed
	if err = h.checkPacking(h.sums); err != nil {
		return err
	}
	st, err := h.t.fstat(h.fd, h.where)
	if err == nil {
		err = h.survived(h.sums, st.Size, era)
	}
	return err
}

// LostError says that the bytes of a spilled buffer cannot be reached. It is an EIO, whatever the reason is.
type LostError struct {
	Path       string // of the buffer
	Tier, Disk string // where they are: the tier's name, "" if this device was started without it, and its path
	Err        error
}

func (e *LostError) Error() string {
	if e.Tier == "" {
		return fmt.Sprintf("the bytes of %q are lost: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("the bytes of %q, on %s, are lost: %v", e.Path, e.Tier, e.Err)
}

// Unwrap makes the error EIO, and then what the disk said.
func (e *LostError) Unwrap() []error { return []error{unix.EIO, e.Err} }

// lost makes every reason why bytes cannot be reached one error.
func (p *spot) lost(rel string, err error) error {
	e := &LostError{Path: rel, Disk: p.where, Err: err}
	if p.t != nil {
		e.Tier = p.t.name()
		if c := p.t.health.cause.Load(); c != nil {
			e.Err = fmt.Errorf("its disk is out of use: %w", c.Cause)
		}
	}
	return e
}

// close closes the descriptors.
func (h *home) close() {
	for _, fd := range []int{h.fd, h.direct} {
		if fd >= 0 {
			h.t.drop(fd, h.where)
		}
	}
}

// blocks is the space that the file has.
func (h *home) blocks() (int64, error) {
	st, err := h.t.fstat(h.fd, h.where)
	return st.Blocks * 512, err
}

// overlay puts what the spill file knows better, its size and times, into the status of a stub.
func overlay(st, data *unix.Stat_t) {
	st.Size, st.Atim, st.Mtim = data.Size, data.Atim, data.Mtim
	if data.Ctim.Nano() > st.Ctim.Nano() {
		st.Ctim = data.Ctim
	}
}
