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
	perm                // a two-table permutation, which overwrites its first table
	store               // to memory; no value
	viaOne              // an addition done by a multiply-add unit
	negated             // minus a; never emitted: additions take the sign away
)

// value is one vector operation of a straight-line program.
type value struct {
	kind    kind
	name    string // mnemonic without the precision suffix, if typed
	exact   bool   // name is the whole mnemonic
	a, b, c *value // operands
	mem     *operand.Mem
	bcst    bool       // mem is one number, broadcast
	half    bool       // a load of 16 bytes
	input   bool       // a load of what the stores may overwrite
	imm     int        // immediate, or -1
	index   operand.Op // index register of a permutation

	// allocation
	uses []int // places in the program that read it, in order
	reg  int   // vector register, or -1
	slot int   // spill slot, or -1
}

// program is a list of operations in the order of emission, after [trace] made
// them. Loads are emitted where they are first needed.
type program struct {
	code []*value
}

func (p *program) add(v *value) *value {
	v.reg, v.slot = -1, -1
	p.code = append(p.code, v)
	return v
}

// schedule drops what no store needs, places each load before its first use,
// and numbers the uses.
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
	var out []*value
	placed := map[*value]bool{}
	place := func(v *value) {
		if v != nil && v.kind == load && !placed[v] {
			placed[v] = true
			out = append(out, v)
		}
	}
	for _, v := range p.code {
		if !needed[v] || v.kind == load {
			continue
		}
		place(v.a)
		place(v.b)
		place(v.c)
		out = append(out, v)
	}
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

// balance turns additions into multiply-adds by one, which give the same bits,
// until both are as many: processors have separate units for the two (AMD) or
// the same (Intel). It takes additions with an operand that is not needed any
// more, evenly.
func (p *program) balance() {
	adds, muls := 0, 0
	var able []*value
	for i, v := range p.code {
		switch {
		case v.kind == fused || v.kind == binary && v.name == "VMUL":
			muls++
		case v.kind == binary && (v.name == "VADD" || v.name == "VSUB"):
			adds++
			last := func(o *value) bool { return o.uses[len(o.uses)-1] == i }
			if v.a != v.b && (last(v.a) || last(v.b)) {
				able = append(able, v)
			}
		}
	}
	quota := min((adds-muls)/2, len(able))
	for i, v := range able {
		if quota > 0 && (i+1)*quota/len(able) > i*quota/len(able) {
			v.kind = viaOne
		}
	}
}
