package gemm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// rough makes an array of values whose sums are rounded, so that their order
// shows in the bits.
func rough(r *rand.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	v := make([]complex128, a.Len())
	for i := range v {
		v[i] = complex(r.NormFloat64(), r.NormFloat64())
		if d.IsInteger() {
			v[i] = complex(float64(r.IntN(256)), 0)
		}
	}
	ndarray.Store(a, v, 0)
	return a
}

// anyLayout is rough in any layout.
func anyLayout(r *rand.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := rough(r, d, shape...)
	if r.IntN(3) > 0 {
		return a
	}
	return disguise(r, a)
}

// streamLine makes a random line and its operands.
func streamLine(r *rand.Rand, t ndarray.DType) (string, operands) {
	m, n, k := extent(r, 50), extent(r, 80), extent(r, 2500)
	var batch []int
	for range max(0, r.IntN(5)-2) {
		batch = append(batch, 1+r.IntN(4))
	}
	of := func(trans string, m, n int) []int {
		b := slices.Clone(batch)
		if r.IntN(4) == 0 {
			b = nil
		}
		if trans != "n" {
			m, n = n, m
		}
		return append(b, m, n)
	}
	ta, tb := []string{"n", "t", "c"}[r.IntN(3)], []string{"n", "t", "c"}[r.IntN(3)]
	in := operands{"a": anyLayout(r, t, of(ta, m, k)...), "b": anyLayout(r, t, of(tb, k, n)...)}
	line := fmt.Sprintf("gemm a b c ta=%s tb=%s", ta, tb)
	out := append(slices.Clone(batch), m, n)
	if in["a"].Rank() == 2 && in["b"].Rank() == 2 {
		out = []int{m, n}
	}
	sum, _ := schemeFor(t, t, 0)
	return line + streamOptions(r, in, sum.outs, out), in
}

// extent is seldom 0, often 1.
func extent(r *rand.Rand, most int) int {
	switch r.IntN(16) {
	case 0:
		return 0
	case 1, 2, 3:
		return 1
	}
	return 1 + r.IntN(most)
}

// streamOptions adds options, and their operands.
func streamOptions(r *rand.Rand, in operands, outs []ndarray.DType, out []int) (text string) {
	d := outs[r.IntN(len(outs))]
	if r.IntN(2) == 0 {
		text += fmt.Sprintf(" alpha=%d", r.IntN(4))
	}
	if r.IntN(2) == 0 {
		in["c"] = anyLayout(r, d, out...)
		for in["c"].Swapped {
			in["c"] = anyLayout(r, d, out...)
		}
		text += " beta=3"
	}
	if outs[0].IsFloat() && r.IntN(2) == 0 {
		text += " act=gelu"
	}
	if r.IntN(2) == 0 {
		in["bias"] = anyLayout(r, outs[0], out[len(out)-1])
		text += " bias=bias"
	}
	if r.IntN(2) == 0 {
		in["res"] = anyLayout(r, outs[0], out...)
		text += " residual=res"
	}
	return text
}

// Random products over random layouts have the bits that they have in core.
func TestStreamed(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		rounds := 24
		if testing.Short() || simd.Active() == simd.Generic {
			rounds = 5
		}
		for range rounds {
			d := []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.F16, ndarray.BF16, ndarray.I8, ndarray.U8, ndarray.I32, ndarray.U64}[r.IntN(10)]
			line, in := streamLine(r, d)
			kerneltest.Stream(t, Kernels(), line, in)
			if t.Failed() {
				for name, a := range in {
					t.Logf("%s: %s %v at %d, swapped=%t", name, a.Layout, a.Strides, a.Offset, a.Swapped)
				}
				return
			}
		}
	})
}

// Products with a vector, in parts of k, and inner products, which are not
// written but answered.
func TestStreamedVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	types := []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.I8}
	if testing.Short() {
		types = types[:2]
	}
	for _, d := range types {
		in := operands{
			"a": rough(r, d, 3, 150000), "x": rough(r, d, 150000), "y": disguise(r, rough(r, d, 150000)),
			"b": rough(r, d, 2100, 70), "v": rough(r, d, 2100), "bias": rough(r, d, 1),
		}
		for _, line := range []string{
			"gemm a x c", "gemm x a c tb=t alpha=2", "gemm a y c", "gemm v b c", "gemm b v c ta=t",
			"dot x y c", "dot x x conj=1", "dot v v",
		} {
			in["c"] = rough(r, d, 3)
			kerneltest.Stream(t, Kernels(), line, in)
		}
	}
	in := operands{"a": rough(r, ndarray.F32, 3, 150000), "x": rough(r, ndarray.F32, 150000), "c": rough(r, ndarray.F32, 3), "r": rough(r, ndarray.F32, 3)}
	kerneltest.Stream(t, Kernels(), "gemm a x c beta=2 act=relu residual=r", in)
}

