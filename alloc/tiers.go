package alloc

import (
	"time"

	"golang.org/x/sys/unix"
)

// TierUsage is how a tier is used. Sizes are in bytes; what counts up does so
// from Open on.
type TierUsage struct {
	Name, Path    string // "ram", then "spill0", "spill1" in order of preference
	Size          int64  // the limit
	Used, Free    int64  // Free is within the limit, and on the file system
	Logical       int64  // what Used would be without compression
	Compression   string // of what moves here: "zstd" or "none"
	Buffers       int64  // whose bytes are here; of the RAM tier: that have a name
	BytesIn       uint64 // brought here by moves
	BytesOut      uint64 // taken from here by moves
	Moves         uint64 // to here
	Hits          uint64 // RAM: operands that jobs found there (CountReads); else promotions and streamed transfers
	Misses        uint64 // RAM: operands that they did not
	BytesRead     uint64 // streamed in place
	BytesWritten  uint64
	Verified      uint64 // chunks whose checksum was compared, and right
	Bad           uint64 // chunks that were found wrong, each once until its bytes change
	Direct        bool   // past the page cache
	Backend, Note string // of transfers: "uring" or "threads"; why out of use, or not direct, or not io_uring
	Offline       bool   // out of use, since its disk has failed
	Staging       int64  // RAM: memory that transfers use
	Recycled      int64  // RAM: pages of buffers that are gone, kept for outputs; as good as free

	left int64 // that the file system has, of a spill tier
}

const compressNone = "none"

// State is "online", or "offline" for a spill tier that is out of use, since
// its disk has failed.
func (u *TierUsage) State() string {
	if u.Offline {
		return "offline"
	}
	return "online"
}

// Ratio is how much smaller compression has made what is here: 1 if nothing is
// compressed.
func (u *TierUsage) Ratio() float64 {
	if u.Used == 0 {
		return 1
	}
	return float64(u.Logical) / float64(u.Used)
}

// Tiers tells of the RAM tier, then of the spill tiers. A plain store has none;
// after Close there are none.
func (s *Store) Tiers() []TierUsage {
	s.ns.RLock()
	defer s.ns.RUnlock()
	if s.closed.Load() || s.ram.plain {
		return nil
	}
	u := s.mem.usage()
	ram := TierUsage{Name: "ram", Path: s.ram.path, Size: u.Mem, Used: u.Used, Free: u.Free, Staging: u.Staging, Recycled: s.pool.bytes.Load(), Buffers: s.count.Load()}
	ram.Logical, ram.Compression = ram.Used, compressNone
	s.traffic.tell(&ram)
	list := []TierUsage{ram}
	for _, t := range s.spills {
		list[0].Buffers -= t.buffers.Load()
		list = append(list, s.tierUsage(t))
	}
	return list
}

// CountReads adds a job's operands to the account of the RAM tier: those whose
// bytes it found there, and the others. Only the caller knows what is a job, and
// what its second attempt.
func (s *Store) CountReads(hits, misses int) {
	s.traffic.hits.Add(uint64(hits))
	s.traffic.misses.Add(uint64(misses))
}

// tierUsage tells of a spill tier.
func (s *Store) tierUsage(t *spillTier) TierUsage {
	used, _ := t.meter.used() // a count of ours: it cannot fail
	u := TierUsage{Name: t.name(), Path: t.path, Size: t.limit, Used: used, Free: max(t.limit-used, 0), Buffers: t.buffers.Load(), Direct: t.direct}
	u.Logical, u.Compression = used+t.saved.Load(), compressNone
	if t.packs {
		u.Compression = CompressZstd
	}
	kind, _ := s.io.ring.Backend()
	if u.Backend, u.Note = string(kind), t.note; u.Note == "" {
		u.Note = s.io.note
	}
	t.traffic.tell(&u)
	if c := t.health.cause.Load(); c != nil {
		u.Offline, u.Free, u.Note = true, 0, c.Cause.Error()
		return u
	}
	u.left = u.Free
	if st, err := t.statfs(t.dir, t.path); err == nil {
		u.left = int64(st.Bavail) * st.Bsize
		u.Free = min(u.Free, u.left)
	}
	return u
}

