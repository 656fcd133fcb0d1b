package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// packedPlan is a transform of 16·n2 points in one routine of packed arithmetic, with
// the radices of its rows, n2 = first·last.
type packedPlan struct{ n2, first, last int }

// packedWholes are for 16 registers: with 32 planar arithmetic spills as little. Lines
// end at 16 KB, beyond which the twiddles, twice as long as planar ones, lie outside
// the first cache and cost more than is gained.
func (t *target) packedWholes() []packedPlan {
	plans := []packedPlan{{16, 1, 16}, {32, 8, 4}, {64, 8, 8}, {128, 16, 8}}
	switch {
	case t.avx512:
		return nil
	case t.size == 8:
		return plans[:3]
	}
	return plans
}

// packedName is the function's name.
func (t *target) packedName(n2 int, in layout) string {
	return fmt.Sprintf("fftPacked%d%s%s", fusedRadix*n2, map[layout]string{swapped: "Swapped"}[in], t.suffix())
}

// block is how many packed vectors of s the second sweep takes at a time: one
// line of the cache.
const block = 2

// packedWhole makes a two-step transform of 16·n2 points in one routine: first the
// columns of 16, which go to s turned and transposed, then the rows of s, a
// block of outputs at a time, n2 = first·last points in two passes: the one in
// place in s, the other from there to dst.
func (t *target) packedWhole(p packedPlan, in layout) {
	n2, first, last := p.n2, p.first, p.last
	t.wholeBegin(t.packedName(n2, in), "fftPackedGo", n2)
	t.MOVQ(t.arg("s"), reg.R9)
	n, w, row := t.bytes(), t.lanes()/2, 2*fusedRadix*t.size
	t.loop("columns", n2/w, func() { t.packedColumns(in, n2) },
		advance{reg.RSI, n}, advance{reg.R9, w * row}, advance{twiddle, (fusedRadix - 1) * 2 * n})
	t.MOVQ(t.arg("s"), reg.R9)
	t.MOVQ(operand.U32(fusedRadix/w/block), reg.RBX)
	t.Label("blocks")
	t.MOVQ(twiddle, reg.R10)
	t.MOVQ(reg.R9, reg.RSI)
	if first > 1 {
		t.loop("first", last, func() { t.packedFirst(first, last*row) }, advance{reg.RSI, row}, advance{reg.R10, (first - 1) * 2 * n})
		t.MOVQ(reg.R9, reg.RSI)
	}
	t.MOVQ(reg.RDI, reg.R11)
	t.loop("last", first, func() { t.packedLast(in, last, row, first*row) }, advance{reg.RSI, last * row}, advance{reg.R11, row})
	t.ADDQ(operand.I32(block*n), reg.R9)
	t.ADDQ(operand.I32(block*n), reg.RDI)
	t.DECQ(reg.RBX)
	t.JNE(operand.LabelRef("blocks"))
	t.end()
}

// packedColumns is 16 points of a packed vector of columns, turned and transposed.
func (t *target) packedColumns(in layout, n2 int) {
	n, w := t.bytes(), t.lanes()/2
	x := make([]*value, fusedRadix)
	for k := range x {
		x[k] = t.load(operand.Mem{Base: reg.RSI, Disp: k * 2 * n2 * t.size})
		if in == swapped {
			t.prog.when = late
			x[k] = t.exchanged(x[k])
			t.prog.when = asWritten
		}
	}
	y := t.packedDFT(x)
	t.prog.when = soon
	for j := 1; j < fusedRadix; j++ {
		y[j] = t.packedTimes(y[j], operand.Mem{Base: twiddle, Disp: (j - 1) * 2 * n})
	}
	for g := 0; g < fusedRadix; g += w {
		for l, v := range t.packedTurned(y[g : g+w]) {
			t.store(operand.Mem{Base: reg.R9, Disp: l*2*fusedRadix*t.size + g*2*t.size}, v)
		}
	}
}

// packedFirst is a pass in place over r rows of a block at a distance, with twiddles.
func (t *target) packedFirst(r, apart int) {
	for v := range block {
		x := make([]*value, r)
		for k := range x {
			x[k] = t.load(operand.Mem{Base: reg.RSI, Disp: k*apart + v*t.bytes()})
			x[k].input = true
		}
		t.prog.when = asWritten
		y := t.packedDFT(x)
		t.prog.when = soon
		for j, y := range y {
			if j > 0 {
				y = t.packedTimes(y, operand.Mem{Base: reg.R10, Disp: (j - 1) * 2 * t.bytes()})
			}
			t.store(operand.Mem{Base: reg.RSI, Disp: j*apart + v*t.bytes()}, y)
		}
	}
}

// packedLast is a pass over r rows of a block, side by side, to rows of dst.
func (t *target) packedLast(out layout, r, from, to int) {
	for v := range block {
		x := make([]*value, r)
		for k := range x {
			x[k] = t.load(operand.Mem{Base: reg.RSI, Disp: k*from + v*t.bytes()})
		}
		t.prog.when = asWritten
		y := t.packedDFT(x)
		t.prog.when = soon
		for j, y := range y {
			if out == swapped {
				y = t.exchanged(t.mul(y, t.number(operand.Mem{Base: reg.R8})))
			}
			t.store(operand.Mem{Base: reg.R11, Disp: j*to + v*t.bytes()}, y)
		}
	}
}
