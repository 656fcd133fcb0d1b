package tests

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// restart mounts a new daemon over what the last one left.
func (d *dev) restart() {
	d.t.Helper()
	d.start()
	if left := mounts(d.dir); len(left) != 1 {
		d.t.Errorf("mounted %d times: %v", len(left), left)
	}
}

// buffer is what is expected of a buffer after a crash: its bytes, or that it
// is bad.
type expected struct {
	data []byte
	bad  bool
}

// checkBuffers compares the buffers with what is expected of them.
func (d *dev) checkBuffers(want map[string]expected) {
	d.t.Helper()
	errs := d.read("errors")
	for name, w := range want {
		got, err := os.ReadFile(d.path("buffers/" + name))
		switch {
		case w.bad && !errors.Is(err, syscall.EIO):
			d.t.Errorf("%s: %d bytes, %v, want EIO", name, len(got), err)
		case w.bad && !strings.Contains(errs, name+": job"):
			d.t.Errorf("%s is not among the errors:\n%s", name, errs)
		case !w.bad && (err != nil || !bytes.Equal(got, w.data)):
			d.t.Errorf("%s: %d bytes, %v, want %d others", name, len(got), err, len(w.data))
		}
	}
}

// After kill -9 with jobs running and queued, a new mount has every buffer
// byte for byte, and those that unfinished jobs were to write are bad and
// listed. Overwriting heals them.
func TestDaemonKilled(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		uid, gid := newOwner()
		d.run("random a.npy shape=300000 seed=1", "sort a.npy b.npy", "fill c.npy shape=100 value=1")
		must(t, os.Mkdir(d.path("buffers/dir"), 0o750), os.WriteFile(d.path("buffers/dir/file"), []byte("by hand"), 0o640),
			os.Symlink("dir/file", d.path("buffers/link")), os.Link(d.path("buffers/dir/file"), d.path("buffers/hard")), os.Chown(d.path("buffers/dir/file"), uid, gid))
		want := map[string]expected{}
		for _, name := range []string{"a.npy", "b.npy", "dir/file", "link", "hard"} {
			want[name] = expected{data: d.bytes(name)}
		}
		must(t, d.write("queues/main/paused", "1\n"))
		must(t, os.Mkdir(d.path("queues/q"), 0o755), d.write("queues/q/ctl", "spin seconds=600\n"))
		d.queue("sort a.npy new.npy", "fill c.npy shape=100 value=2", "sort new.npy newer.npy", "nop a.npy")
		for _, name := range []string{"new.npy", "c.npy", "newer.npy"} {
			want[name] = expected{bad: true}
		}
		waiter := d.client("cat", "queues/q/wait")
		d.stuck(waiter, always)
		d.kill()
		if waiter.wait() == 0 {
			t.Error("a client that waited for a killed daemon ended well")
		}
		if _, err := os.Stat(d.dir); !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("%v, want a dead mount", err)
		}
		d.restart()
		d.checkBuffers(want)
		st, err := os.Stat(d.path("buffers/dir/file"))
		must(t, err)
		if s := st.Sys().(*syscall.Stat_t); st.Mode() != 0o640 || int(s.Uid) != uid || int(s.Gid) != gid || s.Nlink != 2 {
			t.Errorf("%v %+v", st.Mode(), s)
		}
		wantErrno(t, "reading a bad buffer", d.try("sort c.npy x.npy"), syscall.EIO)
		d.run("fill c.npy shape=100 value=2", "sort a.npy new.npy", "sort c.npy x.npy")
		must(t, os.WriteFile(d.path("buffers/newer.npy"), d.bytes("new.npy"), 0o644))
		want["new.npy"], want["newer.npy"], want["c.npy"] = want["b.npy"], want["b.npy"], expected{data: d.bytes("x.npy")}
		d.kill()
		d.restart() // what was healed stays so
		d.checkBuffers(want)
	})
}

