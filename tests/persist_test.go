package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// persisting is a device of 32 MiB whose buffers, of which some have spilled to the disk, are to survive a restart of the machine. More are
// tiers after the disk.
func persisting(t *testing.T, disk faultyDisk, more ...string) (d *dev, all map[string][]byte) {
	t.Helper()
	flags := []string{"--persist"}
	for _, dir := range more {
		flags = append(flags, "--spill", dir)
	}
	d = spillingOn(t, disk, flags...)
	all = d.spillSome(12)
	output(t, "sync", "-f", disk.path())
	return d, all
}

// endsWith stops the daemon, which has to end with a status. Its memory stays where memory says if that is not 0.
func (d *dev) endsWith(status int) (memory string) {
	d.t.Helper()
	memory = strings.TrimSpace(d.read("tiers/ram/path"))
	d.stopped = true
	must(d.t, d.cmd.Process.Signal(syscall.SIGTERM))
	d.waitExit(status)
	if left := mounts(d.dir); len(left) > 0 {
		d.t.Errorf("still mounted: %v", left)
	}
	return memory
}

// reboot takes away what a restart of the machine does: the memory at this path, and the state.
func (d *dev) reboot(memory string) {
	d.t.Helper()
	if err := syscall.Unmount(memory, 0); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOENT) {
		d.t.Fatal(err)
	}
	must(d.t, os.RemoveAll(memory), os.RemoveAll(d.state))
}

// allSame checks every buffer.
func (d *dev) allSame(all map[string][]byte) {
	d.t.Helper()
	for name, data := range all {
		d.same(name, data)
	}
}

// The disk of a tier is gone when a device that persists is stopped: the stop says so, what to do, and which buffers it is about, and all of it
// is there for the next daemon. What is on the other tier survives the machine's restart even so, and what is on the disk too if it was
// on it for good: never other bytes.
func TestPersistDiskGoneAtStop(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart=%v", restart), func(t *testing.T) {
			onFaultyDisks(t, func(t *testing.T, disk faultyDisk) {
				d, all := persisting(t, disk, diskDir(t))
				there := d.spilled(all)
				must(t, disk.die())
				memory := d.endsWith(1)
				log := d.log.String()
				for _, part := range []string{"could not be saved", there, "all others are", "out of use", disk.path(), "repair the disk, start the device again"} {
					if !strings.Contains(log, part) {
						t.Errorf("%q is not in the log:\n%s", part, log)
					}
				}
				d.eventually("the disk is let go of", func() bool { return disk.unmount(0) == nil })
				must(t, disk.mount())
				if restart {
					d.reboot(memory)
				}
				d.restart()
				d.allSame(all)
				d.reboot(d.endsWith(0)) // now it can be saved
				d.restart()
				d.allSame(all)
				d.run("map 'z = x + y' x=a0.npy y=a1.npy z=z.npy")
			})
		})
	}
}

// A disk that became read-only is left for another at the stop: all is saved there, and the disk is not needed any more.
func TestPersistDiskReadOnlyAtStop(t *testing.T) {
	onFaultyDisks(t, func(t *testing.T, disk faultyDisk) {
		d, all := persisting(t, disk, diskDir(t))
		d.eventually("nothing is open there", func() bool { return disk.readOnly(true) == nil })
		wantErrno(t, "trying a disk that is read-only", d.write("ctl", "probe\n"), syscall.EIO)
		d.reboot(d.endsWith(0))
		d.flags = append(d.flags[:2:2], d.flags[4:]...) // without the disk
		d.restart()
		d.allSame(all)
	})
}

// A disk that is full when a device that persists is stopped takes nothing: all stays in memory for the next daemon, and the stop says so. With
// room again it is saved.
func TestPersistDiskFullAtStop(t *testing.T) {
	onFaultyDisks(t, func(t *testing.T, disk faultyDisk) {
		d, all := persisting(t, disk)
		must(t, disk.fill())
		d.endsWith(1)
		for _, part := range []string{"nothing could be saved", "make room"} {
			if log := d.log.String(); !strings.Contains(log, part) {
				t.Errorf("%q is not in the log:\n%s", part, log)
			}
		}
		must(t, disk.drain())
		d.restart()
		d.allSame(all)
		d.reboot(d.endsWith(0))
		d.restart()
		d.allSame(all)
	})
}

// A start before the disk of a tier is mounted is refused, which loses nothing.
func TestPersistDiskNotMounted(t *testing.T) {
	onFaultyDisks(t, func(t *testing.T, disk faultyDisk) {
		d, all := persisting(t, disk, diskDir(t))
		d.reboot(d.endsWith(0))
		d.eventually("the disk is let go of", func() bool { return disk.unmount(0) == nil })
		out, err := exec.Command(binary, append(append([]string{"mount", "--state", d.state}, d.flags...), d.dir)...).CombinedOutput()
		if exitCode(err) != 69 || !strings.Contains(string(out), disk.path()) || !strings.Contains(string(out), "mount its disk") {
			t.Errorf("%v %s", err, out)
		}
		must(t, disk.mount())
		d.restart()
		d.allSame(all)
	})
}
