package alloc

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// reopened is a spilled buffer whose chunks nobody has verified yet.
func reopened(t *testing.T, p []byte) (*Buffer, *injector) {
	t.Helper()
	cfg, i := spillConfig(t, onShm, 16<<20, 1)
	s := mustOpen(t, cfg)
	b := keep(t, s, "a", p)
	ok(t, b.Spill(ctx))
	b.Release()
	ok(t, s.Close(true))
	s = openWith(t, cfg)
	b, err := s.Get("a")
	ok(t, err)
	t.Cleanup(b.Release)
	return b, i
}

// rows are n segments of run bytes that begin pitch bytes apart.
func rows(first int64, n, run, pitch int) (segs []Segment) {
	for i := range n {
		segs = append(segs, Segment{first + int64(i*pitch), make([]byte, run)})
	}
	return segs
}

func sameSegs(t *testing.T, segs []Segment, want []byte) {
	t.Helper()
	for _, s := range segs {
		if !bytes.Equal(s.Buf, want[s.Off:s.Off+int64(len(s.Buf))]) {
			t.Fatalf("%d bytes from %d on are wrong", len(s.Buf), s.Off)
		}
	}
}

// Rows of a tile that lie close together come in requests of a block; those that lie apart come each by itself, but for chunks that are
// read whole, which are read once.
func TestCloseSegments(t *testing.T) {
	data := noise(1, 3<<20)
	for _, c := range []struct {
		n, run, pitch int
		most          int64 // requests
	}{
		{500, 448, 5792, 60},
		{90, 4096, 32 << 10, 60},
		{30, 20000, 20000 + joinGap, 60},
		{20, 100, 128 << 10, 25},
		{2, 1 << 20, 1<<20 + 100, 50},
	} {
		b, inject := reopened(t, data)
		var reads atomic.Int64
		inject.arm(func(op, path string) error {
			if strings.Contains(op, "read") && op != "readlink" {
				reads.Add(1)
			}
			return nil
		})
		segs := rows(128, c.n, c.run, c.pitch)
		ok(t, b.Read(segs...).Wait(ctx))
		inject.disarm()
		sameSegs(t, segs, data)
		if n := reads.Load(); n > c.most {
			t.Errorf("%d rows of %d bytes, %d apart: %d requests, want at most %d", c.n, c.run, c.pitch, n, c.most)
		}
	}
}

// Any segments in any order have their bytes, whether chunks are verified, unknown or changed meanwhile.
func TestAnySegments(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	data := noise(2, 1<<20+777)
	b, _ := reopened(t, data)
	for range 200 {
		var segs []Segment
		at := r.IntN(1000)
		for at < len(data) && len(segs) < 100 {
			n := min(r.IntN([]int{1, 600, 9000, 70000, 300000}[r.IntN(5)]), len(data)-at)
			segs = append(segs, Segment{int64(at), make([]byte, n)})
			at += n + r.IntN([]int{1, 5000, joinGap + 1, 200000}[r.IntN(4)])
		}
		switch r.IntN(3) {
		case 0:
			slices.Reverse(segs)
		case 1:
			r.Shuffle(len(segs), func(i, j int) { segs[i], segs[j] = segs[j], segs[i] })
		}
		if r.IntN(3) > 0 {
			ok(t, b.Read(segs...).Wait(ctx))
			sameSegs(t, segs, data)
			continue
		}
		for _, s := range segs {
			copy(s.Buf, noise(r.Uint64(), len(s.Buf)))
			copy(data[s.Off:], s.Buf)
		}
		ok(t, b.Write(segs...).Wait(ctx))
	}
	holds(t, b, data)
	ok(t, b.Promote(ctx, false))
	holds(t, b, data)
}

// A byte that has changed on the disk between two rows is noticed if its chunk is read for them.
func TestCloseSegmentsVerified(t *testing.T) {
	b, _ := reopened(t, noise(3, 1<<20))
	h, err := b.at()
	ok(t, err)
	_, err = unix.Pwrite(h.fd, []byte{1, 2, 3}, 3*chunkSize+5000)
	ok(t, err)
	segs := rows(0, 100, 512, 8192)
	want(t, b.Read(segs...).Wait(ctx), unix.EIO)
	ok(t, b.Read(segs[:20]...).Wait(ctx))
}
