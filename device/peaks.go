package device

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"vgpu/alloc"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Peaks are the machine's rates as measured by Measure, all workers together.
type Peaks struct {
	Flops32   float64 // f32 multiply-adds, two flops each, a second
	Flops64   float64
	Bandwidth float64 // bytes a second, read and written, beyond the caches
	// Of the first spill tier; 0 if there is none, or it could not be measured.
	DiskRead, DiskWrite float64
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
	size := int(min(copyBytes, d.store.Usage().Mem/8))
	arena, err := d.spare(ctx, 2*int64(size)+page)
	if err != nil {
		return err
	}
	err = d.pool.Run(ctx, pool.Options{Priority: MinPriority}, func(w *pool.Worker) error {
		var err error
		if p.Flops32, err = flopRate(w, simd.GemmF32); err != nil {
			return err
		}
		if p.Flops64, err = flopRate(w, simd.GemmF64); err != nil {
			return err
		}
		p.Bandwidth, err = copyRate(w, arena.Alloc(size), arena.Alloc(size))
		return err
	})
	arena.Close()
	if err != nil {
		return err
	}
	if p.DiskRead, p.DiskWrite, err = d.diskRates(ctx); err != nil {
		return err
	}
	d.peaks.mu.Lock()
	defer d.peaks.mu.Unlock()
	d.peaks.val, d.peaks.have = p, true
	return nil
}

// Of the spill tier so much is written and read in one go, four times: a
// fraction of a second of a slow disk.
const diskProbe = 8 << 20

// diskRates measures the first spill tier on a temporary file. A tier that is
// full is not measured.
func (d *Device) diskRates(ctx context.Context) (read, write float64, err error) {
	size := min(diskProbe, d.store.Usage().Mem/8)
	if d.moves == nil {
		return 0, 0, nil
	}
	b, err := d.store.Temp(size)
	if errors.Is(err, syscall.ENOSPC) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer b.Release()
	arena, err := d.spare(ctx, size+page)
	if err != nil {
		return 0, 0, err
	}
	defer arena.Close()
	seg := alloc.Segment{Buf: arena.Alloc(int(size))}
	for range 4 {
		start := time.Now()
		if err := b.Write(seg).Wait(ctx); err != nil {
			return 0, 0, err
		}
		between := time.Now()
		if err := b.Read(seg).Wait(ctx); err != nil {
			return 0, 0, err
		}
		write = max(write, float64(size)/between.Sub(start).Seconds())
		read = max(read, float64(size)/time.Since(between).Seconds())
	}
	return read, write, nil
}

// spare reserves memory for measuring. The last daemon may have left all of it
// to buffers: then some that no job names leave.
func (d *Device) spare(ctx context.Context, n int64) (*alloc.Arena, error) {
	arena, err := d.store.NewArena(n)
	if err == nil || d.moves == nil {
		return arena, err
	}
	if err := d.moves.enter(ctx); err != nil {
		return nil, err
	}
	defer d.moves.leave()
	if err := d.makeRoom(ctx, lent(n)+d.slack(), nil, never-1, func(string) {}); err != nil {
		return nil, err
	}
	return d.store.NewArena(n)
}

// diskRate is what a byte that is moved costs: as the moves of this device have
// gone so far if there were enough, else as measured at its start.
func (d *Device) diskRate() float64 {
	if r := d.moves.measured(); r > 0 {
		return r
	}
	p, _ := d.Peaks()
	if p.DiskRead <= 0 || p.DiskWrite <= 0 {
		return max(p.DiskRead, p.DiskWrite)
	}
	return 2 / (1/p.DiskRead + 1/p.DiskWrite) // as much is read as written
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
func copyRate(w *pool.Worker, src, dst []byte) (float64, error) {
	size := len(src)
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
