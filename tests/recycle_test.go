package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The memory of a buffer that is gone becomes an output of its size, and what it held is shown to nobody: not when the
// job is done, not when it fails, not after the daemon was killed.
func TestRecycledMemoryShowsNothing(t *testing.T) {
	inModes(t, recycledShowsNothing)
}

func recycledShowsNothing(t *testing.T, d *dev) {
	recycled := func() int64 {
		n, err := strconv.ParseInt(strings.TrimSpace(d.read("tiers/ram/recycled")), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	secret := bytes.Repeat([]byte("secret: "), 1<<17) // 1 MiB
	leave := func() {                                 // a buffer that goes, and its memory with it into the pool
		t.Helper()
		must(t, os.WriteFile(d.path("buffers/gone"), secret, 0o600), os.Remove(d.path("buffers/gone")))
		d.eventually("its memory is kept", func() bool { return recycled() >= int64(len(secret)) })
	}
	clean := func(name string) { // a bad buffer: clients cannot read it, and its file holds nothing of others
		t.Helper()
		wantErrno(t, "opening "+name, d.tryOpen("buffers/"+name, os.O_RDWR), syscall.EIO)
		data, err := os.ReadFile(filepath.Join(d.field("info", "memory_path"), name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, secret[:8]) {
			t.Errorf("%s shows what another buffer held", name)
		}
	}
	d.run("fill first:u8:1048576 value=1") // from now on memory is kept

	leave()
	d.run("fill done:u8:1048576 value=2")
	if recycled() != 0 {
		t.Error("the memory was not used again")
	}
	if got := d.bytes("done"); !bytes.Equal(got, bytes.Repeat([]byte{2}, 1<<20)) {
		t.Error("an output in used memory is wrong")
	}

	leave()
	d.hold("h", "fill cancelled:u8:1048576 value=3")
	if recycled() != 0 {
		t.Error("the memory was not used again")
	}
	d.removeQueue("h")
	clean("cancelled")

	leave()
	d.hold("k", "fill killed:u8:1048576 value=4")
	d.kill()
	d.restart()
	clean("killed")
}
