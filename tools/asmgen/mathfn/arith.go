package mathfn

import "math"

// Arithmetic, comparisons and selection: one instruction or a few a lane.

type body = func(b *Builder, in []*Value) *Value

func isFloat(e Elem) bool    { return e == F32 || e == F64 }
func isUnsigned(e Elem) bool { return e == U8 || e == U16 || e == U32 || e == U64 }

// vectorRoutines lists the family "vec".
func vectorRoutines() []*Routine {
	var rs []*Routine
	for _, e := range []Elem{F32, F64} {
		rs = append(rs, streaming(floatBinary(e))...)
		rs = append(rs, streaming(floatUnary(e))...)
		rs = append(rs, floatTests(e)...)
		rs = append(rs, streaming(fused(e))...)
	}
	for _, e := range []Elem{I8, U8, I16, U16, I32, U32, I64, U64} {
		rs = append(rs, integerBinary(e)...)
	}
	for _, e := range []Elem{F32, F64, I32, U32, I64, U64} {
		rs = append(rs, comparisons(e)...)
		rs = append(rs, selection(e))
	}
	rs = append(append(rs, sortKeys(I32)...), sortKeys(I64)...)
	rs = append(rs, bools()...)
	rs = append(rs, widened()...)
	return append(rs, streaming(casts())...)
}

// streaming gives routines a form that stores past the caches, if both targets
// can do that by whole vectors of 16 bytes at least.
func streaming(rs []*Routine) []*Routine {
	for _, r := range rs {
		r.Stream = !r.NoAVX2 && !r.bails() && r.Dst.Size*AVX2.lanes(r.Bits) >= 16 && r.Dst != F16
	}
	return rs
}

// elementwise is a routine over slices of one type, its lanes as wide as that.
func elementwise(name string, e Elem, doc string, f body, params ...string) *Routine {
	r := &Routine{Name: name + e.Name, Doc: doc, Bits: 8 * e.Size, Dst: e, Body: f}
	for _, p := range params {
		r.Params = append(r.Params, Param{Name: p, Elem: e, Scalar: p == "s"})
	}
	return r
}

type binaryOp struct {
	name, doc string
	f         func(b *Builder, x, y *Value) *Value
}

func (o binaryOp) body(b *Builder, in []*Value) *Value     { return o.f(b, in[0], in[1]) }
func (o binaryOp) reversed(b *Builder, in []*Value) *Value { return o.f(b, in[1], in[0]) }

// minNaN and maxNaN are NaN if either operand is, as numpy's minimum and
// maximum; of zeros of different sign they give the second.
func minNaN(b *Builder, x, y *Value) *Value { return b.Sel(b.IsNaN(x), x, b.Min(x, y)) }
func maxNaN(b *Builder, x, y *Value) *Value { return b.Sel(b.IsNaN(x), x, b.Max(x, y)) }

var floatOps = []binaryOp{
	{"Add", "a[i] + b[i].", (*Builder).Add},
	{"Sub", "a[i] - b[i].", (*Builder).Sub},
	{"Mul", "a[i] * b[i].", (*Builder).Mul},
	{"Div", "a[i] / b[i].", (*Builder).Div},
	{"Min", "the lesser of a[i] and b[i], NaN if either is.", minNaN},
	{"Max", "the greater of a[i] and b[i], NaN if either is.", maxNaN},
	{"CopySign", "|a[i]| with the sign of b[i].", func(b *Builder, x, y *Value) *Value {
		return b.CopySign(b.Abs(x), b.SignOf(y))
	}},
}

func floatBinary(e Elem) []*Routine {
	var rs []*Routine
	for _, o := range floatOps {
		rs = append(rs, elementwise(o.name, e, o.doc, o.body, "a", "b"))
	}
	scalar := func(name, doc string, f body) {
		rs = append(rs, elementwise(name, e, doc, f, "a", "s"))
	}
	byName := map[string]binaryOp{}
	for _, o := range floatOps {
		byName[o.name] = o
	}
	scalar("AddScalar", "a[i] + s.", byName["Add"].body)
	scalar("SubScalar", "a[i] - s.", byName["Sub"].body)
	scalar("ScalarSub", "s - a[i].", byName["Sub"].reversed)
	scalar("MulScalar", "a[i] * s.", byName["Mul"].body)
	scalar("DivScalar", "a[i] / s.", byName["Div"].body)
	scalar("ScalarDiv", "s / a[i].", byName["Div"].reversed)
	scalar("MinScalar", "the lesser of a[i] and s, NaN if either is.", byName["Min"].body)
	scalar("MaxScalar", "the greater of a[i] and s, NaN if either is.", byName["Max"].body)
	return rs
}

