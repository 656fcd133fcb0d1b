package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// faultyDisk is a file system that can be made to fail as disks do.
type faultyDisk interface {
	path() string
	mount() error
	unmount(flags int) error // as umount2(2)
	readOnly(on bool) error  // EBUSY while files there are open to be written
	die() error              // everything but closing is EIO from now on, until it is mounted anew
	fill() error             // it takes nothing more
	drain() error            // and takes something again
}

// onFaultyDisks runs a test on a disk that this process serves, which is to be had wherever a device can be mounted, and on ext4 on a loop device
// where the machine gives us one.
func onFaultyDisks(t *testing.T, test func(t *testing.T, disk faultyDisk)) {
	t.Run("fuse", func(t *testing.T) {
		disk := newFuseDisk(t)
		must(t, disk.mount())
		test(t, disk)
	})
	disk, err := newLoopDisk(t)
	if err == nil {
		err = disk.mount()
	}
	if err != nil {
		t.Logf("not on ext4 too: %v", err)
		return
	}
	t.Run("ext4", func(t *testing.T) { test(t, disk) })
}

// inModesOnFaultyDisks does so in each way of reading and writing buffers.
func inModesOnFaultyDisks(t *testing.T, test func(t *testing.T, disk faultyDisk, flags []string)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			onFaultyDisks(t, func(t *testing.T, disk faultyDisk) { test(t, disk, m.flags) })
		})
	}
}

// mountPoint makes a directory for a disk to be mounted on, beside what it is made of.
func mountPoint(t *testing.T) (top, dir string) {
	t.Helper()
	top = diskDir(t)
	dir = filepath.Join(top, "disk")
	must(t, os.Mkdir(dir, 0o755))
	return top, dir
}

// spillingOn is a device of 32 MiB with the disk as its tier, whose folder there is on the disk for good.
func spillingOn(t *testing.T, disk faultyDisk, flags ...string) *dev {
	t.Helper()
	d := mount(t, append([]string{"--mem", "32M", "--spill", disk.path()}, flags...)...)
	output(t, "sync", "-f", disk.path())
	return d
}

// loopDisk is a small ext4 file system on a loop device.
type loopDisk struct{ image, dir string }

const loopBytes = 160 << 20

// newLoopDisk makes one, which is not mounted yet. The error tells why it cannot be.
func newLoopDisk(t *testing.T) (*loopDisk, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil, errors.New("a loop device needs root")
	}
	top, dir := mountPoint(t)
	d := &loopDisk{filepath.Join(top, "image"), dir}
	must(t, os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, loopBytes))
	if out, err := exec.Command("/usr/sbin/mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v %s", err, out)
	}
	t.Cleanup(func() {
		for len(mounts(dir)) > 0 {
			must(t, d.unmount(syscall.MNT_DETACH))
		}
	})
	return d, nil
}

func (d *loopDisk) path() string { return d.dir }

func (d *loopDisk) mount() error { return run("mount", "-o", "loop", d.image, d.dir) }

// run runs a program.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w %s", name, err, out)
	}
	return nil
}

func (d *loopDisk) unmount(flags int) error { return syscall.Unmount(d.dir, flags) }

func (d *loopDisk) readOnly(on bool) error {
	mode := "remount,rw"
	if on {
		mode = "remount,ro"
	}
	return run("mount", "-o", mode, d.dir)
}

// die loses what was not written to the disk yet.
func (d *loopDisk) die() error {
	const (
		shutdown   = 0x8004587d // FS_IOC_SHUTDOWN (linux/fs.h), which is EXT4_IOC_SHUTDOWN
		noLogFlush = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
	)
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush), f.Close())
}

func (d *loopDisk) filler() string { return filepath.Join(d.dir, "filler") }

func (d *loopDisk) fill() error {
	if err := os.WriteFile(d.filler(), make([]byte, loopBytes), 0o600); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk does not fill: %w", err)
	}
	return nil
}

func (d *loopDisk) drain() error { return os.Remove(d.filler()) }
