package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// started mounts a device in the background and gives its log's path, which info names.
func started(t *testing.T, flags ...string) (d *dev, log string) {
	t.Helper()
	d, state := place(t)
	args := append([]string{"mount", "--daemon", "--mem", "16M", "--state", state}, flags...)
	if _, stderr, status := vgpu(t, "", append(args, d.dir)...); status != 0 || stderr != "" {
		t.Fatal(status, stderr)
	}
	log = d.field("info", "log")
	if want := filepath.Join(state, "log"); log != want {
		t.Fatalf("info names %q for the log, not %q", log, want)
	}
	return d, log
}

// logged waits until the log says what is wanted.
func (d *dev) logged(log string, want ...string) {
	d.t.Helper()
	d.eventually(fmt.Sprintf("%s says %q", log, want), func() bool {
		text, err := os.ReadFile(log)
		must(d.t, err)
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				return false
			}
		}
		return true
	})
}

// What a daemon in the background has to say is in a file that info names, from
// the start on, and stays there when it ends; the next one goes on in it.
func TestDaemonLog(t *testing.T) {
	d, log := started(t, "--debug")
	d.run("nop")
	d.logged(log, "vgpu0 mounted at "+d.dir, "fuse: rx", "WRITE")
	if st, err := os.Stat(log); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	d.end()
	first := readFile(log)
	d.again(log)
	d.end()
	if text := string(readFile(log)); !strings.HasPrefix(text, string(first)) || strings.Count(text, "mounted at") != 2 {
		t.Errorf("%q and then\n%q", first, text)
	}
}

// end unmounts a device in the background, and waits for its daemon.
func (d *dev) end() {
	d.t.Helper()
	pid := d.pid()
	if _, stderr, status := vgpu(d.t, "", "umount", d.dir); status != 0 {
		d.t.Errorf("umount: %d %s", status, stderr)
	}
	d.gone(pid)
}

// again mounts it anew, with its log where it was.
func (d *dev) again(log string) {
	d.t.Helper()
	background(d.t, filepath.Dir(log), d.dir)
}

// Reads through the daemon say nothing in its log, however large they are, and are
// whole, aligned or not: the largest that a kernel asks for is 1 MiB.
func TestReadsAreNotLogged(t *testing.T) {
	d, log := started(t, "--direct")
	d.run("random a.npy:u8:8388608 dist=integers seed=1")
	before := readFile(log)
	want := readFile(d.path("buffers/a.npy"))
	if len(want) != 8388608+128 {
		t.Fatalf("%d bytes", len(want))
	}
	for _, args := range []string{"bs=1M", "bs=4M iflag=fullblock", "bs=1048575 iflag=fullblock", "bs=1 skip=8388600"} {
		out, err := exec.Command("sh", "-c", "dd if="+d.path("buffers/a.npy")+" "+args+" status=none").Output()
		if must(t, err); !bytes.HasSuffix(want, out) || len(out) != len(want) && !strings.Contains(args, "skip") {
			t.Errorf("%s: %d bytes, and they differ", args, len(out))
		}
	}
	if text := readFile(log); !bytes.Equal(text, before) {
		t.Errorf("the reads are in the log:\n%s", bytes.TrimPrefix(text, before))
	}
	d.end()
}

// A crash's trace is in the log, whoever asks after it.
func TestDaemonLogHasCrashes(t *testing.T) {
	d, log := started(t)
	pid := d.pid()
	must(t, syscall.Kill(pid, syscall.SIGQUIT))
	d.eventually("the daemon is dead", func() bool { // its mount stays
		_, err := os.Stat(fmt.Sprintf("/proc/%d/fd/0", pid))
		return err != nil
	})
	d.logged(log, "SIGQUIT", "goroutine ")
	d.again(log)
	d.end()
}

// A daemon that cannot log says so, and serves.
func TestDaemonLogInTheWay(t *testing.T) {
	d, state := place(t)
	must(t, os.MkdirAll(filepath.Join(state, "log"), 0o700))
	_, stderr, status := vgpu(t, "", "mount", "--daemon", "--mem", "16M", "--state", state, d.dir)
	if status != 0 || !strings.Contains(stderr, "what the daemon logs is lost: open "+state+"/log: is a directory") {
		t.Errorf("%d %s", status, stderr)
	}
	d.run("nop")
	if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", d.pid())); err != nil || to != os.DevNull {
		t.Errorf("standard error is %s, %v", to, err)
	}
	d.end()
}

// In the foreground there is no log but standard error.
func TestForegroundHasNoLog(t *testing.T) {
	d := mount(t)
	if log := d.field("info", "log"); log != "" {
		t.Errorf("info names %q", log)
	}
	if _, err := os.Stat(filepath.Join(d.state, "log")); err == nil {
		t.Error("there is a log")
	}
}
