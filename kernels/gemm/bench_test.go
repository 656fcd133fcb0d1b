package gemm

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/kernels/ndarray"
)

// BenchmarkSquare gives the rate of n x n x n products on one thread, in
// operations per second of the thread's CPU time, so that other load on the
// machine counts little.
func BenchmarkSquare(b *testing.B) {
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.BF16, ndarray.I8} {
		for _, n := range []int{32, 33, 64, 128, 256, 512, 1024, 2048, 4096} {
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

// heap lends memory of the Go heap, and the same again.
type heap struct{ last map[int][]byte }

func (h *heap) Alloc(n int) []byte {
	if h.last[n] == nil {
		if h.last == nil {
			h.last = map[int][]byte{}
		}
		h.last[n] = ndarray.New(ndarray.U8, n).Data
	}
	return h.last[n]
}

func benchmark(b *testing.B, d ndarray.DType, m, n, k int) {
	r := rand.New(rand.NewPCG(1, 2))
	x, y := integers(r, d, m, k), integers(r, d, k, n)
	q := Problem{A: x, B: y, Alpha: 1}
	q.Init()
	q.C = ndarray.New(q.scheme.sum, m, n)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mem := &heap{}
	best := time.Duration(1 << 62)
	reps := 1 + int(2e6/(float64(m)*float64(n)*float64(k)))
	for b.Loop() {
		start := threadTime()
		for range reps {
			p := q
			if err := p.Run(nil, mem); err != nil {
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
