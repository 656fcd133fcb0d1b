package reduce

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/numpytest"
)

type arrays = map[string]ndarray.Array

// wide computes in the widest types that numpy has, and w rounds to the
// result's type once, as these kernels promise.
const wide = `
def wide(a): return a.astype(np.clongdouble if a.dtype.kind == 'c' else np.longdouble) if a.dtype.kind in 'fc' else a
def parts(fn, a, *x, **k):
    if a.dtype.kind != 'c':
        return fn(a.astype(np.longdouble), *x, **k)
    ok = ~np.isnan(a) if fn is np.nanmean else np.full(a.shape, True)
    re, im = (np.sum(np.where(ok, p, 0), *x, **k) / np.sum(ok, *x, **k) for p in (a.real.astype('f8'), a.imag.astype('f8')))
    r = np.empty(np.shape(re), 'c16')
    r.real, r.imag = re, im
    return r
def w(r, d): return np.asarray(r).astype(d)
def f(a): return a.dtype if a.dtype.kind in 'fc' else np.dtype('f8')
def fr(a): return f(a).type(0).real.dtype
`

// tolerance is a few units in the last place.
func tolerance(d ndarray.DType) float64 {
	switch d.Real() {
	case ndarray.F16:
		return 0x1p-10
	case ndarray.F32:
		return 0x1p-22
	}
	return 1e-13
}

// finite replaces infinities, NaN and large values: where numpy multiplies in
// another order they would come out differently.
func finite(a ndarray.Array) ndarray.Array {
	v := make([]complex128, a.Len())
	ndarray.Load(v, a, 0)
	fix := func(x float64) float64 {
		if !(math.Abs(x) < 4) {
			return 0.5
		}
		return x
	}
	for i, z := range v {
		v[i] = complex(fix(real(z)), fix(imag(z)))
	}
	ndarray.Store(a, v, 0)
	return a
}

// axes is an axis= option for the line and for numpy, of several axes or one.
func axes(r numpytest.Rand, rank int, single bool) (line, python string) {
	if rank == 0 || r.IntN(4) == 0 {
		return "", "None"
	}
	perm := r.Perm(rank)
	n := 1
	if !single {
		n += r.IntN(rank)
	}
	perm = perm[:n]
	for i := range perm {
		perm[i] -= rank * r.IntN(2)
	}
	list := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(perm)), ","), "[]")
	if single {
		return " axis=" + list, list
	}
	return " axis=" + list, "(" + list + ",)"
}

var (
	realTypes = slices.DeleteFunc(slices.Clone(numpytest.Types), ndarray.DType.IsComplex)
)

type reductionCase struct {
	line, python string
	types        []ndarray.DType
	nonempty     bool
	single       bool
	tame         bool
}

// reductions are numpy's forms; A is the axis.
var reductions = []reductionCase{
	{line: "sum", python: "w(np.sum(wide(a), A), np.sum(a.ravel()[:0]).dtype)"},
	{line: "prod", python: "w(np.prod(wide(a), A), np.prod(a.ravel()[:0]).dtype)", tame: true},
	{line: "mean", python: "w(parts(np.mean, a, A), f(a))"},
	{line: "var", python: "w(np.var(wide(a), A), fr(a))", tame: true},
	{line: "std", python: "w(np.std(wide(a), A), fr(a))", tame: true},
	{line: "min", python: "np.min(a, A)", types: realTypes, nonempty: true},
	{line: "max", python: "np.max(a, A)", types: realTypes, nonempty: true},
	{line: "nanmin", python: "np.nanmin(a, A)", types: realTypes, nonempty: true},
	{line: "nanmax", python: "np.nanmax(a, A)", types: realTypes, nonempty: true},
	{line: "argmin", python: "np.argmin(a, A)", types: realTypes, nonempty: true, single: true},
	{line: "argmax", python: "np.argmax(a, A)", types: realTypes, nonempty: true, single: true},
	{line: "any", python: "np.any(a, A)"},
	{line: "all", python: "np.all(a, A)"},
	{line: "count_nonzero", python: "np.asarray(np.count_nonzero(a, A))"},
	{line: "nansum", python: "w(np.nansum(wide(a), A), np.nansum(a.ravel()[:0]).dtype)"},
	{line: "nanmean", python: "w(parts(np.nanmean, a, A), f(a))"},
	{line: "norm", python: "w(np.sqrt(np.sum(wide(a).real.astype(np.longdouble)**2 + wide(a).imag.astype(np.longdouble)**2, A)), fr(a))"},
	{line: "norm ord=1", python: "w(np.sum(np.abs(wide(a).astype(np.clongdouble)), A), fr(a))"},
	{line: "norm ord=3", python: "w(np.sum(np.abs(wide(a).astype(np.clongdouble))**3, A)**(np.longdouble(1)/3), fr(a))", tame: true},
	{line: "norm ord=inf", python: "w(np.max(np.abs(wide(a).astype(np.clongdouble)), A), fr(a))", nonempty: true},
	{line: "norm ord=-inf", python: "w(np.min(np.abs(wide(a).astype(np.clongdouble)), A), fr(a))", nonempty: true},
	{line: "norm ord=0", python: "w(np.sum(a != 0, A), fr(a))"},
}

func TestReductionsAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(11)
	var cases []numpytest.Case
	shapes := func() []int { return r.Shape(0, 4, 9) }
	for i := range 25 {
		if i >= 14 { // longer than blocks, groups, tiles and pieces
			large := [][]int{{80001}, {3, 66000}, {1100, 41}, {2, 33, 1030}, {5000, 3}, {700, 2, 3}, {1, 9000, 1}, {40, 4100}, {2600, 33}, {150, 63}, {9, 4, 4500}}
			shapes = func() []int { return large[i-14] }
		}
		for _, k := range reductions {
			shape := shapes()
			if k.nonempty && slices.Contains(shape, 0) {
				continue
			}
			types := k.types
			if types == nil {
				types = numpytest.Types
			}
			a := r.Array(r.Type(types...), shape...)
			if k.tame {
				a = finite(a)
			}
			if a.Len() > 5000 && !slices.Contains([]string{"sum", "var", "min", "max", "argmin", "argmax", "any", "all", "count_nonzero", "nanmean", "norm"}, k.line) {
				continue
			}
			line, python := axes(r, len(shape), k.single)
			verb, opts, _ := strings.Cut(k.line, " ")
			code := wide + "r = " + strings.ReplaceAll(k.python, "A)", python+")")
			cases = append(cases, numpytest.Case{
				Line: verb + " a out " + opts + line, Python: code, In: arrays{"a": a}, Tolerance: tolerance(resultOf(verb, a.DType)),
			})
			if verb != "sum" && a.DType.Size() == 8 && a.DType.IsInteger() {
				cases[len(cases)-1].Tolerance = 1e-10 // means of 64-bit integers cancel
			}
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// Every type down every kind of axis: short and long rows, columns, the middle;
// with the extreme at each end, several NaN, zeros of both signs, and integers whose
// sums and extremes need all bits.
func TestEveryTypeAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(15)
	var cases []numpytest.Case
	chosen := slices.Clone(reductions)
	chosen = slices.DeleteFunc(chosen, func(k reductionCase) bool {
		return !slices.Contains([]string{"min", "max", "nanmax", "argmin", "argmax", "any", "all"}, k.line)
	})
	for _, d := range realTypes {
		for _, shape := range [][]int{{0, 3}, {70, 5}, {3, 130}, {5, 66, 3}, {40, 63}, {33, 1, 64}} {
			for axis := range shape {
				if shape[axis] == 0 {
					continue
				}
				for range 2 {
					k := chosen[len(cases)%len(chosen)]
					a := r.Array(d, shape...)
					line := fmt.Sprintf("%s a out axis=%d", k.line, axis)
					cases = append(cases, numpytest.Case{Line: line, Python: "r = " + strings.ReplaceAll(k.python, "A)", fmt.Sprintf("%d)", axis)), In: arrays{"a": a}})
				}
				if d.IsInteger() || d == ndarray.Bool {
					cases = append(cases, numpytest.Case{Line: fmt.Sprintf("sum a out axis=%d keepdims=1", axis), Python: fmt.Sprintf("r = np.sum(a, %d, keepdims=True)", axis), In: arrays{"a": r.Array(d, shape...)}})
				}
			}
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// bf16, which numpy does not have, is reduced as the f32 of the same values.
func TestBF16(t *testing.T) {
	r := numpytest.NewRand(16)
	for _, k := range reductions {
		for _, shape := range [][]int{{}, {300}, {70, 5}, {3, 130}, {2, 4100}} {
			a := r.Array(ndarray.BF16, shape...)
			b := ndarray.New(ndarray.F32, shape...)
			if err := ndarray.Convert(b, a); err != nil {
				t.Fatal(err)
			}
			verb, opts, _ := strings.Cut(k.line, " ")
			line := verb + " a out " + opts
			if len(shape) > 1 {
				line += " axis=-1"
			}
			got, _, err := kerneltest.Run(t, Kernels(), line, arrays{"a": a}, kerneltest.Threads(1, 2))
			if err != nil {
				t.Fatalf("%s of %s: %v", line, a.Layout, err)
			}
			ref, _, err := kerneltest.Run(t, Kernels(), line, arrays{"a": b})
			if err != nil {
				t.Fatal(err)
			}
			x, y := make([]float64, got["out"].Len()), make([]float64, ref["out"].Len())
			ndarray.Load(x, got["out"], 0)
			ndarray.Load(y, ref["out"], 0)
			for i := range x {
				if diff := math.Abs(x[i] - y[i]); diff > math.Abs(y[i])/128 || (x[i] != x[i]) != (y[i] != y[i]) {
					t.Fatalf("%s of %s: %v, of f32 %v", line, a.Layout, x[i], y[i])
				}
			}
		}
	}
}

func resultOf(verb string, in ndarray.DType) ndarray.DType {
	for _, v := range verbs {
		if v.name == verb {
			return v.result(in)
		}
	}
	return in
}

// Options: keepdims, ddof, dtype.
func TestOptionsAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(12)
	var cases []numpytest.Case
	add := func(line, python string, d ndarray.DType, a ndarray.Array) {
		cases = append(cases, numpytest.Case{Line: line, Python: wide + "r = " + python, In: arrays{"a": a}, Tolerance: tolerance(d)})
	}
	for range 25 {
		one := func() ndarray.Array { return finite(r.Array(r.Type(numpytest.Types...), r.Shape(2, 4, 8)...)) }
		a := one()
		add("sum a out axis=-1 keepdims=1", "w(np.sum(wide(a), -1, keepdims=True), np.sum(a.ravel()[:0]).dtype)", a.DType, a)
		a = one()
		add("std a out axis=1 ddof=1 keepdims=yes", "w(np.std(wide(a), 1, ddof=1, keepdims=True), fr(a))", a.DType, a)
		a = one()
		add("var a out ddof=2", "w(np.var(wide(a), ddof=2), fr(a))", a.DType, a)
		a = one()
		add("sum a out axis= keepdims=1", "w(a, np.sum(a.ravel()[:0]).dtype)", a.DType, a)
		a = one()
		add("mean a out axis=0 dtype=c128", "parts(np.mean, a.astype('c16'), 0)", a.DType, a)
		a = finite(r.Array(r.Type(ndarray.Bool, ndarray.I16, ndarray.U8, ndarray.I64), r.Shape(2, 4, 8)...))
		add("sum a out axis=0 dtype=i16", "np.sum(a, 0, dtype='i2')", a.DType, a)
		add("prod a out axis=1 dtype=f32", "np.prod(a.astype('f8'), 1).astype('f4')", ndarray.F32, a)
	}
	numpytest.Compare(t, Kernels(), cases)
}

func TestScansAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(13)
	var cases []numpytest.Case
	for i := range 40 {
		shape := r.Shape(1, 4, 9)
		if i >= 36 {
			shape = [][]int{{140000}, {2, 66000}, {900, 1100}, {3000, 3}}[i-36]
		}
		a := finite(r.Array(r.Type(numpytest.Types...), shape...))
		line, python := axes(r, len(shape), true)
		cases = append(cases, numpytest.Case{
			Line: "cumsum a out" + line, Python: wide + "r = w(np.cumsum(wide(a), " + python + "), np.cumsum(a.ravel()[:0]).dtype)",
			In: arrays{"a": a}, Tolerance: 8 * tolerance(a.DType),
		})
		if a.Len() < 300 {
			cases = append(cases, numpytest.Case{
				Line: "cumprod a out" + line, Python: wide + "r = w(np.cumprod(wide(a), " + python + "), np.cumprod(a.ravel()[:0]).dtype)",
				In: arrays{"a": a}, Tolerance: 8 * tolerance(a.DType),
			})
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

func TestSoftmaxAgainstNumpy(t *testing.T) {
	const soft = wide + `
x = a.astype(np.longdouble)
e = x - x.max(AXIS, keepdims=True) if x.size else x
s = np.exp(e)
`
	r := numpytest.NewRand(14)
	var cases []numpytest.Case
	for i := range 50 {
		shape := r.Shape(1, 4, 9)
		if i >= 45 {
			shape = [][]int{{30000}, {3, 9000}, {500, 1100}, {2, 300, 7}, {5000, 1}}[i-45]
		}
		a := r.Array(r.Type(realTypes...), shape...)
		axis := r.IntN(2*len(shape)) - len(shape)
		line := fmt.Sprintf(" a out axis=%d", axis)
		if axis == -1 && i%2 == 0 {
			line = " a out"
		}
		code := strings.ReplaceAll(soft, "AXIS", fmt.Sprint(axis))
		in := arrays{"a": a}
		sum := fmt.Sprintf("s.sum(%d, keepdims=True)", axis)
		cases = append(cases,
			numpytest.Case{Line: "softmax" + line, Python: code + "r = w(s/" + sum + ", f(a))", In: in, Tolerance: 4 * tolerance(a.DType)},
			numpytest.Case{Line: "log_softmax" + line, Python: code + "r = w(e - np.log(" + sum + "), f(a))", In: in, Tolerance: 4 * tolerance(a.DType)})
	}
	numpytest.Compare(t, Kernels(), cases)
}
