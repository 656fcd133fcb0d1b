package reduce

import "vgpu/kernels/simd"

// This file chooses the inner loops of package simd where there are any for
// the type: the same results, but for the payloads of NaNs and the signs of zeros that
// are extremes.

// fastest is the vector loop of type F, if there is one, else loop.
func fastest[F any](loop F, vector ...any) F {
	for _, v := range vector {
		if f, ok := v.(F); ok {
			return f
		}
	}
	return loop
}

// folding makes a loop acc[i] = x[i] op acc[i] of a vector operation.
func folding[T any](op func(dst, a, b []T)) func(acc, x []T) {
	return func(acc, x []T) { op(acc, x, acc) }
}

// The loops of package simd by what they do, made once.
var (
	sumLeaves = []any{simd.SumF64, simd.SumI64, simd.SumU64}
	sumFolds  = []any{folding(simd.AddF64), folding(simd.AddI64), folding(simd.AddU64)}
	prodFolds = []any{folding(simd.MulF64), folding(simd.MulI64), folding(simd.MulU64)}
	minLeaves = []any{simd.MinOfF32, simd.MinOfF64, simd.MinOfI8, simd.MinOfU8, simd.MinOfI16, simd.MinOfU16, simd.MinOfI32, simd.MinOfU32, simd.MinOfI64, simd.MinOfU64}
	maxLeaves = []any{simd.MaxOfF32, simd.MaxOfF64, simd.MaxOfI8, simd.MaxOfU8, simd.MaxOfI16, simd.MaxOfU16, simd.MaxOfI32, simd.MaxOfU32, simd.MaxOfI64, simd.MaxOfU64}
	minFolds  = []any{folding(simd.MinF32), folding(simd.MinF64), folding(simd.MinI8), folding(simd.MinU8), folding(simd.MinI16),
		folding(simd.MinU16), folding(simd.MinI32), folding(simd.MinU32), folding(simd.MinI64), folding(simd.MinU64)}
	maxFolds = []any{folding(simd.MaxF32), folding(simd.MaxF64), folding(simd.MaxI8), folding(simd.MaxU8), folding(simd.MaxI16),
		folding(simd.MaxU16), folding(simd.MaxI32), folding(simd.MaxU32), folding(simd.MaxI64), folding(simd.MaxU64)}
	maxNumbers = []any{maxNumberF32, maxNumberF64}
	minNumbers = []any{minNumberF32, minNumberF64}
)

func sumLeafOf[A summed]() func(x []A) A     { return fastest(sumLeaf[A], sumLeaves...) }
func sumFoldOf[A summed]() func(acc, x []A)  { return fastest(sumFold[A], sumFolds...) }
func prodLeafOf[A summed]() func(x []A) A    { return fastest(prodLeaf[A], simd.ProdF64, prodInts[int64]) }
func prodFoldOf[A summed]() func(acc, x []A) { return fastest(prodFold[A], prodFolds...) }
func minLeafOf[T ordered]() func(x []T) T    { return fastest(minLeaf[T], minLeaves...) }
func maxLeafOf[T ordered]() func(x []T) T    { return fastest(maxLeaf[T], maxLeaves...) }
func minFoldOf[T ordered]() func(acc, x []T) { return fastest(minFold[T], minFolds...) }
func maxFoldOf[T ordered]() func(acc, x []T) { return fastest(maxFold[T], maxFolds...) }
func minNumberLeafOf[T ordered]() func(x []T) T {
	return fastest(leafOf(smallerNumber[T]), minNumbers...)
}
func maxNumberLeafOf[T ordered]() func(x []T) T {
	return fastest(leafOf(largerNumber[T]), maxNumbers...)
}

// sumLeafF32 and sumFoldF32 sum elements widened to float64.
func sumLeafF32(x []float32, _ place) float64        { return simd.SumF32(x) }
func sumFoldF32(acc []float64, x []float32, _ place) { simd.AddF64F32(acc, acc, x) }

// The lifts.

func widen(dst []float64, x []float32, _ place) { simd.CastF32F64(dst, x) }
func absolute(dst, x []float64, _ place)        { simd.AbsF64(dst, x) }
func squared(dst, x []float64, _ place)         { simd.SquareF64(dst, x) }

// distanceF32 and distanceF64 lift x to (x - mean)².

func distanceF32(mean []float64) func(dst []float64, x []float32, at place) {
	return func(dst []float64, x []float32, at place) {
		simd.CastF32F64(dst, x)
		squareDistance(dst, dst, mean, at)
	}
}

func distanceF64(mean []float64) func(dst, x []float64, at place) {
	return func(dst, x []float64, at place) { squareDistance(dst, x, mean, at) }
}

func squareDistance(dst, x, mean []float64, at place) {
	switch {
	case at.period > 0:
		for i := 0; i < len(dst); i += at.period {
			for j, m := range mean[at.o : at.o+at.period] {
				dst[i+j] = x[i+j] - m
			}
		}
	case at.outer:
		simd.SubF64(dst, x, mean[at.o:])
	default:
		simd.SubScalarF64(dst, x, mean[at.o])
	}
	simd.SquareF64(dst, dst)
}

// squaresF32 and squaresF64 are sums of squares; squaredF32 and absoluteF32 lift.

func squaresF32(x []float32, _ place) float64 { return simd.SumSquaresF32(x) }
func squaresF64(x []float64, _ place) float64 { return simd.SumSquaresF64(x) }

func squaredF32(dst []float64, x []float32, _ place) {
	simd.CastF32F64(dst, x)
	simd.SquareF64(dst, dst)
}

func absoluteF32(dst []float64, x []float32, _ place) {
	simd.CastF32F64(dst, x)
	simd.AbsF64(dst, dst)
}