// The more memory, the seldomer operands are read, and transfers take less
// time than the multiplying: in bytes, and in what the cores have to do for them.
func TestStreamedTraffic(t *testing.T) {
	const n = 20000
	l := ndarray.NewLayout(ndarray.F32, n, n)
	q := Problem{Alpha: 1}
	q.A.Layout, q.B.Layout, q.C.Layout = l, l, l
	if !q.Init() {
		t.Fatal("f32 is not multiplied")
	}
	all := float64(l.Bytes())
	for _, c := range []struct {
		mem  int64
		most float64 // passes over A and B
	}{{6 << 30, 1.6}, {2 << 30, 2.1}, {1 << 30, 3.1}, {256 << 20, 15}, {64 << 20, 20}} {
		cut, err := newCut(&q, true, c.mem)
		if err != nil {
			t.Fatal(err)
		}
		if need, moved := cut.need(), cut.moved(); need > c.mem || moved > (2*c.most+1.01)*all || moved > cut.work()/2 || cut.cost() > 1.7*cut.work() {
			t.Errorf("with %d MiB: %v, %d bytes of memory, %.3g times an operand is moved", c.mem>>20, cut.explain(), need, moved/all)
		}
	}
}

// Tiles of several strips: of rows, and of columns where C's columns lie apart;
// with what is read for each, C itself among it, and with sums that are converted.
func TestStreamedStrips(t *testing.T) {
	defer func(n int) { stripRows = n }(stripRows)
	stripRows = 16
	r := rand.New(rand.NewPCG(9, 9))
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.C64, ndarray.BF16} {
		s, _ := schemeFor(d, d, simd.Active())
		for _, out := range s.outs {
			turned := rough(r, out, 20, 500).Permute(1, 0)
			in := operands{
				"a": rough(r, d, 500, 600), "b": rough(r, d, 600, 20), "bias": rough(r, s.sum, 20), "res": rough(r, s.sum, 500, 20),
				"c": rough(r, out, 500, 20), "f": turned, "w": rough(r, out, 20, 500),
			}
			for _, line := range []string{
				"gemm a b c beta=2 bias=bias residual=res", "gemm a b f beta=2 residual=res", "gemm a b f beta=-1",
				"gemm b a w ta=t tb=t beta=2", "gemm a b f[::2,::-1]", "gemm a b c[:,::-1] beta=2 bias=bias",
			} {
				if line == "gemm a b f[::2,::-1]" {
					in["f"] = rough(r, out, 20, 1000).Permute(1, 0)
				}
				kerneltest.Stream(t, Kernels(), line, in, 8<<20, 700000)
				in["f"] = turned
			}
		}
	}
}

// Panels that come strip by strip into the places of those of the tile before: of
// A, and of B where C's columns lie apart; in tiles that lie alike in their pages
// and in others that do not, or turned around; in batches, and with the last tile
// smaller.
func TestStreamedRolls(t *testing.T) {
	defer func(n int) { stripRows = n }(stripRows)
	stripRows = 16
	r := rand.New(rand.NewPCG(10, 10))
	depths := []int{1601, 1024, 300}
	if testing.Short() || simd.Active() == simd.Generic {
		depths = depths[:1]
	}
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.BF16} {
		for _, k := range depths {
			in := operands{
				"a": rough(r, d, 500, k), "b": rough(r, d, k, 300), "c": rough(r, ndarray.F32, 500, 300),
				"bt": rough(r, d, 300, k), "f": rough(r, ndarray.F32, 300, 500).Permute(1, 0),
				"a3": rough(r, d, 3, 150, k), "b3": rough(r, d, 3, k, 70), "res": rough(r, ndarray.F32, 500, 300),
			}
			for line, mems := range map[string][]int64{
				"gemm a b c beta=2 residual=res": {3 << 20, 5 << 20},
				"gemm a[::-1] b c[::-1]":         {3 << 20},
				"gemm a bt f tb=t beta=1":        {2 << 20, 3 << 20},
				"gemm a3 b3 c3":                  {1 << 20, 2 << 20},
				"gemm a3 b c3":                   {3 << 20},
			} {
				kerneltest.Stream(t, Kernels(), line, in, mems...)
			}
		}
	}
}

