package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// fusedRadix is the radix of the fused first sweep.
const fusedRadix = 16

// fused makes the first sweep of a two-step transform whose first factor is
// 16 in one routine: the 16-point transforms of a vector of columns, the
// twiddles, and the transposition, all in registers.
func (t *target) fused(in layout) {
	name := "fftColumns16" + map[layout]string{swapped: "Swapped"}[in] + t.suffix()
	t.Function(name)
	t.Doc(name + " transforms and transposes 16 rows of v vectors; its twin is fftColumns16Go.")
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dst, src, t *%s, v, sk int)", t.typeName()))
	t.alignFrame(0)
	t.MOVQ(t.arg("sk"), inStep[0])
	t.SHLQ(operand.U8(t.shift()), inStep[0])
	t.LEAQ(operand.Mem{Base: inStep[0], Index: inStep[0], Scale: 2}, inStep[1])
	t.MOVQ(t.arg("src"), inBase[0])
	t.MOVQ(t.arg("dst"), reg.RDI)
	t.MOVQ(t.arg("t"), twiddle)
	t.MOVQ(t.arg("v"), count)
	t.groups(inBase, inStep, fusedRadix)
	t.loadOne()
	regs := t.registers()
	t.Label("vectors")
	t.fusedBody(in, regs)
	for _, b := range inBase {
		t.ADDQ(operand.I32(2*t.bytes()), b)
	}
	t.ADDQ(operand.I32(fusedRadix*2*t.bytes()), reg.RDI)
	t.ADDQ(operand.I32(fusedRadix*2*t.bytes()), twiddle)
	t.DECQ(count)
	t.JNE(operand.LabelRef("vectors"))
	t.end()
}

func (t *target) fusedBody(in layout, regs []int) {
	t.prog = &program{}
	n, w := t.bytes(), t.lanes()
	x := make([]pair, fusedRadix)
	for k := range x {
		x[k] = t.loadPair(in, func(disp int) operand.Mem { return row(inBase, inStep, k, disp) })
	}
	re, im := make([]*value, fusedRadix), make([]*value, fusedRadix)
	y := t.dft(x)
	t.prog.when = soon
	for j, y := range y {
		c, s := operand.Mem{Base: twiddle, Disp: j * 2 * n}, operand.Mem{Base: twiddle, Disp: (2*j + 1) * n}
		if j > 0 {
			y = t.times(y, factor{mem: &c}, factor{mem: &s})
		}
		re[j], im[j] = y.re, y.im
	}
	for part, x := range [][]*value{re, im} {
		for g := range fusedRadix / w {
			for l, v := range t.turned(x[g*w:(g+1)*w], soon) {
				t.store(operand.Mem{Base: reg.RDI, Disp: (l*fusedRadix*2*t.size + g*2*n) + part*n}, v)
			}
		}
	}
	t.emit(t.prog, regs)
}
