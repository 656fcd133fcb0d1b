package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"vgpu/vfs"
)

// process is another process, held by a pidfd: its number may be given to
// another one meanwhile, the pidfd stays with it. It must be closed.
type process struct{ pid, fd int }

// daemonOf is the process that serves the mount m at dir, which must be closed.
//
// It is the mount itself that tells its number, and whoever made the mount may
// have it tell any: root must not be led to stop what that user could not. So
// the process has to be the mount's owner's own, and a vgpu with this mount.
func daemonOf(dir string, m vfs.State) (process, error) {
	pid, err := toldPID(dir)
	if err != nil {
		return process{}, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		if err = checkDaemon(pid, m); err == nil {
			return process{pid, fd}, nil
		}
		err = errors.Join(err, unix.Close(fd))
	}
	return process{}, fmt.Errorf("%s names process %d for its daemon, which was not stopped: %w; umount -l %s, or fusermount3 -u %s, takes the mount alone away", dir, pid, err, dir, dir)
}

// toldPID is the process number in a device's info, one of the daemon's own
// PID namespace. A file without an end is not read to it.
func toldPID(dir string) (pid int, err error) {
	f, err := os.Open(filepath.Join(dir, "info"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, "pid %d", &pid); n == 1 && pid > 0 {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("%s/info names no pid", dir)
}

// checkDaemon tells why a process cannot be what serves m. It is run with a
// pidfd of the process open: if the process ends and its number is used again
// meanwhile, the signal goes to nobody.
func checkDaemon(pid int, m vfs.State) error {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return err
	}
	if uids := statusField(status, "Uid:"); len(uids) < 3 || slices.ContainsFunc(uids[:3], func(id string) bool { return id != m.Owner }) {
		return fmt.Errorf("the mount is user %s's, the process has the user numbers %s: %w", m.Owner, strings.Join(uids, " "), syscall.EPERM)
	}
	ours, err1 := os.Readlink("/proc/self/ns/pid")
	its, err2 := os.Readlink(filepath.Join(proc, "ns/pid"))
	exe, err3 := os.Readlink(filepath.Join(proc, "exe"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if its != ours {
		return fmt.Errorf("the process is in another PID namespace, %s: %w", its, syscall.EPERM)
	}
	if name := strings.TrimSuffix(filepath.Base(exe), " (deleted)"); name != "vgpu" && name != ownName() {
		return fmt.Errorf("the process runs %s, not a vgpu: %w", exe, syscall.EPERM)
	}
	return checkServes(proc, m.Connection)
}

// ownName is our executable's name: that of the daemon too, where a package or
// an admin calls it otherwise.
func ownName() string {
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	return filepath.Base(exe)
}

// statusField is the fields of a line of /proc/PID/status.
func statusField(status []byte, key string) []string {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// checkServes looks for /dev/fuse among the files of a process, and for the
// connection, which Linux tells since 6.16. Without, a daemon of another PID
// namespace with the number of another of the owner's daemons here is taken for it.
func checkServes(proc, connection string) error {
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return err
	}
	for _, e := range fds {
		if file, err := os.Readlink(filepath.Join(proc, "fd", e.Name())); err != nil || file != "/dev/fuse" {
			continue // closed meanwhile, or another file
		}
		info, err := os.ReadFile(filepath.Join(proc, "fdinfo", e.Name()))
		if err != nil {
			return err
		}
		if !bytes.Contains(info, []byte("fuse_connection:")) || slices.Equal(statusField(info, "fuse_connection:"), []string{connection}) {
			return nil
		}
	}
	return fmt.Errorf("the process does not serve this mount, FUSE connection %s: %w", connection, syscall.EPERM)
}

// signal sends a signal.
func (p process) signal(s syscall.Signal) error { return unix.PidfdSendSignal(p.fd, s, nil, 0) }

// wait waits for a process to end that is not our child. One that its parent
// has not asked after yet has ended: some containers' first process is slow at that.
func (p process) wait(ctx context.Context) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, 10)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		case n > 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// close lets go of the process. A pidfd's close does not fail.
func (p process) close() { unix.Close(p.fd) }
