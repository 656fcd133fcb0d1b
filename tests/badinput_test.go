package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// unchanged is all that a refused command must not have changed.
func (d *dev) unchanged() string {
	d.t.Helper()
	var b strings.Builder
	if err := filepath.Walk(d.path("buffers"), func(path string, st os.FileInfo, err error) error {
		if err == nil {
			fmt.Fprintln(&b, path, st.Mode(), st.Size(), st.ModTime().UnixNano(), st.Sys().(*syscall.Stat_t).Ino)
		}
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(d.read("stat")) {
		for _, key := range []string{"state", "policy", "jobs.accepted", "jobs.waiting", "memory.used", "buffers", "queues"} {
			if strings.HasPrefix(line, key+" ") {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// npy is an NPY file with a header as written, and n bytes behind it.
func npy(major byte, header string, n int) []byte {
	b := append([]byte("\x93NUMPY"), major, 0)
	if major == 1 {
		b = append(b, byte(len(header)), byte(len(header)>>8))
	} else {
		b = append(b, byte(len(header)), byte(len(header)>>8), 0, 0)
	}
	return append(append(b, header...), make([]byte, n)...)
}

// badFiles are buffers that look like NPY files and are none.
var badFiles = []struct {
	name string
	data []byte
	says string
}{
	{"magic.npy", []byte("\x93NUMPY"), "bad NPY header"},
	{"version.npy", npy(9, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 8), "version"},
	{"short.npy", npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (100,), }\n", 8), "truncated"},
	{"cut.npy", npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 8)[:30], "bad NPY header"},
	{"long.npy", npy(2, "{'descr': '<f4'", 0)[:16], "bad NPY header"},
	{"object.npy", npy(1, "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n", 16), "Python objects"},
	{"record.npy", npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }\n", 8), "bad NPY header"},
	{"nokey.npy", npy(1, "{'descr': '<f4', 'shape': (2,), }\n", 8), "bad NPY header"},
	{"garbage.npy", npy(1, "not a dictionary\n", 8), "bad NPY header"},
	{"negative.npy", npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }\n", 8), "bad NPY header"},
	{"overflow.npy", npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n", 8), "bad NPY header"},
	{"huge.npy", npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999999,), }\n", 8), "bad NPY header"},
	{"nul.npy", npy(1, "{'descr': '<f4', 'fortran_order': False,\x00 'shape': (2,), }\n", 8), "bad NPY header"},
	{"deep.npy", npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ("+strings.Repeat("1,", 200)+"), }\n", 8), ""},
	{"empty.npy", nil, "needs a type"},
}

// What looks like an array and is none is refused with what is wrong with it,
// as an input, as an input typed in the line, and as one that is updated.
func TestBadFiles(t *testing.T) {
	d := mount(t)
	for _, f := range badFiles {
		if err := os.WriteFile(d.path("buffers/"+f.name), f.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := d.unchanged()
	for _, f := range badFiles {
		for _, line := range []string{"sum " + f.name, "copy " + f.name + " out.npy", "copy " + f.name + "[0:1] out.npy", `fill "` + f.name + `[0:1]"`} {
			wantErrno(t, line, d.try(line), syscall.EINVAL)
			errs := strings.Split(strings.TrimSpace(d.read("errors")), "\n")
			if !slices.ContainsFunc(errs[max(0, len(errs)-4):], func(l string) bool { return strings.Contains(l, f.says) }) {
				t.Errorf("%s: nothing in errors says %q: %q", line, f.says, errs[max(0, len(errs)-4):])
			}
		}
	}
	if after := d.unchanged(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	d.run("fill magic.npy:f32:3 value=1") // and overwritten as any buffer
	if got := d.ask("sum magic.npy"); got != "3.0" {
		t.Error(got)
	}
}

// Lines that nothing can be made of, beside those in errors.trace.
func TestBadLines(t *testing.T) {
	d := mount(t)
	d.run("random a.npy:f32:4x6 seed=1", "fill big.npy:u8:1000")
	before := d.unchanged()
	long := strings.Repeat("x", 64<<10)
	for _, c := range []struct {
		what, text string
		errno      syscall.Errno
		says       string
	}{
		{"a line over 64 KiB", "sum " + long, syscall.E2BIG, "65536"},
		{"a comment over 64 KiB", "# " + long, syscall.E2BIG, "65536"},
		{"a long line behind a good one", "copy a.npy b.npy\nsum " + long, syscall.E2BIG, "65536"},
		{"NUL", "sum a.npy\x00", syscall.EINVAL, "NUL byte"},
		{"NULs", "\x00\x00\x00", syscall.EINVAL, "NUL byte"},
		{"binary", "\x93NUMPY\x01\x00v\x00", syscall.EINVAL, "control character"},
		{"escape", "sum \x1b[31m", syscall.EINVAL, "control character 0x1b"},
		{"names that are no UTF-8", "sum \"\xff\xe2\x82\"", syscall.ENOENT, ": ENOENT: ???: no such buffer"},
		{"a verb that is no UTF-8", "\xff\xfe", syscall.EINVAL, ": EINVAL: unknown verb ??"},
		{"a bad line among good ones", "copy a.npy b.npy\nbogus\ncopy a.npy c.npy", syscall.EINVAL, "bogus"},
		{"a bad last line", "copy a.npy b.npy\ncopy nosuch.npy c.npy", syscall.ENOENT, "nosuch.npy"},
		{"a line that needs what a bad one makes", "copy a.npy b.npy\ncopy b.npy c.npy axis=1", syscall.EINVAL, "axis"},
		{"outputs that do not fit together", "fill p.npy:u8:300000000\nfill q.npy:u8:300000000", syscall.ENOSPC, "300000128"},
		{"a shape whose product is 0 and overflows", "fill z.npy:f64:0x9223372036854775807x9223372036854775807", syscall.EINVAL, "overflow"},
		{"a name of 300 bytes", "copy a.npy " + strings.Repeat("n", 300), syscall.ENAMETOOLONG, "too long"},
		{"a buffer as a directory", "copy a.npy a.npy/b.npy", syscall.ENOTDIR, "a.npy/b.npy"},
		{"no name", "copy a.npy :f32:4x6", syscall.EINVAL, "no path"},
		{"a temporary's name", "copy a.npy .", syscall.EISDIR, "."},
		{"an output twice", `map "p = x; q = x" x=a.npy p=o.npy q=o.npy`, syscall.EINVAL, "o.npy"},
	} {
		wantErrno(t, c.what, d.try(c.text), c.errno)
		if list := d.read("errors"); !strings.Contains(list[strings.LastIndex(strings.TrimSuffix(list, "\n"), "\n[")+1:], c.says) {
			t.Errorf("%s: the last error does not say %q:\n%s", c.what, c.says, list[strings.LastIndex(list, "\n[")+1:])
		}
		if after := d.unchanged(); after != before {
			t.Fatalf("%s: before:\n%s\nafter:\n%s", c.what, before, after)
		}
	}
	if text := d.read("errors"); strings.ContainsFunc(text, func(r rune) bool { return r == 0 || r == 0x1b }) || !utf8.ValidString(text) {
		t.Errorf("control characters in errors: %q", text)
	}
}

// A handle that was refused a line goes on with the next, however both arrive.
func TestLineAfterRefusal(t *testing.T) {
	d := mount(t)
	long := bytes.Repeat([]byte("x"), 70000)
	for name, writes := range map[string][]string{
		"in one write":      {string(long) + "\n", "fill o.npy:u8:3 value=1\n"},
		"without newline":   {string(long), "yyy\nfill o.npy:u8:3 value=1\n"},
		"newline apart":     {string(long), "\n", "fill o.npy:u8:3 value=1\n"},
		"in pieces":         {string(long[:40000]), string(long[:40000]), "zzz\n", "fill o.npy:u8:3 value=1\n"},
		"a bad verb":        {"bogus\n", "fill o.npy:u8:3 value=1\n"},
		"a bad verb's rest": {"bogus\nbogus again", "fill o.npy:u8:3 value=1\n"},
		"split":             {"fill o.npy:", "u8:3 val", "ue=1", "\n"},
		"at the flush":      {"bogus\n", "fill o.npy:u8:3 value=1"},
	} {
		fd, err := syscall.Open(d.path("run"), syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range writes {
			_, err = syscall.Write(fd, []byte(w))
			if i == len(writes)-1 && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := syscall.Close(fd); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := d.ask("sum o.npy"); got != "3" {
			t.Errorf("%s: %s", name, got)
		}
		if err := os.Remove(d.path("buffers/o.npy")); err != nil {
			t.Error(err)
		}
	}
}

// More than the device has is ENOMEM with the byte counts; more than is left is
// ENOSPC, for commands and for clients. What was there stays.
func TestNoMemory(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		d.run("fill kept.npy:u8:1000 value=1")
		before := d.unchanged()
		wantErrno(t, "more than there is", d.try("fill a.npy:u8:600000000"), syscall.ENOMEM)
		if list := d.read("errors"); !strings.Contains(list, "600000128") || !strings.Contains(list, fmt.Sprint(512<<20)) {
			t.Errorf("the byte counts are not told:\n%s", list)
		}
		if after := d.unchanged(); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		d.run("fill half.npy:u8:300000000 value=1")
		wantErrno(t, "more than is left", d.try("fill b.npy:u8:300000000"), syscall.ENOSPC)
		if _, err := os.Stat(d.path("buffers/b.npy")); err == nil {
			t.Error("a refused command left its output")
		}
		out, err := d.sh("dash", "dd if=/dev/zero of=buffers/c bs=1048576 count=400 2>&1")
		if err == nil || !strings.Contains(out, "No space left on device") {
			t.Errorf("%v: %s", err, out)
		}
		if err := os.Remove(d.path("buffers/c")); err != nil {
			t.Error(err)
		}
		d.run("fill half.npy:u8:300000000 value=2") // in place: no more is needed
		if got := d.ask("sum kept.npy"); got != "1000" {
			t.Error(got)
		}
		if err := os.Remove(d.path("buffers/half.npy")); err != nil {
			t.Error(err)
		}
		d.run("fill b.npy:u8:300000000", "nop b.npy")
	})
}
