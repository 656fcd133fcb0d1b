package gemm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// BenchmarkSquare gives the rate of n x n x n products on one thread, in
// operations per second of the thread's CPU time, so that other load on the
// machine counts little.
func BenchmarkSquare(b *testing.B) {
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.BF16, ndarray.I8} {
		for _, n := range []int{32, 33, 64, 65, 100, 128, 256, 512, 1024, 2048, 4096} {
			b.Run(fmt.Sprintf("%s/%d", d, n), func(b *testing.B) { benchmark(b, d, n, n, n) })
		}
	}
}

// BenchmarkSkinny is the same for products that are short in one direction.
func BenchmarkSkinny(b *testing.B) {
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
		for _, s := range [][3]int{{64, 4096, 4096}, {4096, 64, 4096}, {4096, 4096, 64}, {1, 4096, 4096}, {4096, 1, 4096}} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", d, s[0], s[1], s[2]), func(b *testing.B) { benchmark(b, d, s[0], s[1], s[2]) })
		}
	}
}

// arena lends mapped memory on huge pages, as a device does; reset takes it
// back.
type arena struct {
	b    []byte
	used int
}

func newArena(b *testing.B, n int) *arena {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Munmap(mem) })
	if err := unix.Madvise(mem, unix.MADV_HUGEPAGE); err != nil {
		b.Log(err) // a kernel without huge pages
	}
	return &arena{b: mem}
}

func (a *arena) Alloc(n int) []byte {
	b := a.b[a.used : a.used+n]
	a.used += roundUp(n, 4096)
	return b
}

func (a *arena) array(d ndarray.DType, shape ...int) ndarray.Array {
	l := ndarray.NewLayout(d, shape...)
	return ndarray.Array{Layout: l, Data: a.Alloc(l.Bytes())}
}

func benchmark(b *testing.B, d ndarray.DType, m, n, k int) {
	r := rand.New(rand.NewPCG(1, 2))
	mem := newArena(b, 512<<20)
	q := Problem{A: mem.array(d, m, k), B: mem.array(d, k, n), Alpha: 1}
	if !q.Init() {
		b.Fatal("no kernel")
	}
	q.C = mem.array(q.scheme.sum, m, n)
	randomize(r, q.A)
	randomize(r, q.B)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	base := mem.used
	best := time.Duration(1 << 62)
	reps := 1 + int(1e8/(float64(m)*float64(n)*float64(k)))
	for b.Loop() {
		start := threadTime()
		for range reps {
			mem.used = base
			if err := q.Run(nil, mem); err != nil {
				b.Fatal(err)
			}
		}
		best = min(best, threadTime()-start)
	}
	ops := 2 * float64(m) * float64(n) * float64(k) * float64(reps)
	if d.IsComplex() {
		ops *= 4
	}
	b.ReportMetric(ops/best.Seconds()/1e9, "GFLOP/s")
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// randomize fills an array with halves between -4 and 4 (integers: between -4
// and 4), a thousand at a time.
func randomize(r *rand.Rand, a ndarray.Array) {
	some := values(integers(r, a.DType, 1009))
	for at := 0; at < a.Len(); at += len(some) {
		ndarray.Store(a, some[:min(len(some), a.Len()-at)], at)
	}
}

// BenchmarkStreamed gives the time of a streamed product, on two threads with
// half the memory that its operands take and blobs as fast as memory, as a
// multiple of the time in core.
func BenchmarkStreamed(b *testing.B) {
	for _, n := range []int{2048, 4096, 6144} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkStreamed(b, n) })
	}
}

func benchmarkStreamed(b *testing.B, n int) {
	r := rand.New(rand.NewPCG(1, 2))
	operands, scratch := newArena(b, 3*4*n*n+1<<16), newArena(b, 3*4*n*n)
	q := &Problem{A: operands.array(ndarray.F32, n, n), B: operands.array(ndarray.F32, n, n), C: operands.array(ndarray.F32, n, n), Alpha: 1}
	randomize(r, q.A)
	randomize(r, q.B)
	if !q.Init() {
		b.Fatal("no kernel")
	}
	cut, err := newCut(q, true, int64(3*4*n*n/2))
	if err != nil {
		b.Fatal(err)
	}
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	timed := func(run func(w *pool.Worker) error) time.Duration {
		scratch.used = 0
		start := time.Now()
		if err := p.Run(b.Context(), pool.Options{}, run); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	inCore, streamed := time.Duration(1<<62), time.Duration(1<<62)
	for b.Loop() {
		inCore = min(inCore, timed(func(w *pool.Worker) error { return q.Run(w, scratch) }))
		streamed = min(streamed, timed(func(w *pool.Worker) error {
			_, err := cut.run(&kernels.Exec{Ctx: b.Context(), W: w, Mem: scratch}, stored{
				a: kernels.Stored{Blob: &memoryBlob{q.A.Data}, Layout: q.A.Layout},
				b: kernels.Stored{Blob: &memoryBlob{q.B.Data}, Layout: q.B.Layout},
				c: kernels.Stored{Blob: &memoryBlob{q.C.Data}, Layout: q.C.Layout},
			})
			return err
		}))
	}
	b.ReportMetric(streamed.Seconds()/inCore.Seconds(), "in-core")
	b.ReportMetric(2*float64(n)*float64(n)*float64(n)/streamed.Seconds()/1e9, "GFLOP/s")
	b.Log(cut.explain())
}

// memoryBlob is a blob that copies beside whoever waits for it.
type memoryBlob struct{ data []byte }

func (m *memoryBlob) Read(segs ...kernels.Segment) kernels.Transfer {
	return copying(segs, func(s kernels.Segment) { copy(s.Buf, m.data[s.Off:]) })
}

func (m *memoryBlob) Write(segs ...kernels.Segment) kernels.Transfer {
	return copying(segs, func(s kernels.Segment) { copy(m.data[s.Off:], s.Buf) })
}

type copied chan struct{}

func copying(segs []kernels.Segment, each func(kernels.Segment)) copied {
	done := make(copied)
	go func() {
		defer close(done)
		for _, s := range segs {
			each(s)
		}
	}()
	return done
}

func (c copied) Wait(context.Context) error { <-c; return nil }

// BenchmarkEpilogue gives the time of a product with a bias and a residual as a
// multiple of that without.
func BenchmarkEpilogue(b *testing.B) {
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
		b.Run(d.String(), func(b *testing.B) {
			const n = 512
			r := rand.New(rand.NewPCG(1, 2))
			mem := newArena(b, 64<<20)
			plain := Problem{A: mem.array(d, n, n), B: mem.array(d, n, n), C: mem.array(d, n, n), Alpha: 1}
			bias, residual := mem.array(d, 1, n), mem.array(d, n, n)
			for _, a := range []ndarray.Array{plain.A, plain.B, bias, residual} {
				randomize(r, a)
			}
			bias.Shape[0], bias.Strides[0] = n, 0
			plain.Init()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			base, best := mem.used, [2]time.Duration{1 << 62, 1 << 62}
			for b.Loop() {
				for i := range best {
					mem.used = base
					q := plain
					if i == 1 {
						q.Bias, q.Residual = &bias, &residual
					}
					start := threadTime()
					if err := q.Run(nil, mem); err != nil {
						b.Fatal(err)
					}
					best[i] = min(best[i], threadTime()-start)
				}
			}
			b.ReportMetric(best[1].Seconds()/best[0].Seconds(), "plain")
		})
	}
}
