package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// streamWork are products of matrices that do not fit into memory together:
// new, added to, scaled, of a transpose, and of views.
var streamWork = []string{
	"gemm a.npy b.npy c.npy",
	"gemm a.npy b.npy c.npy beta=2 alpha=0.5",
	"gemm b.npy 'a.npy[::-1]' d.npy tb=t act=relu",
	"gemm c.npy d.npy e.npy",
	"gemm a.npy c.npy f.npy ta=t",
}

// Matrices of twice the memory are multiplied tile by tile, to the bits that a
// device with room for them has.
func TestSpillStreamedProduct(t *testing.T) {
	const n = 1448 // 8 MiB each
	a, b := normals(t, n, 1), normals(t, n, 2)
	roomy := mount(t)
	d := mount(t, spillFlags(t, "12M", "256M")...)
	for _, dev := range []*dev{roomy, d} {
		dev.put("a.npy", a)
		dev.put("b.npy", b)
		dev.run(streamWork...)
	}
	for _, name := range []string{"c.npy", "d.npy", "e.npy", "f.npy"} {
		d.same(name, roomy.bytes(name))
	}
	if got := d.number("moves.streamed"); got != int64(len(streamWork)) {
		t.Errorf("%d jobs were streamed", got)
	}
	text := d.ask("explain gemm a.npy b.npy x.npy")
	for _, key := range []string{"mode streamed", "memory ", "moved ", "seconds "} {
		if !strings.Contains("\n"+text, "\n"+key) {
			t.Errorf("no %q in\n%s", key, text)
		}
	}
	wantErrno(t, "less memory than a tile", d.try("gemm a.npy b.npy x.npy maxmem=4K"), syscall.ENOMEM)
	if e := d.read("errors"); !strings.Contains(e, "even streamed") {
		t.Error(e)
	}
	if peak, size := d.number("memory.peak"), d.number("memory.size"); peak > size {
		t.Errorf("the peak is %d of %d", peak, size)
	}
	d.tiersAgree()
}

// normals is a matrix of the device's own random numbers.
func normals(t *testing.T, n, seed int) []byte {
	t.Helper()
	d := mount(t)
	d.run(fmt.Sprintf("random x.npy:f32:%dx%d seed=%d", n, n, seed))
	return d.bytes("x.npy")
}

// A daemon that is killed while it streams leaves inputs as they were, and the
// output bad.
func TestSpillKilledStreaming(t *testing.T) {
	d := mount(t, spillFlags(t, "12M", "256M")...)
	a := small(1, 1448, 1448)
	d.put("a.npy", a)
	d.put("b.npy", a)
	d.queue(slices.Repeat([]string{"gemm a.npy b.npy c.npy"}, 1000)...) // more than can be done before it is killed
	d.eventually("it streams", func() bool { return d.number("moves.streamed") > 0 })
	d.kill()
	d.restart()
	d.same("a.npy", a)
	d.same("b.npy", a)
	_, err := os.ReadFile(d.path("buffers/c.npy"))
	if !errors.Is(err, syscall.EIO) || !strings.Contains(d.read("errors"), "c.npy: job") {
		t.Errorf("%v\n%s", err, d.read("errors"))
	}
	d.run("gemm a.npy b.npy c.npy")
	first := d.bytes("c.npy")
	d.run("gemm a.npy b.npy c.npy")
	if !bytes.Equal(first, d.bytes("c.npy")) {
		t.Error("the same command has other bits")
	}
	d.tiersAgree()
}
