package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// matrix is a two-dimensional view of bytes. It holds plain numbers, where an
// ndarray.Array has slices, so that views of it cost nothing.
type matrix struct {
	data                 []byte
	offset               int      // bytes to the first element
	p                    simd.Ptr // its address; nil if there are no elements
	rows, cols           int
	rowStride, colStride int // bytes
	dtype                ndarray.DType
	swapped              bool
	conj                 bool // the elements' conjugates are meant
}

// set makes m a view of the last two axes of a, whose other axes are ignored.
func (m *matrix) set(a *ndarray.Array, conj bool) {
	r := len(a.Shape)
	m.data, m.offset = a.Data, a.Offset
	m.rows, m.cols = a.Shape[r-2], a.Shape[r-1]
	m.rowStride, m.colStride = a.Strides[r-2], a.Strides[r-1]
	m.dtype, m.swapped, m.conj = a.DType, a.Swapped, conj
	m.locate()
}

// locate sets the pointer to the first element; none of a matrix without
// elements, whose offset may lie anywhere.
func (m *matrix) locate() {
	m.p = simd.Ptr{}
	if m.rows > 0 && m.cols > 0 && len(m.data) > 0 {
		m.p = simd.PtrTo(m.data).Add(m.offset)
	}
}

// array is m as an array.
func (m *matrix) array() ndarray.Array {
	return ndarray.Array{
		Layout: ndarray.Layout{
			DType: m.dtype, Shape: []int{m.rows, m.cols}, Strides: []int{m.rowStride, m.colStride},
			Offset: m.offset, Swapped: m.swapped,
		},
		Data: m.data,
	}
}

// transpose exchanges rows and columns.
func (m *matrix) transpose() {
	m.rows, m.cols = m.cols, m.rows
	m.rowStride, m.colStride = m.colStride, m.rowStride
}

// at is the address of element (i, j).
func (m *matrix) at(i, j int) simd.Ptr { return m.p.Add(i*m.rowStride + j*m.colStride) }

// sub is the view of rows [i0, i1) and columns [j0, j1).
func (m *matrix) sub(i0, i1, j0, j1 int) matrix {
	s := *m
	s.rows, s.cols = i1-i0, j1-j0
	if s.rows > 0 && s.cols > 0 {
		s.offset += i0*m.rowStride + j0*m.colStride
	}
	s.locate()
	return s
}

// writable tells whether a micro-kernel can write rows of m as they lie.
func (m *matrix) writable() bool {
	size := m.dtype.Size()
	return !m.swapped && (m.colStride == size || m.cols == 1) && m.aligned()
}

// aligned tells whether the elements are aligned to their real type.
func (m *matrix) aligned() bool {
	return m.p.Aligned(m.dtype.Real().Size(), m.rowStride|m.colStride)
}
