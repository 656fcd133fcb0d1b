package gemm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// packs makes the routines that pack panels. Their registers: dst in RDI,
// pitch in RBX, src in RSI, a stride in RDX, lines in RCX, steps in RAX.
func (g *gen) packs() {
	g.packCopyAVX512()
	g.packCopyAVX2()
	g.packTransAVX512("packTrans32AVX512", 16, g.transpose16x16)
	g.packTransAVX512("packTrans64AVX512", 8, g.transpose8x8)
	g.packTransAVX2("packTrans32AVX2", 8, g.transpose8x8Y)
	g.packTransAVX2("packTrans64AVX2", 4, g.transpose4x4Y)
	for _, f := range groupForms {
		g.packGroups(f, true)
		g.packGroups(f, false)
	}
}

func (g *gen) packArgs(stride string) {
	g.Load(g.Param("dst"), reg.RDI)
	g.Load(g.Param("pitch"), reg.RBX)
	g.Load(g.Param("src"), reg.RSI)
	g.Load(g.Param(stride), reg.RDX)
	g.Load(g.Param("steps"), reg.RAX)
}

// loop emits body as long as RAX, which body must lower, is above zero.
func (g *gen) loop(body func()) {
	top, done := g.label("loop"), g.label("done")
	g.TESTQ(reg.RAX, reg.RAX)
	g.JLE(operand.LabelRef(done))
	g.pcalign()
	g.Label(top)
	body()
	g.TESTQ(reg.RAX, reg.RAX)
	g.JG(operand.LabelRef(top))
	g.Label(done)
}

// prefetchSteps is how many steps ahead packing asks for lines that lie
// apart, where the hardware sees no stream.
const prefetchSteps = 24

// packCopyAVX512 packs lines that lie side by side: one or two vectors a
// step, masked by 4-byte lanes.
func (g *gen) packCopyAVX512() {
	g.text("packCopyAVX512", "func(dst *byte, pitch int, src *byte, stepStride int, steps int, load uint64, store uint64)",
		"packCopyAVX512 copies a row of up to 32 lanes of 4 bytes a step; load and store are lane masks.")
	g.packArgs("stepStride")
	g.Load(g.Param("load"), reg.R8)
	g.Load(g.Param("store"), reg.R9)
	g.KMOVW(reg.R8L, reg.K1)
	g.KMOVW(reg.R9L, reg.K3)
	g.SHRQ(operand.U8(16), reg.R8)
	g.SHRQ(operand.U8(16), reg.R9)
	g.KMOVW(reg.R8L, reg.K2)
	g.KMOVW(reg.R9L, reg.K4)
	g.IMUL3Q(operand.U8(prefetchSteps), reg.RDX, reg.R10)
	narrow, end := g.label("narrow"), g.label("end")
	g.TESTQ(reg.R9, reg.R9)
	g.JZ(operand.LabelRef(narrow))
	g.loop(func() {
		g.VMOVDQU32_Z(operand.Mem{Base: reg.RSI}, reg.K1, reg.Z0)
		g.VMOVDQU32_Z(operand.Mem{Base: reg.RSI, Disp: 64}, reg.K2, reg.Z1)
		g.PREFETCHT0(operand.Mem{Base: reg.RSI, Index: reg.R10, Scale: 1})
		g.PREFETCHT0(operand.Mem{Base: reg.RSI, Index: reg.R10, Scale: 1, Disp: 64})
		g.VMOVDQU32(reg.Z0, operand.Mem{Base: reg.RDI})
		g.VMOVDQU32(reg.Z1, reg.K4, operand.Mem{Base: reg.RDI, Disp: 64})
		g.nextStep()
	})
	g.JMP(operand.LabelRef(end))
	g.Label(narrow)
	g.loop(func() {
		g.VMOVDQU32_Z(operand.Mem{Base: reg.RSI}, reg.K1, reg.Z0)
		g.PREFETCHT0(operand.Mem{Base: reg.RSI, Index: reg.R10, Scale: 1})
		g.VMOVDQU32(reg.Z0, reg.K3, operand.Mem{Base: reg.RDI})
		g.nextStep()
	})
	g.Label(end)
	g.VZEROUPPER()
	g.RET()
}

func (g *gen) nextStep() {
	g.ADDQ(reg.RDX, reg.RSI)
	g.ADDQ(reg.RBX, reg.RDI)
	g.DECQ(reg.RAX)
}

