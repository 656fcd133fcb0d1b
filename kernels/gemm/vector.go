package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Products with a vector are bound by memory: every element of the matrix is
// used once. They walk the matrix in the order in which it lies.

// vectorWay is how a product with a vector is computed.
type vectorWay uint8

const (
	noVector vectorWay = iota
	dots               // C has one column, rows of A run contiguously
	adds               // C has one row, rows of B do
)

// vectorWay is the way for p, or for its transpose, if one side of it is a
// single line of f32 or f64 and the matrix runs contiguously one way. The choice
// depends on shape and strides alone, for these sums have an order of their own.
func (p *product) vectorWay() (way vectorWay, transposed bool) {
	if p.kernel.Type > simd.GemmF64 || !p.a.readable() || !p.b.readable() || p.depth == 0 {
		return noVector, false
	}
	size := p.c.dtype.Size()
	switch {
	case p.c.cols == 1 && p.a.m.colStride == size:
		return dots, false
	case p.c.rows == 1 && p.b.m.colStride == size:
		return dots, true
	case p.c.rows == 1 && p.b.m.rowStride == size && p.c.colStride == size:
		return adds, false
	case p.c.cols == 1 && p.a.m.rowStride == size && p.c.rowStride == size:
		return adds, true
	}
	return noVector, false
}

// vectorPath computes p if there is a way.
func (p *product) vectorPath(w *pool.Worker) (done bool, err error) {
	way, transposed := p.vectorWay()
	if transposed {
		p.transpose()
	}
	switch way {
	case dots:
		return true, p.dotRows(w)
	case adds:
		return true, p.addRows(w)
	}
	return false, nil
}

// How vector products are cut: by shape alone.
const (
	dotGrain     = 64      // rows of a task
	dotDepth     = 1 << 16 // and values along k
	vectorWork   = 1 << 18 // elements below which a second worker does not pay
	addGrain     = 1024    // columns of a task
	addRowsDepth = 16      // rows of the matrix that are walked side by side
)

// dotRows computes C of one column: the rows of A run contiguously.
func (p *product) dotRows(w *pool.Worker) error {
	shared := *p
	if p.c.rows*p.depth < vectorWork {
		w = nil
	}
	if p.kernel.Type == simd.GemmF64 {
		return dotRows[float64](&shared, w)
	}
	return dotRows[float32](&shared, w)
}

func dotRows[T float32 | float64](p *product, w *pool.Worker) error {
	sums := make([]T, dotParts(p.depth)*p.c.rows)
	if err := dotSums(p, w, sums); err != nil {
		return err
	}
	dotFinish(p, sums)
	return nil
}

// dotParts is into how many parts k is cut.
func dotParts(depth int) int { return (depth + dotDepth - 1) / dotDepth }

// dotSums sets sums to those of all rows over the first part of k, and so on.
func dotSums[T float32 | float64](p *product, w *pool.Worker, sums []T) error {
	return forRange2(w, p.c.rows, p.depth, dotGrain, dotDepth, func(_ *pool.Worker, i0, i1, k0, k1 int) {
		at := k0/dotDepth*p.c.rows + i0
		simd.DotRows(sums[at:at+i1-i0], p.a.m.at(i0, k0), p.a.m.rowStride, lineOf[T](&p.b.m, k0, k1))
	})
}

// dotFinish sets C from the sums of all parts.
func dotFinish[T float32 | float64](p *product, sums []T) {
	alpha, beta := T(real(p.scale.alpha)), T(real(p.scale.beta))
	for i := range p.c.rows {
		v := sums[i]
		for at := i + p.c.rows; at < len(sums); at += p.c.rows {
			v += sums[at]
		}
		c := p.c.at(i, 0)
		v *= alpha
		if beta != 0 {
			v += beta * simd.At[T](c)
		}
		simd.Put(c, v)
	}
	p.finished(0, p.c.rows, 0, 1)
}

// lineOf is values [k0, k1) of the first line of m, side by side.
func lineOf[T float32 | float64](m *matrix, k0, k1 int) []T {
	if size := m.dtype.Size(); m.colStride == size && m.aligned() {
		return simd.Vector[T](m.at(0, k0), k1-k0)
	}
	x := make([]T, k1-k0)
	line := m.array()
	ndarray.Load(x, line.Index(0), k0)
	return x
}

// addRows computes C of one row: rows of B, scaled by elements of A, are
// added to it, a few at a time, so that B is read along its rows.
func (p *product) addRows(w *pool.Worker) error {
	shared := *p
	if p.c.cols*p.depth < vectorWork {
		w = nil
	}
	return forRange(w, p.c.cols, addGrain, func(_ *pool.Worker, lo, hi int) {
		shared.smallPart(addRowsDepth, 0, 1, lo, hi)
	})
}
