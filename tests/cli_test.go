package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// vgpu runs the program and returns what it printed and its exit status.
func vgpu(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return execute(t, binary, stdin, args...)
}

// execute runs a program; one that is not done within a minute has failed.
func execute(t *testing.T, path, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.WaitDelay = time.Minute
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// usage is the exit status of a wrong command line: EX_USAGE of sysexits.h.
const usage = 64

func TestRunCommand(t *testing.T) {
	dir := t.TempDir()
	steps := filepath.Join(t.TempDir(), "steps")
	if err := os.WriteFile(steps, []byte("# steps\nfill s.npy:i32:4 value=5\n\nsum s.npy\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		stdin  string
		stdout string
		status int
		stderr string // part of it
	}{
		{[]string{"run", "-C", dir, "fill a.npy:f32:2x3 value=2", "sum a.npy", "max a.npy"}, "", "12.0\n2.0\n", 0, ""},
		{[]string{"run", "-C", dir, "-f", steps}, "", "20\n", 0, ""},
		{[]string{"run", "-C", dir, "-f", "-"}, "sum a.npy\nmean a.npy", "12.0\n2.0\n", 0, ""},
		{[]string{"run", "-C", dir, "sum a.npy", "-f", "-"}, "sum s.npy\n", "12.0\n20\n", 0, ""},
		{[]string{"run", "-C", dir, "fill h.npy:u64:2 value=0x10", "fill g.npy:f32:2 value=-0b1", `map "z = x + 0x10" x=h.npy z=z.npy`, "sum h.npy", "sum g.npy", "sum z.npy axis=0x0"}, "", "32\n-2.0\n64\n", 0, ""},
		{[]string{"run", "-C", dir, "fill h.npy:u64:2 value=0xg"}, "", "", 1, "is not a number\nfill h.npy:u64:2 value=0xg\n                       ^~~\nwrite a number, such as 2, -1.5e3, 0x10,"},
		{[]string{"run", "-C", dir, "sort a.npy o.npy axis=2"}, "", "", 1, "axis 2 is outside an array of 2 axes\nsort a.npy o.npy axis=2\n                      ^\naxes run from -2 to 1\n"},
		{[]string{"run", "-C", dir, "--threads", "1", "--isa", "generic", "--mem", "16M", "sum a.npy"}, "", "12.0\n", 0, ""},
		{[]string{"run", "-C", dir, "sum a.npy", "bogus", "fill after.npy:f32:1"}, "", "12.0\n", 1, "EINVAL: unknown verb bogus\nbogus\n^~~~~\n"},
		{[]string{"run", "-C", dir, "sum nosuch.npy"}, "", "", 1, "ENOENT: nosuch.npy: no such buffer\nsum nosuch.npy\n    ^~~~~~~~~~\n"},
		{[]string{"run", "-C", dir, "fault f.bin"}, "", "", 1, "EIO"},
		{[]string{"run", "-C", dir, "-f", steps + "-nosuch"}, "", "", 1, "no such file"},
		{[]string{"run", "-C", dir, "-f", "-"}, "sum a.npy\nbogus\nfill after.npy:f32:1\n", "12.0\n", 1, "bogus"},
		{[]string{"run", "-C", dir, "-f", "-"}, "nop\nsum " + strings.Repeat("x", 70000) + "\n", "", 1, "E2BIG: line 2 of /dev/stdin has more than 65536 bytes"},
		{[]string{"run", "-C", dir, "sum ../a.npy"}, "", "", 1, "EINVAL: ../a.npy: climbs out\nsum ../a.npy\n    ^~~~~~~~\noperands are paths of files inside " + dir + "\n"},
		{[]string{"run", "-C", dir}, "", "", usage, "takes commands"},
		{[]string{"run", "-C", dir, "sum a.npy\nsum a.npy"}, "", "", usage, "one line"},
		{[]string{"run", "-C", dir, "--isa", "sse9", "nop"}, "", "", usage, "isa"},
		{[]string{"run", "-C", dir, "--threads", "-1", "nop"}, "", "", usage, "threads"},
		{[]string{"run", "-C", dir, "--mem", "lots", "nop"}, "", "", usage, "mem"},
	} {
		stdout, stderr, status := vgpu(t, c.stdin, c.args...)
		if stdout != c.stdout || status != c.status || !strings.Contains(stderr, c.stderr) || (status == 0) != (stderr == "") {
			t.Errorf("%q: status %d\n%s%s", c.args, status, stdout, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "after.npy")); err == nil {
		t.Error("a command ran after one that failed")
	}
	stdout, _, status := vgpu(t, "", "run", "-C", dir, "--stats", "copy a.npy b.npy")
	if status != 0 || !regexp.MustCompile(`^job=\d+ verb=copy seconds=[0-9.]+ `).MatchString(stdout) {
		t.Errorf("--stats: %d %q", status, stdout)
	}
	stdout, _, status = vgpu(t, "", "run", "-C", dir, "explain gemm a.npy a.npy[:,0:2] c.npy tb=t")
	if status != 1 || stdout != "" {
		t.Errorf("explain of what does not fit: %d %q", status, stdout)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Ctrl-C ends a run with the status that shells know, at once.
func TestRunInterrupted(t *testing.T) {
	dir := t.TempDir()
	d := &dev{t: t, dir: dir}
	w := d.spawn(binary, "run", "fill begun:u8:1", "spin seconds=600")
	d.eventually("it works", func() bool { _, err := os.Stat(d.path("begun")); return err == nil })
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	d.ended(w)
	if got := w.cmd.ProcessState.ExitCode(); got != 130 || !strings.Contains(w.out.String(), "interrupted") {
		t.Errorf("status %d\n%s", got, w.out.String())
	}
}

func TestBenchCommand(t *testing.T) {
	stdout, stderr, status := vgpu(t, "", "bench", "gemm a:f64:64x32 b:f64:32x16 c", "--reps", "3", "--json", "--threads", "1")
	var r struct {
		Command, Kernel, ISA *string
		Threads, Reps        *int
		Seconds              map[string]float64
		Flops, Bytes, Gflops float64
		Peak                 float64 `json:"peak_gflops"`
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 {
		t.Fatalf("%v: status %d\n%s%s", err, status, stdout, stderr)
	}
	if *r.Kernel != "gemm" || *r.Command == "" || *r.ISA == "" || *r.Threads != 1 || *r.Reps != 3 || r.Flops != 2*64*32*16 ||
		r.Bytes != 8*(64*32+32*16+64*16) || r.Gflops <= 0 || r.Peak <= 0 {
		t.Errorf("%s", stdout)
	}
	if s := r.Seconds; !(s["min"] > 0 && s["min"] <= s["median"] && s["median"] <= s["max"]) {
		t.Errorf("%v", s)
	}
	in := filepath.Join(t.TempDir(), "x.npy")
	if _, stderr, status := vgpu(t, "", "run", "-C", filepath.Dir(in), "random x.npy:f32:1000"); status != 0 {
		t.Fatal(stderr)
	}
	stdout, stderr, status = vgpu(t, "", "bench", "sum x", "--input", "x="+in, "--reps", "2")
	if status != 0 || !strings.Contains(stdout, "2 repetitions") {
		t.Errorf("%d\n%s%s", status, stdout, stderr)
	}
	for want, args := range map[int][][]string{
		usage: {{"bench"}, {"bench", "sum x"}, {"bench", "sum x:f32:8", "--input", "x"}, {"bench", "--nosuch"}},
		1:     {{"bench", "bogus"}, {"bench", "sum x", "--input", "x=/nosuch"}, {"bench", "sum 'x"}},
	} {
		for _, a := range args {
			if stdout, stderr, status := vgpu(t, "", a...); status != want || stderr == "" || stdout != "" {
				t.Errorf("%q: status %d, want %d\n%s%s", a, status, want, stdout, stderr)
			}
		}
	}
	if left, err := filepath.Glob("/dev/shm/vgpu-bench-*"); err != nil || len(left) > 0 {
		t.Logf("in /dev/shm, perhaps of others: %v, %v", left, err)
	}
}

func TestLooking(t *testing.T) {
	d := mount(t)
	stdout, _, status := vgpu(t, "", "info", "--json")
	var info map[string]any
	if err := json.Unmarshal([]byte(stdout), &info); err != nil || status != 0 {
		t.Fatalf("%v: %d %s", err, status, stdout)
	}
	for _, key := range []string{"version", "abi", "arch", "isa", "threads", "peak_flops_f32", "peak_bytes"} {
		if info[key] == nil {
			t.Errorf("info has no %s: %s", key, stdout)
		}
	}
	// Of a device they are of the same types.
	stdout, _, status = vgpu(t, "", "info", "--json", "-d", d.dir)
	var mounted map[string]any
	if err := json.Unmarshal([]byte(stdout), &mounted); err != nil || status != 0 {
		t.Fatalf("%v: %d %s", err, status, stdout)
	}
	for key, v := range info {
		if m, ok := mounted[key]; ok && reflect.TypeOf(m) != reflect.TypeOf(v) {
			t.Errorf("%s is %v of a device, %v without", key, m, v)
		}
	}
	stdout, _, status = vgpu(t, "", "info", "-d", d.dir)
	passthrough := "yes"
	if !passesThrough(t) {
		passthrough = "no"
	}
	if status != 0 || !regexp.MustCompile(`(?m)^passthrough +`+passthrough+`$`).MatchString(stdout) {
		t.Errorf("info of a device: %d\n%s", status, stdout)
	}
	d.run("fill a.npy:f32:1000", "sum a.npy")
	stdout, _, status = vgpu(t, "", "top", "--once", d.dir)
	if status != 0 || !strings.Contains(stdout, "running, up") || !strings.Contains(stdout, "sum a.npy") || !strings.Contains(stdout, "main") {
		t.Errorf("top: %d\n%s", status, stdout)
	}
	for _, args := range [][]string{{"top", d.dir}, {"top", "-n", "0s", d.dir}, {"top", "-n", "-1s", d.dir}} { // no terminal, no time
		if _, stderr, status := vgpu(t, "", args...); status != usage || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: %d\n%s", args, status, stderr)
		}
	}
	if _, stderr, status := vgpu(t, "", "top", "--once", t.TempDir()); status != 1 || stderr == "" {
		t.Errorf("top of no device: %d %s", status, stderr)
	}
	stdout, _, status = vgpu(t, "", "man")
	if status != 0 || strings.Count(stdout, "\n") < 40 {
		t.Errorf("man: %d\n%s", status, stdout)
	}
	stdout, _, status = vgpu(t, "", "man", "gemm")
	if status != 0 || stdout != d.read("kernels/gemm") {
		t.Errorf("man gemm: %d, is not kernels/gemm", status)
	}
	stdout, _, status = vgpu(t, "", "man", "--roff", "gemm")
	if status != 0 || !strings.Contains(stdout, ".TH ") {
		t.Errorf("man --roff: %d\n%.200s", status, stdout)
	}
	a, _, s1 := vgpu(t, "", "version")
	b, _, s2 := vgpu(t, "", "--version")
	if a != b || s1 != 0 || s2 != 0 || !strings.HasPrefix(a, "vgpu ") {
		t.Errorf("%d %q, %d %q", s1, a, s2, b)
	}
	stdout, stderr, status := vgpu(t, "", "doctor")
	if status != 0 || regexp.MustCompile(`(?m)^bad`).MatchString(stdout) || strings.Count(stdout, "\nok") < 5 {
		t.Errorf("doctor: %d\n%s%s", status, stdout, stderr)
	}
}

// needMappings skips a test of shared writable mappings where there is no
// passthrough, which has them.
func needMappings(t *testing.T) {
	t.Helper()
	if !passesThrough(t) {
		t.Skip("shared mappings of buffers need Linux 6.9 and root")
	}
}

// passesThrough tells whether a device here can have passthrough: the kernel
// knows it, and lets root's daemons have it.
func passesThrough(t *testing.T) bool {
	t.Helper()
	return os.Geteuid() == 0 && !kernelBefore(t, 6, 9)
}

// needRoot skips a test of what only root may: to act as several users, or to
// mount more than devices. The others pass as an ordinary user.
func needRoot(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(what + " needs root")
	}
}

// kernelBefore tells whether Linux here is older than a version.
func kernelBefore(t *testing.T, major, minor int) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	var a, b int
	if _, err := fmt.Sscanf(string(text), "%d.%d", &a, &b); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return a < major || a == major && b < minor
}

// newOwner is whom a file of ours can be given to: anybody if we are root, else
// ourselves.
func newOwner() (uid, gid int) {
	if os.Geteuid() != 0 {
		return os.Geteuid(), os.Getegid()
	}
	return 12, 34
}

// A wrong command line is status 64, says what is wrong, and prints nothing on
// standard output.
func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"bogus"}, {"--bogus"}, {"version", "x"}, {"info", "x"}, {"info", "--nosuch"}, {"man", "nosuch"}, {"man", "a", "b"}, {"doctor", "x"},
		{"mount"}, {"mount", "/a", "/b"}, {"mount", "--mem", "x", "/a"}, {"mount", "-o", "nosuch", "/nosuch/dir"}, {"mount", "-o", "mem=x", "/nosuch/dir"},
		{"mount", "--mode", "999", "/nosuch/dir"}, {"mount", "--group", "no-such-group", "/nosuch/dir"}, {"mount", "--isa", "x", "/nosuch/dir"},
		{"mount", "--name", "a/b", "/nosuch/dir"}, {"mount", "--cpus", "x", "/nosuch/dir"}, {"mount", "--stop-timeout", "x", "/nosuch/dir"},
		{"mount", ""}, {"mount", "--stop-timeout", "-1s", "/nosuch/dir"}, {"mount", "-o", "remount", "/nosuch/dir"},
		{"umount"}, {"umount", "a", "b"}, {"top", "a", "b"}, {"run"}, {"completion", "ksh"},
	} {
		stdout, stderr, status := vgpu(t, "", args...)
		if status != usage || stdout != "" || !strings.HasPrefix(stderr, "vgpu: ") {
			t.Errorf("%q: status %d\n%s%s", args, status, stdout, stderr)
		}
	}
	if _, err := os.Stat("/nosuch"); err == nil {
		t.Error("a refused mount made its mount point")
	}
	if stdout, _, status := vgpu(t, ""); status != 0 || !strings.Contains(stdout, "mount") {
		t.Errorf("without arguments: %d\n%s", status, stdout)
	}
	if stdout, _, status := vgpu(t, "", "run", "--help"); status != 0 || !strings.Contains(stdout, "-C") {
		t.Errorf("--help: %d\n%s", status, stdout)
	}
}

