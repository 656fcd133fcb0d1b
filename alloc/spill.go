package alloc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// SpillConfig is a directory on a disk that bytes of buffers move to when the
// memory is full.
type SpillConfig struct {
	Dir      string // made if only its last name is missing; the device keeps its files in a folder of its own there
	Size     int64  // bytes at most; 0: what the file system has free at the start, less a twentieth
	Compress string // of what moves there: CompressZstd; "": as it is
}

// The folders of a spill tier.
const (
	dataDir = "data" // the bytes of one buffer a file
	sumsDir = "sums" // the checksums of those, under the same name
)

// spillTier is a directory on a disk. It holds bytes alone: names, owners and
// marks stay in the RAM tier, and a file here that the RAM tier's homes do not
// name is nobody's.
type spillTier struct {
	*tier
	index  int
	parent string // the directory that was configured
	made   bool   // Open made it
	fresh  bool   // Open made the device's folder there
	data   int
	sums   int
	token  string // random: a home names the tier by it, so that another disk at the same path is not taken for this one
	limit  int64
	meter  *countMeter
	direct bool   // files can be opened with O_DIRECT
	align  int64  // of memory for such transfers
	note   string // why not

	auto bool   // the limit was not given
	dev  uint64 // the file system

	buffers atomic.Int64
	traffic traffic
	trash   trash

	health health
	nurse  *nurse // whom a failing call wakes; nil before the store is open

	packs bool         // what moves here is compressed
	saved atomic.Int64 // bytes, by that
}

// traffic counts what passes a tier, in bytes unless it says otherwise.
type traffic struct {
	in, out, moves, hits, misses, read, written, verified, bad atomic.Uint64
}

// trash is files that are nobody's and could not be removed: that is tried
// again with the next one.
type trash struct {
	mu   sync.Mutex
	list []litter
}

type litter struct {
	entry
	key key // what its blocks are counted under
}

// openSpill opens one tier.
func openSpill(s *Store, i int) (*spillTier, error) {
	c := s.cfg.Spill[i]
	t := &spillTier{tier: &tier{sys: sys{faults: either(s.cfg.Faults, s.cfg.SpillFaults)}, logf: s.cfg.Logf, dir: -1, root: -1, marks: -1, tmp: -1}, index: i, data: -1, sums: -1,
		limit: c.Size, packs: c.Compress != "", meter: &countMeter{blocks: map[key]int64{}}}
	t.failed = t.blame
	err := t.prepareDir(&s.cfg, c.Dir)
	if err == nil {
		err = t.openFolders()
	}
	if err == nil {
		err = t.probe()
	}
	if err != nil {
		t.shut()
		return nil, fmt.Errorf("spill directory %s: %w", c.Dir, errors.Join(err, t.undo()))
	}
	return t, nil
}

// unlinkDir removes a directory, unless others keep something there.
func (x sys) unlinkDir(path string) error {
	err := x.unlink(entry{unix.AT_FDCWD, path, path}, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// name is how the tier is called: spill0 is the first.
func (t *spillTier) name() string { return fmt.Sprintf("spill%d", t.index) }

// prepareDir checks the directory that was configured, and makes the device's
// folder there.
func (t *spillTier) prepareDir(cfg *Config, dir string) (err error) {
	e := entry{unix.AT_FDCWD, dir, dir}
	t.parent = dir
	err = t.mkdir(e, 0o711)
	if t.made = err == nil; err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if t.parent, err = filepath.Abs(real); err != nil {
		return err
	}
	fd, err := t.openPath(t.parent)
	if err != nil {
		return err
	}
	defer t.drop(fd, t.parent)
	if err := t.suitable(fd, cfg.Mountpoint); err != nil {
		return err
	}
	t.path = filepath.Join(t.parent, cfg.Name)
	t.fresh, err = makeShm(t.sys, t.path)
	return err
}

// fuseMagic is statfs(2)'s f_type of FUSE.
const fuseMagic = 0x65735546

// suitable refuses what is in memory itself, or inside the device.
func (t *spillTier) suitable(fd int, mountpoint string) error {
	st, err := t.statfs(fd, t.parent)
	if err != nil {
		return err
	}
	switch int64(st.Type) {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return fmt.Errorf("it is in memory itself: name a directory on a disk: %w", unix.EINVAL)
	case fuseMagic:
		if fstype, _, err := mountOf(t.parent); err != nil || strings.HasPrefix(fstype, "fuse.vgpu") {
			return errors.Join(err, fmt.Errorf("it is inside a vgpu: name a directory on a disk: %w", unix.EINVAL))
		}
	}
	if mountpoint != "" && within(t.parent, mountpoint) {
		return fmt.Errorf("the device is to be mounted over it, at %s: %w", mountpoint, unix.EINVAL)
	}
	return nil
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// openFolders locks the device's folder, and opens what is in it.
func (t *spillTier) openFolders() (err error) {
	if err = t.openLocked(); err != nil {
		return err
	}
	st, err := t.fstat(t.dir, t.path)
	if err != nil {
		return err
	}
	t.dev = st.Dev
	for _, f := range []struct {
		fd   *int
		name string
	}{{&t.data, dataDir}, {&t.sums, sumsDir}, {&t.tmp, tmpDir}} {
		if *f.fd, err = t.folder(f.name, 0); err != nil {
			return err
		}
	}
	t.token, err = t.identity(t.dir)
	return err
}

// tokenSize is the length of an identity.
const tokenSize = 32

// identity is the random name that a tier was given when it was made. It is a
// symlink, which appears whole and takes no page.
func (x sys) identity(dir int) (id string, err error) {
	e := entry{dir, "id", "id"}
	for {
		id, err = x.readlink(e)
		if !errors.Is(err, unix.ENOENT) {
			return id, err
		}
		err = x.symlink(fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()), e)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return "", err
		}
	}
}

// claimFor makes the tier that of the RAM tier ram, which is its identity, a
// blank and its path. What a tier holds for one that is no more, since the
// machine was restarted, is dropped, unless that is the one that was saved.
// EBUSY: the other one is still there, and the bytes here are its buffers'.
func (t *spillTier) claimFor(ram, saved string) error {
	e := entry{t.dir, "owner", "owner"}
	old, err := t.readlink(e)
	if old == ram || err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if id, path, _ := strings.Cut(old, " "); err == nil && id != saved {
		if now, err := os.Readlink(filepath.Join(path, "id")); err == nil && now == id {
			return fmt.Errorf("%s holds buffers of the device at %s, which was kept: %w", t.path, path, unix.EBUSY)
		}
		if err := t.wipe(); err != nil {
			return err
		}
	}
	return t.setOwner(e, ram)
}

// setOwner names the RAM tier, by one rename.
func (t *spillTier) setOwner(e entry, ram string) error {
	tmp := t.temp(e)
	if err := t.symlink(ram, tmp); err != nil {
		return err
	}
	return t.rename(tmp, e, 0)
}

// wipe drops all bytes.
func (t *spillTier) wipe() error {
	list, err := t.readdir(t.data, dataDir)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		t.logf("%s: the device whose %d buffers these were did not end cleanly before the machine restarted: they are dropped", t.path, len(list))
	}
	return errors.Join(t.clear(t.data, dataDir), t.clear(t.sums, sumsDir), t.clear(t.tmp, tmpDir))
}

