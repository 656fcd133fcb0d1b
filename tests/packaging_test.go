package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The worked example of `make demo` runs to its end, finds the vowels, and takes
// its device away.
func TestDemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	out := output(t, "sh", "../tools/demo.sh", binary)
	for _, want := range []string{"\na e i o y \n", "remedy: cast text to f64 first", "\njobs.failed 0\n", `"state":"done"`} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not show %q:\n%s", want, out)
		}
	}
	if left := mounts(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left mounted: %v", left)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// systemd has nothing to say about the unit, with the program where it is here.
func TestUnitIsValid(t *testing.T) {
	text, err := os.ReadFile("../packaging/systemd/vgpu@.service")
	must(t, err)
	if !bytes.Contains(text, []byte("=/usr/bin/vgpu mount ")) {
		t.Fatal("the unit does not start /usr/bin/vgpu mount")
	}
	unit := filepath.Join(t.TempDir(), "vgpu@vgpu0.service")
	must(t, os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/bin/vgpu "), []byte(binary+" ")), 0o644))
	if out := output(t, "systemd-analyze", "verify", "--man=no", unit); strings.Contains(out, "vgpu") {
		t.Error(out)
	}
}
