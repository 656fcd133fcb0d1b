package gemm

import (
	"bytes"
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// tallCase is a packed product of few columns, and the same columns of one of more,
// for which other tiles are taken.
type tallCase struct {
	m, n, k      int
	narrow, wide Problem
	before, c    ndarray.Array // of the narrow one, with a margin
}

// tallColumns is how many columns the wide product has.
const tallColumns = 100

// newTallCase makes the operands of type d, and C of NaN if it is not to be read.
func newTallCase(r *rand.Rand, d ndarray.DType, m, n, k int) *tallCase {
	x := &tallCase{m: m, n: n, k: k}
	few := func(a ndarray.Array) ndarray.Array { return a.Range(1, 0, n) }
	alpha, beta := []complex128{1, 1, -0.7}[r.IntN(3)], []complex128{0, 1, 0.3}[r.IntN(3)]
	q := Problem{A: noise(r, d, false, m, k), B: noise(r, d, false, k, tallColumns), Alpha: alpha, Beta: beta, Params: Params{SmallWork: -1}}
	if k > 0 && r.IntN(8) == 0 {
		q.A.Data[r.IntN(len(q.A.Data))] = 0xff // NaN, maybe
	}
	sum := resultType(d)
	q.C = noise(r, sum, false, m, tallColumns)
	if beta == 0 {
		q.C = filled(sum, complex(math.NaN(), 0), m, tallColumns)
	}
	x.wide, x.narrow = q, q
	x.c = noise(r, sum, false, m, n+3)
	x.narrow.C = x.c.Range(1, 1, n+1)
	convert(x.narrow.C, few(q.C))
	x.before = ndarray.Array{Layout: x.c.Layout, Data: bytes.Clone(x.c.Data)}
	x.narrow.B = few(q.B)
	x.addends(r, sum)
	return x
}

// addends gives most cases a bias, a residual, an activation.
func (x *tallCase) addends(r *rand.Rand, sum ndarray.DType) {
	if r.IntN(2) == 0 {
		bias := noise(r, sum, false, 1, tallColumns)
		wide, _ := bias.Layout.Broadcast([]int{x.m, tallColumns})
		bias.Layout = wide
		narrow := bias.Range(1, 0, x.n)
		x.wide.Bias, x.narrow.Bias = &bias, &narrow
	}
	if r.IntN(2) == 0 {
		res := noise(r, sum, false, x.m, tallColumns)
		narrow := res.Range(1, 0, x.n)
		x.wide.Residual, x.narrow.Residual = &res, &narrow
	}
	act := []string{"none", "relu", "gelu", "tanh"}[r.IntN(4)]
	x.wide.Act, x.narrow.Act = act, act
}

// convert copies values.
func convert(dst, src ndarray.Array) {
	if err := ndarray.Convert(dst, src); err != nil {
		panic(err)
	}
}

// check computes both and compares.
func (x *tallCase) check(t *testing.T) {
	t.Helper()
	for _, q := range []*Problem{&x.narrow, &x.wide} {
		if !q.Init() {
			t.Fatal("not multiplied")
		}
		if err := q.Run(nil, &heap{}); err != nil {
			t.Fatal(err)
		}
	}
	what := fmt.Sprintf("%s %dx%dx%d, alpha %v, beta %v, act %s", x.narrow.A.DType, x.m, x.n, x.k, x.narrow.Alpha, x.narrow.Beta, x.narrow.Act)
	got, want := plainBytes(x.narrow.C), plainBytes(x.wide.C.Range(1, 0, x.n))
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: other bits than as columns of a wide product", what)
	}
	for _, j := range [][2]int{{0, 1}, {x.n + 1, x.n + 3}} {
		if !bytes.Equal(plainBytes(x.c.Range(1, j[0], j[1])), plainBytes(x.before.Range(1, j[0], j[1]))) {
			t.Fatalf("%s: written beside C", what)
		}
	}
}

// plainBytes are the bytes of a's elements in their order.
func plainBytes(a ndarray.Array) []byte {
	b := ndarray.New(a.DType, a.Shape...)
	convert(b, a)
	return b.Data
}

