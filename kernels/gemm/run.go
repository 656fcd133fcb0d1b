package gemm

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
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
	var p product
	q.bind(&p)
	if p.c.dtype != q.scheme.sum || !p.c.writable() {
		return false, nil
	}
	if p.c.rows == 1 || p.c.cols == 1 {
		if done, err := p.vectorPath(w); done {
			return true, err
		}
	}
	if !p.small() {
		return false, nil
	}
	return true, p.runSmall(w)
}

// runMatrix computes an item: two-dimensional A, B and C.
func (q *Problem) runMatrix(w *pool.Worker, l *lender) error {
	var p product
	q.bind(&p)
	p.lender = l
	rows, cols := q.writes()
	switch {
	case rows:
		return p.run(w)
	case cols:
		p.transpose()
		return p.run(w)
	}
	return q.runSlabs(w, &p)
}

// bind sets p to the product of q's operands.
func (q *Problem) bind(p *product) {
	p.kernel, p.params = q.kernel, q.Params
	p.a.form, p.b.form = q.scheme.a, q.scheme.b
	p.a.m.set(&q.A, q.ConjA)
	p.b.m.set(&q.B, q.ConjB)
	p.b.m.transpose() // its lines are the columns
	p.c.set(&q.C, false)
	p.a.typ, p.b.typ = q.scheme.typ, q.scheme.typ
	p.depth = p.a.m.cols
	if q.Alpha == 0 {
		p.depth = 0 // A and B are not read: NaN times zero is nobody's business
	}
	p.scale = scale{alpha: q.Alpha, beta: q.Beta}
	if p.depth == 0 {
		p.scale.alpha = 1
	}
	if q.Act == "" && q.Bias == nil && q.Residual == nil {
		return // without a look at the table
	}
	if act := activations[q.Act]; q.Bias != nil || q.Residual != nil || act != nil {
		p.finish = &epilogue{bias: q.Bias, residual: q.Residual, act: act}
	}
}

// transpose turns p into Cᵀ = Bᵀ·Aᵀ.
func (p *product) transpose() {
	p.a, p.b = p.b, p.a
	p.c.transpose()
	if p.finish != nil {
		p.finish = p.finish.transpose()
	}
}

// runSlabs computes parts of p in scratch memory and converts them.
func (q *Problem) runSlabs(w *pool.Worker, p *product) error {
	c := p.c
	cols := min(c.cols, slabCols)
	rows := min(c.rows, slabBytes/(cols*q.scheme.sum.Size()))
	for j0 := 0; j0 < c.cols; j0 += cols {
		for i0 := 0; i0 < c.rows; i0 += rows {
			i1, j1 := min(i0+rows, c.rows), min(j0+cols, c.cols)
			part := *p
			part.i0, part.j0 = i0, j0
			part.a.m, part.b.m = p.a.m.sub(i0, i1, 0, p.a.m.cols), p.b.m.sub(j0, j1, 0, p.b.m.cols)
			part.c = c.sub(i0, i1, j0, j1)
			if err := q.throughSlab(w, &part); err != nil {
				return err
			}
		}
	}
	return nil
}

// throughSlab computes p with a scratch copy in the place of its C.
func (q *Problem) throughSlab(w *pool.Worker, p *product) error {
	c := p.c.array()
	slab := ndarray.Array{Layout: ndarray.NewLayout(q.scheme.sum, c.Shape...), Data: p.lender.get().slab}
	if q.Beta != 0 {
		if err := convertRows(w, slab, c); err != nil {
			return err
		}
	}
	p.c.set(&slab, false)
	if err := p.run(w); err != nil {
		return err
	}
	return convertRows(w, c, slab)
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
	panel          int // MR rows of A
	panels         int // of a block of A, or of a band where that is packed
	b, init, stage int // of each worker, as the panels are
	slab           int
}

// own is the bytes of each worker's buffers.
func (z *sizes) own() int64 { return int64(z.panels*z.panel + z.b + z.init + z.stage) }

// narrow makes room for a block of A only.
func (z *sizes) narrow(q *Problem) { z.panels = min(z.panels, q.Params.MC/q.kernel.MR) }

// sizesFor computes what an m x n x k product needs at the most.
func (q *Problem) sizesFor(m, n, k int, slab bool) (z sizes) {
	kernel := q.kernel
	elem, group := kernel.Type.ElemBytes(), kernel.Type.Group()
	steps := min(stepsKC, (k+group-1)/group)
	rows := q.Params.MC
	if kernel.ISA == simd.AVX2 {
		rows *= bandBlocks
	}
	z.panel = kernel.MR * steps * elem
	z.panels = (min(rows, m) + kernel.MR - 1) / kernel.MR
	cols := roundUp(min(q.Params.NC*wideness(steps)+kernel.NR, n), kernel.NR) // the last block takes a narrow rest
	z.b = cols * steps * elem
	z.stage = stageBytes(kernel, steps)
	if q.scheme.a.flip || q.scheme.b.flip {
		z.init = 4 * roundUp(min(q.Params.NC*mostWide+kernel.NR, n), kernel.NR) // the last block may be wider
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
	if cols { // the transpose is computed
		m, n = n, m
	}
	return q.sizesFor(m, n, k, !rows && !cols)
}

// writes tells whether C's rows, or else its columns, can be written as they
// lie.
func (q *Problem) writes() (rows, cols bool) {
	var c matrix
	c.set(&q.C, false)
	if c.dtype != q.scheme.sum {
		return false, false
	}
	if rows = c.writable(); !rows && q.scheme.symmetric() {
		c.transpose()
		cols = c.writable()
	}
	return rows, cols
}

// Scratch bounds the memory that Run asks for, on any number of workers. slab
// tells that C may have to be computed in scratch memory.
func (q *Problem) Scratch(slab bool) int64 {
	m, n, k := q.shape()
	t := int64(q.planThreads())
	bound := int64(0)
	try := func(m, n, items int) {
		z := q.sizesFor(m, n, k, slab)
		shared := int64(z.slab)
		if items > 1 && q.smallItems() {
			shared *= t
		}
		bound = max(bound, shared+t*z.own())
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

// get allocates at the first call only: a product that packs nothing takes
// nothing.
func (l *lender) get() *buffers {
	if l.buffers == nil {
		l.buffers = l.q.newBuffers(l.mem, l.threads)
	}
	return l.buffers
}

// newBuffers allocates for t workers, or as many as the plan has room for.
func (q *Problem) newBuffers(mem kernels.Memory, t int) *buffers {
	return q.sizes().buffers(mem, min(t, q.planThreads()))
}

// buffers allocates for t workers.
func (z sizes) buffers(mem kernels.Memory, t int) *buffers {
	b := &buffers{panels: z.panels}
	b.some.L = &b.mu
	if z.slab > 0 {
		b.slab = mem.Alloc(z.slab)
	}
	for range t {
		s := &scratch{a: mem.Alloc(z.panels * z.panel), b: mem.Alloc(z.b), stage: mem.Alloc(z.stage), packed: make([]packedA, z.panels), user: len(b.free)}
		if z.init > 0 {
			s.init = mem.Alloc(z.init)
		}
		b.free = append(b.free, s)
	}
	return b
}