// packCopyAVX2 is the same for vectors of 32 bytes. It stores whole vectors:
// what runs over is written again by the next step.
func (g *gen) packCopyAVX2() {
	g.text("packCopyAVX2", "func(dst *byte, pitch int, src *byte, stepStride int, steps int, mask0 *byte, mask1 *byte)",
		"packCopyAVX2 copies a row of up to two vectors a step; the masks are vectors, mask1 is nil for one.")
	g.packArgs("stepStride")
	g.Load(g.Param("mask0"), reg.R8)
	g.Load(g.Param("mask1"), reg.R9)
	g.VMOVDQU(operand.Mem{Base: reg.R8}, reg.Y2)
	g.IMUL3Q(operand.U8(prefetchSteps), reg.RDX, reg.R10)
	narrow, end := g.label("narrow"), g.label("end")
	g.TESTQ(reg.R9, reg.R9)
	g.JZ(operand.LabelRef(narrow))
	g.VMOVDQU(operand.Mem{Base: reg.R9}, reg.Y3)
	g.loop(func() {
		g.VPMASKMOVD(operand.Mem{Base: reg.RSI}, reg.Y2, reg.Y0)
		g.VPMASKMOVD(operand.Mem{Base: reg.RSI, Disp: 32}, reg.Y3, reg.Y1)
		g.PREFETCHT0(operand.Mem{Base: reg.RSI, Index: reg.R10, Scale: 1})
		g.VMOVDQU(reg.Y0, operand.Mem{Base: reg.RDI})
		g.VMOVDQU(reg.Y1, operand.Mem{Base: reg.RDI, Disp: 32})
		g.nextStep()
	})
	g.JMP(operand.LabelRef(end))
	g.Label(narrow)
	g.loop(func() {
		g.VPMASKMOVD(operand.Mem{Base: reg.RSI}, reg.Y2, reg.Y0)
		g.PREFETCHT0(operand.Mem{Base: reg.RSI, Index: reg.R10, Scale: 1})
		g.VMOVDQU(reg.Y0, operand.Mem{Base: reg.RDI})
		g.nextStep()
	})
	g.Label(end)
	g.VZEROUPPER()
	g.RET()
}

// rowsAtOnce is how many rows packRowsAVX2 takes at a time.
const rowsAtOnce = 4

// packRowsAVX2 copies lines of 64 bytes side by side to panels. Rows are read a few at a
// time from one end to the other, as they lie in memory: a panel after the other would read
// lines that are a stride apart, which is often a power of two, and then they share a set of
// each cache.
func (g *gen) packRowsAVX2() {
	g.text("packRowsAVX2", "func(dst *byte, pitch int, src *byte, rowStride int, panels int)",
		"packRowsAVX2 copies 4 rows of 64 bytes a panel; panels are pitch bytes apart, and lie side by side in src.")
	g.Load(g.Param("dst"), reg.RDI)
	g.Load(g.Param("pitch"), reg.RBX)
	g.Load(g.Param("src"), reg.RSI)
	g.Load(g.Param("rowStride"), reg.RDX)
	g.Load(g.Param("panels"), reg.RAX)
	g.LEAQ(operand.Mem{Base: reg.RDX, Index: reg.RDX, Scale: 2}, reg.R8)
	g.loop(func() {
		for r, at := range []operand.Mem{{}, {Index: reg.RDX, Scale: 1}, {Index: reg.RDX, Scale: 2}, {Index: reg.R8, Scale: 1}} {
			at.Base = reg.RSI
			g.VMOVDQU(at, ymm(2*r))
			at.Disp = 32
			g.VMOVDQU(at, ymm(2*r+1))
		}
		for i := range 2 * rowsAtOnce {
			g.VMOVDQU(ymm(i), operand.Mem{Base: reg.RDI, Disp: 32 * i})
		}
		g.ADDQ(operand.U8(64), reg.RSI)
		g.ADDQ(reg.RBX, reg.RDI)
		g.DECQ(reg.RAX)
	})
	g.VZEROUPPER()
	g.RET()
}

