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
	tileInit  = 64
	tileTiles = 72
	tileANext = 80
	tileBNext = 88
	tileCNext = 96
	tileINext = 104
	tilePack  = 112
	tileAhead = 120
	tileRun   = 128
	tileJump  = 136
	tileRuns  = 144
	tileLeft  = 152
	tileStep  = 160
	tileBody  = 168
	tileMask  = 176
	tileFlags = 184
	tileMaskP = 192
	tileAlpha = 200 // pairs of 16 bytes from here on
	tileAlpIm = 216
	tileBeta  = 232
	tileBetIm = 248
	tileSign1 = 264
	tileSign2 = 280
	tileFlip  = 296
)

// Bits of Tile.flags.
const (
	flagScale = 1 // alpha is not 1
	flagReadC = 2 // beta is not 0
	flagMulC  = 4 // beta is not 1 (complex)
)

// Registers of a body: the vectors of B, the broadcast element of A, and from
// regAcc on the accumulators, row by row. A temporary, or AVX2's mask, shares
// register 3 or lies above the accumulators.
const (
	regB   = 0
	regAcc = 4
)

// rowPointers hold the addresses of rows 0, 3 and 6 of A; rows between are
// reached with an index.
var rowPointers = []reg.Register{reg.RSI, reg.R8, reg.R9}

// kind is an element type at an instruction set, as the generator sees it.
type kind struct {
	name     string
	doc      string
	avx512   bool
	rows     int // most rows of a tile (real rows: a complex row is two)
	vecs     int // most vectors of a row
	complex  bool
	elem     int // bytes of a broadcast element of A
	integer  bool
	whole    bool                       // only tiles of whole vectors, which need no mask
	unrolled bool                       // whole tiles have bodies of several steps a loop: see unrolled.go
	flips    bool                       // elements of A are combined with Tile.Flip
	packed   bool                       // B is always packed: whole vectors
	fma      func(t tiler, b, a, d int) // d += a·b on vectors
}

// kinds are the micro-kernels, one function each.
var kinds = []kind{
	{name: "tileF32AVX512", doc: "f32", avx512: true, rows: 8, vecs: 3, elem: 4, fma: fmaPS},
	{name: "tileF64AVX512", doc: "f64", avx512: true, rows: 8, vecs: 3, elem: 8, fma: fmaPD},
	{name: "tileC64AVX512", doc: "c64", avx512: true, rows: 8, vecs: 3, elem: 4, complex: true, fma: fmaPS},
	{name: "tileC128AVX512", doc: "c128", avx512: true, rows: 8, vecs: 3, elem: 8, complex: true, fma: fmaPD},
	{name: "tileBF16AVX512", doc: "pairs of bf16 into f32 (AVX512-BF16)", avx512: true, rows: 8, vecs: 3, elem: 4, packed: true, fma: fmaBF16},
	{name: "tileVNNIAVX512", doc: "quadruples u8·i8 into i32 (AVX512-VNNI)", avx512: true, rows: 8, vecs: 3, elem: 4, integer: true, packed: true, flips: true, fma: fmaVNNI},
	{name: "tileI16AVX512", doc: "pairs of i16 into i32", avx512: true, rows: 8, vecs: 3, elem: 4, integer: true, packed: true, fma: fmaI16},
	{name: "wholeF32AVX512", doc: "f32", avx512: true, whole: true, rows: 8, vecs: 3, elem: 4, fma: fmaPS},
	{name: "wholeF64AVX512", doc: "f64", avx512: true, whole: true, rows: 8, vecs: 3, elem: 8, fma: fmaPD},
	{name: "wholeC64AVX512", doc: "c64", avx512: true, whole: true, rows: 8, vecs: 3, elem: 4, complex: true, fma: fmaPS},
	{name: "wholeC128AVX512", doc: "c128", avx512: true, whole: true, rows: 8, vecs: 3, elem: 8, complex: true, fma: fmaPD},
	{name: "tileF32AVX2", doc: "f32", rows: 6, vecs: 2, elem: 4, fma: fmaPS},
	{name: "tileF64AVX2", doc: "f64", rows: 6, vecs: 2, elem: 8, fma: fmaPD},
	{name: "tileC64AVX2", doc: "c64", rows: 6, vecs: 2, elem: 4, complex: true, fma: fmaPS},
	{name: "tileC128AVX2", doc: "c128", rows: 6, vecs: 2, elem: 8, complex: true, fma: fmaPD},
	{name: "wholeF32AVX2", doc: "f32", whole: true, unrolled: true, rows: 6, vecs: 2, elem: 4, fma: fmaPS},
	{name: "wholeF64AVX2", doc: "f64", whole: true, unrolled: true, rows: 6, vecs: 2, elem: 8, fma: fmaPD},
	{name: "wholeC64AVX2", doc: "c64", whole: true, unrolled: true, rows: 6, vecs: 2, elem: 4, complex: true, fma: fmaPS},
	{name: "wholeC128AVX2", doc: "c128", whole: true, unrolled: true, rows: 6, vecs: 2, elem: 8, complex: true, fma: fmaPD},
	{name: "tileI16AVX2", doc: "pairs of i16 into i32", rows: 6, vecs: 2, elem: 4, integer: true, packed: true, fma: fmaI16},
	{name: "wholeI16AVX2", doc: "pairs of i16 into i32", whole: true, unrolled: true, rows: 6, vecs: 2, elem: 4, integer: true, packed: true, fma: fmaI16},
}

