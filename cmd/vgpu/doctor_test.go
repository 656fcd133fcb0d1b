package main

import (
	"os"
	"path/filepath"
	"testing"
)

// What a device's info says of passthrough is what doctor says of it.
func TestDoctorPassthrough(t *testing.T) {
	for text, level := range map[string]string{"name x\npassthrough yes\n": "ok", "passthrough no\nmmap_shared no\n": "note", "name x\n": "note"} {
		file := filepath.Join(t.TempDir(), "info")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := readFields(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := mountFinding(info); got.level != level || (got.remedy != "") != (level == "note") {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
