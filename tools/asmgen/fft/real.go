package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// realPass makes the pass that takes the transform of packed real points apart
// (or puts it together): vectors of numbers from one end meet those from the
// other, whose lanes are reversed.
func (t *target) realPass(unpack bool) {
	name := map[bool]string{true: "fftUnpack", false: "fftPack"}[unpack] + t.suffix()
	t.Function(name)
	t.Doc(fmt.Sprintf("%s does n vectors of each end; its twin is %sGo.", name, name[:len(name)-len(t.suffix())]))
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dstA, dstB, srcA, srcB, tw *%s, n int)", t.typeName()))
	t.alignFrame(0)
	dstA, dstB, srcA, srcB := reg.RDI, reg.R8, reg.RSI, reg.R9
	for _, p := range []struct {
		name string
		to   reg.GPPhysical
	}{{"dstA", dstA}, {"dstB", dstB}, {"srcA", srcA}, {"srcB", srcB}, {"tw", twiddle}, {"n", count}} {
		t.MOVQ(t.arg(p.name), p.to)
	}
	t.loadOne()
	regs := t.registers()
	at := func(base reg.GPPhysical) func(disp int) operand.Mem {
		return func(disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }
	}
	t.Label("vectors")
	t.ahead(srcA, 1)
	t.ahead(srcB, -1)
	t.ahead(twiddle, 1)
	t.prog = &program{}
	a, b, w := t.loadPair(interleaved, at(srcA)), t.reversed(t.loadPair(interleaved, at(srcB))), t.loadPair(interleaved, at(twiddle))
	if unpack {
		a, b = t.unpacked(a, b, w)
	} else {
		a, b = t.packed(a, b, w)
	}
	t.storePair(interleaved, a, at(dstA))
	t.storePair(interleaved, t.reversed(b), at(dstB))
	t.emit(t.prog, regs)
	for _, p := range []reg.GPPhysical{dstA, srcA, twiddle} {
		t.ADDQ(operand.I32(2*t.bytes()), p)
	}
	for _, p := range []reg.GPPhysical{dstB, srcB} {
		t.SUBQ(operand.I32(2*t.bytes()), p)
	}
	t.DECQ(count)
	t.JNE(operand.LabelRef("vectors"))
	t.end()
}

// ahead asks for what a loop reads 16 lines of the cache later, upwards or
// downwards. The processor's own prefetchers end at each page.
func (t *target) ahead(base reg.GPPhysical, way int) {
	if !t.avx512 { // not measured there
		t.PREFETCHT0(operand.Mem{Base: base, Disp: way * 16 * 64})
	}
}

// unpacked is outputs k and h-k from those of the packed transform.
func (t *target) unpacked(a, b, w pair) (pair, pair) {
	half := func(v *value) *value { return t.mul(v, t.real(0.5)) }
	e := pair{half(t.add(a.re, b.re)), half(t.sub(a.im, b.im))}
	o := pair{half(t.add(a.im, b.im)), half(t.sub(b.re, a.re))}
	o = t.times(o, factor{reg: w.re}, factor{reg: w.im})
	return t.sum(e, o), pair{t.sub(e.re, o.re), t.sub(o.im, e.im)}
}

// packed undoes unpacked, times 2.
func (t *target) packed(a, b, w pair) (pair, pair) {
	e, d := pair{t.add(a.re, b.re), t.sub(a.im, b.im)}, pair{t.sub(a.re, b.re), t.add(a.im, b.im)}
	c, s := factor{reg: w.re}, factor{reg: w.im}
	o := pair{t.madd(d.im, s, t.mul(d.re, c), false), t.madd(d.re, s, t.mul(d.im, c), true)} // times the conjugate
	return pair{t.sub(e.re, o.im), t.add(e.im, o.re)}, pair{t.add(e.re, o.im), t.sub(o.re, e.im)}
}

// reversed turns the order of the lanes around.
func (t *target) reversed(x pair) pair {
	turn := func(v *value) *value {
		parts, in := "VPERM2F128", 0x01
		if t.avx512 {
			parts, in = map[int]string{4: "VSHUFF32X4", 8: "VSHUFF64X2"}[t.size], 0x1b
		}
		v = t.shuffle(parts, in, v, v)
		if t.size == 4 {
			return t.shuffle("VSHUFPS", 0x1b, v, v)
		}
		return t.shuffle("VSHUFPD", 0x55>>(8-t.lanes()), v, v)
	}
	return pair{turn(x.re), turn(x.im)}
}
