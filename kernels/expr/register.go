package expr

import "vgpu/kernels/ndarray"

// register holds the elements of one value for the chunk at hand: in a buffer
// of its own, or as a window on an operand's memory.
type register struct {
	arr   ndarray.Array // what slice is a part of
	base  int           // the element of arr at which slice begins
	slice any           // *[]T
}

// newRegister has n elements on the Go heap: for folding only, as a run's
// registers are scratch memory.
func newRegister(dt ndarray.DType, n int) register {
	var r register
	tables[dt].bind(&r, ndarray.New(dt, n))
	return r
}

// bind and the methods below implement regTable.
func (p *prims[T]) bind(r *register, a ndarray.Array) {
	s := ndarray.Slice[T](a)
	r.arr, r.base, r.slice = a, 0, &s
}

// window reuses the slice header that r has, so that a chunk allocates nothing.
func (p *prims[T]) window(r *register, whole ndarray.Array, lo, hi int) {
	if r.slice == nil {
		p.bind(r, whole)
	}
	*r.slice.(*[]T) = ndarray.Slice[T](whole)[lo:hi]
	r.base = lo
}

func (p *prims[T]) load(r *register, a ndarray.Array, lo, n int) {
	ndarray.Load((*r.slice.(*[]T))[:n], a, lo)
}

func (p *prims[T]) store(r *register, a ndarray.Array, lo, n int) {
	ndarray.Store(a, (*r.slice.(*[]T))[:n], lo)
}

// spread doubles what is filled: copies of memory, not a loop over elements.
func (p *prims[T]) spread(r *register) {
	s := *r.slice.(*[]T)
	for n := 1; n < len(s); n *= 2 {
		copy(s[n:], s[:n])
	}
}

// cast goes by ndarray.Load, whose rules are those of astype.
func (p *prims[T]) cast(dst, src int) step {
	return func(f *frame, n int) {
		from := &f.regs[src]
		ndarray.Load(reg[T](f, dst, n), from.arr, from.base)
	}
}

func (p *prims[T]) toBool(dst, src int) step {
	return func(f *frame, n int) {
		out := reg[uint8](f, dst, n)
		var zero T
		for i, v := range reg[T](f, src, n) {
			out[i] = truth(v != zero)
		}
	}
}

// setConst fills a register with a constant of type dt.
func setConst(r *register, dt ndarray.DType, k konst) {
	var one ndarray.Array
	if dt.IsFloat() || dt.IsComplex() {
		one = ndarray.New(ndarray.C128, 1)
		ndarray.Slice[complex128](one)[0] = k.complex()
	} else {
		one = ndarray.New(ndarray.U64, 1)
		ndarray.Slice[uint64](one)[0] = k.re
	}
	t := tables[regType(dt)]
	t.load(r, one, 0, 1)
	t.spread(r)
}

// getConst is the first element of a register as a constant of type dt:
// exactly, since all floats fit c128's parts and all integers 64 bits.
func getConst(r *register, dt ndarray.DType) konst {
	if dt.IsFloat() || dt.IsComplex() {
		var z [1]complex128
		ndarray.Load(z[:], r.arr, r.base)
		return complexKonst(z[0])
	}
	var u [1]uint64
	ndarray.Load(u[:], r.arr, r.base)
	return konst{re: u[0]}
}

// foldNode computes a node whose arguments are constants.
func foldNode(n *node) konst {
	f := &frame{regs: make([]register, len(n.args)+1)}
	args := make([]int, len(n.args))
	for i, a := range n.args {
		f.regs[i] = newRegister(regType(a.dt), 1)
		setConst(&f.regs[i], a.dt, a.k)
		args[i] = i
	}
	dst := len(args)
	f.regs[dst] = newRegister(regType(n.dt), 1)
	makeStep(n, dst, args)(f, 1)
	return getConst(&f.regs[dst], n.dt)
}
