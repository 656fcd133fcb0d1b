package tests

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Errors are reported once to each handle, as errseq_t has it for fsync(2):
// every handle that was open when a job failed hears of it once; if none was,
// the next opener does.

// handles opens files of a queue and closes them with the test.
func handles(t *testing.T, flags int, paths ...string) []int {
	t.Helper()
	fds := make([]int, len(paths))
	for i, p := range paths {
		fd, err := syscall.Open(p, flags|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds[i] = fd
		t.Cleanup(func() { syscall.Close(fd) })
	}
	return fds
}

// fail runs a command that fails, on the queue main, and waits for its end by
// a buffer that it and a command behind it are to write.
func (d *dev) fail() {
	d.t.Helper()
	fd, err := syscall.Open(d.path("queues/main/ctl"), os.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := syscall.Write(fd, []byte("fault errseq.bin\nfill errseq.bin:u8:1\n")); err != nil {
		d.t.Fatal(err)
	}
	syscall.Close(fd) // which tells of an earlier failure, if nobody has heard of it
	if _, err := slurp(d.path("buffers/errseq.bin")); err != nil {
		d.t.Fatal(err)
	}
}

// hears reads wait to its end and tells the number of failures it reported.
func hears(t *testing.T, fd int) int {
	t.Helper()
	text, err := drain(fd)
	n := strings.Count(text, "\n")
	if (n > 0) != errors.Is(err, syscall.EIO) || n == 0 && err != nil {
		t.Errorf("%q and then %v", text, err)
	}
	return n
}

func TestErrorsAreHeardOnce(t *testing.T) {
	d := mount(t)
	wait := d.path("queues/main/wait")
	fds := handles(t, os.O_RDONLY, wait, wait)
	expect := func(what string, fd, want int) {
		t.Helper()
		if got := hears(t, fd); got != want {
			t.Errorf("%s hears of %d failures, want %d", what, got, want)
		}
	}
	expect("before there is any, the first handle", fds[0], 0)
	d.fail()
	expect("the first handle", fds[0], 1)
	expect("the first handle, again", fds[0], 0)
	expect("an opener after it was heard", handles(t, os.O_RDONLY, wait)[0], 0)
	d.fail()
	expect("the second handle, of both", fds[1], 2)
	expect("the first handle", fds[0], 1)
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

func TestUnheardErrorsGoToTheNextOpener(t *testing.T) {
	d := mount(t)
	wait := d.path("queues/main/wait")
	d.fail()
	d.fail()
	fds := handles(t, os.O_RDONLY, wait, wait)
	if got := hears(t, fds[0]); got != 2 {
		t.Errorf("the next opener hears of %d", got)
	}
	if got := hears(t, fds[1]); got != 2 {
		t.Errorf("one that opened before it was heard hears of %d", got)
	}
	if got := hears(t, handles(t, os.O_RDONLY, wait)[0]); got != 0 {
		t.Errorf("one that opened after hears of %d", got)
	}
	// Those of run were returned to the writer, and are nobody else's.
	wantErrno(t, "fault", d.try("fault"), syscall.EIO)
	if got := hears(t, handles(t, os.O_RDONLY, d.path("queues/run/wait"))[0]); got != 0 {
		t.Errorf("wait of the run queue hears of %d", got)
	}
}

// fsync of a handle on ctl waits, and reports, whichever way it was opened.
func TestFsyncReports(t *testing.T) {
	d := mount(t)
	ctl := d.path("queues/main/ctl")
	for _, flags := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR} {
		fds := handles(t, flags, ctl, ctl)
		d.fail()
		for i, fd := range fds {
			wantErrno(t, "fsync", syscall.Fsync(fd), syscall.EIO)
			if err := syscall.Fsync(fd); err != nil {
				t.Errorf("handle %d, again: %v", i, err)
			}
		}
		if got := hears(t, handles(t, os.O_RDONLY, d.path("queues/main/wait"))[0]); got != 0 {
			t.Errorf("wait hears of %d that fsync has told", got)
		}
	}
	// It waits for what other handles queued, too.
	fd := handles(t, os.O_WRONLY, ctl)[0]
	d.hold("h", "fill x.bin:u8:1")
	d.queue("nop x.bin:u8")
	w := d.spawn("sync", "queues/main/ctl")
	d.blocked(w)
	d.release("h")
	if err := d.ended(w); err != nil {
		t.Error(err, w.out.String())
	}
	if err := syscall.Fsync(fd); err != nil {
		t.Error(err)
	}
	d.removeQueue("h")
}

// close(2) reports what its handle has not heard of. Shells ignore what it
// says, so it does not count as told to others.
func TestCloseReports(t *testing.T) {
	d := mount(t)
	ctl := d.path("queues/main/ctl")
	fd, err := syscall.Open(ctl, os.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.fail()
	wantErrno(t, "close", syscall.Close(fd), syscall.EIO)
	if got := hears(t, handles(t, os.O_RDONLY, d.path("queues/main/wait"))[0]); got != 1 {
		t.Errorf("wait hears of %d", got)
	}
	if fd, err = syscall.Open(ctl, os.O_WRONLY|syscall.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Close(fd); err != nil {
		t.Errorf("close of one that opened later: %v", err)
	}
}

// What waits ends when a signal comes, and no failure is lost by that.
func TestInterruptedWaitLosesNothing(t *testing.T) {
	d := mount(t)
	d.hold("h", "fault")
	w := d.spawn("cat", "queues/h/wait")
	d.blocked(w)
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := d.ended(w); err == nil {
		t.Error("cat ended well")
	}
	d.release("h")
	w = d.spawn("cat", "queues/h/wait")
	if err := d.ended(w); err == nil || !strings.Contains(w.out.String(), "failed: EIO") {
		t.Errorf("%v: %s", err, w.out.String())
	}
	d.removeQueue("h")
}
