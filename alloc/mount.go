package alloc

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// place is where a RAM tier is.
type place struct {
	path    string
	mounted bool // it is a tmpfs of ours
	fresh   bool // this start has made it
}

// ramPlace makes ready the directory of the RAM tier: a tmpfs of our own below
// the state directory if the kernel lets us mount one, else a folder under
// /dev/shm. What a daemon that died left in either is found there again.
func ramPlace(x sys, cfg *Config) (place, error) {
	shm := place{path: shmPath(cfg)}
	inShm := func() (_ place, err error) {
		shm.fresh, err = makeShm(x, shm.path)
		return shm, err
	}
	if os.Geteuid() != 0 {
		return inShm()
	}
	ram := place{path: filepath.Join(cfg.Dir, "ram"), mounted: true}
	fstype, source, err := mountedAt(ram.path)
	switch {
	case err != nil:
		return place{}, err
	case fstype == "tmpfs" && strings.HasPrefix(source, "vgpu-"):
		return ram, nil
	case fstype != "":
		return place{}, fmt.Errorf("%s: a %s (%s) is mounted there, not a tmpfs of vgpu: %w", ram.path, fstype, source, unix.EBUSY)
	case hasBuffers(shm.path):
		cfg.Logf("buffers were left in %s: they are taken over there, without a tmpfs of their own", shm.path)
		return inShm()
	}
	err = mountTmpfs(x, ram.path, cfg)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		cfg.Logf("no tmpfs of our own (%v): buffers live in %s", err, shm.path)
		return inShm()
	}
	ram.fresh = err == nil
	return ram, err
}

// shmPath is where the buffers of a device live without a mount. The user is part
// of it, since all share /dev/shm, and the state directory is, since devices of one
// name can have different ones.
func shmPath(cfg *Config) string {
	dir, err := filepath.Abs(cfg.Dir)
	if real, lost := filepath.EvalSymlinks(dir); err == nil && lost == nil {
		dir = real // else what is wrong with it, its first use tells
	}
	sum := fnv.New32a()
	sum.Write([]byte(dir))
	return fmt.Sprintf("/dev/shm/vgpu-%d-%s-%08x", os.Geteuid(), cfg.Name, sum.Sum32())
}

// goneShm is the name that such a folder has while it is being removed.
func goneShm(path string) entry {
	dir, name := filepath.Split(path)
	return entry{unix.AT_FDCWD, dir + ".gone-" + name, path}
}

// clearGone removes what was left of a folder whose removal was cut short.
func (t *tier) clearGone(e entry) error {
	if err := t.clearDir(e); !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// hasBuffers reports whether a daemon that could not mount left something.
func hasBuffers(shm string) bool {
	list, err := os.ReadDir(filepath.Join(shm, buffersDir))
	return err == nil && len(list) > 0
}

// makeShm makes the folder under /dev/shm, which all users share: it must be a
// directory, ours, and closed to the others. made: it was not there, and is now,
// after an error too.
func makeShm(x sys, path string) (made bool, err error) {
	e := entry{unix.AT_FDCWD, path, path}
	err = x.mkdir(e, 0o700)
	if made = err == nil; !made && !errors.Is(err, unix.EEXIST) {
		return false, err
	}
	st, err := x.stat(e)
	if err != nil {
		return made, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() {
		return made, fmt.Errorf("%s: not a directory of ours: %w", path, unix.EEXIST)
	}
	if st.Mode&0o7777 != 0o700 {
		return made, x.chmod(e, 0o700)
	}
	return made, nil
}

// mountTmpfs mounts the tier. Nobody but the daemon may enter: who could
// truncate a backing file behind its back could kill the daemon with SIGBUS.
// Clients get at the files through the device.
func mountTmpfs(x sys, path string, cfg *Config) error {
	e := entry{unix.AT_FDCWD, path, path}
	if err := x.mkdir(e, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	err := error(unix.EINVAL)
	for _, opts := range tmpfsOptions(cfg.Mem, numaPolicy(nodesDir)) {
		if !errors.Is(err, unix.EINVAL) {
			break
		}
		err = x.do("mount", path, func() error {
			return unix.Mount("vgpu-"+cfg.Name, path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, opts)
		})
	}
	if err == nil {
		return nil
	}
	if lost := x.unlink(e, unix.AT_REMOVEDIR); lost != nil {
		return fmt.Errorf("%w; and before that %v", lost, err) // not to be taken for a missing privilege
	}
	return err
}

// tmpfsOptions are the options to mount with, each set of them for a kernel
// that knows fewer: one without transparent huge pages, or NUMA, says EINVAL.
func tmpfsOptions(size int64, policy string) (list []string) {
	base := fmt.Sprintf("size=%d,mode=0700", size)
	for _, opts := range []string{base + ",huge=within_size", base} {
		if policy != "" {
			list = append(list, opts+","+policy)
		}
		list = append(list, opts)
	}
	return list
}

// remount sets the size of the tmpfs. The kernel refuses with EINVAL if more
// than that is in use. A size of 0 would lift the limit.
func (t *tier) remount(size int64) error {
	return t.do("remount", t.path, func() error {
		return unix.Mount("", t.path, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", max(size, pageSize)))
	})
}

// unmount takes the tmpfs away. One that a client still has a file open on goes
// when that is closed.
func unmount(x sys, path string) error {
	err := x.do("umount", path, func() error { return unix.Unmount(path, unix.UMOUNT_NOFOLLOW) })
	if errors.Is(err, unix.EBUSY) {
		err = x.do("umount", path, func() error { return unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH) })
	}
	if err != nil {
		return err
	}
	return x.unlink(entry{unix.AT_FDCWD, path, path}, unix.AT_REMOVEDIR)
}

// mountedAt gives the type and the source of the file system mounted at path,
// "" for none.
func mountedAt(path string) (fstype, source string, err error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, filepath.Base(path))
	err = eachMount(func(point, t, src string) {
		if point == path {
			fstype, source = t, src // the last one listed is the topmost
		}
	})
	return fstype, source, err
}

// mountOf gives the type and the source of the file system that an absolute
// path without symlinks is on.
func mountOf(path string) (fstype, source string, err error) {
	longest := ""
	err = eachMount(func(point, t, src string) {
		if within(path, point) && len(point) >= len(longest) {
			longest, fstype, source = point, t, src
		}
	})
	return fstype, source, err
}

// eachMount calls visit for the mounts of this process.
func eachMount(visit func(point, fstype, source string)) error {
	all, err := mountinfo.GetMounts(nil)
	for _, m := range all {
		visit(m.Mountpoint, m.FSType, m.Source)
	}
	return err
}
