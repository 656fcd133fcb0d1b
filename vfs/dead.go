package vfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// clearDead takes away what a killed daemon left at dir. Its mount point
// answers ENOTCONN and cannot be mounted over. Mounts may be stacked. A dead
// mount of another type is left, with ENOTCONN: it is not ours to take away.
func clearDead(dir string) error {
	for range 16 {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); !errors.Is(err, syscall.ENOTCONN) {
			return nil // alive, free, or an error that mounting will tell
		}
		typ, err := mountType(dir)
		if err != nil {
			return err
		}
		if typ != FSType {
			return fmt.Errorf("%s: a dead mount of type %q is there; umount -l %s: %w", dir, typ, dir, syscall.ENOTCONN)
		}
		if err := Detach(dir); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: more than 16 dead mounts are stacked there: %w", dir, syscall.EBUSY)
}

// Detach unmounts dir lazily, by fusermount3 where the caller is not root.
func Detach(dir string) error {
	err := unix.Unmount(dir, unix.MNT_DETACH)
	if errors.Is(err, unix.EPERM) {
		err = fusermount("-u", "-z", dir)
	}
	if err != nil {
		return fmt.Errorf("umount -l %s: %w", dir, err)
	}
	return nil
}

// State is what is known of a mount without entering it.
type State struct {
	Dead       bool   // its daemon has gone
	Owner      string // user number of who mounted it, which the kernel or fusermount3 wrote down, not the daemon; empty if it is not told
	Connection string // number of the FUSE connection, as in /sys/fs/fuse/connections
}

// ErrNotMounted says that nothing is mounted at a path. It is an EINVAL, as from umount(2).
var ErrNotMounted = fmt.Errorf("not a mount point: %w", syscall.EINVAL)

// Find looks up the device mounted at dir: ErrNotMounted, or EINVAL if it is of
// another type. It asks the mount for its root's attributes, which a live
// daemon answers without waiting for jobs.
func Find(dir string) (State, error) {
	m, err := mountInfo(dir)
	if err != nil {
		return State{}, err
	}
	if m.FSType != FSType {
		return State{}, fmt.Errorf("%s: a mount of type %s, not a vgpu: %w", dir, m.FSType, syscall.EINVAL)
	}
	var st unix.Stat_t
	return State{Dead: errors.Is(unix.Stat(dir, &st), syscall.ENOTCONN), Owner: ownerOf(m), Connection: strconv.Itoa(m.Minor)}, nil
}

// mountType is the type of the topmost mount at dir.
func mountType(dir string) (string, error) {
	m, err := mountInfo(dir)
	if err != nil {
		return "", err
	}
	return m.FSType, nil
}

// connectionOf is the number of the FUSE connection mounted at dir.
func connectionOf(dir string) (string, error) {
	m, err := mountInfo(dir)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(m.Minor), nil
}

// Mounts lists where devices are mounted, dead ones too.
func Mounts() ([]string, error) {
	all, err := mountinfo.GetMounts(mountinfo.FSTypeFilter(FSType))
	var out []string
	for _, m := range all {
		out = append(out, m.Mountpoint)
	}
	return out, err
}

// mountInfo finds the topmost mount at dir, which may be a symlink to it,
// without entering the mount.
func mountInfo(dir string) (*mountinfo.Info, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, err
	}
	for range maxLinks {
		if parent, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			abs = filepath.Join(parent, filepath.Base(abs))
		}
		for _, m := range slices.Backward(all) {
			if m.Mountpoint == abs {
				return m, nil
			}
		}
		target, err := os.Readlink(abs) // nothing is mounted there, so it can be looked at
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(abs), target)
		}
		abs = filepath.Clean(target)
	}
	return nil, fmt.Errorf("%s: %w", dir, ErrNotMounted)
}

// maxLinks is how many symlinks the kernel follows in a path (path_resolution(7)).
const maxLinks = 40

// ownerOf is FUSE's user_id of a mount.
func ownerOf(m *mountinfo.Info) string {
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		if id, found := strings.CutPrefix(option, "user_id="); found {
			return id
		}
	}
	return ""
}
