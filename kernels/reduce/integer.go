package reduce

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// Sums of integers are modulo 2^64, so that signed and unsigned ones have the
// same bits: all are computed in int64, from elements in their own type.

// sumInts is the sum of integers or bools of any type.
func sumInts(j *job) error {
	sink := store[int64](j, nil)
	if j.class.IsUnsigned() {
		sink = storeUnsigned(j)
	}
	switch j.in.DType {
	case ndarray.Bool, ndarray.U8:
		return run(j, sumIntsOf(ndarray.U8, simd.SumU8, simd.AddI64U8), sink)
	case ndarray.I8:
		return run(j, sumIntsOf(ndarray.I8, simd.SumI8, simd.AddI64I8), sink)
	case ndarray.I16:
		return run(j, sumIntsOf(ndarray.I16, simd.SumI16, simd.AddI64I16), sink)
	case ndarray.U16:
		return run(j, sumIntsOf(ndarray.U16, simd.SumU16, simd.AddI64U16), sink)
	case ndarray.I32:
		return run(j, sumIntsOf(ndarray.I32, simd.SumI32, simd.AddI64I32), sink)
	case ndarray.U32:
		return run(j, sumIntsOf(ndarray.U32, simd.SumU32, simd.AddI64U32), sink)
	}
	r := sumOf[int64](ndarray.I64)
	return run(j, r, sink)
}

// sumIntsOf sums elements of a type, with a loop over a block and one that adds
// a row.
func sumIntsOf[T intish](dt ndarray.DType, sum func(x []T) int64, add func(dst, a []int64, x []T)) *reduction[T, int64] {
	return remembered("sum", dt, func() *reduction[T, int64] {
		return &reduction[T, int64]{
			dt: dt, raw: dt == ndarray.U8, leaf: simd.SumI64, fold: sumFoldOf[int64](), join: addition[int64],
			lift: func(dst []int64, x []T, _ place) {
				for i, v := range x[:len(dst)] {
					dst[i] = int64(v)
				}
			},
			fused:     func(x []T, _ place) int64 { return sum(x) },
			fusedFold: func(acc []int64, x []T, _ place) { add(acc, acc, x) },
		}
	})
}

// storeUnsigned stores sums whose bits are those of unsigned numbers.
func storeUnsigned(j *job) func(vals []int64, o int) {
	return func(vals []int64, o int) {
		var piece [128]uint64
		for ; len(vals) > 0; o += len(piece) {
			n := min(len(vals), len(piece))
			for i, v := range vals[:n] {
				piece[i] = uint64(v)
			}
			ndarray.Store(j.out, piece[:n], o)
			vals = vals[n:]
		}
	}
}
