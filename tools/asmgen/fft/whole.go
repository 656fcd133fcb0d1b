package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// wholeSecond are the second factors of the transforms of 16·n2 points that
// are one routine each, where a row of 16 numbers is one vector.
var wholeSecond = []int{16, 32}

// wholes are the second factors that the target has routines for.
func (t *target) wholes() []int {
	if t.lanes() != fusedRadix {
		return nil
	}
	return wholeSecond
}

// wholeName is the function's name.
func (t *target) wholeName(n2 int, in layout) string {
	return fmt.Sprintf("fftWhole%d%s%s", fusedRadix*n2, map[layout]string{swapped: "Swapped"}[in], t.suffix())
}

// whole makes a two-step transform of 16·n2 points in one routine, for which
// the calls and the way through memory between the sweeps would cost a quarter
// of the time. The lanes are 16. With n2 = 16 nothing leaves the registers but
// what they cannot hold; else the first sweep goes to s.
func (t *target) whole(n2 int, in layout) {
	name := t.wholeName(n2, in)
	t.Function(name)
	t.Doc(fmt.Sprintf("%s transforms %d points; its twin is fftWholeGo.", name, fusedRadix*n2))
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dst, src, t, s, scale *%s)", t.typeName()))
	t.alignFrame(0)
	t.MOVQ(t.arg("src"), reg.RSI)
	t.MOVQ(t.arg("dst"), reg.RDI)
	t.MOVQ(t.arg("t"), twiddle)
	t.MOVQ(t.arg("scale"), reg.R8)
	t.loadOne()
	regs := t.loadIndex(in, planar)
	out := layout(interleaved)
	if in == swapped {
		out = swapped
	}
	if n2 == fusedRadix {
		t.indexAt = 2
		t.loadIndex(planar, out)
		t.prog = &program{}
		re, im := t.wholeColumns(in, n2)
		t.wholeRows(out, re, im)
		t.emit(t.prog, regs[2:])
		t.indexAt = 0
		t.end()
		return
	}
	t.MOVQ(t.arg("s"), reg.R9)
	t.MOVQ(operand.U32(n2/fusedRadix), count)
	t.Label("vectors")
	t.prog = &program{}
	re, im := t.wholeColumns(in, n2)
	for j := range re {
		t.store(operand.Mem{Base: reg.R9, Disp: 2 * j * t.bytes()}, re[j])
		t.store(operand.Mem{Base: reg.R9, Disp: (2*j + 1) * t.bytes()}, im[j])
	}
	t.emit(t.prog, regs)
	t.ADDQ(operand.I32(2*t.bytes()), reg.RSI)
	t.ADDQ(operand.I32(fusedRadix*2*t.bytes()), reg.R9)
	t.ADDQ(operand.I32(fusedRadix*2*t.bytes()), twiddle)
	t.DECQ(count)
	t.JNE(operand.LabelRef("vectors"))

	t.MOVQ(t.arg("s"), reg.R9)
	regs = t.loadIndex(planar, out)
	t.prog = &program{}
	re, im = make([]*value, n2), make([]*value, n2)
	for j := range n2 {
		re[j] = t.load(operand.Mem{Base: reg.R9, Disp: 2 * j * t.bytes()})
		im[j] = t.load(operand.Mem{Base: reg.R9, Disp: (2*j + 1) * t.bytes()})
	}
	t.wholeRows(out, re, im)
	t.emit(t.prog, regs)
	t.end()
}

// wholeColumns transforms a vector of columns of 16 rows of n2 numbers, turns
// and transposes them: row j2 of the result is of column j2.
func (t *target) wholeColumns(in layout, n2 int) (re, im []*value) {
	n := t.bytes()
	x := make([]pair, fusedRadix)
	for k := range x {
		x[k] = t.loadPair(in, func(disp int) operand.Mem { return operand.Mem{Base: reg.RSI, Disp: k*2*n2*t.size + disp} })
	}
	re, im = make([]*value, fusedRadix), make([]*value, fusedRadix)
	for j, y := range t.dft(x) {
		if j > 0 {
			c, s := operand.Mem{Base: twiddle, Disp: j * 2 * n}, operand.Mem{Base: twiddle, Disp: (2*j + 1) * n}
			y = t.times(y, factor{mem: &c}, factor{mem: &s})
		}
		re[j], im[j] = y.re, y.im
	}
	return t.transposed(re), t.transposed(im)
}

// wholeRows transforms rows of 16 lanes and stores them, one behind the other.
func (t *target) wholeRows(out layout, re, im []*value) {
	x := make([]pair, len(re))
	for j := range x {
		x[j] = pair{re[j], im[j]}
	}
	for j, y := range t.dft(x) {
		if out == swapped {
			scale := t.number(operand.Mem{Base: reg.R8})
			y = pair{t.mul(y.re, scale), t.mul(y.im, scale)}
		}
		t.storePair(out, y, func(disp int) operand.Mem { return operand.Mem{Base: reg.RDI, Disp: 2*j*t.bytes() + disp} })
	}
}
