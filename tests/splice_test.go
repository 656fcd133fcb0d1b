package tests

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sendfile is what sendfile(2) copies of a file from its beginning, as busybox
// uses it: until it gives nothing.
func sendfile(t *testing.T, f *os.File) ([]byte, error) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "sent")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for {
		n, err := unix.Sendfile(int(out.Fd()), int(f.Fd()), nil, 1<<24)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			text, err := os.ReadFile(out.Name())
			if err != nil {
				t.Fatal(err)
			}
			return text, nil
		}
	}
}

// sameText has a file read by read(2) and by sendfile(2) on one handle, and by
// fstat(2) its size.
func sameText(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sent, err := sendfile(t, f)
	if err != nil {
		t.Errorf("%s: sendfile: %v", path, err)
		return
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent, read) || st.Size() != int64(len(read)) {
		t.Errorf("%s: read %d bytes, sendfile %d, size %d", path, len(read), len(sent), st.Size())
	}
}

// Generated texts are whole for who copies them inside the kernel, though they grow and shrink.
func TestSendfileOfTexts(t *testing.T) {
	d := mount(t)
	d.run("fill a.npy:f64:100 value=2", "sum a.npy")
	job := "queues/run/jobs/2"
	names := []string{"README", "run", "ctl", "info", "stat", "metrics", "errors", "trace", "kernels/map", "tiers/plan", "queues/main/ctl", "queues/main/status",
		"queues/main/weight", "queues/main/log", job + "/cmd", job + "/status", job + "/answer", job + "/error"}
	for range 3 {
		for _, name := range names {
			sameText(t, d.path(name))
		}
		d.try("bogus")
	}
	long := d.read("errors")
	if err := d.write("errors", ""); err != nil {
		t.Fatal(err)
	}
	sameText(t, d.path("errors"))
	d.try("bogus")
	sameText(t, d.path("errors"))
	if now := d.read("errors"); len(now) == 0 || len(now) >= len(long) {
		t.Errorf("errors after clearing: %q", now)
	}
}

// A file on which one may wait never looks empty to who copies it inside the
// kernel, and a script does not go on too early: EINVAL, upon which programs read
// it. Kernels before 6.5 read it themselves, and have what read(2) has.
func TestSendfileOfStreams(t *testing.T) {
	d := mount(t)
	for name, read := range map[string]syscall.Errno{"queues/main/wait": syscall.EIO, "queues/main/events": 0} {
		f, err := os.Open(d.path(name))
		if err != nil {
			t.Fatal(err)
		}
		d.queue("spin seconds=0.2", "fault")
		out, err := os.CreateTemp(t.TempDir(), "sent")
		if err != nil {
			t.Fatal(err)
		}
		n, err := unix.Sendfile(int(out.Fd()), int(f.Fd()), nil, 4096)
		if !errors.Is(err, syscall.EINVAL) && (n == 0 || read != 0) && !errors.Is(err, read) {
			t.Errorf("%s: sendfile: %d bytes, %v", name, n, err)
		}
		if err := errors.Join(out.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	}
	d.queue("spin seconds=0.2", "fault")
	if text, err := d.sh("busybox sh", "busybox cat queues/main/wait"); err == nil || !strings.Contains(text, "failed: EIO") {
		t.Errorf("cat wait: %q, %v", text, err)
	}
}

// Programs that copy files, each in its own way, get all of one.
func TestCopiesOfTexts(t *testing.T) {
	d := mount(t)
	d.run("fill a.npy:f64:100 value=2")
	dir := t.TempDir()
	want := d.read("kernels/map")
	for name, script := range map[string]string{
		"busybox cat":  "busybox cat kernels/map > $OUT",
		"busybox cp":   "busybox cp kernels/map $OUT",
		"cat":          "cat kernels/map > $OUT",
		"cp":           "cp kernels/map $OUT",
		"cp --sparse":  "cp --sparse=always kernels/map $OUT",
		"dd":           "dd if=kernels/map of=$OUT bs=7 status=none",
		"tail":         "tail -c +1 kernels/map > $OUT",
		"tar":          "tar cf - kernels/map | tar xOf - > $OUT",
		"python3 copy": "/usr/bin/python3 -c 'import shutil, sys; shutil.copyfile(\"kernels/map\", sys.argv[1])' $OUT",
	} {
		out := filepath.Join(dir, "copy")
		if text, err := d.sh("sh", "OUT="+out+"; "+script); err != nil {
			t.Errorf("%s: %v: %s", name, err, text)
			continue
		}
		if got, err := os.ReadFile(out); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
		}
		if err := os.Remove(out); err != nil {
			t.Error(err)
		}
	}
}
