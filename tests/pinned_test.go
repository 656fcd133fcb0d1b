package tests

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pin and unpin are what setfattr does.
func (d *dev) pin(name string) {
	d.t.Helper()
	must(d.t, unix.Setxattr(d.path("buffers/"+name), "user.vgpu.pin", nil, 0))
}

func (d *dev) unpin(name string) {
	d.t.Helper()
	must(d.t, unix.Removexattr(d.path("buffers/"+name), "user.vgpu.pin"))
}

// fillWithPinned makes five pinned buffers of 4 MB each, of 24 MiB of memory.
func (d *dev) fillWithPinned() map[string][]byte {
	d.t.Helper()
	pinned := map[string][]byte{}
	for i := range 5 {
		name := fmt.Sprintf("pinned%d.npy", i)
		pinned[name] = small(uint64(i), 1000, 1000)
		d.put(name, pinned[name])
		d.pin(name)
	}
	return pinned
}

// stay checks that pinned buffers are where they were, with the bytes that they
// had.
func (d *dev) stay(pinned map[string][]byte) {
	d.t.Helper()
	for name, data := range pinned {
		if got := d.tier(name); got != "ram" {
			d.t.Errorf("%s is pinned, and in %s", name, got)
		}
		d.same(name, data)
	}
}

// Memory that is full of pinned buffers: what is written and what commands make
// goes to the spill tier, or is refused with the bytes that there are; nothing
// pinned moves, and nothing is lost. Unpinned, the buffers make room.
func TestPinnedMemory(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		pinned := d.fillWithPinned()
		big := small(9, 3000, 1000) // 12 MB: no room beside them
		d.put("big.npy", big)
		if got := d.tier("big.npy"); got != "spill0" {
			t.Errorf("a file that memory has no room for is in %s", got)
		}
		d.run("map 'z = 2*x' x=pinned0.npy z=out.npy", "copy big.npy copy.npy", "map 'z = z/2' z=out.npy", "sum copy.npy s.npy axis=1")
		d.same("out.npy", pinned["pinned0.npy"])
		d.same("copy.npy", big)
		wantErrno(t, "a command that needs memory, and cannot be streamed", d.try("conv big.npy copy.npy f.npy method=direct"), syscall.ENOMEM)
		if text := d.read("errors"); !strings.Contains(text, "conv") || !strings.Contains(text, "bytes") {
			t.Errorf("no byte counts in\n%s", text)
		}
		d.stay(pinned)
		d.same("big.npy", big)
		for name := range pinned {
			d.unpin(name)
		}
		d.run("dct pinned1.npy f.npy", "random new.npy:f32:4000000")
		if got := d.tier("new.npy"); got != "ram" {
			t.Errorf("what is made in memory with room is in %s", got)
		}
		for name, data := range pinned {
			d.same(name, data)
		}
		d.tiersAgree()
	}, spillFlags(t, "24M", "512M")...)
}

// Without a tier there is nowhere to go: writers and commands get ENOSPC, these
// with the bytes that they want, and what is there stays. Removing some makes room.
func TestPinnedMemoryWithoutTier(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		pinned := d.fillWithPinned()
		wantErrno(t, "writing more than there is", os.WriteFile(d.path("buffers/big"), make([]byte, 12<<20), 0o644), syscall.ENOSPC)
		must(t, os.Remove(d.path("buffers/big")))
		wantErrno(t, "making more than there is", d.try("random big.npy:f32:3000000"), syscall.ENOSPC)
		if text := d.read("errors"); !strings.Contains(text, "big.npy: no room for 12000128 bytes") {
			t.Errorf("no byte counts in\n%s", text)
		}
		d.stay(pinned)
		for i := range 4 {
			must(t, os.Remove(d.path(fmt.Sprintf("buffers/pinned%d.npy", i))))
		}
		d.run("random big.npy:f32:3000000")
		d.same("pinned4.npy", pinned["pinned4.npy"])
	}, "--mem", "24M")
}
