package tests

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The launch figures come, whole and sane. What they amount to is for the
// benchmarks to say.
func TestBenchLaunch(t *testing.T) {
	tmp := t.TempDir()
	cmd := exec.Command(binary, "bench", "launch", "--json") // it mounts a device for the purpose
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") }), "TMPDIR="+tmp)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(tmp); err != nil || len(list) > 0 || len(mounts(tmp)) > 0 {
		t.Errorf("it left %v %v %v", list, mounts(tmp), err)
	}
	var figures []map[string]any
	if err := json.Unmarshal(out, &figures); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(figures) < 4 {
		t.Errorf("only %d figures: %s", len(figures), out)
	}
	for _, f := range figures {
		name, _ := f["name"].(string)
		if _, ok := f["aim"].(string); name == "" || !ok {
			t.Errorf("%v", f)
		}
		last := 0.0
		for _, key := range []string{"median", "p99", "max"} {
			v, ok := f[key].(float64)
			if !ok || !(v > 0) || math.IsInf(v, 0) || v < last {
				t.Errorf("%s: %s is %v", name, key, f[key])
			}
			last = v
		}
		if n, ok := f["n"].(float64); !ok || n < 1 {
			t.Errorf("%s: n is %v", name, f["n"])
		}
	}
}
