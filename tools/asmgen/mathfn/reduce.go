package mathfn

import (
	"fmt"
	"math"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reductionLanes is the number of partial results of a reduction, whatever the
// ISA: element i belongs to lane i mod 64.
const reductionLanes = 64

// reduction is a routine that folds rows of 64 elements into 64 partial
// results, acc[j] = step(acc[j], x[j]) for one row after the other, and the
// exported function around it.
type reduction struct {
	name, doc string
	elem, acc Elem
	two       bool   // a second operand y
	step      string // Go statement for acc[j], with v and w the elements as acc's type
	fold      string // Go statement for a, with b a later lane
	identity  string // initial lanes; "" takes the first element
	serial    bool   // less than 64 elements are folded from left to right
	narrow    bool   // AVX-512 works on registers of AVX2's width, but on twice as many
	ones      bool   // asm wants a register of ones
	scratch   int    // registers that asm and quick need beside the lanes', one for lanes from memory included
	asm       func(a *asm, acc, tmp vec, x, y operand.Op)
	// quick, if set, is a faster asm for lanes that do not meet NaN, and note is
	// what two registers of elements then go through; a bit set in a.nan tells that there was
	// one, and asm has to do it all again.
	quick   func(a *asm, acc, tmp vec, x operand.Op)
	note    func(a *asm, one, two vec)
	combine func(a *asm, acc, tmp vec, _ operand.Op) // acc with a later lane
}

// elemCast says how an element becomes acc's type.
func (r *reduction) cast(v string) string {
	if r.elem == r.acc {
		return v
	}
	return r.acc.Go + "(" + v + ")"
}

func (a *asm) direct(mnemonic string) func(a *asm, acc, tmp vec, x, y operand.Op) {
	return func(a *asm, acc, _ vec, x, _ operand.Op) { a.do(mnemonic, x, a.reg(acc), a.reg(acc)) }
}

// viaTmp loads (and converts) with one instruction and works with the next.
func viaTmp(load string, ops func(a *asm, acc, tmp vec, y operand.Op)) func(a *asm, acc, tmp vec, x, y operand.Op) {
	return func(a *asm, acc, tmp vec, x, y operand.Op) {
		a.do(load, x, a.reg(tmp))
		ops(a, acc, tmp, y)
	}
}

func fold(mnemonic string) func(a *asm, acc, tmp vec, y operand.Op) {
	return func(a *asm, acc, tmp vec, _ operand.Op) { a.do(mnemonic, a.reg(tmp), a.reg(acc), a.reg(acc)) }
}

// square adds tmp², rounded first.
func square(a *asm, acc, tmp vec, _ operand.Op) {
	a.do("VMULPD", a.reg(tmp), a.reg(tmp), a.reg(tmp))
	a.do("VADDPD", a.reg(tmp), a.reg(acc), a.reg(acc))
}

// setOne fills a register with ones, for addByFMA.
func (a *asm) setOne(r vec) {
	a.one = r
	a.do("MOVQ", operand.U64(math.Float64bits(1)), reg.R8)
	a.do("VMOVQ", reg.R8, x(r))
	a.do("VBROADCASTSD", x(r), a.reg(r))
}

// addByFMA adds tmp times 1: conversions take the ports of additions.
func addByFMA(a *asm, acc, tmp vec, _ operand.Op) {
	a.do("VFMADD231PD", a.reg(a.one), a.reg(tmp), a.reg(acc))
}

// spareNaN is where an extreme marks NaN on AVX2.
const spareNaN = vec(15)

// extreme is VMAX or VMIN with the lane's value kept on equality, and NaN kept for good.
func extreme(mnemonic, suffix string) func(a *asm, acc, tmp vec, y operand.Op) {
	return func(a *asm, acc, tmp vec, _ operand.Op) {
		a.do(mnemonic+suffix, a.reg(acc), a.reg(tmp), a.reg(acc))
		if a.isa == AVX512 {
			a.do("VCMP"+suffix, operand.U8(predUnord), a.reg(tmp), a.reg(tmp), reg.K1)
			a.do("VMOVA"+suffix, a.reg(tmp), reg.K1, a.reg(acc))
			return
		}
		nan := a.reg(spareNaN)
		a.do("VCMP"+suffix, operand.U8(predUnord), a.reg(tmp), a.reg(tmp), nan)
		a.do("VBLENDV"+suffix, nan, a.reg(tmp), a.reg(acc), a.reg(acc))
	}
}

// nanMask is where pair notes on AVX-512 that there was a NaN.
var nanMask = reg.K2

// quickExtreme is extreme without the test for NaN.
func quickExtreme(mnemonic, suffix string) func(a *asm, acc, tmp vec, x operand.Op) {
	return func(a *asm, acc, tmp vec, x operand.Op) {
		a.do("VMOVU"+suffix, x, a.reg(tmp))
		a.do(mnemonic+suffix, a.reg(acc), a.reg(tmp), a.reg(acc))
	}
}

// noteNaN is that test, of two registers at once.
func noteNaN(suffix string) func(a *asm, one, two vec) {
	return func(a *asm, one, two vec) {
		if a.isa == AVX512 {
			a.do("VCMP"+suffix, operand.U8(predUnord), a.reg(one), a.reg(two), reg.K1)
			a.do("KORW", reg.K1, nanMask, nanMask)
			return
		}
		a.do("VCMP"+suffix, operand.U8(predUnord), a.reg(one), a.reg(two), a.reg(one))
		a.do("VORPS", a.reg(one), a.reg(a.nan), a.reg(a.nan))
	}
}

// noNaN clears the note of NaN.
func (a *asm) noNaN() {
	if a.isa == AVX512 {
		a.do("KXORW", nanMask, nanMask, nanMask)
		return
	}
	a.do("VXORPS", a.reg(a.nan), a.reg(a.nan), a.reg(a.nan))
}

// ifNoNaN jumps if there is no note of NaN.
func (a *asm) ifNoNaN(label string) {
	if a.isa == AVX512 {
		a.do("KORTESTW", nanMask, nanMask)
	} else {
		a.do("VMOVMSKPS", a.reg(a.nan), reg.R8L)
		a.c.TESTL(reg.R8L, reg.R8L)
	}
	a.c.JZ(operand.LabelRef(label))
}

func reductions() []*reduction {
	direct := func(m string) func(a *asm, acc, tmp vec, x, y operand.Op) { return (*asm)(nil).direct(m) }
	sum := func(name, doc string, elem, acc Elem, f func(a *asm, acc, tmp vec, x, y operand.Op)) *reduction {
		return &reduction{name: name, doc: doc, elem: elem, acc: acc, step: "acc[j] += v", fold: "a += b", identity: "0", serial: true, asm: f, scratch: 2,
			combine: fold(map[Elem]string{F64: "VADDPD", I64: "VPADDQ", U64: "VPADDQ"}[acc])}
	}
	plain := func(name, doc string, e Elem, mnemonic string) *reduction { // from memory
		r := sum(name, doc, e, e, direct(mnemonic))
		r.scratch = 0
		return r
	}
	squares := func(e Elem, load string) *reduction {
		r := sum("SumSquares"+e.Name, "the sum of the squares of x, in float64.", e, F64, viaTmp(load, square))
		r.step = "acc[j] += float64(v * v)"
		return r
	}
	dot := func(e Elem, f func(a *asm, acc, tmp vec, x, y operand.Op)) *reduction {
		r := sum("Dot"+e.Name, "the sum of x[i]·y[i] in float64, each product added with one rounding.", e, F64, f)
		r.two, r.step = true, "acc[j] = math.FMA(v, w, acc[j])"
		return r
	}
	prod := plain("ProdF64", "the product of x.", F64, "VMULPD")
	prod.combine = fold("VMULPD")
	prod.step, prod.fold, prod.identity = "acc[j] *= v", "a *= b", "1"
	sumF32 := sum("SumF32", "the sum of x in float64.", F32, F64, viaTmp("VCVTPS2PD", addByFMA))
	sumF32.ones, sumF32.scratch = true, 3
	squaresF32 := squares(F32, "VCVTPS2PD")
	// The product is exact: one rounding is as good as two.
	squaresF32.asm = viaTmp("VCVTPS2PD", func(a *asm, acc, tmp vec, _ operand.Op) { a.do("VFMADD231PD", a.reg(tmp), a.reg(tmp), a.reg(acc)) })
	dotF32 := dot(F32, func(a *asm, acc, tmp vec, x, y operand.Op) {
		a.do("VCVTPS2PD", x, a.reg(tmp))
		a.do("VCVTPS2PD", y, a.reg(tmp+1))
		a.do("VFMADD231PD", a.reg(tmp+1), a.reg(tmp), a.reg(acc))
	})
	dotF32.scratch = 3
	rs := []*reduction{
		plain("SumF64", "the sum of x.", F64, "VADDPD"),
		sumF32,
		plain("SumI64", "the sum of x, modulo 2^64.", I64, "VPADDQ"),
		plain("SumU64", "the sum of x, modulo 2^64.", U64, "VPADDQ"),
		sum("SumI32", "the sum of x.", I32, I64, viaTmp("VPMOVSXDQ", fold("VPADDQ"))),
		sum("SumU32", "the sum of x.", U32, I64, viaTmp("VPMOVZXDQ", fold("VPADDQ"))),
		sum("SumI16", "the sum of x.", I16, I64, viaTmp("VPMOVSXWQ", fold("VPADDQ"))),
		sum("SumU16", "the sum of x.", U16, I64, viaTmp("VPMOVZXWQ", fold("VPADDQ"))),
		sum("SumI8", "the sum of x.", I8, I64, viaTmp("VPMOVSXBQ", fold("VPADDQ"))),
		sum("SumU8", "the sum of x.", U8, I64, viaTmp("VPMOVZXBQ", fold("VPADDQ"))),
		prod,
		squares(F64, "VMOVUPD"),
		squaresF32,
		dot(F64, viaTmp("VMOVUPD", func(a *asm, acc, tmp vec, y operand.Op) { a.do("VFMADD231PD", y, a.reg(tmp), a.reg(acc)) })),
		dotF32,
	}
	for _, r := range rs { // Zen 4 converts two runs of four a cycle, but only half a run of eight
		r.narrow = r.elem == F32
	}
	for _, e := range []Elem{F32, F64, I64, U64, I32, U32, I16, U16, I8, U8} {
		rs = append(rs, extremeOf(e, "Max", ">"), extremeOf(e, "Min", "<"))
	}
	return rs
}

// extremeOf is the greatest or least element.
func extremeOf(e Elem, name, relation string) *reduction {
	r := &reduction{name: name + "Of" + e.Name, elem: e, acc: e}
	r.doc = map[string]string{"Max": "the greatest", "Min": "the least"}[name] + " element of x, which must not be empty"
	if isFloat(e) {
		suffix := map[Elem]string{F32: "PS", F64: "PD"}[e]
		r.doc += "; NaN if\n// one is. Of equal zeros the first in lane order counts."
		r.step = fmt.Sprintf("if v %s acc[j] || v != v {\nacc[j] = v\n}", relation)
		r.fold = fmt.Sprintf("if b %s a || b != b {\na = b\n}", relation)
		r.combine = extreme("V"+strings.ToUpper(name), suffix)
		r.asm = viaTmp("VMOVU"+suffix, r.combine)
		r.quick, r.note = quickExtreme("V"+strings.ToUpper(name), suffix), noteNaN(suffix)
		r.scratch = 4
		return r
	}
	r.doc += "."
	sign := map[bool]string{true: "U", false: "S"}[isUnsigned(e)]
	mnemonic := "VP" + strings.ToUpper(name) + sign + map[int]string{1: "B", 2: "W", 4: "D", 8: "Q"}[e.Size]
	goName := strings.ToLower(name)
	r.step, r.fold = fmt.Sprintf("acc[j] = %s(acc[j], v)", goName), fmt.Sprintf("a = %s(a, b)", goName)
	if e.Size == 8 {
		r.combine = extremeOf64(mnemonic, isUnsigned(e), name == "Max")
		r.asm = viaTmp("VMOVUPD", r.combine)
		r.scratch = 4
		return r
	}
	r.asm, r.combine = (*asm)(nil).direct(mnemonic), fold(mnemonic)
	return r
}

// extremeOf64 is the instruction that AVX2 lacks: there a signed comparison
// chooses, of unsigned numbers with their first bits flipped.
func extremeOf64(mnemonic string, unsigned, greatest bool) func(a *asm, acc, tmp vec, y operand.Op) {
	return func(a *asm, acc, tmp vec, _ operand.Op) {
		if a.isa == AVX512 {
			a.do(mnemonic, a.reg(tmp), a.reg(acc), a.reg(acc))
			return
		}
		const flip, other = vec(14), vec(15)
		l, r := tmp, acc
		if unsigned {
			a.do("VPCMPEQD", y(flip), y(flip), y(flip))
			a.do("VPSLLQ", operand.U8(63), y(flip), y(flip))
			a.do("VPXOR", y(flip), y(tmp), y(other))
			a.do("VPXOR", y(flip), y(acc), y(flip))
			l, r = other, flip
		}
		if !greatest {
			l, r = r, l
		}
		a.do("VPCMPGTQ", y(r), y(l), y(other)) // l > r
		a.do("VBLENDVPD", y(other), y(tmp), y(acc), y(acc))
	}
}

func (r *reduction) signature() string {
	s := fmt.Sprintf("func(acc *%s, x *%s", r.acc.Go, r.elem.Go)
	if r.two {
		s += fmt.Sprintf(", y *%s", r.elem.Go)
	}
	return s + ", rows, fold int)"
}

func (r *reduction) asmName(t Target) string {
	return unexported(r.name) + map[Target]string{AVX2: "AVX2", AVX512: "AVX512"}[t]
}

// assemble emits the loop.
func (r *reduction) assemble(c *build.Context, isa Target) {
	a := &asm{c: c, isa: isa, name: r.asmName(isa)}
	c.Function(a.name)
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr(r.signature())
	c.Pragma("noescape")
	c.Doc(a.name+" folds rows of 64 elements into acc, and then, if fold is not 0,", "acc's halves into acc[0].")
	l := r.layout(a)
	c.Load(c.Param("acc"), reg.RDI)
	if r.ones {
		a.setOne(a.one)
	}
	l.load()
	if r.quick != nil {
		a.noNaN()
		l.emit("fast0", l.pairs)
		a.ifNoNaN("store0")
		l.load() // all again
		l.emit("loop0", l.singles)
		c.Label("store0")
	} else {
		l.emit("loop0", l.singles)
	}
	for i := range l.held {
		a.do("VMOVUPS", a.reg(vec(i)), l.lanes(i))
	}
	c.Load(c.Param("fold"), reg.RCX)
	c.TESTQ(reg.RCX, reg.RCX)
	c.JZ(operand.LabelRef("done"))
	r.foldLanes(a, l.total, l.held)
	c.Label("done")
	c.VZEROUPPER()
	c.RET()
}

// rowLoop is a loop over rows.
type rowLoop struct {
	*reduction
	a           *asm
	total, held int // registers of lanes, and how many of them are kept in registers
	passing     vec // the one for the others
	tmp         vec // the first of those for elements, two for each of turns
	turns       int
}

// layout shares out the registers. AVX2 has sixteen, as many as 64 lanes of eight bytes
// fill: what needs others keeps the last few lanes in memory, from where they are
// read and written back row by row. Two passes with half the lanes each would read every other
// quarter of a KiB, at which prefetching is not good.
func (r *reduction) layout(a *asm) *rowLoop {
	l := &rowLoop{reduction: r, a: a, tmp: 10, turns: 3}
	if r.narrow && a.isa == AVX512 {
		a.isa, l.tmp = AVX2, 17
	}
	l.total = reductionLanes * r.acc.Size / a.width()
	l.held = l.total
	a.one, a.nan = l.tmp-1, 8
	if l.total == 16 && l.tmp == 10 {
		l.held -= r.scratch
		l.passing, l.tmp, l.turns = vec(l.held), vec(l.held+1), 1
		a.one, a.nan = 15, 15
	}
	return l
}

// lanes is where register i of lanes lies in acc.
func (l *rowLoop) lanes(i int) operand.Mem {
	return operand.Mem{Base: reg.RDI, Disp: i * l.a.width()}
}

// row is where the elements for register i lie in the row at base.
func (l *rowLoop) row(base reg.Register, i int) operand.Mem {
	return operand.Mem{Base: base, Disp: i * l.a.width() / l.acc.Size * l.elem.Size}
}

// load begins at the first row.
func (l *rowLoop) load() {
	c := l.a.c
	c.Load(c.Param("x"), reg.RSI)
	if l.two {
		c.Load(c.Param("y"), reg.RDX)
	}
	c.Load(c.Param("rows"), reg.RCX)
	for i := range l.held {
		l.a.do("VMOVUPS", l.lanes(i), l.a.reg(vec(i)))
	}
}

// emit emits the loop around a body for one row.
func (l *rowLoop) emit(label string, body func()) {
	c := l.a.c
	c.Label(label)
	body()
	row := operand.U32(reductionLanes * l.elem.Size)
	c.ADDQ(row, reg.RSI)
	if l.two {
		c.ADDQ(row, reg.RDX)
	}
	c.DECQ(reg.RCX)
	c.JNZ(operand.LabelRef(label))
}

// with emits what works on register i of lanes.
func (l *rowLoop) with(i int, step func(acc vec)) {
	if i < l.held {
		step(vec(i))
		return
	}
	l.a.do("VMOVUPS", l.lanes(i), l.a.reg(l.passing))
	step(l.passing)
	l.a.do("VMOVUPS", l.a.reg(l.passing), l.lanes(i))
}

func (l *rowLoop) singles() {
	for i := range l.total {
		tmp := l.tmp + vec(i%l.turns*2)
		l.with(i, func(acc vec) { l.asm(l.a, acc, tmp, l.row(reg.RSI, i), l.row(reg.RDX, i)) })
	}
}

func (l *rowLoop) pairs() {
	for i := range l.total {
		tmp := l.tmp + vec((i&^1)%l.turns*2+i%2)
		l.with(i, func(acc vec) { l.quick(l.a, acc, tmp, l.row(reg.RSI, i)) })
		if i%2 == 1 {
			l.note(l.a, tmp-1, tmp)
		}
	}
}

// foldLanes folds lane j with lane j+32, then +16 and so on: registers as long
// as there are several, then the halves of one. held of them are still in
// registers.
func (r *reduction) foldLanes(a *asm, total, held int) {
	acc := func(i int) operand.Mem { return operand.Mem{Base: reg.RDI, Disp: i * a.width()} }
	half := total / 2
	if total > held { // the first halving is from memory
		for i := range half {
			a.do("VMOVUPS", acc(i), a.reg(vec(i)))
			a.do("VMOVUPS", acc(i+half), a.reg(10))
			r.combine(a, vec(i), 10, nil)
		}
		half /= 2
	}
	for ; half > 0; half /= 2 {
		for i := range half {
			r.combine(a, vec(i), vec(i+half), nil)
		}
	}
	if a.isa == AVX512 {
		a.do("VEXTRACTF64X4", operand.U8(1), z(0), y(10))
		r.combine(a, 0, 10, nil)
	}
	a.do("VEXTRACTI128", operand.U8(1), y(0), x(10))
	r.combine(a, 0, 10, nil)
	for bytes := 8; bytes >= r.acc.Size; bytes /= 2 {
		a.do("VPSRLDQ", operand.U8(bytes), x(0), x(10))
		r.combine(a, 0, 10, nil)
	}
	a.do("VMOVUPS", x(0), operand.Mem{Base: reg.RDI})
}

// goText gives the exported function and the twin of the loop.
func (r *reduction) goText() (wrapper, twin string) {
	var s strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&s, format, args...) }
	name := unexported(r.name)
	params, second, pieces, goArgs := "x []"+r.elem.Go, "", "", "x[:n]"
	if r.two {
		params, second, pieces, goArgs = "x, y []"+r.elem.Go, ", &y[i]", ", len(y)", "x[:n], y[:n]"
	}
	w("\n// %s is %s\n", r.name, r.doc)
	w("func %s(%s) %s {\n", r.name, params, r.acc.Go)
	if r.two {
		w("\tneed(len(x)%s)\n", pieces)
	}
	if r.serial {
		index := map[bool]string{true: "i", false: "_"}[r.two]
		w("\tif len(x) < lanes {\n\t\tacc := [1]%s{%s}\n\t\tfor %s, v := range x {\n\t\t\tconst j = 0\n\t\t\t%s\n\t\t}\n\t\treturn acc[0]\n\t}\n",
			r.acc.Go, r.identity, index, r.element("i"))
	}
	w("\tvar acc [lanes]%s\n", r.acc.Go)
	switch r.identity {
	case "0":
	case "":
		w("\tfor j := copy(acc[:], x); j < lanes; j++ {\n\t\tacc[j] = x[0]\n\t}\n")
	default:
		w("\tfor j := range acc {\n\t\tacc[j] = %s\n\t}\n", r.identity)
	}
	w("\tn := len(x) &^ (lanes - 1)\n\tswitch Active() {\n")
	for _, t := range []Target{AVX512, AVX2} {
		w("\tcase %s:\n\t\tfor i := 0; i < n; i += chunk {\n", map[Target]string{AVX512: "AVX512", AVX2: "AVX2"}[t])
		w("\t\t\t%s(&acc[0], &x[i]%s, min(chunk, n-i)/lanes, flag(i+chunk >= len(x) && n == len(x)))\n\t\t}\n", r.asmName(t), second)
		w("\t\tif n == len(x) && n > 0 {\n\t\t\treturn acc[0]\n\t\t}\n")
	}
	w("\tdefault:\n\t\t%sGo(&acc, %s)\n\t}\n", name, goArgs)
	w("\tfor j, v := range x[n:] {\n\t\t%s\n\t}\n", r.element("n+j"))
	w("\tfor h := lanes / 2; h > 0; h /= 2 {\n\t\tfor j := range acc[:h] {\n\t\t\ta, b := acc[j], acc[j+h]\n\t\t\t%s\n\t\t\tacc[j] = a\n\t\t}\n\t}\n\treturn acc[0]\n}\n", r.fold)
	wrapper = s.String()
	s.Reset()
	w("\nfunc %sGo(acc *[lanes]%s, %s) {\n\tfor i := 0; i < len(x); i += lanes {\n", name, r.acc.Go, params)
	w("\t\tfor j, v := range x[i : i+lanes] {\n\t\t\t%s\n\t\t}\n\t}\n}\n", r.element("i+j"))
	return wrapper, s.String()
}

// element is the step with v, and w = y[index], brought to acc's type.
func (r *reduction) element(index string) string {
	s := ""
	if r.elem != r.acc {
		s = "v := " + r.cast("v") + "\n"
	}
	if r.two {
		s += "w := " + r.cast("y["+index+"]") + "\n"
	}
	return s + r.step
}

func (r *reduction) stubs() string {
	sig := strings.TrimPrefix(r.signature(), "func")
	s := ""
	for _, t := range []Target{AVX512, AVX2} {
		s += fmt.Sprintf("\nfunc %s%s { panic(noAssembly) }\n", r.asmName(t), sig)
	}
	return s
}
