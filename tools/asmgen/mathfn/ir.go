// Package mathfn generates the vector primitives of kernels/simd: arithmetic,
// comparisons, casts, elementary functions, reductions and transposes.
//
// A routine is written once, as a straight-line program over one lane (a
// [Builder] records it as SSA values), and translated three times: into
// AVX-512 and AVX2 loops through avo, and into the scalar Go twin. All three
// perform the same IEEE operations in the same order, FMA where the program
// says FMA and nowhere else, so their results have the same bits. The program
// is therefore the documentation of the algorithm; what the twin checks is the
// translation, and accuracy tests check the program.
//
// Dataflow: definitions (arith.go, exp.go, log.go, ...) -> Builder (ir.go) ->
// either lower.go + regalloc.go + loop.go (assembly) or gotwin.go (Go);
// wrappers.go writes the exported functions that split and dispatch.
package mathfn

import (
	"fmt"
	"math"
	"slices"
)

// Target is what a program is being translated for. Builders may use an
// instruction that one target has (VSCALEF) if it gives the same bits as what
// the others do instead.
type Target int

// The translations of a program.
const (
	GoTwin Target = iota
	AVX2
	AVX512
)

// Kind is what a lane holds.
type Kind uint8

// Lane contents. A mask is a predicate register (AVX-512), all ones or all
// zeros (AVX2), or a bool (Go).
const (
	Float Kind = iota
	Int
	Mask
)

// Op is an operation on lanes.
type Op uint8

// The operations. Comparisons with a NaN are false, except CmpNe and CmpUnord.
// Min is a < b ? a : b and Max is a > b ? a : b, as x86 has them: with a NaN
// they give b.
const (
	OpInput Op = iota
	OpConst
	OpCast // the same bits under another kind
	OpFAdd
	OpFSub
	OpFMul
	OpFDiv
	OpFSqrt
	OpFMin
	OpFMax
	OpFMA   // a*b + c, one rounding
	OpFNMA  // c - a*b
	OpFMS   // a*b - c
	OpRound // imm: 0 to nearest even, 1 down, 2 up, 3 toward zero
	OpScale // a * 2^b for integral b, one rounding; AVX512 only
	OpAnd
	OpOr
	OpXor
	OpIAdd
	OpISub
	OpIMul
	OpIMinS
	OpIMaxS
	OpIMinU
	OpIMaxU
	OpShl // imm
	OpShr // imm, logical
	OpCmp // float; imm: predicate
	OpIEq
	OpIGt  // signed
	OpTest // a & b is not zero; AVX512 only
	OpMAnd
	OpMOr
	OpMNot
	OpSel    // a ? b : c
	OpIToF   // signed integer to float of the same width; 64-bit: AVX512 only
	OpFToI   // toward zero; out of range and NaN give the most negative integer
	OpLookup // an element of a table; lanes of 64 bits
)

// Predicates of OpCmp: the immediates of VCMPPS.
const (
	predEq    = 0
	predLt    = 1
	predLe    = 2
	predUnord = 3
	predNe    = 4
)

// Value is one SSA value.
type Value struct {
	id   int
	op   Op
	kind Kind
	args []*Value
	imm  uint64 // constant bits, shift count, predicate, rounding mode, parameter number
	name string // for the Go twin
	from *table // of OpLookup
}

// table holds values that lanes choose from: as many as two registers of AVX-512 hold.
type table struct {
	name string // of the Go twin's variable
	vals [tableSize]float64
}

const tableSize = 16

// Elem is an element type in memory.
type Elem struct {
	Name string // in routine names: F32
	Go   string // float32
	Size int
}

// The element types.
var (
	F32  = Elem{"F32", "float32", 4}
	F64  = Elem{"F64", "float64", 8}
	F16  = Elem{"F16", "uint16", 2}
	I8   = Elem{"I8", "int8", 1}
	U8   = Elem{"U8", "uint8", 1}
	I16  = Elem{"I16", "int16", 2}
	U16  = Elem{"U16", "uint16", 2}
	I32  = Elem{"I32", "int32", 4}
	U32  = Elem{"U32", "uint32", 4}
	I64  = Elem{"I64", "int64", 8}
	U64  = Elem{"U64", "uint64", 8}
	Bool = Elem{"Bool", "uint8", 1} // 0 or 1
)

// Param is an operand of a routine: a slice, or one value for all elements.
type Param struct {
	Name   string
	Elem   Elem
	Scalar bool
}