// A directory that is no device is said to be none, with where to find one, whatever
// was to be done with it.
func TestNoDevice(t *testing.T) {
	other := t.TempDir()
	must(t, os.WriteFile(filepath.Join(other, "info"), []byte("name nothing\n"), 0o644))
	refused := func(remedy string) {
		t.Helper()
		for _, dir := range []string{t.TempDir(), other, filepath.Join(other, "missing"), filepath.Join(other, "info"), "/proc"} {
			for _, args := range [][]string{{"top"}, {"top", "--once"}, {"umount"}, {"info", "-d"}, {"info", "--json", "-d"}, {"bench", "launch", "-d"}, {"bench", "mount", "--size", "8", "-d"}} {
				stdout, stderr, status := vgpu(t, "", append(args, dir)...)
				if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "vgpu: "+dir+" is not a vgpu device; ") || !strings.Contains(stderr, remedy) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("%q %s: %d %s%s", args, dir, status, stdout, stderr)
				}
			}
		}
	}
	refused("") // vgpu mount makes one, or what others have mounted
	d := mount(t)
	refused(d.dir)
	if stdout, _, status := vgpu(t, "", "__complete", "umount", ""); status != 0 || !strings.Contains(stdout, d.dir+"\n") {
		t.Errorf("umount completes %s", stdout)
	}
	if _, stderr, status := vgpu(t, "", "umount", "-q", other); status != 0 || stderr != "" {
		t.Errorf("umount -q: %d %s", status, stderr)
	}
}

