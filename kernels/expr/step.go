package expr

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// step computes the first n elements of a register from others. It is called by
// one goroutine a frame, and holds nothing that changes.
type step func(f *frame, n int)

// reg is the first n elements of register i as a Go slice. It panics if T is
// not the register's type, which would be a fault of the compiler.
func reg[T ndarray.Element](f *frame, i, n int) []T { return (*f.regs[i].slice.(*[]T))[:n] }

// table is a prims of any element type.
type table interface {
	// form tells how the op is called, formNone if it is not there.
	form(o op) form
	// step makes the step of a node whose arguments lie in the registers args.
	step(n *node, dst int, args []int) step
}

// regTable is a table of a type that registers have: it also moves elements.
type regTable interface {
	table
	// cast converts any register to this type, toBool this type to bool.
	cast(dst, src int) step
	toBool(dst, src int) step
	// bind makes a's elements, all of them, the register's.
	bind(r *register, a ndarray.Array)
	// window makes elements [lo, hi) of whole, which is direct, the register's.
	window(r *register, whole ndarray.Array, lo, hi int)
	// load and store move n elements of a from element lo on.
	load(r *register, a ndarray.Array, lo, n int)
	store(r *register, a ndarray.Array, lo, n int)
	// spread repeats the first element over the register.
	spread(r *register)
}

// form is a kind of loop.
type form uint8

const (
	formNone form = iota
	formSame      // the result has the arguments' type
	formBool      // the result is bool
	formReal      // the result is the real type of a complex one
)

// form and step implement table.
func (p *prims[T]) form(o op) form {
	switch {
	case p.unary[o] != nil, p.binary[o] != nil:
		return formSame
	case p.test[o] != nil, p.compare[o] != nil:
		return formBool
	}
	return formNone
}

func (p *prims[T]) step(n *node, dst int, args []int) step {
	a, b := args[0], args[len(args)-1]
	if n.op == opWhere {
		choose := p.choose
		if choose == nil {
			choose = chooseGo[T]
		}
		return func(f *frame, n int) {
			choose(reg[T](f, dst, n), reg[uint8](f, a, n), reg[T](f, args[1], n), reg[T](f, b, n))
		}
	}
	if loop := p.unary[n.op]; loop != nil {
		return func(f *frame, n int) { loop(reg[T](f, dst, n), reg[T](f, a, n)) }
	}
	if loop := p.binary[n.op]; loop != nil {
		return func(f *frame, n int) { loop(reg[T](f, dst, n), reg[T](f, a, n), reg[T](f, b, n)) }
	}
	if loop := p.test[n.op]; loop != nil {
		return func(f *frame, n int) { loop(reg[uint8](f, dst, n), reg[T](f, a, n)) }
	}
	loop := p.compare[n.op]
	return func(f *frame, n int) { loop(reg[uint8](f, dst, n), reg[T](f, a, n), reg[T](f, b, n)) }
}

func (p *realPrims[C, R]) form(o op) form {
	if p.part[o] != nil {
		return formReal
	}
	return formNone
}

func (p *realPrims[C, R]) step(n *node, dst int, args []int) step {
	a, b := args[0], args[len(args)-1]
	if n.op == "complex" {
		return func(f *frame, n int) { p.make(reg[C](f, dst, n), reg[R](f, a, n), reg[R](f, b, n)) }
	}
	loop := p.part[n.op]
	return func(f *frame, n int) { loop(reg[R](f, dst, n), reg[C](f, a, n)) }
}

// tables has the loops of every type that registers have; there are none of
// half-width ones, which are computed in f32.
var tables = map[ndarray.DType]regTable{
	ndarray.Bool: &primBool, ndarray.I8: &primI8, ndarray.U8: &primU8, ndarray.I16: &primI16, ndarray.U16: &primU16,
	ndarray.I32: &primI32, ndarray.U32: &primU32, ndarray.I64: &primI64, ndarray.U64: &primU64,
	ndarray.F32: &primF32, ndarray.F64: &primF64, ndarray.C64: &primC64, ndarray.C128: &primC128,
}

// realTables has the loops between complex types and their parts.
var realTables = map[ndarray.DType]table{ndarray.C64: &partC64, ndarray.C128: &partC128}

// hasPrim tells whether the op takes arguments of type dt.
func hasPrim(o op, dt ndarray.DType) bool {
	_, ok := resultType(o, dt)
	return ok
}

// resultType is the type of the op on arguments of type dt, if it takes them.
func resultType(o op, dt ndarray.DType) (ndarray.DType, bool) {
	if t := realTables[dt]; t != nil && t.form(o) == formReal {
		return dt.Real(), true
	}
	switch tables[regType(dt)].form(o) {
	case formSame:
		return dt, true
	case formBool:
		return ndarray.Bool, true
	}
	return ndarray.Invalid, false
}

