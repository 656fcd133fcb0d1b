package gemm

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// slabBytes bounds the scratch copy of C that outputs need which the
// micro-kernel cannot write: byte-swapped, strided both ways, or of a
// narrower type.
const slabBytes = 32 << 20

// slabCols is the most columns of such a copy.
const slabCols = 4096

// runDirect computes a small item if A, B and C can be used as they lie. It
// takes no memory: a product of 32 x 32 is done in half a microsecond.
func (q *Problem) runDirect(w *pool.Worker) (done bool, err error) {
	a, b, c := matrixOf(&q.A, q.ConjA), matrixOf(&q.B, q.ConjB), matrixOf(&q.C, false)
	if c.dtype != q.scheme.sum || !c.writable() {
		return false, nil
	}
	p := q.product(a, b, c, q.epilogue(), nil)
	if !p.small() {
		return false, nil
	}
	return true, p.runSmall(w)
}

// runMatrix computes an item: two-dimensional A, B and C.
func (q *Problem) runMatrix(w *pool.Worker, l *lender) error {
	a, b, c := matrixOf(&q.A, q.ConjA), matrixOf(&q.B, q.ConjB), matrixOf(&q.C, false)
	e := q.epilogue()
	direct := c.dtype == q.scheme.sum
	if direct && c.writable() {
		p := q.product(a, b, c, e, l)
		return p.run(w)
	}
	if ct := c.t(); direct && ct.writable() && q.scheme.symmetric() {
		p := q.product(b.t(), a.t(), ct, e.transpose(), l)
		p.a.form, p.b.form = q.scheme.b, q.scheme.a
		return p.run(w)
	}
	return q.runSlabs(w, a, b, c, e, l)
}

// epilogue is nil if there is nothing to do.
func (q *Problem) epilogue() *epilogue {
	act := activations[q.Act]
	if q.Bias == nil && q.Residual == nil && act == nil {
		return nil
	}
	return &epilogue{bias: q.Bias, residual: q.Residual, act: act}
}

// product binds operands to the kernel.
func (q *Problem) product(a, b, c matrix, e *epilogue, l *lender) product {
	p := product{
		kernel: q.kernel,
		a:      operand{form: q.scheme.a, m: a, typ: q.scheme.typ},
		b:      operand{form: q.scheme.b, m: b.t(), typ: q.scheme.typ},
		c:      c,
		depth:  a.cols,
		scale:  scale{alpha: q.Alpha, beta: q.Beta, conjA: a.conj, conjB: b.conj},
		params: q.Params,
		lender: l,
		finish: e,
		offset: q.scheme.a.flip,
	}
	p.scale.intAlpha, p.scale.intBeta = int64(real(q.Alpha)), int64(real(q.Beta))
	if q.Alpha == 0 {
		p.depth = 0 // A and B are not read: NaN times zero is nobody's business
	}
	if p.depth == 0 {
		p.scale.alpha, p.scale.intAlpha = 1, 1
	}
	return p
}

// runSlabs computes parts of C in scratch memory and converts them.
func (q *Problem) runSlabs(w *pool.Worker, a, b, c matrix, e *epilogue, l *lender) error {
	cols := min(c.cols, slabCols)
	rows := min(c.rows, slabBytes/(cols*q.scheme.sum.Size()))
	for j0 := 0; j0 < c.cols; j0 += cols {
		for i0 := 0; i0 < c.rows; i0 += rows {
			i1, j1 := min(i0+rows, c.rows), min(j0+cols, c.cols)
			slab := ndarray.Array{Layout: ndarray.NewLayout(q.scheme.sum, i1-i0, j1-j0), Data: l.get().slab}
			p := q.product(a.sub(i0, i1, 0, a.cols), b.sub(0, b.rows, j0, j1), matrixOf(&slab, false), e, l)
			p.i0, p.j0 = i0, j0
			part := c.sub(i0, i1, j0, j1)
			if err := q.throughSlab(w, &p, slab, part.array()); err != nil {
				return err
			}
		}
	}
	return nil
}

// throughSlab computes p, whose C is slab, a scratch copy of part.
func (q *Problem) throughSlab(w *pool.Worker, p *product, slab, part ndarray.Array) error {
	if q.Beta != 0 {
		if err := convertRows(w, slab, part); err != nil {
			return err
		}
	}
	if err := p.run(w); err != nil {
		return err
	}
	return convertRows(w, part, slab)
}

