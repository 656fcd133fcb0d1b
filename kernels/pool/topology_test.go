package pool

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// tree makes a file system of texts.
func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return m
}

// twoNodes describes 8 CPUs: two nodes of two cores with two hardware
// threads each; siblings are i and i+4, each node has one L3.
func twoNodes() map[string]string {
	f := map[string]string{
		"proc/self/status": "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nMems_allowed:\t3",
		cpuDir + "/online": "0-7", nodeDir + "/online": "0-1",
		nodeDir + "/node0/cpulist": "0-1,4-5", nodeDir + "/node1/cpulist": "2-3,6-7",
		nodeDir + "/node0/meminfo": "Node 0 MemTotal:       1024 kB\nNode 0 MemFree: 5 kB",
		nodeDir + "/node1/meminfo": "Node 1 MemTotal:       2048 kB", nodeDir + "/node0/distance": "10 21", nodeDir + "/node1/distance": "21 10",
	}
	for i := range 8 {
		core, first := i%4, i%4/2*2
		d := fmt.Sprintf("%s/cpu%d", cpuDir, i)
		f[d+"/topology/thread_siblings_list"] = fmt.Sprintf("%d,%d", core, core+4)
		for k, c := range []struct{ level, kind, size, shared string }{
			{"1", "Data", "32K", fmt.Sprintf("%d,%d", core, core+4)},
			{"1", "Instruction", "32K", fmt.Sprintf("%d,%d", core, core+4)},
			{"2", "Unified", "1M", fmt.Sprintf("%d,%d", core, core+4)},
			{"3", "Unified", "16384K", fmt.Sprintf("%d-%d,%d-%d", first, first+1, first+4, first+5)},
		} {
			x := fmt.Sprintf("%s/cache/index%d/", d, k)
			f[x+"level"], f[x+"type"], f[x+"size"], f[x+"shared_cpu_list"] = c.level, c.kind, c.size, c.shared
			f[x+"coherency_line_size"], f[x+"ways_of_associativity"] = "64", "8"
		}
	}
	return f
}

func mustTopology(t *testing.T, root fs.FS, cpus []int) *Topology {
	t.Helper()
	topo, err := ReadTopology(root, cpus)
	if err != nil {
		t.Fatal(err)
	}
	return topo
}

func TestTopologyOfTwoNodes(t *testing.T) {
	topo := mustTopology(t, tree(twoNodes()), nil)
	if len(topo.CPUs) != 8 || !slices.Equal(topo.Usable, []int{0, 1, 2, 3, 4, 5, 6, 7}) || topo.Threads() != 8 {
		t.Errorf("CPUs %v usable %v threads %d", topo.CPUs, topo.Usable, topo.Threads())
	}
	if got, want := topo.cpu(7), (CPU{ID: 7, Node: 1, Core: 3, Domain: 2}); got != want {
		t.Errorf("cpu 7 is %+v, want %+v", got, want)
	}
	if len(topo.Caches) != 14 { // L1d, L1i, L2 of four cores, two L3
		t.Errorf("%d caches: %v", len(topo.Caches), topo.Caches)
	}
	last := topo.Caches[13]
	if last.Level != 3 || last.Size != 16<<20 || last.Line != 64 || last.Ways != 8 || !slices.Equal(last.CPUs, []int{2, 3, 6, 7}) {
		t.Errorf("last cache %+v", last)
	}
	if n := topo.Nodes; len(n) != 2 || n[0].Memory != 1<<20 || n[1].Memory != 2<<20 || !slices.Equal(n[1].CPUs, []int{2, 3, 6, 7}) {
		t.Errorf("nodes %+v", n)
	}
	if topo.distance(0, 1) != 21 || topo.distance(1, 1) != 10 || topo.distance(0, 9) != 20 || topo.distance(9, 9) != 10 {
		t.Error("distances")
	}
	if c := topo.cpu(99); c.ID != 99 || c.Domain != -1 {
		t.Errorf("unknown CPU: %+v", c)
	}
}

func TestTopologyOfAFourthNodeFurtherAway(t *testing.T) {
	f := map[string]string{
		"proc/self/status": "Cpus_allowed_list:\t0-3", cpuDir + "/online": "0-3", nodeDir + "/online": "0-3",
		nodeDir + "/node0/distance": "10 32 16 20",
	}
	for i := range 4 {
		f[fmt.Sprintf("%s/node%d/cpulist", nodeDir, i)] = fmt.Sprint(i)
	}
	p := &Pool{topo: mustTopology(t, tree(f), nil)}
	p.place(4)
	var order []int
	for _, v := range p.threads[0].near {
		order = append(order, v.cpu.Node)
	}
	if !slices.Equal(order, []int{0, 2, 3, 1}) {
		t.Errorf("victims by node: %v", order)
	}
}

