package expr

import "vgpu/kernels/ndarray"

// step computes the first n elements of a register from others.
type step func(f *frame, n int)

// reg is the elements of a register as a Go slice.
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
		return func(f *frame, n int) {
			where_(reg[T](f, dst, n), reg[uint8](f, a, n), reg[T](f, args[1], n), reg[T](f, b, n))
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

var tables = map[ndarray.DType]regTable{
	ndarray.Bool: &primBool, ndarray.I8: &primI8, ndarray.U8: &primU8, ndarray.I16: &primI16, ndarray.U16: &primU16,
	ndarray.I32: &primI32, ndarray.U32: &primU32, ndarray.I64: &primI64, ndarray.U64: &primU64,
	ndarray.F32: &primF32, ndarray.F64: &primF64, ndarray.C64: &primC64, ndarray.C128: &primC128,
}

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
	return tables[n.dt].cast(dst, src)
}

func toHalf(dt ndarray.DType) func(float64) float32 {
	if dt == ndarray.BF16 {
		return func(v float64) float32 { return ndarray.BF16ToF32(ndarray.BF16FromF64(v)) }
	}
	return func(v float64) float32 { return ndarray.F16ToF32(ndarray.F16FromF64(v)) }
}

// roundStep rounds f32 to the values of a half-width type.
func roundStep(dt ndarray.DType, dst, src int) step {
	if dt == ndarray.BF16 {
		return func(f *frame, n int) {
			out := reg[float32](f, dst, n)
			for i, v := range reg[float32](f, src, n) {
				out[i] = ndarray.BF16ToF32(ndarray.BF16FromF32(v))
			}
		}
	}
	return func(f *frame, n int) {
		out := reg[float32](f, dst, n)
		for i, v := range reg[float32](f, src, n) {
			out[i] = ndarray.F16ToF32(ndarray.F16FromF32(v))
		}
	}
}
