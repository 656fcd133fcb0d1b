package pool

import (
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// allowedCPUs is the process's affinity mask, from proc/self/status; if that
// cannot be read, as many CPUs as the runtime counted, by number from 0. A mask
// that is there and malformed is an error: guessing would leave the mask.
func allowedCPUs(root fs.FS) ([]int, error) {
	_, rest, ok := strings.Cut(readText(root, "proc/self/status"), "Cpus_allowed_list:")
	if !ok {
		list := make([]int, runtime.NumCPU())
		for i := range list {
			list[i] = i
		}
		return list, nil
	}
	line, _, _ := strings.Cut(rest, "\n")
	list, err := ParseCPUs(strings.TrimSpace(line))
	if err != nil {
		return nil, fmt.Errorf("pool: /proc/self/status: Cpus_allowed_list: %w", err)
	}
	return list, nil
}

// readQuota is the CPU time that the process's cgroups allow, in CPUs: the
// least over the group and its ancestors, of cgroup v2 (cpu.max) and v1
// (cpu.cfs_quota_us). 0: no limit. See cgroups(7) and the kernel's
// Documentation/admin-guide/cgroup-v2.rst.
func readQuota(root fs.FS) float64 {
	quota := 0.0
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(readText(root, "proc/self/mountinfo")), nil)
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(readText(root, "proc/self/cgroup"), "\n") {
		f := strings.SplitN(line, ":", 3) // hierarchy:controllers:path
		if len(f) != 3 {
			continue
		}
		v2 := f[0] == "0" && f[1] == ""
		if !v2 && !slices.Contains(strings.Split(f[1], ","), "cpu") {
			continue
		}
		for _, dir := range groupDirs(mounts, f[2], v2) {
			if q := groupQuota(root, dir, v2); q > 0 && (quota == 0 || q < quota) {
				quota = q
			}
		}
	}
	return quota
}

// groupDirs are the directories of the group and its ancestors as far up as
// the mount shows them. The mount may show a subtree only, as in a container; a
// group outside of it is taken for the mount's own root.
func groupDirs(mounts []*mountinfo.Info, group string, v2 bool) []string {
	top, point := cgroupMount(mounts, v2)
	if point == "" {
		return nil
	}
	rel, below := strings.CutPrefix(group, strings.TrimSuffix(top, "/"))
	if !below || strings.HasPrefix(rel, "/..") {
		rel = "/"
	}
	point = strings.TrimPrefix(point, "/")
	dirs := []string{}
	for at := path.Clean("/" + rel); ; at = path.Dir(at) {
		dirs = append(dirs, path.Join(point, at))
		if at == "/" {
			return dirs
		}
	}
}

// cgroupMount finds where the hierarchy with the cpu controller is mounted,
// and which of its directories is mounted there.
func cgroupMount(mounts []*mountinfo.Info, v2 bool) (top, point string) {
	for _, m := range mounts {
		if v2 && m.FSType == "cgroup2" || !v2 && m.FSType == "cgroup" && slices.Contains(strings.Split(m.VFSOptions, ","), "cpu") {
			return m.Root, m.Mountpoint
		}
	}
	return "", ""
}

// groupQuota is the group's own limit in CPUs; 0 if it has none.
func groupQuota(root fs.FS, dir string, v2 bool) float64 {
	var quota, period string
	if v2 {
		f := strings.Fields(readText(root, dir+"/cpu.max")) // "max 100000"
		if len(f) != 2 {
			return 0
		}
		quota, period = f[0], f[1]
	} else {
		quota, period = readText(root, dir+"/cpu.cfs_quota_us"), readText(root, dir+"/cpu.cfs_period_us")
	}
	q, err1 := strconv.ParseFloat(quota, 64) // "max" and -1 are no limit
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}