// Sizes are in powers of 1024, by their short names and by IEC's; others are refused
// with what to write.
func TestSizes(t *testing.T) {
	for _, size := range []string{"67108864", "65536K", "65536KiB", "64M", "64MiB", "64mib", "0.0625G", "0.0625GiB"} {
		if got := mount(t, "--mem", size).read("tiers/ram/size"); got != "67108864\n" {
			t.Errorf("--mem %s: %s", size, got)
		}
	}
	dir := t.TempDir()
	for _, args := range [][]string{
		{"mount", "--mem", "32MB", "/nosuch/dir"}, {"mount", "-o", "mem=32MB", "/nosuch/dir"}, {"mount", "-o", "quota=32mb", "/nosuch/dir"},
		{"mount", "--spill", dir + ":32MB", "/nosuch/dir"}, {"run", "--mem", "32MB", "nop"}, {"bench", "disk", "--size", "32MB", dir},
	} {
		if _, stderr, status := vgpu(t, "", args...); status != usage || !strings.Contains(stderr, "write 32M or 32MiB") {
			t.Errorf("%q: %d %s", args, status, stderr)
		}
	}
	if _, stderr, status := vgpu(t, "", "run", "-C", dir, "nop maxmem=32MB"); status != 1 || !strings.Contains(stderr, "write 32M or 32MiB") {
		t.Errorf("maxmem=: %d %s", status, stderr)
	}
}

