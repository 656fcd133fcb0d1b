package alloc

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// parseAvailable gives half of a meminfo text's MemAvailable, in bytes.
func parseAvailable(meminfo string) (int64, error) {
	for line := range strings.Lines(meminfo) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10 / 2, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemAvailable: %w", unix.ENOSYS)
}
