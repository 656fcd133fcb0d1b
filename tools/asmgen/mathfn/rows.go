package mathfn

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// generateRowSums adds sums down the columns of several rows. A row at a time, sums of eight bytes are read and written for
// every four or eight that are added; here they stay in registers from the first row to the last.
func generateRowSums(c *build.Context) {
	for _, e := range []Elem{F64, F32} {
		addRows(c, e)
	}
}

// addRows emits strips of eight registers of sums, or one where fewer columns are left. Each goes down all rows.
func addRows(c *build.Context, e Elem) {
	a := mover(c, AVX2, "addRows"+e.Name, fmt.Sprintf("func(acc *float64, x *%s, ldx, rows, columns int)", e.Go))
	c.Doc(a.name+" adds rows of elements, ldx bytes apart, to acc, one after the other; columns", "is a multiple of four.")
	c.Load(c.Param("acc"), reg.RDI)
	c.Load(c.Param("x"), reg.RSI)
	c.Load(c.Param("ldx"), reg.R8)
	c.Load(c.Param("rows"), reg.RDX)
	c.Load(c.Param("columns"), reg.RCX)
	for _, regs := range []int{8, 1} {
		a.rowStrips(e, regs)
	}
	c.VZEROUPPER()
	c.RET()
}

// rowStrips emits the loop over strips of so many registers.
func (a *asm) rowStrips(e Elem, regs int) {
	c, name := a.c, fmt.Sprint(regs)
	c.Label("strips" + name)
	c.CMPQ(reg.RCX, operand.Imm(uint64(4*regs)))
	c.JL(operand.LabelRef("done" + name))
	for i := range regs {
		a.do("VMOVUPD", operand.Mem{Base: reg.RDI, Disp: 32 * i}, y(vec(i)))
	}
	c.MOVQ(reg.RSI, reg.RAX)
	c.MOVQ(reg.RDX, reg.R9)
	c.Label("rows" + name)
	for i := range regs {
		x := operand.Mem{Base: reg.RAX, Disp: 4 * e.Size * i}
		if e == F64 {
			a.do("VADDPD", x, y(vec(i)), y(vec(i)))
			continue
		}
		tmp := y(vec(8 + i))
		a.do("VCVTPS2PD", x, tmp)
		a.do("VADDPD", tmp, y(vec(i)), y(vec(i)))
	}
	c.ADDQ(reg.R8, reg.RAX)
	c.DECQ(reg.R9)
	c.JNZ(operand.LabelRef("rows" + name))
	for i := range regs {
		a.do("VMOVUPD", y(vec(i)), operand.Mem{Base: reg.RDI, Disp: 32 * i})
	}
	c.ADDQ(operand.U32(32*regs), reg.RDI)
	c.ADDQ(operand.U32(4*e.Size*regs), reg.RSI)
	c.SUBQ(operand.Imm(uint64(4*regs)), reg.RCX)
	c.JMP(operand.LabelRef("strips" + name))
	c.Label("done" + name)
}
