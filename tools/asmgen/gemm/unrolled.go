package gemm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Whole tiles at AVX2 take four steps a loop. A step of 6 rows of two vectors is 12 multiply-adds, which take six cycles, 8 loads, and
// six others: pointers, a line asked for, the loop. 26 instructions in six cycles are few for a core alone, but too many
// for one of two threads of a core: a neighbour takes a half of what is fetched and retired, and much less of the multiply-adds. In four steps there are
// 20 a step and 6 more: elements of A and rows of B are reached by displacements and by multiples of a stride.

// unroll is how many steps a loop has.
const unroll = 4

// unrolledSteps runs RAX steps, at least one. Those that are no whole loop come first.
func (b *body) unrolledSteps() {
	single, many, end := b.label("single"), b.label("many"), b.label("end")
	b.MOVQ(reg.RAX, reg.R14)
	b.ANDQ(operand.U8(unroll-1), reg.R14)
	b.JZ(operand.LabelRef(many))
	b.Label(single)
	b.stepAt(0)
	b.advance(1)
	b.DECQ(reg.R14)
	b.JNZ(operand.LabelRef(single))
	b.Label(many)
	b.SHRQ(operand.U8(2), reg.RAX)
	b.JZ(operand.LabelRef(end))
	b.walk(func() {
		for s := range unroll {
			b.stepAt(s)
		}
		b.advance(unroll)
	})
	b.Label(end)
}

// stepAt is the step s steps on.
func (b *body) stepAt(s int) {
	for j := range b.nv {
		b.VMOVUPS(b.rowOfB(s, j), b.vec(regB+j))
	}
	for i := range b.m {
		b.broadcast(b.elementOfA(i, s), b.regA())
		for j := range b.nv {
			b.fma(b.tiler, regB+j, b.regA(), regAcc+i*b.nv+j)
		}
	}
}

// rowOfB is the address of vector j of B, s steps on.
func (b *body) rowOfB(s, j int) operand.Mem {
	at := operand.Mem{Base: reg.RDI, Disp: j * b.vecBytes()}
	switch s {
	case 0:
	case 3:
		at.Index, at.Scale = reg.R9, 1
	default:
		at.Index, at.Scale = reg.RBX, uint8(s)
	}
	return at
}

// stepBytes is how far an element of A, a pair if it is complex, lies from the next along k.
func (b *body) stepBytes() int {
	switch {
	case b.panel:
		return b.rows * b.elem
	case b.complex:
		return 2 * b.elem
	}
	return b.elem
}

// elementOfA is the address of row i of A, s steps on.
func (b *body) elementOfA(i, s int) operand.Mem {
	if b.panel {
		return operand.Mem{Base: rowPointers[0], Disp: i*b.elem + s*b.stepBytes()}
	}
	at := b.rowOfA(i)
	at.Disp += s * b.stepBytes()
	return at
}

// advance goes on by n steps: one, or a whole loop.
func (b *body) advance(n int) {
	if n == 1 {
		b.ADDQ(reg.RBX, reg.RDI)
	} else {
		b.LEAQ(operand.Mem{Base: reg.RDI, Index: reg.RBX, Scale: unroll}, reg.RDI)
	}
	for p := 0; p*b.rowsPerPointer() < b.m && (p == 0 || !b.panel); p++ {
		b.ADDQ(operand.I32(n*b.stepBytes()), rowPointers[p])
	}
}
