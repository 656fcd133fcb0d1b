package mathfn

import (
	"fmt"
	"reflect"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// asm translates one program into one function.
type asm struct {
	c    *build.Context
	isa  Target
	name string
	bits int
	pool *pool

	prog    *Program
	uses    map[*Value][]int
	pos     int
	where   map[*Value]vec
	slots   map[*Value]operand.Mem
	vecs    *registers
	masks   *registers
	tables  map[*table][2]vec
	pinned  map[vec]bool   // registers that keep their contents through the loop
	hoisted map[uint64]vec // constants among them
	held    []*Value
	temps   []vec
	frame   []operand.Mem // stack slots made so far, reused by every body
	dry     bool          // count registers, emit nothing
	stream  bool          // store whole vectors past the caches
	one     vec           // a register of ones, of sums
	nan     vec           // one that notes NaN, of extremes on AVX2
}

// width is the size of a vector in bytes.
func (a *asm) width() int {
	if a.isa == AVX512 {
		return 64
	}
	return 32
}

func (a *asm) lanes() int { return a.width() * 8 / a.bits }

// do appends an instruction, by name: avo has a method for each, and its
// suffixes are part of the name.
func (a *asm) do(mnemonic string, ops ...operand.Op) {
	if a.dry {
		return
	}
	m := reflect.ValueOf(a.c).MethodByName(mnemonic)
	if !m.IsValid() {
		panic(fmt.Sprintf("%s: avo has no %s", a.name, mnemonic))
	}
	args := make([]reflect.Value, len(ops))
	for i, op := range ops {
		args[i] = reflect.ValueOf(op)
	}
	m.Call(args)
}

// reg is the register as an operand of full width.
func (a *asm) reg(r vec) reg.Register {
	if r >= maskBase {
		return maskRegs[r-maskBase]
	}
	if a.isa == AVX512 {
		return vectorRegs[r]
	}
	return vectorRegs[r].AsY()
}

func x(r vec) reg.Register { return vectorRegs[r].AsX() }
func y(r vec) reg.Register { return vectorRegs[r].AsY() }
func z(r vec) reg.Register { return vectorRegs[r] }

// fp and in are the mnemonic's type suffixes.
func (a *asm) fp() string {
	if a.bits == 64 {
		return "PD"
	}
	return "PS"
}

func (a *asm) in() string { return map[int]string{8: "B", 16: "W", 32: "D", 64: "Q"}[a.bits] }

// logic names a bitwise instruction.
func (a *asm) logic(name string) string {
	if a.isa == AVX2 {
		return name
	}
	if a.bits == 64 {
		return name + "Q"
	}
	return name + "D"
}

// broadcast loads a constant into every lane.
func (a *asm) broadcast(v *Value, r vec) {
	m := a.pool.addr(constant{a.bits, v.imm})
	switch {
	case v.imm == 0:
		a.do(a.logic("VPXOR"), a.reg(r), a.reg(r), a.reg(r))
	case a.isa == AVX2:
		a.do("VMOVUPS", m, a.reg(r))
	default:
		a.do("VPBROADCAST"+a.in(), m, a.reg(r))
	}
}

// binaryOps gives the mnemonics of three-operand instructions.
func (a *asm) binary(op Op) (mnemonic string, commutes bool) {
	switch op {
	case OpFAdd:
		return "VADD" + a.fp(), true
	case OpFSub:
		return "VSUB" + a.fp(), false
	case OpFMul:
		return "VMUL" + a.fp(), true
	case OpFDiv:
		return "VDIV" + a.fp(), false
	case OpFMin:
		return "VMIN" + a.fp(), false
	case OpFMax:
		return "VMAX" + a.fp(), false
	case OpScale:
		return "VSCALEF" + a.fp(), false
	case OpAnd:
		return a.logic("VPAND"), true
	case OpOr:
		return a.logic("VPOR"), true
	case OpXor:
		return a.logic("VPXOR"), true
	case OpIAdd:
		return "VPADD" + a.in(), true
	case OpISub:
		return "VPSUB" + a.in(), false
	case OpIMul:
		return "VPMULL" + a.in(), true
	case OpIMinS:
		return "VPMINS" + a.in(), true
	case OpIMaxS:
		return "VPMAXS" + a.in(), true
	case OpIMinU:
		return "VPMINU" + a.in(), true
	case OpIMaxU:
		return "VPMAXU" + a.in(), true
	}
	return "", false
}

// value translates one operation.
func (a *asm) value(v *Value) {
	if m, commutes := a.binary(v.op); m != "" {
		a.three(v, m, commutes)
		return
	}
	switch v.op {
	case OpConst, OpCast:
	case OpFMA:
		a.fma(v, "VFMADD")
	case OpFNMA:
		a.fma(v, "VFNMADD")
	case OpFMS:
		a.fma(v, "VFMSUB")
	case OpFSqrt:
		a.two(v, "VSQRT"+a.fp())
	case OpRound:
		a.round(v)
	case OpShl:
		a.shift(v, "VPSLL"+a.in())
	case OpShr:
		a.shift(v, "VPSRL"+a.in())
	case OpCmp:
		a.compare(v, "VCMP"+a.fp(), operand.U8(v.imm))
	case OpIEq:
		a.compare(v, "VPCMPEQ"+a.in())
	case OpIGt:
		a.compare(v, "VPCMPGT"+a.in())
	case OpTest:
		a.compare(v, "VPTESTM"+a.in())
	case OpMAnd, OpMOr, OpMNot:
		a.mask(v)
	case OpSel:
		a.sel(v)
	case OpIToF:
		a.two(v, map[int]string{32: "VCVTDQ2PS", 64: "VCVTQQ2PD"}[a.bits])
	case OpFToI:
		a.two(v, map[int]string{32: "VCVTTPS2DQ", 64: "VCVTTPD2QQ"}[a.bits])
	case OpLookup:
		a.lookup(v)
	default:
		panic(fmt.Sprintf("%s: no translation of operation %d", a.name, v.op))
	}
}

// three is dst = a op b, with b in memory if it is a constant.
func (a *asm) three(v *Value, mnemonic string, commutes bool) {
	l, r := v.args[0], v.args[1]
	if commutes {
		if _, _, ok := a.constOperand(l); ok {
			l, r = r, l
		}
	}
	left := a.reg(a.hold(l))
	right, suffix, ok := a.constOperand(r)
	if !ok {
		right = a.reg(a.hold(r))
	}
	a.release()
	a.do(mnemonic+suffix, right, left, a.reg(a.place(v)))
}

func (a *asm) two(v *Value, mnemonic string) {
	src := a.reg(a.hold(v.args[0]))
	a.release()
	a.do(mnemonic, src, a.reg(a.place(v)))
}

func (a *asm) round(v *Value) {
	const noException = 8
	src := a.reg(a.hold(v.args[0]))
	a.release()
	name := "VROUND"
	if a.isa == AVX512 {
		name = "VRNDSCALE"
	}
	a.do(name+a.fp(), operand.U8(v.imm|noException), src, a.reg(a.place(v)))
}

func (a *asm) shift(v *Value, mnemonic string) {
	src := a.reg(a.hold(v.args[0]))
	a.release()
	a.do(mnemonic, operand.U8(v.imm), src, a.reg(a.place(v)))
}

// lookup permutes the two registers that hold the table. AVX2 has none to spare, and gathers.
func (a *asm) lookup(v *Value) {
	index := a.hold(v.args[0])
	dst := a.place(v)
	if a.isa == AVX512 {
		halves := a.tables[v.from]
		a.release()
		a.do("VMOVDQA64", a.reg(index), a.reg(dst))
		a.do("VPERMI2PD", a.reg(halves[1]), a.reg(halves[0]), a.reg(dst))
		return
	}
	lanes := a.alloc(a.vecs)
	a.temps = append(a.temps, lanes)
	a.release()
	a.do("LEAQ", a.pool.table(v.from, 0), reg.R10)
	a.do("VPCMPEQD", a.reg(lanes), a.reg(lanes), a.reg(lanes))
	a.do("VGATHERQPD", a.reg(lanes), operand.Mem{Base: reg.R10, Index: a.reg(index), Scale: 8}, a.reg(dst))
}

func (a *asm) compare(v *Value, mnemonic string, imm ...operand.Op) {
	left := a.reg(a.hold(v.args[0]))
	right, suffix, ok := a.constOperand(v.args[1])
	if !ok {
		right = a.reg(a.hold(v.args[1]))
	}
	a.release()
	a.do(mnemonic+suffix, append(imm, right, left, a.reg(a.place(v)))...)
}

func (a *asm) mask(v *Value) {
	var ops []operand.Op
	for i := range v.args {
		ops = append(ops, a.reg(a.hold(v.args[len(v.args)-1-i])))
	}
	if a.isa == AVX512 {
		a.release()
		size := map[int]string{8: "Q", 16: "D", 32: "W", 64: "B"}[a.bits]
		name := map[Op]string{OpMAnd: "KAND", OpMOr: "KOR", OpMNot: "KNOT"}[v.op]
		a.do(name+size, append(ops, a.reg(a.place(v)))...)
		return
	}
	if v.op == OpMNot {
		dst := a.place(v) // before the release: it must differ from the source
		a.release()
		a.do("VPCMPEQD", a.reg(dst), a.reg(dst), a.reg(dst))
		a.do("VPXOR", ops[0], a.reg(dst), a.reg(dst))
		return
	}
	a.release()
	a.do(map[Op]string{OpMAnd: "VPAND", OpMOr: "VPOR"}[v.op], append(ops, a.reg(a.place(v)))...)
}

func (a *asm) sel(v *Value) {
	m := a.reg(a.hold(v.args[0]))
	otherwise := a.reg(a.hold(v.args[2]))
	chosen, suffix, ok := a.constOperand(v.args[1])
	if !ok {
		chosen = a.reg(a.hold(v.args[1]))
	}
	a.release()
	dst := a.reg(a.place(v))
	switch {
	case a.isa == AVX512 && a.bits < 32:
		a.do("VPBLENDM"+a.in(), chosen, otherwise, m, dst)
	case a.isa == AVX512:
		a.do("VBLENDM"+a.fp()+suffix, chosen, otherwise, m, dst)
	case a.bits < 32:
		a.do("VPBLENDVB", m, chosen, otherwise, dst)
	default:
		a.do("VBLENDV"+a.fp(), m, chosen, otherwise, dst)
	}
}

// fma picks the form of a*b + c that overwrites an operand nobody needs any
// more and reads a constant from memory:
//
//	213: d = x*d + m    231: d = x*m + d    132: d = d*m + x
func (a *asm) fma(v *Value, name string) {
	p, q, c := v.args[0], v.args[1], v.args[2]
	if _, _, ok := a.constOperand(p); ok {
		p, q = q, p
	}
	var mem operand.Op
	var suffix string
	memory := none // which argument is in memory: 1 for q, 2 for c
	if m, s, ok := a.constOperand(q); ok {
		mem, suffix, memory = m, s, 1
	} else if m, s, ok := a.constOperand(c); ok {
		mem, suffix, memory = m, s, 2
	}
	var rp, rq, rc vec
	rp = a.hold(p)
	if memory != 1 {
		rq = a.hold(q)
	}
	if memory != 2 {
		rc = a.hold(c)
	}
	cFree := memory != 2 && a.dies(c) && rc != rp && (memory == 1 || rc != rq)
	pFree := a.dies(p) && (memory == 2 || rp != rc) && (memory == 1 || rp != rq)
	qFree := memory != 1 && a.dies(q) && rq != rp && (memory == 2 || rq != rc)
	src := func(r vec) operand.Op { return a.reg(r) }
	switch {
	case cFree && memory == 1:
		a.over(v, c, rc, name+"231"+a.fp()+suffix, mem, src(rp))
	case cFree:
		a.over(v, c, rc, name+"231"+a.fp(), src(rq), src(rp))
	case pFree && memory == 1:
		a.over(v, p, rp, name+"132"+a.fp()+suffix, mem, src(rc))
	case pFree && memory == 2:
		a.over(v, p, rp, name+"213"+a.fp()+suffix, mem, src(rq))
	case pFree:
		a.over(v, p, rp, name+"213"+a.fp(), src(rc), src(rq))
	case qFree && memory == 2:
		a.over(v, q, rq, name+"213"+a.fp()+suffix, mem, src(rp))
	case qFree:
		a.over(v, q, rq, name+"213"+a.fp(), src(rc), src(rp))
	default:
		dst := a.place(v)
		a.release()
		switch memory {
		case 1:
			a.do("VMOVAPS", src(rc), src(dst))
			a.do(name+"231"+a.fp()+suffix, mem, src(rp), src(dst))
		case 2:
			a.do("VMOVAPS", src(rp), src(dst))
			a.do(name+"213"+a.fp()+suffix, mem, src(rq), src(dst))
		default:
			a.do("VMOVAPS", src(rc), src(dst))
			a.do(name+"231"+a.fp(), src(rq), src(rp), src(dst))
		}
	}
}

// over emits an instruction that leaves its result in the register of the
// dying value old.
func (a *asm) over(v, old *Value, r vec, mnemonic string, ops ...operand.Op) {
	a.do(mnemonic, append(ops, a.reg(r))...)
	delete(a.where, root(old))
	a.release()
	a.where[v] = r
}