// tell fills in the counts.
func (c *traffic) tell(u *TierUsage) {
	u.BytesIn, u.BytesOut, u.Moves = c.in.Load(), c.out.Load(), c.moves.Load()
	u.Hits, u.Misses, u.Verified, u.Bad = c.hits.Load(), c.misses.Load(), c.verified.Load(), c.bad.Load()
	u.BytesRead, u.BytesWritten = c.read.Load(), c.written.Load()
}

// Victim is a buffer that could be evicted.
type Victim struct {
	Ino     uint64
	Rel     string
	Bytes   int64 // that would be freed
	LastUse time.Time
	s       *Store
}

// Victims lists the resident buffers of the tree that nobody has mapped or
// holds to their place, in no order. It walks the tree: a microsecond or two a
// buffer.
func (s *Store) Victims() (list []Victim, err error) {
	seen := map[uint64]bool{}
	err = s.look("", func(root entry) error {
		if s.ram.plain {
			return nil
		}
		fd, err := s.open(root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer s.ram.drop(fd, "")
		return s.ram.walk(fd, "", func(e entry, st *unix.Stat_t) error {
			if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Blocks == 0 || seen[st.Ino] {
				return nil
			}
			seen[st.Ino] = true
			if used, free := s.table.idle(st); free {
				list = append(list, Victim{st.Ino, e.rel, st.Blocks * 512, used, s})
			}
			return nil
		})
	})
	return list, err
}

// idle tells when a resident file was used last, and whether it could be evicted.
func (t *table) idle(st *unix.Stat_t) (used time.Time, free bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := keyOf(st)
	if b := t.held[k]; b != nil {
		return b.LastUse(), !b.Mapped() && !b.Pinned() && !b.dead && t.spots[k] == nil
	}
	used = t.used[k]
	if used.IsZero() {
		used = time.Unix(max(st.Atim.Sec, st.Mtim.Sec), 0)
	}
	return used, t.spots[k] == nil
}

// Get gives the buffer, which the caller releases. ENOENT: it was renamed, or is gone.
func (v Victim) Get() (*Buffer, error) {
	if b := v.s.Held(v.Ino); b != nil {
		return b, nil
	}
	b, err := v.s.Get(v.Rel)
	if err != nil {
		return nil, err
	}
	if b.Ino() != v.Ino {
		b.Release()
		return nil, fail("open", v.Rel, unix.ENOENT)
	}
	return b, nil
}

// Temp makes n bytes of nameless space outside memory, all of it allocated: on
// a spill tier, or of a plain store in a file below its directory. Releasing it
// gives it back, as does the end of the process. ENOSPC: no tier has room;
// EOPNOTSUPP: there is none.
func (s *Store) Temp(n int64) (*Buffer, error) {
	dir := s.ram.tmp
	if s.ram.plain {
		dir = s.ram.root
	} else if !s.Spills() {
		return nil, fail("create", "temporary space", unix.EOPNOTSUPP)
	}
	s.moving.RLock()
	defer s.moving.RUnlock()
	if s.closed.Load() {
		return nil, unix.ESHUTDOWN
	}
	b, err := s.nameless(dir)
	if err != nil {
		return nil, err
	}
	if s.ram.plain {
		err = b.Resize(n)
	} else {
		err = b.settleTemp(n)
	}
	if err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

// nameless makes a file that never has a name.
func (s *Store) nameless(dir int) (*Buffer, error) {
	fd, err := s.open(entry{dir, ".", "temporary space"}, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := s.fstat(fd, "temporary space")
	if err != nil {
		s.ram.drop(fd, "")
		return nil, err
	}
	b := s.hold(fd, false, keyOf(&st), "")
	b.dead = true
	return b, nil
}

// settleTemp gives temporary space its file, whose name it loses at once.
func (b *Buffer) settleTemp(n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return someTier(b.s.spills, "create", "temporary space", func(t *spillTier) error {
		d, err := b.s.newData(t, b.key.ino, n, "temporary space")
		if err == nil {
			err = d.anonymous()
		}
		if err == nil {
			t.buffers.Add(1)
			b.settle(d.home)
		}
		return err
	})
}

// anonymous makes a new file nameless.
func (n *newHome) anonymous() error {
	err := n.t.ftruncate(n.fd, n.tmp.rel, n.size)
	if err == nil {
		err = n.t.unlink(n.tmp, 0)
	}
	if err != nil {
		n.discard()
		return err
	}
	n.name = ""
	return nil
}
