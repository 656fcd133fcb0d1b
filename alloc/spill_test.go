package alloc

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// spillKinds are the kinds of store that can spill.
func spillKinds() []string {
	if os.Geteuid() == 0 {
		return []string{onTmpfs, onShm}
	}
	return []string{onShm}
}

func eachSpillKind(t *testing.T, f func(t *testing.T, kind string)) {
	for _, kind := range spillKinds() {
		t.Run(kind, func(t *testing.T) { f(t, kind) })
	}
}

// spillConfig is a store with so many spill tiers.
func spillConfig(t *testing.T, kind string, mem int64, tiers int) (Config, *injector) {
	t.Helper()
	cfg, i := config(t, kind, mem)
	for range tiers {
		cfg.Spill = append(cfg.Spill, SpillConfig{Dir: t.TempDir(), Size: 1 << 30})
	}
	return cfg, i
}

func openSpilling(t *testing.T, kind string, mem int64, tiers int) (*Store, *injector) {
	t.Helper()
	cfg, i := spillConfig(t, kind, mem, tiers)
	return openWith(t, cfg), i
}

// openWith opens a store that is checked and closed at the end of the test.
func openWith(t *testing.T, cfg Config) *Store {
	t.Helper()
	s := mustOpen(t, cfg)
	t.Cleanup(func() {
		if !s.closed.Load() {
			checkStore(t, s)
			ok(t, s.Close(false))
		}
	})
	return s
}

// noise is bytes that differ everywhere.
func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	if _, err := rand.NewChaCha8(key).Read(p); err != nil {
		panic(err)
	}
	return p
}

// keep makes a buffer of these bytes, which is held to the end of the test.
func keep(t *testing.T, s *Store, rel string, p []byte) *Buffer {
	t.Helper()
	b, _, err := s.Create(me(), rel, 0o644, false)
	ok(t, err)
	t.Cleanup(func() {
		if !s.closed.Load() {
			b.Release()
		}
	})
	_, err = b.WriteAt(p, 0)
	ok(t, err)
	return b
}

func holds(t *testing.T, b *Buffer, want []byte) {
	t.Helper()
	if got := content(t, b); got != string(want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Fatalf("%v: %d bytes, want %d; the first that differs is %d", b, len(got), len(want), i)
	}
}

var ctx = context.Background()

// A buffer goes out and comes back: bytes, size, times, mode and names are as they were, and its memory is free meanwhile.
func TestSpillAndPromote(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		for _, n := range []int{0, 1, 4095, 4096, chunkSize, chunkSize + 1, 3<<20 - 5, 4 << 20} {
			s, _ := openSpilling(t, kind, 16<<20, 1)
			want := noise(uint64(n), n)
			b := keep(t, s, "a", want)
			ok(t, s.Link("a", "b"))
			ok(t, s.Chmod("a", 0o640))
			before, err := s.Lstat("a")
			ok(t, err)
			ok(t, b.Spill(ctx))
			if b.Resident() {
				t.Fatal("it is resident still")
			}
			holds(t, b, want)
			st, err := s.Lstat("b")
			ok(t, err)
			if st.Size != int64(n) || st.Blocks != 0 || st.Mtim != before.Mtim || st.Mode != before.Mode {
				t.Errorf("%d bytes: %+v, before %+v", n, st, before)
			}
			_, err = b.Map()
			if !errors.Is(err, ErrSpilled) {
				t.Errorf("map: %v", err)
			}
			if u := s.Tiers(); u[1].Buffers != 1 || u[1].Used < pages(int64(n)) || u[0].Buffers != 0 {
				t.Errorf("tiers %+v", u)
			}
			checkStore(t, s)
			ok(t, b.Promote(ctx, false))
			holds(t, b, want)
			st, err = s.Lstat("a")
			ok(t, err)
			if !b.Resident() || st.Size != int64(n) || st.Mtim != before.Mtim {
				t.Errorf("%d bytes: %+v, before %+v", n, st, before)
			}
			if u := s.Tiers()[1]; u.Used != 0 || u.Buffers != 0 || u.Verified != uint64(chunks(int64(n)))*1 && u.Verified < uint64(chunks(int64(n))) {
				t.Errorf("tier %+v", u)
			}
			checkStore(t, s)
		}
	})
}

