package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// place is a mount point that does not exist yet, and a state directory.
func place(t *testing.T) (d *dev, state string) {
	t.Helper()
	top, err := os.MkdirTemp("", testPrefix+strings.Map(safe, t.Name())+"-")
	if err != nil {
		t.Fatal(err)
	}
	d = &dev{t: t, dir: filepath.Join(top, "vgpu0")}
	t.Cleanup(func() {
		for _, m := range mounts(top) {
			t.Errorf("left mounted: %s", m)
			syscall.Unmount(m, syscall.MNT_DETACH)
		}
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	return d, filepath.Join(top, "state")
}

// pid is the daemon's process number, as the device tells it.
func (d *dev) pid() int {
	d.t.Helper()
	for line := range strings.Lines(d.read("info")) {
		if v, ok := strings.CutPrefix(line, "pid "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil {
				d.t.Fatal(err)
			}
			return n
		}
	}
	d.t.Fatal("info has no pid")
	return 0
}

// gone waits until a daemon that is not our child has ended, with its mount.
func (d *dev) gone(pid int) {
	d.t.Helper()
	d.eventually("the daemon ends", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	if left := mounts(d.dir); len(left) > 0 {
		d.t.Errorf("left mounted: %v", left)
	}
}

// absent checks that a mount point that the program made was taken away.
func (d *dev) absent() {
	d.t.Helper()
	if _, err := os.Lstat(d.dir); !errors.Is(err, os.ErrNotExist) {
		d.t.Errorf("the mount point is still there: %v", err)
	}
}

// --daemon returns when the device is mounted; umount ends it. Operands may
// stand before and after flags, and be relative.
func TestMountDaemon(t *testing.T) {
	for name, args := range map[string][]string{
		"flags first":      {"mount", "--daemon", "--mem", "64M", "--state", "STATE", "DIR"},
		"flags last":       {"mount", "DIR", "--state", "STATE", "--daemon", "--mem", "64M"},
		"relative":         {"mount", "--daemon", "--mem", "64M", "--state", "STATE", "vgpu0"},
		"relative to both": {"mount", "--daemon", "vgpu0", "--state", "state", "--mem", "64M"},
	} {
		t.Run(name, func(t *testing.T) {
			d, state := place(t)
			for i, a := range args {
				args[i] = strings.NewReplacer("STATE", state, "DIR", d.dir).Replace(a)
			}
			cmd := exec.Command(binary, args...)
			cmd.Dir = filepath.Dir(d.dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			d.run("nop") // it is there
			if got := d.read("tiers/ram/size"); got != "67108864\n" {
				t.Error(got)
			}
			if os.Geteuid() != 0 { // who may mount no tmpfs there
				state = "/dev/shm/"
			}
			if got := d.read("tiers/ram/path"); !strings.HasPrefix(got, state) {
				t.Errorf("the state is in %s", got)
			}
			pid := d.pid()
			if wd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || wd != "/" {
				t.Errorf("the daemon sits in %s, %v", wd, err)
			}
			if stdout, stderr, status := vgpu(t, "", "umount", d.dir); status != 0 {
				t.Errorf("umount: %d\n%s%s", status, stdout, stderr)
			}
			d.gone(pid)
			d.absent()
		})
	}
}

// What keeps a device from being mounted is said, in the background too, and
// nothing is left of it.
func TestMountFailures(t *testing.T) {
	d, state := place(t)
	file := filepath.Join(filepath.Dir(d.dir), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, daemon := range []string{"--daemon=false", "--daemon"} {
		if _, stderr, status := vgpu(t, "", "mount", daemon, "--state", state, file); status != 69 || !strings.Contains(stderr, "not a directory") {
			t.Errorf("%s on a file: %d %s", daemon, status, stderr)
		}
		if _, stderr, status := vgpu(t, "", "mount", daemon, "--state", file, d.dir); status != 69 || !strings.Contains(stderr, "file") {
			t.Errorf("%s with a bad state: %d %s", daemon, status, stderr)
		}
		if _, stderr, status := vgpu(t, "", "mount", daemon, "--state", state, "--cpus", "77777", d.dir); status == 0 || !strings.Contains(stderr, "77777") {
			t.Errorf("%s on no CPU: %d %s", daemon, status, stderr)
		}
		if left := mounts(state); len(left) > 0 {
			t.Errorf("%s: left mounted: %v", daemon, left)
		}
		d.absent()
	}
	other := mount(t)
	if _, stderr, status := vgpu(t, "", "mount", "--daemon", "--state", other.state, d.dir); status != 69 || stderr == "" {
		t.Errorf("a state that is in use: %d %s", status, stderr)
	}
	d.absent()
	if _, stderr, status := vgpu(t, "", "umount", t.TempDir()); status != 1 || stderr == "" {
		t.Errorf("umount of no mount: %d %s", status, stderr)
	}
}

// mount(8) finds the helper in /sbin by the type's name, and hands it what
// fstab says, with options that are for others.
func TestMountHelper(t *testing.T) {
	needRoot(t, "mount(8)")
	const helper = "/sbin/mount.fuse.vgpu"
	old, err := os.Readlink(helper)
	switch {
	case err == nil: // of an installed vgpu: put back after the test
		if err := os.Remove(helper); err != nil {
			t.Fatal(err)
		}
	case !errors.Is(err, os.ErrNotExist):
		t.Fatal(err)
	}
	if err := os.Symlink(binary, helper); err != nil {
		t.Fatal(err)
	}
	defer func() {
		err := os.Remove(helper)
		if old != "" {
			err = errors.Join(err, os.Symlink(old, helper))
		}
		if err != nil {
			t.Error(err)
		}
	}()
	d, state := place(t)
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	options := "rw,noauto,nofail,x-foo,x-systemd.automount,_netdev,nosuid,nodev,comment=lab,mem=64M,stop_timeout=2s,state=" + state
	if out, err := exec.Command("mount", "-t", "fuse.vgpu", "-o", options, "lab", d.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d.run("fill a.npy:f32:4 value=1")
	if got := d.ask("sum a.npy"); got != "4.0" {
		t.Error(got)
	}
	if info := d.read("info"); !strings.HasPrefix(info, "name lab\n") || !strings.Contains(info, "memory 67108864\n") {
		t.Error(info)
	}
	out, err := exec.Command("findmnt", "-n", "-o", "SOURCE,FSTYPE,OPTIONS", d.dir).CombinedOutput()
	if f := strings.Fields(string(out)); err != nil || len(f) != 3 || f[0] != "lab" || f[1] != "fuse.vgpu" || !strings.Contains(f[2], "nosuid") || !strings.Contains(f[2], "nodev") {
		t.Errorf("findmnt: %v %s", err, out)
	}
	pid := d.pid()
	if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil { // the ordinary umount(8)
		t.Errorf("%v\n%s", err, out)
	}
	d.gone(pid)
	if _, err := os.Stat(d.dir); err != nil {
		t.Errorf("a mount point that was there is gone: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(state, "ram")); err == nil && len(left) > 0 {
		t.Errorf("memory is left over: %v", left)
	}
}

// The helper's own command line: what mount(8) may add, in any order.
func TestMountHelperArguments(t *testing.T) {
	d, state := place(t)
	helper := filepath.Join(filepath.Dir(d.dir), "mount.vgpu")
	if err := os.Symlink(binary, helper); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := execute(t, helper, "", "vgpu", d.dir, "-f", "-o", "rw"); status != 0 { // -f: as if
		t.Errorf("-f: %d %s", status, stderr)
	}
	d.absent()
	for what, args := range map[string][]string{
		"no operands": {}, "one operand": {"vgpu"}, "three": {"vgpu", d.dir, "x"}, "an unknown option": {"vgpu", d.dir, "-o", "nosuch=1"},
	} {
		if _, stderr, status := execute(t, helper, "", args...); status != usage || stderr == "" {
			t.Errorf("%s: %d %s", what, status, stderr)
		}
	}
	d.absent()
	cmd := exec.Command(helper, "none", "vgpu0", "-s", "-n", "-v", "-o", "ro,noexec,direct,mem=64M", "-o", "state="+state)
	cmd.Dir = filepath.Dir(d.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info := d.read("info"); !strings.HasPrefix(info, "name vgpu0\n") || !strings.Contains(info, "passthrough no\n") {
		t.Error(info)
	}
	wantErrno(t, "a read-only device", store(d.path("buffers/x"), "x", os.O_TRUNC), syscall.EROFS)
	pid := d.pid()
	if _, stderr, status := vgpu(t, "", "umount", d.dir); status != 0 {
		t.Error(status, stderr)
	}
	d.gone(pid)
	d.absent()
}

// --lazy detaches while somebody sits in the mount; the daemon ends with him.
func TestUmountLazy(t *testing.T) {
	d, state := place(t)
	if _, stderr, status := vgpu(t, "", "mount", "--daemon", "--mem", "64M", "--state", state, d.dir); status != 0 {
		t.Fatal(status, stderr)
	}
	pid := d.pid()
	f, err := os.Open(d.path("info"))
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := vgpu(t, "", "umount", "-l", d.dir); status != 0 {
		t.Error(status, stderr)
	}
	if left := mounts(d.dir); len(left) > 0 {
		t.Errorf("left mounted: %v", left)
	}
	if n, err := f.Read(make([]byte, 10)); n != 10 {
		t.Errorf("what was open answers %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	d.gone(pid)
}
