package gemm

import (
	"testing"
	"unsafe"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/testblas"

	"vgpu/kernels/ndarray"
)

// implementation offers our kernels as gonum's interfaces want them.
type implementation struct{}

// Dgemm is BLAS's dgemm on row-major matrices.
func (implementation) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	multiply(ndarray.F64, tA, tB, m, n, k, complex(alpha, 0), a, lda, b, ldb, complex(beta, 0), c, ldc)
}

// Zgemm is BLAS's zgemm on row-major matrices.
func (implementation) Zgemm(tA, tB blas.Transpose, m, n, k int, alpha complex128, a []complex128, lda int, b []complex128, ldb int, beta complex128, c []complex128, ldc int) {
	multiply(ndarray.C128, tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func multiply[T float64 | complex128](d ndarray.DType, tA, tB blas.Transpose, m, n, k int, alpha complex128, a []T, lda int, b []T, ldb int, beta complex128, c []T, ldc int) {
	q := Problem{
		A: blasMatrix(d, tA, m, k, a, lda), B: blasMatrix(d, tB, k, n, b, ldb), C: blasMatrix(d, blas.NoTrans, m, n, c, ldc),
		ConjA: tA == blas.ConjTrans, ConjB: tB == blas.ConjTrans, Alpha: alpha, Beta: beta,
	}
	if !q.Init() {
		panic("no kernel")
	}
	blasHeap.used = 0
	if err := q.Run(nil, &blasHeap); err != nil {
		panic(err)
	}
}

var blasHeap heap

// blasMatrix views op(x), rows x cols, of leading dimension ld.
func blasMatrix[T float64 | complex128](d ndarray.DType, op blas.Transpose, rows, cols int, x []T, ld int) ndarray.Array {
	stored := cols
	if op != blas.NoTrans {
		stored = rows
	}
	if ld < max(1, stored) {
		panic("bad leading dimension")
	}
	size := d.Size()
	l := ndarray.Layout{DType: d, Shape: []int{rows, cols}, Strides: []int{ld * size, size}}
	if op != blas.NoTrans {
		l.Strides = []int{size, ld * size}
	}
	if len(x) == 0 {
		return ndarray.Array{Layout: l}
	}
	return ndarray.Array{Layout: l, Data: unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*size)}
}

// heap lends memory of the Go heap: the same again to the next run, once
// reset.
type heap struct {
	b    []byte
	used int
}

func (h *heap) Alloc(n int) []byte {
	if h.used+n > len(h.b) {
		h.b, h.used = ndarray.New(ndarray.U8, max(2*len(h.b), 1<<20, n)).Data, 0
	}
	b := h.b[h.used : h.used+n]
	h.used += (n + 63) / 64 * 64
	return b
}

// TestBLAS runs gonum's suites, which judge BLAS implementations, over our
// kernels.
func TestBLAS(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		testblas.TestDgemm(t, implementation{})
		testblas.ZgemmTest(t, implementation{})
	})
}
