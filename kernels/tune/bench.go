package tune

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/kernels"
	"vgpu/kernels/gemm"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// bench times one product. It belongs to the goroutine of the search; close
// gives its memory back.
type bench struct {
	s       *search
	pt      Point
	class   gemm.Class
	problem gemm.Problem
	flops   float64
	mem     *region
	close   func()
	reps    int // products in a sample
	// sampleTime is about what one takes, in nanoseconds.
	sampleTime float64
}

// minSample is how long a sample lasts at least: long against handing a job
// to the pool, so that small products are timed by what they cost in a row.
const minSample = 2 * time.Millisecond

// scratchFor is what the packing buffers of any candidate take at the most.
func scratchFor(q gemm.Problem) int64 {
	q.Params.MC, q.Params.NC, q.Params.SmallWork = 2*q.Params.MC, 2*q.Params.NC, -1
	return q.Scratch(false) + 1<<20 // blocks begin on pages
}

// errNoProduct is told of a point whose types are not multiplied.
var errNoProduct = errors.New("tune: no such product")

// problem is a point's product, without data; ok is false if the types are not
// multiplied. C has the type of the sums, which is what takes most memory.
func (pt Point) problem() (q gemm.Problem, ok bool) {
	q.Alpha = 1
	q.A.Layout, q.B.Layout = ndarray.NewLayout(pt.DType, pt.M, pt.K), ndarray.NewLayout(pt.DType, pt.K, pt.N)
	q.C.Layout = ndarray.NewLayout(pt.DType, pt.M, pt.N)
	if ok = q.Init(); ok {
		q.C.Layout = ndarray.NewLayout(q.SumType(), pt.M, pt.N)
		pt.addEpilogue(&q)
	}
	return q, ok
}

// addEpilogue gives q what the point's class stands for: a bias, and an addend of
// C's size or the function that costs most.
func (pt Point) addEpilogue(q *gemm.Problem) {
	if pt.Epilogue == "" {
		return
	}
	bias := ndarray.NewLayout(q.SumType(), 1, pt.N)
	bias.Shape[0], bias.Strides[0] = pt.M, 0 // every row has the same
	q.Bias = &ndarray.Array{Layout: bias}
	if pt.Epilogue == gemm.EpilogueAct {
		q.Act = "gelu"
		return
	}
	q.Residual = &ndarray.Array{Layout: q.C.Layout}
}

// operands are those that q has.
func operands(q *gemm.Problem) []*ndarray.Array {
	list := []*ndarray.Array{&q.A, &q.B, &q.C}
	for _, a := range []*ndarray.Array{q.Bias, q.Residual} {
		if a != nil {
			list = append(list, a)
		}
	}
	return list
}

// prepare makes operands for a point: errNoProduct, ENOMEM from Options.Memory,
// or what ended the first samples. The caller closes the bench; after an error
// there is nothing to close.
func (s *search) prepare(pt Point) (*bench, error) {
	whole, ok := pt.problem()
	class, alone := whole.Class()
	if !ok || !alone {
		return nil, errNoProduct
	}
	pt = pt.measured()
	q, _ := pt.problem() // of the same types
	scratch := scratchFor(q)
	need := scratch + 8<<20 // blocks begin on huge pages
	for _, a := range operands(&q) {
		need += int64(a.Bytes())
	}
	mem, close, err := s.opt.Memory(need)
	if err != nil {
		return nil, fmt.Errorf("%d bytes of operands: %w", need, err)
	}
	b := &bench{s: s, pt: pt, class: class, problem: q, mem: &region{slab: mem.Alloc(int(scratch)), more: mem}, close: close, reps: 1}
	b.flops = 2 * float64(pt.M) * float64(pt.N) * float64(pt.K)
	if pt.DType.IsComplex() {
		b.flops *= 4
	}
	for _, a := range operands(&b.problem) {
		a.Data = mem.Alloc(a.Bytes())
		if a != &b.problem.C {
			fill(*a)
		}
	}
	return b, b.calibrate()
}

// fill writes small numbers of any type: none denormal, infinite or NaN.
func fill(a ndarray.Array) {
	some := make([]float64, 1<<12)
	for i := range some {
		some[i] = float64(i*7919%15) - 7
	}
	for at := 0; at < a.Len(); at += len(some) {
		ndarray.Store(a, some[:min(len(some), a.Len()-at)], at)
	}
}

// calibrate warms up, and sets how many products a sample takes. It grows by a
// factor of eight at the most, as the first product is slower than those after
// it.
func (b *bench) calibrate() error {
	for {
		t, err := sample(b.s, b, b.problem.Params)
		if err != nil {
			b.close()
			return err
		}
		total := t * float64(b.reps)
		if total >= minSample.Seconds() {
			b.sampleTime = total * 1e9
			return nil
		}
		b.reps = 1 + int(1.2*float64(b.reps)*min(8, minSample.Seconds()/max(total, 1e-9)))
	}
}

// unpacked tells whether the parameters take the path without packing.
func (b *bench) unpacked(p gemm.Params) bool { return b.pt.work() <= p.SmallWork }

// ways, sampleNanoseconds and run implement timed.
func (b *bench) ways(p gemm.Params) int     { return p.Ways }
func (b *bench) sampleNanoseconds() float64 { return b.sampleTime }

// run is the seconds that one product takes: the mean over those of a sample,
// on as many workers as p says.
func (b *bench) run(p gemm.Params) (seconds float64, err error) {
	opt := pool.Options{Priority: b.s.opt.Priority, Threads: b.pt.Threads}
	if p.Ways > 0 {
		opt.Threads = min(p.Ways, b.pt.Threads)
	}
	err = b.s.pool.Run(b.s.ctx, opt, func(w *pool.Worker) error {
		start := Clock(b.pt.Threads)
		for range b.reps {
			q := b.problem
			q.Params = p
			q.Init()
			b.mem.reset()
			if err := q.Run(w, b.mem); err != nil {
				return err
			}
		}
		seconds = (Clock(b.pt.Threads) - start) / float64(b.reps)
		return nil
	})
	return seconds, err
}

// Clock is a time in seconds to take differences of: what one thread does is
// measured by the calling thread's processor time, which other load disturbs
// least; what several do, by wall time.
func Clock(threads int) float64 {
	clock := int32(unix.CLOCK_MONOTONIC)
	if threads == 1 {
		clock = unix.CLOCK_THREAD_CPUTIME_ID
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		panic(err) // Linux has both
	}
	return time.Duration(ts.Nano()).Seconds()
}

// region lends the same memory again and again: what a run was lent is free
// after reset.
type region struct {
	slab []byte
	more kernels.Memory // if slab is too small

	mu   sync.Mutex // guards used
	used int
}

// reset takes everything back. Nothing may be in use, so no lock is needed.
func (r *region) reset() { r.used = 0 }

// Alloc implements kernels.Memory, on pages.
func (r *region) Alloc(n int) []byte {
	const page = 4096
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.used
	if at+n > len(r.slab) {
		return r.more.Alloc(n)
	}
	r.used = min((at+n+page-1)/page*page, len(r.slab))
	return r.slab[at : at+n : at+n]
}
