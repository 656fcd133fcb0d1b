package reduce

import (
	"math"
	"math/cmplx"
	"slices"
	"strconv"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// order reads ord=; EINVAL for what is no number. Norms are of vectors: the
// elements of all reduced axes, whatever their number.
func order(c *kernels.Call) (float64, error) {
	switch s := c.Str("ord"); s {
	case "fro":
		return 2, nil
	default:
		p, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(p) {
			return 0, c.Opt("ord").Errorf("%q is no order", s)
		}
		return p, nil
	}
}

// checkNorm refuses what has no norm.
func checkNorm(c *kernels.Call, g *geometry) error {
	p, err := order(c)
	if err != nil {
		return err
	}
	if g.k == 0 && (p < 0 || math.IsInf(p, 0)) {
		return c.In[0].Errorf("norm: no elements, and the norm of order %v has no value for none", p)
	}
	return nil
}

// runNorm computes in f64 of the elements' magnitudes, in c128 of complex ones.
func runNorm(j *job) error {
	p, err := order(j.c)
	if err != nil {
		return err
	}
	if j.in.DType.IsComplex() {
		return normOn(j, p, normLifts[complex128]{
			dt: ndarray.C128, abs: modulus, square: squaredC, truths: &truthsC,
			power: func(dst []float64, x []complex128, _ place) {
				for i, v := range x {
					dst[i] = math.Pow(cmplx.Abs(v), p)
				}
			},
		})
	}
	if j.narrow() {
		return normOn(j, p, normLifts[float32]{
			dt: ndarray.F32, abs: absoluteF32, square: squaredF32, squares: squaresF32, truths: &truthsF32,
			power: func(dst []float64, x []float32, _ place) {
				for i, v := range x {
					dst[i] = math.Pow(math.Abs(float64(v)), p)
				}
			},
		})
	}
	return normOn(j, p, normLifts[float64]{
		dt: ndarray.F64, abs: absolute, square: squared, squares: squaresF64, truths: &truthsF64,
		power: func(dst, x []float64, _ place) {
			for i, v := range x {
				dst[i] = math.Pow(math.Abs(v), p)
			}
		},
	})
}

// normLifts is what norms need of a type.
type normLifts[T ndarray.Element] struct {
	dt                 ndarray.DType
	abs, square, power func(dst []float64, x []T, at place)
	truths             *truths[T]
	// The sum of squares of a block at once; may be nil.
	squares func(x []T, at place) float64
}

func normOn[T ndarray.Element](j *job, p float64, l normLifts[T]) error {
	plain := store[float64](j, nil)
	switch {
	case p == 2:
		return euclid(j, l)
	case p == 1:
		return run(j, sumMap(l.dt, l.abs), plain)
	case p == 0:
		return run(j, countOf(l.truths), store[int64](j, nil))
	case math.IsInf(p, 1):
		return run(j, greatestAbs(l), plain)
	case math.IsInf(p, -1):
		r := greatestAbs(l)
		r.leaf, r.fold, r.join = minLeafOf[float64](), minFoldOf[float64](), smaller[float64]
		return run(j, r, plain)
	}
	return run(j, sumMap(l.dt, l.power), store(j, func(vals []float64) {
		for i, v := range vals {
			vals[i] = math.Pow(v, 1/p)
		}
	}))
}

func greatestAbs[T ndarray.Element](l normLifts[T]) *reduction[T, float64] {
	return &reduction[T, float64]{dt: l.dt, bare: true, lift: l.abs, leaf: maxLeafOf[float64](), fold: maxFoldOf[float64](), join: larger[float64]}
}

// Sums of squares within these bounds have lost nothing to overflow or
// underflow.
const (
	leastSquares    = 0x1p-900
	greatestSquares = 0x1p1000
)

// euclid is the root of the sum of squares. Where that left the range in which
// squares are exact to rounding, the elements are scaled by the greatest.
func euclid[T ndarray.Element](j *job, l normLifts[T]) error {
	sums := perOutput[float64](j)
	if err := run(j, fused(sumMap(l.dt, l.square), l.squares), collect(sums)); err != nil {
		return err
	}
	wide := j.in.DType == ndarray.F64 || j.in.DType == ndarray.C128
	if wide && (j.dry != nil || j.g.k > 0 && slices.ContainsFunc(sums, unsafe)) {
		return scaledEuclid(j, l, sums)
	}
	if j.dry != nil {
		return nil
	}
	return storeEach(j, sums, func(o int) float64 { return math.Sqrt(sums[o]) })
}

// storeEach writes value(o) for every output o; vals is overwritten with them.
func storeEach(j *job, vals []float64, value func(o int) float64) error {
	return j.x.W.For(len(vals), block, func(_ *pool.Worker, lo, hi int) {
		for o := lo; o < hi; o++ {
			vals[o] = value(o)
		}
		ndarray.Store(j.out, vals[lo:hi], lo)
	})
}

// unsafe tells whether a sum of squares may have lost something.
func unsafe(s float64) bool { return s < leastSquares || s > greatestSquares }

// scaledEuclid computes anew those norms whose sums of squares are unsafe.
func scaledEuclid[T ndarray.Element](j *job, l normLifts[T], sums []float64) error {
	scale := perOutput[float64](j)
	// Powers of two, so that scaling is exact.
	power := func(vals []float64, o int) {
		for i, v := range vals {
			scale[o+i] = v
			if v > 0 && !math.IsInf(v, 0) {
				_, e := math.Frexp(v)
				scale[o+i] = math.Ldexp(1, e-1)
			}
		}
	}
	if err := run(j, greatestAbs(l), power); err != nil {
		return err
	}
	norm := func(o int, sum float64) float64 { // sum is that of the squares of scaled elements
		switch s := scale[o]; {
		case !unsafe(sums[o]):
			return math.Sqrt(sums[o])
		case s == 0 || math.IsInf(s, 0):
			return s
		default:
			return s * math.Sqrt(sum)
		}
	}
	needed := j.dry != nil
	for o, s := range scale { // zeros and infinities are their own norms
		needed = needed || unsafe(sums[o]) && s != 0 && !math.IsInf(s, 0)
	}
	if !needed {
		return storeEach(j, sums, func(o int) float64 { return norm(o, 0) })
	}
	scaled := func(dst []float64, x []T, at place) {
		l.abs(dst, x, at)
		if at.outer {
			simd.DivF64(dst, dst, scale[at.o:])
		} else {
			simd.DivScalarF64(dst, dst, scale[at.o])
		}
		simd.SquareF64(dst, dst)
	}
	return run(j, apart(sumMap(l.dt, scaled)), func(vals []float64, o int) {
		for i, v := range vals {
			vals[i] = norm(o+i, v)
		}
		ndarray.Store(j.out, vals, o)
	})
}
