package main

import (
	"os"
	"path/filepath"
	"testing"
)

// What the scheduler shares the CPUs by, as proc and sys tell it.
func TestAloneInGroup(t *testing.T) {
	const v1 = "4:memory:/\n1:cpu,cpuacct:/\n0::/x\n"
	for name, tt := range map[string]struct {
		files  map[string]string
		leader bool
		want   bool
	}{
		"nothing to be seen":        {nil, true, false},
		"v1, its own session":       {map[string]string{"proc/self/cgroup": v1, "sys/fs/cgroup/cpu/release_agent": "", autogroup: "1\n"}, true, true},
		"v1, a shell's session":     {map[string]string{"proc/self/cgroup": v1, "sys/fs/cgroup/cpu/release_agent": "", autogroup: "1\n"}, false, false},
		"v1, no autogroups":         {map[string]string{"proc/self/cgroup": v1, "sys/fs/cgroup/cpu/release_agent": "", autogroup: "0\n"}, true, false},
		"v1, an old kernel":         {map[string]string{"proc/self/cgroup": v1, "sys/fs/cgroup/cpu/release_agent": ""}, true, false},
		"v1, a container's top":     {map[string]string{"proc/self/cgroup": v1, autogroup: "1\n"}, true, false},
		"v1, a group of its own":    {map[string]string{"proc/self/cgroup": "1:cpu:/a\n", "sys/fs/cgroup/cpu/a/cgroup.procs": "7\n"}, false, true},
		"v1, a group with others":   {map[string]string{"proc/self/cgroup": "1:cpu:/a\n", "sys/fs/cgroup/cpu/a/cgroup.procs": "7\n8\n", autogroup: "1\n"}, true, false},
		"v2, its own session":       {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.procs": "1\n", autogroup: "1\n"}, true, true},
		"v2, below without weights": {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/cgroup.procs": "1\n", "sys/fs/cgroup/a/cgroup.events": "", "sys/fs/cgroup/a/b/cgroup.events": "", autogroup: "1\n"}, true, true},
		"v2, a container's top":     {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.procs": "1\n", "sys/fs/cgroup/cgroup.events": "", autogroup: "1\n"}, true, false},
		"v2, a service":             {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cgroup.events": "", "sys/fs/cgroup/a/b/cpu.weight": "100", "sys/fs/cgroup/a/b/cgroup.procs": "7\n"}, true, true},
		"v2, a service of several":  {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cgroup.events": "", "sys/fs/cgroup/a/b/cpu.weight": "100", "sys/fs/cgroup/a/b/cgroup.procs": "7\n9\n"}, true, false},
		"v2, the parent's weight":   {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cgroup.events": "", "sys/fs/cgroup/a/cgroup.events": "", "sys/fs/cgroup/a/cpu.weight": "100", "sys/fs/cgroup/a/b/cgroup.procs": "7\n", autogroup: "1\n"}, true, false},
		"v2, not to be seen":        {map[string]string{"proc/self/cgroup": "0::/a\n", autogroup: "1\n"}, true, false},
		"no line of v2":             {map[string]string{"proc/self/cgroup": "3:pids:/\nx\n", autogroup: "1\n"}, true, false},
	} {
		root := t.TempDir()
		for path, text := range tt.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := aloneInGroup(root, tt.leader); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if n := computeNice(); n != niceAlone && n != niceAmongOthers {
		t.Error(n)
	}
}

const autogroup = "proc/sys/kernel/sched_autogroup_enabled"
