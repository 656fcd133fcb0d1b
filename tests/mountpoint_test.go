package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// background mounts a device at dir and waits for it.
func background(t *testing.T, state, dir string) {
	t.Helper()
	if _, stderr, status := vgpu(t, "", "mount", "--daemon", "--mem", "16M", "--state", state, dir); status != 0 {
		t.Fatal(status, stderr)
	}
}

// umount(8) takes what it finds at no mount point for a source, which it
// resolves from its working directory: a path there that is called like a device
// is not that device.
func TestUmountOfAnotherDirectory(t *testing.T) {
	d := mount(t)
	other := t.TempDir()
	same := filepath.Join(other, filepath.Base(d.dir))
	if err := os.Mkdir(same, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{same}, {"-l", same}, {"-l", filepath.Base(d.dir)}} {
		cmd := exec.Command("umount", args...)
		cmd.Dir = other
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("umount %q, where nothing is mounted, did something: %s", args, out)
		}
	}
	d.run("nop")
}

// A mount point may be named by a symlink: to mount, to unmount, and when the
// daemon looks whether the mount is still there.
func TestMountPointBySymlink(t *testing.T) {
	d, state := place(t)
	top := filepath.Dir(d.dir)
	for name, target := range map[string]string{"link": d.dir, "relative": filepath.Base(d.dir), "twice": "link"} {
		if err := os.Symlink(target, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, via := range []string{"link", "relative", "twice"} {
		background(t, state, filepath.Join(top, via))
		d.run("nop")
		pid := d.pid()
		busy, err := os.Open(d.dir) // so that the daemon has to try more than once, and then to detach
		if err != nil {
			t.Fatal(err)
		}
		if _, stderr, status := vgpu(t, "", "umount", filepath.Join(top, via)); status != 0 {
			t.Error(via, status, stderr)
		}
		if err := busy.Close(); err != nil && !errors.Is(err, syscall.ENOTCONN) {
			t.Error(err)
		}
		d.gone(pid)
		if left := mounts(d.dir); len(left) > 0 {
			t.Fatalf("%s: left mounted: %v", via, left)
		}
	}
}

// The last part of a mount point is the device's name, as far as it can be one.
func TestMountPointWithBlanks(t *testing.T) {
	d, state := place(t)
	d.dir = filepath.Join(filepath.Dir(d.dir), "a\tb c")
	background(t, state, d.dir)
	if got := d.read("info"); !strings.HasPrefix(got, "name a_b_c\n") {
		t.Error(got)
	}
	pid := d.pid()
	if _, stderr, status := vgpu(t, "", "umount", d.dir); status != 0 {
		t.Error(status, stderr)
	}
	d.gone(pid)
	d.absent()
}

// The mount point that is no path would be the working directory.
func TestEmptyMountPoint(t *testing.T) {
	cmd := exec.Command(binary, "mount", "--daemon", "--mem", "16M", "--state", t.TempDir(), "")
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "empty") {
		t.Errorf("%v %s", err, out)
	}
	if left := mounts(cmd.Dir); len(left) > 0 {
		t.Fatalf("mounted at %v", left)
	}
}

// Who unmounts with umount(8) and mounts again at once meets the daemon that
// is still giving its memory back, and waits for it.
func TestMountRightAfterUmount(t *testing.T) {
	d, state := place(t)
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	background(t, state, d.dir)
	d.run("random a.npy:f32:1000000")
	if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	background(t, state, d.dir)
	pid := d.pid()
	if _, stderr, status := vgpu(t, "", "umount", d.dir); status != 0 {
		t.Error(status, stderr)
	}
	d.gone(pid)
}

// Who cannot read what the tuner found, since HOME is somebody else's, is told
// so, and works without it.
func TestUnreadableCache(t *testing.T) {
	d, state := place(t)
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+os.DevNull, "CACHE_DIRECTORY=")
		var errs strings.Builder
		cmd.Stderr = &errs
		if err := cmd.Run(); err != nil {
			t.Errorf("%q: %v\n%s", args, err, errs.String())
		}
		if args[0] == "run" && !strings.Contains(errs.String(), "is not used") {
			t.Errorf("%q: %q", args, errs.String())
		}
	}
	run("run", "-C", t.TempDir(), "nop")
	t.Setenv("TMPDIR", "/nonexistent") // nor is that needed
	run("mount", "--daemon", "--mem", "16M", "--state", state, d.dir)
	pid := d.pid()
	run("umount", d.dir)
	d.gone(pid)
}

