package alloc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// Config says where a store keeps its buffers and how much memory it may use.
type Config struct {
	Dir   string // state directory, made 0711 if missing: the lock, and the mount point of the RAM tier
	Name  string // device name: names the tmpfs and the folder under /dev/shm
	Mem   int64  // bytes of the RAM tier and scratch together; 0: half of what is available
	Plain string // not "": no tiers; the buffers are the files below this directory, and Mem bounds the scratch alone
	Group int    // group of the tree's root; 0: as it is
	Mode  os.FileMode
	Logf  func(string, ...any)

	Spill      []SpillConfig   // where bytes go when the memory is full, in order of preference
	Persist    bool            // a clean Close writes everything to the spill tiers, and Open finds it there after the machine's restart
	IO         iouring.Backend // of transfers to and from the spill tiers; "": io_uring where it works
	Quota      int64           // bytes that the buffers of one user may take, wherever they are; 0: no limit
	Mountpoint string          // where the device is to be seen: no spill directory may be there

	Faults      Faults // nil outside tests
	SpillFaults Faults // the same, for calls on spill tiers alone
}

// Store is the buffers of one device. All its methods may be called by any
// number of goroutines.
type Store struct {
	sys
	cfg  Config
	made bool // Dir was made by Open
	only bool // the RAM tier is all that is left of buffers that Open found on the disks
	lock *lockFile
	ram  *tier
	mem  *budget

	spills  []*spillTier // in order of preference
	homes   int          // the folder of homes; -1: there is none
	id      string       // of the RAM tier, if there are spill tiers
	io      *engine
	traffic traffic // of the RAM tier
	stale   stale   // inodes that are gone, and whose home could not be removed yet

	moving  sync.RWMutex // read by who moves bytes; written to close
	closing context.Context
	cancel  context.CancelFunc

	ns     sync.RWMutex // the names: read to look one up, written to change one
	closed atomic.Bool
	count  atomic.Int64 // regular files in the tree

	quota       quotas
	pool        pool
	table       table
	warm        warm
	marks       marks
	interrupted []Mark
	onFree      atomic.Pointer[func()]
	onShort     atomic.Pointer[func(int64, *Buffer) bool]
}

// Open opens the store of a state directory, or of a plain one.
//
// Exactly one process can have it open: EBUSY names the other. As root it
// mounts a tmpfs of its own; if that of a daemon that died is still there, it
// and everything in it is taken over (ENOSPC, and nothing changed, if it holds
// more than Mem). Where mounting is not permitted the tier is a folder under
// /dev/shm. Temporaries are dropped; buffers whose job had not ended are marked
// bad and listed by Interrupted.
func Open(cfg Config) (*Store, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	s := &Store{sys: sys{faults: cfg.Faults}, cfg: cfg, homes: -1}
	s.closing, s.cancel = context.WithCancel(context.Background())
	s.table.held, s.table.spots, s.table.used = map[key]*Buffer{}, map[key]*spot{}, map[key]time.Time{}
	s.marks.of = map[uint64]Mark{}
	s.quota.limit, s.quota.used, s.quota.of = cfg.Quota, map[uint32]int64{}, map[key]charge{}
	open := s.openTiers
	if cfg.Plain != "" {
		open = s.openPlain
	}
	if err := open(); err != nil {
		return nil, err
	}
	return s, nil
}

// fill sets what was left open, and refuses what cannot work.
func (c *Config) fill() (err error) {
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	if c.Mode == 0 {
		c.Mode = os.ModeSticky | 0o777
	}
	if c.Mem == 0 {
		if c.Mem, err = defaultMem(); err != nil {
			return err
		}
	}
	if c.Persist && len(c.Spill) == 0 {
		return fmt.Errorf("buffers are to persist, and there is no spill directory that they could persist in: %w", unix.EINVAL)
	}
	if err := c.checkCompress(); err != nil {
		return err
	}
	if c.Mem < minMem {
		return fmt.Errorf("memory of %d bytes: a device needs %d at least: %w", c.Mem, minMem, unix.EINVAL)
	}
	c.Mem &^= pageSize - 1
	return nil
}

// openPlain opens a store over files that are somebody's, and stay as they are.
func (s *Store) openPlain() (err error) {
	if s.ram, err = openPlain(s.sys, s.cfg.Plain, s.cfg.Logf); err != nil {
		return err
	}
	s.mem = newBudget(s.sys, s.cfg.Mem, noMeter{})
	return nil
}

// openTiers opens a store with tiers: the lock comes first, so that nothing of
// a running daemon is touched. A start that fails leaves nothing that was not
// there before it.
func (s *Store) openTiers() (err error) {
	s.made, err = s.makeDir()
	if err == nil {
		s.lock, err = takeLock(s.sys, s.cfg.Dir)
	}
	if err == nil {
		if err = s.openLocked(); err != nil {
			err = errors.Join(err, s.lock.release(s.lock.made))
		}
	}
	if err != nil {
		err = errors.Join(err, s.unmakeDir())
	}
	return err
}

// openLocked opens the tiers of a state directory that is locked.
func (s *Store) openLocked() error {
	p, err := ramPlace(s.sys, &s.cfg)
	if err == nil {
		err = s.openRAM(p)
	}
	if err != nil {
		err = errors.Join(err, s.undo(p))
	}
	return err
}

// undo takes away the tiers that a start that failed has made, whose descriptors
// are closed already. One that was there stays: it holds buffers, and the next
// Open takes it over.
func (s *Store) undo(p place) (err error) {
	switch {
	case !p.fresh || s.only:
	case p.mounted:
		err = unmount(s.sys, p.path)
	default:
		err = (&tier{sys: s.sys, logf: s.cfg.Logf, path: p.path}).removeShm()
	}
	for _, t := range s.spills { // after the homes, as in remove
		err = errors.Join(err, t.undo())
	}
	return err
}

