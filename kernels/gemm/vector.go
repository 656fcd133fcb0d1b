package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Products with a vector are bound by memory: every element of the matrix is
// used once. They walk the matrix in the order in which it lies.

// vectorPath computes p if one side of it is a single line of f32 or f64 and
// the matrix runs contiguously one way. The choice depends on shape and
// strides alone, for these sums have an order of their own.
func (p *product) vectorPath(w *pool.Worker) (done bool, err error) {
	if p.kernel.Type > simd.GemmF64 || !p.a.readable() || !p.b.readable() || p.depth == 0 {
		return false, nil
	}
	size := p.c.dtype.Size()
	switch {
	case p.c.cols == 1 && p.a.m.colStride == size:
		return true, p.dotRows(w)
	case p.c.rows == 1 && p.b.m.colStride == size:
		p.transpose()
		return true, p.dotRows(w)
	case p.c.rows == 1 && p.b.m.rowStride == size && p.c.colStride == size:
		return true, p.addRows(w)
	case p.c.cols == 1 && p.a.m.rowStride == size && p.c.rowStride == size:
		p.transpose()
		return true, p.addRows(w)
	}
	return false, nil
}

// How vector products are cut.
const (
	dotRowsGrain = 64 // rows of a task
	dotWork      = 1 << 18
	addRowsGrain = 1024 // columns of a task
	addRowsDepth = 16   // rows of the matrix that are walked side by side
)

// dotRows computes C of one column: the rows of A run contiguously.
func (p *product) dotRows(w *pool.Worker) error {
	shared := *p
	if p.c.rows*p.depth < dotWork {
		w = nil
	}
	run := dotRows[float32]
	if p.kernel.Type == simd.GemmF64 {
		run = dotRows[float64]
	}
	return run(&shared, w)
}

func dotRows[T float32 | float64](p *product, w *pool.Worker) error {
	x := make([]T, p.depth) // the vector, contiguous
	row := p.b.m.array()
	ndarray.Load(x, row.Index(0), 0)
	alpha, beta := T(real(p.scale.alpha)), T(real(p.scale.beta))
	return forRange(w, p.c.rows, dotRowsGrain, func(_ *pool.Worker, lo, hi int) {
		var sums [dotRowsGrain]T
		simd.DotRows(sums[:hi-lo], p.a.m.at(lo, 0), p.a.m.rowStride, x)
		for i := lo; i < hi; i++ {
			c, v := p.c.at(i, 0), alpha*sums[i-lo]
			if beta != 0 {
				v += beta * simd.At[T](c)
			}
			simd.Put(c, v)
		}
		p.finished(lo, hi, 0, 1)
	})
}

// addRows computes C of one row: rows of B, scaled by elements of A, are
// added to it, a few at a time, so that B is read along its rows.
func (p *product) addRows(w *pool.Worker) error {
	shared := *p
	if p.c.cols*p.depth < dotWork {
		w = nil
	}
	return forRange(w, p.c.cols, addRowsGrain, func(_ *pool.Worker, lo, hi int) {
		t := tilePool.Get().(*simd.Tile)
		for k0 := 0; k0 < shared.depth; k0 += addRowsDepth {
			depth := min(addRowsDepth, shared.depth-k0)
			shared.smallTiles(t, block{k0: k0, depth: depth, steps: depth, first: k0 == 0}, 0, 1, lo, hi)
		}
		*t = simd.Tile{}
		tilePool.Put(t)
		shared.finished(0, 1, lo, hi)
	})
}
