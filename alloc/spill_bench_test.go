package alloc

import (
	"os"
	"strconv"
	"testing"
)

// benchSize is the size of the buffer that the benchmarks move: $VGPU_BENCH_MIB, or 1 GiB.
func benchSize(b *testing.B) int64 {
	mib := 1024
	if s := os.Getenv("VGPU_BENCH_MIB"); s != "" {
		var err error
		if mib, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	return int64(mib) << 20
}

// benchStore has one spill tier, in $TMPDIR, and a resident buffer of noise.
func benchStore(b *testing.B) *Buffer {
	b.Helper()
	return benchBuffer(b, "", noise(5, 16<<20))
}

// benchBuffer is a resident buffer of p, repeated, in a store with a spill tier of its own.
func benchBuffer(b *testing.B, compress string, p []byte) *Buffer {
	b.Helper()
	n := benchSize(b)
	cfg := Config{Dir: b.TempDir() + "/state", Name: testName() + "bench", Mem: n + n/8 + 64<<20, Logf: b.Logf,
		Spill: []SpillConfig{{Dir: b.TempDir(), Compress: compress}}}
	s, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	buf, _, err := s.Create(me(), "a", 0o600, true)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		buf.Release()
		if err := s.Close(false); err != nil {
			b.Error(err)
		}
	})
	for off := int64(0); off < n; off += int64(len(p)) {
		if _, err := buf.WriteAt(p[:min(int64(len(p)), n-off)], off); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(n)
	return buf
}

// BenchmarkSpill and BenchmarkPromote are to be compared with fio --rw=write and --rw=read --bs=1M --iodepth=16 --direct=1 of the same
// size in the same directory.
func BenchmarkSpill(b *testing.B) {
	buf := benchStore(b)
	for b.Loop() {
		benchDo(b, buf.Spill(ctx))
		b.StopTimer()
		benchDo(b, buf.Promote(ctx, true))
		b.StartTimer()
	}
}

func BenchmarkPromote(b *testing.B) {
	buf := benchStore(b)
	for b.Loop() {
		b.StopTimer()
		benchDo(b, buf.Spill(ctx))
		b.StartTimer()
		benchDo(b, buf.Promote(ctx, false))
	}
}

// BenchmarkStream reads and writes a spilled buffer in place, as streamed runs do: 8 MiB at a time, two under way, 128 bytes behind a
// block's start, as in a .npy file.
func BenchmarkStreamRead(b *testing.B)  { benchStream(b, (*Buffer).Read) }
func BenchmarkStreamWrite(b *testing.B) { benchStream(b, (*Buffer).Write) }

func benchStream(b *testing.B, f func(*Buffer, ...Segment) *Transfer) {
	buf := benchStore(b)
	benchDo(b, buf.Spill(ctx))
	a, err := buf.s.NewArena(16 << 20)
	benchDo(b, err)
	defer a.Close()
	const tile = 8 << 20
	mem := [2][]byte{a.Alloc(tile), a.Alloc(tile)}
	n := benchSize(b) - 128
	for b.Loop() {
		var flight [2]*Transfer
		for i, off := 0, int64(128); off < n; i, off = i^1, off+tile {
			if flight[i] != nil {
				benchDo(b, flight[i].Wait(ctx))
			}
			flight[i] = f(buf, Segment{off, mem[i][:min(tile, n-off)]})
		}
		for _, t := range flight {
			if t != nil {
				benchDo(b, t.Wait(ctx))
			}
		}
	}
}

func benchDo(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
