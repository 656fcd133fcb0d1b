package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vgpu/vfs"
)

// umountCommand ends a device as its daemon's SIGTERM does, and waits for that.
func umountCommand() *cobra.Command {
	var lazy, quiet bool
	var timeout time.Duration
	c := &cobra.Command{
		Use: "umount MOUNTPOINT", Short: "stop a device: end its jobs, unmount it, give its memory back", Args: exactArgs(1, "one mount point"),
		Long: "Asks the device's daemon to stop and waits until the mount is gone. A dead mount, whose daemon was\nkilled, is detached.",
		RunE: func(c *cobra.Command, args []string) error {
			err := unmountDevice(c.Context(), args[0], lazy, timeout)
			if quiet && errors.Is(err, vfs.ErrNotMounted) {
				return nil
			}
			return err
		},
	}
	c.Flags().BoolVarP(&lazy, "lazy", "l", false, "detach the mount from the tree at once")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "it is no error if nothing is mounted there")
	c.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait for the daemon")
	return c
}

// unmountDevice stops the daemon, which then unmounts; a dead or lazy one is
// detached here. When it returns nil the daemon has ended and its memory is
// free.
func unmountDevice(ctx context.Context, dir string, lazy bool, timeout time.Duration) error {
	m, err := vfs.Find(dir)
	if err != nil {
		return err
	}
	if m.Dead || lazy {
		return vfs.Detach(dir)
	}
	pid, err := daemonOf(dir)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon, process %d: %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return waitGone(ctx, pid, dir)
}

// daemonOf reads the daemon's process number from the device itself: it is one
// of the daemon's own PID namespace.
func daemonOf(dir string) (pid int, err error) {
	text, err := os.ReadFile(dir + "/info")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, "pid %d", &pid); n == 1 {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("%s/info names no pid", dir)
}

// waitGone waits for a process to end that is not our child.
func waitGone(ctx context.Context, pid int, dir string) error {
	for {
		if ended(pid) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: the daemon, process %d, has not ended; umount -l and kill are the last means", dir, pid)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ended tells whether a process has ended. One that its parent has not asked
// after yet (a zombie) has: some containers' first process is slow at that.
func ended(pid int) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