func floatUnary(e Elem) []*Routine {
	unary := func(name, doc string, f func(b *Builder, x *Value) *Value) *Routine {
		return elementwise(name, e, doc, func(b *Builder, in []*Value) *Value { return f(b, in[0]) }, "x")
	}
	round := func(mode uint64) func(*Builder, *Value) *Value {
		return func(b *Builder, x *Value) *Value { return b.Round(x, mode) }
	}
	return []*Routine{
		unary("Neg", "-x[i].", (*Builder).Neg),
		unary("Abs", "|x[i]|.", (*Builder).Abs),
		unary("Square", "x[i]².", func(b *Builder, x *Value) *Value { return b.Mul(x, x) }),
		unary("Reciprocal", "1 / x[i].", func(b *Builder, x *Value) *Value { return b.Div(b.C(1), x) }),
		unary("Sqrt", "√x[i], rounded correctly; NaN below zero.", (*Builder).Sqrt),
		unary("Rsqrt", "1/√x[i], within 1 ulp.", func(b *Builder, x *Value) *Value { return b.Div(b.C(1), b.Sqrt(x)) }),
		unary("RoundToEven", "x[i] rounded to the nearest integer, halves to even.", round(0)),
		unary("Floor", "the greatest integer <= x[i].", round(1)),
		unary("Ceil", "the least integer >= x[i].", round(2)),
		unary("Trunc", "x[i] rounded toward zero.", round(3)),
		unary("Relu", "x[i] if that is above zero or NaN, else 0.", func(b *Builder, x *Value) *Value {
			return b.Max(b.C(0), x)
		}),
		unary("Sign", "-1, 0 or 1 as x[i] is below, at or above zero; NaN stays NaN.", func(b *Builder, x *Value) *Value {
			s := b.Sel(b.Gt(x, b.C(0)), b.C(1), b.Sel(b.Lt(x, b.C(0)), b.C(-1), b.C(0)))
			return b.Sel(b.IsNaN(x), x, s)
		}),
	}
}

// floatTests classify floats.
func floatTests(e Elem) []*Routine {
	test := func(name, doc string, f func(b *Builder, x *Value) *Value) *Routine {
		r := elementwise(name, e, doc, func(b *Builder, in []*Value) *Value { return f(b, in[0]) }, "x")
		r.Dst = Bool
		return r
	}
	return []*Routine{
		test("IsNaN", "1 if x[i] is NaN, else 0.", (*Builder).IsNaN),
		test("IsInf", "1 if x[i] is infinite, else 0.", func(b *Builder, x *Value) *Value { return b.Eq(b.Abs(x), b.Inf()) }),
		test("IsFinite", "1 if x[i] is finite, else 0.", func(b *Builder, x *Value) *Value { return b.Lt(b.Abs(x), b.Inf()) }),
		test("SignBit", "1 if x[i]'s sign bit is set, else 0.", func(b *Builder, x *Value) *Value {
			return b.IGt(b.K(0), b.AsI(x))
		}),
	}
}

// fused are products with sums.
func fused(e Elem) []*Routine {
	return []*Routine{
		elementwise("Axpy", e, "s*x[i] + y[i], the product rounded before the sum.",
			func(b *Builder, in []*Value) *Value { return b.Add(b.Mul(in[0], in[2]), in[1]) }, "x", "y", "s"),
		elementwise("MulAdd", e, "a[i]*b[i] + c[i], the product rounded before the sum.",
			func(b *Builder, in []*Value) *Value { return b.Add(b.Mul(in[0], in[1]), in[2]) }, "a", "b", "c"),
		elementwise("FMA", e, "a[i]*b[i] + c[i], rounded once.",
			func(b *Builder, in []*Value) *Value { return b.FMA(in[0], in[1], in[2]) }, "a", "b", "c"),
	}
}