// Killed again and again at random moments under load, the device never
// shows a buffer that is neither what it was nor what its job makes of it.
func TestDaemonKilledAtRandom(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	d := mount(t)
	rng := rand.New(rand.NewPCG(11, 7))
	d.run("random in.npy shape=200000 seed=5", "fill zero.npy shape=1000 value=0")
	in, zero := d.bytes("in.npy"), d.bytes("zero.npy")
	value := 0
	var told strings.Builder // what the error lists of all daemons have said: a bad buffer stays so over several
	for round := range rounds {
		load := d.client("sh", "-c", fmt.Sprintf(`i=%d; while :; do i=$((i+1)); printf 'fill v%%d.npy shape=50000 value=%%d\nsort in.npy s%%d.npy\nfill zero.npy shape=1000 value=0\n' $((i%%5)) $i $((i%%3)) >> queues/main/ctl || exit 1; done`, value))
		// A moment that no clock chooses: so many jobs later.
		base := d.done()
		target := base + rng.IntN(40)
		d.eventually("there is a load", func() bool { return d.done() >= target })
		d.kill()
		load.kill()
		value += 1000
		d.restart()
		told.WriteString(d.read("errors"))
		d.checkSound(round, told.String(), in, zero)
	}
	if now := d.bytes("in.npy"); !bytes.Equal(now, in) {
		t.Error("an input has changed")
	}
}

