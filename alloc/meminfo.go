package alloc

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultMem is half of the memory that is available to us: on the machine, and
// within the limits of our control groups.
func defaultMem() (int64, error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	available, err := parseAvailable(string(info))
	if err != nil {
		return 0, err
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without control groups
		return 0, err
	}
	return min(available, groupLimit("/sys/fs/cgroup", string(groups))) / 2, nil
}

// parseAvailable gives a meminfo text's MemAvailable, in bytes.
func parseAvailable(meminfo string) (int64, error) {
	for line := range strings.Lines(meminfo) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemAvailable: %w", unix.ENOSYS)
}

// groupLimit gives the least memory.max of the process's control group (version
// 2, mounted at root) and those above it. groups is /proc/self/cgroup. Where
// there is no such file there is no limit: at the root, or in version 1.
func groupLimit(root, groups string) int64 {
	limit := int64(math.MaxInt64)
	for line := range strings.Lines(groups) {
		path, unified := strings.CutPrefix(strings.TrimSpace(line), "0::/")
		for ; unified; path = filepath.Dir(path) {
			text, _ := os.ReadFile(filepath.Join(root, path, "memory.max"))
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil { // "max" is none
				limit = min(limit, n)
			}
			if path == "" || path == "." {
				break
			}
		}
	}
	return limit
}
