package alloc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// big is more than a chunk, and ends within a block.
var big = string(noise(99, 2*chunkSize+100))

func putBig(rel string) func(*Store) error { return putBytes(rel, big) }

func spilled(b *Buffer) error  { return b.Spill(ctx) }
func promoted(b *Buffer) error { return b.Promote(ctx, false) }

func spillIt(rel string) func(*Store) error {
	return func(s *Store) error { return with(s, rel, spilled) }
}

// patched is big after a stream wrote into it.
func patched() string {
	p := []byte(big)
	copy(p[100:], patch[:1000])
	copy(p[chunkSize:], patch[:chunkSize])
	return string(p)
}

var patch = noise(98, chunkSize+50)

// spillScenarios are the operations of buffers that spill, or have.
var spillScenarios = []scenario{
	{name: "spill", tiers: 1, full: true, setup: putBig("a"), run: spillIt("a"), legal: bigIsIn("a", big), final: residentIs("a", false)},
	{name: "promote", tiers: 1, setup: both(putBig("a"), spillIt("a")), run: func(s *Store) error { return with(s, "a", promoted) },
		legal: bigIsIn("a", big), final: residentIs("a", true)},
	{name: "unlink spilled", tiers: 1, setup: both(putBig("a"), spillIt("a")), run: func(s *Store) error { return ignore(s.Unlink("a"), unix.ENOENT) },
		legal: func(t *testing.T, s *Store) { bigOr(t, s, "a", big) }, final: func(t *testing.T, s *Store) {
			if u := s.Tiers()[1]; u.Buffers != 0 || u.Used != 0 && len(s.spills[0].trash.list) == 0 {
				t.Errorf("left over: %+v", u)
			}
		}},
	{name: "write spilled", tiers: 1, setup: both(putBig("a"), spillIt("a")), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			return b.Write(Segment{100, patch[:1000]}, Segment{chunkSize, patch[:chunkSize]}).Wait(ctx)
		})
	}, legal: func(t *testing.T, s *Store) { eachByteOf(t, s, "a", big, patched()) }, final: func(t *testing.T, s *Store) { bigIsIn("a", patched())(t, s) }},
	{name: "append spilled", tiers: 1, setup: both(putBig("a"), spillIt("a")), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			if n, err := b.Size(); err != nil || n > int64(len(big)) {
				return err
			}
			_, err := b.Append([]byte(newBytes))
			return err
		})
	}, legal: bigIsIn("a", big, big+newBytes)},
	{name: "resize spilled", tiers: 1, setup: both(putBig("a"), spillIt("a")), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			return first(b.Resize(chunkSize+1), b.Resize(3*chunkSize), b.Resize(int64(len(newBytes))))
		})
	}, legal: func(t *testing.T, s *Store) {
		bigIsIn("a", big, big[:chunkSize+1], big[:chunkSize+1]+string(make([]byte, 2*chunkSize-1)), big[:len(newBytes)],
			big[:len(newBytes)]+string(make([]byte, chunkSize+1-len(newBytes))), big[:len(newBytes)]+string(make([]byte, 3*chunkSize-len(newBytes))))(t, s)
	}},
	{name: "rename over spilled", tiers: 1, setup: both(both(putBig("a"), spillIt("a")), putNew("b")),
		run:   func(s *Store) error { return ignore(s.Rename("b", "a", 0), unix.ENOENT) },
		legal: func(t *testing.T, s *Store) { bigOr(t, s, "a", big, newBytes); goodOr(t, s, "b", newBytes) }},
	{name: "output on a spill tier", tiers: 1, full: true, setup: putBig("out"), run: preparedSpilled,
		legal: func(t *testing.T, s *Store) { bigOr(t, s, "out", big, string(patch)) }, final: func(t *testing.T, s *Store) { bigIsIn("out", string(patch))(t, s) }},
	{name: "growth beyond the memory", tiers: 1, full: true, mem: 1 << 20, setup: putBytes("a", string(huge[:4*chunkSize])), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			n, err := b.Size()
			if err == nil && n < int64(len(huge)) {
				_, err = b.Append(huge[n:])
			}
			return err
		})
	}, legal: func(t *testing.T, s *Store) { prefixOf(t, s, "a", string(huge)) }, final: func(t *testing.T, s *Store) { bigIsIn("a", string(huge))(t, s) }},
	{name: "growth beyond a tier", tiers: 2, first: 4 * chunkSize, setup: both(putBig("a"), spillIt("a")), run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error { return b.Resize(5 * chunkSize) })
	}, legal: bigIsIn("a", big, big+string(make([]byte, 3*chunkSize-100)))},
	{name: "temporary space", tiers: 1, run: func(s *Store) error {
		b, err := s.Temp(chunkSize)
		if err != nil {
			return err
		}
		defer b.Release()
		got := make([]byte, chunkSize)
		if err := first(b.Write(Segment{0, patch[:chunkSize]}).Wait(ctx), b.Read(Segment{0, got}).Wait(ctx)); err != nil || bytes.Equal(got, patch[:chunkSize]) {
			return err
		}
		return errors.New("it reads otherwise than it was written")
	}, legal: func(t *testing.T, s *Store) {
		if u := s.Tiers()[1]; u.Buffers != 0 || u.Used != 0 && len(s.spills[0].trash.list) == 0 {
			t.Errorf("left over: %+v", u)
		}
	}},
	{name: "attributes of a spilled one", tiers: 1, setup: both(putBig("a"), spillIt("a")), run: func(s *Store) error {
		then := time.Unix(1e9, 5)
		return first(s.Chmod("a", 0o600), s.Utimens("a", nil, &then), s.Setxattr("a", "user.x", []byte("1"), 0))
	}, legal: bigIsIn("a", big), final: func(t *testing.T, s *Store) {
		if st, err := s.Lstat("a"); err != nil || st.Mtim.Nano() != 1e18+5 {
			t.Errorf("%+v, %v", st.Mtim, err)
		}
	}},
}

