package mathfn

import (
	"fmt"
	"slices"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A program is straight-line code, so allocation is one forward pass: a value
// takes a free register where it is made and gives it back at its last use.
// When none is free the value used furthest in the future goes to the stack
// (Belady's rule, optimal for straight-line code).

var vectorRegs = [32]reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
	reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
	reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// maskRegs leaves out K0, which means "no mask", and K7, the tail's mask.
var maskRegs = [6]reg.Register{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6}

// vec is the number of a vector register, or a mask register plus maskBase.
type vec int

const (
	none     vec = -1
	maskBase vec = 100
)

// registers tracks what is free, for one kind of register.
type registers struct {
	free []vec
	low  int // fewest free so far
}

func newRegisters(first vec, n int) *registers {
	r := &registers{low: n}
	for i := range n {
		r.free = append(r.free, first+vec(n-1-i))
	}
	return r
}

func (r *registers) take() vec {
	n := len(r.free) - 1
	if n < 0 {
		return none
	}
	v := r.free[n]
	r.free = r.free[:n]
	r.low = min(r.low, n)
	return v
}

func (r *registers) give(v vec) { r.free = append(r.free, v) }

// root follows casts to the value whose register holds the bits.
func root(v *Value) *Value {
	for v.op == OpCast {
		v = v.args[0]
	}
	return v
}

// usesOf lists, for every value, the positions at which it is read.
func usesOf(p *Program) map[*Value][]int {
	uses := map[*Value][]int{}
	for i, v := range p.vals {
		if v.op == OpCast {
			continue
		}
		for _, a := range v.args {
			uses[root(a)] = append(uses[root(a)], i)
		}
	}
	for i, v := range p.vals {
		if v == p.bail { // tested where it is made
			uses[v] = append(uses[v], i)
		}
	}
	uses[root(p.out)] = append(uses[root(p.out)], len(p.vals))
	return uses
}

// isMask tells whether v lives in a mask register.
func (a *asm) isMask(v *Value) bool { return v.kind == Mask && a.isa == AVX512 }

func (a *asm) bank(v *Value) *registers {
	if a.isMask(v) {
		return a.masks
	}
	return a.vecs
}

// place gives v, made at the current position, a register.
func (a *asm) place(v *Value) vec {
	r := a.alloc(a.bank(v))
	a.where[v] = r
	return r
}

func (a *asm) alloc(bank *registers) vec {
	if r := bank.take(); r != none {
		return r
	}
	if bank == a.masks {
		panic(a.name + ": out of mask registers")
	}
	a.spill()
	return bank.take()
}

// spill sends the value used furthest ahead to the stack.
func (a *asm) spill() {
	var victim *Value
	furthest := -1
	for _, v := range a.prog.vals {
		r, ok := a.where[v]
		if !ok || a.isMask(v) || slices.Contains(a.held, v) || a.pinned[r] {
			continue
		}
		if next := a.nextUse(v); next > furthest {
			victim, furthest = v, next
		}
	}
	if victim == nil {
		panic(a.name + ": nothing to spill")
	}
	if _, saved := a.slots[victim]; !saved {
		a.slots[victim] = a.slot()
		a.do("VMOVUPS", a.reg(a.where[victim]), a.slots[victim])
	}
	a.vecs.give(a.where[victim])
	delete(a.where, victim)
}

// slot is a place on the stack for one vector.
func (a *asm) slot() operand.Mem {
	i := len(a.slots)
	if i == len(a.frame) && !a.dry {
		a.frame = append(a.frame, a.c.AllocLocal(a.width()))
	}
	if a.dry {
		return operand.Mem{Base: reg.StackPointer}
	}
	return a.frame[i]
}

func (a *asm) nextUse(v *Value) int {
	for _, u := range a.uses[v] {
		if u >= a.pos {
			return u
		}
	}
	return -1
}

// hold gives the register of v for the current instruction, reloading it if it
// was spilled or, for a constant, from the pool.
func (a *asm) hold(v *Value) vec {
	v = root(v)
	a.held = append(a.held, v)
	if r, ok := a.where[v]; ok {
		return r
	}
	if v.op == OpConst {
		if r, ok := a.hoisted[v.imm]; ok {
			return r
		}
		r := a.alloc(a.vecs)
		a.temps = append(a.temps, r)
		a.broadcast(v, r)
		return r
	}
	slot, ok := a.slots[v]
	if !ok {
		panic(fmt.Sprintf("%s: value %d used before it is made", a.name, v.id))
	}
	r := a.alloc(a.vecs)
	a.where[v] = r
	a.do("VMOVUPS", slot, a.reg(r))
	return r
}

// release frees what the current instruction was the last to read.
func (a *asm) release() {
	for _, v := range a.held {
		r, ok := a.where[v]
		if !ok || a.pinned[r] || a.nextUseAfter(v) {
			continue
		}
		a.bank(v).give(r)
		delete(a.where, v)
	}
	for _, r := range a.temps {
		a.vecs.give(r)
	}
	a.held, a.temps = a.held[:0], a.temps[:0]
}

func (a *asm) nextUseAfter(v *Value) bool {
	for _, u := range a.uses[v] {
		if u > a.pos {
			return true
		}
	}
	return false
}

// dies tells whether the current instruction is v's last reader and v's
// register may be overwritten.
func (a *asm) dies(v *Value) bool {
	v = root(v)
	r, ok := a.where[v]
	return ok && v.op != OpConst && !a.pinned[r] && !a.nextUseAfter(v)
}

// constOperand gives v as an operand in memory if it is a constant that is not
// in a register; suffix is what the mnemonic then needs.
func (a *asm) constOperand(v *Value) (op operand.Op, suffix string, ok bool) {
	v = root(v)
	if v.op != OpConst {
		return nil, "", false
	}
	if _, hoisted := a.hoisted[v.imm]; hoisted || a.bits < 32 {
		return nil, "", false
	}
	if a.isa == AVX512 {
		suffix = "_BCST"
	}
	return a.pool.addr(constant{a.bits, v.imm}), suffix, true
}
