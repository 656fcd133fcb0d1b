package order

import (
	"sync"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/vec/move"
)

// pieceElements is about how many elements a piece of parallel work covers.
const pieceElements = 1 << 15

// rowPlan is how an input and an output are taken apart into rows along an
// axis. Rows that do not lie in memory as Go slices are worked on in a copy.
type rowPlan struct {
	axis    int
	n, rows int  // elements of an input row; number of rows
	lanes   int  // rows worked on at once for which scratch is planned
	perLane int  // bytes of scratch a row
	staging int  // bytes of copies
	block   bool // rows follow one another in memory, and many are worked on in a call
}

// axisOf reads an axis option of an array of rank r.
func axisOf(c *kernels.Call, name string, r int) (int, error) {
	return c.Opt(name).Axis(c.Int(name), r)
}

// planRows lays out rows of the first input along axis, and of an output of
// type d with that shape. perLane is the scratch that one row needs, or with block
// one block of rows.
func planRows(c *kernels.Call, axis int, d ndarray.DType, shape []int, perLane int, block bool) rowPlan {
	out := ndarray.NewLayout(d, shape...)
	if c.Out[0].Slice != nil && c.Out[0].Exists {
		out = c.Out[0].Layout
	}
	return newRowPlan(c, axis, perLane, block, c.In[0].Layout, out)
}

// newRowPlan is planRows for an input and an output of those layouts. Copies of
// what does not lie as Go slices are as large as the operand.
func newRowPlan(c *kernels.Call, axis, perLane int, block bool, in, out ndarray.Layout) rowPlan {
	n := in.Shape[axis]
	p := rowPlan{axis: axis, n: n, rows: in.Len() / max(n, 1), lanes: 1, perLane: scratch.Round(perLane), block: block}
	for _, l := range []ndarray.Layout{in, out} {
		if !p.direct(axisLast(l, axis)) {
			p.staging += scratch.Round(l.Bytes())
		}
	}
	if n < parallelSort {
		p.lanes = scratch.Workers(c, scratch.Pieces(p.rows, p.grain()))
	}
	return p
}

// axisLast moves axis to the end.
func axisLast(l ndarray.Layout, axis int) ndarray.Layout {
	axes := make([]int, 0, l.Rank())
	for i := range l.Rank() {
		if i != axis {
			axes = append(axes, i)
		}
	}
	return l.Permute(append(axes, axis)...)
}

// directRows tells whether each row along the last axis can be used as a Go
// slice, as far as the layout alone can tell.
func directRows(l ndarray.Layout) bool {
	size := l.DType.Size()
	if l.Swapped || l.Offset%size != 0 {
		return false
	}
	for i, s := range l.Strides {
		if l.Shape[i] > 1 && (s%size != 0 || i == len(l.Strides)-1 && s != size) {
			return false
		}
	}
	return true
}

// direct tells whether rows are used as they lie.
func (p rowPlan) direct(l ndarray.Layout) bool { return directRows(l) && (!p.block || l.Contiguous()) }

// grain is how many short rows make a piece of work.
func (p rowPlan) grain() int { return max(1, pieceElements/max(p.n, 1)) }

// scratch is the bytes that run takes from Exec.Mem at the most.
func (p rowPlan) scratch() int64 { return int64(p.lanes*p.perLane + p.staging) }

// rowFunc works on one pair of rows, direct and one-dimensional; in a plan with block
// on a pair of blocks of rows, direct and two-dimensional. w serves to split long
// rows. lane is perLane bytes of scratch for the time of the call.
type rowFunc func(w *pool.Worker, out, in ndarray.Array, lane []byte) error

// rowRun is rows under work, with their memory. Its methods are for one
// goroutine, which forks inside of them.
type rowRun struct {
	rowPlan
	mem     kernels.Memory
	lanes   *scratch.Lanes
	in, out []byte // copies, once there are any
}

// open makes a run that takes p.scratch() from mem at the most.
func (p rowPlan) open(mem kernels.Memory) *rowRun {
	return &rowRun{rowPlan: p, mem: mem, lanes: scratch.NewLanes(mem, p.perLane, p.lanes)}
}

