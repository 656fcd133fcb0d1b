package mathfn

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Register use of a routine: pointers in paramRegs (the destination first), the element
// index in RAX, the last index at which a whole vector starts in R9.
var paramRegs = []reg.GPPhysical{reg.RDI, reg.RSI, reg.RDX, reg.RCX, reg.R8}

// asmName is the routine's name in assembly.
func (r *Routine) asmName(t Target) string {
	return unexported(r.Name) + map[Target]string{AVX2: "AVX2", AVX512: "AVX512"}[t]
}

// streamName is the name of the streaming form in assembly.
func (r *Routine) streamName(t Target) string {
	return unexported(r.Name) + map[Target]string{AVX2: "StreamAVX2", AVX512: "StreamAVX512"}[t]
}

// unexported lowers the first letter: AddF32 is addF32.
func unexported(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// signature is that of the assembly: pointers and a count of elements. A
// routine that can bail out returns how many elements it did.
func (r *Routine) signature() string {
	s := "func(dst *" + r.Dst.Go
	for _, p := range r.Params {
		s += ", " + p.Name + " "
		if !p.Scalar {
			s += "*"
		}
		s += p.Elem.Go
	}
	s += ", n int)"
	if r.bails() {
		s += " (done int)"
	}
	return s
}

// assemble emits r for an instruction set; stream is set for the form whose
// stores go past the caches.
func assemble(c *build.Context, pl *pool, r *Routine, isa Target, stream bool) {
	p := r.Build(isa)
	a := &asm{c: c, isa: isa, name: r.asmName(isa), bits: r.Bits, pool: pl, prog: p, uses: usesOf(p), stream: stream}
	if stream {
		a.name = r.streamName(isa)
	}
	c.Function(a.name)
	c.SignatureExpr(r.signature())
	c.Pragma("noescape")
	c.Doc(a.doc())
	a.slots = map[*Value]operand.Mem{}
	a.hoisted = map[uint64]vec{}
	a.dry = true
	a.reset()
	free := a.measure()
	a.dry = false
	if len(a.slots) == 0 {
		c.Attributes(attr.NOSPLIT)
	}
	a.prologue(free)
	a.loop()
}

func (a *asm) doc() string {
	if a.stream {
		return fmt.Sprintf("%s stores past the caches: dst is aligned to 64, n a multiple of %d.", a.name, a.lanes())
	}
	if a.isa == AVX2 {
		return fmt.Sprintf("%s wants n to be a multiple of %d.", a.name, a.lanes())
	}
	return a.name + " takes any n > 0."
}

// reset forgets what a body left in registers; pinned ones stay.
func (a *asm) reset() {
	n := 16
	if a.isa == AVX512 {
		n = 32
	}
	a.vecs, a.masks = newRegisters(0, n), newRegisters(maskBase, len(maskRegs))
	a.where = map[*Value]vec{}
	a.pinned = map[vec]bool{}
	for _, r := range slices.Sorted(maps.Values(a.hoisted)) {
		a.pin(r)
	}
	clear(a.slots)
	a.reserveTables()
	for i, in := range a.prog.in {
		if a.prog.r.Params[i].Scalar {
			r := a.vecs.take()
			a.pinned[r] = true
			a.where[in] = r
		}
	}
}

// reserveTables takes the registers of what is looked up.
func (a *asm) reserveTables() {
	a.tables = map[*table][2]vec{}
	if a.isa != AVX512 {
		return
	}
	for _, t := range a.prog.tables() {
		halves := [2]vec{a.vecs.take(), a.vecs.take()}
		a.pinned[halves[0]], a.pinned[halves[1]] = true, true
		a.tables[t] = halves
	}
}

// pin takes register r for good.
func (a *asm) pin(r vec) {
	a.pinned[r] = true
	a.vecs.free = slices.DeleteFunc(a.vecs.free, func(v vec) bool { return v == r })
	a.vecs.low = min(a.vecs.low, len(a.vecs.free))
}

// measure translates the body without emitting, and gives the number of
// vector registers that it leaves alone.
func (a *asm) measure() int {
	spilled := len(a.slots)
	a.body(false)
	if len(a.slots) > spilled {
		return 0
	}
	return a.vecs.low
}

// prologue loads the parameters and keeps the most used constants in the
// registers that the body does not need.
func (a *asm) prologue(free int) {
	a.c.Load(a.c.Param("dst"), paramRegs[0])
	for i, p := range a.prog.r.Params {
		if !p.Scalar {
			a.c.Load(a.c.Param(p.Name), paramRegs[i+1])
		}
	}
	a.c.Load(a.c.Param("n"), reg.R9)
	for i, v := range a.popular() {
		if i == free {
			break
		}
		// From the top, where the body's registers, taken from the bottom, do not reach.
		a.hoisted[v.imm] = vec(a.registerCount() - 1 - i)
	}
	a.reset()
	for _, v := range a.popular() {
		if r, ok := a.hoisted[v.imm]; ok {
			a.broadcast(v, r)
		}
	}
	for _, t := range a.prog.tables() {
		for half, r := range a.tables[t] {
			a.do("VMOVUPD", a.pool.table(t, half*a.width()), a.reg(r))
		}
	}
	for i, in := range a.prog.in {
		if p := a.prog.r.Params[i]; p.Scalar {
			a.broadcastParam(p, a.where[in])
		}
	}
}

func (a *asm) registerCount() int {
	if a.isa == AVX512 {
		return 32
	}
	return 16
}

func (a *asm) broadcastParam(p Param, r vec) {
	b, err := a.c.Param(p.Name).Resolve()
	if err != nil {
		panic(err)
	}
	switch a.bits {
	case 32:
		a.do("VBROADCASTSS", b.Addr, a.reg(r))
	case 64:
		a.do("VBROADCASTSD", b.Addr, a.reg(r))
	default:
		a.do("VPBROADCAST"+a.in(), b.Addr, a.reg(r))
	}
}

// popular lists the program's constants, the most used first.
func (a *asm) popular() []*Value {
	var cs []*Value
	for _, v := range a.prog.vals {
		if v.op == OpConst {
			cs = append(cs, v)
		}
	}
	slices.SortStableFunc(cs, func(v, w *Value) int { return cmp.Compare(len(a.uses[w]), len(a.uses[v])) })
	return cs
}

// loop runs the body over whole vectors and, on AVX-512, once more under a mask.
func (a *asm) loop() {
	c, lanes := a.c, a.lanes()
	c.XORL(reg.EAX, reg.EAX)
	c.SUBQ(operand.Imm(uint64(lanes)), reg.R9)
	c.JL(operand.LabelRef("tail"))
	c.Label("loop")
	a.body(false)
	c.ADDQ(operand.Imm(uint64(lanes)), reg.RAX)
	c.CMPQ(reg.RAX, reg.R9)
	c.JLE(operand.LabelRef("loop"))
	c.Label("tail")
	if a.isa == AVX512 && !a.stream {
		a.tail()
	}
	a.epilogue()
}

func (a *asm) tail() {
	c := a.c
	c.ADDQ(operand.Imm(uint64(a.lanes())), reg.R9)
	c.SUBQ(reg.RAX, reg.R9)
	c.JZ(operand.LabelRef("done"))
	c.MOVQ(operand.I32(-1), reg.R10)
	c.BZHIQ(reg.R9, reg.R10, reg.R10)
	c.KMOVQ(reg.R10, reg.K7)
	a.reset()
	a.body(true)
	c.ADDQ(reg.R9, reg.RAX)
	c.Label("done")
}

func (a *asm) epilogue() {
	if a.prog.bail != nil {
		a.c.Label("bail")
		a.c.Store(reg.RAX, a.c.Return("done"))
	}
	if a.stream {
		a.c.SFENCE() // streaming stores are not ordered with what follows
	}
	a.c.VZEROUPPER()
	a.c.RET()
}

// body translates the program once, for a whole vector or under the tail's mask.
func (a *asm) body(masked bool) {
	for i, v := range a.prog.vals {
		a.pos = i
		if v.op == OpInput {
			if p := a.prog.r.Params[v.imm]; !p.Scalar {
				a.load(p.Elem, a.mem(int(v.imm)+1, p.Elem), a.place(v), masked)
			}
		} else {
			a.value(v)
		}
		if v == a.prog.bail {
			a.bailOut(v)
		}
	}
	a.pos = len(a.prog.vals)
	a.store(masked)
	a.release()
}

func (a *asm) mem(param int, e Elem) operand.Mem {
	return operand.Mem{Base: paramRegs[param], Index: reg.RAX, Scale: uint8(e.Size)}
}

// bailOut leaves the loop before anything is stored if a lane of the mask is set.
func (a *asm) bailOut(v *Value) {
	m := a.reg(a.hold(v))
	a.release()
	switch {
	case a.isa == AVX512 && a.bits == 32:
		a.do("KORTESTW", m, m)
	case a.isa == AVX512:
		a.do("KORTESTB", m, m)
	default:
		a.do("VMOVMSK"+a.fp(), m, reg.R10L)
		a.do("TESTL", reg.R10L, reg.R10L)
	}
	a.do("JNZ", operand.LabelRef("bail"))
}