// The completion scripts parse in their shells, and complete kernels' names.
func TestCompletions(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		stdout, stderr, status := vgpu(t, "", "completion", shell)
		if status != 0 || len(stdout) < 1000 {
			t.Errorf("%s: %d %s", shell, status, stderr)
		}
		if path, err := exec.LookPath(shell); err == nil {
			if _, stderr, status := execute(t, path, stdout, "-n"); status != 0 {
				t.Errorf("%s -n: %s", shell, stderr)
			}
		}
	}
	for word, args := range map[string][]string{ // what flags of a few values take
		"generic": {"run", "--isa", ""}, "avx512": {"mount", "--isa", "avx5"}, "avx2": {"tune", "--isa", "a"}, "uring": {"mount", "--io", ""},
		"threads": {"bench", "disk", "--backend", "t"}, "c128": {"bench", "mount", "--dtype", "c"}, "read-1m-qd8": {"bench", "disk", "--shape", "read-"},
	} {
		stdout, _, status := vgpu(t, "", append([]string{"__complete"}, args...)...)
		if status != 0 || !strings.Contains("\n"+stdout, "\n"+word+"\n") || !strings.HasSuffix(stdout, "\n:4\n") { // and no files
			t.Errorf("%q: %d %s", args, status, stdout)
		}
	}
	if stdout, _, status := vgpu(t, "", "__complete", "man", "gem"); status != 0 || !strings.Contains(stdout, "\ngemm\n") {
		t.Errorf("%d %s", status, stdout)
	}
}
