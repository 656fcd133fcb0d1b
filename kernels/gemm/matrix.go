package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// matrix is a two-dimensional array and the address of its first element.
type matrix struct {
	ndarray.Array
	p    simd.Ptr
	conj bool // the elements' conjugates are meant
}

// matrixOf views a, which has two axes.
func matrixOf(a ndarray.Array, conj bool) matrix {
	m := matrix{Array: a, conj: conj}
	if a.Len() > 0 {
		m.p = simd.PtrTo(a.Data).Add(a.Offset)
	}
	return m
}

func (m *matrix) rows() int      { return m.Shape[0] }
func (m *matrix) cols() int      { return m.Shape[1] }
func (m *matrix) rowStride() int { return m.Strides[0] }
func (m *matrix) colStride() int { return m.Strides[1] }

// t is the transpose.
func (m matrix) t() matrix { return matrixOf(m.Permute(1, 0), m.conj) }

// at is the address of element (i, j).
func (m *matrix) at(i, j int) simd.Ptr { return m.p.Add(i*m.Strides[0] + j*m.Strides[1]) }

// sub is the view of rows [i0, i1) and columns [j0, j1).
func (m *matrix) sub(i0, i1, j0, j1 int) matrix {
	return matrixOf(m.Range(0, i0, i1).Range(1, j0, j1), m.conj)
}

// writable tells whether a micro-kernel can write rows of m as they lie.
func (m *matrix) writable() bool {
	return !m.Swapped && m.Aligned() && (m.colStride() == m.DType.Size() || m.cols() == 1)
}