// integerBinary is arithmetic modulo the width of e. No ISA multiplies bytes.
func integerBinary(e Elem) []*Routine {
	op := func(o Op) func(b *Builder, x, y *Value) *Value {
		return func(b *Builder, x, y *Value) *Value { return b.IOp(o, x, y) }
	}
	lesser, larger := op(OpIMinS), op(OpIMaxS)
	if isUnsigned(e) {
		lesser, larger = op(OpIMinU), op(OpIMaxU)
	}
	if e.Size == 8 { // below AVX-512 these have to be compared and chosen
		lesser = func(b *Builder, x, y *Value) *Value { return b.Sel(intGreater(b, e, x, y), y, x) }
		larger = func(b *Builder, x, y *Value) *Value { return b.Sel(intGreater(b, e, x, y), x, y) }
	}
	ops := []binaryOp{
		{"Add", "a[i] + b[i], modulo the type's range.", (*Builder).IAdd},
		{"Sub", "a[i] - b[i], modulo the type's range.", (*Builder).ISub},
		{"Min", "the lesser of a[i] and b[i].", lesser},
		{"Max", "the greater of a[i] and b[i].", larger},
		{"And", "a[i] & b[i].", (*Builder).And},
		{"Or", "a[i] | b[i].", (*Builder).Or},
		{"Xor", "a[i] ^ b[i].", (*Builder).Xor},
	}
	if e.Size > 1 {
		ops = append(ops, binaryOp{"Mul", "a[i] * b[i], modulo the type's range.", op(OpIMul)})
	}
	var rs []*Routine
	for _, o := range ops {
		r := elementwise(o.name, e, o.doc, o.body, "a", "b")
		r.NoAVX2 = e.Size == 8 && o.name == "Mul"
		rs = append(rs, r)
	}
	return rs
}

// intGreater compares integers; unsigned ones with their top bits flipped.
func intGreater(b *Builder, e Elem, x, y *Value) *Value {
	if isUnsigned(e) {
		x, y = b.Xor(x, b.signBit()), b.Xor(y, b.signBit())
	}
	return b.IGt(x, y)
}

// comparisons write 1 where the relation holds and 0 elsewhere.
func comparisons(e Elem) []*Routine {
	ops := []binaryOp{
		{"Eq", "==", (*Builder).Eq}, {"Ne", "!=", (*Builder).Ne}, {"Lt", "<", (*Builder).Lt},
		{"Le", "<=", (*Builder).Le}, {"Gt", ">", (*Builder).Gt}, {"Ge", ">=", (*Builder).Ge},
	}
	if !isFloat(e) {
		gt := func(b *Builder, x, y *Value) *Value { return intGreater(b, e, x, y) }
		ops[0].f = (*Builder).IEq
		ops[1].f = func(b *Builder, x, y *Value) *Value { return b.MNot(b.IEq(x, y)) }
		ops[2].f = func(b *Builder, x, y *Value) *Value { return gt(b, y, x) }
		ops[3].f = func(b *Builder, x, y *Value) *Value { return b.MNot(gt(b, x, y)) }
		ops[4].f = gt
		ops[5].f = func(b *Builder, x, y *Value) *Value { return b.MNot(gt(b, y, x)) }
	}
	var rs []*Routine
	for _, o := range ops {
		r := elementwise(o.name, e, "1 if a[i] "+o.doc+" b[i], else 0.", o.body, "a", "b")
		s := elementwise(o.name+"Scalar", e, "1 if a[i] "+o.doc+" s, else 0.", o.body, "a", "s")
		r.Dst, s.Dst = Bool, Bool
		rs = append(rs, r, s)
	}
	return rs
}

func selection(e Elem) *Routine {
	r := elementwise("Select", e, "a[i] where mask[i] is not 0, else b[i].", func(b *Builder, in []*Value) *Value {
		return b.Sel(b.IEq(in[0], b.K(0)), in[2], in[1])
	}, "mask", "a", "b")
	r.Params[0].Elem = Bool
	return r
}