// Routine is one exported function dst[i] = f(params[i]...).
type Routine struct {
	Name   string // exported: ExpF32
	Doc    string // continues the sentence "Name sets dst[i] = "
	Bits   int    // lane width of the computation
	Dst    Elem
	Params []Param
	Body   func(b *Builder, in []*Value) *Value
	Huge   string // Go function for lanes that Body marked with Bail
	Long   string // or a routine that does all, by a longer body, with the same bits where both do
	NoAVX2 bool   // AVX2 lacks the instructions: the twin runs instead
	Stream bool   // there is a form whose stores go past the caches
}

// Builder records a program for one target.
type Builder struct {
	Target Target
	Bits   int
	Wide   bool // float64 lanes for float32 results: shorter polynomials do
	vals   []*Value
	consts map[uint64]*Value
	bail   *Value
}

// Program is a recorded body.
type Program struct {
	r    *Routine
	bits int
	vals []*Value
	in   []*Value
	out  *Value
	bail *Value
}

// Build records r's body for a target and drops what it does not use.
func (r *Routine) Build(t Target) *Program {
	b := &Builder{Target: t, Bits: r.Bits, Wide: r.Bits == 64 && r.Dst == F32, consts: map[uint64]*Value{}}
	p := &Program{r: r, bits: r.Bits}
	for i, prm := range r.Params {
		p.in = append(p.in, b.input(i, prm))
	}
	p.out = r.Body(b, p.in)
	p.bail = b.bail
	p.vals = live(b.vals, p.out, p.bail)
	return p
}

func live(vals []*Value, roots ...*Value) []*Value {
	used := map[*Value]bool{}
	var mark func(v *Value)
	mark = func(v *Value) {
		if v == nil || used[v] {
			return
		}
		used[v] = true
		for _, a := range v.args {
			mark(a)
		}
	}
	for _, r := range roots {
		mark(r)
	}
	var kept []*Value
	for _, v := range vals {
		if used[v] {
			kept = append(kept, v)
		}
	}
	return kept
}

func (b *Builder) input(i int, p Param) *Value {
	kind := Int
	if p.Elem == F32 || p.Elem == F64 || p.Elem == F16 {
		kind = Float
	}
	v := b.add(OpInput, kind, uint64(i))
	v.name = p.Name
	return v
}

func (b *Builder) add(op Op, kind Kind, imm uint64, args ...*Value) *Value {
	v := &Value{id: len(b.vals), op: op, kind: kind, imm: imm, args: args}
	b.vals = append(b.vals, v)
	return v
}

// want panics if a value has the wrong kind: a mistake in a definition.
func want(kind Kind, vs ...*Value) {
	for _, v := range vs {
		if v.kind != kind {
			panic(fmt.Sprintf("mathfn: operand of kind %d, want %d", v.kind, kind))
		}
	}
}

// bitsOf gives the lane's encoding of f.
func (b *Builder) bitsOf(f float64) uint64 {
	if b.Bits == 32 {
		return uint64(math.Float32bits(float32(f)))
	}
	return math.Float64bits(f)
}

// C is the float constant f, rounded to the lane's type.
func (b *Builder) C(f float64) *Value { return b.AsF(b.K(b.bitsOf(f))) }

// K is the integer constant with these bits.
func (b *Builder) K(bits uint64) *Value {
	if b.Bits < 64 {
		bits &= 1<<b.Bits - 1
	}
	if v := b.consts[bits]; v != nil {
		return v
	}
	v := b.add(OpConst, Int, bits)
	b.consts[bits] = v
	return v
}

// AsF reads an integer's bits as a float.
func (b *Builder) AsF(v *Value) *Value { return b.cast(v, Float) }

// AsI reads a float's bits as an integer.
func (b *Builder) AsI(v *Value) *Value { return b.cast(v, Int) }

func (b *Builder) cast(v *Value, k Kind) *Value {
	if v.kind == k {
		return v
	}
	if v.op == OpCast {
		return v.args[0]
	}
	return b.add(OpCast, k, 0, v)
}

func (b *Builder) fop(op Op, args ...*Value) *Value {
	want(Float, args...)
	return b.add(op, Float, 0, args...)
}

func (b *Builder) iop(op Op, imm uint64, args ...*Value) *Value {
	want(Int, args...)
	if op == OpXor && args[0].op == OpConst && args[1].op == OpConst { // the sign of a constant
		return b.K(args[0].imm ^ args[1].imm)
	}
	return b.add(op, Int, imm, args...)
}

func (b *Builder) mop(op Op, args ...*Value) *Value {
	want(Mask, args...)
	return b.add(op, Mask, 0, args...)
}

// Float arithmetic.

