package fft

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
)

// allocator emits a scheduled program with physical registers. When they run
// out it gives up the value whose next use is farthest (Belady 1966): loads are
// loaded again, others are spilled to the stack frame.
type allocator struct {
	*target
	free  []int
	live  map[int]*value // by register
	slots []int          // free spill slots
	made  int            // spill slots made
	now   int
}

// emit writes the program with the registers in regs.
func (t *target) emit(p *program, regs []int) {
	p.schedule()
	if t.avx512 {
		p.balance()
	}
	a := &allocator{target: t, free: append([]int(nil), regs...), live: map[int]*value{}}
	for i, v := range p.code {
		a.now = i
		a.step(v)
	}
	t.AllocLocal(max(1, a.made)*t.bytes() + 64)
}

func (a *allocator) step(v *value) {
	for _, o := range v.operands() {
		a.ensure(o, v)
	}
	switch v.kind {
	case load:
		a.take(v, v)
		a.load(v)
	case store:
		a.ins(v.name, v.exact, "", a.op(v.a), *v.mem)
		a.retire(v)
	case binary:
		src := []operand.Op{a.second(v), a.op(v.a)}
		a.retire(v)
		a.take(v, v)
		a.binary(v, append(src, a.op(v)))
	case fused:
		a.fused(v)
	case viaOne:
		a.viaOne(v)
	}
	if v.kind != store && len(v.uses) == 0 {
		a.release(v)
	}
}

// second is the operand that may lie in memory.
func (a *allocator) second(v *value) operand.Op {
	if v.mem != nil {
		return *v.mem
	}
	return a.op(v.b)
}

func (a *allocator) binary(v *value, ops []operand.Op) {
	if v.imm >= 0 {
		ops = append([]operand.Op{operand.U8(v.imm)}, ops...)
	}
	a.ins(v.name, v.exact, suffix(v), ops...)
}

func suffix(v *value) string {
	if v.bcst {
		return "_BCST"
	}
	return ""
}

// fused emits a multiply-add in the form whose overwritten operand is not
// needed any more.
func (a *allocator) fused(v *value) {
	b := a.second(v)
	switch {
	case a.dies(v.c) && v.c != v.a && v.c != v.b:
		x := a.op(v.a)
		a.inherit(v, v.c)
		a.ins(v.name+"231", false, suffix(v), b, x, a.op(v))
	case a.dies(v.a) && v.a != v.b && v.a != v.c:
		c := a.op(v.c)
		a.inherit(v, v.a)
		a.ins(v.name+"132", false, suffix(v), b, c, a.op(v))
	case v.b != nil && a.dies(v.b) && v.b != v.a && v.b != v.c:
		c, x := a.op(v.c), a.op(v.a)
		a.inherit(v, v.b)
		a.ins(v.name+"132", false, "", x, c, a.op(v))
	default:
		x := a.op(v.a)
		a.inherit(v, v.c)
		a.ins(v.name+"231", false, suffix(v), b, x, a.op(v))
	}
}

// viaOne emits a+b (a-b) as a multiply-add by one that overwrites an operand.
func (a *allocator) viaOne(v *value) {
	name := map[string]string{"VADD": "VFMADD", "VSUB": "VFNMADD"}[v.name]
	one := a.vec(regOne)
	if a.dies(v.a) {
		b := a.op(v.b)
		a.inherit(v, v.a)
		a.ins(name+"231", false, "", b, one, a.op(v))
		return
	}
	x := a.op(v.a)
	a.inherit(v, v.b)
	a.ins(name+"213", false, "", x, one, a.op(v))
}

// inherit gives v the register of its operand o: o's own if nobody needs it
// any more, else a copy.
func (a *allocator) inherit(v, o *value) {
	if a.dies(o) {
		r := o.reg
		a.retire(v)
		for i, f := range a.free {
			if f == r {
				a.free = append(a.free[:i], a.free[i+1:]...)
				break
			}
		}
		v.reg = r
		a.live[r] = v
		return
	}
	from := a.op(o)
	a.take(v, v)
	a.ins("VMOVAPS", true, "", from, a.op(v))
	a.retire(v)
}

// dies tells whether the current operation is o's last use.
func (a *allocator) dies(o *value) bool { return len(o.uses) > 0 && o.uses[len(o.uses)-1] == a.now }

// retire frees the registers of operands that are used for the last time.
func (a *allocator) retire(v *value) {
	for _, o := range v.operands() {
		if a.dies(o) {
			a.release(o)
		}
	}
}

func (a *allocator) release(v *value) {
	if v.reg >= 0 {
		delete(a.live, v.reg)
		a.free = append(a.free, v.reg)
		v.reg = -1
	}
	if v.slot >= 0 {
		a.slots = append(a.slots, v.slot)
		v.slot = -1
	}
}

// ensure brings o into a register, keeping the operands of user.
func (a *allocator) ensure(o, user *value) {
	if o.reg >= 0 {
		return
	}
	a.take(o, user)
	if o.reloads() {
		a.load(o)
		return
	}
	a.ins("VMOVUPS", true, "", a.spillSlot(o.slot), a.op(o))
}

// take finds a register for v, if need be by giving up one that user does not
// read.
func (a *allocator) take(v, user *value) {
	if len(a.free) == 0 {
		a.evict(user)
	}
	v.reg = a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	a.live[v.reg] = v
}

// reloads tells whether v can be loaded again instead of spilled.
func (v *value) reloads() bool { return v.kind == load && !v.input }

func (a *allocator) evict(user *value) {
	var victim *value
	far := -1
	for r := range 32 { // by number, so that the output does not vary
		v := a.live[r]
		if v == nil || v == user.a || v == user.b || v == user.c {
			continue
		}
		next := math.MaxInt
		for _, u := range v.uses {
			if u > a.now {
				next = u
				break
			}
		}
		if v.reloads() { // cheaper to give up
			next += 2
		}
		if next > far {
			victim, far = v, next
		}
	}
	if !victim.reloads() && victim.slot < 0 {
		victim.slot = a.newSlot()
		a.ins("VMOVUPS", true, "", a.op(victim), a.spillSlot(victim.slot))
	}
	delete(a.live, victim.reg)
	a.free = append(a.free, victim.reg)
	victim.reg = -1
}

func (a *allocator) newSlot() int {
	if n := len(a.slots); n > 0 {
		s := a.slots[n-1]
		a.slots = a.slots[:n-1]
		return s
	}
	a.made++
	return a.made - 1
}

func (a *allocator) op(v *value) operand.Op { return a.vec(v.reg) }

// load emits a load.
func (a *allocator) load(v *value) {
	a.ins(v.name, v.exact, "", *v.mem, a.op(v))
}
