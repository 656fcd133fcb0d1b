package pool

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Topology is what Linux tells of the machine's CPUs, caches and memory, and
// of the part of it that the process may use.
type Topology struct {
	CPUs   []CPU   // online, by ID
	Caches []Cache // each cache once, by level, type and first CPU; empty if unknown
	Nodes  []Node  // NUMA nodes by ID; one, with ID 0, where the kernel knows none
	Usable []int   // IDs of the CPUs in the affinity mask
	Quota  float64 // CPUs' worth of time the cgroups allow; 0: no limit
}

// CPU is a logical CPU.
type CPU struct {
	ID     int
	Node   int // NUMA node
	Core   int // the lowest ID among its core's hardware threads
	Domain int // the lowest ID among the CPUs that share its last-level cache; -1 if unknown
}

// Cache is a cache and who shares it.
type Cache struct {
	Level int
	Type  string // Data, Instruction or Unified
	Size  int64  // bytes
	Line  int    // bytes; 0 if unknown
	Ways  int    // associativity; 0 if unknown
	CPUs  []int
}

// Node is a NUMA node.
type Node struct {
	ID       int
	CPUs     []int
	Memory   int64 // bytes; 0 if unknown
	Distance []int // to the nodes of Topology.Nodes, 10 is local; nil if unknown
}

// Where sysfs has the CPUs and the nodes
// (Documentation/ABI/stable/sysfs-devices-node, .../sysfs-devices-system-cpu).
const (
	cpuDir  = "sys/devices/system/cpu"
	nodeDir = "sys/devices/system/node"
)

// ReadTopology reads the machine's description below root, as os.DirFS("/")
// shows it: sys/devices/system, proc/self and the cgroup mounts. Where something
// is missing or malformed it falls back to less: one node, no caches, no
// limits. The usable CPUs are those of the affinity mask (of the process's
// first thread) that are also in cpus, if that is not nil; it is an error if
// there are none, or if cpus names others.
func ReadTopology(root fs.FS, cpus []int) (*Topology, error) {
	t := &Topology{Quota: readQuota(root)}
	allowed, err := allowedCPUs(root)
	if err != nil {
		return nil, err
	}
	online, err := readCPUList(root, cpuDir+"/online")
	if err != nil {
		online = allowed
	}
	t.Usable = intersect(allowed, online)
	if cpus != nil {
		want := slices.Compact(slices.Sorted(slices.Values(cpus)))
		t.Usable = intersect(want, t.Usable)
		if len(t.Usable) != len(want) {
			return nil, fmt.Errorf("pool: CPUs %s asked for, of which the process may use %s", formatCPUs(want), formatCPUs(t.Usable))
		}
	}
	if len(t.Usable) == 0 {
		return nil, errors.New("pool: no usable CPU")
	}
	t.readCPUs(root, online)
	t.readNodes(root, online)
	return t, nil
}

// Threads is the number of workers that the usable CPUs and the quota pay
// for. The quota is rounded down, to at least one: a process that overdraws it
// is stopped as a whole for up to a period (100 ms), control plane included.
func (t *Topology) Threads() int {
	n := len(t.Usable)
	if t.Quota > 0 {
		n = min(n, max(1, int(t.Quota)))
	}
	return n
}

// cpu is the CPU with the given ID.
func (t *Topology) cpu(id int) CPU {
	i, ok := slices.BinarySearchFunc(t.CPUs, id, func(c CPU, id int) int { return c.ID - id })
	if !ok {
		return CPU{ID: id, Core: id, Domain: -1}
	}
	return t.CPUs[i]
}

// distance is the distance of two nodes: 10 in one, 20 across if the kernel
// does not say.
func (t *Topology) distance(a, b int) int {
	i := slices.IndexFunc(t.Nodes, func(n Node) bool { return n.ID == a })
	k := slices.IndexFunc(t.Nodes, func(n Node) bool { return n.ID == b })
	if i >= 0 && k >= 0 && k < len(t.Nodes[i].Distance) {
		return t.Nodes[i].Distance[k]
	}
	if a == b {
		return 10
	}
	return 20
}

// readCPUs fills CPUs and Caches. A cache is listed by each CPU that shares it,
// and kept once.
func (t *Topology) readCPUs(root fs.FS, online []int) {
	seen := map[string]bool{}
	for _, id := range online {
		c := CPU{ID: id, Core: id, Domain: -1}
		dir := fmt.Sprintf("%s/cpu%d", cpuDir, id)
		if s, err := readCPUList(root, dir+"/topology/thread_siblings_list"); err == nil && len(s) > 0 {
			c.Core = s[0]
		}
		last := 0
		for _, k := range readCaches(root, dir) {
			if k.Level > last && k.Type != "Instruction" {
				last, c.Domain = k.Level, k.CPUs[0]
			}
			key := fmt.Sprint(k.Level, k.Type, k.CPUs)
			if !seen[key] {
				seen[key] = true
				t.Caches = append(t.Caches, k)
			}
		}
		t.CPUs = append(t.CPUs, c)
	}
	slices.SortStableFunc(t.Caches, func(a, b Cache) int {
		if a.Level != b.Level {
			return a.Level - b.Level
		}
		return strings.Compare(a.Type, b.Type)
	})
}

