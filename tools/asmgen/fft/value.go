package fft

import (
	"slices"

	"github.com/mmcloughlin/avo/operand"
)

// kind says how a value comes about.
type kind uint8

const (
	load    kind = iota // from memory: can be loaded again instead of spilled
	binary              // a op b
	fused               // ±a·b ± c
	store               // to memory; no value
	viaOne              // an addition done by a multiply-add unit
	negated             // minus a; never emitted: additions take the sign away
)

// timing says where the schedule places a value.
type timing uint8

const (
	asWritten timing = iota
	late             // before its first use; so are loads
	soon             // when its operands are there
)

// value is one vector operation of a straight-line program.
type value struct {
	kind    kind
	name    string // mnemonic without the precision suffix, if typed
	exact   bool   // name is the whole mnemonic
	a, b, c *value // operands
	mem     *operand.Mem
	bcst    bool // mem is one number, broadcast
	when    timing
	input   bool // a load of what the stores may overwrite
	imm     int  // immediate, or -1

	// allocation
	uses []int // places in the program that read it, in order
	reg  int   // vector register, or -1
	slot int   // spill slot, or -1
}

// program is a list of operations in the order of emission, after [trace] made
// them. Loads are emitted where they are first needed.
type program struct {
	code []*value
	when timing // of what is added
}

func (p *program) add(v *value) *value {
	v.reg, v.slot, v.when = -1, -1, p.when
	if v.kind == load {
		v.when = late
	}
	p.code = append(p.code, v)
	return v
}

// schedule drops what no store needs, places loads, and what is late, before
// their first use, and numbers the uses.
func (p *program) schedule() {
	needed := map[*value]bool{}
	var mark func(v *value)
	mark = func(v *value) {
		if v == nil || needed[v] {
			return
		}
		needed[v] = true
		mark(v.a)
		mark(v.b)
		mark(v.c)
	}
	for _, v := range p.code {
		if v.kind == store {
			mark(v)
		}
	}
	out := p.order(needed)
	p.code = out
	first := slices.IndexFunc(out, func(v *value) bool { return v.kind == store })
	for i, v := range out {
		for _, o := range v.operands() {
			o.uses = append(o.uses, i)
		}
	}
	// A pass may run in place: what is read after the first store must have
	// been loaded before it.
	for _, v := range out {
		v.input = v.input && v.uses[len(v.uses)-1] > first
	}
}

// order places the needed values by their timing.
func (p *program) order(needed map[*value]bool) (out []*value) {
	users := map[*value][]*value{}
	for _, v := range p.code {
		for _, o := range v.operands() {
			if needed[v] && v.when == soon {
				users[o] = append(users[o], v)
			}
		}
	}
	begun, done := map[*value]bool{}, map[*value]bool{}
	ready := func(v *value) bool {
		return !slices.ContainsFunc(v.operands(), func(o *value) bool { return !done[o] && o.kind != load })
	}
	var place func(v *value)
	place = func(v *value) {
		if begun[v] {
			return
		}
		begun[v] = true
		for _, o := range v.operands() {
			place(o)
		}
		out = append(out, v)
		done[v] = true
		for _, u := range users[v] {
			if ready(u) {
				place(u)
			}
		}
	}
	for _, when := range []timing{asWritten, soon} {
		for _, v := range p.code {
			if needed[v] && v.when == when {
				place(v)
			}
		}
	}
	return out
}

// operands are the values that v reads, each once.
func (v *value) operands() []*value {
	var out []*value
	for _, o := range []*value{v.a, v.b, v.c} {
		if o == nil || len(out) > 0 && out[0] == o || len(out) > 1 && out[1] == o {
			continue
		}
		out = append(out, o)
	}
	return out
}

// window is how many operations balance looks back: about what the processor
// holds ready to execute.
const window = 8

// balance turns additions into multiply-adds by one, which give the same bits,
// where additions are in the majority: processors have separate units for the
// two (AMD) or the same (Intel). It takes additions with an operand that is not
// needed any more. A surplus far back does not count: the units would have been
// idle by now.
func (p *program) balance() {
	surplus := 0 // of additions over multiply-adds
	for i, v := range p.code {
		last := func(o *value) bool { return o.uses[len(o.uses)-1] == i }
		switch {
		case v.kind == fused || v.kind == binary && v.name == "VMUL":
			surplus--
		case v.kind != binary || v.name != "VADD" && v.name != "VSUB":
		case surplus > 0 && v.a != v.b && (last(v.a) || last(v.b)):
			v.kind = viaOne
			surplus--
		default:
			surplus++
		}
		surplus = max(min(surplus, window), -window)
	}
}
