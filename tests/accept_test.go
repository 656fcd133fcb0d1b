package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A write that is refused for want of memory changes nothing, however many
// lines it has and whatever they overwrite: what was there is read as it was.
// The most lines do not fit; the fewer do, but not with a mark for each.
func TestRefusedForMemory(t *testing.T) {
	for name, flags := range map[string][]string{"memory": {"--mem", "16M"}, "spill": spillFlags(t, "16M", "4M")} {
		t.Run(name, func(t *testing.T) {
			d := mount(t, flags...)
			must(t, os.WriteFile(d.path("queues/main/depth"), []byte("10000\n"), 0))
			want := small(1, 100, 100)
			must(t, os.WriteFile(d.path("buffers/k.npy"), want, 0o644))
			must(t, os.WriteFile(d.path("buffers/big"), make([]byte, 6<<20), 0o644))
			for _, n := range []int{4500, 2000} {
				many := []string{"fill k.npy value=9"}
				for i := range n {
					many = append(many, fmt.Sprintf("fill s%d.npy:f32:4 value=1", i))
				}
				err := d.write("queues/main/ctl", strings.Join(many, "\n")+"\n")
				if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.ENOMEM) {
					t.Errorf("%d lines: %v; %s", n, err, d.read("errors"))
				}
				if got, err := os.ReadFile(d.path("buffers/k.npy")); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d lines: what was there: %v, %d bytes", n, err, len(got))
				}
				if list, err := os.ReadDir(d.path("buffers")); err != nil || len(list) != 2 {
					t.Errorf("%d lines: %d buffers, %v", n, len(list), err)
				}
			}
			d.run("fill k.npy value=9")
		})
	}
}

// Ten thousand small buffers, more than memory holds, made by commands: all are
// there. Hundreds of them have to leave.
func TestManySmallBuffers(t *testing.T) {
	const n, batch = 10000, 500
	d := mount(t, spillFlags(t, "38M", "512M")...)
	for lo := 0; lo < n; lo += batch {
		var lines []string
		for i := lo; i < lo+batch; i++ {
			lines = append(lines, fmt.Sprintf("fill s%d.npy:i32:500 value=%d", i, i))
		}
		d.run(lines...)
	}
	for i := 0; i < n; i += 7 {
		data, err := os.ReadFile(d.path(fmt.Sprintf("buffers/s%d.npy", i)))
		if err != nil || len(data) < 2000 {
			t.Fatalf("buffer %d: %v, %d bytes", i, err, len(data))
		}
		tail := data[len(data)-4:]
		if got := int(tail[0]) | int(tail[1])<<8 | int(tail[2])<<16; got != i {
			t.Fatalf("buffer %d holds %d", i, got)
		}
	}
	if d.number("tier.spill0.buffers") == 0 {
		t.Error(d.read("stat"))
	}
}