func (b *Builder) Add(x, y *Value) *Value    { return b.fop(OpFAdd, x, y) }
func (b *Builder) Sub(x, y *Value) *Value    { return b.fop(OpFSub, x, y) }
func (b *Builder) Mul(x, y *Value) *Value    { return b.fop(OpFMul, x, y) }
func (b *Builder) Div(x, y *Value) *Value    { return b.fop(OpFDiv, x, y) }
func (b *Builder) Sqrt(x *Value) *Value      { return b.fop(OpFSqrt, x) }
func (b *Builder) Min(x, y *Value) *Value    { return b.fop(OpFMin, x, y) }
func (b *Builder) Max(x, y *Value) *Value    { return b.fop(OpFMax, x, y) }
func (b *Builder) FMA(x, y, z *Value) *Value { return b.fop(OpFMA, x, y, z) }

// FNMA is z - x*y.
func (b *Builder) FNMA(x, y, z *Value) *Value { return b.fop(OpFNMA, x, y, z) }

// FMS is x*y - z.
func (b *Builder) FMS(x, y, z *Value) *Value { return b.fop(OpFMS, x, y, z) }

// Round rounds to an integral value in the given mode.
func (b *Builder) Round(x *Value, mode uint64) *Value {
	want(Float, x)
	return b.add(OpRound, Float, mode, x)
}

// Integer arithmetic, modulo the lane's width.

func (b *Builder) And(x, y *Value) *Value           { return b.iop(OpAnd, 0, x, y) }
func (b *Builder) Or(x, y *Value) *Value            { return b.iop(OpOr, 0, x, y) }
func (b *Builder) Xor(x, y *Value) *Value           { return b.iop(OpXor, 0, x, y) }
func (b *Builder) IAdd(x, y *Value) *Value          { return b.iop(OpIAdd, 0, x, y) }
func (b *Builder) ISub(x, y *Value) *Value          { return b.iop(OpISub, 0, x, y) }
func (b *Builder) Shl(x *Value, n int) *Value       { return b.iop(OpShl, uint64(n), x) }
func (b *Builder) Shr(x *Value, n int) *Value       { return b.iop(OpShr, uint64(n), x) }
func (b *Builder) IOp(op Op, args ...*Value) *Value { return b.iop(op, 0, args...) }

// IToF converts a signed integer.
func (b *Builder) IToF(x *Value) *Value { want(Int, x); return b.add(OpIToF, Float, 0, x) }

// FToI truncates to a signed integer.
func (b *Builder) FToI(x *Value) *Value { want(Float, x); return b.add(OpFToI, Int, 0, x) }

// Comparisons and selection.

func (b *Builder) cmp(pred uint64, x, y *Value) *Value {
	want(Float, x, y)
	return b.add(OpCmp, Mask, pred, x, y)
}

func (b *Builder) Eq(x, y *Value) *Value { return b.cmp(predEq, x, y) }
func (b *Builder) Ne(x, y *Value) *Value { return b.cmp(predNe, x, y) }
func (b *Builder) Lt(x, y *Value) *Value { return b.cmp(predLt, x, y) }
func (b *Builder) Le(x, y *Value) *Value { return b.cmp(predLe, x, y) }
func (b *Builder) Gt(x, y *Value) *Value { return b.cmp(predLt, y, x) }
func (b *Builder) Ge(x, y *Value) *Value { return b.cmp(predLe, y, x) }

// IsNaN tells whether x is not a number.
func (b *Builder) IsNaN(x *Value) *Value { return b.cmp(predUnord, x, x) }

// IEq and IGt compare integers, signed.
func (b *Builder) IEq(x, y *Value) *Value { want(Int, x, y); return b.add(OpIEq, Mask, 0, x, y) }
func (b *Builder) IGt(x, y *Value) *Value { want(Int, x, y); return b.add(OpIGt, Mask, 0, x, y) }

// Test tells whether x has the bit, a power of two.
func (b *Builder) Test(x, bit *Value) *Value {
	want(Int, x, bit)
	if b.Target == AVX512 {
		return b.add(OpTest, Mask, 0, x, bit)
	}
	return b.IEq(b.And(x, bit), bit)
}

func (b *Builder) MAnd(x, y *Value) *Value { return b.mop(OpMAnd, x, y) }
func (b *Builder) MOr(x, y *Value) *Value  { return b.mop(OpMOr, x, y) }
func (b *Builder) MNot(x *Value) *Value    { return b.mop(OpMNot, x) }

