package vfs

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

func TestFormat(t *testing.T) {
	for want, v := range map[string]any{
		"0": 0.0, "1.5": 1.5, "1000000000000": 1e12, "0.25": 250 * time.Millisecond, "yes": true, "no": false, "7": 7, "text": "text",
	} {
		if got := format(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func TestMountInfo(t *testing.T) {
	m, err := mountInfo("/proc")
	if err != nil || m.FSType != "proc" {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := mountInfo(t.TempDir()); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a directory is no mount point: %v", err)
	}
}

func TestClearDeadLeavesTheLivingAlone(t *testing.T) {
	if err := clearDead(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := clearDead("/proc"); err != nil {
		t.Error(err)
	}
}

func TestNoControl(t *testing.T) {
	for err, want := range map[syscall.Errno]bool{syscall.ENOENT: true, syscall.EACCES: true, syscall.EPERM: true, syscall.EROFS: true, syscall.EIO: false} {
		if got := noControl(&os.PathError{Op: "open", Path: "abort", Err: err}); got != want {
			t.Errorf("%v: %t", err, got)
		}
	}
	if noControl(nil) {
		t.Error("no error")
	}
}

func TestGroupsOfThisProcess(t *testing.T) {
	want, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range want {
		if !slices.Contains(groupsOf(uint32(os.Getpid())), uint32(g)) {
			t.Errorf("group %d is missing", g)
		}
	}
	if got := groupsOf(1 << 30); got != nil {
		t.Errorf("a process that is not there has groups: %v", got)
	}
	if got := parseIDs(" 0 4 x 1000 "); !slices.Equal(got, []uint32{0, 4, 1000}) {
		t.Errorf("%v", got)
	}
}

func TestPendingSignals(t *testing.T) {
	if set, ok := pendingSignals(uint32(os.Getpid())); !ok || set&^harmless != 0 { // the runtime preempts by SIGURG
		t.Errorf("%x, %t", set, ok)
	}
	if meantSet := uint64(1) << (unix.SIGINT - 1); meantSet&^harmless == 0 {
		t.Error("SIGINT is taken for harmless")
	}
	if !meant(1 << 30) {
		t.Error("a client that has gone is waited for")
	}
	if meant(uint32(os.Getpid())) {
		t.Error("a client without signals is taken to have been interrupted")
	}
}

func TestSignalsOfTheDead(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil { // it stays a zombie
		t.Fatal(err)
	}
	if !meant(uint32(cmd.Process.Pid)) {
		t.Error("a client that has ended is waited for")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestInodeNumbersKeepApart(t *testing.T) {
	seen := map[uint64]string{}
	for _, path := range []string{"", "/run", "/queues/main", "/queues/main/ctl", "/jobs/1", "/jobs/2"} {
		ino := inoOf(path)
		if other, dup := seen[ino]; dup {
			t.Errorf("%q and %q share a number", path, other)
		}
		seen[ino] = path
		if ino>>62 != 1 {
			t.Errorf("%q: %x may be a tier's", path, ino)
		}
	}
}

func TestErrnoOfAttributes(t *testing.T) {
	if got := xattrErrno(unix.EOPNOTSUPP); got != syscall.ENODATA {
		t.Error(got)
	}
	if got := xattrErrno(unix.EPERM); got != syscall.EPERM {
		t.Error(got)
	}
	if got := errno(nil); got != 0 {
		t.Error(got)
	}
}

func TestIndent(t *testing.T) {
	if got := indent("a\n^\n"); !strings.HasPrefix(got, "  a\n  ^") {
		t.Errorf("%q", got)
	}
}

func TestOwnerOf(t *testing.T) {
	for options, want := range map[string]string{"rw,user_id=1000,group_id=100,max_read=1": "1000", "rw,size=9456k": ""} {
		if got := ownerOf(&mountinfo.Info{VFSOptions: options, Source: "user_id=7"}); got != want {
			t.Errorf("%s: %q, want %q", options, got, want)
		}
	}
}