// convertRows is ndarray.Convert, some rows a task.
func convertRows(w *pool.Worker, dst, src ndarray.Array) error {
	grain := max(1, (1<<16)/max(dst.Shape[1], 1))
	return forRange(w, dst.Shape[0], grain, func(_ *pool.Worker, lo, hi int) {
		if err := ndarray.Convert(dst.Range(0, lo, hi), src.Range(0, lo, hi)); err != nil {
			panic(err) // the shapes are equal
		}
	})
}

// sizes are the bytes of a problem's buffers.
type sizes struct {
	rowsA         int // rows of a packed block of A
	a, stage      int // of each worker
	b, init, slab int
}

// sizesFor computes what an m x n x k product needs at the most.
func (q *Problem) sizesFor(m, n, k int, slab bool) (z sizes) {
	kernel := q.kernel
	elem, group := kernel.Type.ElemBytes(), kernel.Type.Group()
	steps := min(stepsKC, (k+group-1)/group)
	z.rowsA = roundUp(min(q.Params.MC, m), kernel.MR)
	z.a = z.rowsA*steps*elem + 64
	z.stage = stageBytes(kernel)
	cols := roundUp(min(q.Params.NC, n), kernel.NR)
	z.b = cols*steps*elem + 64
	if q.scheme.a.flip || q.scheme.b.flip {
		z.init = 4 * cols
	}
	if slab && m > 0 && n > 0 {
		cols, size := min(n, slabCols), q.scheme.sum.Size()
		z.slab = cols * min(m, slabBytes/(cols*size)) * size
	}
	return z
}

// shape is m, n, k of an item.
func (q *Problem) shape() (m, n, k int) {
	r := q.C.Rank()
	return q.C.Shape[r-2], q.C.Shape[r-1], q.A.Shape[r-1]
}

// sizes is sizesFor of the item as it will be computed.
func (q *Problem) sizes() sizes {
	m, n, k := q.shape()
	rows, cols := q.writes()
	if !rows && cols { // the transpose is computed
		m, n = n, m
	}
	return q.sizesFor(m, n, k, !rows && !cols)
}

// writes tells whether C's rows, and its columns, can be written as they lie.
func (q *Problem) writes() (rows, cols bool) {
	m := matrixOf(&q.C, false)
	t := m.t()
	direct := m.dtype == q.scheme.sum
	return direct && m.writable(), direct && t.writable() && q.scheme.symmetric()
}

// Scratch bounds the memory that Run asks for, on any number of workers. slab
// tells that C may have to be computed in scratch memory.
func (q *Problem) Scratch(slab bool) int64 {
	m, n, k := q.shape()
	t := int64(planThreads())
	bound := int64(0)
	try := func(m, n, items int) {
		z := q.sizesFor(m, n, k, slab)
		shared, own := int64(z.b+z.init+z.slab), int64(z.a+z.stage)
		if items > 1 && q.smallItems() {
			shared *= t
		}
		bound = max(bound, shared+t*own)
	}
	for _, items := range []int{1, q.items()} {
		try(m, n, items)
		try(n, m, items)
		try(m*q.items(), n, 1) // the batch folded into the rows
	}
	return bound
}

// lender makes the buffers of a problem when they are first needed.
type lender struct {
	q       *Problem
	mem     kernels.Memory
	threads int
	buffers *buffers
}

func (l *lender) get() *buffers {
	if l.buffers == nil {
		l.buffers = l.q.newBuffers(l.mem, l.threads)
	}
	return l.buffers
}

// newBuffers allocates for t workers.
func (q *Problem) newBuffers(mem kernels.Memory, t int) *buffers {
	z := q.sizes()
	b := &buffers{b: mem.Alloc(z.b), rowsA: z.rowsA}
	b.some.L = &b.mu
	if z.init > 0 {
		b.init = mem.Alloc(z.init)
	}
	if z.slab > 0 {
		b.slab = mem.Alloc(z.slab)
	}
	for range min(t, planThreads()) {
		b.free = append(b.free, &scratch{a: mem.Alloc(z.a), stage: mem.Alloc(z.stage)})
	}
	return b
}
