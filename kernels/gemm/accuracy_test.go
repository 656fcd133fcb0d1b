package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels/ndarray"
)

// TestAccuracy checks |c - exact| <= (k + 4)·eps·Σ|a||b| on random operands
// and on ones whose sums cancel.
func TestAccuracy(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128} {
			for _, s := range [][3]int{{20, 30, 40}, {17, 20, 1030}, {1, 40, 1030}, {40, 1, 1030}} {
				for _, adverse := range []bool{false, true} {
					testAccuracy(t, r, d, s, adverse)
				}
			}
		}
	})
}

func testAccuracy(t *testing.T, r *rand.Rand, d ndarray.DType, s [3]int, adverse bool) {
	m, n, k := s[0], s[1], s[2]
	a, b := noise(r, d, adverse, m, k), noise(r, d, adverse, k, n)
	if adverse { // a row of B is the negative of the one before: sums nearly vanish
		v := values(b)
		for p := 1; p < k; p += 2 {
			for j := range n {
				v[p*n+j] = -v[(p-1)*n+j] * (1 + 0x1p-20)
			}
		}
		ndarray.Store(b, v, 0)
	}
	got := values(run(t, "gemm a b c", operands{"a": a, "b": b}))
	eps := 0x1p-24
	if d.Real() == ndarray.F64 {
		eps = 0x1p-53
	}
	terms := float64(k)
	if d.IsComplex() { // each part adds two products a step
		terms *= 2
	}
	av, bv := values(a), values(b)
	for range 40 {
		i, j := r.IntN(m), r.IntN(n)
		var re, im exact
		for p := range k {
			x, y := av[i*k+p], bv[p*n+j]
			re.add(real(x), real(y))
			re.add(-imag(x), imag(y))
			im.add(real(x), imag(y))
			im.add(imag(x), real(y))
		}
		g := got[i*n+j]
		if re.off(real(g)) > (terms+4)*eps*re.size || im.off(imag(g)) > (terms+4)*eps*im.size {
			t.Fatalf("%s %v adverse=%v: element %d,%d is %v", d, s, adverse, i, j, g)
		}
	}
}

// noise makes random numbers, over 20 binary orders if wide.
func noise(r *rand.Rand, d ndarray.DType, wide bool, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	v := make([]complex128, a.Len())
	for i := range v {
		v[i] = complex(r.NormFloat64(), r.NormFloat64())
		if wide {
			v[i] *= complex(math.Ldexp(1, r.IntN(20)-10), 0)
		}
	}
	ndarray.Store(a, v, 0)
	return a
}

// exact is a sum of products in double-double arithmetic, and the sum of
// their sizes.
type exact struct{ hi, lo, size float64 }

func (e *exact) add(x, y float64) {
	p := x * y
	q := math.FMA(x, y, -p)
	s := e.hi + p
	z := s - e.hi
	e.lo += (e.hi - (s - z)) + (p - z) + q
	e.hi = s
	e.size += math.Abs(p)
}

// off is |v - sum|.
func (e *exact) off(v float64) float64 { return math.Abs((v - e.hi) - e.lo) }

// TestNaN checks what is read and what spreads, as in the reference BLAS.
func TestNaN(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		nan, inf := math.NaN(), math.Inf(1)
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.F16, ndarray.BF16} {
			for _, n := range []int{3, 34} {
				a, b, c := filled(d, 1, n, n), filled(d, 1, n, n), filled(resultType(d), complex(nan, 0), n, n)
				in := operands{"a": a, "b": b, "c": c}
				all(t, d, "beta=0 reads C", values(run(t, "gemm a b c", in)), func(v float64) bool { return v == float64(n) })
				all(t, d, "beta=1 does not", values(run(t, "gemm a b c beta=1", in)), math.IsNaN)
				in["a"] = filled(d, complex(nan, 0), n, n)
				in["c"] = filled(resultType(d), 1, n, n)
				all(t, d, "alpha=0 reads A", values(run(t, "gemm a b c alpha=0 beta=2", in)), func(v float64) bool { return v == 2 })
				all(t, d, "NaN is lost", values(run(t, "gemm a b c", in)), math.IsNaN)
				in["a"] = filled(d, complex(inf, 0), n, n)
				if !d.IsComplex() {
					all(t, d, "infinity is lost", values(run(t, "gemm a b c", in)), func(v float64) bool { return math.IsInf(v, 1) })
				}
				in["a"], in["c"] = a, filled(resultType(d), complex(inf, 0), n, n)
				all(t, d, "infinity in C", values(run(t, "gemm a b c beta=1", in)), func(v float64) bool { return math.IsInf(v, 1) })
			}
		}
	})
}

func filled(d ndarray.DType, v complex128, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	ndarray.Store(a, slices.Repeat([]complex128{v}, a.Len()), 0)
	return a
}

func all(t *testing.T, d ndarray.DType, what string, v []complex128, ok func(float64) bool) {
	t.Helper()
	for i, x := range v {
		if !ok(real(x)) {
			t.Fatalf("%s: %s: element %d is %v", d, what, i, x)
		}
	}
}

// TestSameBits computes with different tuning, threads and places in a batch.
func TestSameBits(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 16))
		for _, x := range []struct {
			d    ndarray.DType
			m, n int // 147 are two strips of B, 57 one tile
		}{
			{ndarray.F32, 30, 147}, {ndarray.F64, 30, 147}, {ndarray.C64, 30, 147}, {ndarray.BF16, 30, 147},
			{ndarray.C128, 10, 147}, {ndarray.F16, 10, 147}, {ndarray.I8, 10, 147}, {ndarray.F32, 30, 57},
		} {
			const k = 1030
			d, m, n := x.d, x.m, x.n
			a, b := noise(r, d, true, m, k), noise(r, d, true, k, n)
			var first []complex128
			for _, p := range []Params{{}, {SmallWork: -1}, {SmallWork: 1 << 40}, {MC: 1, NC: 1}, {MC: 28, NC: 64, SmallWork: -1}, {MC: 1000, NC: 40, SmallWork: -1}} {
				q := Problem{A: a, B: b, Alpha: 1, Params: p}
				if !q.Init() {
					t.Fatal("no kernel")
				}
				q.C = ndarray.New(q.scheme.sum, m, n)
				if err := q.Run(nil, &heap{}); err != nil {
					t.Fatal(err)
				}
				if v := values(q.C); first == nil {
					first = v
				} else if !slices.Equal(v, first) {
					t.Fatalf("%s: other bits with %+v", d, p)
				}
			}
			whole := values(run(t, "gemm a b c", operands{"a": a, "b": b}))
			if !slices.Equal(whole, first) {
				t.Fatalf("%s: other bits on the pool", d)
			}
		}
	})
}

// TestBatchPosition compares items of a batch with the same product alone.
func TestBatchPosition(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	a, b := noise(r, ndarray.F32, true, 5, 20, 600), noise(r, ndarray.F32, true, 5, 600, 33)
	batch := values(run(t, "gemm a b c", operands{"a": a, "b": b}))
	for i := range 5 {
		one := values(run(t, fmt.Sprintf("gemm a[%d] b[%d] c", i, i), operands{"a": a, "b": b}))
		if !slices.Equal(one, batch[i*20*33:(i+1)*20*33]) {
			t.Fatalf("item %d differs", i)
		}
	}
}