// Which products have A, or B, come strip by strip, and how many tiles there are
// then: with half the memory that the operands take, fewer than by panels in two places.
func TestStreamedRollsChosen(t *testing.T) {
	const n = 4096
	rows := ndarray.NewLayout(ndarray.F32, n, n)
	cols := rows.Permute(1, 0)
	for _, c := range []struct {
		a, b, c ndarray.Layout
		rollA   bool
		rollB   bool
	}{{rows, rows, rows, true, false}, {cols, cols, cols, false, true}, {cols, rows, rows, false, false}} {
		q := Problem{Alpha: 1}
		q.A.Layout, q.B.Layout, q.C.Layout = c.a, c.b, c.c
		if !q.Init() {
			t.Fatal("f32 is not multiplied")
		}
		cut, err := newCut(&q, true, 3*4*n*n/4)
		if err != nil {
			t.Fatal(err)
		}
		if cut.rollA != c.rollA || cut.rollB != c.rollB || (c.rollA || c.rollB) && (cut.total() > 6 || cut.strips() < 2) {
			t.Errorf("%v %v %v: rolls %t %t, %v", c.a.Strides, c.b.Strides, c.c.Strides, cut.rollA, cut.rollB, cut.explain())
		}
	}
}

// A copy in C order of what overlaps C has other strides than what was planned for: strips that had places of their own would lie among
// each other.
func TestStreamedPlaced(t *testing.T) {
	const n, mem = 4096, 3 * 4 * 4096 * 4096 / 4
	rows := ndarray.NewLayout(ndarray.F32, n, n)
	cols := rows.Permute(1, 0)
	problem := func(a, b, c ndarray.Layout) *Problem {
		q := &Problem{Alpha: 1}
		q.A.Layout, q.B.Layout, q.C.Layout = a, b, c
		if !q.Init() {
			t.Fatal("f32 is not multiplied")
		}
		return q
	}
	cut, err := newCut(problem(cols, cols, cols), true, mem)
	if err != nil || !cut.rollB {
		t.Fatalf("B does not come strip by strip: %v", err)
	}
	moved := problem(cols, cols, cols)
	moved.B.Layout.Offset += 64
	if now, err := cut.placed(moved, true, mem); err != nil || !now.rollB || now.q != moved || now.total() != cut.total() {
		t.Errorf("elsewhere: %v", err)
	}
	now, err := cut.placed(problem(cols, rows, cols), true, mem)
	if err != nil || !now.rolls() || now.need() > mem {
		t.Errorf("in another order: %v", err)
	}
}

// With half the memory that the operands take each is moved once where they lie in rows: B stays, and A comes strip by strip.
func TestStreamedStaysChosen(t *testing.T) {
	const n = 4096
	q := Problem{Alpha: 1}
	l := ndarray.NewLayout(ndarray.F32, n, n)
	q.A.Layout, q.B.Layout, q.C.Layout = l, l, l
	if !q.Init() {
		t.Fatal("f32 is not multiplied")
	}
	cut, err := newCut(&q, true, 3*4*n*n/2*9/10)
	if err != nil {
		t.Fatal(err)
	}
	if once := 3.0 * 4 * n * n; !cut.staysB() || !cut.rollA || cut.moved() > once*1.01 {
		t.Errorf("%.2f times the operands is moved, %v", cut.moved()/once, cut.explain())
	}
}

// A panel that serves all tiles, in parts along k or at once, beside one that comes strip by strip.
func TestStreamedStays(t *testing.T) {
	defer func(n int) { stripRows = n }(stripRows)
	stripRows = 16
	r := rand.New(rand.NewPCG(12, 12))
	slow := testing.Short() || simd.Active() == simd.Generic // the twins take their time
	types, depths, memory := []ndarray.DType{ndarray.F32, ndarray.BF16}, []int{1601, 1024}, []int64{2 << 20, 3 << 20, 4 << 20}
	if slow {
		types, depths, memory = types[:1], depths[:1], memory[1:2]
	}
	for _, d := range types {
		for _, k := range depths {
			in := operands{
				"a": rough(r, d, 700, k), "b": rough(r, d, k, 200), "c": rough(r, ndarray.F32, 700, 200),
				"bt": rough(r, d, 200, k), "f": rough(r, ndarray.F32, 200, 700).Permute(1, 0), "b2": rough(r, d, k, 700),
				"a2": rough(r, d, 200, k), "at": rough(r, d, k, 200), "g": rough(r, ndarray.F32, 700, 200).Permute(1, 0),
				"res": rough(r, ndarray.F32, 700, 200),
			}
			for i, line := range []string{
				"gemm a b c beta=2 residual=res", "gemm a b[::-1] c", "gemm a bt c tb=t", "gemm a b f beta=1",
				"gemm a2 b2 g tb=n", "gemm at b2 g ta=t beta=1",
			} {
				if !slow || i == 0 {
					kerneltest.Stream(t, Kernels(), line, in, memory...)
				}
			}
		}
	}
}
