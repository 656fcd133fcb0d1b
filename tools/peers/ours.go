package main

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"vgpu/kernels/gemm"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/tune"
)

// ours is this program's products, computed in this process.
type ours struct {
	pool    *pool.Pool
	threads int
	problem gemm.Problem
	mem     *pages
	base    int // where scratch begins in mem
}

// pages lends memory on huge pages, as a device does.
type pages struct {
	b    []byte
	used int
}

// newPages maps n bytes.
func newPages(n int) (*pages, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("%d bytes: %w", n, err)
	}
	return &pages{b: b}, errIfNot(unix.Madvise(b, unix.MADV_HUGEPAGE), unix.EINVAL) // EINVAL: a kernel without
}

// errIfNot is err, unless it is the one that does not matter.
func errIfNot(err, harmless error) error {
	if err == harmless {
		return nil
	}
	return err
}

// Alloc implements kernels.Memory, for one caller at a time: gemm allocates
// before it forks.
func (p *pages) Alloc(n int) []byte {
	const huge = 2 << 20
	unit := 64
	if n >= huge {
		unit = huge
	}
	at := (p.used + unit - 1) / unit * unit
	p.used = at + n
	return p.b[at:p.used:p.used]
}

func (p *pages) free() error { return unix.Munmap(p.b) }

func (p *pages) array(l ndarray.Layout) ndarray.Array {
	return ndarray.Array{Layout: l, Data: p.Alloc(l.Bytes())}
}

// shapeOf reads TYPE M N K. Type u8 is u8 times i8, as in the harness.
func shapeOf(what string) (a, b ndarray.DType, m, n, k int, err error) {
	var name string
	if _, err = fmt.Sscan(what, &name, &m, &n, &k); err != nil {
		return
	}
	if a, err = ndarray.ParseDType(name); err != nil {
		return
	}
	if b = a; a == ndarray.U8 {
		b = ndarray.I8
	}
	return
}

func (o *ours) setup(_ context.Context, what string) (ok bool, err error) {
	a, b, m, n, k, err := shapeOf(what)
	if err != nil {
		return false, err
	}
	q := gemm.Problem{Alpha: 1}
	q.A.Layout, q.B.Layout = ndarray.NewLayout(a, m, k), ndarray.NewLayout(b, k, n)
	if !q.Init() {
		return false, nil
	}
	q.C.Layout = ndarray.NewLayout(q.SumType(), m, n)
	const slack = 16 << 20 // blocks begin on huge pages
	if err := o.close(); err != nil {
		return false, err
	}
	if o.mem, err = newPages(q.A.Bytes() + q.B.Bytes() + q.C.Bytes() + int(q.Scratch(false)) + slack); err != nil {
		return false, err
	}
	q.A, q.B, q.C = o.mem.array(q.A.Layout), o.mem.array(q.B.Layout), o.mem.array(q.C.Layout)
	fill(q.A)
	fill(q.B)
	o.problem, o.base = q, o.mem.used
	return true, nil
}

// close gives the operands back.
func (o *ours) close() error {
	if o.mem == nil {
		return nil
	}
	err := o.mem.free()
	o.mem = nil
	return err
}

// fill writes fractions between -1 and 1; integers, between -7 and 7.
func fill(a ndarray.Array) {
	some := make([]float64, 1<<12)
	for i := range some {
		some[i] = float64(i*7919%2001)/1000 - 1
		if a.DType.IsInteger() {
			some[i] = float64(i * 7919 % 8)
		}
	}
	for at := 0; at < a.Len(); at += len(some) {
		ndarray.Store(a, some[:min(len(some), a.Len()-at)], at)
	}
}

// sample times with the clock that the harness uses too, and like it runs a
// quarter as many products before: they wake threads, and see the first
// milliseconds of a Go process that was idle, in which the runtime's monitor
// takes a tenth of a processor (docs/design/gemm.md).
func (o *ours) Sample(ctx context.Context, reps int) (seconds float64, err error) {
	err = o.pool.Run(ctx, pool.Options{Threads: o.threads}, func(w *pool.Worker) error {
		if err := o.products(w, reps/4); err != nil {
			return err
		}
		start := tune.Clock(o.threads)
		err := o.products(w, reps)
		seconds = tune.Clock(o.threads) - start
		return err
	})
	return seconds, err
}

// products runs n of them, with the same scratch memory for all.
func (o *ours) products(w *pool.Worker, n int) error {
	for range n {
		o.mem.used = o.base
		if err := o.problem.Run(w, o.mem); err != nil {
			return err
		}
	}
	return nil
}

// ceiling is the contender that does nothing but multiply and add, with the
// instructions that a product of the type uses: it takes turns with the others,
// for as long, on as many threads and by the same clock, so that what the host
// takes from products it takes from their ceiling too.
type ceiling struct {
	pool    *pool.Pool
	threads int
	typ     simd.GemmType
	best    float64 // operations a second, of the short runs before the samples
	ops     float64 // of a call
}

func (c *ceiling) setup(context.Context, string) (bool, error) {
	c.ops = simd.PeakCall(c.typ)
	return true, nil
}

// sample runs that many calls, which the threads share as they share the tasks
// of a product: who is free takes the next.
func (c *ceiling) Sample(ctx context.Context, reps int) (seconds float64, err error) {
	best, err := peak(ctx, c.pool, c.threads, c.typ)
	c.best = max(c.best, best)
	if err != nil {
		return 0, err
	}
	err = c.pool.Run(ctx, pool.Options{Threads: c.threads}, func(w *pool.Worker) error {
		start := tune.Clock(c.threads)
		err := w.For(reps, 1, func(*pool.Worker, int, int) { simd.PeakCall(c.typ) })
		seconds = tune.Clock(c.threads) - start
		return err
	})
	return seconds, err
}

// peak is the multiply-add rate of that many threads together, each one's best
// of several runs of a millisecond, in operations a second.
func peak(ctx context.Context, p *pool.Pool, threads int, t simd.GemmType) (float64, error) {
	rates := make([]float64, threads)
	err := p.Run(ctx, pool.Options{Threads: threads}, func(w *pool.Worker) error {
		return w.For(threads, 1, func(_ *pool.Worker, lo, _ int) { rates[lo] = simd.Peak(t) })
	})
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return sum, err
}
