package fft

import (
	"context"
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// planLengths are lengths up to 2^20 whose plans take longest: by large smooth
// lengths, by Rader's and by Bluestein's method, and the longest whose kernels
// are transformed more precisely than others.
var planLengths = []int{
	1 << 16, 1 << 20, 720720, 1000000, 1029600, // two-step
	30241, 65537, 163841, // Rader
	10007, 16381, 104729, 131059, 510510, 746497, 999983, 1000003, 1048573, 1048574, // Bluestein
}

// BenchmarkPlan makes plans of [planLengths] in turn with memory that is new to
// the process, and reports what the slowest takes in ms, and its length.
func BenchmarkPlan(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("f32/threads=%d", threads), func(b *testing.B) { benchmarkPlans[float32](b, threads) })
		b.Run(fmt.Sprintf("f64/threads=%d", threads), func(b *testing.B) { benchmarkPlans[float64](b, threads) })
	}
}

func benchmarkPlans[T simd.Float](b *testing.B, threads int) {
	p, err := pool.New(pool.Config{Threads: threads})
	must(b, err)
	defer p.Close()
	var worst time.Duration
	var at int
	for b.Loop() {
		for _, n := range planLengths {
			b.StopTimer()
			plans.entries.Clear()
			plans.held = 0
			debug.FreeOSMemory()
			b.StartTimer()
			start := time.Now()
			must(b, p.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error {
				_, err := planned(w, simd.FFT[T](), n)
				return err
			}))
			d := time.Since(start)
			if d > worst {
				worst, at = d, n
			}
		}
	}
	b.ReportMetric(worst.Seconds()*1e3, "worst-ms")
	b.ReportMetric(float64(at), "worst-n")
}