func TestStealOrderFollowsTheMachine(t *testing.T) {
	p := &Pool{topo: mustTopology(t, tree(twoNodes()), nil)}
	p.place(8)
	var cpus []int
	for _, v := range p.threads {
		cpus = append(cpus, v.cpu.ID)
	}
	if !slices.Equal(cpus, []int{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("workers are given CPUs %v", cpus)
	}
	var tiers [][]int
	for _, tier := range p.threads[2].tiers {
		var ids []int
		for _, v := range tier {
			ids = append(ids, v.id)
		}
		tiers = append(tiers, ids)
	}
	if got := fmt.Sprint(tiers); got != "[[2] [3 6 7] [0 1 4 5]]" {
		t.Errorf("tiers of worker 2: %s", got)
	}
	if got := p.threads[2].mask; !slices.Equal(got, []int{2, 3, 6, 7}) {
		t.Errorf("automatic pinning gives worker 2 the CPUs %v", got)
	}
}

func TestOneNodeSharesOneTier(t *testing.T) {
	f := twoNodes()
	for name := range f {
		if strings.Contains(name, "/cache/") || strings.HasPrefix(name, nodeDir) {
			delete(f, name)
		}
	}
	p := &Pool{topo: mustTopology(t, tree(f), nil)}
	p.place(3)
	if n := p.topo.Nodes; len(n) != 1 || n[0].ID != 0 || len(n[0].CPUs) != 8 {
		t.Errorf("nodes %+v", n)
	}
	if tiers := p.threads[1].tiers; len(tiers) != 2 || len(tiers[1]) != 2 {
		t.Errorf("tiers %v", tiers)
	}
	if p.threads[0].mask != nil {
		t.Errorf("bound to %v for no reason", p.threads[0].mask)
	}
}

func TestPinning(t *testing.T) {
	for pin, want := range map[Pinning]string{PinNone: "[1 3 5]", PinCPU: "[3]", PinDomain: "[3]"} {
		p := &Pool{cfg: Config{Pin: pin, CPUs: []int{1, 3, 5}}, topo: mustTopology(t, tree(twoNodes()), []int{5, 3, 1, 1})}
		p.place(3)
		if got := fmt.Sprint(p.threads[1].mask); p.threads[1].cpu.ID != 3 || got != want {
			t.Errorf("pinning %d: CPU %d mask %s, want %s", pin, p.threads[1].cpu.ID, got, want)
		}
	}
}

func TestUsableCPUsAreThoseAllowedOnlineAndAskedFor(t *testing.T) {
	f := twoNodes()
	f["proc/self/status"] = "Cpus_allowed_list:\t2-5,9"
	f[cpuDir+"/online"] = "0-4,6-9"
	root := tree(f)
	if got := mustTopology(t, root, nil).Usable; !slices.Equal(got, []int{2, 3, 4, 9}) {
		t.Errorf("usable %v", got)
	}
	if got := mustTopology(t, root, []int{4}); !slices.Equal(got.Usable, []int{4}) || got.Threads() != 1 {
		t.Errorf("usable %v", got.Usable)
	}
	for _, bad := range [][]int{{0}, {4, 5}, {}, {-1}} {
		if _, err := ReadTopology(root, bad); err == nil {
			t.Errorf("CPUs %v accepted", bad)
		}
	}
	f["proc/self/status"] = "Cpus_allowed_list:\tx"
	if _, err := ReadTopology(tree(f), nil); err == nil || !strings.Contains(err.Error(), "Cpus_allowed_list") {
		t.Errorf("a malformed mask: %v", err)
	}
	f["proc/self/status"] = "Cpus_allowed_list:\t20"
	if _, err := ReadTopology(tree(f), nil); err == nil {
		t.Error("no usable CPU accepted")
	}
}

func TestTopologyWithoutSysfs(t *testing.T) {
	topo := mustTopology(t, tree(nil), nil)
	if len(topo.Usable) == 0 || len(topo.Nodes) != 1 || topo.Quota != 0 || len(topo.Caches) != 0 {
		t.Errorf("%+v", topo)
	}
}

func TestTopologyToleratesGarbage(t *testing.T) {
	f := twoNodes()
	f[cpuDir+"/cpu0/cache/index0/level"] = "x"
	f[cpuDir+"/cpu0/cache/index1/shared_cpu_list"] = "7-3"
	f[cpuDir+"/cpu0/cache/index2/size"] = "big"
	f[nodeDir+"/node0/meminfo"] = "Node 0 MemTotal: many kB"
	f[nodeDir+"/node1/meminfo"] = "MemTotal:"
	f[nodeDir+"/node1/distance"] = "far"
	topo := mustTopology(t, tree(f), nil)
	if topo.Nodes[0].Memory != 0 || topo.Nodes[1].Memory != 0 || topo.Nodes[1].Distance != nil || topo.distance(1, 0) != 20 {
		t.Errorf("nodes %+v", topo.Nodes)
	}
	if parseSize("2G") != 2<<30 || parseSize("-1K") != 0 || parseSize("7") != 7 {
		t.Error("sizes")
	}
}

func TestTopologyOfThisMachine(t *testing.T) {
	topo := mustTopology(t, os.DirFS("/"), nil)
	n := 0
	for _, node := range topo.Nodes {
		n += len(node.CPUs)
	}
	if len(topo.Usable) < 1 || n != len(topo.CPUs) || topo.Threads() > len(topo.Usable) {
		t.Errorf("%+v", topo)
	}
}

func TestParseCPUs(t *testing.T) {
	for s, want := range map[string]string{
		"": "[]", "0": "[0]", "0-3,8": "[0 1 2 3 8]", "8,1-2,1": "[1 2 8]", "0-9:4": "[0 4 8]", "3-3": "[3]",
	} {
		if got, err := ParseCPUs(s); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{",", "1,", "a", "3-1", "-1", "0-3:0", "0-99999999", "1-", "0:x", "1 2"} {
		if got, err := ParseCPUs(s); err == nil {
			t.Errorf("%q read as %v", s, got)
		}
	}
}

func FuzzParseCPUs(f *testing.F) {
	f.Add("0-3,8,10-14:2")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseCPUs(s)
		if err != nil || len(list) == 0 {
			return
		}
		if again, err := ParseCPUs(formatCPUs(list)); err != nil || !slices.Equal(again, list) {
			t.Errorf("%q: %v became %v, %v", s, list, again, err)
		}
	})
}

