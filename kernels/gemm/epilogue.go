package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// epilogue is what happens to a finished part of C while it is in a cache:
// c = act(c + bias) + residual.
type epilogue struct {
	bias, residual *ndarray.Array // of C's shape, by broadcasting; nil if absent
	act            func(float64) float64
}

// transpose is the epilogue of Cᵀ.
func (e *epilogue) transpose() *epilogue {
	return &epilogue{bias: transpose(e.bias), residual: transpose(e.residual), act: e.act}
}

func transpose(a *ndarray.Array) *ndarray.Array {
	if a == nil {
		return nil
	}
	t := a.Permute(1, 0)
	return &t
}

// apply runs over c, which begins at row i0 and column j0 of C. Its rows are
// writable.
func (e *epilogue) apply(c matrix, i0, j0 int) {
	switch c.dtype {
	case ndarray.F32:
		finishRows(e, c, i0, j0, func(row []float32) { activate(row, e.act) })
	case ndarray.F64:
		finishRows(e, c, i0, j0, func(row []float64) { activate(row, e.act) })
	case ndarray.C64:
		finishRows(e, c, i0, j0, func([]complex64) {})
	case ndarray.C128:
		finishRows(e, c, i0, j0, func([]complex128) {})
	case ndarray.I32, ndarray.U32:
		finishRows(e, c, i0, j0, func([]int32) {})
	case ndarray.I64, ndarray.U64:
		finishRows(e, c, i0, j0, func([]int64) {})
	}
}

// finishRows is apply on elements of type T; act works in place.
func finishRows[T int32 | int64 | float32 | float64 | complex64 | complex128](e *epilogue, c matrix, i0, j0 int, act func([]T)) {
	var buf [256]T
	for i := range c.rows {
		for j := 0; j < c.cols; j += len(buf) {
			row := simd.Vector[T](c.at(i, j), min(len(buf), c.cols-j))
			addTo(row, e.bias, i0+i, j0+j, buf[:len(row)])
			act(row)
			addTo(row, e.residual, i0+i, j0+j, buf[:len(row)])
		}
	}
}

// addTo adds the elements of x from (i, j) on; buf is scratch of row's length.
func addTo[T int32 | int64 | float32 | float64 | complex64 | complex128](row []T, x *ndarray.Array, i, j int, buf []T) {
	if x == nil {
		return
	}
	ndarray.Load(buf, x.Index(i), j)
	for q, v := range buf {
		row[q] += v
	}
}

func activate[T float32 | float64](row []T, act func(float64) float64) {
	if act == nil {
		return
	}
	for i, v := range row {
		row[i] = T(act(float64(v)))
	}
}
