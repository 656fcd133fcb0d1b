package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// client is a process that uses a device.
type client struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer
	end chan struct{} // closed when it has ended
}

// client starts a process in the mount. It does not outlive the test.
func (d *dev) client(argv ...string) *client {
	d.t.Helper()
	return d.clientAs(nil, argv...)
}

// clientAs starts one for another user.
func (d *dev) clientAs(who *syscall.Credential, argv ...string) *client {
	d.t.Helper()
	c := &client{t: d.t, cmd: exec.Command(argv[0], argv[1:]...), end: make(chan struct{})}
	c.cmd.Dir = d.dir
	c.cmd.Env = append(os.Environ(), "LC_ALL=C")
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	c.cmd.WaitDelay = 5 * time.Second
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { c.cmd.Wait(); close(c.end) }()
	d.t.Cleanup(func() { c.kill() })
	return c
}

// kill ends the process, and those it started, as a crash does.
func (c *client) kill() {
	syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // ESRCH if it has ended
	<-c.end
}

// wait gives the exit status, -1 if a signal ended it.
func (c *client) wait() int {
	c.t.Helper()
	select {
	case <-c.end:
	case <-time.After(30 * time.Second):
		c.t.Errorf("%v does not end:\n%s", c.cmd.Args, c.out.String())
		c.kill()
	}
	return c.cmd.ProcessState.ExitCode()
}

// asleep tells whether the process waits for the daemon's answer.
func (c *client) asleep() bool {
	where, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", c.cmd.Process.Pid))
	return err == nil && string(where) == "request_wait_answer"
}

// stuck waits until the process waits for the daemon's answer, and for what
// has to be true beside.
func (d *dev) stuck(c *client, also func() bool) {
	d.t.Helper()
	if !d.within(30*time.Second, func() bool { return also() && c.asleep() }) {
		c.kill()
		d.t.Fatalf("%v did not come to wait: %v\n%s%s%s", c.cmd.Args, c.cmd.ProcessState, c.out.String(), d.read("stat"), d.read("errors"))
	}
}

// reading starts a process that reads a file to its end, and waits until it has
// it open and waits for the daemon's answer. (One that is seen to wait may yet be
// in a lookup before its open.)
func (d *dev) reading(rel string) *client {
	d.t.Helper()
	opened := filepath.Join(d.t.TempDir(), "opened")
	c := d.client("sh", "-c", `exec 3<"$0"; : >"$1"; exec cat <&3`, rel, opened)
	d.stuck(c, func() bool { _, err := os.Stat(opened); return err == nil })
	return c
}

// field reads a value of a file of `key value` lines.
func (d *dev) field(file, key string) string {
	d.t.Helper()
	for line := range strings.Lines(d.read(file)) {
		if k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); k == key {
			return v
		}
	}
	return ""
}

func (d *dev) is(file, key, value string) func() bool {
	return func() bool { return d.field(file, key) == value }
}

func always() bool { return true }

// bystander is what must not be touched by the faults of others.
func (d *dev) bystander() (check func()) {
	d.t.Helper()
	d.run("random buffers.npy shape=1000 seed=3", "sort buffers.npy sorted.npy")
	want := d.bytes("sorted.npy")
	return func() {
		d.t.Helper()
		if !bytes.Equal(d.bytes("sorted.npy"), want) {
			d.t.Error("the bytes of another's buffer have changed")
		}
		d.run("sort buffers.npy again.npy")
		if !bytes.Equal(d.bytes("again.npy"), want) {
			d.t.Error("another's job has another result")
		}
	}
}

// bytes are a buffer's.
func (d *dev) bytes(name string) []byte {
	d.t.Helper()
	data, err := os.ReadFile(d.path("buffers/" + name))
	if err != nil {
		d.t.Fatal(err)
	}
	return data
}