// Both backends, and a file system without direct I/O, move the same bytes.
func TestSpillBackends(t *testing.T) {
	for _, io := range []iouring.Backend{iouring.Auto, iouring.Threads} {
		for _, direct := range []bool{true, false} {
			cfg, _ := spillConfig(t, spillKinds()[0], 16<<20, 1)
			cfg.IO = io
			s := openWith(t, cfg)
			if !direct {
				s.spills[0].direct = false
			}
			want := noise(7, 5<<20+77)
			b := keep(t, s, "a", want)
			ok(t, b.Spill(ctx))
			got := make([]byte, len(want)-13)
			ok(t, b.Read(Segment{13, got}).Wait(ctx))
			if !bytes.Equal(got, want[13:]) {
				t.Error("streamed bytes differ")
			}
			ok(t, b.Promote(ctx, false))
			holds(t, b, want)
		}
	}
}

// A bit that flips on the disk is an EIO that names the buffer and the place, however the bytes are read.
func TestBitRot(t *testing.T) {
	s, _ := openSpilling(t, spillKinds()[0], 16<<20, 1)
	want := noise(1, 3<<20)
	put(t, s, "a", string(want))
	b := get(t, s, "a")
	ok(t, b.Spill(ctx))
	const at = 1<<20 + 12345
	flip(t, s, at)
	check := func(what string, err error) {
		t.Helper()
		var e *ChecksumError
		if !errors.As(err, &e) || !errors.Is(err, unix.EIO) || e.Path != "a" || e.Off != at&^(chunkSize-1) || e.Len != chunkSize {
			t.Errorf("%s: %v", what, err)
		}
	}
	p := make([]byte, 100)
	_, err := b.ReadAt(p, at+10)
	check("read", err)
	_, err = b.ReadAt(p, 0)
	ok(t, err)
	check("stream", b.Read(Segment{at - 100, p}).Wait(ctx))
	whole := make([]byte, len(want))
	check("stream of all", b.Read(Segment{0, whole}).Wait(ctx))
	check("promote", b.Promote(ctx, false))
	bad := func(n uint64) {
		t.Helper()
		if got := s.Tiers()[1]; got.Bad != n {
			t.Errorf("%d chunks are wrong, %+v", n, got)
		}
	}
	bad(1) // one, however often it is met
	if b.Resident() {
		t.Error("it is resident")
	}
	flip(t, s, 100)
	_, err = b.ReadAt(p, 0)
	ok(t, err) // verified before
	b.Release()
	b = get(t, s, "a")
	_, err = b.ReadAt(p, at)
	check("read of one that is open anew", err)
	bad(1)
	if _, err = b.ReadAt(p, 0); !errors.Is(err, unix.EIO) {
		t.Errorf("another chunk: %v", err)
	}
	bad(2)
	ok(t, b.Write(Segment{at &^ (chunkSize - 1), want[:chunkSize]}).Wait(ctx))
	b.Release()
	flip(t, s, at)
	b = get(t, s, "a")
	_, err = b.ReadAt(p, at)
	check("read of one that was overwritten", err)
	bad(3)
	checkStore(t, s)
	ok(t, b.Promote(ctx, true)) // it will be overwritten
	ok(t, b.Spill(ctx))
	b.Release()
}

// flip changes a bit of the only spill file.
func flip(t *testing.T, s *Store, off int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.spills[0].path, dataDir, "*"))
	ok(t, err)
	f, err := os.OpenFile(files[0], os.O_RDWR, 0)
	ok(t, err)
	defer f.Close()
	p := make([]byte, 1)
	_, err = f.ReadAt(p, off)
	ok(t, err)
	p[0] ^= 8
	_, err = f.WriteAt(p, off)
	ok(t, err)
	ok(t, f.Sync())
}

// What is spilled is written, appended to, cut, and streamed in place, as what is resident.
func TestSpilledInPlace(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		s, _ := openSpilling(t, kind, 16<<20, 1)
		want := noise(2, 2<<20+100)
		b := keep(t, s, "a", want)
		ok(t, b.Spill(ctx))
		_, err := b.WriteAt([]byte("hello"), 70000)
		ok(t, err)
		copy(want[70000:], "hello")
		off, err := b.Append([]byte("tail"))
		ok(t, err)
		if off != int64(len(want)) {
			t.Errorf("appended at %d", off)
		}
		want = append(want, "tail"...)
		holds(t, b, want)
		part := noise(3, 700_001)
		ok(t, b.Write(Segment{128, part}, Segment{1 << 20, part[:5]}, Segment{1<<20 + 5, nil}).Wait(ctx))
		copy(want[128:], part)
		copy(want[1<<20:], part[:5])
		holds(t, b, want)
		ok(t, b.Resize(1<<20+1))
		want = want[:1<<20+1]
		holds(t, b, want)
		ok(t, b.Resize(3<<20))
		want = append(want, make([]byte, 3<<20-len(want))...)
		holds(t, b, want)
		_, err = b.WriteAt([]byte("x"), 5<<20)
		ok(t, err)
		want = append(append(want, make([]byte, 5<<20-len(want))...), 'x')
		holds(t, b, want)
		want2 := make([]byte, len(want))
		ok(t, b.Read(Segment{0, want2}).Wait(ctx))
		if !bytes.Equal(want, want2) {
			t.Error("streamed bytes differ")
		}
		ok(t, b.Promote(ctx, false))
		holds(t, b, want)
		checkStore(t, s)
	})
}

