package tests

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// tmpfsMagic is statfs's type of a tmpfs (linux/magic.h).
const tmpfsMagic = 0x01021994

// diskDir makes a directory that may be a spill tier: on a disk.
func diskDir(t *testing.T) string {
	t.Helper()
	for _, base := range []string{"", "/var/tmp", "."} {
		dir, err := os.MkdirTemp(base, testPrefix+"spill-")
		if err != nil {
			continue
		}
		if dir, err = filepath.Abs(dir); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err == nil && st.Type != tmpfsMagic {
			return dir
		}
	}
	t.Fatal("there is no directory on a disk")
	return ""
}

// spillFlags are those of a device with so much memory, such as 64M, and a spill
// tier.
func spillFlags(t *testing.T, mem, size string, more ...string) []string {
	return append([]string{"--mem", mem, "--spill", diskDir(t) + ":" + size}, more...)
}

// npyHeader is the header of a C-ordered array.
func npyHeader(descr string, shape ...int) []byte {
	dims := make([]string, len(shape))
	for i, n := range shape {
		dims[i] = strconv.Itoa(n)
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }", descr, strings.Join(dims, ", "))
	if len(shape) > 1 {
		text = strings.Replace(text, ",), }", "), }", 1)
	}
	for (10+len(text)+1)%64 != 0 {
		text += " "
	}
	n := len(text) + 1
	out := append([]byte("\x93NUMPY\x01\x00"), byte(n), byte(n>>8))
	return append(append(out, text...), '\n')
}

// small is an array of f32 whose values are small whole numbers, so that sums
// and products of them are exact.
func small(seed uint64, shape ...int) []byte {
	out := npyHeader("<f4", shape...)
	n := 1
	for _, d := range shape {
		n *= d
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	values := [4][]byte{{0, 0, 0, 0}, {0, 0, 0x80, 0x3f}, {0, 0, 0x80, 0xbf}, {0, 0, 0, 0x40}} // 0 1 -1 2
	for range n {
		out = append(out, values[rng.IntN(4)]...)
	}
	return out
}

// put makes a buffer of bytes.
func (d *dev) put(name string, data []byte) {
	d.t.Helper()
	must(d.t, os.WriteFile(d.path("buffers/"+name), data, 0o644))
}

// same compares a buffer with bytes.
func (d *dev) same(name string, want []byte) {
	d.t.Helper()
	if got := d.bytes(name); !bytes.Equal(got, want) {
		d.t.Errorf("%s: %d bytes differ from the %d that it should be", name, len(got), len(want))
	}
}

// tier is where a buffer's bytes are.
func (d *dev) tier(name string) string {
	d.t.Helper()
	buf := make([]byte, 64)
	n, err := syscall.Getxattr(d.path("buffers/"+name), "user.vgpu.tier", buf)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(buf[:n])
}

// number is a value of stat.
func (d *dev) number(key string) int64 {
	d.t.Helper()
	n, err := strconv.ParseFloat(d.field("stat", key), 64)
	if err != nil {
		d.t.Fatal(err)
	}
	return int64(n)
}
