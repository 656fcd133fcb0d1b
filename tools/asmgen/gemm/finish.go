package gemm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The ends of a body: C = alpha·acc + beta·C, where beta = 0 never reads C.

// finishArgs loads what every end needs: flags in RAX, C in R13, its row
// stride in RDX.
func (t tiler) finishArgs() {
	t.MOVQ(t.arg(tileFlags), reg.RAX)
	if t.integer { // its multiply-add used the mask's register
		t.loadMask()
	}
	t.MOVQ(t.arg(tileC), reg.R13)
	t.MOVQ(t.arg(tileCRow), reg.RDX)
}

// unless jumps over what then emits if the flag is not set.
func (t tiler) unless(flag uint32, then func()) {
	skip := t.label("skip")
	t.TESTQ(operand.U32(flag), reg.RAX)
	t.JZ(operand.LabelRef(skip))
	then()
	t.Label(skip)
}

// eachC walks the rows of C from the address in R13, through RSI, and calls
// visit with the accumulator and the place of each vector.
func (t tiler) eachC(m, nv, accStep int, visit func(acc int, at operand.Mem, last bool)) {
	t.MOVQ(reg.R13, reg.RSI)
	for i := range t.rowsOfC(m) {
		if i > 0 {
			t.ADDQ(reg.RDX, reg.RSI)
		}
		for j := range nv {
			visit(regAcc+i*accStep+j, operand.Mem{Base: reg.RSI, Disp: j * t.vecBytes()}, j == nv-1)
		}
	}
}

// store writes the accumulators.
func (t tiler) store(m, nv, accStep int) {
	t.eachC(m, nv, accStep, func(acc int, at operand.Mem, last bool) {
		if last {
			t.storeMasked(acc, at)
		} else {
			t.VMOVUPS(t.vec(acc), at)
		}
	})
}

// load reads a vector of C.
func (t tiler) load(at operand.Mem, dst int, last bool) {
	if last {
		t.loadMasked(at, dst)
	} else {
		t.VMOVUPS(at, t.vec(dst))
	}
}

func (t tiler) finishReal(m, nv int) {
	t.finishArgs()
	t.unless(flagScale, func() {
		t.broadcast(t.arg(tileAlpha), 0)
		for i := range m * nv {
			t.mul(0, regAcc+i)
		}
	})
	t.unless(flagReadC, func() {
		t.broadcast(t.arg(tileBeta), 0)
		t.eachC(m, nv, nv, func(acc int, at operand.Mem, last bool) {
			t.load(at, 1, last)
			t.madd(1, 0, acc)
		})
	})
	t.store(m, nv, nv)
}

// finishComplex turns row 2i (Σ re(a)·b) and row 2i+1 (Σ im(a)·b) into row i
// of the product: acc·sign1 + swap(acc')·sign2, where swap exchanges real and
// imaginary parts and the signs carry conjugation.
func (t tiler) finishComplex(m, nv int) {
	t.finishArgs()
	t.broadcastPair(t.arg(tileSign1), 0)
	t.broadcastPair(t.arg(tileSign2), 1)
	t.eachAcc(m, nv, func(re, im int) {
		t.swap(im, im)
		t.mul(0, re)
		t.madd(im, 1, re)
	})
	t.unless(flagScale, func() {
		t.broadcastPair(t.arg(tileAlpha), 0)
		t.broadcastPair(t.arg(tileAlpIm), 1)
		t.eachAcc(m, nv, func(re, im int) {
			t.swap(re, im)
			t.mul(0, re)
			t.madd(im, 1, re)
		})
	})
	t.unless(flagReadC, func() {
		t.broadcastPair(t.arg(tileBeta), 0)
		t.eachC(m, nv, 2*nv, func(acc int, at operand.Mem, last bool) {
			t.load(at, 1, last)
			t.madd(1, 0, acc)
		})
	})
	t.unless(flagMulC, func() {
		t.broadcastPair(t.arg(tileBetIm), 0)
		t.eachC(m, nv, 2*nv, func(acc int, at operand.Mem, last bool) {
			t.load(at, 1, last)
			t.swap(1, 1)
			t.madd(1, 0, acc)
		})
	})
	t.store(m, nv, 2*nv)
}

// eachAcc visits the pairs of accumulators of a complex tile.
func (t tiler) eachAcc(m, nv int, visit func(re, im int)) {
	for i := 0; i < m; i += 2 {
		for j := range nv {
			visit(regAcc+i*nv+j, regAcc+(i+1)*nv+j)
		}
	}
}

// finishInt works modulo 2^32.
func (t tiler) finishInt(m, nv int) {
	t.finishArgs()
	t.unless(flagScale, func() {
		t.VPBROADCASTD(t.arg(tileAlpha), t.vec(0))
		for i := range m * nv {
			t.VPMULLD(t.vec(0), t.vec(regAcc+i), t.vec(regAcc+i))
		}
	})
	t.unless(flagReadC, func() {
		t.VPBROADCASTD(t.arg(tileBeta), t.vec(0))
		t.eachC(m, nv, nv, func(acc int, at operand.Mem, last bool) {
			t.load(at, 1, last)
			t.VPMULLD(t.vec(0), t.vec(1), t.vec(1))
			t.VPADDD(t.vec(1), t.vec(acc), t.vec(acc))
		})
	})
	t.store(m, nv, nv)
}

// mul is d *= s.
func (t tiler) mul(s, d int) {
	if t.elem == 8 {
		t.VMULPD(t.vec(s), t.vec(d), t.vec(d))
	} else {
		t.VMULPS(t.vec(s), t.vec(d), t.vec(d))
	}
}

// madd is d += a·b.
func (t tiler) madd(b, a, d int) {
	if t.elem == 8 {
		t.VFMADD231PD(t.vec(b), t.vec(a), t.vec(d))
	} else {
		t.VFMADD231PS(t.vec(b), t.vec(a), t.vec(d))
	}
}

// swap is d = s with neighbours exchanged.
func (t tiler) swap(s, d int) {
	if t.elem == 8 {
		t.VPERMILPD(operand.U8(0x55), t.vec(s), t.vec(d))
	} else {
		t.VPERMILPS(operand.U8(0xb1), t.vec(s), t.vec(d))
	}
}
