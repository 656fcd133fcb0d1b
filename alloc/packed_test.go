package alloc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// Buffers of every type go out smaller and come back as they were, however they are read.
func TestPackedRoundTrip(t *testing.T) {
	s := openPacking(t, 1)
	for dtype := range elements {
		want := typed(dtype, packChunk+chunkSize+777, dtype < "m")
		b := keep(t, s, dtype, want)
		before, err := s.Lstat(dtype)
		ok(t, err)
		mustPack(t, b)
		u := s.Tiers()[1]
		if u.Used >= u.Logical || u.Ratio() <= 1.05 || u.Compression != CompressZstd {
			t.Errorf("%s: %+v", dtype, u)
		}
		if files := dataFiles(t, s.spills[0]); len(files) != 1 || !strings.HasSuffix(files[0], ".z") {
			t.Errorf("%v", files)
		}
		holds(t, b, want)
		readsAnyhow(t, b, want)
		checkStore(t, s)
		ok(t, b.Promote(ctx, false))
		holds(t, b, want)
		st, err := s.Lstat(dtype)
		if err != nil || st.Mtim != before.Mtim || st.Size != before.Size {
			t.Errorf("%s: %+v, before %+v", dtype, st, before)
		}
		if u := s.Tiers()[1]; u.Used != 0 || u.Logical != 0 || u.Ratio() != 1 {
			t.Errorf("%s: %+v", dtype, u)
		}
		ok(t, s.Unlink(dtype))
	}
}

// readsAnyhow compares pieces that begin and end anywhere.
func readsAnyhow(t *testing.T, b *Buffer, want []byte) {
	t.Helper()
	n := len(want)
	for _, r := range [][2]int{{0, 1}, {n - 1, 1}, {packChunk - 1, 2}, {1, n - 2}, {packChunk - 5000, 10000}, {n / 3, n / 3}} {
		lo, size := r[0], r[1]
		if lo < 0 || size < 0 || lo+size > n {
			continue
		}
		got, streamed := make([]byte, size), make([]byte, size)
		_, err := b.ReadAt(got, int64(lo))
		ok(t, err)
		half := size / 2
		ok(t, b.Read(Segment{int64(lo + half), streamed[half:]}, Segment{int64(lo), streamed[:half]}).Wait(ctx))
		if !bytes.Equal(got, want[lo:lo+size]) || !bytes.Equal(streamed, got) {
			t.Fatalf("[%d, %d) differs", lo, lo+size)
		}
	}
	past := make([]byte, 100)
	if k, err := b.ReadAt(past, int64(n-1)); n > 0 && (k != 1 || err != io.EOF || past[0] != want[n-1]) {
		t.Errorf("%d bytes at the end: %v", k, err)
	}
	if k, err := b.ReadAt(past, int64(n+packChunk)); k != 0 || err != io.EOF {
		t.Errorf("%d bytes past the end: %v", k, err)
	}
	if err := b.Read(Segment{int64(n), past}).Wait(ctx); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a stream past the end: %v", err)
	}
}

// Every size, in both backends and with and without direct I/O.
func TestPackedSizes(t *testing.T) {
	for _, io := range []iouring.Backend{iouring.Auto, iouring.Threads} {
		cfg, _ := packConfig(t, 1)
		cfg.IO = io
		s := openWith(t, cfg)
		for i, n := range []int{0, 1, 4095, 4096, 4097, 2 * 4096, chunkSize + 1, packChunk - 1, packChunk, packChunk + 1, 2*packChunk - 4096, 5*packChunk + 5} {
			s.spills[0].direct = i%2 == 0
			want := typed("i32", n, false)
			b := keep(t, s, fmt.Sprint(n), want)
			ok(t, b.Spill(ctx))
			if small := n <= pageSize; isPacked(t, b) == small {
				t.Errorf("%d bytes: compressed %v", n, !small)
			}
			holds(t, b, want)
			readsAnyhow(t, b, want)
			ok(t, b.Promote(ctx, false))
			holds(t, b, want)
		}
		checkStore(t, s)
	}
}