// huge is more than the memory of a store that is as small as it can be, together with what lies there.
var huge = noise(97, 12*chunkSize)

func preparedSpilled(s *Store) error {
	p, err := s.PrepareSpilled("out", int64(len(patch)))
	if err != nil {
		return err
	}
	if err = p.SetMark(job); err == nil {
		err = p.Publish(me(), "out", 0o644)
	}
	if err != nil {
		return fmt.Errorf("%w (discard: %v)", err, p.Discard("out"))
	}
	defer p.Release()
	if err := p.Write(Segment{0, patch}).Wait(ctx); err != nil {
		return err
	}
	return p.ClearMark()
}

// bigIsIn is legal while the buffer holds one of these.
func bigIsIn(rel string, all ...string) func(*testing.T, *Store) {
	return func(t *testing.T, s *Store) {
		t.Helper()
		got := text(t, s, rel)
		for _, w := range all {
			if got == w {
				return
			}
		}
		t.Errorf("%s holds %d bytes that it never should", rel, len(got))
	}
}

// bigOr is goodOr without the bytes in the message.
func bigOr(t *testing.T, s *Store, rel string, bytes ...string) {
	t.Helper()
	if _, marked := s.MarkOf(rel); !marked && exists(t, s, rel) {
		bigIsIn(rel, bytes...)(t, s)
	}
}

// eachByteOf is legal while each byte is that of one or the other.
func eachByteOf(t *testing.T, s *Store, rel, a, b string) {
	t.Helper()
	got := text(t, s, rel)
	if len(got) != len(a) {
		t.Fatalf("%d bytes", len(got))
	}
	for i := range got {
		if got[i] != a[i] && got[i] != b[i] {
			t.Fatalf("byte %d is neither old nor new", i)
		}
	}
}

func prefixOf(t *testing.T, s *Store, rel, whole string) {
	t.Helper()
	if !exists(t, s, rel) {
		return
	}
	if got := text(t, s, rel); len(got) > len(whole) || got != whole[:len(got)] {
		t.Errorf("%s holds %d bytes that it never should", rel, len(got))
	}
}

func residentIs(rel string, want bool) func(*testing.T, *Store) {
	return func(t *testing.T, s *Store) {
		t.Helper()
		ok(t, with(s, rel, func(b *Buffer) error {
			if b.Resident() != want {
				t.Errorf("resident: %v", !want)
			}
			return nil
		}))
	}
}

// A tier whose directory goes read-only, or vanishes, costs the bytes that are there, and nothing else.
func TestTierVanishes(t *testing.T) {
	cfg, _ := spillConfig(t, spillKinds()[0], 16<<20, 2)
	s := mustOpen(t, cfg)
	put(t, s, "a", big)
	put(t, s, "b", oldBytes)
	ok(t, with(s, "a", spilled))
	ok(t, s.Close(true))
	away := cfg.Spill[0].Dir + ".away"
	ok(t, os.Rename(cfg.Spill[0].Dir, away))
	s = mustOpen(t, cfg)
	bytesAre(t, s, "b", oldBytes)
	a, err := s.Get("a")
	ok(t, err)
	_, err = a.ReadAt(make([]byte, 10), 0)
	want(t, err, unix.EIO)
	want(t, a.Promote(ctx, false), unix.EIO)
	want(t, a.Read(Segment{0, make([]byte, 1)}).Wait(ctx), unix.EIO)
	if _, err := a.Map(); !errors.Is(err, ErrSpilled) {
		t.Errorf("map: %v", err)
	}
	if a.Tier() != "" || a.Fd() != -1 {
		t.Errorf("tier %q", a.Tier())
	}
	if st, err := s.Lstat("a"); err != nil || st.Size != int64(len(big)) {
		t.Errorf("%d bytes, %v", st.Size, err)
	}
	a.Release()
	ok(t, s.Close(true))
	ok(t, os.RemoveAll(cfg.Spill[0].Dir)) // a new one was made there
	ok(t, os.Rename(away, cfg.Spill[0].Dir))
	s = mustOpen(t, cfg)
	bytesAre(t, s, "a", big)
	ok(t, s.Close(true))
	cfg.Spill = nil
	s = mustOpen(t, cfg)
	bytesAre(t, s, "b", oldBytes)
	want(t, with(s, "a", func(b *Buffer) error { _, err := b.ReadAt(make([]byte, 1), 0); return err }), unix.EIO)
	ok(t, s.Unlink("a"))
	checkStore(t, s)
	ok(t, s.Close(false))
}
