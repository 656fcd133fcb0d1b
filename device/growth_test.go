package device

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
)

// handed is the file of a new buffer, as the kernel gets it for a client that
// reads and writes.
func (l *lab) handed(name string) (h *Handle, fd int) {
	l.t.Helper()
	h, err := l.d.Files().Create(context.Background(), alloc.Cred{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}, name, syscall.O_RDWR|syscall.O_EXCL, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(h.Release)
	if fd, err = h.Pin(); err != nil {
		l.t.Fatal(err)
	}
	return h, fd
}

// pwrite puts bytes at off with pwrite(2), as a client does.
func (l *lab) pwrite(fd int, p []byte, off int) {
	l.t.Helper()
	if n, err := unix.Pwrite(fd, p, int64(off)); n != len(p) {
		l.t.Fatalf("%d bytes at %d: %d, %v; %+v", len(p), off, n, err, l.d.store.Usage())
	}
}

// A file that a client writes by itself finds memory that others hold: an eighth
// at once, and more as it goes on.
func TestGrowthMakesRoom(t *testing.T) {
	l := newSpillLab(t)
	l.fill()
	h, fd := l.handed("grows")
	if tier := l.tier("grows"); tier != "ram" {
		t.Fatalf("it is in %s, and others could have left", tier)
	}
	data := noise(8*unit, 3)
	piece := spillMem / highWater / 2
	for off := 0; off < len(data); off += piece {
		l.until("there is room", func() bool { return forFiles(l.d.store.Usage()) >= int64(piece) })
		l.pwrite(fd, data[off:min(off+piece, len(data))], off)
	}
	h.Release()
	l.same("grows", data)
	l.filled()
	l.within()
}

// Scratch that is kept for the next job is given back when a client gets a file to write by itself, and nothing leaves for that.
func TestGrowthBeforeScratch(t *testing.T) {
	l := newSpillLab(t)
	l.write("stays", noise(unit, 5))
	a, err := l.d.store.NewArena(7 * unit)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if u := l.d.store.Usage(); u.Cached < 7*unit {
		t.Fatalf("what a job had is not kept: %+v", u)
	}
	h, fd := l.handed("grows")
	if u := l.d.store.Usage(); u.Cached > spillMem/highWater || l.tier("grows") != "ram" || l.tier("stays") != "ram" {
		t.Errorf("%+v; grows is in %s, stays in %s", u, l.tier("grows"), l.tier("stays"))
	}
	data := noise(8*unit, 6)
	l.pwrite(fd, data, 0)
	h.Release()
	l.same("grows", data)
	l.within()
}

// Where nothing can leave it goes to a tier while it is empty, and grows there.
func TestGrowthElsewhere(t *testing.T) {
	l := newSpillLab(t)
	l.fill()
	for i := range fillers {
		b, err := l.d.store.Get(filler(i))
		if err != nil {
			t.Fatal(err)
		}
		b.Hold()
		t.Cleanup(func() { b.Unhold(); b.Release() })
	}
	h, fd := l.handed("grows")
	if tier := l.tier("grows"); tier == "ram" {
		t.Fatal("it is in memory, where nothing leaves")
	}
	data := noise(20*unit, 4)
	l.pwrite(fd, data, 0)
	h.Release()
	l.same("grows", data)
	l.filled()
	l.within()
}

// fillers are as many buffers as fill the memory but for less than one.
const fillers = 15

func filler(i int) string { return fmt.Sprintf("filler%d", i) }

// fill fills the memory.
func (l *lab) fill() {
	l.t.Helper()
	for i := range fillers {
		l.write(filler(i), noise(unit, uint64(10+i)))
	}
}

// filled demands that all of that is there.
func (l *lab) filled() {
	l.t.Helper()
	for i := range fillers {
		l.same(filler(i), noise(unit, uint64(10+i)))
	}
}

// until polls.
func (l *lab) until(what string, f func() bool) {
	l.t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("it did not come about that %s: %+v", what, l.d.store.Usage())
		}
	}
}
