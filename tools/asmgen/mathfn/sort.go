package mathfn

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sortKeys make integers whose signed order is that of other types, and back.
// NaNs, whose bits below the sign exceed inf's, become the greatest integer.
func sortKeys(e Elem) []*Routine {
	scalars := []Param{{"low", e, true}, {"flip", e, true}}
	// below gives negative floats' patterns, whose magnitudes descend, their order.
	below := func(b *Builder, x, low *Value) *Value {
		return b.Xor(x, b.Sel(b.IGt(b.K(0), x), low, b.K(0)))
	}
	key := &Routine{
		Name: "SortKey" + e.Name, Doc: "flip ^ x[i], negative ones also ^ low; the greatest integer\nwhere x[i] & low exceeds inf.",
		Bits: 8 * e.Size, Dst: e, Params: append([]Param{{"x", e, false}, {"inf", e, true}}, scalars...),
		Body: func(b *Builder, in []*Value) *Value {
			x, inf, low, flip := in[0], in[1], in[2], in[3]
			return b.Sel(b.IGt(b.And(x, low), inf), b.K(1<<(b.Bits-1)-1), b.Xor(below(b, x, low), flip))
		},
	}
	value := &Routine{
		Name: "SortValue" + e.Name, Doc: "what SortKey" + e.Name + " made k[i] of, unless that was a NaN.",
		Bits: 8 * e.Size, Dst: e, Params: append([]Param{{"k", e, false}}, scalars...),
		Body: func(b *Builder, in []*Value) *Value { return below(b, b.Xor(in[0], in[2]), in[1]) },
	}
	return []*Routine{key, value}
}

// generateSorts adds networks that sort many columns at once, lane by lane.
func generateSorts(c *build.Context) {
	for _, isa := range []Target{AVX512, AVX2} {
		for _, size := range []int{4, 8} {
			sortColumns(c, isa, size)
		}
	}
}

// sortColumns emits a run of exchanges. Row k is at rows + k·stride bytes,
// 64·lines bytes long; exchange (i, j) leaves the lesser elements in row i, the
// greater in row j.
func sortColumns(c *build.Context, isa Target, size int) {
	a := &asm{c: c, isa: isa, bits: 8 * size}
	a.name = fmt.Sprintf("sortColumns%d%s", a.bits, map[Target]string{AVX2: "AVX2", AVX512: "AVX512"}[isa])
	c.Function(a.name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr(fmt.Sprintf("func(rows *int%d, stride, lines int, pairs *uint16, n int)", a.bits))
	c.Pragma("noescape")
	c.Doc(a.name + " does n exchanges between rows of whole lines.")
	c.Load(c.Param("rows"), reg.RDI)
	c.Load(c.Param("stride"), reg.RSI)
	c.Load(c.Param("lines"), reg.RCX)
	c.Load(c.Param("pairs"), reg.RDX)
	c.Load(c.Param("n"), reg.R8)
	c.Label("exchange")
	for i, row := range []reg.GPPhysical{reg.RAX, reg.RBX} {
		c.MOVWQZX(operand.Mem{Base: reg.RDX, Disp: 2 * i}, row)
		c.IMULQ(reg.RSI, row)
		c.ADDQ(reg.RDI, row)
	}
	c.MOVQ(reg.RCX, reg.R9)
	c.Label("line")
	for at := 0; at < 64; at += a.width() {
		lesser, greater := operand.Mem{Base: reg.RAX, Disp: at}, operand.Mem{Base: reg.RBX, Disp: at}
		a.do("VMOVUPS", lesser, a.reg(0))
		a.do("VMOVUPS", greater, a.reg(1))
		a.minMax()
		a.do("VMOVUPS", a.reg(2), lesser)
		a.do("VMOVUPS", a.reg(3), greater)
	}
	c.ADDQ(operand.Imm(64), reg.RAX)
	c.ADDQ(operand.Imm(64), reg.RBX)
	c.DECQ(reg.R9)
	c.JNZ(operand.LabelRef("line"))
	c.ADDQ(operand.Imm(4), reg.RDX)
	c.DECQ(reg.R8)
	c.JNZ(operand.LabelRef("exchange"))
	c.VZEROUPPER()
	c.RET()
}

// minMax puts the lesser lanes of registers 0 and 1 into 2, the greater into 3.
func (a *asm) minMax() {
	if a.isa == AVX2 && a.bits == 64 { // there is no VPMINSQ
		a.do("VPCMPGTQ", y(1), y(0), y(4))
		a.do("VBLENDVPD", y(4), y(1), y(0), y(2))
		a.do("VBLENDVPD", y(4), y(0), y(1), y(3))
		return
	}
	a.do("VPMINS"+a.in(), a.reg(1), a.reg(0), a.reg(2))
	a.do("VPMAXS"+a.in(), a.reg(1), a.reg(0), a.reg(3))
}
