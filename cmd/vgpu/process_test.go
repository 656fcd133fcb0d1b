package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"vgpu/vfs"
)

// victim starts a process that a mount might name.
func victim(t *testing.T, attr *syscall.SysProcAttr) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// foreignMount is a mount of our type, of another program, whose info names
// a process.
func foreignMount(t *testing.T, pid int) string {
	t.Helper()
	root := &fs.Inode{}
	dir := t.TempDir()
	server, err := fs.Mount(dir, root, &fs.Options{
		MountOptions: fuse.MountOptions{Name: strings.TrimPrefix(vfs.FSType, "fuse."), DirectMountStrict: true},
		OnAdd: func(ctx context.Context) {
			file := &fs.MemRegularFile{Data: fmt.Appendf(nil, "name x\npid %d\n", pid), Attr: fuse.Attr{Mode: 0o444}}
			root.AddChild("info", root.NewPersistentInode(ctx, file, fs.StableAttr{}), false)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// umount must not be led to stop what the mount just names.
func TestUmountStopsNoForeignProcess(t *testing.T) {
	for why, attr := range map[string]*syscall.SysProcAttr{
		"not a vgpu":        nil,
		"user numbers 6553": {Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
		"PID namespace":     {Cloneflags: syscall.CLONE_NEWPID},
	} {
		t.Run(why, func(t *testing.T) {
			cmd := victim(t, attr)
			dir := foreignMount(t, cmd.Process.Pid)
			err := unmountDevice(t.Context(), dir, false, time.Second)
			if err == nil || !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "umount -l "+dir) {
				t.Errorf("umount says %v", err)
			}
			if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid)); err != nil || strings.Contains(string(stat), ") Z ") {
				t.Errorf("the process that the mount named has ended: %s, %v", stat, err)
			}
		})
	}
}

func TestUmountOfAMountWithoutDaemon(t *testing.T) {
	for _, pid := range []int{0, -1} {
		if err := unmountDevice(t.Context(), foreignMount(t, pid), false, time.Second); err == nil || !strings.Contains(err.Error(), "names no pid") {
			t.Errorf("pid %d: %v", pid, err)
		}
	}
	err := unmountDevice(t.Context(), foreignMount(t, 1<<30), false, time.Second)
	if !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
}

// We serve a mount, and are no other's daemon.
func TestCheckDaemonKnowsItsOwn(t *testing.T) {
	other := victim(t, nil) // it starts before the mount: its files are not those that we have by then
	dir := foreignMount(t, os.Getpid())
	m, err := vfs.Find(dir)
	if err != nil || m.Dead || m.Owner != fmt.Sprint(os.Geteuid()) {
		t.Fatalf("%+v, %v", m, err)
	}
	d, err := daemonOf(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.signal(0); err != nil || d.pid != os.Getpid() {
		t.Error(d.pid, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := checkServes(filepath.Join("/proc", fmt.Sprint(other.Process.Pid)), m.Connection); !errors.Is(err, syscall.EPERM) {
		t.Errorf("a process without mounts serves this one: %v", err)
	}
}
