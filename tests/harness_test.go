// Package tests drives the built binary from outside: through real mounts,
// with real shells and real clients. It imports nothing of vgpu.
package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the vgpu under test, built once a run.
var binary string

// testPrefix begins the names of this run's temporary directories: another run
// may be under way.
var testPrefix = fmt.Sprintf("vgpu-tests-%d-", os.Getpid())

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", testPrefix)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "vgpu")
	if err := build(binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Chmod(dir, 0o755) // ordinary users run it too
	if err := ownCache(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if left := mounts(testPrefix); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "mounts are left over:", left)
		code = 1
	}
	if left := leftProcesses(dir); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "processes are left over:", left)
		code = 1
	}
	return code
}

// ownCache keeps what the user has tuned away from the devices, which would take it,
// or list it as an error if it is of another version; go's own cache stays where it is.
func ownCache(dir string) error {
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return fmt.Errorf("go env GOCACHE: %w", err)
	}
	return errors.Join(os.Setenv("GOCACHE", strings.TrimSpace(string(cache))), os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache")))
}

// leftProcesses lists the processes that run a binary below dir, once those
// that are about to end have had the time.
func leftProcesses(dir string) (left []string) {
	for range 200 {
		left = nil
		links, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			panic(err)
		}
		for _, l := range links {
			if exe, err := os.Readlink(l); err == nil && strings.HasPrefix(exe, dir+"/") {
				left = append(left, l)
			}
		}
		if len(left) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return left
}

// build builds the binary; with VGPU_COVER it counts what it runs into that
// directory.
func build(out string) error {
	args := []string{"build", "-o", out}
	if dir := os.Getenv("VGPU_COVER"); dir != "" {
		abs, err := filepath.Abs(filepath.Join("..", dir))
		if filepath.IsAbs(dir) {
			abs, err = dir, nil
		}
		if err != nil {
			return err
		}
		os.Setenv("GOCOVERDIR", abs)
		args = append(args, "-cover", "-coverpkg=vgpu/alloc/...,vgpu/cmd/...,vgpu/device/...,vgpu/iouring/...,vgpu/kernels/...,vgpu/vfs/...")
	}
	cmd := exec.Command("go", append(args, "vgpu/cmd/vgpu")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}

// mounts lists the mount points whose path contains part.
func mounts(part string) []string {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		panic(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); strings.Contains(f[1], part) {
			out = append(out, f[1])
		}
	}
	return out
}

// modes are the ways of reading and writing buffers, which every test of them
// runs in.
var modes = []struct {
	name  string
	flags []string
}{{"passthrough", nil}, {"direct", []string{"--direct"}}}

// inModes runs a test in each mode, on a device of its own.
func inModes(t *testing.T, f func(t *testing.T, d *dev), flags ...string) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { f(t, mount(t, append(flags, m.flags...)...)) })
	}
}

// dev is a mounted device.
type dev struct {
	t        *testing.T
	dir      string // the mount point
	state    string
	cmd      *exec.Cmd
	flags    []string
	log      bytes.Buffer
	exited   chan error
	base     map[string]int // goroutines and descriptors when it was mounted
	stopped  bool
	mayPanic bool
}

// mount starts a daemon with a mount point and a state of its own. When the
// test ends it is stopped, and must leave nothing behind.
func mount(t *testing.T, flags ...string) *dev {
	t.Helper()
	top, err := os.MkdirTemp("", testPrefix+strings.Map(safe, t.Name())+"-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &dev{t: t, dir: filepath.Join(top, "vgpu0"), state: filepath.Join(top, "state"), flags: flags}
	t.Cleanup(func() {
		if !d.stopped {
			d.stop()
		}
		if left := mounts(top); len(left) > 0 {
			t.Errorf("mounts are left over: %v", left)
			for range left {
				for _, m := range left {
					syscall.Unmount(m, syscall.MNT_DETACH)
				}
			}
		}
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	d.start()
	return d
}

func safe(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

// start runs the daemon and waits until it is mounted.
func (d *dev) start() {
	d.t.Helper()
	args := append([]string{"mount", "--mem", "512M", "--state", d.state}, d.flags...)
	d.cmd = exec.Command(binary, append(args, d.dir)...)
	d.log.Reset()
	d.cmd.Stderr, d.cmd.Stdout = &d.log, &d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.exited = make(chan error, 1)
	cmd, exited := d.cmd, d.exited
	go func() { exited <- cmd.Wait() }()
	d.stopped = false
	d.eventually("the device is mounted", func() bool {
		select {
		case err := <-d.exited:
			d.exited <- err
			d.t.Fatalf("the daemon ended before it mounted: %v\n%s", err, d.log.String())
		default:
		}
		_, err := os.ReadFile(filepath.Join(d.dir, "info"))
		return err == nil
	})
	d.run("nop") // what is made at first use is there from now on
	d.eventually("rates are measured", func() bool { return strings.Contains(d.read("info"), "peak_bytes") })
	d.base = d.counts()
}

// counts reads the gauges that tell a leak, and counts the buffers that are mapped.
func (d *dev) counts() map[string]int {
	out := map[string]int{}
	for line := range strings.Lines(d.read("stat")) {
		f := strings.Fields(line)
		if f[0] == "goroutines" || f[0] == "descriptors" || f[0] == "panics" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				d.t.Fatal(err)
			}
			out[f[0]] = n
		}
	}
	out["mappings"] = d.mapped()
	return out
}

// mapped is how many files in the device's folder the daemon has mapped.
func (d *dev) mapped() int {
	d.t.Helper()
	folder := d.state + "/"
	if os.Geteuid() != 0 {
		folder = "/dev/shm/vgpu-"
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", d.cmd.Process.Pid))
	must(d.t, err)
	files := map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) > 5 && strings.HasPrefix(f[5], folder) { // proc_pid_maps(5)
			files[f[4]] = true // the inode: a mapping of one file may be in pieces
		}
	}
	return len(files)
}

// warmMappings is how many buffers the daemon keeps mapped for the next job (alloc/warm.go).
const warmMappings = 32

// slack is how many goroutines and descriptors may come and go: go-fuse keeps
// readers for bursts of requests, and a handle's release comes after close.
const slack = 16

// stop ends the daemon as systemd does and checks that it left nothing.
func (d *dev) stop() {
	d.t.Helper()
	d.stopped = true
	d.checkLeaks()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Errorf("the daemon is gone: %v\n%s", err, d.log.String())
		return
	}
	d.waitExit(0)
}