// packTransAVX512 packs up to size lines that run along k: blocks of size x
// size elements are transposed in registers. Lines that are missing leave
// their registers at zero; the store mask covers what they fill.
func (g *gen) packTransAVX512(name string, size int, transpose func() (out []int)) {
	g.text(name, "func(dst *byte, pitch int, src *byte, lineStride int, lines int, steps int, store uint64)",
		name+" transposes lines (at most a vector's lanes) of steps elements; store is a mask of lanes.")
	g.packArgs("lineStride")
	g.Load(g.Param("lines"), reg.RCX)
	g.Load(g.Param("store"), reg.R8)
	g.KMOVW(reg.R8L, reg.K2)
	elem := 64 / size
	g.loop(func() {
		g.tailMask(size)
		g.loadLines(size, func(src operand.Mem, i int) {
			if elem == 4 {
				g.VMOVUPS_Z(src, reg.K1, zmm(i))
			} else {
				g.VMOVUPD_Z(src, reg.K1, zmm(i))
			}
		}, func(i int) { g.VPXORD(zmm(i), zmm(i), zmm(i)) })
		out := transpose()
		g.storeSteps(size, func(i int) {
			if elem == 4 {
				g.VMOVUPS(zmm(out[i]), reg.K2, operand.Mem{Base: reg.RDI})
			} else {
				g.VMOVUPD(zmm(out[i]), reg.K2, operand.Mem{Base: reg.RDI})
			}
		})
		g.ADDQ(operand.U8(64), reg.RSI)
	})
	g.VZEROUPPER()
	g.RET()
}

// packTransAVX2 is the same for whole blocks only: steps is a multiple of
// size, and whole vectors are stored.
func (g *gen) packTransAVX2(name string, size int, transpose func() (out []int)) {
	g.text(name, "func(dst *byte, pitch int, src *byte, lineStride int, lines int, steps int)",
		name+" transposes lines (at most a vector's lanes) of steps elements, a multiple of the lanes.")
	g.packArgs("lineStride")
	g.Load(g.Param("lines"), reg.RCX)
	g.loop(func() {
		g.loadLines(size, func(src operand.Mem, i int) { g.VMOVUPS(src, ymm(i)) },
			func(i int) { g.VXORPS(ymm(i), ymm(i), ymm(i)) })
		for _, i := range transpose() {
			g.VMOVUPS(ymm(i), operand.Mem{Base: reg.RDI})
			g.ADDQ(reg.RBX, reg.RDI)
		}
		g.SUBQ(operand.U8(size), reg.RAX)
		g.ADDQ(operand.U8(32), reg.RSI)
	})
	g.VZEROUPPER()
	g.RET()
}

// tailMask sets K1 to the lanes of the next min(size, RAX) steps.
func (g *gen) tailMask(size int) {
	g.MOVQ(operand.U32(size), reg.R9)
	g.CMPQ(reg.RAX, reg.R9)
	g.CMOVQLT(reg.RAX, reg.R9)
	g.MOVQ(operand.I32(-1), reg.R10)
	g.BZHIQ(reg.R9, reg.R10, reg.R10)
	g.KMOVW(reg.R10L, reg.K1)
}

// lineAhead is how many bytes ahead on each line packing asks for: the lines
// are too many, and each too short, for the hardware to see them coming.
const lineAhead = 512

// loadLines loads RCX lines from RSI on into registers 0, 1, ... and clears
// the rest up to size.
func (g *gen) loadLines(size int, load func(src operand.Mem, i int), zero func(i int)) {
	done := g.label("loaded")
	for i := 1; i < size; i++ { // cleared first, so that the loads can stop anywhere
		zero(i)
	}
	zero(0)
	g.MOVQ(reg.RSI, reg.R11)
	for i := range size {
		g.CMPQ(reg.RCX, operand.U8(i))
		g.JLE(operand.LabelRef(done))
		load(operand.Mem{Base: reg.R11}, i)
		g.PREFETCHT0(operand.Mem{Base: reg.R11, Disp: lineAhead})
		g.ADDQ(reg.RDX, reg.R11)
	}
	g.Label(done)
}

// storeSteps stores up to size steps, and counts them off RAX.
func (g *gen) storeSteps(size int, store func(i int)) {
	done := g.label("stored")
	for i := range size {
		store(i)
		g.ADDQ(reg.RBX, reg.RDI)
		g.DECQ(reg.RAX)
		if i < size-1 {
			g.JZ(operand.LabelRef(done))
		}
	}
	g.Label(done)
}