func fmaPS(t tiler, b, a, d int)   { t.VFMADD231PS(t.vec(b), t.vec(a), t.vec(d)) }
func fmaPD(t tiler, b, a, d int)   { t.VFMADD231PD(t.vec(b), t.vec(a), t.vec(d)) }
func fmaBF16(t tiler, b, a, d int) { t.vdpbf16ps(t.vecBytes(), b, a, d) }
func fmaVNNI(t tiler, b, a, d int) { t.VPDPBUSD(t.vec(b), t.vec(a), t.vec(d)) }
func fmaI16(t tiler, b, a, d int) {
	t.VPMADDWD(t.vec(b), t.vec(a), t.vec(t.temp()))
	t.VPADDD(t.vec(t.temp()), t.vec(d), t.vec(d))
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

// regA holds the broadcast element of A.
func (t tiler) regA() int { return t.vecs }

// temp is the register of temporaries, or of AVX2's mask.
func (t tiler) temp() int {
	if t.avx512 {
		return regAcc + t.rows*t.vecs
	}
	return 3
}

// regFlip holds Tile.Flip.
func (t tiler) regFlip() int { return t.temp() + 1 }

// function makes the whole function. Body number i has i%rows + 1 rows (of a
// complex kind rows/2 pairs of rows) and 1 to vecs vectors, or, with 512 bits,
// half a vector: where 512 bits pass through two halves, as in Zen 4, a narrow
// edge takes half the time. The last body is a whole tile that packs B as it
// goes. Functions for whole vectors have neither: there a masked load costs the
// multiply-adds time, one in 24 for a tile of 8 x 48.
func (t tiler) function() {
	t.text(t.name, "func(tile *uint64)", t.name+" runs a Tile: "+t.doc+".")
	t.Load(t.Param("tile"), reg.R12)
	if t.avx512 && !t.whole {
		t.KMOVQ(t.arg(tileMask), reg.K1)
	}
	step := 1
	if t.complex {
		step = 2
	}
	widths := t.vecs
	if t.avx512 && !t.whole {
		widths++
	}
	bodies, rows := widths*t.rows/step, t.rows/step
	t.MOVQ(t.arg(tileBody), reg.RAX)
	t.dispatch(0, bodies+len(t.wholeForms()))
	for i := range bodies {
		t.Label(bodyLabel(i))
		m, nv := step*(1+i%rows), 1+i/rows
		t.half = nv > t.vecs
		if t.half {
			nv = 1
		}
		t.body(m, nv, form{})
	}
	t.half = false
	for i, f := range t.wholeForms() {
		t.Label(bodyLabel(bodies + i))
		t.body(t.rows, t.vecs, f)
	}
}

// form is what a body of a whole tile does that others do not.
type form struct {
	pack  bool // packs B
	lies  bool // several steps a loop, A as it lies: elements of a row side by side
	panel bool // several steps a loop, A a packed panel
}

// wholeForms are the bodies of whole tiles beside the plain one, in their order.
func (t tiler) wholeForms() []form {
	switch {
	case t.unrolled:
		return []form{{lies: true}, {panel: true}}
	case !t.packed && !t.whole:
		return []form{{pack: true}}
	}
	return nil
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

// body is the code for m rows of nv vectors. It loops over tiles; before the
// last steps of each it asks for the rows of C one by one, far enough apart
// that they do not crowd out what the steps read.
func (t tiler) body(m, nv int, f form) {
	t.Commentf("%d rows, %d vectors of %d bytes", m, nv, t.vecBytes())
	b := body{tiler: t, form: f, m: m, nv: nv, walks: m == t.rows && !f.pack}
	top, early, main, run, row, done := t.label("tile"), t.label("early"), t.label("main"), t.label("run"), t.label("row"), t.label("done")
	t.Label(top)
	b.loadArgs()
	t.TESTQ(reg.RAX, reg.RAX)
	t.JZ(operand.LabelRef(done))
	t.SUBQ(operand.I32(t.rowsOfC(m)*t.rowSteps()), reg.RAX)
	t.JGE(operand.LabelRef(main))
	t.Label(early)
	b.askRow()
	t.ADDQ(operand.I8(t.rowSteps()), reg.RAX)
	t.JL(operand.LabelRef(early))
	t.Label(main)
	t.TESTQ(reg.RAX, reg.RAX)
	t.JZ(operand.LabelRef(row))
	t.Label(run)
	b.steps()
	t.Label(row)
	t.TESTQ(reg.R11, reg.R11)
	t.JZ(operand.LabelRef(done))
	b.askRow()
	t.MOVQ(operand.U32(t.rowSteps()), reg.RAX)
	t.JMP(operand.LabelRef(run))
	t.Label(done)
	b.saveArgs()
	switch {
	case t.complex:
		t.finishComplex(m, nv)
	case t.integer:
		t.finishInt(m, nv)
	default:
		t.finishReal(m, nv)
	}
	b.nextTile(top)
	t.VZEROUPPER()
	t.RET()
}

// body is one body under way. Its general registers: steps to go in RAX, the
// strides of B and A in RBX, RCX and RDX, rows of A in rowPointers, B in RDI (three
// times its stride in R9, if several steps are a loop);
// the next row of C to ask for in R10, and how many are left in R11; what is
// asked for ahead in R13 and its step in R15, or where B is packed to and how
// far ahead it is asked for; a count in R14.
type body struct {
	tiler
	form
	m, nv int
	walks bool // asks for Tile.Ahead as it goes
}

// rowSteps is how many steps lie between the rows of C that are asked for.
func (t tiler) rowSteps() int {
	if t.avx512 && !t.complex {
		return 8
	}
	return 16
}

// askRow asks for a row of C.
func (b *body) askRow() {
	for off := 0; off < b.nv*b.vecBytes(); off += 64 {
		b.PREFETCHT0(operand.Mem{Base: reg.R10, Disp: off})
	}
	b.ADDQ(b.arg(tileCRow), reg.R10)
	b.DECQ(reg.R11)
}

// steps runs RAX steps, at least one, in as many loops as the walk ahead
// has runs.
func (b *body) steps() {
	switch {
	case b.lies || b.panel:
		b.unrolledSteps()
	case b.walks:
		b.walk(b.step)
	default:
		loop := b.label("loop")
		b.pcalign()
		b.Label(loop)
		b.step()
		b.DECQ(reg.RAX)
		b.JNZ(operand.LabelRef(loop))
	}
}

// walk runs what a line is asked for in, RAX times, at least once.
func (b *body) walk(once func()) {
	run, loop := b.label("steps"), b.label("loop")
	b.Label(run)
	b.MOVQ(b.arg(tileLeft), reg.R14)
	b.CMPQ(reg.RAX, reg.R14)
	b.CMOVQLT(reg.RAX, reg.R14)
	b.SUBQ(reg.R14, reg.RAX)
	b.SUBQ(reg.R14, b.arg(tileLeft))
	b.pcalign()
	b.Label(loop)
	once()
	b.PREFETCHT1(operand.Mem{Base: reg.R13})
	b.ADDQ(reg.R15, reg.R13)
	b.DECQ(reg.R14)
	b.JNZ(operand.LabelRef(loop))
	b.nextRun()
	b.TESTQ(reg.RAX, reg.RAX)
	b.JNZ(operand.LabelRef(run))
}

// nextRun goes on to the next run of the walk if one is through. After the
// last, the walk stands still at an address that is in the cache.
func (b *body) nextRun() {
	same := b.label("same")
	b.CMPQ(b.arg(tileLeft), operand.U8(0))
	b.JNE(operand.LabelRef(same))
	b.ADDQ(b.arg(tileJump), reg.R13)
	b.MOVQ(b.arg(tileRun), reg.R14)
	b.MOVQ(reg.R14, b.arg(tileLeft))
	b.DECQ(b.arg(tileRuns))
	b.JNZ(operand.LabelRef(same))
	b.MOVQ(reg.R12, reg.R13)
	b.XORQ(reg.R15, reg.R15)
	b.MOVQ(operand.I32(1<<30), b.arg(tileLeft))
	b.Label(same)
}

// nextTile goes on to the next tile, if there is one.
func (b *body) nextTile(top string) {
	last := b.label("last")
	b.DECQ(b.arg(tileTiles))
	b.JLE(operand.LabelRef(last))
	for _, f := range [][2]int{{tileANext, tileA}, {tileBNext, tileB}, {tileCNext, tileC}} {
		b.MOVQ(b.arg(f[0]), reg.RAX)
		b.ADDQ(reg.RAX, b.arg(f[1]))
	}
	if b.integer {
		b.MOVQ(b.arg(tileINext), reg.RAX)
		b.ADDQ(reg.RAX, b.arg(tileInit))
	}
	b.JMP(operand.LabelRef(top))
	b.Label(last)
}

// loadArgs puts the arguments in registers and clears the accumulators.
func (b *body) loadArgs() {
	b.MOVQ(b.arg(tileARow), reg.RDX)
	b.MOVQ(b.arg(tileAStep), reg.RCX)
	b.MOVQ(b.arg(tileB), reg.RDI)
	b.MOVQ(b.arg(tileBStep), reg.RBX)
	b.MOVQ(b.arg(tileA), rowPointers[0])
	for p := 1; p*b.rowsPerPointer() < b.m; p++ {
		b.LEAQ(operand.Mem{Base: rowPointers[p-1], Index: reg.RDX, Scale: 2}, rowPointers[p])
		b.ADDQ(reg.RDX, rowPointers[p])
	}
	if b.flips {
		b.VPBROADCASTD(b.arg(tileFlip), b.vec(b.regFlip()))
	}
	if b.integer {
		b.initInt(b.m, b.nv)
	} else {
		b.loadMask()
		b.clear(b.m * b.nv)
	}
	b.MOVQ(b.arg(tileC), reg.R10)
	b.MOVQ(operand.U32(b.rowsOfC(b.m)), reg.R11)
	if b.lies || b.panel {
		b.LEAQ(operand.Mem{Base: reg.RBX, Index: reg.RBX, Scale: 2}, reg.R9)
	}
	switch {
	case b.pack:
		b.MOVQ(b.arg(tilePack), reg.R13)
		b.IMUL3Q(operand.U8(prefetchSteps), reg.RBX, reg.R15)
	case b.walks:
		b.MOVQ(b.arg(tileAhead), reg.R13)
		b.MOVQ(b.arg(tileStep), reg.R15)
	}
	b.MOVQ(b.arg(tileK), reg.RAX)
}

// saveArgs keeps what the next tile goes on with.
func (b *body) saveArgs() {
	switch {
	case b.pack:
		b.MOVQ(reg.R13, b.arg(tilePack))
	case b.walks:
		b.MOVQ(reg.R13, b.arg(tileAhead))
		b.MOVQ(reg.R15, b.arg(tileStep))
	}
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
	if !t.avx512 && !t.whole {
		t.MOVQ(t.arg(tileMaskP), reg.R13)
		t.VMOVUPS(operand.Mem{Base: reg.R13}, ymm(t.temp()))
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

func (t tiler) rowsOfC(m int) int {
	if t.complex {
		return m / 2
	}
	return m
}

// step is one step of k: a rank-one update.
func (b *body) step() {
	for j := range b.nv {
		src := operand.Mem{Base: reg.RDI, Disp: j * b.vecBytes()}
		switch {
		case b.packed || j < b.nv-1 || b.pack:
			b.VMOVUPS(src, b.vec(regB+j))
		default:
			b.loadMasked(src, regB+j)
		}
	}
	if b.pack {
		b.packStep()
	}
	b.ADDQ(reg.RBX, reg.RDI)
	for i := range b.m {
		if b.flips {
			b.VPXORD_BCST(b.rowOfA(i), b.vec(b.regFlip()), b.vec(b.regA()))
		} else {
			b.broadcast(b.rowOfA(i), b.regA())
		}
		for j := range b.nv {
			b.fma(b.tiler, regB+j, b.regA(), regAcc+i*b.nv+j)
		}
	}
	for p := 0; p*b.rowsPerPointer() < b.m; p++ {
		b.ADDQ(reg.RCX, rowPointers[p])
	}
}

// packStep stores the row of B, and asks for one that follows.
func (b *body) packStep() {
	for j := range b.nv {
		b.VMOVUPS(b.vec(regB+j), operand.Mem{Base: reg.R13, Disp: j * b.vecBytes()})
	}
	for off := 0; off < b.nv*b.vecBytes(); off += 64 {
		b.PREFETCHT0(operand.Mem{Base: reg.RDI, Index: reg.R15, Scale: 1, Disp: off})
	}
	b.ADDQ(operand.I32(b.nv*b.vecBytes()), reg.R13)
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
	case t.whole:
		t.VMOVUPS(src, t.vec(dst))
	case t.avx512 && t.elem == 8:
		t.VMOVUPD_Z(src, reg.K1, t.vec(dst))
	case t.avx512:
		t.VMOVUPS_Z(src, reg.K1, t.vec(dst))
	case t.elem == 8:
		t.VMASKMOVPD(src, ymm(t.temp()), ymm(dst))
	default:
		t.VMASKMOVPS(src, ymm(t.temp()), ymm(dst))
	}
}

// storeMasked writes the last vector of a row.
func (t tiler) storeMasked(src int, dst operand.Mem) {
	switch {
	case t.whole:
		t.VMOVUPS(t.vec(src), dst)
	case t.avx512 && t.elem == 8:
		t.VMOVUPD(t.vec(src), reg.K1, dst)
	case t.avx512:
		t.VMOVUPS(t.vec(src), reg.K1, dst)
	case t.elem == 8:
		t.VMASKMOVPD(ymm(src), ymm(t.temp()), dst)
	default:
		t.VMASKMOVPS(ymm(src), ymm(t.temp()), dst)
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