// Short segments are written by system calls, long ones by requests of the ring; what fails of the former is the transfer's error.
func TestShortSegments(t *testing.T) {
	s, inject := openSpilling(t, spillKinds()[0], 16<<20, 1)
	want := noise(5, 2<<20)
	b := keep(t, s, "a", make([]byte, len(want)))
	ok(t, b.Spill(ctx))
	tier := s.spills[0]
	var calls, requests atomic.Int64
	count := func(n *atomic.Int64, fail error) Faults {
		return func(op, path string) error {
			if op != "write" || path != tier.path {
				return nil
			}
			n.Add(1)
			return fail
		}
	}
	tier.faults = count(&calls, nil)
	inject.arm(count(&requests, nil)) // which is the ring's alone now
	segs := []Segment{{1 << 20, want[1<<20:]}}
	const short = 660
	for off := 0; off < 1<<20; off += short {
		segs = append(segs, Segment{int64(off), want[off:min(off+short, 1<<20)]})
	}
	ok(t, b.Write(segs...).Wait(ctx))
	holds(t, b, want)
	if n := len(segs) - 1; tier.direct && (calls.Load() != int64(n) || requests.Load() == 0 || requests.Load() >= int64(n)) {
		t.Errorf("%d short segments: %d calls, %d requests", n, calls.Load(), requests.Load())
	}
	tier.faults = count(&calls, unix.ENOSPC)
	if err := b.Write(segs[1:]...).Wait(ctx); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v", err)
	}
	tier.faults = nil
	ok(t, b.Write(segs...).Wait(ctx))
	holds(t, b, want)
	inject.disarm()
	checkStore(t, s)
}

// checkSpills compares the homes, the spill files and what is counted. Nothing moves meanwhile.
func checkSpills(t *testing.T, s *Store, inodes map[uint64]bool) {
	t.Helper()
	if s.homes < 0 {
		return
	}
	list, err := os.ReadDir(filepath.Join(s.ram.path, homesDir))
	ok(t, err)
	named := map[string]bool{}
	for k, p := range s.table.spots {
		if p.name == "" {
			continue
		}
		named[p.name] = true
		to, err := os.Readlink(filepath.Join(s.ram.path, homesDir, strconv.FormatUint(k.ino, 10)))
		if err != nil || p.t != nil && to != p.target() {
			t.Errorf("inode %d is on %s; its home says %q %v", k.ino, p.where, to, err)
		}
		if !inodes[k.ino] && s.table.held[k] == nil {
			t.Errorf("home of inode %d, which is gone", k.ino)
		}
	}
	list = slices.DeleteFunc(list, func(d os.DirEntry) bool { return len(d.Name()) == tokenSize })
	if len(list) != len(named)+len(s.stale.list) {
		t.Errorf("%d homes are known; there are %v", len(named), list)
	}
	for _, tier := range s.spills {
		checkSpill(t, s, tier, named)
	}
}

// checkSpill compares one spill tier with the homes that are known.
func checkSpill(t *testing.T, s *Store, tier *spillTier, named map[string]bool) {
	t.Helper()
	tier.health.mu.Lock() // nobody probes it meanwhile
	defer tier.health.mu.Unlock()
	sum, nameless := int64(0), int64(0)
	for _, p := range s.table.spots {
		if p.t == tier && p.name == "" {
			nameless++
			sum += tier.meter.blocks[p.key]
		}
	}
	files := nameless
	for _, dir := range []string{dataDir, sumsDir, tmpDir} {
		list, err := os.ReadDir(filepath.Join(tier.path, dir))
		ok(t, err)
		for _, d := range list {
			if !named[d.Name()] && len(tier.trash.list) == 0 {
				t.Errorf("%s/%s/%s is nobody's", tier.path, dir, d.Name())
			}
			st, err := os.Stat(filepath.Join(tier.path, dir, d.Name()))
			ok(t, err)
			sum += st.Sys().(*syscall.Stat_t).Blocks * 512
			if dir == dataDir && named[d.Name()] {
				files++
			}
		}
	}
	if used, _ := tier.meter.used(); used != sum || tier.meter.claimed != 0 || files != tier.buffers.Load() {
		t.Errorf("%s: %d bytes and %d buffers are counted (%d claimed), there are %d and %d", tier.path, used, tier.buffers.Load(), tier.meter.claimed, sum, files)
	}
}