// What does not compress stays as it is: a buffer of noise whole, and chunks of noise in another.
func TestPackedNoise(t *testing.T) {
	s := openPacking(t, 1)
	b := keep(t, s, "a", noise(1, 1<<20))
	ok(t, b.Spill(ctx))
	if isPacked(t, b) || s.Tiers()[1].Ratio() != 1 {
		t.Errorf("%+v", s.Tiers()[1])
	}
	mixed := slices.Concat(noise(2, packChunk), make([]byte, packChunk), make([]byte, 5))
	c := keep(t, s, "c", mixed)
	mustPack(t, c)
	if of := c.home.sums.pack.of; of[0].size != 0 || of[1].size == 0 || of[2].size != 0 {
		t.Errorf("chunks %v", of)
	}
	holds(t, c, mixed)
	st, err := os.Stat(dataFiles(t, s.spills[0])[0])
	ok(t, err)
	if st.Size() != 1<<20 && st.Size() != int64(len(mixed)) {
		t.Errorf("%d bytes", st.Size())
	}
	ok(t, c.Promote(ctx, false))
	holds(t, c, mixed)
}

// What is compressed is written, appended to, cut, punched and copied as anything else.
func TestPackedInPlace(t *testing.T) {
	s := openPacking(t, 2)
	base := typed("f32", 2*packChunk+100, true)
	part := noise(3, 70_001)
	end := int64(len(base))
	for name, op := range map[string]func(b *Buffer, model []byte) ([]byte, error){
		"write": func(b *Buffer, m []byte) ([]byte, error) {
			_, err := b.WriteAt([]byte("hello"), packChunk-2)
			copy(m[packChunk-2:], "hello")
			return m, err
		},
		"append": func(b *Buffer, m []byte) ([]byte, error) {
			off, err := b.Append([]byte("tail"))
			if off != end {
				t.Errorf("appended at %d", off)
			}
			return append(m, "tail"...), err
		},
		"write beyond": func(b *Buffer, m []byte) ([]byte, error) {
			_, err := b.WriteAt([]byte("x"), end+5000)
			return append(append(m, make([]byte, 5000)...), 'x'), err
		},
		"stream": func(b *Buffer, m []byte) ([]byte, error) {
			copy(m[128:], part)
			copy(m[packChunk+1:], part[:5])
			return m, b.Write(Segment{128, part}, Segment{packChunk + 1, part[:5]}).Wait(ctx)
		},
		"cut":       func(b *Buffer, m []byte) ([]byte, error) { return m[:packChunk+3], b.Resize(packChunk + 3) },
		"cut short": func(b *Buffer, m []byte) ([]byte, error) { return m[:7], b.Resize(7) },
		"cut to 0":  func(b *Buffer, m []byte) ([]byte, error) { return nil, b.Resize(0) },
		"same size": func(b *Buffer, m []byte) ([]byte, error) { return m, b.Resize(end) },
		"lengthen": func(b *Buffer, m []byte) ([]byte, error) {
			return append(m, make([]byte, packChunk)...), b.Resize(end + packChunk)
		},
		"punch": func(b *Buffer, m []byte) ([]byte, error) {
			clear(m[4096:8192])
			return m, b.Allocate(4096, 4096, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE)
		},
		"allocate": func(b *Buffer, m []byte) ([]byte, error) {
			return append(m, make([]byte, 4096)...), first(b.fillHoles(), b.Allocate(end, 4096, 0))
		},
		"unsum": func(b *Buffer, m []byte) ([]byte, error) { return m, b.Unsum() },
		"copy within": func(b *Buffer, m []byte) ([]byte, error) {
			_, err := b.CopyFrom(ctx, b, 10, packChunk+10, 3000)
			copy(m[packChunk+10:], m[10:3010])
			return m, err
		},
	} {
		b := keep(t, s, name, base)
		mustPack(t, b)
		want, err := op(b, bytes.Clone(base))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		holds(t, b, want)
		ok(t, s.ends(b))
		holds(t, b, want)
		ok(t, s.Unlink(name))
	}
	checkStore(t, s)
}

// ends brings a buffer to memory and spills it.
func (s *Store) ends(b *Buffer) error { return first(b.Promote(ctx, false), b.Spill(ctx)) }

