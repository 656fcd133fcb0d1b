package alloc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ramPath makes ready the directory of the RAM tier: a tmpfs of our own below dir if the kernel lets us mount one, else a
// folder under /dev/shm. What a daemon that died left in either is found there again.
func ramPath(x sys, cfg *Config) (path string, mounted bool, err error) {
	shm := shmPath(cfg.Name)
	if os.Geteuid() != 0 {
		return shm, false, makeShm(x, shm)
	}
	path = filepath.Join(cfg.Dir, "ram")
	fstype, err := mountedAt(path)
	if err != nil {
		return "", false, err
	}
	switch {
	case fstype == "tmpfs":
		return path, true, nil
	case fstype != "":
		return "", false, fmt.Errorf("%s: a %s is mounted there, not a tmpfs of vgpu: %w", path, fstype, unix.EBUSY)
	case hasBuffers(shm):
		cfg.Logf("buffers were left in %s: they are taken over there, without a tmpfs of their own", shm)
		return shm, false, makeShm(x, shm)
	}
	err = mountTmpfs(x, path, cfg)
	if errors.Is(err, unix.EPERM) {
		cfg.Logf("no tmpfs of our own (%v): buffers live in %s", err, shm)
		return shm, false, makeShm(x, shm)
	}
	return path, err == nil, err
}

func shmPath(name string) string { return fmt.Sprintf("/dev/shm/vgpu-%d-%s", os.Geteuid(), name) }

func hasBuffers(shm string) bool {
	list, err := os.ReadDir(filepath.Join(shm, buffersDir))
	return err == nil && len(list) > 0
}

// makeShm makes the folder under /dev/shm, which all users share: it must be a directory, ours, and closed to the others.
func makeShm(x sys, path string) error {
	e := entry{unix.AT_FDCWD, path, path}
	if err := x.mkdir(e, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	st, err := x.stat(e)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: not a directory of ours: %w", path, unix.EEXIST)
	}
	if st.Mode&0o7777 != 0o700 {
		return x.chmod(e, 0o700)
	}
	return nil
}

// mountTmpfs mounts the tier. Nobody but the daemon may enter: who could truncate a backing file behind its back could kill
// the daemon with SIGBUS. Clients get at the files through the device.
func mountTmpfs(x sys, path string, cfg *Config) error {
	e := entry{unix.AT_FDCWD, path, path}
	if err := x.mkdir(e, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	opts := fmt.Sprintf("size=%d,mode=0700", cfg.Mem)
	mount := func(opts string) error {
		return x.do("mount", path, func() error {
			return unix.Mount("vgpu-"+cfg.Name, path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, opts)
		})
	}
	err := mount(opts + ",huge=within_size")
	if errors.Is(err, unix.EINVAL) { // a kernel without transparent huge pages
		err = mount(opts)
	}
	if err != nil {
		x.unlink(e, unix.AT_REMOVEDIR) // an empty directory is harmless; the mount's error is the one to report
	}
	return err
}

// remount sets the size of the tmpfs. The kernel refuses with EINVAL if more than that is in use.
// A size of 0 would lift the limit.
func (t *tier) remount(size int64) error {
	return t.do("remount", t.path, func() error {
		return unix.Mount("", t.path, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", max(size, pageSize)))
	})
}

// unmount takes the tmpfs away. One that a client still has a file open on goes when that is closed.
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

// mountedAt gives the type of the file system mounted at path, "" for none.
func mountedAt(path string) (fstype string, err error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, filepath.Base(path))
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// 36 35 98:0 /root /mount/point options [optional...] - type source superoptions
		left, right, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(left); len(fields) > 4 && unescape(fields[4]) == path {
			fstype, _, _ = strings.Cut(right, " ") // the last one listed is the topmost
		}
	}
	return fstype, lines.Err()
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func unescape(s string) string { return mountEscapes.Replace(s) }