// More memory than the machine has is refused, before anything is made.
func TestMountMoreThanTheMachineHas(t *testing.T) {
	d, state := place(t)
	if _, stderr, status := vgpu(t, "", "mount", "--mem", "1000T", "--state", state, d.dir); status != 69 || !strings.Contains(stderr, "the machine has") {
		t.Errorf("%d %s", status, stderr)
	}
	d.absent()
}

// A closed terminal stops a device in the foreground as SIGTERM does, and a log
// that nobody reads does not.
func TestMountInTheForeground(t *testing.T) {
	hup := make(chan os.Signal, 1) // under nohup it is ignored, which the daemon would inherit and respect
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		d, state := place(t)
		cmd := exec.Command(binary, "mount", "--mem", "16M", "--state", state, "--debug", "--stop-timeout", "10m", d.dir)
		log, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		d.eventually("it is mounted", func() bool { return len(mounts(d.dir)) > 0 })
		if err := log.Close(); err != nil { // from now on the daemon writes into a broken pipe
			t.Fatal(err)
		}
		d.run("nop")
		d.queue("spin seconds=600")
		d.eventually("it runs", func() bool { return d.field("stat", "jobs.running") == "1" })
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		d.eventually("it stops", func() bool { return d.field("stat", "state") == "stopping" })
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil { // a second one ends the patience with jobs
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		d.absent()
	}
}

// The directory that a killed daemon made goes when the one after it ends; one
// that was there stays.
func TestMountPointOfAKilledDaemon(t *testing.T) {
	for _, there := range []bool{false, true} {
		d, state := place(t)
		if there {
			if err := os.Mkdir(d.dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			background(t, state, d.dir)
			pid := d.pid()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			d.eventually("its mount is dead", func() bool {
				_, err := os.Stat(d.dir)
				return errors.Is(err, syscall.ENOTCONN)
			})
		}
		background(t, state, d.dir)
		pid := d.pid()
		if _, stderr, status := vgpu(t, "", "umount", d.dir); status != 0 {
			t.Error(status, stderr)
		}
		d.gone(pid)
		if _, err := os.Stat(d.dir); (err == nil) != there {
			t.Errorf("it was there before: %v; now: %v", there, err)
		}
	}
}

// Who asks for more of a disk than it has is told so, in the background too.
func TestSpillLargerThanTheDisk(t *testing.T) {
	d, state := place(t)
	spill := filepath.Join(diskDir(t), "spill")
	if _, stderr, status := vgpu(t, "", "mount", "--daemon", "--mem", "16M", "--spill", spill+":8000000T", "--state", state, d.dir); status != 69 || !strings.Contains(stderr, "the disk has") {
		t.Errorf("%d %s", status, stderr)
	}
	d.absent()
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(spill), &st); err != nil {
		t.Fatal(err)
	}
	_, stderr, status := vgpu(t, "", "mount", "--daemon", "--mem", "16M", "--spill", fmt.Sprintf("%s:%d", spill, int64(st.Blocks)*st.Bsize), "--state", state, d.dir)
	if status != 0 || !strings.Contains(stderr, "are free on its disk now") {
		t.Errorf("%d %s", status, stderr)
	}
	pid := d.pid()
	if _, stderr, status := vgpu(t, "", "umount", d.dir); status != 0 {
		t.Error(status, stderr)
	}
	d.gone(pid)
}
