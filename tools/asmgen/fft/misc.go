package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// deinterleave makes the copy of rows from interleaved (or swapped) to planar.
func (t *target) deinterleave(in layout) {
	name := "fftDeinterleave" + map[layout]string{swapped: "Swapped"}[in] + t.suffix()
	t.Function(name)
	t.Doc(name + " copies rows of vectors to planar layout; its twin is fftRelayGo.")
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dst, src *%s, rows, v, srow, drow int)", t.typeName()))
	w := t.lanes()
	t.MOVQ(t.arg("dst"), reg.R9)
	t.MOVQ(t.arg("src"), reg.R8)
	t.MOVQ(t.arg("srow"), reg.R10)
	t.MOVQ(t.arg("drow"), reg.R11)
	t.SHLQ(operand.U8(t.shift()), reg.R10)
	t.SHLQ(operand.U8(t.shift()), reg.R11)
	t.MOVQ(t.arg("rows"), reg.RCX)
	regs := t.registers()
	t.Label("rows")
	t.MOVQ(reg.R8, reg.RSI)
	t.MOVQ(reg.R9, reg.RDI)
	t.MOVQ(t.arg("v"), reg.RDX)
	t.Label("vectors")
	t.prog = &program{}
	p := t.loadPair(in, func(disp int) operand.Mem { return operand.Mem{Base: reg.RSI, Disp: disp} })
	t.storePair(planar, p, func(disp int) operand.Mem { return operand.Mem{Base: reg.RDI, Disp: disp} })
	t.emit(t.prog, regs)
	t.ADDQ(operand.I32(2*w*t.size), reg.RSI)
	t.ADDQ(operand.I32(2*w*t.size), reg.RDI)
	t.DECQ(reg.RDX)
	t.JNE(operand.LabelRef("vectors"))
	t.ADDQ(reg.R10, reg.R8)
	t.ADDQ(reg.R11, reg.R9)
	t.DECQ(reg.RCX)
	t.JNE(operand.LabelRef("rows"))
	t.end()
}

// rowsAhead asks for the lines of the cache with n reals of each of some rows.
func (t *target) rowsAhead() {
	name := "fftAhead" + t.suffix()
	t.Function(name)
	t.Doc(name + " asks for n reals of each of some rows, which are needed soon.")
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(src *%s, rows, pitch, n int)", t.typeName()))
	t.MOVQ(t.arg("src"), reg.RSI)
	t.MOVQ(t.arg("rows"), reg.RCX)
	t.MOVQ(t.arg("pitch"), reg.R8)
	t.MOVQ(t.arg("n"), reg.R9)
	t.SHLQ(operand.U8(t.shift()), reg.R8)
	t.SHLQ(operand.U8(t.shift()), reg.R9)
	t.Label("rows")
	t.MOVQ(reg.RSI, reg.RDI)
	t.LEAQ(operand.Mem{Base: reg.RSI, Index: reg.R9, Scale: 1}, reg.RDX)
	t.Label("lines")
	t.PREFETCHT0(operand.Mem{Base: reg.RDI})
	t.ADDQ(operand.I32(64), reg.RDI)
	t.CMPQ(reg.RDI, reg.RDX)
	t.JLT(operand.LabelRef("lines"))
	t.ADDQ(reg.R8, reg.RSI)
	t.DECQ(reg.RCX)
	t.JNE(operand.LabelRef("rows"))
	t.RET()
}

// multiply makes the product of interleaved complex numbers, n whole vectors.
func (t *target) multiply() {
	name := "fftMul" + t.suffix()
	t.Function(name)
	t.Doc(name + " multiplies n vectors of interleaved complex numbers; its twin is fftMulGo.")
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dst, a, b *%s, n int)", t.typeName()))
	t.MOVQ(t.arg("dst"), reg.RDI)
	t.MOVQ(t.arg("a"), reg.RSI)
	t.MOVQ(t.arg("b"), reg.RDX)
	t.MOVQ(t.arg("n"), reg.RCX)
	x, re, im, y := t.vec(0), t.vec(1), t.vec(2), t.vec(3)
	a, b := operand.Mem{Base: reg.RSI}, operand.Mem{Base: reg.RDX}
	t.Label("vectors")
	t.VMOVUPS(a, x)
	if t.size == 4 {
		t.VMOVSLDUP(b, re)
		t.VMOVSHDUP(b, im)
		t.VPERMILPS(operand.U8(0xb1), x, y)
	} else {
		t.VMOVDDUP(b, re)
		t.VPERMILPD(operand.U8(0xff), b, im)
		t.VPERMILPD(operand.U8(0x55), x, y)
	}
	t.ins("VMUL", false, "", im, y, y)
	t.ins("VFMADDSUB213", false, "", y, re, x) // even: x·re - y, odd: x·re + y
	t.VMOVUPS(x, operand.Mem{Base: reg.RDI})
	for _, r := range []reg.GPPhysical{reg.RSI, reg.RDX, reg.RDI} {
		t.ADDQ(operand.I32(t.bytes()), r)
	}
	t.DECQ(reg.RCX)
	t.JNE(operand.LabelRef("vectors"))
	t.end()
}