// widened are operations on elements and wider ones, in the wider type.
func widened() []*Routine {
	mixed := func(name, doc string, dst Elem, f func(b *Builder, x, y *Value) *Value, params ...Param) *Routine {
		return &Routine{Name: name, Doc: doc, Bits: 64, Dst: dst, Params: params, Body: func(b *Builder, in []*Value) *Value {
			return f(b, in[0], in[1])
		}}
	}
	rs := []*Routine{
		mixed("AddF64F32", "a[i] + x[i] in float64.", F64, (*Builder).Add, Param{"a", F64, false}, Param{"x", F32, false}),
		mixed("DivF32F64", "x[i] / b[i], divided in float64.", F32, (*Builder).Div, Param{"x", F32, false}, Param{"b", F64, false}),
		mixed("DivScalarF32F64", "x[i] / s, divided in float64.", F32, (*Builder).Div, Param{"x", F32, false}, Param{"s", F64, true}),
	}
	plus := func(b *Builder, x, y *Value) *Value { return b.IOp(OpIAdd, x, y) }
	for _, e := range []Elem{I8, U8, I16, U16, I32, U32} {
		rs = append(rs, mixed("AddI64"+e.Name, "a[i] + x[i] in int64.", I64, plus, Param{"a", I64, false}, Param{"x", e, false}))
	}
	for _, e := range []Elem{F32, I32} {
		rs = append(rs, firstExtreme(e, "Max", "greatest"), firstExtreme(e, "Min", "least"))
	}
	return rs
}

// firstExtreme keeps the extreme elements and where they are: int64 whose halves
// are the element, as an integer of the same order, and the place, counted
// down, so that one comparison decides and the first place wins.
func firstExtreme(e Elem, name, which string) *Routine {
	doc := "the greater of acc[i] and x[i] with the place low, as\npackage reduce pairs them to find the first " + which + " element."
	if isFloat(e) {
		doc += " x has the bits of float32."
	}
	return &Routine{Name: "First" + name + e.Name, Doc: doc, Bits: 64, Dst: I64,
		Params: []Param{{"acc", I64, false}, {"x", I32, false}, {"low", I64, true}},
		Body: func(b *Builder, in []*Value) *Value {
			acc, x := in[0], in[1]
			switch least := name == "Min"; {
			case isFloat(e):
				x = orderOfF32(b, x, least)
			case least:
				x = b.Xor(x, b.K(math.MaxUint64))
			}
			pair := b.Or(b.Shl(x, 32), in[2])
			if b.Target == AVX512 {
				return b.IOp(OpIMaxS, pair, acc)
			}
			return b.Sel(b.IGt(pair, acc), pair, acc)
		}}
}

// orderOfF32 is an int32 of the order of the float32 with the bits x, or of the
// reverse order; zeros are equal, and NaN is the greatest in both.
func orderOfF32(b *Builder, x *Value, reverse bool) *Value {
	size := b.And(x, b.K(math.MaxInt32))
	with, against := size, b.ISub(b.K(0), size)
	if reverse {
		with, against = against, with
	}
	order := b.Sel(b.IGt(b.K(0), x), against, with)
	return b.Sel(b.IGt(size, b.K(0x7f800000)), b.K(math.MaxInt32), order)
}

// bools are the operations on bytes 0 and 1 that those on bytes do not cover.
func bools() []*Routine {
	not := elementwise("Not", Bool, "1 - x[i], for x[i] of 0 or 1.", func(b *Builder, in []*Value) *Value {
		return b.Xor(in[0], b.K(1))
	}, "x")
	return []*Routine{not}
}

// cast makes the conversion routine from one type to another.
func cast(from, to Elem, bits int, doc string, f func(b *Builder, x *Value) *Value) *Routine {
	return &Routine{
		Name: "Cast" + from.Name + to.Name, Doc: doc, Bits: bits, Dst: to,
		Params: []Param{{Name: "x", Elem: from}},
		Body:   func(b *Builder, in []*Value) *Value { return f(b, in[0]) },
	}
}