// makeStep is the step of any node but inputs and constants.
func makeStep(n *node, dst int, args []int) step {
	switch n.op {
	case opCast:
		return castStep(n, dst, args[0])
	case opRound:
		return roundStep(n.dt, dst, args[0])
	case opMulAdd, opExpNegMul:
		return fastStep(n, dst, args, make([]bool, len(args)), false)
	case opWhere:
		return tables[regType(n.dt)].step(n, dst, args)
	case "complex":
		return realTables[n.dt].step(n, dst, args)
	}
	from := n.args[0].dt
	if t := realTables[from]; t != nil && t.form(n.op) == formReal {
		return t.step(n, dst, args)
	}
	return tables[regType(from)].step(n, dst, args)
}

// castStep converts by the array package's rules (ndarray.Convert).
func castStep(n *node, dst, src int) step {
	switch {
	case n.dt == ndarray.Bool:
		return tables[regType(n.args[0].dt)].toBool(dst, src)
	case isHalf(n.dt): // from f64: rounded once
		toHalf := toHalf(n.dt)
		return func(f *frame, n int) {
			out := reg[float32](f, dst, n)
			for i, v := range reg[float64](f, src, n) {
				out[i] = toHalf(v)
			}
		}
	}
	if fast := casts[castPair{regType(n.args[0].dt), n.dt}]; fast != nil {
		return fast(dst, src)
	}
	return tables[n.dt].cast(dst, src)
}

// toHalf rounds to a half-width type, once, and gives the value in f32.
func toHalf(dt ndarray.DType) func(float64) float32 {
	if dt == ndarray.BF16 {
		return func(v float64) float32 { return ndarray.BF16ToF32(ndarray.BF16FromF64(v)) }
	}
	return func(v float64) float32 { return ndarray.F16ToF32(ndarray.F16FromF64(v)) }
}

// roundStep rounds f32 to the values of a half-width type.
func roundStep(dt ndarray.DType, dst, src int) step {
	narrow, widen := halfLoops(dt)
	return func(f *frame, n int) {
		var half [256]uint16
		out, x := reg[float32](f, dst, n), reg[float32](f, src, n)
		for len(x) > 0 {
			m := min(len(x), len(half))
			narrow(half[:m], x[:m])
			widen(out[:m], half[:m])
			out, x = out[m:], x[m:]
		}
	}
}

// halfLoops are the conversions of a half-width type.
func halfLoops(dt ndarray.DType) (narrow func(dst []uint16, x []float32), widen func(dst []float32, x []uint16)) {
	if dt == ndarray.BF16 {
		return simd.CastF32BF16, simd.CastBF16F32
	}
	return simd.CastF32F16, simd.CastF16F32
}

// castPair is register types.
type castPair struct{ from, to ndarray.DType }

// casts are the vector loops; other pairs are converted by package ndarray.
var casts = map[castPair]func(dst, src int) step{
	{ndarray.F32, ndarray.F64}: castWith(simd.CastF32F64), {ndarray.F64, ndarray.F32}: castWith(simd.CastF64F32),
	{ndarray.I32, ndarray.F64}: castWith(simd.CastI32F64), {ndarray.I64, ndarray.F64}: castWith(simd.CastI64F64),
	{ndarray.I64, ndarray.I32}: castWith(simd.CastI64I32), {ndarray.I32, ndarray.I64}: castWith(simd.CastI32I64),
	{ndarray.U32, ndarray.I64}: castWith(simd.CastU32I64), {ndarray.F64, ndarray.I64}: castWith(simd.CastF64I64),
	{ndarray.F64, ndarray.I32}: castWith(simd.CastF64I32), {ndarray.F32, ndarray.I32}: castWith(simd.CastF32I32),
	{ndarray.I8, ndarray.F32}: castWith(simd.CastI8F32), {ndarray.U8, ndarray.F32}: castWith(simd.CastU8F32),
	{ndarray.I16, ndarray.F32}: castWith(simd.CastI16F32), {ndarray.U16, ndarray.F32}: castWith(simd.CastU16F32),
	{ndarray.I8, ndarray.I32}: castWith(simd.CastI8I32), {ndarray.U8, ndarray.I32}: castWith(simd.CastU8I32),
	{ndarray.I16, ndarray.I32}: castWith(simd.CastI16I32), {ndarray.U16, ndarray.I32}: castWith(simd.CastU16I32),
}

// castWith makes steps of a vector loop.
func castWith[D, S ndarray.Element](loop func(dst []D, x []S)) func(dst, src int) step {
	return func(dst, src int) step {
		return func(f *frame, n int) { loop(reg[D](f, dst, n), reg[S](f, src, n)) }
	}
}
