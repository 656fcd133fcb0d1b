package alloc

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// soft is a chunk that compresses, one that does not, and the beginning of a third.
var soft = string(slices.Concat(typed("i32", packChunk, true), noise(94, packChunk), typed("f32", 5000, false)))

// softened is soft after a stream wrote into it.
func softened() string {
	p := []byte(soft)
	copy(p[100:], patch[:1000])
	copy(p[packChunk:], patch[:chunkSize])
	return string(p)
}

var putSoft = both(putBytes("a", soft), spillIt("a"))

// packedScenarios are the operations of buffers that are compressed when they spill.
var packedScenarios = []scenario{
	{name: "compress", tiers: 1, packs: true, full: true, setup: putBytes("a", soft), run: spillIt("a"), legal: bigIsIn("a", soft), final: compressedIs("a", true)},
	{name: "decompress", tiers: 1, packs: true, setup: putSoft, run: func(s *Store) error { return with(s, "a", promoted) },
		legal: bigIsIn("a", soft), final: residentIs("a", true)},
	{name: "stream compressed", tiers: 1, packs: true, setup: putSoft, run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			got := make([]byte, packChunk+10)
			err := b.Read(Segment{packChunk - 5, got[:10]}, Segment{3, got[10:]}).Wait(ctx)
			if err == nil && string(got) != soft[packChunk-5:packChunk+5]+soft[3:packChunk+3] {
				panic("a stream has other bytes")
			}
			return err
		})
	}, legal: bigIsIn("a", soft), final: compressedIs("a", true)},
	{name: "expand", tiers: 1, packs: true, full: true, setup: putSoft, run: func(s *Store) error { return with(s, "a", (*Buffer).Unsum) },
		legal: bigIsIn("a", soft)},
	{name: "write compressed", tiers: 1, packs: true, setup: putSoft, run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error {
			return b.Write(Segment{100, patch[:1000]}, Segment{packChunk, patch[:chunkSize]}).Wait(ctx)
		})
	}, legal: func(t *testing.T, s *Store) { eachByteOf(t, s, "a", soft, softened()) }, final: func(t *testing.T, s *Store) { bigIsIn("a", softened())(t, s) }},
	{name: "cut compressed", tiers: 1, packs: true, setup: putSoft, run: func(s *Store) error {
		return with(s, "a", func(b *Buffer) error { return b.Resize(packChunk + 9) })
	}, legal: bigIsIn("a", soft, soft[:packChunk+9])},
	{name: "unlink compressed", tiers: 1, packs: true, setup: putSoft, run: func(s *Store) error { return ignore(s.Unlink("a"), unix.ENOENT) },
		legal: func(t *testing.T, s *Store) { bigOr(t, s, "a", soft) }, final: func(t *testing.T, s *Store) {
			if u := s.Tiers()[1]; u.Buffers != 0 || u.Logical != u.Used {
				t.Errorf("left over: %+v", u)
			}
		}},
}

// compressedIs looks at how the buffer is on its tier, if its file is there and the disk was not full.
func compressedIs(rel string, want bool) func(*testing.T, *Store) {
	return func(t *testing.T, s *Store) {
		t.Helper()
		ok(t, with(s, rel, func(b *Buffer) error {
			if b.Resident() || isPacked(t, b) != want {
				t.Errorf("resident %v, compressed %v", b.Resident(), !want)
			}
			return nil
		}))
	}
}
