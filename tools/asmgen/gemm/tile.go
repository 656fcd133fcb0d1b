package gemm

import (
	"fmt"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Byte offsets into simd.Tile, which a test of kernels/simd checks.
const (
	tileK     = 0
	tileA     = 8
	tileARow  = 16
	tileAStep = 24
	tileB     = 32
	tileBStep = 40
	tileC     = 48
	tileCRow  = 56
	tileBody  = 64
	tileMask  = 72
	tileFlags = 80
	tileInit  = 88
	tileMaskP = 96
	tileAlpha = 104 // pairs of 16 bytes from here on
	tileAlpIm = 120
	tileBeta  = 136
	tileBetIm = 152
	tileSign1 = 168
	tileSign2 = 184
	tileNext  = 200
	tileNextS = 208
	tileNextR = 216
	tileNextJ = 224
)

// Bits of Tile.flags.
const (
	flagScale = 1 // alpha is not 1
	flagReadC = 2 // beta is not 0
	flagMulC  = 4 // beta is not 1 (complex)
)

// Registers of a body: the vectors of B, the broadcast element of A, a
// temporary, and from 4 on the accumulators, row by row.
const (
	regB    = 0
	regA    = 2
	regTemp = 3
	regAcc  = 4
)

// rowPointers hold the addresses of rows 0, 3, 6, ... of A; rows between are
// reached with an index.
var rowPointers = []reg.Register{reg.RSI, reg.R8, reg.R9, reg.R10, reg.R11}

// kind is an element type at an instruction set, as the generator sees it.
type kind struct {
	name    string
	doc     string
	avx512  bool
	rows    int // most rows of a tile (real rows: a complex row is two)
	complex bool
	elem    int // bytes of a broadcast element of A
	integer bool
	packed  bool                       // B is always packed: whole vectors
	fma     func(t tiler, b, a, d int) // d += a·b on vectors
}

// kinds are the micro-kernels, one function each.
var kinds = []kind{
	{name: "tileF32AVX512", doc: "f32", avx512: true, rows: 14, elem: 4, fma: fmaPS},
	{name: "tileF64AVX512", doc: "f64", avx512: true, rows: 14, elem: 8, fma: fmaPD},
	{name: "tileC64AVX512", doc: "c64", avx512: true, rows: 14, elem: 4, complex: true, fma: fmaPS},
	{name: "tileC128AVX512", doc: "c128", avx512: true, rows: 14, elem: 8, complex: true, fma: fmaPD},
	{name: "tileBF16AVX512", doc: "pairs of bf16 into f32 (AVX512-BF16)", avx512: true, rows: 14, elem: 4, packed: true, fma: fmaBF16},
	{name: "tileVNNIAVX512", doc: "quadruples u8·i8 into i32 (AVX512-VNNI)", avx512: true, rows: 14, elem: 4, integer: true, packed: true, fma: fmaVNNI},
	{name: "tileI16AVX512", doc: "pairs of i16 into i32", avx512: true, rows: 14, elem: 4, integer: true, packed: true, fma: fmaI16},
	{name: "tileF32AVX2", doc: "f32", rows: 6, elem: 4, fma: fmaPS},
	{name: "tileF64AVX2", doc: "f64", rows: 6, elem: 8, fma: fmaPD},
	{name: "tileC64AVX2", doc: "c64", rows: 6, elem: 4, complex: true, fma: fmaPS},
	{name: "tileC128AVX2", doc: "c128", rows: 6, elem: 8, complex: true, fma: fmaPD},
	{name: "tileI16AVX2", doc: "pairs of i16 into i32", rows: 6, elem: 4, integer: true, packed: true, fma: fmaI16},
}

func fmaPS(t tiler, b, a, d int)   { t.VFMADD231PS(t.vec(b), t.vec(a), t.vec(d)) }
func fmaPD(t tiler, b, a, d int)   { t.VFMADD231PD(t.vec(b), t.vec(a), t.vec(d)) }
func fmaBF16(t tiler, b, a, d int) { t.vdpbf16ps(t.vecBytes(), b, a, d) }
func fmaVNNI(t tiler, b, a, d int) { t.VPDPBUSD(t.vec(b), t.vec(a), t.vec(d)) }
func fmaI16(t tiler, b, a, d int) {
	t.VPMADDWD(t.vec(b), t.vec(a), t.vec(regTemp))
	t.VPADDD(t.vec(regTemp), t.vec(d), t.vec(d))
}

// tiler generates one function: a dispatch on Tile.body, and a body for every
// number of rows and of vectors.
type tiler struct {
	*gen
	kind
	half bool // the body uses half of a 512-bit vector
}

// tiles makes the function of every kind.
func (g *gen) tiles() {
	for _, k := range kinds {
		tiler{gen: g, kind: k}.function()
	}
}

// function makes the whole function. Body number i has i%rows + 1 rows (of a
// complex kind rows/2 pairs of rows) and 1 or 2 vectors, or last, with 512
// bits, half a vector: where 512 bits pass through two halves, as in Zen 4,
// a narrow edge takes half the time.
func (t tiler) function() {
	t.text(t.name, "func(tile *uint64)", t.name+" runs a Tile: "+t.doc+".")
	t.Load(t.Param("tile"), reg.R12)
	if t.avx512 {
		t.KMOVQ(t.arg(tileMask), reg.K1)
	}
	step := 1
	if t.complex {
		step = 2
	}
	widths := 2
	if t.avx512 {
		widths = 3
	}
	bodies := widths * t.rows / step
	t.MOVQ(t.arg(tileBody), reg.RAX)
	t.dispatch(0, bodies)
	for i := range bodies {
		t.Label(bodyLabel(i))
		m, nv := step*(1+i%(t.rows/step)), 1+i/(t.rows/step)
		t.half = nv == 3
		if t.half {
			nv = 1
		}
		t.body(m, nv)
	}
}

func bodyLabel(i int) string { return fmt.Sprintf("body%d", i) }

// dispatch jumps to the body whose number is in RAX, by bisection of [lo, hi).
func (t tiler) dispatch(lo, hi int) {
	if hi-lo == 1 {
		t.JMP(operand.LabelRef(bodyLabel(lo)))
		return
	}
	mid := (lo + hi) / 2
	high := t.label("from")
	t.CMPQ(reg.RAX, operand.U8(mid))
	t.JGE(operand.LabelRef(high))
	t.dispatch(lo, mid)
	t.Label(high)
	t.dispatch(mid, hi)
}

func (t tiler) arg(offset int) operand.Mem { return operand.Mem{Base: reg.R12, Disp: offset} }

// body is the code for m rows of nv vectors.
func (t tiler) body(m, nv int) {
	t.Commentf("%d rows, %d vectors of %d bytes", m, nv, t.vecBytes())
	t.prefetchC(m, nv)
	t.loadArgs(m, nv)
	run, loop, done := t.label("run"), t.label("loop"), t.label("done")
	t.TESTQ(reg.RAX, reg.RAX)
	t.JZ(operand.LabelRef(done))
	t.Label(run) // the steps of a run of what is asked for ahead
	t.MOVQ(t.arg(tileNextR), reg.R14)
	t.CMPQ(reg.RAX, reg.R14)
	t.CMOVQLT(reg.RAX, reg.R14)
	t.SUBQ(reg.R14, reg.RAX)
	t.pcalign()
	t.Label(loop)
	t.step(m, nv)
	t.DECQ(reg.R14)
	t.JNZ(operand.LabelRef(loop))
	t.ADDQ(t.arg(tileNextJ), reg.R13)
	t.TESTQ(reg.RAX, reg.RAX)
	t.JNZ(operand.LabelRef(run))
	t.Label(done)
	switch {
	case t.complex:
		t.finishComplex(m, nv)
	case t.integer:
		t.finishInt(m, nv)
	default:
		t.finishReal(m, nv)
	}
	t.VZEROUPPER()
	t.RET()
}

// loadArgs puts the arguments in registers and clears the accumulators.
func (t tiler) loadArgs(m, nv int) {
	t.MOVQ(t.arg(tileK), reg.RAX)
	t.MOVQ(t.arg(tileARow), reg.RDX)
	t.MOVQ(t.arg(tileAStep), reg.RCX)
	t.MOVQ(t.arg(tileB), reg.RDI)
	t.MOVQ(t.arg(tileBStep), reg.RBX)
	t.MOVQ(t.arg(tileA), rowPointers[0])
	for p := 1; p*t.rowsPerPointer() < m; p++ {
		t.LEAQ(operand.Mem{Base: rowPointers[p-1], Index: reg.RDX, Scale: 2}, rowPointers[p])
		t.ADDQ(reg.RDX, rowPointers[p])
	}
	if t.integer {
		t.initInt(m, nv)
	} else {
		t.loadMask()
		t.clear(m * nv)
	}
	t.MOVQ(t.arg(tileNext), reg.R13)
	t.MOVQ(t.arg(tileNextS), reg.R15)
}

// rowsPerPointer is how many rows are reached from one of rowPointers: a
// complex row is two, side by side.
func (t tiler) rowsPerPointer() int {
	if t.complex {
		return 6
	}
	return 3
}

// loadMask puts the mask of the last vector where AVX2 needs it.
func (t tiler) loadMask() {
	if !t.avx512 {
		t.MOVQ(t.arg(tileMaskP), reg.R13)
		t.VMOVUPS(operand.Mem{Base: reg.R13}, ymm(regTemp))
	}
}

func (t tiler) clear(n int) {
	for i := range n {
		if r := regAcc + i; r < 16 {
			t.VXORPS(ymm(r), ymm(r), ymm(r))
		} else {
			t.VPXORD(zmm(r), zmm(r), zmm(r))
		}
	}
}

// initInt starts every row at Tile.init, vectors of i32, or at zero.
func (t tiler) initInt(m, nv int) {
	zero, done := t.label("zero"), t.label("ready")
	t.MOVQ(t.arg(tileInit), reg.R13)
	t.TESTQ(reg.R13, reg.R13)
	t.JZ(operand.LabelRef(zero))
	for i := range m * nv {
		t.VMOVUPS(operand.Mem{Base: reg.R13, Disp: (i % nv) * t.vecBytes()}, t.vec(regAcc+i))
	}
	t.JMP(operand.LabelRef(done))
	t.Label(zero)
	t.clear(m * nv)
	t.Label(done)
}

// prefetchC asks for the lines of C that the end of the body will touch.
func (t tiler) prefetchC(m, nv int) {
	t.MOVQ(t.arg(tileC), reg.R13)
	t.MOVQ(t.arg(tileCRow), reg.RAX)
	for i := range t.rowsOfC(m) {
		if i > 0 {
			t.ADDQ(reg.RAX, reg.R13)
		}
		for off := 0; off < nv*t.vecBytes(); off += 64 {
			t.PREFETCHT0(operand.Mem{Base: reg.R13, Disp: off})
		}
	}
}

func (t tiler) rowsOfC(m int) int {
	if t.complex {
		return m / 2
	}
	return m
}

// step is one step of k: a rank-one update.
func (t tiler) step(m, nv int) {
	for j := range nv {
		src := operand.Mem{Base: reg.RDI, Disp: j * t.vecBytes()}
		if t.packed || j < nv-1 {
			t.VMOVUPS(src, t.vec(regB+j))
		} else {
			t.loadMasked(src, regB+j)
		}
	}
	t.ADDQ(reg.RBX, reg.RDI)
	for i := range m {
		t.broadcast(t.rowOfA(i), regA)
		for j := range nv {
			t.fma(t, regB+j, regA, regAcc+i*nv+j)
		}
	}
	for p := 0; p*t.rowsPerPointer() < m; p++ {
		t.ADDQ(reg.RCX, rowPointers[p])
	}
	t.prefetchNext()
}

// prefetchNext asks for two lines of what will be packed next, so that its
// way from memory is hidden behind the multiply-adds.
func (t tiler) prefetchNext() {
	t.PREFETCHT1(operand.Mem{Base: reg.R13})
	t.PREFETCHT1(operand.Mem{Base: reg.R13, Disp: 64})
	t.ADDQ(reg.R15, reg.R13)
}

// rowOfA is the address of row i of A at the present step.
func (t tiler) rowOfA(i int) operand.Mem {
	per := t.rowsPerPointer()
	at := operand.Mem{Base: rowPointers[i/per]}
	row := i % per
	if t.complex {
		at.Disp = row % 2 * t.elem
		row /= 2
	}
	if row > 0 {
		at.Index, at.Scale = reg.RDX, uint8(row)
	}
	return at
}

func (t tiler) vec(i int) reg.Register {
	if t.avx512 && !t.half {
		return zmm(i)
	}
	return ymm(i)
}

func (t tiler) vecBytes() int {
	if t.avx512 && !t.half {
		return 64
	}
	return 32
}

// broadcast fills a vector with a real element.
func (t tiler) broadcast(src operand.Mem, dst int) {
	if t.elem == 8 {
		t.VBROADCASTSD(src, t.vec(dst))
	} else {
		t.VBROADCASTSS(src, t.vec(dst))
	}
}

// broadcastPair fills a vector with a complex element.
func (t tiler) broadcastPair(src operand.Mem, dst int) {
	switch {
	case t.elem == 4:
		t.VBROADCASTSD(src, t.vec(dst))
	case t.avx512:
		t.VBROADCASTF64X2(src, t.vec(dst))
	default:
		t.VBROADCASTF128(src, t.vec(dst))
	}
}

// loadMasked reads the last vector of a row; lanes outside are zero.
func (t tiler) loadMasked(src operand.Mem, dst int) {
	switch {
	case t.avx512 && t.elem == 8:
		t.VMOVUPD_Z(src, reg.K1, t.vec(dst))
	case t.avx512:
		t.VMOVUPS_Z(src, reg.K1, t.vec(dst))
	case t.elem == 8:
		t.VMASKMOVPD(src, ymm(regTemp), ymm(dst))
	default:
		t.VMASKMOVPS(src, ymm(regTemp), ymm(dst))
	}
}

// storeMasked writes the last vector of a row.
func (t tiler) storeMasked(src int, dst operand.Mem) {
	switch {
	case t.avx512 && t.elem == 8:
		t.VMOVUPD(t.vec(src), reg.K1, dst)
	case t.avx512:
		t.VMOVUPS(t.vec(src), reg.K1, dst)
	case t.elem == 8:
		t.VMASKMOVPD(ymm(src), ymm(regTemp), dst)
	default:
		t.VMASKMOVPS(ymm(src), ymm(regTemp), dst)
	}
}

// label makes a name that is unique in the file.
func (g *gen) label(prefix string) string {
	g.labels++
	return fmt.Sprintf("%s%d", prefix, g.labels)
}

// pcalign aligns what follows to the 32 bytes in which a core fetches.
func (g *gen) pcalign() {
	g.Instruction(&ir.Instruction{Opcode: "PCALIGN", Operands: []operand.Op{operand.U8(32)}})
}
