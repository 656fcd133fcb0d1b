package expr

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// opMulAdd is a·b + c, each operation rounded: what a sum with a product
// becomes, so that the product needs no register of its own.
const opMulAdd op = "muladd"

// opExpNegMul is exp(-(a·b)), the product rounded: what the exponential of a
// negative product becomes. Operands from memory are then read where there is
// much to compute.
const opExpNegMul op = "expnegmul"

// fastLoops are loops over floats beside those of prims: of three operands,
// with an operand that is the same everywhere, and, in the streaming table,
// such that write past the caches. They give the bits of the loops that they
// replace.
type fastLoops[T float] struct {
	unary            map[op]func(dst, x []T)
	binary           map[op]func(dst, a, b []T)
	scalar, reversed map[op]func(dst, a []T, s T) // a op s, s op a
	axpy             func(dst, x, y []T, s T)
	mulAdd           func(dst, a, b, c []T)
}

// The tables. An op that is not in one is done by the loop in prims; the
// streaming ones have what is bound by memory: where there is much to compute
// the caches are not what it waits for.
var (
	fastF32 = fastLoops[float32]{
		scalar:   map[op]func(dst, a []float32, s float32){"add": simd.AddScalarF32, "sub": simd.SubScalarF32, "mul": simd.MulScalarF32, "div": simd.DivScalarF32, "min": simd.MinScalarF32, "max": simd.MaxScalarF32},
		reversed: map[op]func(dst, a []float32, s float32){"add": simd.AddScalarF32, "sub": simd.ScalarSubF32, "mul": simd.MulScalarF32, "div": simd.ScalarDivF32},
		axpy:     simd.AxpyF32, mulAdd: simd.MulAddF32,
		binary: map[op]func(dst, a, b []float32){opExpNegMul: simd.ExpNegMulF32},
	}
	fastF64 = fastLoops[float64]{
		scalar:   map[op]func(dst, a []float64, s float64){"add": simd.AddScalarF64, "sub": simd.SubScalarF64, "mul": simd.MulScalarF64, "div": simd.DivScalarF64, "min": simd.MinScalarF64, "max": simd.MaxScalarF64},
		reversed: map[op]func(dst, a []float64, s float64){"add": simd.AddScalarF64, "sub": simd.ScalarSubF64, "mul": simd.MulScalarF64, "div": simd.ScalarDivF64},
		axpy:     simd.AxpyF64, mulAdd: simd.MulAddF64,
		binary: map[op]func(dst, a, b []float64){opExpNegMul: simd.ExpNegMulF64},
	}
	streamF32 = fastLoops[float32]{
		unary: map[op]func(dst, x []float32){
			"neg": simd.NegF32Stream, "abs": simd.AbsF32Stream, "sign": simd.SignF32Stream, "square": simd.SquareF32Stream, "relu": simd.ReluF32Stream,
			"reciprocal": simd.ReciprocalF32Stream, "sqrt": simd.SqrtF32Stream, "rsqrt": simd.RsqrtF32Stream,
			"floor": simd.FloorF32Stream, "ceil": simd.CeilF32Stream, "round": simd.RoundToEvenF32Stream, "trunc": simd.TruncF32Stream,
		},
		binary: map[op]func(dst, a, b []float32){
			"add": simd.AddF32Stream, "sub": simd.SubF32Stream, "mul": simd.MulF32Stream, "div": simd.DivF32Stream,
			"min": simd.MinF32Stream, "max": simd.MaxF32Stream, "copysign": simd.CopySignF32Stream,
		},
		scalar:   map[op]func(dst, a []float32, s float32){"add": simd.AddScalarF32Stream, "sub": simd.SubScalarF32Stream, "mul": simd.MulScalarF32Stream, "div": simd.DivScalarF32Stream, "min": simd.MinScalarF32Stream, "max": simd.MaxScalarF32Stream},
		reversed: map[op]func(dst, a []float32, s float32){"add": simd.AddScalarF32Stream, "sub": simd.ScalarSubF32Stream, "mul": simd.MulScalarF32Stream, "div": simd.ScalarDivF32Stream},
		axpy:     simd.AxpyF32Stream, mulAdd: simd.MulAddF32Stream,
	}
	streamF64 = fastLoops[float64]{
		unary: map[op]func(dst, x []float64){
			"neg": simd.NegF64Stream, "abs": simd.AbsF64Stream, "sign": simd.SignF64Stream, "square": simd.SquareF64Stream, "relu": simd.ReluF64Stream,
			"reciprocal": simd.ReciprocalF64Stream, "sqrt": simd.SqrtF64Stream, "rsqrt": simd.RsqrtF64Stream,
			"floor": simd.FloorF64Stream, "ceil": simd.CeilF64Stream, "round": simd.RoundToEvenF64Stream, "trunc": simd.TruncF64Stream,
		},
		binary: map[op]func(dst, a, b []float64){
			"add": simd.AddF64Stream, "sub": simd.SubF64Stream, "mul": simd.MulF64Stream, "div": simd.DivF64Stream,
			"min": simd.MinF64Stream, "max": simd.MaxF64Stream, "copysign": simd.CopySignF64Stream,
		},
		scalar:   map[op]func(dst, a []float64, s float64){"add": simd.AddScalarF64Stream, "sub": simd.SubScalarF64Stream, "mul": simd.MulScalarF64Stream, "div": simd.DivScalarF64Stream, "min": simd.MinScalarF64Stream, "max": simd.MaxScalarF64Stream},
		reversed: map[op]func(dst, a []float64, s float64){"add": simd.AddScalarF64Stream, "sub": simd.ScalarSubF64Stream, "mul": simd.MulScalarF64Stream, "div": simd.ScalarDivF64Stream},
		axpy:     simd.AxpyF64Stream, mulAdd: simd.MulAddF64Stream,
	}
)

