package alloc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
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

// BenchmarkSpill and BenchmarkPromote move the buffer there and back. Where fio(1) is in the path each move comes after fio has written a new
// file there, or read the very file that is to be promoted: a disk of a virtual machine changes its speed with all that its host does.
// "fio-MB/s" is the median of what fio got, "of-fio" of the moves' shares in that.
func BenchmarkSpill(b *testing.B) {
	buf := benchStore(b)
	against := &fio{b: b, rw: "write"}
	for b.Loop() {
		b.StopTimer()
		file := filepath.Join(buf.s.spills[0].path, "fio")
		against.run(file)
		benchDo(b, os.RemoveAll(file))
		against.time(func() { benchDo(b, buf.Spill(ctx)) })
		benchDo(b, buf.Promote(ctx, false)) // with discard there would be only the page of zeros to read
		b.StartTimer()
	}
	against.report()
}

// A virtual machine that gives free memory back to its host (free page reporting, after two seconds) waits for the host at each page that is
// new to it. Where buffers leave to make room for others, the pages were in use just now: "used". "pages-MB/s" is what a process gets
// that fills a file in the RAM tier with the pages that fio's runs have left to the host, which bounds "new".
func BenchmarkPromote(b *testing.B) {
	b.Run("pages=used", func(b *testing.B) { benchPromote(b, true) })
	b.Run("pages=new", func(b *testing.B) { benchPromote(b, false) })
}

func benchPromote(b *testing.B, used bool) {
	buf := benchStore(b)
	against, pages := &fio{b: b, rw: "read"}, time.Duration(0)
	for b.Loop() {
		b.StopTimer()
		benchDo(b, buf.Spill(ctx))
		h, err := buf.at()
		benchDo(b, err)
		file := filepath.Join(h.t.path, h.entry().rel)
		against.run(file) // twice: the first read is the one that brings the file into the cache of a virtual machine's host
		against.run(file)
		if used {
			pages += benchPages(b, filepath.Join(buf.s.ram.path, "pages"))
		}
		against.time(func() { benchDo(b, buf.Promote(ctx, false)) })
		b.StartTimer()
	}
	against.report()
	if used {
		b.ReportMetric(float64(benchSize(b))*float64(b.N)/pages.Seconds()/1e6, "pages-MB/s")
	}
}

// benchPages fills a file of the benchmark's size, and removes it. It returns how long the filling took.
func benchPages(b *testing.B, path string) time.Duration {
	f, err := os.Create(path)
	benchDo(b, err)
	defer f.Close()
	benchDo(b, f.Truncate(benchSize(b)))
	p := noise(6, 4<<20)
	start := time.Now()
	for off := int64(0); off < benchSize(b); off += int64(len(p)) {
		_, err := f.WriteAt(p[:min(int64(len(p)), benchSize(b)-off)], off)
		benchDo(b, err)
	}
	took := time.Since(start)
	benchDo(b, os.Remove(path))
	return took
}

// fio compares moves of a buffer with fio(1).
type fio struct {
	b             *testing.B
	rw            string
	last          float64   // bytes a second
	rates, shares []float64 // MB/s, and of that
}

// run has fio read or write a file of the benchmark's size, if there is a fio.
func (f *fio) run(file string) {
	path, err := exec.LookPath("fio")
	if err != nil {
		return
	}
	out, err := exec.Command(path, "--name=x", "--filename="+file, "--rw="+f.rw, "--bs=1m", "--size="+strconv.FormatInt(benchSize(f.b), 10),
		"--direct=1", "--ioengine=io_uring", "--iodepth=16", "--output-format=terse", "--terse-version=3").Output()
	benchDo(f.b, err)
	field := 6
	if f.rw == "write" {
		field = 47
	}
	kib, err := strconv.ParseFloat(strings.Split(string(out), ";")[field], 64)
	benchDo(f.b, err)
	f.last = kib * 1024
}

// time times what move does, and compares it with the last run.
func (f *fio) time(move func()) {
	f.b.StartTimer()
	start := time.Now()
	move()
	took := time.Since(start)
	f.b.StopTimer()
	if f.last > 0 {
		f.rates = append(f.rates, f.last/1e6)
		f.shares = append(f.shares, float64(benchSize(f.b))/took.Seconds()/f.last)
	}
}

func (f *fio) report() {
	if len(f.rates) > 0 {
		f.b.Logf("fio %.0f, shares %.2f", f.rates, f.shares)
		slices.Sort(f.rates)
		slices.Sort(f.shares)
		f.b.ReportMetric(f.rates[len(f.rates)/2], "fio-MB/s")
		f.b.ReportMetric(f.shares[len(f.shares)/2], "of-fio")
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

// BenchmarkSmall moves 10,000 buffers of 64 KiB, or as many as are of the benchmark's size, and of 1, 2 and 4 MiB, out and in again, so many
// at a time.
func BenchmarkSmall(b *testing.B) {
	for _, kib := range []int{64, 1024, 2048, 4096} {
		for _, lanes := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("KiB=%d/lanes=%d", kib, lanes), func(b *testing.B) { benchSmall(b, kib<<10, lanes) })
		}
	}
}

func benchSmall(b *testing.B, size, lanes int) {
	n := int(min(10000, benchSize(b)/int64(size)))
	s, err := Open(Config{Dir: b.TempDir() + "/state", Name: testName() + "bench", Mem: int64(2*n*size) + 64<<20, Logf: b.Logf, Spill: []SpillConfig{{Dir: b.TempDir()}}})
	benchDo(b, err)
	b.Cleanup(func() { benchDo(b, s.Close(false)) })
	p := noise(7, size)
	for i := range n {
		x, _, err := s.Create(me(), strconv.Itoa(i), 0o600, true)
		benchDo(b, err)
		_, err = x.WriteAt(p, 0)
		benchDo(b, err)
		x.Release()
	}
	each := func(f func(*Buffer) error) time.Duration {
		start := time.Now()
		var g errgroup.Group
		for k := range lanes {
			g.Go(func() (err error) {
				for i := k; i < n && err == nil; i += lanes {
					var x *Buffer
					if x, err = s.Get(strconv.Itoa(i)); err == nil {
						err = f(x)
						x.Release()
					}
				}
				return err
			})
		}
		benchDo(b, g.Wait())
		return time.Since(start)
	}
	var out, in time.Duration
	for b.Loop() {
		out += each(func(x *Buffer) error { return x.Spill(ctx) })
		in += each(func(x *Buffer) error { return x.Promote(ctx, false) })
	}
	b.ReportMetric(float64(out.Microseconds())/float64(n*b.N), "us/spill")
	b.ReportMetric(float64(in.Microseconds())/float64(n*b.N), "us/promote")
}

func benchDo(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
