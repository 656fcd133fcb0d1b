package device

import (
	"context"
	"sync"
	"time"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Peaks are the machine's rates as measured by Measure, all workers together.
type Peaks struct {
	Flops32   float64 // f32 multiply-adds, two flops each, a second
	Flops64   float64
	Bandwidth float64 // bytes a second, read and written, beyond the caches
}

type peaks struct {
	mu   sync.Mutex
	have bool
	val  Peaks
}

// Peaks are the rates measured; ok is false before Measure has ended.
func (d *Device) Peaks() (p Peaks, ok bool) {
	d.peaks.mu.Lock()
	defer d.peaks.mu.Unlock()
	return d.peaks.val, d.peaks.have
}

// copyBytes is beyond the caches, and small enough not to be felt; a device
// of little memory lends less.
const copyBytes = 32 << 20

// Measure finds the machine's rates. It takes some 100 ms of all workers.
func (d *Device) Measure(ctx context.Context) error {
	var p Peaks
	err := d.pool.Run(ctx, pool.Options{Priority: MinPriority}, func(w *pool.Worker) error {
		var err error
		if p.Flops32, err = flopRate(w, simd.GemmF32); err != nil {
			return err
		}
		if p.Flops64, err = flopRate(w, simd.GemmF64); err != nil {
			return err
		}
		p.Bandwidth, err = d.copyRate(w)
		return err
	})
	if err != nil {
		return err
	}
	d.peaks.mu.Lock()
	defer d.peaks.mu.Unlock()
	d.peaks.val, d.peaks.have = p, true
	return nil
}

// flopRate is the multiply-add rate of all workers together.
func flopRate(w *pool.Worker, t simd.GemmType) (float64, error) {
	rates := make([]float64, w.Threads())
	err := w.For(len(rates), 1, func(_ *pool.Worker, lo, _ int) { rates[lo] = simd.Peak(t) })
	var sum float64
	for _, r := range rates {
		sum += r
	}
	return sum, err
}

// copyRate is the rate of copying memory, bytes read plus bytes written, the
// best of three.
func (d *Device) copyRate(w *pool.Worker) (float64, error) {
	size := int(min(copyBytes, d.store.Usage().Mem/8))
	arena, err := d.store.NewArena(2*int64(size) + 4096)
	if err != nil {
		return 0, err
	}
	defer arena.Close()
	src, dst := arena.Alloc(size), arena.Alloc(size)
	touch := func(_ *pool.Worker, lo, hi int) {
		for i := lo; i < hi; i += 4096 {
			src[i] = 1 // a page never written is read from one page of zeros, in the cache
		}
	}
	if err := w.For(size, 1<<20, touch); err != nil {
		return 0, err
	}
	var best float64
	for range 4 {
		start := time.Now()
		err := w.For(size, 1<<20, func(_ *pool.Worker, lo, hi int) { copy(dst[lo:hi], src[lo:hi]) })
		if err != nil {
			return 0, err
		}
		best = max(best, 2*float64(size)/time.Since(start).Seconds())
	}
	return best, nil
}