// readCaches reads the caches of the CPU at dir; it leaves out those whose
// description is incomplete.
func readCaches(root fs.FS, dir string) []Cache {
	var list []Cache
	names, err := fs.Glob(root, dir+"/cache/index*")
	if err != nil {
		return nil // cannot happen: the pattern is well-formed
	}
	for _, name := range names {
		cpus, err := readCPUList(root, name+"/shared_cpu_list")
		level := readInt(root, name+"/level")
		if err != nil || len(cpus) == 0 || level == 0 {
			continue
		}
		list = append(list, Cache{
			Level: int(level), Type: readText(root, name+"/type"), CPUs: cpus,
			Size: parseSize(readText(root, name+"/size")),
			Line: int(readInt(root, name+"/coherency_line_size")),
			Ways: int(readInt(root, name+"/ways_of_associativity")),
		})
	}
	return list
}

// readNodes fills Nodes, and the nodes of the CPUs. A kernel without NUMA has
// no list of nodes: then all CPUs are on node 0.
func (t *Topology) readNodes(root fs.FS, online []int) {
	ids, err := readCPUList(root, nodeDir+"/online")
	if err != nil || len(ids) == 0 {
		t.Nodes = []Node{{ID: 0, CPUs: online}}
		return
	}
	for _, id := range ids {
		dir := fmt.Sprintf("%s/node%d", nodeDir, id)
		n := Node{ID: id, Memory: nodeMemory(readText(root, dir+"/meminfo"))}
		if cpus, err := readCPUList(root, dir+"/cpulist"); err == nil {
			n.CPUs = intersect(cpus, online)
		}
		for _, f := range strings.Fields(readText(root, dir+"/distance")) {
			if d, err := strconv.Atoi(f); err == nil {
				n.Distance = append(n.Distance, d)
			}
		}
		t.Nodes = append(t.Nodes, n)
	}
	for i := range t.CPUs {
		for _, n := range t.Nodes {
			if slices.Contains(n.CPUs, t.CPUs[i].ID) {
				t.CPUs[i].Node = n.ID
			}
		}
	}
}

// nodeMemory finds "Node 0 MemTotal:  8128 kB" in a node's meminfo.
func nodeMemory(text string) int64 {
	_, rest, ok := strings.Cut(text, "MemTotal:")
	f := strings.Fields(rest)
	if !ok || len(f) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// readText is the file's text without surrounding space; "" if it cannot be
// read: sysfs leaves out what it does not know.
func readText(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, path.Clean(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// readInt is the file's number; 0 if there is none.
func readInt(root fs.FS, name string) int64 {
	n, err := strconv.ParseInt(readText(root, name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// parseSize reads a cache's size: 32768K.
func parseSize(s string) int64 {
	shift := 0
	switch {
	case strings.HasSuffix(s, "K"):
		shift = 10
	case strings.HasSuffix(s, "M"):
		shift = 20
	case strings.HasSuffix(s, "G"):
		shift = 30
	}
	n, err := strconv.ParseInt(strings.TrimRight(s, "KMG"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n << shift
}

// readCPUList reads a file that is a list of CPUs.
func readCPUList(root fs.FS, name string) ([]int, error) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	return ParseCPUs(strings.TrimSpace(string(b)))
}

// maxCPU bounds the numbers in a CPU list: Linux's own limit is 8192.
const maxCPU = 1 << 16

// ParseCPUs reads a list of CPUs (or nodes) as sysfs and taskset(1) write it:
// "0-3,8,10-14:2". The result is sorted, without repeats. An empty list is empty.
func ParseCPUs(s string) ([]int, error) {
	var list []int
	for _, f := range strings.Split(s, ",") {
		if f == "" && s == "" {
			break
		}
		span, by, stepped := strings.Cut(f, ":")
		lo, hi, ranged := strings.Cut(span, "-")
		if !ranged {
			hi = lo
		}
		if !stepped {
			by = "1"
		}
		a, err1 := strconv.Atoi(lo)
		b, err2 := strconv.Atoi(hi)
		step, err3 := strconv.Atoi(by)
		if err := errors.Join(err1, err2, err3); err != nil || a < 0 || b < a || b >= maxCPU || step < 1 {
			return nil, fmt.Errorf("%q is not a list of CPUs such as 0-3,8", s)
		}
		for ; a <= b; a += step {
			list = append(list, a)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// formatCPUs writes a sorted list as ParseCPUs reads it.
func formatCPUs(list []int) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		k := i
		for k+1 < len(list) && list[k+1] == list[k]+1 {
			k++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, list[i])
		if k > i {
			fmt.Fprintf(&b, "-%d", list[k])
		}
		i = k + 1
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// intersect is what two sorted lists have in common.
func intersect(a, b []int) []int {
	var both []int
	for _, x := range a {
		if _, ok := slices.BinarySearch(b, x); ok {
			both = append(both, x)
		}
	}
	return both
}
