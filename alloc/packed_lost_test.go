package alloc

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A byte that changes anywhere in the files of a compressed buffer is EIO that names it, or changes nothing.
func TestPackedBitRot(t *testing.T) {
	s := openPacking(t, 1)
	want := slices.Concat(typed("i32", packChunk, false), noise(4, packChunk), typed("f32", 1000, false))
	b := keep(t, s, "a", want)
	mustPack(t, b)
	first := int64(b.home.sums.pack.of[0].size)
	for _, tt := range []struct {
		at, lo, hi int64
	}{
		{0, 0, packChunk}, {3, 0, packChunk}, {first / 2, 0, packChunk}, {first - 1, 0, packChunk},
		{packChunk + chunkSize + 5, packChunk + chunkSize, packChunk + 2*chunkSize}, {2*packChunk + 17, 2 * packChunk, int64(len(want))},
	} {
		flip(t, s, tt.at)
		for _, c := range b.s.io.codecs.idle { // as if they had been used for others
			c.spot = nil
		}
		whole := make([]byte, len(want))
		for what, read := range map[string]func() error{
			"read":    func() error { _, err := b.ReadAt(whole, 0); return err },
			"stream":  func() error { return b.Read(Segment{0, whole}).Wait(ctx) },
			"promote": func() error { return b.Promote(ctx, false) },
			"expand":  func() error { return b.Unsum() },
			"copy":    func() error { _, err := keep(t, s, "copy", nil).CopyFrom(ctx, b, 0, 0, 1<<30); return err },
		} {
			err := read()
			var e *ChecksumError
			if !errors.As(err, &e) || !errors.Is(err, unix.EIO) || e.Path != "a" || e.Off < tt.lo || e.Off+e.Len > tt.hi {
				t.Errorf("byte %d, %s: %v", tt.at, what, err)
			}
		}
		flip(t, s, tt.at)
		holds(t, b, want)
	}
	flip(t, s, first) // what fills its page
	ok(t, b.Promote(ctx, false))
	holds(t, b, want)
	checkStore(t, s)
}

// The index of a compressed buffer that is damaged, short or gone is EIO that names both; that of another file too.
func TestPackedIndexLost(t *testing.T) {
	cfg, _ := packConfig(t, 1)
	s := mustOpen(t, cfg)
	want := typed("f32", 2*packChunk+9, false)
	put(t, s, "a", string(want))
	ok(t, with(s, "a", spilled))
	name := filepath.Base(dataFiles(t, s.spills[0])[0])
	index := filepath.Join(s.spills[0].path, sumsDir, name)
	text, err := os.ReadFile(index)
	ok(t, err)
	for i, bad := range [][]byte{text[:len(text)-4], nil, append(bytes.Clone(text), 0, 0, 0, 0), mutated(text, 9), mutated(text, len(text)-6), mutated(text, 0)} {
		ok(t, os.WriteFile(index, bad, 0o600))
		err := with(s, "a", promoted)
		if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), name) {
			t.Errorf("damage %d: %v", i, err)
		}
	}
	ok(t, os.Remove(index))
	if err := with(s, "a", readByte); !errors.Is(err, unix.EIO) {
		t.Errorf("without an index: %v", err)
	}
	ok(t, os.WriteFile(index, text, 0o600))
	bigIsIn("a", string(want))(t, s)
	data := dataFiles(t, s.spills[0])[0]
	ok(t, os.Truncate(data, 9)) // shorter than the index says
	if err := with(s, "a", readByte); !errors.Is(err, unix.EIO) {
		t.Errorf("cut: %v", err)
	}
	ok(t, s.Unlink("a"))
	ok(t, s.Close(false))
}

func readByte(b *Buffer) error {
	_, err := b.ReadAt(make([]byte, 1), 0)
	return err
}

func mutated(p []byte, at int) []byte {
	p = bytes.Clone(p)
	p[at] ^= 0x10
	return p
}

// A kept device finds what it had compressed, a new one of a restarted machine what was saved so; without the option too.
func TestPackedRestart(t *testing.T) {
	cfg, _ := packConfig(t, 2)
	cfg.Persist = true
	s := mustOpen(t, cfg)
	want := typed("f64", 3*packChunk+5, true)
	put(t, s, "a", string(want))
	put(t, s, "b", string(want))
	ok(t, with(s, "a", spilled))
	ok(t, mark("b", Mark{State: Bad, Job: 3})(s))
	picked := picture(t, s)
	logical := func() int64 { return s.Tiers()[1].Logical - s.Tiers()[1].Used }
	saved := logical()
	ok(t, s.Close(true))
	s = mustOpen(t, cfg)
	if samePicture(t, "kept", picture(t, s), picked); logical() != saved || saved == 0 {
		t.Errorf("%d bytes are saved, were %d", logical(), saved)
	}
	checkStore(t, s)
	ok(t, s.Close(false))
	reboot(t, &cfg)
	s = mustOpen(t, cfg)
	if samePicture(t, "restarted", picture(t, s), picked); logical() != 2*saved {
		t.Errorf("%d bytes are saved of two buffers, %d of one", logical(), saved)
	}
	checkStore(t, s)
	ok(t, s.Close(false))
	reboot(t, &cfg)
	for i := range cfg.Spill {
		cfg.Spill[i].Compress = ""
	}
	s = mustOpen(t, cfg)
	samePicture(t, "restarted without", picture(t, s), picked)
	ok(t, with(s, "a", func(b *Buffer) error { return s.ends(b) }))
	if u := s.Tiers()[1]; u.Compression != "none" || logical() != saved {
		t.Errorf("%+v", u)
	}
	checkStore(t, s)
	cfg.Persist = false
	ok(t, s.Close(true))
	ok(t, mustOpen(t, cfg).Close(false))
}

// A stale output that was compressed is zeros when its job ends badly, in life and at the next start.
func TestPackedStale(t *testing.T) {
	cfg, _ := packConfig(t, 1)
	s := mustOpen(t, cfg)
	old := string(typed("i32", 1<<20, false))
	stale := func(rel string) *Prepared {
		t.Helper()
		put(t, s, "x", old)
		s.pool.on.Store(true)
		ok(t, s.Unlink("x"))
		p, err := s.PrepareWhole(rel, int64(len(old)))
		ok(t, err)
		ok(t, p.SetMark(job))
		ok(t, p.Publish(me(), rel, 0o600))
		if !p.stale.Load() {
			t.Fatal("it is not stale")
		}
		mustPack(t, p.Buffer)
		return p
	}
	p := stale("a")
	ok(t, p.SettleMark(job.Job, &Mark{State: Bad, Job: job.Job}))
	p.Release()
	zero := string(make([]byte, len(old)))
	bigIsIn("a", zero)(t, s)
	checkStore(t, s)
	stale("b")
	s.abandon()
	s = mustOpen(t, cfg)
	bigIsIn("a", zero)(t, s)
	bigIsIn("b", zero)(t, s)
	checkStore(t, s)
	ok(t, s.Close(false))
}
