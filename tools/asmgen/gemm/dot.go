package gemm

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dots makes the inner products of one row, and of four rows, with a vector.
func (g *gen) dots() {
	for _, rows := range []int{1, 4} {
		for _, elem := range []int{4, 8} {
			for _, avx512 := range []bool{false, true} {
				g.dot(tiler{gen: g, kind: kind{avx512: avx512, elem: elem}}, rows)
			}
		}
	}
}

// dot sums two vectors a step, each row in two accumulators, so that the bits
// of a row's sum do not depend on how many rows are computed together.
func (g *gen) dot(t tiler, rows int) {
	isa := "AVX2"
	if t.avx512 {
		isa = "AVX512"
	}
	name := fmt.Sprintf("dot%dF%d%s", rows, 8*t.elem, isa)
	g.text(name, "func(a *byte, rowStride int, x *byte, n int, out *byte)",
		fmt.Sprintf("%s adds up a[r][i]·x[i] for %d rows, n a multiple of two vectors.", name, rows))
	ptr := []reg.Register{reg.RSI, reg.R8, reg.R9, reg.R10}
	g.Load(g.Param("a"), ptr[0])
	g.Load(g.Param("rowStride"), reg.RDX)
	g.Load(g.Param("x"), reg.RDI)
	g.Load(g.Param("n"), reg.RAX)
	for r := 1; r < rows; r++ {
		g.LEAQ(operand.Mem{Base: ptr[r-1], Index: reg.RDX, Scale: 1}, ptr[r])
	}
	t.clear(2 * rows)
	vec := t.vecBytes()
	g.loop(func() {
		for half := range 2 {
			g.VMOVUPS(operand.Mem{Base: reg.RDI, Disp: half * vec}, t.vec(half))
		}
		for r := range rows {
			for half := range 2 {
				t.maddMem(operand.Mem{Base: ptr[r], Disp: half * vec}, half, regAcc+2*r+half)
			}
			g.ADDQ(operand.I32(2*vec), ptr[r])
		}
		g.ADDQ(operand.I32(2*vec), reg.RDI)
		g.SUBQ(operand.I32(2*vec/t.elem), reg.RAX)
	})
	g.Load(g.Param("out"), reg.RDI)
	for r := range rows {
		t.sum(regAcc+2*r, regAcc+2*r+1, operand.Mem{Base: reg.RDI, Disp: r * t.elem})
	}
	g.VZEROUPPER()
	g.RET()
}

// maddMem is d += a·mem.
func (t tiler) maddMem(mem operand.Mem, a, d int) {
	if t.elem == 8 {
		t.VFMADD231PD(mem, t.vec(a), t.vec(d))
	} else {
		t.VFMADD231PS(mem, t.vec(a), t.vec(d))
	}
}

// sum stores the sum of all lanes of two accumulators; it uses registers 0
// and 1. Halves are added until one lane is left.
func (t tiler) sum(a, b int, dst operand.Mem) {
	add := func(s, d reg.Register) {
		if t.elem == 8 {
			t.VADDPD(s, d, d)
		} else {
			t.VADDPS(s, d, d)
		}
	}
	add(t.vec(b), t.vec(a))
	if t.avx512 {
		t.VEXTRACTF64X4(operand.U8(1), zmm(a), ymm(0))
		add(ymm(0), ymm(a))
	}
	t.VEXTRACTF128(operand.U8(1), ymm(a), xmm(0))
	add(xmm(0), xmm(a))
	t.VPERMILPD(operand.U8(1), xmm(a), xmm(0))
	add(xmm(0), xmm(a))
	if t.elem == 8 {
		t.VMOVSD(xmm(a), dst)
		return
	}
	t.VPERMILPS(operand.U8(1), xmm(a), xmm(0))
	add(xmm(0), xmm(a))
	t.VMOVSS(xmm(a), dst)
}
