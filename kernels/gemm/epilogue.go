package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// epilogue is what happens to a finished part of C while it is in a cache:
// c = act(c + bias) + residual.
type epilogue struct {
	bias, residual *ndarray.Array // of C's shape, by broadcasting; nil if absent
	act            *activation    // nil if absent; of real sums only
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
		finishRows(e, c, i0, j0, func(row, x []float32) { simd.AddF32(row, row, x) }, e.actF32)
	case ndarray.F64:
		finishRows(e, c, i0, j0, func(row, x []float64) { simd.AddF64(row, row, x) }, e.actF64)
	case ndarray.C64:
		finishRows(e, c, i0, j0, addTo[complex64], nil)
	case ndarray.C128:
		finishRows(e, c, i0, j0, addTo[complex128], nil)
	case ndarray.I32, ndarray.U32:
		finishRows(e, c, i0, j0, addTo[int32], nil)
	case ndarray.I64, ndarray.U64:
		finishRows(e, c, i0, j0, addTo[int64], nil)
	}
}

// actF32 applies the function in place, if there is one.
func (e *epilogue) actF32(row []float32) {
	if e.act != nil {
		e.act.f32(row, row)
	}
}

// actF64 is the same for f64.
func (e *epilogue) actF64(row []float64) {
	if e.act != nil {
		e.act.f64(row, row)
	}
}

// sumElement is the types that sums have; unsigned ones are added as signed,
// which is the same in two's complement.
type sumElement interface {
	int32 | int64 | float32 | float64 | complex64 | complex128
}

// finishRows is apply on elements of type T: add(row, x) is row += x, act
// works in place and may be nil.
func finishRows[T sumElement](e *epilogue, c matrix, i0, j0 int, add func(row, x []T), act func(row []T)) {
	bias, residual := addendOf[T](e.bias, c.dtype), addendOf[T](e.residual, c.dtype)
	for i := range c.rows {
		for j := 0; j < c.cols; j += addendRun {
			row := simd.Vector[T](c.at(i, j), min(addendRun, c.cols-j))
			if bias != nil {
				add(row, bias.row(i0+i, j0+j, len(row)))
			}
			if act != nil {
				act(row)
			}
			if residual != nil {
				add(row, residual.row(i0+i, j0+j, len(row)))
			}
		}
	}
}

// addendRun is how many elements of a row are finished at once.
const addendRun = 256

// addend is a bias or residual as elements of type T.
type addend[T sumElement] struct {
	array *ndarray.Array
	m     matrix
	asIs  bool // rows of m can be read as they lie
	buf   []T  // of addendRun, for those that cannot
}

// addendOf prepares a for sums of type d, which T is; nil if there is none.
func addendOf[T sumElement](a *ndarray.Array, d ndarray.DType) *addend[T] {
	if a == nil {
		return nil
	}
	x := &addend[T]{array: a}
	x.m.set(a, false)
	if x.asIs = a.DType == d && x.m.writable(); !x.asIs {
		x.buf = make([]T, addendRun)
	}
	return x
}

// row is n elements of row i from column j on, until the next call.
func (x *addend[T]) row(i, j, n int) []T {
	if x.asIs {
		return simd.Vector[T](x.m.at(i, j), n)
	}
	ndarray.Load(x.buf[:n], x.array.Index(i), j)
	return x.buf[:n]
}

// addTo is row += x; x may be shorter than row.
func addTo[T sumElement](row, x []T) {
	for i, v := range x {
		row[i] += v
	}
}
