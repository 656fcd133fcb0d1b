package main

import (
	"context"
	"errors"
	"fmt"
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
		Long:              "Asks the device's daemon to stop and waits until the mount is gone. A dead mount, whose daemon was\nkilled, is detached.",
		ValidArgsFunction: oneDevice,
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
	switch {
	case errors.Is(err, syscall.EINVAL):
		return &noDevice{dir, err}
	case err != nil:
		return err
	}
	if m.Dead || lazy {
		return vfs.Detach(dir)
	}
	d, err := daemonOf(dir, m)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon, process %d: %w", d.pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := d.wait(ctx); err != nil {
		return fmt.Errorf("%s: the daemon, process %d, has not ended; umount -l and kill are the last means: %w", dir, d.pid, err)
	}
	return nil
}
