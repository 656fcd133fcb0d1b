package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memGroup is a control group that counts the memory of what runs in it: the
// processes' own, and the pages that they are the first to touch, such as those
// of a tmpfs.
type memGroup struct {
	t           *testing.T
	parent, dir string
	peak        string // the file that tells the most there was
}

// newMemGroup makes a group below our own, with version 1 or 2 of the memory
// controller; nil where there is none, or it is not ours to divide.
func newMemGroup(t *testing.T) *memGroup {
	t.Helper()
	for _, kind := range []struct{ controller, peak string }{{"memory", "memory.max_usage_in_bytes"}, {"", "memory.peak"}} {
		for _, parent := range ownGroups(kind.controller) {
			g := &memGroup{t, parent, filepath.Join(parent, testPrefix+"memory"), kind.peak}
			if err := os.Mkdir(g.dir, 0o755); err != nil {
				continue
			}
			t.Cleanup(g.remove)
			if _, err := os.Stat(filepath.Join(g.dir, g.peak)); err == nil && g.join(g.dir) == nil {
				must(t, g.join(g.parent))
				return g
			}
		}
	}
	return nil
}

// ownGroups are the directories that our group of a hierarchy may be: of
// version 2 if the controller is "". See cgroups(7).
func ownGroups(controller string) (dirs []string) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || f[1] != controller {
			continue
		}
		for _, root := range []string{"/sys/fs/cgroup/" + controller, "/sys/fs/cgroup/unified"} {
			dirs = append(dirs, filepath.Join(root, f[2]))
		}
	}
	return dirs
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
	defer func() { must(g.t, g.join(g.parent)) }()
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
