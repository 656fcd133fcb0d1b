package alloc

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// known checks that all checksums of a spilled buffer are known, and right.
func known(t *testing.T, b *Buffer, data []byte) {
	t.Helper()
	h, err := b.at()
	ok(t, err)
	for k, c := range h.sums.of {
		lo := int64(k) * chunkSize
		if want := sum(data[lo:min(lo+chunkSize, int64(len(data)))]); c != want {
			t.Fatalf("chunk %d has %08x, want %08x", k, c, want)
		}
	}
}

// What is written in part through the store keeps its checksums, whether the chunk had been verified or not.
func TestPartsKeepSums(t *testing.T) {
	const size = 3*chunkSize + 777
	r := rand.New(rand.NewPCG(9, 9))
	data := noise(9, size)
	s, _ := openSpilling(t, onShm, 16<<20, 1)
	put(t, s, "a", string(data))
	b, err := s.Get("a")
	ok(t, err)
	defer func() { b.Release() }()
	for round := range 4 {
		ok(t, b.Spill(ctx))
		for range 25 {
			off := r.IntN(size)
			n := r.IntN(min(size-off, []int{1, 100, 5000, size}[r.IntN(4)]) + 1)
			copy(data[off:off+n], noise(r.Uint64(), n))
			_, err := b.WriteAt(data[off:off+n], int64(off))
			ok(t, err)
			known(t, b, data)
		}
		if round%2 == 0 { // opened anew, nothing of it is verified
			b.Release()
			b, err = s.Get("a")
			ok(t, err)
			known(t, b, data)
		} else {
			ok(t, b.Promote(ctx, false)) // verifies
		}
		holds(t, b, data)
	}
}

// Damage in a chunk is not covered up by writing a part of it, nor is what is written accused.
func TestPartsOfDamage(t *testing.T) {
	const size = 2 * chunkSize
	data := noise(10, size)
	s, _ := openSpilling(t, onShm, 16<<20, 1)
	b := keep(t, s, "a", data)
	ok(t, b.Spill(ctx))
	h, err := b.at()
	ok(t, err)
	_, err = s.writeFull(h.fd, "a", []byte{data[100] ^ 1}, 100)
	ok(t, err)
	_, err = b.WriteAt(data[90:110], 90)
	ok(t, err)
	if h.sums.of[0] != 0 || h.sums.of[1] == 0 {
		t.Errorf("%08x", h.sums.of)
	}
	holds(t, b, data)
}

// Of two who write parts of one chunk at once neither believes what it knew of the chunk.
func TestPartsAtOnce(t *testing.T) {
	data := noise(11, 2*chunkSize)
	fresh := slices.Clone(data)
	copy(fresh[100:], noise(12, 200))
	h := &home{sums: newSums(2 * chunkSize)}
	u := h.sums
	for i := range u.of {
		u.of[i], u.seen[i] = sum(data[i*chunkSize:][:chunkSize]), true
	}
	begin := func(lo, hi int64) *span {
		w, err := u.begin(nil, &spot{}, lo, hi)
		ok(t, err)
		for _, e := range w.edges {
			w.mends = append(w.mends, mend{edge: e, lo: lo, hi: hi, before: sum(data[lo:hi]), tail: chunkSize - hi})
		}
		return w
	}
	end := func(w *span) { u.end(w, 2*chunkSize, fragments(Segment{w.lo, fresh[w.lo:w.hi]})) }
	x := begin(100, 200)
	y := begin(200, 300)
	end(y)
	end(x)
	if u.of[0] != 0 || u.of[1] != sum(data[chunkSize:]) {
		t.Errorf("%08x", u.of)
	}
	u.of[0], u.seen[0] = sum(fresh[:chunkSize]), true
	copy(data, fresh)
	copy(fresh[100:], noise(13, 100))
	end(begin(100, 200))
	if u.of[0] != sum(fresh[:chunkSize]) {
		t.Errorf("%08x", u.of)
	}
}
