package reduce

import (
	"math"
	"sync"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// verbs is the table of reductions.
var verbs = []*verb{
	{name: "sum", summary: "sum of elements", result: sumType, extra: dtypeOnly, passes: 1, flops: 1, run: runSum, manual: sumText},
	{name: "prod", summary: "product of elements", result: sumType, extra: dtypeOnly, passes: 1, flops: 1, run: runProd, manual: prodText},
	{name: "min", summary: "least element", result: orderedType, wanted: true, passes: 1, flops: 1, run: runExtreme(smallest), manual: minText},
	{name: "max", summary: "greatest element", result: orderedType, wanted: true, passes: 1, flops: 1, run: runExtreme(greatest), manual: maxText},
	{name: "mean", summary: "arithmetic mean", result: meanType, extra: dtypeOnly, passes: 1, flops: 1, run: runMean, manual: meanText},
	{name: "var", summary: "variance", result: realMeanType, extra: ddofOnly, passes: 2, flops: 4, run: runVar(false), manual: varText},
	{name: "std", summary: "standard deviation", result: realMeanType, extra: ddofOnly, passes: 2, flops: 4, run: runVar(true), manual: stdText},
	{name: "norm", summary: "vector norm", result: realMeanType, extra: []kernels.OptionSpec{ordOption}, passes: 1, flops: 2, check: checkNorm, run: runNorm, manual: normText},
	{name: "argmin", summary: "index of the least element", result: indexType, wanted: true, passes: 1, flops: 1, run: runArg(smallest), manual: argminText},
	{name: "argmax", summary: "index of the greatest element", result: indexType, wanted: true, passes: 1, flops: 1, run: runArg(greatest), manual: argmaxText},
	{name: "any", summary: "whether any element is nonzero", result: always(ndarray.Bool), passes: 1, flops: 1, run: runTruth(anyVerb), manual: anyText},
	{name: "all", summary: "whether all elements are nonzero", result: always(ndarray.Bool), passes: 1, flops: 1, run: runTruth(allVerb), manual: allText},
	{name: "count_nonzero", summary: "number of nonzero elements", result: always(ndarray.I64), passes: 1, flops: 1, run: runTruth(countVerb), manual: countText},
	{name: "nansum", summary: "sum of the elements that are not NaN", result: sumType, extra: dtypeOnly, passes: 1, flops: 1, run: runNansum, manual: nansumText},
	{name: "nanmean", summary: "mean of the elements that are not NaN", result: meanType, extra: dtypeOnly, passes: 2, flops: 2, run: runNanmean, manual: nanmeanText},
	{name: "nanmin", summary: "least element that is not NaN", result: orderedType, wanted: true, passes: 1, flops: 1, run: runExtreme(smallestNumber), manual: nanminText},
	{name: "nanmax", summary: "greatest element that is not NaN", result: orderedType, wanted: true, passes: 1, flops: 1, run: runExtreme(greatestNumber), manual: nanmaxText},
}

var (
	dtypeOnly = []kernels.OptionSpec{dtypeOption}
	ddofOnly  = []kernels.OptionSpec{ddofOption}
)

// The types of results, by numpy's rules.

func always(d ndarray.DType) func(ndarray.DType) ndarray.DType {
	return func(ndarray.DType) ndarray.DType { return d }
}

func sumType(in ndarray.DType) ndarray.DType {
	switch {
	case in == ndarray.Bool, in.IsSigned():
		return ndarray.I64
	case in.IsUnsigned():
		return ndarray.U64
	}
	return in
}

func meanType(in ndarray.DType) ndarray.DType {
	if in == ndarray.Bool || in.IsInteger() {
		return ndarray.F64
	}
	return in
}

func realMeanType(in ndarray.DType) ndarray.DType { return meanType(in).Real() }

func orderedType(in ndarray.DType) ndarray.DType {
	if in.IsComplex() {
		return ndarray.Invalid
	}
	return in
}

func indexType(in ndarray.DType) ndarray.DType {
	if in.IsComplex() {
		return ndarray.Invalid
	}
	return ndarray.I64
}

// The reductions that sums are made of.

func sumOf[T summed](dt ndarray.DType) *reduction[T, T] {
	return remembered("sum", dt, func() *reduction[T, T] {
		leaf, fold := sumLeafOf[T](), sumFoldOf[T]()
		return &reduction[T, T]{
			dt: dt, lift: same[T], leaf: leaf, fold: fold, join: addition[T],
			fused: func(x []T, _ place) T { return leaf(x) }, fusedFold: func(acc, x []T, _ place) { fold(acc, x) },
			foldRows: fastest[func(acc, x []T, ld, rows int)](nil, simd.AddRowsF64),
		}
	})
}

// made is the reductions that are the same for all jobs, by what they are.
var made sync.Map

// remembered makes a reduction the first time it is asked for: that takes longer
// than a small job.
func remembered[T ndarray.Element, A any](what string, dt ndarray.DType, create func() *reduction[T, A]) *reduction[T, A] {
	type key struct {
		what string
		dt   ndarray.DType
	}
	if r, ok := made.Load(key{what, dt}); ok {
		return r.(*reduction[T, A])
	}
	r := create()
	made.Store(key{what, dt}, r)
	return r
}

// sumF32 sums f32 in f64.
var sumF32 = &reduction[float32, float64]{
	dt: ndarray.F32, lift: widen, leaf: sumLeafOf[float64](), fold: sumFoldOf[float64](), join: addition[float64],
	fused: sumLeafF32, fusedFold: sumFoldF32, foldRows: simd.AddRowsF32,
}

// sumMap sums lift(x).
func sumMap[T ndarray.Element, A summed](dt ndarray.DType, lift func([]A, []T, place)) *reduction[T, A] {
	return &reduction[T, A]{dt: dt, lift: lift, leaf: sumLeafOf[A](), fold: sumFoldOf[A](), join: addition[A]}
}

// fused gives r a loop that is its lift and leaf in one.
func fused[T ndarray.Element, A any](r *reduction[T, A], loop func(x []T, at place) A) *reduction[T, A] {
	r.fused = loop
	return r
}

// apart keeps r's rows apart.
func apart[T ndarray.Element, A any](r *reduction[T, A]) *reduction[T, A] {
	r.apart = true
	return r
}

// clean gives r a loop that does for blocks without NaN.
func clean[T ndarray.Element, A any](r *reduction[T, A], loop func(x []T, at place) (A, bool)) *reduction[T, A] {
	r.clean = loop
	return r
}

func prodOf[T summed](dt ndarray.DType) *reduction[T, T] {
	leaf, fold := prodLeafOf[T](), prodFoldOf[T]()
	return &reduction[T, T]{
		dt: dt, identity: 1, lift: same[T], leaf: leaf, fold: fold, join: multiplication[T],
		fused: func(x []T, _ place) T { return leaf(x) }, fusedFold: func(acc, x []T, _ place) { fold(acc, x) },
	}
}

// run is a pass over the job's input; a dry one counts what it would take.
func run[T ndarray.Element, A any](j *job, r *reduction[T, A], sink func([]A, int)) error {
	if j.dry != nil {
		count(j.dry, &j.g, r)
		return nil
	}
	if j.stream != nil {
		return reduceTile(j, r, sink)
	}
	return reduce(j, r, sink)
}

// narrow tells whether elements fit f32 and are summed in f64.
func (j *job) narrow() bool {
	d := j.in.DType
	return d == ndarray.F32 || d == ndarray.F16 || d == ndarray.BF16
}

// runSum sums complex numbers in c128, floats in f64 (narrow ones are widened
// in the loop), integers in 64 bits, which wrap.
func runSum(j *job) error {
	switch {
	case j.class.IsComplex():
		return run(j, sumOf[complex128](ndarray.C128), store[complex128](j, nil))
	case j.class.IsFloat() && j.narrow():
		return run(j, sumF32, store[float64](j, nil))
	case j.class.IsFloat():
		return run(j, sumOf[float64](ndarray.F64), store[float64](j, nil))
	}
	return sumInts(j)
}

// runProd multiplies in the same types.
func runProd(j *job) error {
	switch {
	case j.class.IsComplex():
		return run(j, prodOf[complex128](ndarray.C128), store[complex128](j, nil))
	case j.class.IsFloat():
		return run(j, prodOf[float64](ndarray.F64), store[float64](j, nil))
	}
	return multiplyInts(j)
}

// runMean divides the sum, so that it is rounded once.
func runMean(j *job) error {
	n := float64(j.g.k)
	if j.class.IsComplex() {
		return run(j, sumOf[complex128](ndarray.C128), store(j, divideC(n)))
	}
	if j.narrow() {
		return run(j, sumF32, store(j, divide(n)))
	}
	return run(j, sumOf[float64](ndarray.F64), store(j, divide(n)))
}

// divide divides by n; 0 by 0 is NaN, as numpy's mean of nothing.
func divide(n float64) func([]float64) {
	return func(vals []float64) {
		for i := range vals {
			vals[i] /= n
		}
	}
}

// divideC divides by parts: a complex quotient would spoil infinities.
func divideC(n float64) func([]complex128) {
	return func(vals []complex128) {
		for i, v := range vals {
			vals[i] = complex(real(v)/n, imag(v)/n)
		}
	}
}

// runVar takes the mean first, then the mean square of the distances from it:
// two sweeps, as the one-sweep formula cancels (Chan, Golub and LeVeque,
// "Algorithms for computing the sample variance", The American Statistician
// 37(3), 1983).
func runVar(root bool) func(j *job) error {
	return func(j *job) error {
		n := max(float64(j.g.k)-float64(j.c.Int("ddof")), 0)
		finish := divide(n)
		if root {
			finish = func(vals []float64) {
				for i := range vals {
					vals[i] = math.Sqrt(vals[i] / n)
				}
			}
		}
		if j.in.DType.IsComplex() {
			mean := perOutput[complex128](j)
			sink := collect(mean)
			center := divideC(float64(j.g.k))
			err := run(j, sumOf[complex128](ndarray.C128), func(vals []complex128, o int) { center(vals); sink(vals, o) })
			if err != nil {
				return err
			}
			return run(j, apart(sumMap(ndarray.C128, distanceC(mean))), store(j, finish))
		}
		mean := perOutput[float64](j)
		sink := collect(mean)
		center := divide(float64(j.g.k))
		keep := func(vals []float64, o int) { center(vals); sink(vals, o) }
		if j.narrow() {
			if err := run(j, sumF32, keep); err != nil {
				return err
			}
			return run(j, sumMap(ndarray.F32, distanceF32(mean)), store(j, finish))
		}
		if err := run(j, sumOf[float64](ndarray.F64), keep); err != nil {
			return err
		}
		return run(j, sumMap(ndarray.F64, distanceF64(mean)), store(j, finish))
	}
}

// distanceC is |x - mean|², of the output that the element belongs to.
func distanceC(mean []complex128) func(dst []float64, x []complex128, at place) {
	return func(dst []float64, x []complex128, at place) {
		for i, v := range x[:len(dst)] {
			m := mean[at.o]
			if at.outer {
				m = mean[at.o+i]
			}
			v -= m
			dst[i] = real(v)*real(v) + imag(v)*imag(v)
		}
	}
}

// runNansum is the sum of what is not NaN; integers have none.
func runNansum(j *job) error {
	switch {
	case j.class.IsComplex():
		return run(j, sumMap(ndarray.C128, skipNaNC), store[complex128](j, nil))
	case j.class.IsFloat():
		return sumNumbers(j, store[float64](j, nil))
	}
	return runSum(j)
}

// sumNumbers is the sum of what is not NaN, in float64.
func sumNumbers(j *job, sink func([]float64, int)) error {
	if j.narrow() {
		return run(j, clean(sumMap(ndarray.F32, skipNaNF32), sumCleanF32), sink)
	}
	return run(j, clean(sumMap(ndarray.F64, skipNaN), sumCleanF64), sink)
}

// countNumbers is how many real elements are not NaN.
func countNumbers(j *job, sink func([]int64, int)) error {
	if j.narrow() {
		return run(j, clean(sumMap(ndarray.F32, numbers[float32]), countCleanF32), sink)
	}
	return run(j, clean(sumMap(ndarray.F64, numbers[float64]), countCleanF64), sink)
}

// runNanmean counts first.
func runNanmean(j *job) error {
	n := perOutput[int64](j)
	if j.class.IsComplex() {
		if err := run(j, sumMap(ndarray.C128, numbers[complex128]), collect(n)); err != nil {
			return err
		}
		return run(j, sumMap(ndarray.C128, skipNaNC), func(vals []complex128, o int) {
			for i, v := range vals {
				c := float64(n[o+i])
				vals[i] = complex(real(v)/c, imag(v)/c)
			}
			ndarray.Store(j.out, vals, o)
		})
	}
	if err := countNumbers(j, collect(n)); err != nil {
		return err
	}
	return sumNumbers(j, func(vals []float64, o int) {
		for i := range vals {
			vals[i] /= float64(n[o+i])
		}
		ndarray.Store(j.out, vals, o)
	})
}