func TestFormatCPUs(t *testing.T) {
	for want, list := range map[string][]int{"none": nil, "4": {4}, "0-2,5,7-8": {0, 1, 2, 5, 7, 8}} {
		if got := formatCPUs(list); got != want {
			t.Errorf("%v: %s, want %s", list, got, want)
		}
	}
}

const (
	v2Mount = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:1 - cgroup2 cgroup2 rw,nsdelegate"
	v1Mount = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
)

func TestQuota(t *testing.T) {
	const v2, v1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu,cpuacct"
	for _, c := range []struct {
		name    string
		files   map[string]string
		quota   float64
		threads int // of 8 CPUs
	}{
		{"v2 group", map[string]string{
			"proc/self/cgroup": "0::/a/b", "proc/self/mountinfo": v2Mount, v2 + "/a/b/cpu.max": "250000 100000"}, 2.5, 2},
		{"v2 parent", map[string]string{
			"proc/self/cgroup": "0::/a/b", "proc/self/mountinfo": v2Mount, v2 + "/a/b/cpu.max": "max 100000", v2 + "/a/cpu.max": "300000 100000"}, 3, 3},
		{"v2 below one CPU", map[string]string{
			"proc/self/cgroup": "0::/a", "proc/self/mountinfo": v2Mount, v2 + "/a/cpu.max": "20000 100000"}, 0.2, 1},
		{"v2 more than there is", map[string]string{
			"proc/self/cgroup": "0::/", "proc/self/mountinfo": v2Mount, v2 + "/cpu.max": "6400000 100000"}, 64, 8},
		{"v2 namespace", map[string]string{
			"proc/self/cgroup": "0::/../x", "proc/self/mountinfo": v2Mount, v2 + "/cpu.max": "200000 100000"}, 2, 2},
		{"v1 least of the line", map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n3:cpu,cpuacct:/d/e\n2:cpuset:/d", "proc/self/mountinfo": v1Mount,
			v1 + "/d/e/cpu.cfs_quota_us": "400000", v1 + "/d/e/cpu.cfs_period_us": "100000",
			v1 + "/d/cpu.cfs_quota_us": "75000", v1 + "/d/cpu.cfs_period_us": "50000",
			v1 + "/cpu.cfs_quota_us": "-1", v1 + "/cpu.cfs_period_us": "100000"}, 1.5, 1},
		{"v1 container sees a subtree", map[string]string{
			"proc/self/cgroup":                         "3:cpu,cpuacct:/docker/id/in",
			"proc/self/mountinfo":                      "32 31 0:29 /docker/id /sys/fs/cgroup/my\\040cpu rw - cgroup cgroup rw,cpu",
			"sys/fs/cgroup/my cpu/in/cpu.cfs_quota_us": "500000", "sys/fs/cgroup/my cpu/in/cpu.cfs_period_us": "100000"}, 5, 5},
		{"v1 elsewhere", map[string]string{
			"proc/self/cgroup": "3:cpu:/other", "proc/self/mountinfo": "32 31 0:29 /docker/id /c rw - cgroup cgroup rw,cpu",
			"c/cpu.cfs_quota_us": "100000", "c/cpu.cfs_period_us": "100000"}, 1, 1},
		{"not mounted", map[string]string{"proc/self/cgroup": "0::/a\nnonsense", "proc/self/mountinfo": "x - y\n1 2 3 4 5 - z"}, 0, 8},
		{"malformed", map[string]string{
			"proc/self/cgroup": "0::/a", "proc/self/mountinfo": v2Mount, v2 + "/a/cpu.max": "lots", v2 + "/cpu.max": "1 0"}, 0, 8},
	} {
		f := twoNodes()
		for name, text := range c.files {
			f[name] = text
		}
		topo := mustTopology(t, tree(f), nil)
		if topo.Quota != c.quota || topo.Threads() != c.threads {
			t.Errorf("%s: quota %g threads %d, want %g and %d", c.name, topo.Quota, topo.Threads(), c.quota, c.threads)
		}
	}
}
