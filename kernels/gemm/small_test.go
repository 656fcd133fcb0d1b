package gemm

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"vgpu/kernels/ndarray"
)

// plainProblem is a problem that runPlain takes, on operands that random
// strides of rows lead through, of A also of columns.
func plainProblem(t *testing.T, r *rand.Rand, d ndarray.DType, m, n, k int) *Problem {
	t.Helper()
	rowsApart := func(rows, cols int) ndarray.Array {
		return random(r, d, rows, cols+r.IntN(3)).Range(1, 0, cols)
	}
	q := &Problem{A: rowsApart(m, k), B: rowsApart(k, n), C: rowsApart(m, n), Alpha: 1}
	if r.IntN(2) == 0 {
		q.A = random(r, d, k, m).Permute(1, 0)
	}
	if r.IntN(2) == 0 {
		q.Alpha, q.Beta = complex(1+r.NormFloat64(), 0), complex(float64(r.IntN(3)), 0)
	}
	if !q.Init() {
		t.Fatalf("%s is not multiplied", d)
	}
	return q
}

// TestPlainBits compares products that runPlain computes with the general
// loops: the bits are the same, also between the rows of C.
func TestPlainBits(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 9))
		for i := range 120 {
			d := []ndarray.DType{ndarray.F32, ndarray.F64}[i%2]
			m, n, k := 2+r.IntN(70), 2+r.IntN(70), 1+r.IntN(80)
			q := plainProblem(t, r, d, m, n, k)
			want := *q
			want.C.Data = bytes.Clone(q.C.Data)
			want.Params.SmallWork = -1
			if want.runPlain() {
				t.Fatal("small work of -1 is none")
			}
			if err := want.Run(nil, &heap{}); err != nil {
				t.Fatal(err)
			}
			if !q.runPlain() {
				t.Fatalf("%s %d %d %d: not taken", d, m, n, k)
			}
			if !bytes.Equal(q.C.Data, want.C.Data) {
				t.Fatalf("%s %d %d %d, alpha %v, beta %v: other bits than the packed loops", d, m, n, k, q.Alpha, q.Beta)
			}
		}
	})
}

// TestPlainDeclines gives runPlain what it must leave to others.
func TestPlainDeclines(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 9))
	for what, change := range map[string]func(q *Problem){
		"alpha of 0":           func(q *Problem) { q.Alpha = 0 },
		"an activation":        func(q *Problem) { q.Act = "relu" },
		"a bias":               func(q *Problem) { q.Bias = &q.A },
		"a residual":           func(q *Problem) { q.Residual = &q.A },
		"A swapped":            func(q *Problem) { q.A.Swapped = true },
		"B swapped":            func(q *Problem) { q.B.Swapped = true },
		"C swapped":            func(q *Problem) { q.C.Swapped = true },
		"columns of B apart":   func(q *Problem) { q.B = q.B.Permute(1, 0) },
		"columns of C apart":   func(q *Problem) { q.C = q.C.Permute(1, 0) },
		"C off its boundary":   func(q *Problem) { q.C = ndarray.Array{Layout: q.C.Layout, Data: q.C.Data[1:]} },
		"one row":              func(q *Problem) { q.A, q.C = q.A.Range(0, 0, 1), q.C.Range(0, 0, 1) },
		"one column":           func(q *Problem) { q.B, q.C = q.B.Range(1, 0, 1), q.C.Range(1, 0, 1) },
		"no steps":             func(q *Problem) { q.A, q.B = q.A.Range(1, 0, 0), q.B.Range(0, 0, 0) },
		"more than small work": func(q *Problem) { q.Params.SmallWork = 8*8*8 - 1 },
	} {
		q := &Problem{A: random(r, ndarray.F32, 8, 8), B: random(r, ndarray.F32, 8, 8), C: random(r, ndarray.F32, 8, 8), Alpha: 1}
		q.Init()
		change(q)
		if q.runPlain() {
			t.Errorf("%s: computed as a plain product", what)
		}
	}
	for _, d := range []ndarray.DType{ndarray.C64, ndarray.I32, ndarray.I8, ndarray.F16, ndarray.BF16} {
		q := &Problem{A: integers(r, d, 8, 8), B: integers(r, d, 8, 8), Alpha: 1}
		q.Init()
		q.C = integers(r, q.SumType(), 8, 8)
		if q.runPlain() {
			t.Errorf("%s: computed as a plain product", d)
		}
	}
}

// TestSmallAllocatesNothing: neither the plain path nor the one for small
// products of other types, or with a scaled transpose.
func TestSmallAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.I32} {
		q := &Problem{A: integers(r, d, 32, 32), B: integers(r, d, 32, 32), C: integers(r, d, 32, 32), Alpha: 2, Beta: 1}
		q.Init()
		if n := testing.AllocsPerRun(10, func() {
			if err := q.Run(nil, nil); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", d, n)
		}
	}
}

// TestFewRows compares products of few rows and many columns, on one and two threads, with
// what the unpacked loops make of them: the bits are the same.
func TestFewRows(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(8, 9))
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128} {
			const m, n, k = 13, 64*16 + 37, 1290
			in := operands{"a": random(r, d, k, m).Permute(1, 0), "b": random(r, d, k, n+2).Range(1, 1, n+1)}
			if d.IsComplex() {
				in["a"] = random(r, d, m, k)
			}
			q := &Problem{A: in["a"], B: in["b"], C: ndarray.New(d, m, n), Alpha: 1, Params: Params{SmallWork: 1 << 40}}
			if !q.Init() {
				t.Fatalf("%s is not multiplied", d)
			}
			if err := q.Run(nil, &heap{}); err != nil {
				t.Fatal(err)
			}
			if got := run(t, "gemm a b c", in); !bytes.Equal(got.Data[got.Offset:], q.C.Data) {
				t.Errorf("%s: other bits than the unpacked loops", d)
			}
		}
	})
}
