package alloc

import (
	"os"
	"path/filepath"
	"strings"
)

// nodesDir is where the kernel tells of NUMA nodes.
const nodesDir = "/sys/devices/system/node"

// numaPolicy is the mount option that spreads a tmpfs over the NUMA nodes that
// have memory, page by page: a job's threads are on all of them, and so each
// node's memory gives its share of the bandwidth. It is "" where there is one
// node, or no telling. dir is nodesDir.
func numaPolicy(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "has_memory"))
	nodes := strings.TrimSpace(string(text))
	if err != nil || !strings.ContainsAny(nodes, ",-") { // one node, such as "0"; or a kernel without NUMA
		return ""
	}
	return "mpol=interleave:" + nodes
}
