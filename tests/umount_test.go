package tests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// foreignMount is a mount of our type that another program made, this one, whose
// info names a process for its daemon.
func foreignMount(t *testing.T, pid int) string {
	t.Helper()
	root := &fs.Inode{}
	dir := t.TempDir()
	server, err := fs.Mount(dir, root, &fs.Options{
		MountOptions: fuse.MountOptions{Name: "vgpu", FsName: "vgpu:x", DirectMount: os.Geteuid() == 0},
		OnAdd: func(ctx context.Context) {
			file := &fs.MemRegularFile{Data: fmt.Appendf(nil, "name x\npid %d\n", pid), Attr: fuse.Attr{Mode: 0o444}}
			root.AddChild("info", root.NewPersistentInode(ctx, file, fs.StableAttr{}), false)
		},
	})
	must(t, err)
	t.Cleanup(func() { must(t, server.Unmount()) })
	return dir
}

// victim starts a process that a mount might name.
func victim(t *testing.T, attr *syscall.SysProcAttr) int {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = attr
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}

// refusesToStop says that umount must not be led to stop a process that the mount
// just names.
func refusesToStop(t *testing.T, pid int, why string) {
	t.Helper()
	dir := foreignMount(t, pid)
	if _, stderr, status := vgpu(t, "", "umount", dir); status != 1 || !strings.Contains(stderr, why) || !strings.Contains(stderr, "umount -l "+dir) {
		t.Errorf("umount: status %d, %s, want %q", status, stderr, why)
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(stat), ") Z ") {
		t.Errorf("the process that the mount named has ended: %s, %v", stat, err)
	}
}

func TestUmountStopsNoForeignProcess(t *testing.T) {
	refusesToStop(t, victim(t, nil), "not a vgpu")
	if d := mount(t); !kernelBefore(t, 6, 16) { // which tells whose connection it is
		refusesToStop(t, d.pid(), "does not serve this mount")
		d.run("nop")
	}
	for _, pid := range []int{0, -1} {
		if _, stderr, status := vgpu(t, "", "umount", foreignMount(t, pid)); status != 1 || !strings.Contains(stderr, "names no pid") {
			t.Errorf("pid %d: status %d, %s", pid, status, stderr)
		}
	}
	if _, stderr, status := vgpu(t, "", "umount", foreignMount(t, 1<<30)); status != 1 || !strings.Contains(stderr, "which was not stopped") {
		t.Errorf("no process: status %d, %s", status, stderr)
	}
}

// Root could stop anybody's processes.
func TestUmountStopsNobodyElsesProcess(t *testing.T) {
	needRoot(t, "starting another's process")
	refusesToStop(t, victim(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}), "user numbers 6553")
	refusesToStop(t, victim(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}), "PID namespace")
}
