package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"vgpu/kernels/tune"
)

func TestTuneFails(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "CACHE_DIRECTORY"} {
		t.Setenv(name, "")
	}
	if code, _ := status(t, "tune"); code != exitLacks {
		t.Errorf("nowhere to put findings: status %d", code)
	}
	if code, _ := status(t, "tune", "all"); code != exitUsage {
		t.Errorf("an operand: status %d", code)
	}
	if code, _ := status(t, "tune", "--state", t.TempDir(), "--threads", "-1"); code != exitUsage {
		t.Errorf("-1 threads: status %d", code)
	}
}

func TestTuningCache(t *testing.T) {
	t.Setenv("CACHE_DIRECTORY", "")
	t.Setenv("XDG_CACHE_HOME", "/x")
	if dir := tuningCache(); dir != "/x/vgpu/tuning" {
		t.Errorf("by XDG: %s", dir)
	}
	t.Setenv("CACHE_DIRECTORY", "/var/cache/vgpu")
	if dir := tuningCache(); dir != filepath.Join("/var/cache/vgpu", "tuning") {
		t.Errorf("by systemd: %s", dir)
	}
}

// broken is where nothing can be written.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

func TestTunePrinter(t *testing.T) {
	e := &tune.Entry{
		Key:   tune.Key{Kernel: "gemm", Class: "f32.nn.64x64x64", Threads: 2},
		Value: map[string]int{"nc": 2, "mc": 1}, Evidence: tune.Evidence{Gflops: 110, Default: 100},
	}
	var b bytes.Buffer
	p := &tunePrinter{out: &b}
	p.begin("/somewhere", 2)
	p.progress(tune.Progress{Done: 1, Total: 2})
	p.progress(tune.Progress{Done: 2, Total: 2, Entry: e})
	for _, want := range []string{"2 threads; findings go to /somewhere", "gemm.f32.nn.64x64x64.t2", "+10.0%", "mc=1 nc=2"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	p = &tunePrinter{out: &b, json: true}
	p.begin("/somewhere", 2)
	p.progress(tune.Progress{Entry: e})
	if got, err := tune.Parse(b.Bytes()); got != nil || err == nil || strings.Count(b.String(), "\n") != 1 || p.found != 1 {
		t.Errorf("%q, %v", b.String(), err) // not an entry: it has no schema
	}
	p = &tunePrinter{out: broken{}}
	if p.begin("", 1); !errors.Is(p.err, errors.ErrUnsupported) {
		t.Errorf("a full pipe is not told: %v", p.err)
	}
}