// Copying from a compressed buffer brings what it had.
func TestPackedCopy(t *testing.T) {
	s := openPacking(t, 1)
	data := typed("i16", 3*packChunk+9, false)
	a := keep(t, s, "a", data)
	mustPack(t, a)
	into := keep(t, s, "b", nil)
	n, err := into.CopyFrom(ctx, a, 5, 0, 1<<40)
	if err != nil || n != int64(len(data)-5) {
		t.Errorf("%d bytes, %v", n, err)
	}
	holds(t, into, data[5:])
	ok(t, into.Spill(ctx))
	n, err = into.CopyFrom(ctx, a, 0, 5, 100)
	if err != nil || n != 100 || !isPacked(t, a) || isPacked(t, into) {
		t.Errorf("%d bytes, %v", n, err)
	}
	model := bytes.Clone(data[5:])
	copy(model[5:], data[:100])
	holds(t, into, model)
	for _, tt := range []struct {
		off    int64
		whence int
		at     int64
	}{{3, unix.SEEK_DATA, 3}, {3, unix.SEEK_HOLE, int64(len(data))}, {int64(len(data)), unix.SEEK_DATA, -1}, {-1, unix.SEEK_HOLE, -1}} {
		at, err := a.Seek(tt.off, tt.whence)
		if tt.at < 0 {
			want(t, err, unix.ENXIO)
		} else if err != nil || at != tt.at {
			t.Errorf("from %d: %d %v", tt.off, at, err)
		}
	}
}

// A descriptor for others is one of an uncompressed file, though somebody holds the buffer. Where there is no room for one the buffer comes to
// memory, and if there is none there either it is read through us.
func TestPackedDescriptor(t *testing.T) {
	s := openPacking(t, 1)
	want := typed("f32", 2<<20, true)
	b := keep(t, s, "a", want)
	descriptor := func() string {
		b.Hold()
		defer b.Unhold()
		fd := b.Fd()
		if fd < 0 {
			return ""
		}
		got := make([]byte, len(want))
		_, err := unix.Pread(fd, got, 0)
		ok(t, err)
		if !bytes.Equal(got, want) {
			t.Error("the descriptor has other bytes")
		}
		return b.Tier()
	}
	mustPack(t, b)
	if tier := descriptor(); tier != "spill0" || isPacked(t, b) {
		t.Errorf("on %q", tier)
	}
	checkStore(t, s)
	ok(t, b.Promote(ctx, false))
	mustPack(t, b)
	limit(t, s, 0)
	if tier := descriptor(); tier != "ram" {
		t.Errorf("on %q", tier)
	}
	limit(t, s, 1<<30)
	mustPack(t, b)
	limit(t, s, 0)
	full := keep(t, s, "full", nil)
	ok(t, full.Resize(s.Usage().Free))
	if tier := descriptor(); tier != "" || !isPacked(t, b) {
		t.Errorf("on %q", tier)
	}
	if _, err := b.WriteAt([]byte("x"), 0); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("written where there is no room: %v", err)
	}
	holds(t, b, want)
	limit(t, s, 1<<30)
	checkStore(t, s)
}

// Who reads little of every chunk again and again has the buffer expanded once that is cheaper; if there is no room it goes on as it is.
func TestPackedWaste(t *testing.T) {
	s := openPacking(t, 1)
	want := typed("f32", 4*packChunk, false)
	for _, room := range []int64{1 << 30, 0} {
		b := keep(t, s, fmt.Sprint(room), want)
		mustPack(t, b)
		limit(t, s, room)
		got := make([]byte, 100)
		reads := 0
		for ; isPacked(t, b) && reads < 40; reads++ {
			off := int64(reads%4) * packChunk
			if reads%8 < 4 {
				ok(t, b.Read(Segment{off, got}).Wait(ctx))
			} else {
				_, err := b.ReadAt(got, off)
				ok(t, err)
			}
			if !bytes.Equal(got, want[off:off+100]) {
				t.Fatal("other bytes")
			}
		}
		if room > 0 && (reads < 4 || reads > 40/4) || room == 0 && reads != 40 {
			t.Errorf("with room for %d it was expanded after %d reads", room, reads)
		}
		holds(t, b, want)
		limit(t, s, 1<<30)
		checkStore(t, s)
		ok(t, b.Promote(ctx, false))
	}
	b := keep(t, s, "whole", want)
	mustPack(t, b)
	for range 20 {
		holds(t, b, want)
	}
	if !isPacked(t, b) {
		t.Error("reading all of it expanded it")
	}
}

