package mathfn

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transposeTiles emits a run of tiles along the rows of src: tile k is at
// src + k·side elements, and its transpose at dst + k·side rows.
func transposeTiles(c *build.Context, isa Target, size int) {
	bits := 8 * size
	a := mover(c, isa, fmt.Sprintf("transpose%d", bits), fmt.Sprintf("func(dst *uint%d, ldd int, src *uint%d, lds, tiles int)", bits, bits))
	side := a.width() / size
	c.Doc(fmt.Sprintf("%s transposes tiles of %d by %d that follow one another along the", a.name, side, side), "rows of src.")
	c.Load(c.Param("dst"), reg.RDI)
	c.Load(c.Param("ldd"), reg.R8)
	c.Load(c.Param("src"), reg.RSI)
	c.Load(c.Param("lds"), reg.R9)
	c.Load(c.Param("tiles"), reg.RCX)
	shift := operand.U8(map[int]uint64{4: 2, 8: 3}[size])
	c.SHLQ(shift, reg.R8)
	c.SHLQ(shift, reg.R9)
	c.LEAQ(operand.Mem{Base: reg.R9, Index: reg.R9, Scale: 2}, reg.R10)
	c.Label("loop")
	if isa == AVX2 {
		a.tileByHalves(size)
	} else {
		a.wholeTile(side, size)
	}
	c.ADDQ(operand.Imm(uint64(a.width())), reg.RSI)
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef("loop"))
	c.VZEROUPPER()
	c.RET()
}

// wholeTile loads rows whole.
func (a *asm) wholeTile(side, size int) {
	a.c.MOVQ(reg.RSI, reg.RAX)
	rows := make([]vec, side)
	for i := range rows {
		rows[i] = vec(i)
		a.do("VMOVUPS", operand.Mem{Base: reg.RAX}, a.reg(rows[i]))
		if i < side-1 {
			a.c.ADDQ(reg.R9, reg.RAX)
		}
	}
	a.storeColumns(a.network(rows, size))
}

// tileByHalves loads a half of row k beside that of row k + side/2: what the
// insertion takes is any port, and exchanging 128 bits of two registers, which takes
// one alone, is not needed after it. A tile takes a third of the time.
func (a *asm) tileByHalves(size int) {
	per := 16 / size
	lower := a.rowsFrom(reg.RSI)
	a.c.LEAQ(operand.Mem{Base: reg.RSI, Index: reg.R9, Scale: uint8(per)}, reg.RAX)
	upper := a.rowsFrom(reg.RAX)
	for half := range 2 {
		rows, other := make([]vec, per), make([]vec, per)
		for k := range per {
			rows[k], other[k] = vec(2*per*half+k), vec(2*per*half+per+k)
			a.do("VMOVUPS", lower(k, 16*half), x(rows[k]))
			a.do("VINSERTF128", operand.U8(1), upper(k, 16*half), y(rows[k]), y(rows[k]))
		}
		cols, _ := a.within128(rows, other, size)
		a.storeColumns(cols)
	}
}

// rowsFrom addresses up to four rows, R9 apart, of which R10 holds the triple.
func (a *asm) rowsFrom(base reg.Register) func(k, disp int) operand.Mem {
	return func(k, disp int) operand.Mem {
		m := operand.Mem{Base: base, Disp: disp}
		switch k {
		case 1, 2:
			m.Index, m.Scale = reg.R9, uint8(k)
		case 3:
			m.Index, m.Scale = reg.R10, 1
		}
		return m
	}
}

// storeColumns stores the next rows of dst.
func (a *asm) storeColumns(cols []vec) {
	for _, col := range cols {
		a.do("VMOVUPS", a.reg(col), operand.Mem{Base: reg.RDI})
		a.c.ADDQ(reg.R8, reg.RDI)
	}
}

// network transposes side registers of AVX-512, using as many others, and gives
// the columns in order.
func (a *asm) network(rows []vec, size int) []vec {
	n := len(rows)
	other := make([]vec, n)
	for i := range other {
		other[i] = vec(n + i)
	}
	per := 16 / size
	from, to := a.within128(rows, other, size)
	// Across: quarters 0 and 2, and 1 and 3, of two registers, twice.
	for c := range per {
		a.quarters(from[c], from[per+c], to[c], to[per+c])
		a.quarters(from[2*per+c], from[3*per+c], to[2*per+c], to[3*per+c])
	}
	from, to = to, from
	for c := range per {
		a.quarters(from[c], from[2*per+c], to[c], to[2*per+c])
		a.quarters(from[per+c], from[3*per+c], to[per+c], to[3*per+c])
	}
	return to
}

// within128 transposes within 128 bits: register g·k + c gets column c, of k
// columns, of rows gk to gk+k-1. It gives the results, and the registers that are free.
func (a *asm) within128(from, to []vec, size int) (result, free []vec) {
	n := len(from)
	if size == 4 {
		for i := 0; i < n; i += 2 {
			a.unpack("PS", from[i], from[i+1], to[i], to[i+1])
		}
		from, to = to, from
		for i := 0; i < n; i += 4 {
			a.unpack("PD", from[i], from[i+2], to[i], to[i+1])
			a.unpack("PD", from[i+1], from[i+3], to[i+2], to[i+3])
		}
		return to, from
	}
	for i := 0; i < n; i += 2 {
		a.unpack("PD", from[i], from[i+1], to[i], to[i+1])
	}
	return to, from
}

func (a *asm) unpack(suffix string, r0, r1, lo, hi vec) {
	a.do("VUNPCKL"+suffix, a.reg(r1), a.reg(r0), a.reg(lo))
	a.do("VUNPCKH"+suffix, a.reg(r1), a.reg(r0), a.reg(hi))
}

// quarters gathers the even and the odd 128-bit quarters of two registers.
func (a *asm) quarters(r0, r1, even, odd vec) {
	a.do("VSHUFF32X4", operand.U8(0x88), z(r1), z(r0), z(even))
	a.do("VSHUFF32X4", operand.U8(0xdd), z(r1), z(r0), z(odd))
}
