package alloc

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The checksum of two runs of bytes together is found from theirs.
func TestCombine(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	data := noise(4, 200000)
	for _, n := range []int{0, 1, 2, 7, 8, 255, 4096, 65535, 65536, 100001} {
		at := r.IntN(len(data) - n + 1)
		a, b := data[:at], data[at:at+n]
		if got, want := combine(sum(a), sum(b), int64(n)), sum(data[:at+n]); got != want {
			t.Errorf("%d and %d bytes: %08x, want %08x", at, n, got, want)
		}
	}
}

// Fragments that are learned in any order make their chunks' checksums known once nothing is missing, and not before; what is written
// again takes its part back.
func TestFragments(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		size := int64(1 + r.IntN(3*chunkSize))
		data := noise(r.Uint64(), int(size))
		u := newSums(size)
		cuts := []int64{0, size}
		for range r.IntN(20) {
			cuts = append(cuts, r.Int64N(size))
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		for _, i := range r.Perm(len(cuts) - 1) {
			writeSums(t, u, data, cuts[i], cuts[i+1])
		}
		for k, c := range u.of {
			lo := int64(k) * chunkSize
			if want := sum(data[lo:min(lo+chunkSize, size)]); c != want || !u.seen[k] {
				t.Fatalf("%d bytes cut at %v: chunk %d has %08x, want %08x", size, cuts, k, c, want)
			}
		}
		lo := r.Int64N(size)
		w, err := u.begin(nil, &spot{}, lo, lo+1)
		ok(t, err)
		if u.of[lo/chunkSize] != 0 {
			t.Fatal("a chunk that is being written is known")
		}
		u.end(w, size, nil)
		if u.of[lo/chunkSize] != 0 {
			t.Fatal("a chunk whose writing failed is known")
		}
	}
}

// writeSums says that [lo, hi) was written.
func writeSums(t *testing.T, u *sums, data []byte, lo, hi int64) {
	t.Helper()
	w, err := u.begin(nil, &spot{}, lo, hi)
	ok(t, err)
	if u.of[lo/chunkSize] != 0 {
		t.Fatal("a chunk that is being written is known")
	}
	u.end(w, int64(len(data)), fragments(Segment{lo, data[lo:hi]}))
}

// Writers under way at once spoil what both write, and nothing beside it.
func TestSpoiledFragments(t *testing.T) {
	data := noise(6, 2*chunkSize)
	whole := fragments(Segment{0, data})
	both := func(a, b [2]int64) *sums {
		u := newSums(2 * chunkSize)
		x, err := u.begin(nil, &spot{}, a[0], a[1])
		ok(t, err)
		y, err := u.begin(nil, &spot{}, b[0], b[1])
		ok(t, err)
		u.end(y, 2*chunkSize, fragments(Segment{b[0], data[b[0]:b[1]]}))
		u.end(x, 2*chunkSize, fragments(Segment{a[0], data[a[0]:a[1]]}))
		return u
	}
	if u := both([2]int64{0, 1000}, [2]int64{1000, 2 * chunkSize}); u.of[0] != whole[0].sum || u.of[1] != whole[1].sum {
		t.Error("neighbours spoil each other")
	}
	if u := both([2]int64{0, 1001}, [2]int64{1000, 2 * chunkSize}); u.of[0] != 0 || u.of[1] != 0 {
		t.Error("writers of one byte believe their checksums")
	}
}

// A chunk in very many fragments is not worth keeping; written as a whole it is known again.
func TestManyFragments(t *testing.T) {
	data := noise(7, chunkSize)
	u := newSums(chunkSize)
	for lo := int64(0); lo < 4*maxParts; lo += 2 {
		writeSums(t, u, data, lo, lo+1)
		if len(u.parts[0]) > maxParts {
			t.Fatalf("%d fragments are kept", len(u.parts[0]))
		}
	}
	writeSums(t, u, data, 0, chunkSize)
	if u.of[0] != sum(data) || len(u.parts) != 0 {
		t.Errorf("%08x, want %08x; %d fragments are kept", u.of[0], sum(data), len(u.parts))
	}
}

// A spilled buffer whose bytes come in strips that do not end where chunks do, behind a header, or by appending, has a checksum for each
// of its chunks; they are right.
func TestStripsAreSummed(t *testing.T) {
	const size = 7*chunkSize + 999
	data := noise(8, size)
	s, _ := openSpilling(t, onShm, 16<<20, 1)
	known := func(b *Buffer) {
		t.Helper()
		h, err := b.at()
		ok(t, err)
		if n := chunks(int64(len(content(t, b)))); int64(len(h.sums.of)) != n || slices.Contains(h.sums.of, 0) {
			t.Errorf("%d chunks, checksums %x", n, h.sums.of)
		}
		holds(t, b, data)
		ok(t, b.Promote(ctx, false)) // verifies
		holds(t, b, data)
	}
	strips := keep(t, s, "strips", make([]byte, size))
	ok(t, strips.SpillEmpty(ctx))
	_, err := strips.WriteAt(data[:128], 0)
	ok(t, err)
	var under []*Transfer
	for lo := 128; lo < size; lo += 100000 {
		hi := min(lo+100000, size)
		under = append(under, strips.Write(Segment{int64(lo), data[lo:hi]}))
	}
	for _, w := range under {
		ok(t, w.Wait(ctx))
	}
	known(strips)
	grown := keep(t, s, "grown", nil)
	ok(t, grown.Spill(ctx))
	for lo := 0; lo < size; lo += 5000 {
		_, err := grown.Append(data[lo:min(lo+5000, size)])
		ok(t, err)
	}
	known(grown)
}
