package mathfn

import (
	"fmt"
	"math/bits"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// generateFinds adds what looks through elements for a value: counts of zeros,
// and the place of the first element that is equal, or is NaN. A routine takes
// whole vectors.
func generateFinds(c *build.Context) {
	for _, e := range []Elem{U8, U16, U32, U64, F32, F64} {
		countZeros(c, AVX512, e)
		countZeros(c, AVX2, e)
		findFirst(c, e, false)
		if isFloat(e) {
			findFirst(c, e, true)
		}
	}
}

// finder begins a routine.
func finder(c *build.Context, isa Target, e Elem, name, params string) *asm {
	a := &asm{c: c, isa: isa, bits: 8 * e.Size}
	a.name = name + e.Name + map[Target]string{AVX2: "AVX2", AVX512: "AVX512"}[isa]
	c.Function(a.name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(x *byte, vectors int" + params + ") (n int)")
	c.Pragma("noescape")
	c.Load(c.Param("x"), reg.RSI)
	c.Load(c.Param("vectors"), reg.RCX)
	return a
}

// vectorMask is where the lanes of AVX-512 and AVX2 comparisons land.
const vectorMask = vec(3)

// maskToBits brings a comparison's result to R8: a bit a lane, on AVX2 a bit a
// byte.
func (a *asm) maskToBits() {
	if a.isa == AVX512 {
		a.do("KMOVQ", reg.K1, reg.R8)
		return
	}
	a.do("VPMOVMSKB", a.reg(vectorMask), reg.R8L)
}

// countZeros emits a count of the elements that are zero. Of floats the sign
// does not count.
func countZeros(c *build.Context, isa Target, e Elem) {
	a := finder(c, isa, e, "countZeros", "")
	c.Doc(a.name + " counts the zeros among whole vectors of elements.")
	a.allOnes(1)
	if isFloat(e) {
		a.do("VPSRL"+map[int]string{4: "D", 8: "Q"}[e.Size], operand.U8(1), a.reg(1), a.reg(1))
	}
	if isa == AVX2 {
		a.do("VPXOR", y(2), y(2), y(2))
	}
	c.XORL(reg.EAX, reg.EAX)
	c.Label("loop")
	x := operand.Mem{Base: reg.RSI}
	if isa == AVX512 {
		a.do("VPTESTNM"+a.in(), x, z(1), reg.K1)
	} else {
		a.do("VPAND", x, y(1), y(vectorMask))
		a.do("VPCMPEQ"+a.in(), y(2), y(vectorMask), y(vectorMask))
	}
	a.maskToBits()
	c.POPCNTQ(reg.R8, reg.R8)
	c.ADDQ(reg.R8, reg.RAX)
	c.ADDQ(operand.Imm(uint64(a.width())), reg.RSI)
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef("loop"))
	if isa == AVX2 && e.Size > 1 {
		c.SHRQ(operand.U8(bits.TrailingZeros(uint(e.Size))), reg.RAX)
	}
	c.Store(reg.RAX, c.Return("n"))
	c.VZEROUPPER()
	c.RET()
}

// allOnes sets all bits of a register.
func (a *asm) allOnes(r vec) {
	if a.isa == AVX512 {
		a.do("VPTERNLOGD", operand.U8(0xff), z(r), z(r), z(r))
		return
	}
	a.do("VPCMPEQD", y(r), y(r), y(r))
}

// findFirst emits a search for the first element that equals v; or, if nan is
// set, for the first NaN. The result is the number of elements before it, which
// is that of all if there is none. It is for AVX2 alone: on Zen 4 it looks through a line faster than
// with comparisons to masks.
func findFirst(c *build.Context, e Elem, nan bool) {
	name, params := "find", ", v uint64"
	if nan {
		name, params = "findNaN", ""
	}
	a := finder(c, AVX2, e, name, params)
	c.Doc(fmt.Sprintf("%s is how many elements come before the first match.", a.name))
	if !nan {
		c.Load(c.Param("v"), reg.R8)
		a.do("VMOVQ", reg.R8, x(1))
		a.do("VPBROADCAST"+a.in(), x(1), y(1))
	}
	c.XORL(reg.EAX, reg.EAX)
	a.skim(e, nan)
	c.Label("rest")
	c.TESTQ(reg.RCX, reg.RCX)
	c.JZ(operand.LabelRef("done"))
	c.Label("loop")
	a.match(e, nan, 0)
	a.maskToBits()
	c.TESTQ(reg.R8, reg.R8)
	c.JNZ(operand.LabelRef("found"))
	a.advance(1)
	c.JNZ(operand.LabelRef("loop"))
	c.JMP(operand.LabelRef("done"))
	c.Label("found")
	c.TZCNTQ(reg.R8, reg.R8)
	if e.Size > 1 {
		c.SHRQ(operand.U8(bits.TrailingZeros(uint(e.Size))), reg.R8)
	}
	c.ADDQ(reg.R8, reg.RAX)
	c.Label("done")
	c.Store(reg.RAX, c.Return("n"))
	c.VZEROUPPER()
	c.RET()
}

// skimmed is how many vectors are looked at together, as long as none of them matches.
const skimmed = 4

// skim goes on to the last vectors, or to the first that matches and up to three before it.
func (a *asm) skim(e Elem, nan bool) {
	c := a.c
	c.Label("skim")
	c.CMPQ(reg.RCX, operand.U32(skimmed))
	c.JL(operand.LabelRef("rest"))
	for i := range skimmed {
		a.match(e, nan, i)
	}
	a.do("VPOR", y(vectorMask), y(vectorMask+1), y(vectorMask))
	a.do("VPOR", y(vectorMask+2), y(vectorMask+3), y(vectorMask+2))
	a.do("VPOR", y(vectorMask), y(vectorMask+2), y(vectorMask))
	a.do("VPTEST", y(vectorMask), y(vectorMask))
	c.JNZ(operand.LabelRef("loop"))
	a.advance(skimmed)
	c.JMP(operand.LabelRef("skim"))
}

// advance goes on by so many vectors, and sets the flags by how many are left.
func (a *asm) advance(vectors int) {
	a.c.ADDQ(operand.U32(vectors*a.lanes()), reg.RAX)
	a.c.ADDQ(operand.U32(vectors*a.width()), reg.RSI)
	a.c.SUBQ(operand.U32(vectors), reg.RCX)
}

// match compares vector i from here on; the result is in the register i behind that of [vectorMask].
func (a *asm) match(e Elem, nan bool, i int) {
	x, to := operand.Mem{Base: reg.RSI, Disp: i * a.width()}, y(vectorMask+vec(i))
	switch {
	case nan:
		a.do("VMOVU"+a.fp(), x, y(2))
		a.do("VCMP"+a.fp(), operand.U8(predUnord), y(2), y(2), to)
	case isFloat(e):
		a.do("VCMP"+a.fp(), operand.U8(predEq), x, y(1), to)
	default:
		a.do("VPCMPEQ"+a.in(), x, y(1), to)
	}
}
