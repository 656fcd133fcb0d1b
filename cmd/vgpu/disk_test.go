package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// diskDir is a directory on a disk.
func diskDir(t *testing.T) string {
	t.Helper()
	for _, base := range []string{"", "/var/tmp", "."} {
		dir, err := os.MkdirTemp(base, "vgpu-disk-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if checkDisk(dir, 64<<20) == nil {
			return dir
		}
	}
	t.Fatal("no directory on a disk: TMPDIR names one")
	return ""
}

func TestBenchDisk(t *testing.T) {
	for _, backend := range []string{"uring", "threads"} {
		dir := diskDir(t)
		if f := iouring.Probe(); backend == "uring" && !f.Usable {
			if got, out := status(t, "bench", "disk", dir, "--backend", backend); got != exitFailed {
				t.Errorf("%d without io_uring (%v): %s", got, f, out)
			}
			continue
		}
		got, out := status(t, "bench", "disk", dir, "--json", "--backend", backend, "--size", "32M", "--samples", "2", "--seconds", "0.001")
		var r diskResult
		if err := json.Unmarshal([]byte(out), &r); got != 0 || err != nil {
			t.Fatalf("%d, %v: %s", got, err, out)
		}
		if r.Backend != backend || r.Size != 32<<20 || len(r.Shapes) != len(diskShapes) {
			t.Errorf("%+v", r)
		}
		for i, s := range r.Shapes {
			want := diskShapes[i]
			if s.Name != want.Name || s.Op != want.code.String() || s.Rate.Min <= 0 || s.Rate.Median < s.Rate.Min || s.Rate.Max < s.Rate.Median || s.IOPS*float64(s.Block) < s.Rate.Median*0.999 {
				t.Errorf("%s: %+v", want.Name, s)
			}
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%v is left over, %v", list, err)
		}
	}
}

func TestBenchDiskForAPerson(t *testing.T) {
	got, out := status(t, "bench", "disk", diskDir(t), "--size", "32M", "--samples", "1", "--seconds", "0.001", "--shape", "read-1m-qd8", "--shape", "randread-4k-qd1")
	if got != 0 || strings.Count(out, "\n") < 4 || !strings.Contains(out, "read-1m-qd8") || strings.Contains(out, "qd32") {
		t.Errorf("%d: %s", got, out)
	}
}

func TestBenchDiskRefuses(t *testing.T) {
	dir := diskDir(t)
	for _, x := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{dir, "--size", "1M"}, exitUsage, "32M"},
		{[]string{dir, "--samples", "0"}, exitUsage, "one sample"},
		{[]string{dir, "--shape", "walk"}, exitUsage, "read-1m-qd1"},
		{[]string{dir, "--backend", "dma"}, exitUsage, "uring or threads"},
		{[]string{dir, "--size", "1000T"}, exitFailed, "--size"},
		{[]string{dir + "/none"}, exitFailed, "no such file"},
		{[]string{"/dev/shm"}, exitFailed, "a directory on a disk"},
		{[]string{"/proc", "--size", "32M"}, exitFailed, ""},
		{nil, exitUsage, "a directory"},
	} {
		_, err := benchArgs(x.args...)
		var e *exitError
		got := exitFailed
		if errors.As(err, &e) {
			got = e.status
		}
		if err == nil || got != x.want || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%q: %d, %v", x.args, got, err)
		}
	}
}

// benchArgs runs `vgpu bench disk` and returns its error.
func benchArgs(args ...string) (string, error) {
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"bench", "disk"}, args...))
	err := root.ExecuteContext(context.Background())
	return out.String(), err
}

func TestBenchDiskStops(t *testing.T) {
	c, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := benchDisk(c, &diskOptions{size: 32 << 20, samples: 1, seconds: 60}, diskDir(t))
	if !errors.Is(err, context.Canceled) && !errors.Is(err, unix.ECANCELED) {
		t.Error(err)
	}
}

func TestBenchDiskProgress(t *testing.T) {
	var b bytes.Buffer
	d := diskBench{progress: &b}
	d.say("%s", "x")
	d.say("")
	if b.String() != "\r\x1b[Kx\r\x1b[K" {
		t.Errorf("%q", b.String())
	}
}