// TestTall multiplies all numbers of rows that tiles leave over and of columns that
// are one tile, by other tiles than wide products have, in layouts of all kinds.
func TestTall(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(31, 32))
		depths := []int{0, 1, 2, 7, 64, 511, 513, 1025}
		for m := 2; m <= 65; m++ { // one row is a product with a vector
			n := 49 + m%16
			d := []ndarray.DType{ndarray.F32, ndarray.F32, ndarray.F32, ndarray.F16, ndarray.F64}[r.IntN(5)]
			x := newTallCase(r, d, m, n, depths[r.IntN(len(depths))])
			for _, a := range []*ndarray.Array{&x.narrow.A, &x.narrow.B} {
				if r.IntN(3) == 0 {
					*a = disguise(r, *a)
				}
			}
			x.check(t)
		}
	})
}

// TestTallOnPool computes enough rows for many tasks, on one and two threads, with
// C by columns too, of which there are few or many.
func TestTallOnPool(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	const m, n, k = 641, 61, 523 // more than small work
	x := newTallCase(r, ndarray.F32, m, n, k)
	x.wide.Alpha, x.wide.Beta, x.wide.Act, x.wide.Bias, x.wide.Residual = 1, 0, "", nil, nil
	if !x.wide.Init() || x.wide.Params.SmallWork > m*n*k {
		t.Fatal("not packed")
	}
	if err := x.wide.Run(nil, &heap{}); err != nil {
		t.Fatal(err)
	}
	want := values(x.wide.C.Range(1, 0, n))
	in := operands{"a": x.narrow.A, "b": x.narrow.B}
	byRows := values(run(t, "gemm a b c", in))
	in["c"] = ndarray.New(ndarray.F32, n, m).Permute(1, 0)
	byColumns := values(run(t, "gemm a b c[...]", in))
	in["c"] = ndarray.New(ndarray.F32, n, m)
	turned := run(t, "gemm b a c ta=t tb=t", in).Permute(1, 0)
	for what, got := range map[string][]complex128{"rows": byRows, "columns": byColumns, "columns of the transpose": values(turned)} {
		if !slices.EqualFunc(got, want, sameNumber) {
			t.Errorf("C by %s: other bits than as columns of a wide product", what)
		}
	}
}

// sameNumber takes any NaN for any other.
func sameNumber(a, b complex128) bool { return a == b || cmplx.IsNaN(a) && cmplx.IsNaN(b) }

// TestTallPart: where C is computed in parts, the last of which is one tile of
// another kernel, there is room enough to pack what must be converted.
func TestTallPart(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(35, 36))
		const m, n, k = 5, slabCols + 64, 515
		a, b := integers(r, ndarray.F32, m, k), integers(r, ndarray.F32, k, n)
		q := Problem{A: a, B: b, C: ndarray.New(ndarray.F32, m, n), Alpha: 1, Params: Params{SmallWork: -1}}
		for _, x := range []*ndarray.Array{&q.A, &q.B, &q.C} {
			swapped := ndarray.Array{Layout: x.Layout, Data: make([]byte, len(x.Data))}
			swapped.Swapped = true
			convert(swapped, *x)
			*x = swapped
		}
		if !q.Init() {
			t.Fatal("not multiplied")
		}
		if err := q.Run(nil, &heap{}); err != nil {
			t.Fatal(err)
		}
		last := values(q.C.Range(1, slabCols, n))
		compare(t, "last part", ndarray.F32, last, reference(values(a), values(b.Range(1, slabCols, n)), nil, m, 64, k, 1, 0))
	})
}

// TestTallKernel: the tile that a line tells of is the one that is taken, by the
// shape alone.
func TestTallKernel(t *testing.T) {
	for n := 1; n <= 130; n++ {
		q := Problem{A: ndarray.New(ndarray.F32, 2, 700), B: ndarray.New(ndarray.F32, 700, n), C: ndarray.New(ndarray.F32, 2, n), Params: Params{SmallWork: -1}}
		if !q.Init() {
			t.Fatal("not multiplied")
		}
		if want := q.kernel.ForColumns(n); q.itemKernel() != want {
			t.Errorf("%d columns: %s, not %s", n, q.itemKernel(), want)
		}
		if tall := q.itemKernel() != q.kernel; tall != (simd.Active() == simd.AVX512 && n > 48 && n <= 64) {
			t.Errorf("%d columns in tiles of %s", n, q.itemKernel())
		}
		q.Params.SmallWork = 1 << 30
		if q.itemKernel() != q.kernel {
			t.Errorf("small product of %d columns in tiles of %s", n, q.itemKernel())
		}
	}
}
