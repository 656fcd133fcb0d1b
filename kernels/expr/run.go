package expr

import (
	"slices"
	"sync"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// streamFrom is the number of bytes from which an output is written past the
// caches, if its step can: they would not hold it, and its lines need not be read
// first.
const streamFrom = 16 << 20

// frame is the registers of one piece under way. One goroutine has it at a
// time, from borrow to giveBack.
type frame struct {
	regs []register
	lane []byte // the memory of those that are no windows
}

// run is a program with its operands. All but idle is fixed by open, before the
// pieces start.
type run struct {
	p    *program
	in   []ndarray.Array // by input index, stretched to the outputs' shape
	out  []ndarray.Array // by output index
	wins []bool          // by register: a window on an operand
	// The vector loops for half-width operands that lie packed: of inputs by
	// register, of outputs in their order.
	widen  []func(dst []float32, lo int)
	narrow []func(lo int, x []float32)
	steps  []step // the program's, some of them in their streaming form

	lanes *scratch.Lanes // of frames' memory
	mu    sync.Mutex     // guards idle
	idle  []*frame
}

// execute computes the program's outputs, of the given shape: the program's, or
// that of a part of it. in and out are the call's; in is broadcast here. lanes
// have the frame's size.
func (p *program) execute(w *pool.Worker, shape []int, in, out []ndarray.Array, lanes *scratch.Lanes) error {
	r := &run{p: p, in: make([]ndarray.Array, len(in)), out: out, wins: make([]bool, len(p.regs)), lanes: lanes}
	if err := r.open(shape, in); err != nil {
		return err
	}
	defer r.close()
	return w.For(length(shape), p.grain, func(_ *pool.Worker, lo, hi int) {
		f := r.borrow()
		defer r.giveBack(f)
		for ; lo < hi; lo += p.chunk {
			r.chunk(f, lo, min(p.chunk, hi-lo))
		}
	})
}

// open decides how each operand is read or written.
func (r *run) open(shape []int, in []ndarray.Array) error {
	p := r.p
	r.widen = make([]func([]float32, int), len(p.regs))
	for _, i := range p.inputs {
		a := in[i.in]
		if !i.uniform {
			l, err := a.Layout.Broadcast(shape)
			if err != nil {
				return err
			}
			a.Layout = l.Collapse()
			r.wins[i.reg] = a.Direct() && a.DType == p.regs[i.reg] && a.DType != ndarray.Bool
			r.widen[i.reg] = widening(a)
		}
		r.in[i.in] = a
	}
	r.steps = p.steps
	for _, o := range p.outputs {
		if o.own && r.out[o.out].Direct() && r.out[o.out].DType == p.regs[o.reg] {
			r.wins[o.reg] = true
			if o.stream != nil && r.out[o.out].Bytes() >= streamFrom {
				r.steps = slices.Clone(r.steps)
				r.steps[o.step] = o.stream
			}
		}
		r.narrow = append(r.narrow, narrowing(r.out[o.out]))
	}
	return nil
}

// close gives the frames' memory back, for the next program.
func (r *run) close() {
	for _, f := range r.idle {
		r.lanes.Put(f.lane)
	}
}

// borrow gives a frame, made if none is idle: there are as many as pieces run
// at once.
func (r *run) borrow() *frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.idle); n > 0 {
		f := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return f
	}
	return r.newFrame()
}

// giveBack takes a frame back, with its uniform registers filled.
func (r *run) giveBack(f *frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, f)
}

// newFrame makes registers and fills those that are the same for all chunks.
// Precondition: mu is held, which others wait for only while the first frames
// are made.
func (r *run) newFrame() *frame {
	p := r.p
	f := &frame{regs: make([]register, len(p.regs)), lane: r.lanes.Get()}
	rest := f.lane
	for i, dt := range p.regs {
		if !r.wins[i] {
			l := ndarray.NewLayout(dt, p.chunk)
			tables[dt].bind(&f.regs[i], ndarray.Array{Layout: l, Data: scratch.Carve[byte](&rest, l.Bytes())})
		}
	}
	for _, c := range p.consts {
		setConst(&f.regs[c.reg], c.dt, c.k)
	}
	for _, in := range p.inputs {
		if in.uniform {
			t := tables[p.regs[in.reg]]
			t.load(&f.regs[in.reg], r.in[in.in], 0, 1)
			t.spread(&f.regs[in.reg])
		}
	}
	for _, s := range p.prolog {
		s(f, p.chunk)
	}
	return f
}

// chunk computes elements [lo, lo+n). All inputs are read, or are windows,
// before the first step; outputs are windows, or are stored after the last.
func (r *run) chunk(f *frame, lo, n int) {
	p := r.p
	for _, in := range p.inputs {
		switch t := tables[p.regs[in.reg]]; {
		case in.uniform:
		case r.wins[in.reg]:
			t.window(&f.regs[in.reg], r.in[in.in], lo, lo+n)
		case r.widen[in.reg] != nil:
			r.widen[in.reg](reg[float32](f, in.reg, n), lo)
		default:
			t.load(&f.regs[in.reg], r.in[in.in], lo, n)
		}
	}
	for _, o := range p.outputs {
		if o.own && r.wins[o.reg] {
			tables[p.regs[o.reg]].window(&f.regs[o.reg], r.out[o.out], lo, lo+n)
		}
	}
	for _, s := range r.steps {
		s(f, n)
	}
	for i, o := range p.outputs {
		switch {
		case r.narrow[i] != nil:
			r.narrow[i](lo, reg[float32](f, o.reg, n))
		case !o.own || !r.wins[o.reg]:
			tables[p.regs[o.reg]].store(&f.regs[o.reg], r.out[o.out], lo, n)
		}
	}
}

// widening reads a packed half-width array; nil for any other.
func widening(a ndarray.Array) func(dst []float32, lo int) {
	if !isHalf(a.DType) || !a.Direct() {
		return nil
	}
	whole := ndarray.Slice[uint16](a)
	_, widen := halfLoops(a.DType)
	return func(dst []float32, lo int) { widen(dst, whole[lo:]) }
}

// narrowing is the reverse of widening.
func narrowing(a ndarray.Array) func(lo int, x []float32) {
	if !isHalf(a.DType) || !a.Direct() {
		return nil
	}
	whole := ndarray.Slice[uint16](a)
	narrow, _ := halfLoops(a.DType)
	return func(lo int, x []float32) { narrow(whole[lo:lo+len(x)], x) }
}
