package fft

import (
	"slices"
	"sync/atomic"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// precision is the real type that a transform of d is computed in: f64 for
// f64, c128, integers and bool, else f32, as numpy.fft has it.
func precision(d ndarray.DType) ndarray.DType {
	switch d {
	case ndarray.F16, ndarray.BF16, ndarray.F32, ndarray.C64:
		return ndarray.F32
	}
	return ndarray.F64
}

// complexOf is the complex type of a real one.
func complexOf(d ndarray.DType) ndarray.DType {
	if d == ndarray.F32 {
		return ndarray.C64
	}
	return ndarray.C128
}

func realType[T simd.Float]() ndarray.DType {
	if isSingle[T]() {
		return ndarray.F32
	}
	return ndarray.F64
}

// reals gives the numbers of a Direct array of type T or its complex type as a
// slice, complex ones interleaved.
func reals[T simd.Float](a ndarray.Array) []T {
	n := a.Len()
	if a.DType.IsComplex() {
		n *= 2
	}
	l := ndarray.NewLayout(realType[T](), n)
	l.Offset = a.Offset
	return ndarray.Slice[T](ndarray.Array{Layout: l, Data: a.Data})
}

// isDirect tells whether a can be used by reals as it lies, as complex or real
// numbers of type T.
func isDirect[T simd.Float](a ndarray.Array, complexes bool) bool {
	want := realType[T]()
	if complexes {
		want = complexOf(want)
	}
	return a.DType == want && a.Direct()
}

// copyReals is the reals of a copy of an operand, as isDirect decides, or where its shape
// is not the one that is computed on: what [operand] and [target] borrow.
func copyReals(l ndarray.Layout, shape []int, prec ndarray.DType, complexes bool) int {
	want, unit := prec, 1
	if complexes {
		want, unit = complexOf(prec), 2
	}
	if l.DType == want && slices.Equal(l.Shape, shape) && !l.Swapped && l.Contiguous() && l.Offset%prec.Size() == 0 {
		return 0
	}
	return unit * product(shape)
}

// borrow makes an array of T, or of its complex type, in the run's scratch
// memory.
func borrow[T simd.Float](x *kernels.Exec, shape []int, complexes bool) ndarray.Array {
	d := realType[T]()
	if complexes {
		d = complexOf(d)
	}
	l := ndarray.NewLayout(d, shape...)
	return ndarray.Array{Layout: l, Data: x.Mem.Alloc(l.Bytes())}
}

// operand gives a's numbers in C order as T: in place if they lie so, else a
// converted copy.
func operand[T simd.Float](x *kernels.Exec, a ndarray.Array, complexes bool) ([]T, error) {
	if isDirect[T](a, complexes) {
		return reals[T](a), nil
	}
	c := borrow[T](x, a.Shape, complexes)
	return reals[T](c), convert(x.W, c, a)
}

// target is where a result for out is computed: out itself if its numbers lie
// in C order as T, else scratch memory that finish copies to out.
func target[T simd.Float](x *kernels.Exec, out ndarray.Array, complexes bool) (dst []T, finish func() error) {
	if isDirect[T](out, complexes) {
		return reals[T](out), func() error { return nil }
	}
	c := borrow[T](x, out.Shape, complexes)
	return reals[T](c), func() error { return convert(x.W, out, c) }
}

// convert is [ndarray.Convert] in pieces along the longest axis.
func convert(w *pool.Worker, dst, src ndarray.Array) error {
	if src.Len() == 0 {
		return nil
	}
	axis := 0
	for a, n := range src.Shape {
		if n > src.Shape[axis] {
			axis = a
		}
	}
	if len(src.Shape) == 0 || src.Len() < parallelFrom {
		return ndarray.Convert(dst, src)
	}
	n := src.Shape[axis]
	var failed atomic.Pointer[error]
	err := parallel(w, n, max(1, pieceReals/(src.Len()/n)), func(lo, hi int) {
		if err := ndarray.Convert(dst.Range(axis, lo, hi), src.Range(axis, lo, hi)); err != nil {
			failed.Store(&err)
		}
	})
	if e := failed.Load(); err == nil && e != nil {
		return *e
	}
	return err
}

// load converts a to dst, which is C-ordered: what sticks out of dst is left
// out, what is missing is zero.
func load(w *pool.Worker, dst, a ndarray.Array) error {
	if !slices.Equal(dst.Shape, a.Shape) {
		for i, n := range dst.Shape {
			if a.Shape[i] < n {
				clear(dst.Data[dst.Offset:][:dst.Bytes()])
			}
			dst, a = dst.Range(i, 0, min(n, a.Shape[i])), a.Range(i, 0, min(n, a.Shape[i]))
		}
	}
	return convert(w, dst, a)
}

func product(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// unravel is the multi-index of the i-th element in C order.
func unravel(i int, shape []int) []int {
	idx := make([]int, len(shape))
	for a := len(shape) - 1; a >= 0; a-- {
		if shape[a] > 0 {
			idx[a], i = i%shape[a], i/shape[a]
		}
	}
	return idx
}

// advance moves idx to the next element in C order.
func advance(idx, shape []int) {
	for a := len(shape) - 1; a >= 0; a-- {
		if idx[a]++; idx[a] < shape[a] {
			return
		}
		idx[a] = 0
	}
}