// transpose16x16 transposes Z0-Z15; step i ends in register out[i].
func (g *gen) transpose16x16() (out []int) {
	r, t := func(i int) reg.Register { return zmm(i) }, func(i int) reg.Register { return zmm(16 + i) }
	for i := 0; i < 16; i += 2 {
		g.VUNPCKLPS(r(i+1), r(i), t(i))
		g.VUNPCKHPS(r(i+1), r(i), t(i+1))
	}
	for i := 0; i < 16; i += 4 { // r(i+c), lane l: steps 4l+c of lines i..i+3
		g.VUNPCKLPD(t(i+2), t(i), r(i))
		g.VUNPCKHPD(t(i+2), t(i), r(i+1))
		g.VUNPCKLPD(t(i+3), t(i+1), r(i+2))
		g.VUNPCKHPD(t(i+3), t(i+1), r(i+3))
	}
	for c := range 4 {
		g.VSHUFF32X4(operand.U8(0x88), r(4+c), r(c), t(c))
		g.VSHUFF32X4(operand.U8(0xdd), r(4+c), r(c), t(4+c))
		g.VSHUFF32X4(operand.U8(0x88), r(12+c), r(8+c), t(8+c))
		g.VSHUFF32X4(operand.U8(0xdd), r(12+c), r(8+c), t(12+c))
	}
	for c := range 4 {
		g.VSHUFF32X4(operand.U8(0x88), t(8+c), t(c), r(c))
		g.VSHUFF32X4(operand.U8(0xdd), t(8+c), t(c), r(8+c))
		g.VSHUFF32X4(operand.U8(0x88), t(12+c), t(4+c), r(4+c))
		g.VSHUFF32X4(operand.U8(0xdd), t(12+c), t(4+c), r(12+c))
	}
	return iota(16)
}

// transpose8x8 transposes Z0-Z7 as 8-byte elements.
func (g *gen) transpose8x8() (out []int) {
	r, t := func(i int) reg.Register { return zmm(i) }, func(i int) reg.Register { return zmm(8 + i) }
	for i := 0; i < 8; i += 2 { // t(i+c), lane l: steps 2l+c of lines i, i+1
		g.VUNPCKLPD(r(i+1), r(i), t(i))
		g.VUNPCKHPD(r(i+1), r(i), t(i+1))
	}
	for c := range 2 {
		g.VSHUFF64X2(operand.U8(0x88), t(2+c), t(c), r(c))
		g.VSHUFF64X2(operand.U8(0xdd), t(2+c), t(c), r(2+c))
		g.VSHUFF64X2(operand.U8(0x88), t(6+c), t(4+c), r(4+c))
		g.VSHUFF64X2(operand.U8(0xdd), t(6+c), t(4+c), r(6+c))
	}
	for c := range 2 {
		g.VSHUFF64X2(operand.U8(0x88), r(4+c), r(c), t(c))
		g.VSHUFF64X2(operand.U8(0xdd), r(4+c), r(c), t(4+c))
		g.VSHUFF64X2(operand.U8(0x88), r(6+c), r(2+c), t(2+c))
		g.VSHUFF64X2(operand.U8(0xdd), r(6+c), r(2+c), t(6+c))
	}
	return []int{8, 9, 10, 11, 12, 13, 14, 15}
}

// transpose8x8Y transposes Y0-Y7 as 4-byte elements.
func (g *gen) transpose8x8Y() (out []int) {
	r, t := func(i int) reg.Register { return ymm(i) }, func(i int) reg.Register { return ymm(8 + i) }
	for i := 0; i < 8; i += 2 {
		g.VUNPCKLPS(r(i+1), r(i), t(i))
		g.VUNPCKHPS(r(i+1), r(i), t(i+1))
	}
	for i := 0; i < 8; i += 4 { // r(i+c), lane l: step 4l+c of lines i..i+3
		g.VUNPCKLPD(t(i+2), t(i), r(i))
		g.VUNPCKHPD(t(i+2), t(i), r(i+1))
		g.VUNPCKLPD(t(i+3), t(i+1), r(i+2))
		g.VUNPCKHPD(t(i+3), t(i+1), r(i+3))
	}
	for c := range 4 {
		g.VPERM2F128(operand.U8(0x20), r(4+c), r(c), t(c))
		g.VPERM2F128(operand.U8(0x31), r(4+c), r(c), t(4+c))
	}
	return []int{8, 9, 10, 11, 12, 13, 14, 15}
}

// transpose4x4Y transposes Y0-Y3 as 8-byte elements.
func (g *gen) transpose4x4Y() (out []int) {
	r, t := func(i int) reg.Register { return ymm(i) }, func(i int) reg.Register { return ymm(4 + i) }
	for i := 0; i < 4; i += 2 {
		g.VUNPCKLPD(r(i+1), r(i), t(i))
		g.VUNPCKHPD(r(i+1), r(i), t(i+1))
	}
	for c := range 2 {
		g.VPERM2F128(operand.U8(0x20), t(2+c), t(c), r(c))
		g.VPERM2F128(operand.U8(0x31), t(2+c), t(c), r(2+c))
	}
	return iota(4)
}

