package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vgpu/alloc"
	"vgpu/device"
	"vgpu/iouring"
)

func TestSpillFlag(t *testing.T) {
	var f spillFlag
	for _, s := range []string{"/var/lib/vgpu:100G", "/mnt/hdd", "/a:b/c", "/a:b:1K", "/z:2G:zstd", "/y:zstd", "/zstd", "/x:zstd:1K"} {
		if err := f.Set(s); err != nil {
			t.Error(err)
		}
	}
	want := spillFlag{{Dir: "/var/lib/vgpu", Size: 100 << 30}, {Dir: "/mnt/hdd"}, {Dir: "/a:b/c"}, {Dir: "/a:b", Size: 1 << 10},
		{Dir: "/z", Size: 2 << 30, Compress: "zstd"}, {Dir: "/y", Compress: "zstd"}, {Dir: "/zstd"}, {Dir: "/x:zstd", Size: 1 << 10}}
	if !slices.Equal(f, want) {
		t.Errorf("%+v", f)
	}
	if s := f.String(); s != "/var/lib/vgpu:107374182400 /mnt/hdd /a:b/c /a:b:1024 /z:2147483648:zstd /y:zstd /zstd /x:zstd:1024" {
		t.Error(s)
	}
	for _, bad := range []string{"", ":1G", "/a:0", "/a:1Q", "/a:b", ":zstd", "/a:1G:lz4", "/a:0:zstd"} {
		if err := f.Set(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for dir, ok := range map[string]bool{"/m": false, "/m/x": false, "/mx": true, "/": true, "/m/../x": true, "/m/..x": false} {
		if err := (spillFlag{{Dir: dir}}).resolve("/m"); (err == nil) != ok {
			t.Errorf("%s in /m: %v", dir, err)
		}
	}
}

func TestSpillOptions(t *testing.T) {
	var o mountOptions
	if err := o.parse("mem=1G,spill=/a:1G:zstd,spill=/b,persist,io=threads,quota=2G"); err != nil {
		t.Fatal(err)
	}
	c, err := o.storeConfig("/m", -1)
	want := []alloc.SpillConfig{{Dir: "/a", Size: 1 << 30, Compress: "zstd"}, {Dir: "/b"}}
	if err != nil || !slices.Equal(c.Spill, want) || !c.Persist || c.IO != iouring.Threads || c.Quota != 2<<30 || c.Mountpoint != "/m" {
		t.Errorf("%+v %v", c, err)
	}
	for _, bad := range []string{"spill=", "quota=x"} {
		if err := o.parse(bad); err == nil {
			t.Errorf("-o %s was taken", bad)
		}
	}
	for _, bad := range []mountOptions{{persist: true}, {io: "uring"}, {io: "aio", spill: spillFlag{{Dir: "/a"}}}} {
		if _, err := bad.storeConfig("/m", -1); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// A size that the disk cannot have is refused; one that it has not free now is
// told of.
func TestSpillSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "to", "be", "made")
	size, err := diskSize(dir)
	if err != nil || size <= 0 {
		t.Fatal(size, err)
	}
	for bytes, want := range map[int64]bool{0: true, 1: true, size: true, size + 1: false} {
		err := spillFlag{{Dir: dir, Size: bytes}}.checkSpace()
		var e *exitError
		if want && err != nil || !want && (!errors.As(err, &e) || e.status != exitLacks) {
			t.Errorf("%d of %d bytes: %v", bytes, size, err)
		}
	}
	if err := (spillFlag{{Dir: "/proc/self/status/x", Size: 1}}).checkSpace(); err == nil {
		t.Error("a directory below a file has a disk")
	}
	f := spillFlag{{Dir: "/a", Size: 100}, {Dir: "/b"}, {Dir: "/c", Size: 100}}
	tiers := []device.TierUsage{{Name: "ram"}, {Path: "/a", Size: 100, Used: 30, Free: 70}, {Path: "/b", Size: 90, Free: 80}, {Path: "/c", Size: 100, Used: 30, Free: 60}}
	if w := f.warnings(tiers); len(w) != 1 || !strings.Contains(w[0], "/c: it may take 70 bytes more, and 60 are free") {
		t.Errorf("%q", w)
	}
}