// probe asks whether the file system has direct I/O, and how much room there is.
func (t *spillTier) probe() error {
	if err := t.clear(t.tmp, tmpDir); err != nil {
		return err
	}
	e := t.temp(entry{rel: t.path})
	fd, err := t.open(e, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return err
	}
	err = t.probeDirect(fd, e)
	err = errors.Join(err, t.close(fd, e.rel), t.unlink(e, 0))
	if t.auto = t.limit == 0; err != nil || !t.auto {
		return err
	}
	st, err := t.statfs(t.dir, t.path)
	free := int64(st.Bavail) * st.Bsize
	t.limit = max((free-free/20)&^(pageSize-1), pageSize) // what is there already is added when it is found
	return err
}

// statxDioAlign is STATX_DIOALIGN: what direct transfers have to be aligned to
// (Linux 6.1).
const statxDioAlign = 0x2000

// probeDirect opens a file for direct I/O.
func (t *spillTier) probeDirect(fd int, e entry) error {
	direct, err := t.openDirect(e)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		t.note = "the file system has no direct I/O: bytes pass through its page cache"
		return nil
	}
	if err != nil {
		return err
	}
	t.drop(direct, e.rel)
	t.direct, t.align = true, pageSize
	var st unix.Statx_t
	err = t.do("statx", e.rel, func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, statxDioAlign, &st) })
	switch {
	case err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL):
		return err
	case err == nil && st.Mask&statxDioAlign != 0 && st.Dio_offset_align == 0, st.Dio_offset_align > pageSize:
		t.direct, t.note = false, "the file system has no direct I/O: bytes pass through its page cache"
	case err == nil && st.Dio_mem_align > 0:
		t.align = int64(st.Dio_mem_align)
	}
	return nil
}

// openDirect opens a file past the page cache.
func (t *spillTier) openDirect(e entry) (int, error) { return t.open(e, unix.O_RDWR|unix.O_DIRECT, 0) }

// shut closes the descriptors, and with them the lock.
func (t *spillTier) shut() {
	for _, fd := range []*int{&t.data, &t.sums} {
		if *fd >= 0 {
			t.drop(*fd, t.path)
			*fd = -1
		}
	}
	t.tier.shut()
}

// undo takes away what a start that failed has made. Its descriptors are closed
// already.
func (t *spillTier) undo() error {
	switch {
	case t.fresh:
		return t.remove()
	case t.made:
		return t.unlinkDir(t.parent)
	}
	return nil
}

// remove takes the tier away. Its descriptors are closed already.
func (t *spillTier) remove() error {
	err := t.clearDir(entry{unix.AT_FDCWD, t.path, t.path})
	if errors.Is(err, unix.ENOENT) { // unmounted under us, or removed
		t.logf("spill tier %s is not there any more: %v", t.path, err)
		return nil
	}
	if err == nil && t.made {
		return t.unlinkDir(t.parent)
	}
	return err
}