func iota(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// groupForm is a form of simd.PackGroups.
type groupForm struct {
	name   string
	bytes  int // of a value
	ways   int
	signed bool
}

var groupForms = []groupForm{
	{"Pairs16", 2, 2, false},
	{"Quads8", 1, 4, false},
	{"PairsI8", 1, 2, true},
	{"PairsU8", 1, 2, false},
}

// packGroups packs two vectors of lines that lie side by side; each value is
// widened to 32 bits and shifted to its place in the group.
func (g *gen) packGroups(f groupForm, avx512 bool) {
	t := tiler{gen: g, kind: kind{avx512: avx512}}
	name, sig, doc := "pack"+f.name+"AVX2", "func(dst *byte, pitch int, src *byte, stepStride int, steps int)",
		" packs groups of values of 16 lines."
	if avx512 {
		name, sig, doc = "pack"+f.name+"AVX512", "func(dst *byte, pitch int, src *byte, stepStride int, steps int, load uint64, store uint64)",
			" packs groups of values of up to 32 lines; load and store are masks."
	}
	g.text(name, sig, name+doc)
	g.packArgs("stepStride")
	if avx512 {
		g.Load(g.Param("load"), reg.R8)
		g.Load(g.Param("store"), reg.R9)
		g.KMOVW(reg.R8L, reg.K1)
		g.KMOVW(reg.R9L, reg.K3)
		g.SHRQ(operand.U8(16), reg.R8)
		g.SHRQ(operand.U8(16), reg.R9)
		g.KMOVW(reg.R8L, reg.K2)
		g.KMOVW(reg.R9L, reg.K4)
	}
	g.loop(func() {
		for q := range f.ways {
			for v := range 2 {
				g.widen(t, f, v, 2*q+v)
			}
			g.ADDQ(reg.RDX, reg.RSI)
		}
		for v := range 2 {
			for q := range f.ways {
				g.place(t, f, q, 2*q+v)
				if q > 0 {
					g.or(t, 2*q+v, v)
				}
			}
			at := operand.Mem{Base: reg.RDI, Disp: v * t.vecBytes()}
			if avx512 {
				g.VMOVDQU32(zmm(v), []reg.Register{reg.K3, reg.K4}[v], at)
			} else {
				g.VMOVDQU(ymm(v), at)
			}
		}
		g.ADDQ(reg.RBX, reg.RDI)
		g.DECQ(reg.RAX)
	})
	g.VZEROUPPER()
	g.RET()
}

// widen loads a vector of values as 32-bit lanes into register d.
func (g *gen) widen(t tiler, f groupForm, v, d int) {
	src := operand.Mem{Base: reg.RSI, Disp: v * t.vecBytes() / 4 * f.bytes}
	k := []reg.Register{reg.K1, reg.K2}[v]
	switch {
	case t.avx512 && f.bytes == 2:
		g.VPMOVZXWD_Z(src, k, zmm(d))
	case t.avx512 && f.signed:
		g.VPMOVSXBD_Z(src, k, zmm(d))
	case t.avx512:
		g.VPMOVZXBD_Z(src, k, zmm(d))
	case f.bytes == 2:
		g.VPMOVZXWD(src, ymm(d))
	case f.signed:
		g.VPMOVSXBD(src, ymm(d))
	default:
		g.VPMOVZXBD(src, ymm(d))
	}
}

// place shifts member q of the group to its bits and clears the others.
func (g *gen) place(t tiler, f groupForm, q, d int) {
	width := 32 / f.ways
	if f.signed { // the sign fills the upper half: push it out
		g.VPSLLD(operand.U8(32-width), t.vec(d), t.vec(d))
		if shift := 32 - width*(q+1); shift > 0 {
			g.VPSRLD(operand.U8(shift), t.vec(d), t.vec(d))
		}
		return
	}
	if q > 0 {
		g.VPSLLD(operand.U8(q*width), t.vec(d), t.vec(d))
	}
}

func (g *gen) or(t tiler, s, d int) {
	if t.avx512 {
		g.VPORD(zmm(s), zmm(d), zmm(d))
	} else {
		g.VPOR(ymm(s), ymm(d), ymm(d))
	}
}
