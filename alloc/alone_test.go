package alloc

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// theirs maps a file as the kernel does for a client that opens it for passthrough, maps it, and closes it.
func theirs(t *testing.T, path string, flags int) (p []byte, undo func()) {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	ok(t, err)
	prot := unix.PROT_READ
	if flags == unix.O_RDWR {
		prot |= unix.PROT_WRITE
	}
	p, err = unix.Mmap(fd, 0, 4096, prot, unix.MAP_SHARED)
	ok(t, err)
	ok(t, unix.Close(fd))
	return p, func() { ok(t, unix.Munmap(p)) }
}

// What a client has mapped still does not move, in memory or on a tier, by whatever path it was mapped, though nobody holds it.
func TestMappedByOthersStays(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s, _ := openSpilling(t, kind, 16<<20, 2)
		bytes := noise(31, 3*chunkSize+5)
		b := keep(t, s, "a", bytes)
		for _, flags := range []int{unix.O_RDWR, unix.O_RDONLY} {
			p, undo := theirs(t, filepath.Join(s.Root(), "a"), flags)
			want(t, b.Spill(ctx), unix.EBUSY)
			want(t, b.SpillEmpty(ctx), unix.EBUSY)
			if flags == unix.O_RDWR {
				p[7]++
				bytes[7]++
			}
			undo()
			ok(t, b.Spill(ctx))
			holds(t, b, bytes)
			b.Hold()
			ok(t, b.Unsum())
			if b.Fd() < 0 {
				t.Fatal("no descriptor")
			}
			b.Unhold()
			files, err := filepath.Glob(filepath.Join(s.spills[0].path, dataDir, "*"))
			ok(t, err)
			p, undo = theirs(t, files[0], flags)
			want(t, b.Promote(ctx, false), unix.EBUSY)
			if flags == unix.O_RDWR {
				p[9]++
				bytes[9]++
			}
			undo()
			ok(t, b.Promote(ctx, false))
			holds(t, b, bytes)
		}
	})
}

// A file on a tier that cannot be opened again past the page cache stays where it is, and is read and moved by way of that.
func TestAloneNotReopened(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s, inject := openSpilling(t, kind, 16<<20, 1)
		bytes := noise(32, 3*chunkSize+5)
		b := keep(t, s, "a", bytes)
		ok(t, b.Spill(ctx))
		if b.Fd() < 0 {
			t.Fatal("no descriptor")
		}
		inject.arm(func(op, path string) error {
			if op == "open" {
				return unix.ENOMEM
			}
			return nil
		})
		err := b.Promote(ctx, false)
		inject.disarm()
		if b.s.spills[0].direct {
			want(t, err, unix.ENOMEM)
		}
		holds(t, b, bytes)
		ok(t, b.Promote(ctx, false))
		holds(t, b, bytes)
	})
}

// Leases: taken and given back where nobody else has the file, refused else; where there are none, or none for us, nobody is assumed.
func TestAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	ok(t, os.WriteFile(path, make([]byte, 4096), 0o600))
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	ok(t, err)
	defer unix.Close(fd)
	for range 2 {
		if alone, err := (sys{}).alone(fd, path); !alone || err != nil {
			t.Errorf("nobody has it: %v, %v", alone, err)
		}
	}
	_, undo := theirs(t, path, unix.O_RDONLY)
	if alone, err := (sys{}).alone(fd, path); alone || err != nil {
		t.Errorf("mapped: %v, %v", alone, err)
	}
	undo()
	for _, c := range []struct {
		fault error
		alone bool
		err   error
	}{{unix.EINVAL, true, nil}, {unix.EACCES, true, nil}, {unix.ENOLCK, true, nil}, {unix.EAGAIN, false, nil}, {unix.EIO, false, unix.EIO}} {
		x := sys{faults: func(string, string) error { return c.fault }}
		if alone, err := x.alone(fd, path); alone != c.alone || !errors.Is(err, c.err) {
			t.Errorf("%v: %v, %v", c.fault, alone, err)
		}
	}
}

// The file of a buffer that is gone is not used again while somebody has it mapped.
func TestMappedByOthersNotUsedAgain(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s, _ := openSpilling(t, kind, 32<<20, 1)
		const n = 1 << 20
		s.pool.on.Store(true)
		for _, mapped := range []bool{true, false} {
			b, _, err := s.Create(me(), "a", 0o644, false)
			ok(t, err)
			_, err = b.WriteAt(noise(33, n), 0)
			ok(t, err)
			undo := func() {}
			if mapped {
				_, undo = theirs(t, filepath.Join(s.Root(), "a"), unix.O_RDWR)
			}
			ok(t, s.Unlink("a"))
			b.Release()
			if kept := s.pool.bytes.Load() > 0; kept == mapped {
				t.Errorf("mapped %v: kept %v", mapped, kept)
			}
			undo()
		}
	})
}
