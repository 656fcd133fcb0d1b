package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// packedPlan is a transform of n1·first·last points in one routine of packed
// arithmetic: columns of n1 points and rows in two passes, or one if first is 1.
// simd.fftPackedPlans is the same list.
type packedPlan struct{ n1, first, last int }

var packedPlans = []packedPlan{
	{16, 1, 16}, {16, 8, 4}, {16, 8, 8}, {16, 16, 8},
	{16, 6, 4}, {20, 6, 4}, {20, 5, 5}, {20, 6, 5}, {16, 8, 5}, {20, 6, 6}, {16, 8, 6}, {20, 8, 5}, {20, 8, 6}, {20, 10, 5},
	{20, 10, 6}, {16, 10, 8}, {20, 12, 6}, {20, 15, 5}, {16, 12, 8}, {20, 10, 8}, {20, 12, 8}, {20, 10, 10},
}

// packedMost is the size of the longest line of n points. The twiddles, twice as long as
// planar ones, lie outside the first cache long before. That costs more than is gained
// for 2048 points in double precision, but not for lengths that are no power of two.
func packedMost(n int) int {
	if n&(n-1) == 0 {
		return 16 << 10
	}
	return 32 << 10
}

func (p packedPlan) n2() int { return p.first * p.last }
func (p packedPlan) n() int  { return p.n1 * p.n2() }

// packedWholes are for 16 registers: with 32 planar arithmetic spills as little.
func (t *target) packedWholes() (plans []packedPlan) {
	for _, p := range packedPlans {
		if !t.avx512 && p.n()*2*t.size <= packedMost(p.n()) {
			plans = append(plans, p)
		}
	}
	return plans
}

// packedName is the function's name.
func (t *target) packedName(p packedPlan, in layout) string {
	return fmt.Sprintf("fftPacked%d%s%s", p.n(), map[layout]string{swapped: "Swapped"}[in], t.suffix())
}

// block is how many packed vectors of s the second sweep takes at a time: one
// line of the cache, if rows are whole lines.
func (p packedPlan) block(w int) int {
	if p.n1/w%2 == 0 {
		return 2
	}
	return 1
}

// packedWhole makes a two-step transform in one routine: first the columns of n1,
// which go to s turned and transposed, then the rows of s, a block of outputs at a
// time, n2 = first·last points in two passes: the one in place in s, the other from
// there to dst.
func (t *target) packedWhole(p packedPlan, in layout) {
	first, last := p.first, p.last
	t.wholeBegin(t.packedName(p, in), "fftPackedGo", p.n())
	t.packedSweep(p, in)
	n, w, row := t.bytes(), t.lanes()/2, 2*p.n1*t.size
	block := p.block(w)
	t.MOVQ(t.arg("s"), reg.R9)
	t.MOVQ(operand.U32(p.n1/w/block), reg.RBX)
	t.Label("blocks")
	t.MOVQ(twiddle, reg.R10)
	t.MOVQ(reg.R9, reg.RSI)
	if first > 1 {
		t.loop("first", last, func() { t.packedFirst(block, first, last*row) }, advance{reg.RSI, row}, advance{reg.R10, (first - 1) * 2 * n})
		t.MOVQ(reg.R9, reg.RSI)
	}
	t.MOVQ(reg.RDI, reg.R11)
	t.loop("last", first, func() { t.packedLast(in, block, last, row, first*row) }, advance{reg.RSI, last * row}, advance{reg.R11, row})
	t.ADDQ(operand.I32(block*n), reg.R9)
	t.ADDQ(operand.I32(block*n), reg.RDI)
	t.DECQ(reg.RBX)
	t.JNE(operand.LabelRef("blocks"))
	t.end()
}

// packedSweep is the loop over the columns. If they are no whole vectors the second
// overlaps the first.
func (t *target) packedSweep(p packedPlan, in layout) {
	n, w, row := t.bytes(), t.lanes()/2, 2*p.n1*t.size
	t.MOVQ(t.arg("s"), reg.R9)
	part := p.n2() % w
	if part == 0 {
		t.loop("columns", p.n2()/w, func() { t.packedColumns(in, p) },
			advance{reg.RSI, n}, advance{reg.R9, w * row}, advance{twiddle, (p.n1 - 1) * 2 * n})
		return
	}
	t.MOVQ(operand.U32(part*2*t.size), reg.R12)
	t.MOVQ(operand.U32(part*row), reg.R13)
	t.MOVQ(operand.U32(p.n2()/w+1), count)
	t.Label("columns")
	t.prog = &program{}
	t.packedColumns(in, p)
	t.emit(t.prog, t.registers())
	t.ADDQ(reg.R12, reg.RSI)
	t.ADDQ(reg.R13, reg.R9)
	t.MOVQ(operand.U32(n), reg.R12)
	t.MOVQ(operand.U32(w*row), reg.R13)
	t.ADDQ(operand.I32((p.n1-1)*2*n), twiddle)
	t.DECQ(count)
	t.JNE(operand.LabelRef("columns"))
}

// packedColumns is n1 points of a packed vector of columns, turned and transposed.
func (t *target) packedColumns(in layout, p packedPlan) {
	n, w := t.bytes(), t.lanes()/2
	x := make([]*value, p.n1)
	for k := range x {
		x[k] = t.load(operand.Mem{Base: reg.RSI, Disp: k * 2 * p.n2() * t.size})
		if in == swapped {
			t.prog.when = late
			x[k] = t.exchanged(x[k])
			t.prog.when = asWritten
		}
	}
	y := t.packedDFT(x)
	t.prog.when = soon
	for j := 1; j < p.n1; j++ {
		y[j] = t.packedTimes(y[j], operand.Mem{Base: twiddle, Disp: (j - 1) * 2 * n})
	}
	for g := 0; g < p.n1; g += w {
		for l, v := range t.packedTurned(y[g : g+w]) {
			t.store(operand.Mem{Base: reg.R9, Disp: l*2*p.n1*t.size + g*2*t.size}, v)
		}
	}
}

// packedFirst is a pass in place over r rows of a block at a distance, with twiddles.
func (t *target) packedFirst(block, r, apart int) {
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
func (t *target) packedLast(out layout, block, r, from, to int) {
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