func (d *dev) done() int {
	d.t.Helper()
	n, err := strconv.Atoi(d.field("queues/main/status", "done"))
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// checkSound reads all buffers: each is bad and was told to be, or whole.
func (d *dev) checkSound(round int, errs string, in, zero []byte) {
	d.t.Helper()
	list, err := os.ReadDir(d.path("buffers"))
	must(d.t, err)
	d.run("sort in.npy sorted.npy")
	sorted := d.bytes("sorted.npy")
	for _, e := range list {
		name := e.Name()
		got, err := os.ReadFile(d.path("buffers/" + name))
		switch {
		case errors.Is(err, syscall.EIO):
			if !strings.Contains(errs, name+": job") || name == "in.npy" {
				d.t.Errorf("round %d: %s is bad, and not told:\n%s", round, name, errs)
			}
		case err != nil:
			d.t.Errorf("round %d: %v", round, err)
		case name == "in.npy" && !bytes.Equal(got, in), name == "zero.npy" && !bytes.Equal(got, zero), name[0] == 's' && !bytes.Equal(got, sorted):
			d.t.Errorf("round %d: %s is not what its job makes", round, name)
		case name[0] == 'v':
			d.run("min "+name+" low.npy", "max "+name+" high.npy")
			if !bytes.Equal(d.bytes("low.npy"), d.bytes("high.npy")) {
				d.t.Errorf("round %d: %s is half written", round, name)
			}
		}
	}
}

// Dead mounts may be stacked: a new daemon clears them all.
func TestStackedDeadMounts(t *testing.T) {
	needRoot(t, "a bind mount")
	d := mount(t)
	d.run("fill x.npy shape=8 value=1")
	want := d.bytes("x.npy")
	d.kill()
	// A second device over the first, with a state of its own, killed too. It
	// clears the dead mount below it, so the pile is made by a bind mount.
	must(t, syscall.Mount(d.dir, d.dir, "", syscall.MS_BIND, ""))
	if n := len(mounts(d.dir)); n != 2 {
		t.Fatalf("%d mounts", n)
	}
	d.restart()
	if !bytes.Equal(d.bytes("x.npy"), want) {
		t.Error("a buffer has changed")
	}
}

// SIGTERM lets jobs end within --stop-timeout, and answers who waits.
func TestStopDrains(t *testing.T) {
	d := mount(t, "--stop-timeout", "60s", "--keep")
	d.run("random a.npy shape=2000000 seed=1")
	d.hold("h", "spin seconds=0.3", "sort a.npy b.npy")
	waiter := d.reading("queues/h/wait")
	runner := d.client("sh", "-c", "echo 'nop b.npy' > run")
	d.stuck(runner, d.is("queues/run/status", "pending", "1"))
	d.release("h")
	d.terminate()
	for _, c := range []*client{waiter, runner} {
		if c.wait() != 0 {
			t.Errorf("%v: %s", c.cmd.Args, c.out.String())
		}
	}
	d.restart() // --keep
	d.run("sort a.npy c.npy")
	if !bytes.Equal(d.bytes("b.npy"), d.bytes("c.npy")) {
		t.Error("the job that was waited for is not done")
	}
	d.flags = nil
	d.terminate()
	d.restart()
	d.terminate() // without --keep, which gives the memory back
	if left := mounts(d.state); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// terminate stops the daemon as systemd does.
func (d *dev) terminate() {
	d.t.Helper()
	d.stopped = true
	must(d.t, d.cmd.Process.Signal(syscall.SIGTERM))
	d.waitExit(0)
	if left := mounts(d.dir); len(left) > 0 {
		d.t.Errorf("still mounted: %v", left)
	}
}

// What runs past --stop-timeout is cancelled; clients get their answers, and
// those that sit in the mount do not hold it up.
func TestStopCancels(t *testing.T) {
	d := mount(t, "--stop-timeout", "10ms")
	d.run("fill x.npy shape=8 value=1")
	d.queue("spin seconds=600", "fill never.npy shape=8 value=1")
	must(t, os.Mkdir(d.path("queues/p"), 0o755), d.write("queues/p/paused", "1\n"), d.write("queues/p/ctl", "fill x.npy shape=8 value=2\n"))
	waiter, events := d.reading("queues/main/wait"), d.reading("queues/p/events")
	runner := d.client("sh", "-c", "echo 'spin seconds=600' > run")
	opener := d.client("cat", "buffers/x.npy")
	sitter := d.client("sh", "-c", "cd buffers; exec 3<../stat 4<>mine 5<../queues/main/wait; echo ready >&4; read x <&0")
	for _, c := range []*client{runner, opener} {
		d.stuck(c, always)
	}
	d.eventually("somebody sits in the mount", func() bool { return bytes.Contains(readFile(d.path("buffers/mine")), []byte("ready")) })
	d.terminate()
	if waiter.wait() == 0 || !strings.Contains(waiter.out.String(), "cancelled") {
		t.Errorf("wait: %s", waiter.out.String())
	}
	if runner.wait() == 0 || opener.wait() == 0 {
		t.Errorf("run: %s, open: %s", runner.out.String(), opener.out.String())
	}
	if events.wait(); !strings.Contains(events.out.String(), `"state":"cancelled"`) {
		t.Errorf("events: %s", events.out.String())
	}
	sitter.kill()
}

// Without --keep the memory is given back, with it the buffers wait for the
// next mount; the second daemon of one state is refused.
func TestKeep(t *testing.T) {
	d := mount(t, "--keep")
	d.run("fill x.npy shape=1000000 value=1")
	want := d.bytes("x.npy")
	other := filepath.Join(filepath.Dir(d.dir), "other")
	out, err := exec.Command(binary, "mount", "--state", d.state, other).CombinedOutput()
	if code := exitCode(err); code != 69 || !strings.Contains(string(out), "in use") && !strings.Contains(string(out), "busy") {
		t.Errorf("%v %s", err, out)
	}
	d.terminate()
	if list := mounts(d.state); os.Geteuid() == 0 && len(list) != 1 {
		t.Errorf("%v", list)
	}
	d.restart()
	if !bytes.Equal(d.bytes("x.npy"), want) {
		t.Error("a buffer has changed")
	}
	d.flags = nil
	d.terminate()
	d.restart()
	if !bytes.Equal(d.bytes("x.npy"), want) {
		t.Error("a buffer has changed")
	}
	d.terminate()
	if left := mounts(filepath.Dir(d.dir)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	d.restart()
	if list, err := os.ReadDir(d.path("buffers")); err != nil || len(list) > 0 {
		t.Errorf("%v %v", list, err)
	}
}

func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	return 0
}

// A mount point that was unmounted by hand ends the daemon cleanly.
func TestUnmountedByHand(t *testing.T) {
	d := mount(t, "--stop-timeout", "10ms")
	d.queue("spin seconds=600")
	output(t, binary, "umount", d.dir)
	d.stopped = true
	d.waitExit(0)
	if !d.within(10*time.Second, func() bool { return len(holders(d.dir)) == 0 }) {
		t.Errorf("processes are left: %v", holders(d.dir))
	}
}
