package order

import (
	"fmt"
	"slices"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/numpytest"
)

type arrays = map[string]ndarray.Array

// Sorts of short and middle rows of any layout, along any axis. Values are
// compared as numbers, since numpy's sort is not stable to the bit.
func TestSortAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(1)
	var cases []numpytest.Case
	for i := range 80 {
		shape := r.Shape(1, 3, 9)
		axis := r.IntN(len(shape))
		if i%5 == 0 {
			shape[axis] = 150 + r.IntN(600)
		}
		in := arrays{"a": r.Array(r.Type(numpytest.Types...), shape...)}
		cases = append(cases,
			numpytest.Case{Line: fmt.Sprintf("sort a out axis=%d", axis), Python: fmt.Sprintf("r = np.sort(a, %d, kind='stable')", axis), In: in},
			numpytest.Case{Line: fmt.Sprintf("argsort a out axis=%d", axis-len(shape)), Python: fmt.Sprintf("r = np.argsort(a, %d, kind='stable')", axis), In: in})
		if k := r.IntN(shape[axis] + 1); !in["a"].DType.IsComplex() {
			cases = append(cases,
				numpytest.Case{Line: fmt.Sprintf("topk a out k=%d axis=%d largest=0", k, axis), Python: fmt.Sprintf("r = np.take(np.sort(a, %d), range(%d), %d)", axis, k, axis), In: in},
				numpytest.Case{Line: fmt.Sprintf("topk a out k=%d axis=%d largest=0 indices=1", k, axis), Python: fmt.Sprintf("r = np.take(np.argsort(a, %d, kind='stable'), range(%d), %d)", axis, k, axis), In: in})
		}
		out := r.Array(in["a"].DType, append(slices.Clone(shape), 2)...)
		if !slices.Contains(out.Strides, 0) {
			cases = append(cases, numpytest.Case{Line: fmt.Sprintf("sort a out[...,1] axis=%d", axis),
				Python: fmt.Sprintf("out[...,1] = np.sort(a, %d); r = out", axis), In: arrays{"a": in["a"], "out": out}})
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// One long row of every type, sorted by all workers.
func TestLongRowsAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(2)
	var cases []numpytest.Case
	for _, d := range numpytest.Types {
		in := arrays{"a": r.Array(d, parallelSort+1000)}
		cases = append(cases,
			numpytest.Case{Line: "sort a out", Python: "r = np.sort(a)", In: in},
			numpytest.Case{Line: "argsort a out", Python: "r = np.argsort(a, kind='stable')", In: in})
		if d.IsFloat() {
			cases = append(cases,
				numpytest.Case{Line: "topk a out k=9 largest=0 indices=1", Python: "r = np.argsort(a, kind='stable')[:9]", In: in},
				numpytest.Case{Line: "topk a out k=9000 largest=0", Python: "r = np.sort(a)[:9000]", In: in})
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// Descending orders, of numbers that can be negated.
func TestDescendingAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(3)
	var cases []numpytest.Case
	for i := range 40 {
		d := r.Type(ndarray.F16, ndarray.F32, ndarray.F64)
		in := arrays{"a": r.Array(d, 3, 1+r.IntN(300))}
		k := r.IntN(in["a"].Shape[1])
		cases = append(cases,
			numpytest.Case{Line: "sort a out descending=1", Python: "r = -np.sort(-a)", In: in},
			numpytest.Case{Line: "argsort a out descending=1", Python: "r = np.argsort(-a, kind='stable')", In: in},
			numpytest.Case{Line: fmt.Sprintf("topk a out k=%d", k), Python: fmt.Sprintf("r = -np.sort(-a)[:, :%d]", k), In: in},
			numpytest.Case{Line: fmt.Sprintf("topk a out k=%d indices=1", k), Python: fmt.Sprintf("r = np.argsort(-a, kind='stable')[:, :%d]", k), In: in})
		if i%6 == 0 {
			in := arrays{"a": r.Array(r.Type(ndarray.U8, ndarray.I32, ndarray.U64, ndarray.I64), 500)}
			cases = append(cases, numpytest.Case{Line: "sort a out descending=1", Python: "r = np.sort(a)[::-1]", In: in})
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

func TestSearchsortedAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(4)
	var cases []numpytest.Case
	for i := range 90 {
		shape := r.Shape(1, 3, 9)
		if i%10 == 0 {
			shape = []int{3, 2000}
		}
		table := r.Array(r.Type(numpytest.Types...), r.IntN(80))
		sorted := ndarray.New(table.DType, table.Shape...)
		if err := sortInto(t, sorted, table); err != nil {
			t.Fatal(err)
		}
		side := []string{"left", "right"}[i%2]
		cases = append(cases, numpytest.Case{
			Line: "searchsorted s v out side=" + side, Python: "r = np.searchsorted(s, v, '" + side + "')",
			In: arrays{"s": sorted, "v": r.Array(r.Type(numpytest.Types...), shape...)},
		})
	}
	numpytest.Compare(t, Kernels(), cases)
}

func TestCountsAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(5)
	real := slices.DeleteFunc(slices.Clone(numpytest.Types), ndarray.DType.IsComplex)
	// Between the ends of 64-bit types numpy overflows.
	finite := slices.DeleteFunc(slices.Clone(real), func(d ndarray.DType) bool { return d.IsFloat() || d.Size() == 8 })
	var cases []numpytest.Case
	for i := range 60 {
		shape := r.Shape(1, 3, 12)
		if i%20 == 0 {
			shape = []int{300, 1000}
		}
		a := r.Array(r.Type(real...), shape...)
		bins := 1 + r.IntN(40)
		weights := r.Array(ndarray.Bool, shape...)
		edges := ndarray.New(ndarray.F64, 4)
		ndarray.Store(edges, []float64{-3, -1, 0.5, 2}, 0)
		in := arrays{"a": a, "w": weights, "e": edges}
		density := 1e-6
		if a.DType == ndarray.F16 { // of which numpy takes the widths in f16
			density = 2e-3
		}
		ranged := fmt.Sprintf("np.histogram(a.astype('u1') if a.dtype == bool else a, %d, (-5, 5)", bins)
		cases = append(cases,
			numpytest.Case{Line: fmt.Sprintf("histogram a out bins=%d low=-5 high=5", bins), Python: "r = " + ranged + ")[0]", In: in},
			numpytest.Case{Line: fmt.Sprintf("histogram a out bins=%d low=-5 high=5 weights=w", bins), Python: "r = " + ranged + ", weights=w.astype('f8'))[0]", In: in, Tolerance: 1e-13},
			numpytest.Case{Line: fmt.Sprintf("histogram a out bins=%d low=-5 high=5 density=1", bins), Python: "r = " + ranged + ", density=True)[0]", In: in, Tolerance: density},
			numpytest.Case{Line: "histogram a out edges=e", Python: "r = np.histogram(a, e)[0]", In: in})
		whole := arrays{"a": r.Array(r.Type(finite...), shape...)}
		cases = append(cases, numpytest.Case{Line: fmt.Sprintf("histogram a out bins=%d", bins),
			Python: fmt.Sprintf("r = np.histogram(a.astype('u1') if a.dtype == bool else a, %d)[0]", bins), In: whole})
		small := arrays{"a": small(r, a.Shape), "w": weights}
		cases = append(cases,
			numpytest.Case{Line: "bincount a out minlength=9", Python: "r = np.bincount(a.ravel(), minlength=9)", In: small},
			numpytest.Case{Line: "bincount a out minlength=9 weights=w", Python: "r = np.bincount(a.ravel(), w.ravel(), 9).astype('f8')", In: small, Tolerance: 1e-13})
	}
	numpytest.Compare(t, Kernels(), cases)
}

// small is integers below 9 of some signed type.
func small(r numpytest.Rand, shape []int) ndarray.Array {
	a := r.Array(r.Type(ndarray.I8, ndarray.I16, ndarray.I32, ndarray.I64), shape...)
	v := make([]int64, a.Len())
	for i := range v {
		v[i] = int64(r.IntN(9))
	}
	ndarray.Store(a, v, 0)
	return a
}
