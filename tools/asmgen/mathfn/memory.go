package mathfn

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// load reads a vector of e, widened or converted to the lane's type.
func (a *asm) load(e Elem, m operand.Mem, r vec, masked bool) {
	name := a.loadName(e)
	if masked {
		a.do(name+"_Z", m, reg.K7, a.reg(r))
		return
	}
	a.do(name, m, a.reg(r))
}

func (a *asm) loadName(e Elem) string {
	switch {
	case e.Size*8 == a.bits:
		return a.plainMove()
	case e == F16 && a.bits == 32:
		return "VCVTPH2PS"
	case e == F32 && a.bits == 64:
		return "VCVTPS2PD"
	}
	extend := "VPMOVZX"
	if e == I8 || e == I16 || e == I32 {
		extend = "VPMOVSX"
	}
	return extend + map[int]string{1: "B", 2: "W", 4: "D"}[e.Size] + a.in()
}

func (a *asm) plainMove() string {
	switch {
	case a.bits >= 32:
		return "VMOVU" + a.fp()
	case a.isa == AVX2:
		return "VMOVDQU"
	}
	return fmt.Sprintf("VMOVDQU%d", a.bits)
}

// store writes the program's result.
func (a *asm) store(masked bool) {
	e := a.prog.r.Dst
	r := a.hold(a.prog.out)
	m := a.mem(0, e)
	switch {
	case a.prog.out.kind == Mask && a.isa == AVX512:
		a.storeBools512(r, m, masked)
	case a.prog.out.kind == Mask:
		a.storeBools256(r, m)
	case e.Size*8 == a.bits && masked:
		a.do(a.plainMove(), a.reg(r), reg.K7, m)
	case e.Size*8 == a.bits && a.stream:
		a.do("VMOVNTPS", a.reg(r), m)
	case e.Size*8 == a.bits:
		a.do(a.plainMove(), a.reg(r), m)
	case a.isa == AVX512:
		a.narrow512(e, r, m, masked)
	default:
		a.narrow256(e, r, m)
	}
}

// narrow512 converts or truncates to a smaller type in a register, then stores that.
func (a *asm) narrow512(e Elem, r vec, m operand.Mem, masked bool) {
	t := a.alloc(a.vecs)
	a.temps = append(a.temps, t)
	size := e.Size * a.lanes()
	small := sized(t, size)
	switch {
	case e == F16:
		a.do("VCVTPS2PH", operand.U8(0), z(r), small)
	case e == F32:
		a.do("VCVTPD2PS", z(r), small)
	default:
		a.do("VPMOV"+a.in()+map[int]string{1: "B", 2: "W", 4: "D"}[e.Size], z(r), small)
	}
	a.storeSized(t, size, e, m, masked)
}

// storeSized stores the low size bytes of a register.
func (a *asm) storeSized(t vec, size int, e Elem, m operand.Mem, masked bool) {
	switch {
	case masked:
		a.do(fmt.Sprintf("VMOVDQU%d", e.Size*8), sized(t, size), reg.K7, m)
	case size == 8:
		a.do("VMOVQ", x(t), m)
	case size == 4:
		a.do("VMOVD", x(t), m)
	case a.stream:
		a.do("VMOVNTPS", sized(t, size), m)
	default:
		a.do("VMOVUPS", sized(t, size), m)
	}
}

// sized is the register at the width that holds n bytes.
func sized(r vec, n int) reg.Register {
	switch {
	case n > 32:
		return z(r)
	case n > 16:
		return y(r)
	}
	return x(r)
}

func (a *asm) storeBools512(k vec, m operand.Mem, masked bool) {
	t := a.alloc(a.vecs)
	a.temps = append(a.temps, t)
	n := a.lanes()
	ones := a.pool.addr(constant{8, 1})
	if n > 32 {
		a.do("VPBROADCASTB_Z", ones, a.reg(k), z(t))
	} else {
		a.do("VMOVDQU8_Z", ones, a.reg(k), sized(t, n))
	}
	a.storeSized(t, n, Bool, m, masked)
}

// storeBools256 packs lanes of all ones or zeros into bytes of one or zero.
func (a *asm) storeBools256(r vec, m operand.Mem) {
	t := a.packHalves(r)
	switch a.bits {
	case 32:
		a.do("VPACKSSDW", x(t[1]), x(t[0]), x(t[0]))
		a.do("VPACKSSWB", x(t[0]), x(t[0]), x(t[0]))
	case 64:
		a.do("VSHUFPS", operand.U8(0x88), x(t[1]), x(t[0]), x(t[0]))
		a.do("VPACKSSDW", x(t[0]), x(t[0]), x(t[0]))
		a.do("VPACKSSWB", x(t[0]), x(t[0]), x(t[0]))
	default:
		panic(a.name + ": no bools from narrow lanes")
	}
	a.do("VPAND", a.pool.addr(constant{8, 1}), x(t[0]), x(t[0]))
	a.storeSized(t[0], a.lanes(), Bool, m, false)
}

// packHalves copies the halves of r to two scratch registers.
func (a *asm) packHalves(r vec) [2]vec {
	t := [2]vec{a.alloc(a.vecs), a.alloc(a.vecs)}
	a.temps = append(a.temps, t[:]...)
	a.do("VMOVDQA", x(r), x(t[0]))
	a.do("VEXTRACTI128", operand.U8(1), y(r), x(t[1]))
	return t
}

// narrow256 converts or truncates to a smaller type.
func (a *asm) narrow256(e Elem, r vec, m operand.Mem) {
	size := e.Size * a.lanes()
	switch {
	case e == F16:
		a.do("VCVTPS2PH", operand.U8(0), y(r), m)
		return
	case e == F32:
		t := a.alloc(a.vecs)
		a.temps = append(a.temps, t)
		a.do("VCVTPD2PSY", y(r), x(t))
		a.storeSized(t, size, e, m, false)
		return
	}
	t := a.packHalves(r)
	if a.bits == 64 {
		a.do("VSHUFPS", operand.U8(0x88), x(t[1]), x(t[0]), x(t[0]))
		if e.Size != 4 {
			panic(a.name + ": no such narrowing")
		}
		a.storeSized(t[0], size, e, m, false)
		return
	}
	keep := a.pool.addr(constant{32, 1<<(8*e.Size) - 1})
	a.do("VPAND", keep, x(t[0]), x(t[0]))
	a.do("VPAND", keep, x(t[1]), x(t[1]))
	a.do("VPACKUSDW", x(t[1]), x(t[0]), x(t[0]))
	if e.Size == 1 {
		a.do("VPACKUSWB", x(t[0]), x(t[0]), x(t[0]))
	}
	a.storeSized(t[0], size, e, m, false)
}
