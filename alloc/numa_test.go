package alloc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Nodes that have memory share the tmpfs; one node, or a machine that does not tell, gives no policy.
func TestNUMAPolicy(t *testing.T) {
	for text, want := range map[string]string{"0\n": "", "": "", "3\n": "", "0-1\n": "mpol=interleave:0-1", "0,2-3\n": "mpol=interleave:0,2-3"} {
		dir := t.TempDir()
		ok(t, os.WriteFile(filepath.Join(dir, "has_memory"), []byte(text), 0o644))
		if got := numaPolicy(dir); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := numaPolicy(t.TempDir()); got != "" {
		t.Errorf("no nodes: %q", got)
	}
}

// Each option that a kernel does not know is left out, and the mount is made all the same.
func TestMountOptions(t *testing.T) {
	all := tmpfsOptions(1<<20, "mpol=interleave:0-1")
	if len(all) != 4 || all[0] != "size=1048576,mode=0700,huge=within_size,mpol=interleave:0-1" || all[3] != "size=1048576,mode=0700" {
		t.Errorf("%q", all)
	}
	if one := tmpfsOptions(1<<20, ""); len(one) != 2 || strings.Contains(strings.Join(one, " "), "mpol") {
		t.Errorf("%q", one)
	}
	if os.Geteuid() != 0 {
		return
	}
	cfg, inject := config(t, onTmpfs, 4<<20)
	refused := 0
	inject.arm(func(op, _ string) error {
		if op == "mount" && refused == 0 {
			refused++
			return unix.EINVAL
		}
		return nil
	})
	s := openWith(t, cfg)
	if !s.ram.mounted || refused != 1 {
		t.Errorf("mounted %v after %d refusals", s.ram.mounted, refused)
	}
}
