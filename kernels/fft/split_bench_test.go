package fft

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/kernels/simd"
)

// splitLengths are those whose splits are timed: powers of two and what people use.
var splitLengths = []int{
	64, 96, 100, 120, 128, 160, 192, 200, 240, 256, 320, 360, 384, 400, 480, 500, 512, 600, 640, 720, 768, 800, 960, 1000, 1024, 1200, 1280, 1400, 1536,
	1920, 2000, 2048, 2187, 2400, 3000, 3072, 3125, 4000, 4096, 4410, 5000, 5040, 6144, 7200, 8000, 8192, 10000, 11025, 12000, 12288, 14400, 16384,
	20000, 22050, 25000, 32768, 44100, 48000, 65536, 96000, 100000, 131072,
}

// BenchmarkSplits times all splits of [splitLengths] in turn, over and over, and
// reports what those that the costs choose take beyond the fastest: in the geometric
// mean, and at most, with the length. A round takes about a second: -benchtime 30x.
func BenchmarkSplits(b *testing.B) {
	b.Run("f32", benchmarkSplits[float32])
	b.Run("f64", benchmarkSplits[float64])
}

func benchmarkSplits[T simd.Float](b *testing.B) {
	runtime.LockOSThread() // times are the thread's
	defer runtime.UnlockOSThread()
	k := simd.FFT[T]()
	all, most, size := splitsOf(b, k)
	src, dst, s := newTable[T](2*most), newTable[T](2*most), newTable[T](size)
	for i := range src {
		src[i] = T(i%17) - 8
	}
	least := make([]float64, len(all))
	for b.Loop() {
		for i, t := range all {
			reps := max(1, 1<<14/(t.n1*t.n2))
			run := func() { _ = t.run(nil, dst, src, forward[T](), s[:t.s], s[t.s:]) }
			run()
			start := threadTime()
			for range reps {
				run()
			}
			if d := (threadTime() - start) / float64(reps); least[i] == 0 || d < least[i] {
				least[i] = d
			}
		}
	}
	reportSplits(b, machineOf(k), all, least)
}

// splitsOf plans them, but those whose tiles are very long; most is the longest
// length, size the scratch of any.
func splitsOf[T simd.Float](b *testing.B, k *simd.FFTKernels[T]) (all []*twoStep[T], most, size int) {
	for _, n := range splitLengths {
		for _, n1 := range divisors(n) {
			n2 := n / n1
			if n1 == 1 || n2 < k.W || n1 > n/4 && n1 > 16 || n2 > n/4 && n2 > 16 && n1 < 4 {
				continue
			}
			t, err := newTwoStep(nil, k, n1, n2)
			must(b, err)
			all, most, size = append(all, t), max(most, n), max(size, t.s+2*t.tile)
		}
	}
	return all, most, size
}

func reportSplits[T simd.Float](b *testing.B, m machine, all []*twoStep[T], least []float64) {
	best, chosen := map[int]float64{}, map[int]float64{}
	for i, t := range all {
		n := t.n1 * t.n2
		if best[n] == 0 || least[i] < best[n] {
			best[n] = least[i]
		}
		if n1, _, _ := split(n, m); n1 == t.n1 {
			chosen[n] = least[i]
		}
	}
	sum, worst, at := 0.0, 0.0, 0
	for n, t := range best {
		r := chosen[n] / t
		if sum += math.Log(r); r > worst {
			worst, at = r, n
		}
	}
	b.ReportMetric(math.Exp(sum/float64(len(best))), "mean/best")
	b.ReportMetric(worst, fmt.Sprintf("worst/best(%d)", at))
}

// threadTime is the processor time of this thread in seconds.
func threadTime() float64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // cannot fail on Linux
	return float64(t.Nano()) / 1e9
}
