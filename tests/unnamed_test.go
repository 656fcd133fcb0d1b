package tests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A buffer that was unlinked while open does all that a file on tmpfs does
// then: its attributes can be changed, and it can be opened again through /proc.
func TestUnlinkedWhileOpen(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		uid, gid := newOwner()
		for _, flags := range []int{os.O_RDWR, os.O_WRONLY} {
			name := d.path("buffers/a")
			f, err := os.OpenFile(name, flags|os.O_CREATE, 0o644)
			must(t, err)
			_, err = f.WriteString("some bytes")
			must(t, err, os.Remove(name))
			must(t, os.WriteFile(name, []byte("another file"), 0o640)) // of that name
			when := time.Unix(1e9, 5000)
			must(t, f.Chmod(0o600), f.Chown(uid, gid), os.Chtimes(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), when, when), f.Truncate(4))
			st, err := f.Stat()
			must(t, err)
			sys := st.Sys().(*syscall.Stat_t)
			if st.Mode() != 0o600 || int(sys.Uid) != uid || int(sys.Gid) != gid || sys.Nlink != 0 || !st.ModTime().After(when) || st.Size() != 4 {
				t.Errorf("%+v", sys) // the size was changed after the times
			}
			must(t, os.Chtimes(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), when, when))
			if st, err = f.Stat(); err != nil || !st.ModTime().Equal(when) {
				t.Errorf("%v %v", st.ModTime(), err)
			}
			again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			must(t, err)
			got, err := io.ReadAll(again)
			if string(got) != "some" || err != nil {
				t.Errorf("%q %v", got, err)
			}
			must(t, again.Close(), f.Close())
			if st, err := os.Stat(name); err != nil || st.Mode() != 0o640 || st.Size() != 12 {
				t.Errorf("the other file of that name: %v %v", st, err)
			}
			must(t, os.Remove(name))
		}
	})
}

// So does one that a job has replaced by another inode.
func TestReplacedWhileOpen(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		d.run("fill a.npy:f32:10 value=1")
		f, err := os.Open(d.path("buffers/a.npy"))
		must(t, err)
		defer f.Close()
		d.run("fill b.npy:f32:1000 value=2")
		must(t, os.Rename(d.path("buffers/b.npy"), d.path("buffers/a.npy")))
		must(t, f.Chmod(0o400))
		st, err := f.Stat()
		must(t, err)
		if st.Mode() != 0o400 || st.Size() != 168 {
			t.Errorf("%v", st)
		}
		if st, err := os.Stat(d.path("buffers/a.npy")); err != nil || st.Mode() != 0o644 {
			t.Errorf("%v %v", st, err)
		}
		if err := os.Chmod(d.path("buffers/b.npy"), 0); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
}

// Its attributes are its own then, and not those of what has the name.
func TestReplacedAttributes(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		d.run("fill a.npy:f32:10 value=1")
		name := d.path("buffers/a.npy")
		f, err := os.Open(name)
		must(t, err)
		defer f.Close()
		d.run("fill a.npy:f32:1000 value=2") // another size: another inode
		fd, buf := int(f.Fd()), make([]byte, 64)
		must(t, unix.Fsetxattr(fd, "user.x", []byte("old"), 0), unix.Setxattr(name, "user.y", []byte("new"), 0))
		n, err := unix.Fgetxattr(fd, "user.x", buf)
		if err != nil || string(buf[:n]) != "old" {
			t.Errorf("%q, %v", buf[:max(n, 0)], err)
		}
		n, err = unix.Getxattr(name, "user.y", buf)
		if err != nil || string(buf[:n]) != "new" {
			t.Errorf("%q, %v", buf[:max(n, 0)], err)
		}
		if n, err := unix.Flistxattr(fd, buf); err != nil || string(buf[:n]) != "user.x\x00" {
			t.Errorf("%q, %v", buf[:max(n, 0)], err)
		}
		must(t, unix.Fremovexattr(fd, "user.x"))
		_, err = unix.Fgetxattr(fd, "user.x", buf)
		wantErrno(t, "an attribute that was removed", err, syscall.ENODATA)
		_, err = unix.Fgetxattr(fd, "security.capability", buf)
		wantErrno(t, "an attribute of the kernel's", err, syscall.ENODATA)
	})
}
