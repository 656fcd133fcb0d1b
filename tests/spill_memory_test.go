package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memGroup is a control group that counts the memory of what runs in it: the
// processes' own, and the pages that they are the first to touch, such as those
// of a tmpfs.
type memGroup struct {
	t        *testing.T
	own, dir string // ours, and the group
	peak     string // the file that tells the most there was
}

// newMemGroup makes a group, with version 1 or 2 of the memory controller; nil
// where there is none, or it is not ours to divide.
func newMemGroup(t *testing.T) *memGroup {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	must(t, err)
	for _, p := range groupPlaces(string(text), "/sys/fs/cgroup") {
		g := &memGroup{t, p.own, filepath.Join(p.under, testPrefix+"memory"), p.peak}
		if err := os.Mkdir(g.dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(g.remove)
		if g.counts() && g.join(g.dir) == nil {
			must(t, g.join(g.own))
			return g
		}
	}
	return nil
}

// groupPlace is where a group can be made: below our own, or, with version 2,
// where one that has processes gives no controller to those below it
// (cgroups(7), "no internal processes"), beside it.
type groupPlace struct{ own, under, peak string }

// groupPlaces lists the places to try, from /proc/self/cgroup and where the
// hierarchies are mounted.
func groupPlaces(self, root string) (list []groupPlace) {
	for line := range strings.Lines(self) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			own := filepath.Join(root, f[1], f[2])
			list = append(list, groupPlace{own, own, "memory.max_usage_in_bytes"})
		case f[1] == "": // the whole tree, or a part of it where version 1 has the rest
			for _, top := range []string{root, filepath.Join(root, "unified")} {
				own := filepath.Join(top, f[2])
				list = append(list, groupPlace{own, own, "memory.peak"})
				if own != top {
					list = append(list, groupPlace{own, filepath.Dir(own), "memory.peak"})
				}
			}
		}
	}
	return list
}

// counts reports whether the group has the controller.
func (g *memGroup) counts() bool {
	_, err := os.Stat(filepath.Join(g.dir, g.peak))
	return err == nil
}

// join moves this process, whose children begin where it is.
func (g *memGroup) join(dir string) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
}

// in does f while children begin in the group; nil does it all the same.
func (g *memGroup) in(f func()) {
	if g == nil {
		f()
		return
	}
	must(g.t, g.join(g.dir))
	defer func() { must(g.t, g.join(g.own)) }()
	f()
}

// most is the most memory that the group has had, in bytes.
func (g *memGroup) most() int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(string(readFile(filepath.Join(g.dir, g.peak)))), 10, 64)
	must(g.t, err)
	return n
}

// remove takes the group away, once the last process has left it.
func (g *memGroup) remove() {
	err := os.Remove(g.dir)
	for end := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(end); err = os.Remove(g.dir) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		g.t.Errorf("a control group is left: %v", err)
	}
}

// A group is looked for where each version of control groups has them, and what it tells is in bytes.
func TestMemGroupPlaces(t *testing.T) {
	for what, tt := range map[string]struct {
		self string
		want []groupPlace
	}{
		"version 1":                       {"5:devices:/\n4:memory:/pods/a:b\n1:cpu,cpuacct:/\n", []groupPlace{{"/R/memory/pods/a:b", "/R/memory/pods/a:b", "memory.max_usage_in_bytes"}}},
		"version 1, mounted with another": {"4:cpu,memory:/x\n", []groupPlace{{"/R/cpu,memory/x", "/R/cpu,memory/x", "memory.max_usage_in_bytes"}}},
		"version 2": {"0::/system.slice/ci.service\n", []groupPlace{
			{"/R/system.slice/ci.service", "/R/system.slice/ci.service", "memory.peak"}, {"/R/system.slice/ci.service", "/R/system.slice", "memory.peak"},
			{"/R/unified/system.slice/ci.service", "/R/unified/system.slice/ci.service", "memory.peak"},
			{"/R/unified/system.slice/ci.service", "/R/unified/system.slice", "memory.peak"}}},
		"the root of version 2": {"0::/\n", []groupPlace{{"/R", "/R", "memory.peak"}, {"/R/unified", "/R/unified", "memory.peak"}}},
		"none":                  {"12:pids:/\nnonsense\n", nil},
	} {
		if got := groupPlaces(tt.self, "/R"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", what, got, tt.want)
		}
	}
	dir := t.TempDir()
	g := &memGroup{t: t, dir: dir, peak: "memory.peak"}
	if g.counts() {
		t.Error("a group without the controller counts")
	}
	must(t, os.WriteFile(filepath.Join(dir, "memory.peak"), []byte("81788928\n"), 0o600))
	if !g.counts() || g.most() != 81788928 {
		t.Errorf("%v %d", g.counts(), g.most())
	}
}

// daemonBytes is what the daemon takes beside --mem: its code, its heap, and FUSE's
// buffers (docs/design/memory.md).
const daemonBytes = 192 << 20

// What a device takes in memory is --mem and what the documents say, at any
// moment: buffers, scratch, staging, and the daemon. A control group counts all
// of that; where there is none, what the daemon has had resident must do.
func TestSpillMemoryBound(t *testing.T) {
	const mem = 64 << 20
	dir, group := diskDir(t), newMemGroup(t)
	var d *dev
	group.in(func() { d = mount(t, "-o", "mem=64M,spill="+dir+":512M,io=threads") })
	if got := d.read("tiers/spill0/backend"); got != "threads\n" {
		t.Errorf("%s", got)
	}
	if got := d.read("tiers/spill0/size"); got != "536870912\n" {
		t.Errorf("%s", got)
	}
	for i := range 8 {
		d.put(fmt.Sprintf("a%d.npy", i), small(uint64(i), 2048, 2048))
	}
	for i := range 8 {
		d.run(fmt.Sprintf("gemm a%d.npy a%d.npy r%d.npy", i, (i+1)%8, i%3))
	}
	if peak, size := d.number("memory.peak"), d.number("memory.size"); peak > size {
		t.Errorf("the peak is %d of %d", peak, size)
	}
	peak := residentPeak(t, d)
	if peak > mem+daemonBytes {
		t.Errorf("the daemon has had %d bytes resident", peak)
	}
	if group == nil {
		return
	}
	t.Logf("the group has had %d MiB, the daemon %d MiB resident", group.most()>>20, peak>>20)
	if peak := group.most(); peak > mem+daemonBytes || peak < mem/2 {
		t.Errorf("the group has had %d bytes", peak)
	}
}
