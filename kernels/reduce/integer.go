package reduce

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// Sums and products of integers are modulo 2^64, so that signed and unsigned ones
// have the same bits: all are computed in 64 bits, from elements in their own type.

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

// multiplyInts is the product of integers or bools of any type.
func multiplyInts(j *job) error {
	sink := store[int64](j, nil)
	if j.class.IsUnsigned() {
		sink = storeUnsigned(j)
	}
	switch j.in.DType {
	case ndarray.Bool, ndarray.U8:
		return run(j, prodIntsOf[uint8](ndarray.U8), sink)
	case ndarray.I8:
		return run(j, prodIntsOf[int8](ndarray.I8), sink)
	case ndarray.I16:
		return run(j, prodIntsOf[int16](ndarray.I16), sink)
	case ndarray.U16:
		return run(j, prodIntsOf[uint16](ndarray.U16), sink)
	case ndarray.I32:
		return run(j, prodIntsOf[int32](ndarray.I32), sink)
	case ndarray.U32:
		return run(j, prodIntsOf[uint32](ndarray.U32), sink)
	}
	return run(j, prodOf[int64](ndarray.I64), sink)
}

// prodIntsOf multiplies elements of a type of less than 64 bits.
func prodIntsOf[T intish](dt ndarray.DType) *reduction[T, int64] {
	return remembered("prod", dt, func() *reduction[T, int64] {
		return &reduction[T, int64]{
			dt: dt, raw: dt == ndarray.U8, identity: 1, leaf: prodInts[int64], fold: prodFoldOf[int64](), join: multiplication[int64],
			lift: func(dst []int64, x []T, _ place) {
				for i, v := range x[:len(dst)] {
					dst[i] = int64(v)
				}
			},
			fused: func(x []T, _ place) int64 { return prodInts(x) },
		}
	})
}

// prodInts keeps eight products, so that none waits for the one before.
func prodInts[T intish](x []T) int64 {
	var a, b, c, d, e, f, g, h int64 = 1, 1, 1, 1, 1, 1, 1, 1
	for ; len(x) >= 8; x = x[8:] {
		a *= int64(x[0])
		b *= int64(x[1])
		c *= int64(x[2])
		d *= int64(x[3])
		e *= int64(x[4])
		f *= int64(x[5])
		g *= int64(x[6])
		h *= int64(x[7])
	}
	for _, v := range x {
		a *= int64(v)
	}
	return a * b * c * d * (e * f * g * h)
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