// Sel is x where m holds and y elsewhere.
func (b *Builder) Sel(m, x, y *Value) *Value {
	want(Mask, m)
	want(x.kind, y)
	return b.add(OpSel, x.kind, 0, m, x, y)
}

// Bail hands the lanes of m to the routine's Huge function, or what is near them to the Long one.
func (b *Builder) Bail(m *Value) { b.bail = m }

// Lookup is t's element at the number in x's low bits; its higher bits do not count.
func (b *Builder) Lookup(t *table, x *Value) *Value {
	if b.Target != AVX512 { // whose instruction ignores the others
		x = b.And(x, b.K(tableSize-1))
	}
	want(Int, x)
	v := b.add(OpLookup, Float, 0, x)
	v.from = t
	return v
}

// tables lists what a program looks up, in the order of its first use.
func (p *Program) tables() (ts []*table) {
	for _, v := range p.vals {
		if v.op == OpLookup && !slices.Contains(ts, v.from) {
			ts = append(ts, v.from)
		}
	}
	return ts
}

// Name gives a value its name in the Go twin.
func (b *Builder) Name(name string, v *Value) *Value {
	if v.name == "" {
		v.name = name
	}
	return v
}

// Derived operations.

// mantBits is the number of stored mantissa bits, bias the exponent's.
func (b *Builder) mantBits() int {
	if b.Bits == 32 {
		return 23
	}
	return 52
}

func (b *Builder) bias() uint64 {
	if b.Bits == 32 {
		return 127
	}
	return 1023
}

func (b *Builder) signBit() *Value { return b.K(1 << (b.Bits - 1)) }

// Abs clears the sign.
func (b *Builder) Abs(x *Value) *Value {
	return b.AsF(b.And(b.AsI(x), b.K(1<<(b.Bits-1)-1)))
}

// Neg flips the sign.
func (b *Builder) Neg(x *Value) *Value { return b.AsF(b.Xor(b.AsI(x), b.signBit())) }

// SignOf is x's sign bit alone.
func (b *Builder) SignOf(x *Value) *Value { return b.And(b.AsI(x), b.signBit()) }

// XorSign flips x's sign where the sign word s is set.
func (b *Builder) XorSign(x, s *Value) *Value { return b.AsF(b.Xor(b.AsI(x), s)) }

// CopySign gives the non-negative x the sign word s.
func (b *Builder) CopySign(x, s *Value) *Value { return b.AsF(b.Or(b.AsI(x), s)) }

// Inf is +infinity and NaN the default quiet NaN.
func (b *Builder) Inf() *Value { return b.C(math.Inf(1)) }
func (b *Builder) NaN() *Value {
	if b.Bits == 32 {
		return b.AsF(b.K(0x7fc00000))
	}
	return b.AsF(b.K(0x7ff8000000000000))
}

// shifter is 1.5 * 2^mantBits: adding it rounds to an integer, to nearest
// even, and leaves that integer in the low bits of the sum.
func (b *Builder) shifter() *Value { return b.C(1.5 * float64(uint64(1)<<b.mantBits())) }

// RoundShift rounds x*y to an integer n; shifted holds n in its low bits.
// |x*y| must be below a quarter of 2^mantBits.
func (b *Builder) RoundShift(x, y *Value) (n, shifted *Value) {
	t := b.FMA(x, y, b.shifter())
	return b.Sub(t, b.shifter()), b.AsI(t)
}

// pow2 is 2^n for the integer in the low bits of shifted, in the normal range.
func (b *Builder) pow2(shifted *Value) *Value {
	return b.AsF(b.IAdd(b.Shl(shifted, b.mantBits()), b.K(b.bias()<<b.mantBits())))
}

// Scale is p * 2^n with one rounding, for a normal p near 1 and an integral n
// within twice the exponent range. Without VSCALEF it multiplies by 2^(n/2) twice: the first
// product is exact.
func (b *Builder) Scale(p, n *Value) *Value {
	if b.Target == AVX512 {
		return b.fop(OpScale, p, n)
	}
	h, hs := b.RoundShift(n, b.C(0.5))
	rest := b.AsI(b.Add(b.Sub(n, h), b.shifter()))
	return b.Mul(b.Mul(p, b.pow2(hs)), b.pow2(rest))
}

// Horner evaluates c[0] + c[1] x + ... with FMA.
func (b *Builder) Horner(x *Value, c ...float64) *Value {
	p := b.C(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		p = b.FMA(p, x, b.C(c[i]))
	}
	return p
}

// bails tells whether Body marks lanes that it does not do.
func (r *Routine) bails() bool { return r.Huge != "" || r.Long != "" }
