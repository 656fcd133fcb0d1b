package tests

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hold makes a queue that is paused, so that what is written to its ctl is
// accepted and does not start before release.
func (d *dev) hold(name string, lines ...string) {
	d.t.Helper()
	if err := os.Mkdir(d.path("queues/"+name), 0o755); err != nil {
		d.t.Fatal(err)
	}
	d.set(name, "paused", "1")
	if err := d.write("queues/"+name+"/ctl", strings.Join(lines, "\n")+"\n"); err != nil {
		d.t.Fatalf("%v\n%s", err, d.read("errors"))
	}
}

func (d *dev) release(name string) { d.set(name, "paused", "0") }

func (d *dev) set(queue, attr, value string) {
	d.t.Helper()
	if err := d.write("queues/"+queue+"/"+attr, value+"\n"); err != nil {
		d.t.Fatal(err)
	}
}

// removeQueue removes a queue.
func (d *dev) removeQueue(name string) {
	d.t.Helper()
	if err := os.Remove(d.path("queues/" + name)); err != nil {
		d.t.Error(err)
	}
}

// tryOpen opens without waiting, closes, and tells how it went.
func (d *dev) tryOpen(rel string, flags int) error {
	fd, err := syscall.Open(d.path(rel), flags|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return syscall.Close(fd)
}

// waiter is a process that is expected to block in the mount.
type waiter struct {
	cmd *exec.Cmd
	out bytes.Buffer
	end chan error
}

func (d *dev) spawn(argv ...string) *waiter {
	d.t.Helper()
	w := &waiter{cmd: exec.Command(argv[0], argv[1:]...), end: make(chan error, 1)}
	w.cmd.Dir = d.dir
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.out
	if err := w.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { w.end <- w.cmd.Wait() }()
	return w
}

// blocked waits until the process sleeps in a request to the device.
func (d *dev) blocked(w *waiter) {
	d.t.Helper()
	d.eventually("a client waits", func() bool {
		select {
		case err := <-w.end:
			d.t.Fatalf("%v did not wait: %v\n%s", w.cmd.Args, err, w.out.String())
		default:
		}
		where, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", w.cmd.Process.Pid))
		return err == nil && (strings.Contains(string(where), "fuse") || strings.Contains(string(where), "request_wait"))
	})
}

// ended waits for the process's end.
func (d *dev) ended(w *waiter) error {
	d.t.Helper()
	select {
	case err := <-w.end:
		return err
	case <-time.After(30 * time.Second):
		w.cmd.Process.Kill()
		d.t.Fatalf("%v did not end: %v", w.cmd.Args, <-w.end)
		return nil
	}
}

// open(2) of a buffer joins the order of the jobs; nothing else waits.
func TestOpenWaitsForWriters(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		d.hold("h", "fill out.bin:u8:4 value=65")
		for _, flags := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND} {
			wantErrno(t, fmt.Sprintf("open with flags %#x", flags), d.tryOpen("buffers/out.bin", flags), syscall.EAGAIN)
		}
		reader, interrupted := d.spawn("cat", "buffers/out.bin"), d.spawn("cat", "buffers/out.bin")
		writer := d.spawn("dd", "of=buffers/out.bin", "if=/dev/null", "conv=notrunc", "status=none")
		for _, w := range []*waiter{reader, interrupted, writer} {
			d.blocked(w)
		}
		if st, err := os.Stat(d.path("buffers/out.bin")); err != nil || st.Size() != 4 {
			t.Errorf("stat: %v, %v", st, err)
		}
		if out, err := d.sh("dash", "ls -l buffers; stat buffers/out.bin; chmod 600 buffers/out.bin; du buffers"); err != nil || !strings.Contains(out, "out.bin") {
			t.Errorf("ls: %v\n%s", err, out)
		}
		if err := interrupted.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := d.ended(interrupted); err == nil || !strings.Contains(err.Error(), "interrupt") {
			t.Errorf("SIGINT ended the reader with %v", err)
		}
		d.blocked(reader)
		d.release("h")
		if err := d.ended(reader); err != nil || reader.out.String() != "AAAA" {
			t.Errorf("the reader got %q, %v", reader.out.String(), err)
		}
		if err := d.ended(writer); err != nil {
			t.Error(err, writer.out.String())
		}
		d.removeQueue("h")
	})
}

// To write, one waits for those that read, too; a reader does not.
func TestOpenWaitsForReaders(t *testing.T) {
	d := mount(t)
	d.run("fill in.bin:u8:4 value=65")
	d.hold("h", "copy in.bin:u8 copied.bin")
	if err := d.tryOpen("buffers/in.bin", os.O_RDONLY); err != nil {
		t.Error(err)
	}
	wantErrno(t, "open to write", d.tryOpen("buffers/in.bin", os.O_WRONLY), syscall.EAGAIN)
	writer := d.spawn("sh", "-c", "printf BBBBBB > buffers/in.bin")
	truncater := d.spawn("perl", "-e", `truncate("buffers/in.bin", 2) or die $!`) // truncate(1) opens with O_NONBLOCK
	d.blocked(writer)
	d.blocked(truncater)
	if err := truncater.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.ended(truncater); err == nil {
		t.Error("truncate came through")
	}
	// Jobs do not wait for names: a buffer may be moved or unlinked meanwhile.
	if err := os.Rename(d.path("buffers/copied.bin"), d.path("buffers/moved.bin")); err != nil {
		t.Error(err)
	}
	d.release("h")
	if got := d.read("buffers/moved.bin"); got != "AAAA" {
		t.Errorf("the job read %q", got)
	}
	if err := d.ended(writer); err != nil {
		t.Error(err, writer.out.String())
	}
	if got := d.read("buffers/in.bin"); got != "BBBBBB" {
		t.Errorf("the writer left %q", got)
	}
	d.removeQueue("h")
}