func (d *dev) checkLeaks() {
	d.t.Helper()
	var now map[string]int
	if !d.within(10*time.Second, func() bool {
		now = d.counts()
		return now["descriptors"] <= d.base["descriptors"]+2 && now["goroutines"] <= d.base["goroutines"]+slack &&
			now["mappings"] <= d.base["mappings"]+warmMappings
	}) {
		d.t.Errorf("leak: %v when mounted, %v now", d.base, now)
	}
	if now["panics"] > 0 && !d.mayPanic {
		d.t.Errorf("%d panics in file operations:\n%s", now["panics"], d.log.String())
	}
}

// waitExit waits for the daemon's end and checks its status.
func (d *dev) waitExit(status int) {
	d.t.Helper()
	select {
	case <-d.exited:
		if got := d.cmd.ProcessState.ExitCode(); got != status {
			d.t.Errorf("the daemon ended with %v, want status %d\n%s", d.cmd.ProcessState, status, d.log.String())
		}
	case <-time.After(30 * time.Second):
		d.cmd.Process.Signal(syscall.SIGQUIT)
		<-d.exited
		d.t.Errorf("the daemon did not end\n%s", d.log.String())
	}
}

// kill ends the daemon as a crash does.
func (d *dev) kill() {
	d.t.Helper()
	d.stopped = true
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Fatal(err)
	}
	<-d.exited
}

// within polls until f holds or the time is over.
func (d *dev) within(limit time.Duration, f func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if f() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// eventually fails the test if f does not come to hold.
func (d *dev) eventually(what string, f func() bool) {
	d.t.Helper()
	if !d.within(30*time.Second, f) {
		d.t.Fatalf("it did not come about that %s\n%s", what, d.log.String())
	}
}

func (d *dev) path(rel string) string { return filepath.Join(d.dir, rel) }

func (d *dev) read(rel string) string {
	d.t.Helper()
	text, err := os.ReadFile(d.path(rel))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// write writes to an existing file as a shell's `>` does. EIO from close(2) of a queue's ctl is no refusal: it tells that a job,
// perhaps one that these lines started, has failed already. Whoever asks `wait` hears of it again.
func (d *dev) write(rel, text string) error {
	f, err := os.OpenFile(d.path(rel), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	closed := f.Close()
	if errors.Is(closed, syscall.EIO) && strings.HasSuffix(rel, "/ctl") {
		closed = nil
	}
	return errors.Join(err, closed)
}

// try runs lines and returns the error.
func (d *dev) try(lines ...string) error { return d.write("run", strings.Join(lines, "\n")+"\n") }

// run runs lines that must succeed.
func (d *dev) run(lines ...string) {
	d.t.Helper()
	for _, l := range lines {
		if err := d.try(l); err != nil {
			d.t.Fatalf("%s: %v\n%s", l, err, d.read("errors"))
		}
	}
}

// ask runs a line and returns its answer.
func (d *dev) ask(line string) string {
	d.t.Helper()
	fd, err := syscall.Open(d.path("run"), syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer syscall.Close(fd)
	if _, err := syscall.Write(fd, []byte(line+"\n")); err != nil {
		d.t.Fatalf("%s: %v\n%s", line, err, d.read("errors"))
	}
	var out []byte
	for buf := make([]byte, 4096); ; {
		n, err := syscall.Read(fd, buf)
		if err != nil {
			d.t.Fatalf("%s: %v", line, err)
		}
		if n == 0 {
			return strings.TrimRight(string(out), "\n")
		}
		out = append(out, buf[:n]...)
	}
}

// queue writes lines to the queue main.
func (d *dev) queue(lines ...string) {
	d.t.Helper()
	if err := d.write("queues/main/ctl", strings.Join(lines, "\n")+"\n"); err != nil {
		d.t.Fatalf("%v\n%s", err, d.read("errors"))
	}
}

// wantErrno fails unless err is the errno.
func wantErrno(t *testing.T, what string, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// sh runs a script in the mount with a shell and returns its output.
func (d *dev) sh(shell, script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	argv := append(strings.Fields(shell), "-c", script)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(out), err
}

// shells are those every script must work in.
var shells = []string{"dash", "bash", "busybox sh"}