// Many read a buffer, some write it, and it goes and comes: each byte is one that was there.
func TestPackedStress(t *testing.T) {
	s := openPacking(t, 2)
	want := typed("f32", 3*packChunk+100, false)
	b := keep(t, s, "a", want)
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 3))
			for range 40 {
				lo := r.IntN(len(want))
				got := make([]byte, min(r.IntN(packChunk*2), len(want)-lo))
				var err error
				switch r.IntN(5) {
				case 0:
					err = ignore(b.Spill(ctx), unix.EBUSY)
				case 1:
					err = ignore(b.Promote(ctx, false), unix.EBUSY)
				case 2:
					err = b.Write(Segment{int64(lo), want[lo : lo+len(got)]}).Wait(ctx)
				case 3:
					if err = b.Read(Segment{int64(lo), got}).Wait(ctx); err == nil && !bytes.Equal(got, want[lo:lo+len(got)]) {
						err = errors.New("a stream has other bytes")
					}
				default:
					if _, err = b.ReadAt(got, int64(lo)); err == nil && !bytes.Equal(got, want[lo:lo+len(got)]) {
						err = errors.New("a read has other bytes")
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	holds(t, b, want)
	checkStore(t, s)
}

// A store that is closed answers ESHUTDOWN to who reads on.
func TestPackedShutdown(t *testing.T) {
	cfg, _ := packConfig(t, 1)
	s := mustOpen(t, cfg)
	b, _, err := s.Create(me(), "a", 0o644, true)
	ok(t, err)
	_, err = b.WriteAt(typed("i32", 1<<20, false), 0)
	ok(t, err)
	mustPack(t, b)
	ok(t, s.Close(false))
	_, err = b.ReadAt(make([]byte, 10), 0)
	want(t, err, unix.ESHUTDOWN)
	b.Release()
}

// What cannot work is refused.
func TestPackConfig(t *testing.T) {
	cfg, _ := packConfig(t, 1)
	cfg.Spill[0].Compress = "lzma"
	_, err := Open(cfg)
	want(t, err, unix.EINVAL)
	cfg.Spill[0].Compress, cfg.Mem = CompressZstd, minPackMem-1
	_, err = Open(cfg)
	want(t, err, unix.EINVAL)
	for mem, n := range map[int64]int64{1 << 20: 1, 64 << 20: 1, 128 << 20: 2} {
		if got := codecCount(mem); got != n {
			t.Errorf("%d codecs of %d bytes, want %d", got, mem, n)
		}
	}
	if n := codecCount(1 << 50); n > maxCodecs {
		t.Errorf("%d codecs", n)
	}
}

// Tiers that compress stand beside ones that do not: what a buffer is depends on where it goes.
func TestPackedBesideRaw(t *testing.T) {
	cfg, _ := packConfig(t, 2)
	cfg.Spill[0].Compress, cfg.Spill[0].Size = "", 1<<20
	s := openWith(t, cfg)
	want := typed("i32", 900_000, false)
	a, b := keep(t, s, "a", want), keep(t, s, "b", want)
	ok(t, a.Spill(ctx))
	mustPack(t, b)
	if a.Tier() != "spill0" || isPacked(t, a) || b.Tier() != "spill1" {
		t.Errorf("on %s and %s", a.Tier(), b.Tier())
	}
	_, err := a.WriteAt(want, 900_000) // too long for its tier
	ok(t, err)
	if a.Tier() != "spill1" || isPacked(t, a) {
		t.Errorf("on %s", a.Tier())
	}
	holds(t, a, append(bytes.Clone(want), want...))
	checkStore(t, s)
}