// fastStep is a step by the loops here, nil if none of them does it. same tells
// which arguments are the same everywhere; stream asks for a loop that writes
// past the caches, whose destination must be the output itself.
func fastStep(n *node, dst int, args []int, same []bool, stream bool) step {
	switch {
	case n.dt == ndarray.F32 && stream:
		return streamF32.step(n, dst, args, same)
	case n.dt == ndarray.F32:
		return fastF32.step(n, dst, args, same)
	case n.dt == ndarray.F64 && stream:
		return streamF64.step(n, dst, args, same)
	case n.dt == ndarray.F64:
		return fastF64.step(n, dst, args, same)
	}
	return nil
}

// step picks the loop of a node whose arguments lie in the registers args.
func (l *fastLoops[T]) step(n *node, dst int, args []int, same []bool) step {
	if n.args[0].dt != n.dt { // a cast, or a choice by a mask
		return nil
	}
	a, b := args[0], args[len(args)-1]
	switch {
	case n.op == opMulAdd:
		return l.mulAddStep(dst, args, same)
	case len(args) == 1:
		if loop := l.unary[n.op]; loop != nil {
			return func(f *frame, n int) { loop(reg[T](f, dst, n), reg[T](f, a, n)) }
		}
		return nil
	case same[1] && l.scalar[n.op] != nil:
		return scalarStep(l.scalar[n.op], dst, a, b)
	case same[0] && l.reversed[n.op] != nil:
		return scalarStep(l.reversed[n.op], dst, b, a)
	}
	if loop := l.binary[n.op]; loop != nil {
		return func(f *frame, n int) { loop(reg[T](f, dst, n), reg[T](f, a, n), reg[T](f, b, n)) }
	}
	return nil
}

// scalarStep reads register s, which is uniform, once a chunk.
func scalarStep[T float](loop func(dst, a []T, s T), dst, a, s int) step {
	return func(f *frame, n int) { loop(reg[T](f, dst, n), reg[T](f, a, n), reg[T](f, s, 1)[0]) }
}

// mulAddStep is axpy if a factor is the same everywhere.
func (l *fastLoops[T]) mulAddStep(dst int, args []int, same []bool) step {
	a, b, c := args[0], args[1], args[2]
	if same[0] {
		a, b = b, a
	}
	if same[0] || same[1] {
		return func(f *frame, n int) {
			l.axpy(reg[T](f, dst, n), reg[T](f, a, n), reg[T](f, c, n), reg[T](f, b, 1)[0])
		}
	}
	return func(f *frame, n int) {
		l.mulAdd(reg[T](f, dst, n), reg[T](f, a, n), reg[T](f, b, n), reg[T](f, c, n))
	}
}

// mulAdd turns a sum with a product into one node, if it is of a type that has
// the loops.
func mulAdd(o op, dt ndarray.DType, args []*node) (op, []*node) {
	if o != "add" || dt != ndarray.F32 && dt != ndarray.F64 {
		return o, args
	}
	m, c := args[0], args[1]
	if c.op == "mul" && (m.op != "mul" || c.id > m.id) { // the later one is no part of the other
		m, c = c, m
	}
	if m.op == "mul" && m.dt == dt {
		return opMulAdd, []*node{m.args[0], m.args[1], c}
	}
	return o, args
}

// expNegMul turns an exponential of a negative product into one node. A sign of
// a factor is that of the product, exactly: negation does not round. x*x and
// square(x) are one form of it, the bell curve.
func expNegMul(o op, dt ndarray.DType, args []*node) (op, []*node) {
	if o != "exp" || dt != ndarray.F32 && dt != ndarray.F64 {
		return o, args
	}
	p := args[0]
	switch {
	case p.op == "neg" && p.args[0].op == "mul":
		return opExpNegMul, p.args[0].args
	case p.op == "neg" && p.args[0].op == "square":
		x := p.args[0].args[0]
		return opExpNegMul, []*node{x, x}
	case p.op == "mul" && p.args[0].op == "neg":
		return opExpNegMul, []*node{p.args[0].args[0], p.args[1]}
	case p.op == "mul" && p.args[1].op == "neg":
		return opExpNegMul, []*node{p.args[0], p.args[1].args[0]}
	}
	return o, args
}
