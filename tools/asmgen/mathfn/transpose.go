package mathfn

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// generateMoves adds what moves elements. Transposes take square tiles through registers: every row is loaded
// whole, a network of unpacks and shuffles exchanges what two registers hold of
// each other, and every column is stored whole.
func generateMoves(c *build.Context) {
	for _, isa := range []Target{AVX512, AVX2} {
		for _, size := range []int{4, 8} {
			transposeTiles(c, isa, size)
		}
		streamCopy(c, isa)
	}
}

// transposeTiles emits a run of tiles along the rows of src: tile k is at
// src + k·side elements, and its transpose at dst + k·side rows.
func transposeTiles(c *build.Context, isa Target, size int) {
	a := &asm{c: c, isa: isa, bits: 8 * size}
	side := a.width() / size
	a.name = fmt.Sprintf("transpose%d%s", a.bits, map[Target]string{AVX2: "AVX2", AVX512: "AVX512"}[isa])
	c.Function(a.name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr(fmt.Sprintf("func(dst *uint%d, ldd int, src *uint%d, lds, tiles, stream int)", a.bits, a.bits))
	c.Pragma("noescape")
	c.Doc(fmt.Sprintf("%s transposes tiles of %d by %d that follow one another along the", a.name, side, side),
		"rows of src, past the caches if stream is not 0 and dst's rows are aligned to a vector.")
	c.Load(c.Param("dst"), reg.RDI)
	c.Load(c.Param("ldd"), reg.R8)
	c.Load(c.Param("src"), reg.RSI)
	c.Load(c.Param("lds"), reg.R9)
	c.Load(c.Param("tiles"), reg.RCX)
	shift := operand.U8(map[int]uint64{4: 2, 8: 3}[size])
	c.SHLQ(shift, reg.R8)
	c.SHLQ(shift, reg.R9)
	c.Load(c.Param("stream"), reg.RDX)
	c.TESTQ(reg.RDX, reg.RDX)
	c.JZ(operand.LabelRef("loop"))
	c.MOVQ(reg.RDI, reg.RAX)
	c.ORQ(reg.R8, reg.RAX)
	c.TESTQ(operand.U32(uint32(a.width()-1)), reg.RAX)
	c.JZ(operand.LabelRef("streamLoop"))
	a.tileLoop("loop", "VMOVUPS", size)
	c.VZEROUPPER()
	c.RET()
	a.tileLoop("streamLoop", "VMOVNTPS", size)
	c.SFENCE() // streaming stores are not ordered with what follows
	c.VZEROUPPER()
	c.RET()
}

func (a *asm) tileLoop(label, store string, size int) {
	c := a.c
	side := a.width() / size
	c.Label(label)
	c.MOVQ(reg.RSI, reg.RAX)
	rows := make([]vec, side)
	for i := range rows {
		rows[i] = vec(i)
		a.do("VMOVUPS", operand.Mem{Base: reg.RAX}, a.reg(rows[i]))
		if i < side-1 {
			c.ADDQ(reg.R9, reg.RAX)
		}
	}
	c.ADDQ(operand.Imm(uint64(a.width())), reg.RSI)
	for _, col := range a.network(rows, size) {
		a.do(store, a.reg(col), operand.Mem{Base: reg.RDI})
		c.ADDQ(reg.R8, reg.RDI)
	}
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef(label))
}

// network transposes side registers, using as many others, and gives the
// columns in order.
func (a *asm) network(rows []vec, size int) []vec {
	n := len(rows)
	other := make([]vec, n)
	for i := range other {
		other[i] = vec(n + i)
	}
	// Within 128 bits: register g·k + c gets column c, of k columns, of rows gk to gk+k-1.
	per := 16 / size
	from, to := rows, other
	if size == 4 {
		for i := 0; i < n; i += 2 {
			a.unpack("PS", from[i], from[i+1], to[i], to[i+1])
		}
		from, to = to, from
		for i := 0; i < n; i += 4 {
			a.unpack("PD", from[i], from[i+2], to[i], to[i+1])
			a.unpack("PD", from[i+1], from[i+3], to[i+2], to[i+3])
		}
	} else {
		for i := 0; i < n; i += 2 {
			a.unpack("PD", from[i], from[i+1], to[i], to[i+1])
		}
	}
	from, to = to, from
	if a.isa == AVX2 {
		for c := range per {
			a.do("VPERM2F128", operand.U8(0x20), y(from[per+c]), y(from[c]), y(to[c]))
			a.do("VPERM2F128", operand.U8(0x31), y(from[per+c]), y(from[c]), y(to[per+c]))
		}
		return to
	}
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

func (a *asm) unpack(suffix string, r0, r1, lo, hi vec) {
	a.do("VUNPCKL"+suffix, a.reg(r1), a.reg(r0), a.reg(lo))
	a.do("VUNPCKH"+suffix, a.reg(r1), a.reg(r0), a.reg(hi))
}

// quarters gathers the even and the odd 128-bit quarters of two registers.
func (a *asm) quarters(r0, r1, even, odd vec) {
	a.do("VSHUFF32X4", operand.U8(0x88), z(r1), z(r0), z(even))
	a.do("VSHUFF32X4", operand.U8(0xdd), z(r1), z(r0), z(odd))
}

// streamCopy emits a copy with streaming stores: dst aligned to 64, blocks of
// 256 bytes.
func streamCopy(c *build.Context, isa Target) {
	a := &asm{c: c, isa: isa, name: "copyStream" + map[Target]string{AVX2: "AVX2", AVX512: "AVX512"}[isa]}
	c.Function(a.name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(dst, src *byte, blocks int)")
	c.Pragma("noescape")
	c.Doc(a.name + " copies blocks of 256 bytes past the caches; dst is aligned to 64.")
	c.Load(c.Param("dst"), reg.RDI)
	c.Load(c.Param("src"), reg.RSI)
	c.Load(c.Param("blocks"), reg.RCX)
	n := 256 / a.width()
	c.Label("loop")
	for i := range n {
		a.do("VMOVUPS", operand.Mem{Base: reg.RSI, Disp: i * a.width()}, a.reg(vec(i)))
	}
	for i := range n {
		a.do("VMOVNTPS", a.reg(vec(i)), operand.Mem{Base: reg.RDI, Disp: i * a.width()})
	}
	c.ADDQ(operand.U32(256), reg.RSI)
	c.ADDQ(operand.U32(256), reg.RDI)
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef("loop"))
	c.SFENCE()
	c.VZEROUPPER()
	c.RET()
}
