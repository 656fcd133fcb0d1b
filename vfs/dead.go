package vfs

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

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
	if m.fsType != FSType {
		return State{}, fmt.Errorf("%s: a mount of type %s, not a vgpu: %w", dir, m.fsType, syscall.EINVAL)
	}
	_, connection, _ := strings.Cut(m.dev, ":")
	var st unix.Stat_t
	return State{Dead: errors.Is(unix.Stat(dir, &st), syscall.ENOTCONN), Owner: m.owner, Connection: connection}, nil
}

// mountType is the type of the topmost mount at dir.
func mountType(dir string) (string, error) {
	f, err := mountInfo(dir)
	return f.fsType, err
}

// connectionOf is the number of the FUSE connection mounted at dir.
func connectionOf(dir string) (string, error) {
	f, err := mountInfo(dir)
	if err != nil {
		return "", err
	}
	_, minor, ok := strings.Cut(f.dev, ":")
	if !ok {
		return "", fmt.Errorf("%s: bad device %q in mountinfo", dir, f.dev)
	}
	return minor, nil
}

// mount is a line of mountinfo: where, which device ("0:53"), of what type, and
// FUSE's user_id.
type mount struct{ dir, dev, fsType, owner string }

// Mounts lists where devices are mounted, dead ones too.
func Mounts() ([]string, error) {
	all, err := readMountInfo()
	var out []string
	for _, m := range all {
		if m.fsType == FSType {
			out = append(out, m.dir)
		}
	}
	return out, err
}

// mountInfo finds the topmost mount at dir, which may be a symlink to it,
// without entering the mount.
func mountInfo(dir string) (mount, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return mount{}, err
	}
	all, err := readMountInfo()
	if err != nil {
		return mount{}, err
	}
	for range maxLinks {
		if parent, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			abs = filepath.Join(parent, filepath.Base(abs))
		}
		for _, m := range slices.Backward(all) {
			if m.dir == abs {
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
	return mount{}, fmt.Errorf("%s: %w", dir, ErrNotMounted)
}

// maxLinks is how many symlinks the kernel follows in a path (path_resolution(7)).
const maxLinks = 40

// readMountInfo reads /proc/self/mountinfo: proc(5) has the format.
func readMountInfo() ([]mount, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []mount
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if m, ok := parseMount(sc.Text()); ok {
			all = append(all, m)
		}
	}
	return all, sc.Err()
}

// parseMount reads a line of mountinfo.
func parseMount(line string) (m mount, ok bool) {
	left, right, _ := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if len(l) < 5 || len(r) == 0 {
		return mount{}, false
	}
	m = mount{dir: unescape(l[4]), dev: l[2], fsType: r[0]}
	for option := range strings.SplitSeq(r[len(r)-1], ",") {
		if id, found := strings.CutPrefix(option, "user_id="); found {
			m.owner = id
		}
	}
	return m, true
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
