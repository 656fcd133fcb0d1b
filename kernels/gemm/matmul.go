package gemm

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Problem is a (batched) matrix product
//
//	C = act(alpha·op(A)·op(B) + beta·C + Bias) + Residual
//
// A has shape batch x m x k, B batch x k x n, C batch x m x n, where A and B
// are broadcast over the batch beforehand (strides of zero). op is the
// identity, or the conjugate; a transpose is a matter of strides. C must not
// overlap A or B.
type Problem struct {
	A, B, C        ndarray.Array
	ConjA, ConjB   bool
	Alpha, Beta    complex128 // of integer types the real parts, exact to 2^53
	Bias, Residual *ndarray.Array
	Act            string // "" or none, relu, gelu, silu, tanh, sigmoid
	Params         Params

	scheme  scheme
	kernel  *simd.GemmKernel
	workers int // that a plan makes room for; 0: see planThreads
}

// Init picks the kernel for the problem's types at the active level. It
// reports false if the types are not multiplied.
func (q *Problem) Init() bool { return q.init(q.A.DType, q.B.DType) }

func (q *Problem) init(a, b ndarray.DType) (ok bool) {
	isa := simd.Active()
	if q.scheme, ok = schemeFor(a, b, isa); !ok {
		return false
	}
	q.kernel = simd.Gemm(q.scheme.typ, isa)
	q.Params = q.Params.fill(q.kernel)
	return true
}

// Run computes on w and its pool, or on the calling goroutine if w is nil,
// with scratch from mem: at most [Problem.Scratch] bytes.
func (q *Problem) Run(w *pool.Worker, mem kernels.Memory) error {
	if q.C.Rank() == 2 && q.runPlain() {
		return nil
	}
	if q.C.Len() == 0 {
		return nil
	}
	if q.C.Rank() == 2 {
		if done, err := q.runDirect(w); done {
			return err
		}
	}
	rest := *q // the copy, not q, is moved to the heap
	return rest.runLarge(w, mem)
}

// runLarge is Run with buffers.
func (q *Problem) runLarge(w *pool.Worker, mem kernels.Memory) error {
	q.foldBatch()
	if batch := q.C.Rank() - 2; batch > 0 && q.smallItems() {
		return q.runItems(w, mem)
	}
	l := &lender{q: q, mem: mem, threads: threads(w)}
	return q.eachItem(func(i *Problem) error { return i.runMatrix(w, l) })
}

// foldBatch turns batch x m x k times k x n into one product of (batch·m) x k
// where the strides allow it.
func (q *Problem) foldBatch() {
	for q.C.Rank() > 2 {
		axis := q.C.Rank() - 3
		if q.B.Strides[axis] != 0 && q.C.Shape[axis] > 1 {
			return
		}
		arrays := []*ndarray.Array{&q.A, &q.C, q.Bias, q.Residual}
		for _, a := range arrays {
			if a != nil && a.Shape[axis] > 1 && a.Shape[axis+1] > 1 && a.Strides[axis] != a.Shape[axis+1]*a.Strides[axis+1] {
				return
			}
		}
		for _, a := range arrays {
			if a != nil {
				foldAxis(a, axis)
			}
		}
		q.B.Shape, q.B.Strides = slices.Delete(slices.Clone(q.B.Shape), axis, axis+1), slices.Delete(slices.Clone(q.B.Strides), axis, axis+1)
	}
}

// foldAxis joins an axis with the next.
func foldAxis(a *ndarray.Array, axis int) {
	shape, strides := slices.Clone(a.Shape), slices.Clone(a.Strides)
	if shape[axis+1] == 1 {
		strides[axis+1] = strides[axis]
	}
	shape[axis+1] *= shape[axis]
	a.Shape, a.Strides = slices.Delete(shape, axis, axis+1), slices.Delete(strides, axis, axis+1)
}

// item is the problem of one index of the batch.
func (q *Problem) item(i int) *Problem {
	one := *q
	index := func(a ndarray.Array) ndarray.Array {
		rest := i
		offset := a.Offset
		for axis := a.Rank() - 3; axis >= 0; axis-- {
			offset += rest % a.Shape[axis] * a.Strides[axis]
			rest /= a.Shape[axis]
		}
		r := a.Rank()
		a.Offset, a.Shape, a.Strides = offset, a.Shape[r-2:], a.Strides[r-2:]
		return a
	}
	one.A, one.B, one.C = index(q.A), index(q.B), index(q.C)
	for _, x := range []**ndarray.Array{&one.Bias, &one.Residual} {
		if *x != nil {
			a := index(**x)
			*x = &a
		}
	}
	return &one
}

func (q *Problem) items() int {
	n := 1
	for _, s := range q.C.Shape[:q.C.Rank()-2] {
		n *= s
	}
	return n
}

func (q *Problem) eachItem(do func(*Problem) error) error {
	for i := range q.items() {
		if err := do(q.item(i)); err != nil {
			return err
		}
	}
	return nil
}

// smallItems tells whether workers should take whole items: when one item is
// less than a millisecond's work.
func (q *Problem) smallItems() bool { return q.work() < 32<<20 }

// work is m·n·k of an item.
func (q *Problem) work() float64 {
	m, n, k := q.shape()
	return float64(m) * float64(n) * float64(max(k, 1))
}

// itemsWork is how much m·n·k a task takes at least.
const itemsWork = 1 << 20

// runItems computes small items in parallel, each by one worker.
func (q *Problem) runItems(w *pool.Worker, mem kernels.Memory) error {
	free := make(chan *lender, min(threads(w), q.planThreads()))
	for range cap(free) {
		l := &lender{q: q, mem: mem, threads: 1}
		free <- l
	}
	grain := max(1, int(itemsWork/q.work()))
	return forRange(w, q.items(), grain, func(_ *pool.Worker, lo, hi int) {
		l := <-free
		defer func() { free <- l }()
		for i := lo; i < hi; i++ {
			one := q.item(i)
			if one.runPlain() {
				continue
			}
			if done, _ := one.runDirect(nil); !done {
				_ = one.runMatrix(nil, l) // without a worker nothing can be cancelled
			}
		}
	})
}

// path names how an item is computed.
func (q *Problem) path() string {
	switch {
	case q.items() > 1 && q.smallItems():
		return "batch of small products"
	case q.work() <= float64(q.Params.SmallWork):
		return "small, unpacked where strides allow"
	}
	return "packed"
}
