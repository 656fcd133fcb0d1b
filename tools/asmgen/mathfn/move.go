package mathfn

import (
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
		streamRows(c, isa)
	}
	reverse(c, "reverse", "VMOVUPS", "")
	reverse(c, "reverseStream", "VMOVNTPS", " past the caches; dst is aligned to 64")
}

// mover begins a routine.
func mover(c *build.Context, isa Target, name, signature string) *asm {
	a := &asm{c: c, isa: isa, name: name + map[Target]string{AVX2: "AVX2", AVX512: "AVX512"}[isa]}
	c.Function(a.name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr(signature)
	c.Pragma("noescape")
	return a
}

// streamCopy emits a copy with streaming stores: dst aligned to 64, blocks of
// 256 bytes.
func streamCopy(c *build.Context, isa Target) {
	a := mover(c, isa, "copyStream", "func(dst, src *byte, blocks int)")
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

// streamRows emits a copy of rows that follow one another in src to rows that
// are ldd bytes apart, aligned to 64, with streaming stores. On AVX2 src's rows can be apart too:
// the skip is what lies between one's end and the next.
func streamRows(c *build.Context, isa Target) {
	signature, apart := "func(dst *byte, ldd int, src *byte, rows, lines int)", isa == AVX2
	if apart {
		signature = "func(dst *byte, ldd int, src *byte, skip, rows, lines int)"
	}
	a := mover(c, isa, "streamRows", signature)
	c.Doc(a.name+" copies rows of whole cache lines past the caches; dst's rows are", "aligned to 64, ldd bytes apart.")
	c.Load(c.Param("dst"), reg.RDI)
	c.Load(c.Param("ldd"), reg.R8)
	c.Load(c.Param("src"), reg.RSI)
	if apart {
		c.Load(c.Param("skip"), reg.R10)
	}
	c.Load(c.Param("rows"), reg.RCX)
	c.Load(c.Param("lines"), reg.RDX)
	c.Label("row")
	c.MOVQ(reg.RDI, reg.RAX)
	c.MOVQ(reg.RDX, reg.R9)
	c.Label("line")
	for i := range 64 / a.width() {
		a.do("VMOVUPS", operand.Mem{Base: reg.RSI, Disp: i * a.width()}, a.reg(vec(i)))
		a.do("VMOVNTPS", a.reg(vec(i)), operand.Mem{Base: reg.RAX, Disp: i * a.width()})
	}
	c.ADDQ(operand.Imm(64), reg.RSI)
	c.ADDQ(operand.Imm(64), reg.RAX)
	c.DECQ(reg.R9)
	c.JNZ(operand.LabelRef("line"))
	c.ADDQ(reg.R8, reg.RDI)
	if apart {
		c.ADDQ(reg.R10, reg.RSI)
	}
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef("row"))
	c.SFENCE() // streaming stores are not ordered with what follows
	c.VZEROUPPER()
	c.RET()
}

// reverse emits a copy of lines of 64 bytes from the last one of src down to the first, with the
// elements of each in reverse order. A shuffle within 128 bits, which order is for, turns elements of any size; its
// halves are loaded the other way round. AVX-512 takes the same routine, since it waits for memory.
func reverse(c *build.Context, name, store, how string) {
	a := mover(c, AVX2, name, "func(dst, last *byte, lines int, order *[16]byte)")
	c.Doc(a.name+" copies lines of 64 bytes, the last one first and the other way round,", "and 16 bytes of them as order has it"+how+".")
	c.Load(c.Param("dst"), reg.RDI)
	c.Load(c.Param("last"), reg.RSI)
	c.Load(c.Param("lines"), reg.RCX)
	c.Load(c.Param("order"), reg.RAX)
	a.do("VBROADCASTI128", operand.Mem{Base: reg.RAX}, y(2))
	c.Label("loop")
	for i := range 2 {
		at := 32 - 32*i
		a.do("VMOVUPS", operand.Mem{Base: reg.RSI, Disp: at + 16}, x(vec(i)))
		a.do("VINSERTF128", operand.U8(1), operand.Mem{Base: reg.RSI, Disp: at}, y(vec(i)), y(vec(i)))
		a.do("VPSHUFB", y(2), y(vec(i)), y(vec(i)))
		a.do(store, y(vec(i)), operand.Mem{Base: reg.RDI, Disp: 32 * i})
	}
	c.SUBQ(operand.Imm(64), reg.RSI)
	c.ADDQ(operand.Imm(64), reg.RDI)
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef("loop"))
	if store == "VMOVNTPS" {
		c.SFENCE()
	}
	c.VZEROUPPER()
	c.RET()
}
