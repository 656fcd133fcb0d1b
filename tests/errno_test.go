package tests

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// What a mount cannot make is refused with the errno that the manual page of
// the call names.
func TestErrnosOfWhatCannotBeMade(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		for _, typ := range []uint32{syscall.S_IFIFO, syscall.S_IFCHR, syscall.S_IFBLK, syscall.S_IFSOCK} {
			wantErrno(t, "mknod", syscall.Mknod(d.path("buffers/node"), typ|0o644, 0x0103), syscall.EPERM)
		}
		if err := syscall.Mknod(d.path("buffers/node"), syscall.S_IFREG|0o640, 0); err != nil {
			t.Error(err)
		}
		if st, err := os.Stat(d.path("buffers/node")); err != nil || st.Mode() != 0o640 || st.Size() != 0 {
			t.Errorf("%v %v", st, err)
		}
		wantErrno(t, "mknod of what is there", syscall.Mknod(d.path("buffers/node"), syscall.S_IFREG|0o640, 0), syscall.EEXIST)
		for _, name := range []string{"info", "queues/main/log", "queues/main/wait", "queues/main/events"} {
			if os.Getuid() == 0 { // others are told by the modes
				wantErrno(t, "writing "+name, store(d.path(name), "x", 0), syscall.EPERM)
			}
		}
		wantErrno(t, "an attribute of run", syscall.Setxattr(d.path("run"), "user.x", []byte("v"), 0), syscall.ENOTSUP)
		wantErrno(t, "an attribute of a queue", syscall.Setxattr(d.path("queues/main"), "user.x", []byte("v"), 0), syscall.ENOTSUP)
		wantErrno(t, "a long name", os.Mkdir(d.path("queues/"+strings.Repeat("n", 256)), 0o755), syscall.ENAMETOOLONG)
		wantErrno(t, "a bad name", os.Mkdir(d.path("queues/a b"), 0o755), syscall.EINVAL)
		if got := d.read("errors"); !strings.Contains(got, `bad queue name "a b"`) || !strings.Contains(got, "remedy: a name has no") {
			t.Error(got)
		}
	})
}

// wait, opened with O_NONBLOCK, says whether there is something to wait for.
func TestWaitWithoutBlocking(t *testing.T) {
	d := mount(t)
	read := func() (int, error) {
		fd, err := syscall.Open(d.path("queues/h/wait"), syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
		return syscall.Read(fd, make([]byte, 100))
	}
	d.hold("h", "fill x.npy:f32:4 value=1")
	_, err := read()
	wantErrno(t, "a job waits", err, syscall.EAGAIN)
	d.release("h")
	d.read("queues/h/wait")
	if n, err := read(); n != 0 || err != nil {
		t.Error(n, err)
	}
	d.removeQueue("h")
}

// An output that the user's quota has no room for is refused with the remedy.
func TestQuotaIsExplained(t *testing.T) {
	needRoot(t, "acting as another user")
	d := mount(t, "--quota", "1M")
	d.mayNot(alice, "echo fill q.bin:u8:2000000 value=1 > run", edquot)
	if got := d.read("errors"); !strings.Contains(got, "run: EDQUOT: q.bin: ") || !strings.Contains(got, "remedy: remove buffers of yours") {
		t.Error(got)
	}
}