// A client that is killed, whatever it was doing, takes nothing of others
// with it.
func TestClientKilled(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		check := d.bystander()
		must(t, os.Mkdir(d.path("queues/q"), 0o755))
		spin := "spin seconds=600"
		step := func(state string, f func()) {
			t.Log("killed while it does this:", state)
			f()
		}

		step("blocked on depth", func() {
			must(t, d.write("queues/q/paused", "1\n"), d.write("queues/q/depth", "1\n"), d.write("queues/q/ctl", "nop\n"))
			c := d.client("sh", "-c", "echo nop > queues/q/ctl")
			d.stuck(c, always)
			c.kill()
			must(t, d.write("queues/q/paused", "0\n"), d.write("queues/q/depth", "100\n"))
			d.eventually("the accepted job ends, and the killed client's never was", d.is("queues/q/status", "done", "1"))
			if n := d.field("queues/q/status", "accepted"); n != "1" {
				t.Errorf("%s jobs were accepted", n)
			}
		})
		step("run", func() {
			c := d.client("sh", "-c", "echo '"+spin+"' > run")
			d.stuck(c, d.is("queues/run/status", "running", "1"))
			c.kill()
			d.eventually("its job is cancelled", d.is("queues/run/status", "cancelled", "1"))
		})
		step("run, queued", func() {
			c := d.client("sh", "-c", "printf 'spin seconds=600\\nspin seconds=601\\n' > run")
			d.stuck(c, d.is("queues/run/status", "pending", "2"))
			c.kill()
			d.eventually("its jobs are cancelled", d.is("queues/run/status", "cancelled", "3"))
		})
		step("wait", func() {
			must(t, d.write("queues/q/ctl", spin+"\n"))
			c := d.client("cat", "queues/q/wait")
			d.stuck(c, always)
			c.kill()
			if d.field("queues/q/status", "running") != "1" {
				t.Error("the job that a killed client waited for has ended")
			}
			d.cancelAll("q")
		})
		step("events", func() {
			c := d.client("cat", "queues/q/events")
			d.stuck(c, always)
			c.kill()
		})
		step("open", func() {
			d.run("fill x.npy shape=8 value=1")
			must(t, d.write("queues/q/paused", "1\n"), d.write("queues/q/ctl", "fill x.npy shape=8 value=2\n"))
			c := d.client("cat", "buffers/x.npy")
			w := d.client("sh", "-c", "echo > buffers/x.npy")
			d.stuck(c, always)
			d.stuck(w, always)
			c.kill()
			w.kill()
			must(t, d.write("queues/q/paused", "0\n"))
			d.run("nop x.npy")
		})
		step("open files", func() {
			c := d.client("sh", "-c", "exec 3<>buffers/open 4>queues/q/ctl 5<queues/q/wait 6<stat; printf 'fill cut' >&4; echo more >&3; echo ready >&3; kill -STOP $$")
			d.eventually("it has its files open", func() bool { return bytes.Contains(readFile(d.path("buffers/open")), []byte("ready")) })
			c.kill()
			must(t, os.Remove(d.path("buffers/open")))
		})
		check()
		must(t, os.Remove(d.path("queues/q")))
	})
}

// A client that is stopped in a command and goes on later has run it once.
func TestClientStopped(t *testing.T) {
	d := mount(t)
	before := d.number("jobs.done")
	w := d.spawn("sh", "-c", "echo 'spin seconds=0.5' > run")
	d.eventually("it runs", func() bool { return d.field("stat", "jobs.running") == "1" })
	must(t, w.cmd.Process.Signal(syscall.SIGSTOP))
	d.eventually("it is stopped", func() bool {
		return strings.Contains(string(readFile(fmt.Sprintf("/proc/%d/stat", w.cmd.Process.Pid))), ") T ")
	})
	must(t, w.cmd.Process.Signal(syscall.SIGCONT))
	if err := <-w.end; err != nil {
		t.Errorf("%v\n%s", err, w.out.String())
	}
	if done, cancelled := d.number("jobs.done")-before, d.number("jobs.cancelled"); done != 1 || cancelled != 0 {
		t.Errorf("%d jobs are done, %d cancelled", done, cancelled)
	}
}

