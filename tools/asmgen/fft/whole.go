package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// wholes are the second factors of the transforms of 16·n2 points that are one
// routine each of planar arithmetic; AVX2 has packed ones.
func (t *target) wholes() []int {
	if t.avx512 {
		return []int{16, 32}
	}
	return nil
}

// wholeName is the function's name.
func (t *target) wholeName(n2 int, in layout) string {
	return fmt.Sprintf("fftWhole%d%s%s", fusedRadix*n2, map[layout]string{swapped: "Swapped"}[in], t.suffix())
}

// wholeBegin begins a routine of n points.
func (t *target) wholeBegin(name, twin string, n int) {
	t.Function(name)
	t.Doc(fmt.Sprintf("%s transforms %d points; its twin is %s.", name, n, twin))
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dst, src, t, s, scale *%s)", t.typeName()))
	t.alignFrame(0)
	t.MOVQ(t.arg("src"), reg.RSI)
	t.MOVQ(t.arg("dst"), reg.RDI)
	t.MOVQ(t.arg("t"), twiddle)
	t.MOVQ(t.arg("scale"), reg.R8)
}

// whole makes a two-step transform of 16·n2 points in one routine, for which
// the calls between the sweeps would cost a fifth of the time. Where n2 and the
// lanes are 16, nothing leaves the registers but what they cannot hold; else the
// first sweep goes to s.
func (t *target) whole(n2 int, in layout) {
	t.wholeBegin(t.wholeName(n2, in), "fftWholeGo", fusedRadix*n2)
	t.loadOne()
	out := layout(interleaved)
	if in == swapped {
		out = swapped
	}
	if n2 == t.lanes() && n2 == fusedRadix {
		t.prog = &program{}
		re, im := t.wholeColumns(in, n2)
		t.wholeRows(out, re, im)
		t.emit(t.prog, t.registers())
	} else {
		t.wholeSweeps(n2, in, out)
	}
	t.end()
}

// wholeSweeps makes the sweeps by way of s, whose row j2 has the 16 outputs of
// column j2.
func (t *target) wholeSweeps(n2 int, in, out layout) {
	n, rowBytes := t.bytes(), 2*fusedRadix*t.size
	t.MOVQ(t.arg("s"), reg.R9)
	t.loop("columns", n2/t.lanes(), func() {
		re, im := t.wholeColumns(in, n2)
		for i, v := range re {
			at := i%t.lanes()*rowBytes + i/t.lanes()*2*n
			t.store(operand.Mem{Base: reg.R9, Disp: at}, v)
			t.store(operand.Mem{Base: reg.R9, Disp: at + n}, im[i])
		}
	}, advance{reg.RSI, 2 * n}, advance{reg.R9, t.lanes() * rowBytes}, advance{twiddle, fusedRadix * 2 * n})
	t.MOVQ(t.arg("s"), reg.R9)
	t.loop("rows", fusedRadix/t.lanes(), func() {
		re, im := make([]*value, n2), make([]*value, n2)
		for j := range n2 {
			re[j] = t.load(operand.Mem{Base: reg.R9, Disp: j * rowBytes})
			im[j] = t.load(operand.Mem{Base: reg.R9, Disp: j*rowBytes + n})
		}
		t.wholeRows(out, re, im)
	}, advance{reg.R9, 2 * n}, advance{reg.RDI, 2 * n})
}

// advance is what is added to a pointer after each turn of a loop.
type advance struct {
	pointer reg.GPPhysical
	bytes   int
}

// loop emits the program that body traces, to run n times.
func (t *target) loop(label string, n int, body func(), steps ...advance) {
	if n > 1 {
		t.MOVQ(operand.U32(n), count)
		t.Label(label)
	}
	t.prog = &program{}
	body()
	t.emit(t.prog, t.registers())
	if n == 1 {
		return
	}
	for _, s := range steps {
		t.ADDQ(operand.I32(s.bytes), s.pointer)
	}
	t.DECQ(count)
	t.JNE(operand.LabelRef(label))
}

// wholeColumns transforms a vector of columns of 16 rows of n2 numbers, turns
// and transposes them: vector g·W + j2 of the result is block g of 16/W of the
// outputs of column j2.
func (t *target) wholeColumns(in layout, n2 int) (re, im []*value) {
	n, w := t.bytes(), t.lanes()
	x := make([]pair, fusedRadix)
	for k := range x {
		x[k] = t.loadPair(in, func(disp int) operand.Mem { return operand.Mem{Base: reg.RSI, Disp: k*2*n2*t.size + disp} })
	}
	re, im = make([]*value, fusedRadix), make([]*value, fusedRadix)
	y := t.dft(x)
	t.prog.when = soon
	for j, y := range y {
		if j > 0 {
			c, s := operand.Mem{Base: twiddle, Disp: j * 2 * n}, operand.Mem{Base: twiddle, Disp: (2*j + 1) * n}
			y = t.times(y, factor{mem: &c}, factor{mem: &s})
		}
		re[j], im[j] = y.re, y.im
	}
	for g := 0; g < fusedRadix; g += w {
		t.prog.when = soon
		copy(re[g:], t.turned(re[g:g+w], late))
		t.prog.when = soon
		copy(im[g:], t.turned(im[g:g+w], late))
	}
	t.prog.when = asWritten
	return re, im
}

// wholeRows transforms vectors of rows and stores them.
func (t *target) wholeRows(out layout, re, im []*value) {
	x := make([]pair, len(re))
	for j := range x {
		x[j] = pair{re[j], im[j]}
	}
	y := t.dft(x)
	t.prog.when = soon
	for j, y := range y {
		if out == swapped {
			scale := t.number(operand.Mem{Base: reg.R8})
			y = pair{t.mul(y.re, scale), t.mul(y.im, scale)}
		}
		t.storePair(out, y, func(disp int) operand.Mem {
			return operand.Mem{Base: reg.RDI, Disp: j*2*fusedRadix*t.size + disp}
		})
	}
}