// run calls fn for every pair of rows of the call.
func (p rowPlan) run(x *kernels.Exec, fn rowFunc) error {
	if p.rows == 0 {
		return nil
	}
	return p.open(x.Mem).run(x.W, x.Out[0], x.In[0], fn)
}

// run calls fn for every pair of rows: long ones one after the other, short
// ones side by side. It may be called again with arrays that are no larger.
func (r *rowRun) run(w *pool.Worker, out, in ndarray.Array, fn rowFunc) error {
	in.Layout, out.Layout = axisLast(in.Layout, r.axis), axisLast(out.Layout, r.axis)
	if in.Len() > 0 && !(r.direct(in.Layout) && in.Aligned()) {
		staged := r.copyOf(in.Layout, &r.in)
		if err := move.Copy(w, staged, in); err != nil {
			return err
		}
		in = staged
	}
	target := out
	staged := out.Len() > 0 && !(r.direct(out.Layout) && out.Aligned())
	if staged {
		out = r.copyOf(out.Layout, &r.out)
	}
	if err := r.each(w, out, in, fn); err != nil || !staged {
		return err
	}
	return move.Copy(w, target, out)
}

// copyOf is a C-ordered array in memory that is kept for the next copy.
func (r *rowRun) copyOf(l ndarray.Layout, mem *[]byte) ndarray.Array {
	l = ndarray.NewLayout(l.DType, l.Shape...)
	if len(*mem) < l.Bytes() {
		*mem = r.mem.Alloc(l.Bytes())
	}
	return ndarray.Array{Layout: l, Data: *mem}
}

// each visits the rows in order of their number, piece by piece. An error of fn
// does not stop the other pieces: it is rare, and a refusal of the whole
// anyway.
func (r *rowRun) each(w *pool.Worker, out, in ndarray.Array, fn rowFunc) error {
	rows := in.Len() / max(r.n, 1)
	if r.n >= parallelSort {
		lane := r.lanes.Get()
		defer r.lanes.Put(lane)
		for i := range rows {
			if err := fn(w, row(out, i), row(in, i), lane); err != nil {
				return err
			}
		}
		return nil
	}
	var first firstError
	err := w.For(rows, r.grain(), func(w *pool.Worker, lo, hi int) {
		lane := r.lanes.Get()
		defer r.lanes.Put(lane)
		if r.block {
			first.set(fn(w, rowsOf(out, lo, hi), rowsOf(in, lo, hi), lane))
			return
		}
		for i := lo; i < hi; i++ {
			first.set(fn(w, row(out, i), row(in, i), lane))
		}
	})
	if err != nil {
		return err
	}
	return first.err
}

// row is row number r along the last axis.
func row(a ndarray.Array, r int) ndarray.Array {
	k := a.Rank() - 1
	for i := k - 1; i >= 0; i-- {
		a.Offset += r % a.Shape[i] * a.Strides[i]
		r /= a.Shape[i]
	}
	a.Shape, a.Strides = a.Shape[k:], a.Strides[k:]
	return a
}

// rowsOf is rows lo to hi-1 of an array without gaps, along its last axis.
func rowsOf(a ndarray.Array, lo, hi int) ndarray.Array {
	n := a.Shape[a.Rank()-1]
	l := ndarray.NewLayout(a.DType, hi-lo, n)
	l.Offset = a.Offset + lo*n*a.DType.Size()
	return ndarray.Array{Layout: l, Data: a.Data}
}

// firstError keeps the first error that is set.
type firstError struct {
	mu  sync.Mutex
	err error
}

// set keeps err if it is the first. Which is first may depend on timing; that
// there is one does not.
func (f *firstError) set(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// scratchSlice is n values of scratch memory, undefined.
func scratchSlice[T ndarray.Element](mem kernels.Memory, n int) []T {
	buf := mem.Alloc(scratch.Size[T](n))
	return scratch.Carve[T](&buf, n)
}