// Who waits in open(2) for a job that fails is told so.
func TestOpenOfFailing(t *testing.T) {
	d := mount(t)
	d.hold("h", "fault bad.bin", "fill gone.bin:u8:3 value=1")
	reader := d.spawn("cat", "buffers/bad.bin")
	d.blocked(reader)
	if err := os.Remove(d.path("buffers/gone.bin")); err != nil {
		t.Error(err)
	}
	d.release("h")
	if err := d.ended(reader); err == nil || !strings.Contains(reader.out.String(), "Input/output error") {
		t.Errorf("%v: %s", err, reader.out.String())
	}
	if _, err := slurp(d.path("queues/h/wait")); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if _, err := os.Stat(d.path("buffers/gone.bin")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an unlinked output came back: %v", err)
	}
	d.removeQueue("h")
	// Not even together with the right to write it may what is there be read, nor mapped.
	wantErrno(t, "opening it to read and write", d.tryOpen("buffers/bad.bin", os.O_RDWR), syscall.EIO)
	if err := d.tryOpen("buffers/bad.bin", os.O_WRONLY|os.O_APPEND); err != nil {
		t.Error("opening it to append:", err)
	}
	// To overwrite it a bad buffer opens; what is in it then is good.
	if err := store(d.path("buffers/bad.bin"), "fresh", os.O_TRUNC); err != nil {
		t.Error(err)
	}
	if got := d.read("buffers/bad.bin"); got != "fresh" {
		t.Errorf("%q", got)
	}
}

// program is random lines over few buffers, so that each waits for others.
func program(rng *rand.Rand, lines int) []string {
	var out []string
	buf := func() string { return fmt.Sprintf("b%d.npy", rng.IntN(5)) }
	for range lines {
		a, b, c := buf(), buf(), buf()
		lo := rng.IntN(400)
		switch rng.IntN(8) {
		case 0:
			out = append(out, fmt.Sprintf(`map "z = 0.5*x - y" x=%s y=%s z=%s`, a, b, c))
		case 1:
			out = append(out, fmt.Sprintf("copy %s %s", a, b))
		case 2:
			out = append(out, fmt.Sprintf(`copy "%s[%d:%d]" "%s[%d:%d]"`, a, lo, lo+100, b, lo/2, lo/2+100))
		case 3:
			out = append(out, fmt.Sprintf(`fill "%s[::%d]" value=%d`, a, 1+rng.IntN(7), rng.IntN(9)))
		case 4:
			out = append(out, fmt.Sprintf("sort %s %s", a, b))
		case 5:
			out = append(out, fmt.Sprintf("roll %s %s shift=%d", a, b, rng.IntN(500)))
		case 6:
			out = append(out, fmt.Sprintf("random %s:f64:500 dist=normal seed=%d", a, rng.IntN(1000)))
		case 7:
			out = append(out, fmt.Sprintf("cumsum %s %s", a, b))
		}
	}
	return out
}

// Over all queues the result is as if the commands had run one at a time in
// the order of acceptance: the twin is `vgpu run`, which does run them so.
func TestHazardsMatchSequentialRun(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		queues := []string{"q0", "q1", "q2", "q3"}
		for i, q := range queues {
			if err := d.write("ctl", fmt.Sprintf("queue %s priority=%d weight=%d\n", q, 40+5*i, 1+300*i)); err != nil {
				t.Fatal(err)
			}
		}
		for seed := range uint64(4) {
			rng := rand.New(rand.NewPCG(seed, 7))
			lines := program(rng, 120)
			var setup []string
			for i := range 5 {
				setup = append(setup, fmt.Sprintf("random b%d.npy:f64:500 seed=%d", i, i))
			}
			lines = append(setup, lines...)
			for _, l := range lines {
				if err := d.write("queues/"+queues[rng.IntN(4)]+"/ctl", l+"\n"); err != nil {
					t.Fatalf("%s: %v\n%s", l, err, d.read("errors"))
				}
			}
			plain := t.TempDir()
			cmd := exec.Command(binary, "run", "-C", plain, "-f", "-")
			cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for i := range 5 { // no wait: open(2) does
				name := fmt.Sprintf("b%d.npy", i)
				want, err := os.ReadFile(filepath.Join(plain, name))
				if err != nil {
					t.Fatal(err)
				}
				if got := d.read("buffers/" + name); got != string(want) {
					t.Errorf("seed %d: %s differs from the sequential run", seed, name)
				}
			}
		}
		for _, q := range queues {
			if text, err := slurp(d.path("queues/" + q + "/wait")); err != nil {
				t.Error(err, text)
			}
			d.removeQueue(q)
		}
	})
}
