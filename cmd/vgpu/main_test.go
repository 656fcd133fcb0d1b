package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vgpu/vfs"
)

// status runs a command line in this process.
func status(t *testing.T, args ...string) (int, string) {
	t.Helper()
	root := commandLine()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	return report(root.ExecuteContext(context.Background())), out.String()
}

// There are two ways to ask for help, and one answer.
func TestHelp(t *testing.T) {
	for _, name := range []string{"mount", "run", "completion"} {
		_, long := status(t, "help", name)
		if _, flag := status(t, name, "--help"); long != flag || !strings.Contains(long, "--help") {
			t.Errorf("vgpu help %s: %s\n--help: %s", name, long, flag)
		}
	}
}

func TestExitStatuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"version"}, 0},
		{[]string{"help"}, 0},
		{[]string{"help", "mount"}, 0},
		{[]string{"help", "help"}, 0},
		{[]string{"help", "nosuch"}, exitUsage},
		{[]string{"help", "gemm"}, exitUsage},
		{[]string{"help", "mount", "extra"}, exitUsage},
		{[]string{"completion", "nosuch"}, exitUsage},
		{[]string{"nosuch"}, exitUsage},
		{[]string{"version", "extra"}, exitUsage},
		{[]string{"run"}, exitUsage},
		{[]string{"run", "--nosuch"}, exitUsage},
		{[]string{"run", "-C", t.TempDir(), "nosuch"}, exitFailed},
		{[]string{"run", "-C", t.TempDir(), "--isa", "nosuch", "nop"}, exitUsage},
		{[]string{"run", "-C", t.TempDir(), "--cpus", "x", "nop"}, exitUsage},
		{[]string{"run", "-C", t.TempDir(), "--threads", "-1", "nop"}, exitUsage},
		{[]string{"run", "-C", t.TempDir(), "nop\nnop"}, exitUsage},
		{[]string{"run", "-C", filepath.Join(t.TempDir(), "missing"), "nop"}, exitFailed},
		{[]string{"run", "-C", t.TempDir(), "nop"}, 0},
		{[]string{"man", "nosuch"}, exitUsage},
		{[]string{"man", "a", "b"}, exitUsage},
		{[]string{"mount"}, exitUsage},
		{[]string{"mount", "--mem", "x", "/nowhere"}, exitUsage},
		{[]string{"mount", "--mem", "0", "/nowhere"}, exitUsage},
		{[]string{"mount", "--mem", "1000T", "/nowhere"}, exitLacks},
		{[]string{"mount", "--mode", "9", "/nowhere"}, exitUsage},
		{[]string{"mount", "--group", "no such group", "/nowhere"}, exitUsage},
		{[]string{"mount", "--name", "a b", "/nowhere"}, exitUsage},
		{[]string{"mount", "-o", "nosuch", "/nowhere"}, exitUsage},
		{[]string{"mount", "--mem", "32MB", "/nowhere"}, exitUsage},
		{[]string{"mount", "-o", "size=32MB", "/nowhere"}, exitUsage},
		{[]string{"mount", "-o", "spill=/tmp:32MB", "/nowhere"}, exitUsage},
		{[]string{"run", "-C", t.TempDir(), "--mem", "32MiB", "nop maxmem=16MiB"}, 0},
		{[]string{"umount", t.TempDir()}, exitFailed},
		{[]string{"bench", "nosuch"}, exitFailed},
		{[]string{"bench", "sum x"}, exitUsage},
		{[]string{"bench", "sum x", "--input", "x"}, exitUsage},
		{[]string{"bench", "nop", "--reps", "0"}, exitUsage},
		{[]string{"bench", "nop", "--reps", "-1"}, exitUsage},
		{[]string{"top", "a", "b"}, exitUsage},
		{[]string{"top", filepath.Join(t.TempDir(), "missing")}, exitFailed},
	} {
		if got, out := status(t, c.args...); got != c.want {
			t.Errorf("vgpu %s: status %d, want %d\n%s", strings.Join(c.args, " "), got, c.want, out)
		}
	}
}

func TestRunPrintsAnswers(t *testing.T) {
	dir := t.TempDir()
	got, out := status(t, "run", "-C", dir, "arange x.npy stop=10", "sum x.npy", "max x.npy")
	if got != 0 || strings.Fields(out)[0] != "45" && strings.Fields(out)[0] != "45.0" {
		t.Errorf("status %d, output %q", got, out)
	}
	if n := strings.Count(out, "\n"); n != 2 {
		t.Errorf("%d lines, want an answer each for sum and max: %q", n, out)
	}
	if _, out := status(t, "run", "-C", dir, "--stats", "nop"); !strings.Contains(out, "verb=nop") {
		t.Errorf("--stats prints %q", out)
	}
}

func TestRunStopsAtTheFirstFailure(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "steps")
	if err := os.WriteFile(file, []byte("fill a.npy:f32:2 value=1\n# nothing\nsum missing.npy\nfill b.npy:f32:2 value=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := status(t, "run", "-C", dir, "-f", file); got != exitFailed {
		t.Errorf("status %d", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "a.npy")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "b.npy")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what follows a failure was run: %v", err)
	}
}

