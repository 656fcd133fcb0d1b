package tests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Clients in several languages, with no library of ours. They are programs of
// their own in testdata/clients, and talk to the device as any program would.

func clientPath(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "clients", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// finishes runs a program that must end with status 0.
func finishes(t *testing.T, d *dev, argv ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", strings.Join(argv, " "), err, out, d.read("errors"))
	}
}

func TestClientC(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "client")
	if out, err := exec.Command("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-pthread", "-o", bin, clientPath(t, "client.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	inModes(t, func(t *testing.T, d *dev) {
		for _, step := range []string{"answers", "io", "copy", "full", "signals", "stdio"} {
			t.Run(step, func(t *testing.T) { finishes(t, d, bin, step, d.dir) })
		}
		step := "nommap"
		if d.passthrough() {
			step = "mmap"
		}
		t.Run(step, func(t *testing.T) { finishes(t, d, bin, step, d.dir) })
	})
}

func TestClientScripts(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		mode := "direct"
		if d.passthrough() {
			mode = "passthrough"
		}
		t.Run("python", func(t *testing.T) { finishes(t, d, "/usr/bin/python3", clientPath(t, "client.py"), mode, d.dir) })
		t.Run("perl", func(t *testing.T) { finishes(t, d, "perl", clientPath(t, "client.pl"), d.dir) })
		t.Run("node", func(t *testing.T) { finishes(t, d, "node", clientPath(t, "client.js"), d.dir) })
	})
}

// passthrough tells whether the device hands backing files to the kernel.
func (d *dev) passthrough() bool { return strings.Contains(d.read("info"), "\npassthrough yes\n") }