// casts lists the conversions. Floats become integers as numpy does on x86:
// toward zero, and what int32 (for 64 bits: int64) cannot hold becomes its
// least value, of which narrower types keep the low bits.
func casts() []*Routine {
	same := func(_ *Builder, x *Value) *Value { return x }
	exact, nearest := "x[i], exactly.", "x[i], rounded to nearest even."
	toward := "x[i] rounded toward zero, with numpy's results out of range."
	bf16 := Elem{"BF16", "uint16", 2}
	rs := []*Routine{
		cast(F32, F64, 64, exact, same),
		cast(F64, F32, 64, nearest, same),
		cast(F32, F16, 32, nearest, same),
		cast(F16, F32, 32, exact, same),
		cast(F32, bf16, 32, "x[i], rounded to nearest even; NaN stays NaN.", toBF16),
		cast(bf16, F32, 32, exact, func(b *Builder, x *Value) *Value { return b.AsF(b.Shl(x, 16)) }),
		cast(F32, Bool, 32, "1 if x[i] is not zero, else 0.", func(b *Builder, x *Value) *Value { return b.Ne(x, b.C(0)) }),
		cast(F64, Bool, 64, "1 if x[i] is not zero, else 0.", func(b *Builder, x *Value) *Value { return b.Ne(x, b.C(0)) }),
		cast(I32, F64, 64, exact, smallIToF64),
		cast(I64, F64, 64, nearest, i64ToF64),
		cast(F64, I32, 64, toward, f64ToI32),
		cast(F64, I64, 64, toward, (*Builder).FToI),
		cast(F32, I64, 64, toward, (*Builder).FToI),
		cast(I64, I32, 64, "the low half of x[i].", same),
		cast(I32, I64, 64, exact, same),
		cast(U32, I64, 64, exact, same),
	}
	for _, r := range rs {
		r.NoAVX2 = r.Name == "CastF64I64" || r.Name == "CastF32I64"
	}
	for _, e := range []Elem{I8, U8, I16, U16, I32} {
		if e.Size < 4 {
			rs = append(rs, cast(e, F32, 32, exact, (*Builder).IToF), cast(e, I32, 32, exact, same),
				cast(I32, e, 32, "the low bits of x[i].", same))
		} else {
			rs = append(rs, cast(e, F32, 32, nearest, (*Builder).IToF))
		}
		rs = append(rs, cast(F32, e, 32, toward, (*Builder).FToI))
	}
	return rs
}

// toBF16 rounds by adding just under half a unit, and the last bit kept if
// that is set; NaNs only lose their low bits and become quiet.
func toBF16(b *Builder, x *Value) *Value {
	u := b.AsI(x)
	odd := b.And(b.Shr(u, 16), b.K(1))
	rounded := b.IAdd(b.IAdd(u, b.K(0x7fff)), odd)
	return b.Shr(b.Sel(b.IsNaN(x), b.Or(u, b.K(0x400000)), rounded), 16)
}

// smallIToF64 converts integers below 2^51: they are added to the mantissa of
// 1.5 * 2^52.
func smallIToF64(b *Builder, x *Value) *Value {
	return b.Sub(b.AsF(b.IAdd(x, b.AsI(b.shifter()))), b.shifter())
}

// i64ToF64 converts any integer with one rounding. Without VCVTQQ2PD it puts
// the halves into the mantissas of 2^52 and 2^84, from which the sum, exact
// but for its last step, takes them out again.
func i64ToF64(b *Builder, x *Value) *Value {
	if b.Target != AVX2 {
		return b.IToF(x)
	}
	low := b.AsF(b.Or(b.And(x, b.K(math.MaxUint32)), b.AsI(b.C(0x1p52))))
	high := b.AsF(b.Xor(b.Shr(x, 32), b.AsI(b.C(0x1p84+0x1p63))))
	return b.Add(b.Sub(high, b.C(0x1p84+0x1p63+0x1p52)), low)
}

// f64ToI32 rounds toward zero and takes the integer from the low mantissa bits.
func f64ToI32(b *Builder, x *Value) *Value {
	inRange := b.MAnd(b.Gt(x, b.C(math.MinInt32-1)), b.Lt(x, b.C(math.MaxInt32+1)))
	i := b.AsI(b.Add(b.Round(x, 3), b.shifter()))
	return b.Sel(inRange, i, b.K(1<<31))
}