// makeDir makes the state directory. Others may pass through it but not list it.
func (s *Store) makeDir() (made bool, err error) {
	e := entry{unix.AT_FDCWD, s.cfg.Dir, s.cfg.Dir}
	err = s.mkdir(e, 0o711)
	if errors.Is(err, unix.EEXIST) {
		return false, nil
	}
	if errors.Is(err, unix.ENOENT) {
		if err := os.MkdirAll(s.cfg.Dir, 0o711); err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	return true, s.chmod(e, 0o711) // whatever the umask
}

// openRAM opens the RAM tier and loads it. After an error all descriptors are
// closed.
func (s *Store) openRAM(p place) (err error) {
	if s.ram, err = openTier(s.sys, p.path, s.cfg.Logf); err != nil {
		return err
	}
	s.ram.mounted = p.mounted
	if !p.mounted {
		err = s.ram.clearGone(goneShm(p.path))
	}
	if err == nil {
		err = s.ram.clear(s.ram.tmp, tmpDir)
	}
	if err == nil {
		err = s.openSpillTiers()
	}
	if err == nil {
		err = s.load()
	}
	if err != nil {
		err = errors.Join(err, s.shutTiers())
	}
	return err
}

// load brings a tier into the state that a clean start has, and the store's
// memory of it in step.
func (s *Store) load() error {
	t := s.ram
	if err := t.setAccess(s.cfg.Group, s.cfg.Mode); err != nil {
		return err
	}
	m := s.newMeter()
	names := map[uint64]string{}
	err := t.walkDir(entry{t.dir, buffersDir, ""}, func(e entry, st *unix.Stat_t) error {
		return s.found(e, st, names, m)
	})
	if err != nil {
		return err
	}
	s.mem = newBudget(s.sys, s.cfg.Mem, m)
	s.mem.pooled, s.mem.drain = s.pool.bytes.Load, s.drain
	if err := s.mem.start(); err != nil {
		return err
	}
	if err := s.loadHomes(names); err != nil {
		return err
	}
	if len(s.spills) > 0 {
		if err := s.openEngine(); err != nil {
			return err
		}
	}
	return s.loadMarks(names)
}

// Spills reports whether there are spill tiers.
func (s *Store) Spills() bool { return len(s.spills) > 0 }

// shutTiers closes what is open of the tiers.
func (s *Store) shutTiers() (err error) {
	if s.io != nil {
		err = s.io.close()
	}
	for _, t := range s.spills {
		t.shut()
	}
	if s.homes >= 0 {
		s.ram.drop(s.homes, homesDir)
		s.homes = -1
	}
	s.ram.shut()
	return err
}

// newMeter chooses who keeps the bound: the kernel where the file system is
// ours alone, else our own count.
func (s *Store) newMeter() meter {
	if s.ram.mounted {
		return &kernelMeter{t: s.ram}
	}
	return &countMeter{blocks: map[key]int64{}}
}

// found takes account of one file that is there at start. Space beyond its end,
// which a growth that was cut short left, is given back.
func (s *Store) found(e entry, st *unix.Stat_t, names map[uint64]string, m meter) error {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	if _, again := names[st.Ino]; again { // a hard link
		return nil
	}
	names[st.Ino] = e.rel
	s.count.Add(1)
	if st.Blocks*512 > pages(st.Size) {
		if err := s.trimTail(e, st); err != nil {
			return err
		}
	}
	m.settle(keyOf(st), 0, st.Blocks*512)
	if s.quota.limit > 0 {
		s.quota.put(keyOf(st), charge{st.Uid, pages(st.Size)})
	}
	return nil
}

// trimTail gives back what lies allocated beyond the end of a file.
func (x sys) trimTail(e entry, st *unix.Stat_t) error {
	fd, err := x.open(e, unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = x.ftruncate(fd, e.rel, st.Size)
	if err == nil {
		*st, err = x.fstat(fd, e.rel)
	}
	return errors.Join(err, x.close(fd, e.rel))
}

// Root is the absolute path of the tree's root.
func (s *Store) Root() string { return s.ram.tree() }

// Interrupted lists the buffers that Open found marked by jobs that had not
// ended. They are marked bad.
func (s *Store) Interrupted() []Mark { return s.interrupted }

// OnFree sets what is called, under no lock of the store's, whenever memory may
// have become free.
func (s *Store) OnFree(f func()) { s.onFree.Store(&f) }

// freed tells the device that memory may have become free. Preconditions: no
// lock is held.
func (s *Store) freed() {
	if f := s.onFree.Load(); f != nil && *f != nil {
		(*f)()
	}
}

// Usage is the store's memory, in bytes.
type Usage struct {
	Mem     int64 // the limit
	Used    int64 // held by buffers
	Scratch int64 // reserved by arenas
	Staging int64 // reserved, for good, by transfers to and from the spill tiers
	Cached  int64 // scratch kept ready for the next arenas; given back when something else needs it
	Spare   int64 // that buffers leave to marks and directories, if they can spill
	Free    int64 // Mem - Used - Scratch - Staging - Spare, or 0
	Peak    int64 // the most that Used + Scratch + Staging has been seen at
	Buffers int64 // number of buffers that have a name; of a plain store, that are held
}

// Usage tells how the memory is used now. After Close it is the limit alone.
func (s *Store) Usage() Usage {
	s.ns.RLock()
	defer s.ns.RUnlock()
	if s.closed.Load() {
		return Usage{Mem: s.cfg.Mem}
	}
	u := s.mem.usage()
	u.Buffers = s.count.Load()
	if s.ram.plain { // others come and go there
		u.Buffers = s.table.size()
	}
	return u
}