func TestBenchJSONHasEveryField(t *testing.T) {
	got, out := status(t, "bench", "gemm a:f32:64x64 b:f32:64x64 c", "--threads", "1", "--reps", "3", "--json")
	if got != 0 {
		t.Fatalf("status %d: %s", got, out)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"command", "kernel", "isa", "threads", "reps", "seconds", "flops", "bytes", "gflops", "peak_gflops"} {
		if _, ok := r[key]; !ok {
			t.Errorf("no %s in %s", key, out)
		}
	}
	if r["kernel"] != "gemm" || r["threads"] != 1.0 || r["reps"] != 3.0 || r["flops"] != 2.0*64*64*64 {
		t.Errorf("%s", out)
	}
	if list, err := filepath.Glob("/dev/shm/vgpu-bench-*"); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestBenchTakesFiles(t *testing.T) {
	dir := t.TempDir()
	if got, out := status(t, "run", "-C", dir, "arange x.npy stop=1000"); got != 0 {
		t.Fatal(out)
	}
	if got, out := status(t, "bench", "sum x", "--reps", "1", "--input", "x="+filepath.Join(dir, "x.npy")); got != 0 || !strings.Contains(out, "1 repetitions") {
		t.Errorf("status %d: %s", got, out)
	}
}

func TestMountOptionsOfFstab(t *testing.T) {
	var o mountOptions
	err := o.parse("rw,noauto,user,nofail,_netdev,x-systemd.requires=foo.mount,comment=hello,nosuid,nodev,relatime,mem=1.5G,name=lab,group=4,mode=0750," +
		"isa=avx2,cpus=0-1+3,threads=2,state=/s,stop_timeout=3s,keep,direct,debug,ro,noexec,allow_other")
	if err != nil {
		t.Fatal(err)
	}
	want := mountOptions{
		mem: 3 << 29, state: "/s", name: "lab", group: "4", mode: "0750", isa: "avx2", cpus: "0-1,3", threads: 2, keep: true, direct: true, debug: true,
		readOnly: true, noExec: true, allowOther: true, stopTimeout: 3 * time.Second,
	}
	if o.options = nil; !equalOptions(o, want) {
		t.Errorf("%+v\nwant\n%+v", o, want)
	}
	for _, bad := range []string{"mem=x", "threads=x", "stop-timeout=x", "nosuch", "nosuch=1"} {
		var e *exitError
		if err := new(mountOptions).parse(bad); !errors.As(err, &e) || e.status != exitUsage {
			t.Errorf("-o %s: %v", bad, err)
		}
	}
}

func equalOptions(a, b mountOptions) bool {
	a.options, b.options = nil, nil
	ja, jb := optionText(a), optionText(b)
	return ja == jb
}

func optionText(o mountOptions) string {
	return strings.Join([]string{
		o.mem.String(), o.state, o.name, o.group, o.mode, o.isa, o.cpus, o.stopTimeout.String(),
		fieldText(o.keep), fieldText(o.direct), fieldText(o.debug), fieldText(o.readOnly), fieldText(o.noExec), fieldText(o.allowOther), fieldText(o.threads),
	}, "|")
}

func TestMountHelperChecksItsWords(t *testing.T) {
	for _, args := range [][]string{{}, {"a"}, {"a", "b", "c"}, {"-o", "nosuch", "a", "b"}, {"-onosuch", "a", "b"}} {
		var e *exitError
		if err := mountHelper(t.Context(), args); !errors.As(err, &e) || e.status != exitUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
	if err := mountHelper(t.Context(), []string{"vgpu0", "/nowhere", "-f", "-v", "-n", "-t", "fuse.vgpu"}); err != nil {
		t.Errorf("a fake mount: %v", err)
	}
}

func TestStateDirectory(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	for _, c := range []struct {
		o    mountOptions
		want string
	}{{mountOptions{state: "/s", name: "n"}, "/s"}, {mountOptions{name: "n"}, "/run/vgpu/n"}} {
		if got := c.o.stateDir(); got != c.want && os.Getuid() == 0 {
			t.Errorf("%+v: %s, want %s", c.o, got, c.want)
		}
	}
}

func TestFindTellsWhatIsNoDevice(t *testing.T) {
	if _, err := vfs.Find("/proc"); err == nil {
		t.Error("/proc was taken for a device")
	}
	if _, err := vfs.Find(t.TempDir()); err == nil {
		t.Error("a directory was taken for a device")
	}
}

func TestSpread(t *testing.T) {
	if got := spreadOf([]float64{3, 1, 2}); got != (spread{1, 2, 3}) {
		t.Errorf("%+v", got)
	}
	if got := spreadOf([]float64{4, 1, 2, 3}); got != (spread{1, 2.5, 4}) {
		t.Errorf("%+v", got)
	}
}

func TestDurationReads(t *testing.T) {
	for sec, want := range map[float64]string{0.0000123: "12.3 us", 0.0123: "12.30 ms", 12.3: "12.30 s"} {
		if got := duration(sec); got != want {
			t.Errorf("%g: %s, want %s", sec, got, want)
		}
	}
}

func TestSummaryOfTwoLooks(t *testing.T) {
	at := time.Unix(100, 0)
	stat := func(busy, flops string) map[string]string {
		return map[string]string{
			"state": "running", "uptime": "61.5", "flops": flops, "worker.0.busy": busy, "memory.size": "1048576", "memory.used": "524288",
			"jobs.done": "3", "buffers": "2",
		}
	}
	before, now := look{when: at, stat: stat("1", "0")}, look{when: at.Add(2 * time.Second), stat: stat("2", "2e9")}
	text := now.summary(&before)
	for _, want := range []string{"50 % busy", "1 GFLOP/s", "512 KiB of 1.0 MiB", "3 done", "up 1m2s"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// What help and the version print may not get lost unnoticed.
func TestLostOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"help"}, {"--version"}, {"run", "--help"}} {
		root := commandLine()
		root.SetArgs(args)
		if err := execute(context.Background(), root, full); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
