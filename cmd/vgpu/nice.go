package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// How nice computing threads are. Among the processes that the scheduler shares the
// CPUs between one by one, 5 leaves them a share when others compute too. Where it
// shares between groups first, and the daemon is a group of its own, that share is
// the group's, and within it the threads that answer for files need not wait for
// those that compute: "cat stat" under load in vgpu bench launch, five runs of each in
// turn on two cores, has a 99th percentile of 3.5 to 6.1 ms, median 4.2, instead of
// 3.6 to 6.3, median 5.4. What did not help there: a higher priority of the threads that
// answer, a lower one of the session's group, and letting the kernel remember the
// attributes of the mount point, which saves one request of five.
const (
	niceAmongOthers = 5
	niceAlone       = 19
)

// computeNice is the nice value for this process.
func computeNice() int {
	sid, err := unix.Getsid(0)
	if aloneInGroup("/", err == nil && sid == os.Getpid()) {
		return niceAlone
	}
	return niceAmongOthers
}

// aloneInGroup tells whether the scheduler has a group for this process alone: that
// of its session (sched(7), "The autogroup feature"), if it leads one, or a control
// group with weights for the CPU, as of a service. Where that cannot be told, it has
// not. root is where proc and sys are.
func aloneInGroup(root string, leader bool) bool {
	dir, top := cpuGroup(root)
	if top {
		on, err := os.ReadFile(filepath.Join(root, "proc/sys/kernel/sched_autogroup_enabled"))
		return leader && err == nil && strings.TrimSpace(string(on)) == "1"
	}
	if dir == "" {
		return false
	}
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return err == nil && len(strings.Fields(string(procs))) == 1
}

// cpuGroup finds the control group by which the CPUs are shared. top is the whole
// system's, where sessions are the groups. Its dir is "" if that of a parent, where
// there may be others, counts, or if none is to be seen.
func cpuGroup(root string) (dir string, top bool) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return "", false
	}
	unified, found := "", false
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path: cgroups(7)
		switch {
		case len(f) < 3:
		case slices.Contains(strings.Split(f[1], ","), "cpu"):
			return groupOfV1(filepath.Join(root, "sys/fs/cgroup/cpu"), f[2])
		case f[0] == "0":
			unified, found = f[2], true
		}
	}
	if !found {
		return "", false
	}
	return groupOfV2(filepath.Join(root, "sys/fs/cgroup"), unified)
}

// groupOfV1 looks for release_agent, which only the top group has (cgroups(7)): a
// container's own / is none.
func groupOfV1(mount, path string) (dir string, top bool) {
	dir = filepath.Join(mount, path)
	if path != "/" {
		return dir, false
	}
	return "", there(dir, "release_agent")
}

// groupOfV2 goes up to where cpu.weight is. The top group alone has no
// cgroup.events; in a container / has, and what is above cannot be seen.
func groupOfV2(mount, path string) (dir string, top bool) {
	own := filepath.Join(mount, path)
	for at := own; len(at) > len(mount); at = filepath.Dir(at) {
		switch {
		case there(at, "cpu.weight") && at == own:
			return own, false
		case there(at, "cpu.weight") || !there(at, "cgroup.events"):
			return "", false
		}
	}
	return "", there(mount, "cgroup.procs") && !there(mount, "cgroup.events")
}

// there tells whether a file exists, as far as it may be seen.
func there(dir, file string) bool {
	_, err := os.Stat(filepath.Join(dir, file))
	return err == nil
}