// A client that is killed with a buffer mapped leaves it usable.
func TestClientKilledWithMapping(t *testing.T) {
	needMappings(t)
	d := mount(t)
	d.run("fill m.npy shape=100000 value=1")
	c := d.client("/usr/bin/python3", "-c", "import numpy, os, signal\n"+
		"m = numpy.load('buffers/m.npy', mmap_mode='r+')\nm[:] = 2\nopen('buffers/flag', 'w').close()\nsignal.pause()")
	d.eventually("it has mapped the buffer", func() bool { _, err := os.Stat(d.path("buffers/flag")); return err == nil })
	d.run("map \"x = x + 1\" x=m.npy")
	c.kill()
	if got := d.ask("sum m.npy"); got != "300000.0" {
		t.Errorf("the sum is %s", got)
	}
	must(t, os.Truncate(d.path("buffers/m.npy"), 0), os.Remove(d.path("buffers/m.npy")))
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func readFile(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return data
}

// cancelAll cancels the jobs of a queue as a user does, and hears of it.
func (d *dev) cancelAll(queue string) {
	d.t.Helper()
	jobs, err := os.ReadDir(d.path("queues/" + queue + "/jobs"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, j := range jobs {
		if err := os.Remove(d.path("queues/" + queue + "/jobs/" + j.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			d.t.Fatal(err)
		}
	}
	if _, err := os.ReadFile(d.path("queues/" + queue + "/wait")); err != nil && !errors.Is(err, syscall.EIO) { // they are told here
		d.t.Fatal(err)
	}
}

// Signals interrupt every wait; what was being written is not half taken.
func TestWaitsAreInterruptible(t *testing.T) {
	d := mount(t)
	d.run("fill x.npy shape=8 value=1")
	d.queue("spin seconds=600")
	must(t, os.Mkdir(d.path("queues/q"), 0o755), d.write("queues/q/paused", "1\n"), d.write("queues/q/depth", "1\n"),
		d.write("queues/q/ctl", "fill x.npy shape=8 value=2\n"))
	for _, script := range []string{"exec cat queues/main/wait", "exec cat queues/main/events", "exec cat buffers/x.npy", "echo nop > queues/q/ctl", "echo 'spin seconds=600' > run", "exec sync queues/main/ctl"} {
		c := d.client("sh", "-c", script)
		d.stuck(c, always)
		must(t, c.cmd.Process.Signal(syscall.SIGINT))
		if status := c.wait(); status == 0 {
			t.Errorf("%s ended well", script)
		}
	}
	d.eventually("the interrupted run is cancelled", d.is("queues/run/status", "pending", "0"))
	must(t, d.write("queues/q/paused", "0\n"))
	d.cancelAll("main")
}

// A kernel that panics fails its job, and only that.
func TestKernelPanics(t *testing.T) {
	d := mount(t)
	check := d.bystander()
	for _, kind := range []string{"panic", "nested", "error"} {
		d.queue("fault bad.npy kind=" + kind)
		out, err := d.sh("sh", "cat queues/main/wait")
		if err == nil || !strings.Contains(out, "failed") || !strings.Contains(out, "EIO") {
			t.Errorf("%s: %v %s", kind, err, out)
		}
		wantErrno(t, kind, d.try("fault kind="+kind), syscall.EIO)
		wantErrno(t, "its output", d.try("sort bad.npy x.npy"), syscall.EIO)
		if _, err := os.ReadFile(d.path("buffers/bad.npy")); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", kind, err)
		}
		check()
	}
	must(t, os.Remove(d.path("buffers/bad.npy")))
	if got := d.field("stat", "jobs.failed"); got != "6" {
		t.Errorf("%s jobs failed", got)
	}
}

// While the daemon is stopped its clients can still be interrupted, and when
// it goes on it has lost nothing.
func TestDaemonStopped(t *testing.T) {
	d := mount(t)
	check := d.bystander()
	must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	d.eventually("every thread of the daemon has stopped", func() bool { // one that has not may take a request still, and who is killed waits for it
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", d.cmd.Process.Pid))
		must(t, err)
		return !slices.ContainsFunc(tasks, func(task string) bool { return !strings.Contains(string(readFile(task)), ") T ") })
	})
	outside := func(argv ...string) *client { // its directory is not in the mount
		c := &client{t: t, cmd: exec.Command(argv[0], argv[1:]...), end: make(chan struct{})}
		c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		must(t, c.cmd.Start())
		go func() { c.cmd.Wait(); close(c.end) }()
		t.Cleanup(c.kill)
		return c
	}
	var clients []*client
	for _, file := range []string{"stat", "buffers/sorted.npy", "queues/main/wait"} {
		c := outside("cat", d.path(file))
		if !d.within(20*time.Second, c.asleep) {
			t.Errorf("cat %s did not wait", file)
		}
		must(t, c.cmd.Process.Signal(syscall.SIGKILL))
		clients = append(clients, c)
	}
	late := outside("cat", d.path("info"))
	d.within(20*time.Second, late.asleep)
	for _, c := range clients {
		c.wait()
	}
	must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	if late.wait() != 0 {
		t.Errorf("a client that waited: %s", late.out.String())
	}
	check()
}

// asks runs a program outside of the mount and gives its output.
func output(t *testing.T, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

// pidOf finds the processes that have a device mounted at dir.
func holders(dir string) (pids []int) {
	list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range list {
		if text := readFile(f); bytes.HasPrefix(text, []byte(binary+"\x00")) && bytes.Contains(text, []byte(dir)) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
