package expr

import (
	"math"

	"vgpu/kernels/ndarray"
)

// op is what a node computes from its arguments: the key of its loop in prims
// and fastLoops, or one of those below.
type op string

// Ops beside those of the tables in prim.go. opRound brings a half-width value
// that was computed in f32 to the values of its type.
const (
	opInput op = "input" // elements of an input
	opConst op = "const" // one value, everywhere
	opCast  op = "cast"  // to the node's dtype from its argument's
	opRound op = "round16"
	opWhere op = "where"
)

// node is a value of the program: an element of type dt for every element of
// the shape that is computed.
type node struct {
	nodeKey
	id   int
	args []*node
}

// nodeKey is what makes two nodes the same: nodes are hash-consed, so equal
// subexpressions are computed once. Ids fit an int32, as a line has at most 64
// KiB.
type nodeKey struct {
	op  op
	dt  ndarray.DType
	arg [3]int32 // ids of the arguments plus one
	in  int      // of opInput: which
	k   konst    // of opConst
}

// konst is the bits of a constant: an integer (two's complement) in re, or
// the real and imaginary parts as float64 patterns. Patterns, so that NaN
// equals itself.
type konst struct{ re, im uint64 }

// complexKonst is the constant of a float or complex type.
func complexKonst(c complex128) konst {
	return konst{math.Float64bits(real(c)), math.Float64bits(imag(c))}
}

func (k konst) complex() complex128 {
	return complex(math.Float64frombits(k.re), math.Float64frombits(k.im))
}

// graph makes nodes, each once. Nodes are in an order in which arguments come
// before those that use them.
type graph struct {
	nodes []*node
	index map[nodeKey]*node
}

// newGraph is a graph without nodes.
func newGraph() *graph { return &graph{index: map[nodeKey]*node{}} }

// make gives the node of that op, type and arguments, folding it if all
// arguments are constants: dt is the type of the result, and must be what
// resultType says for the arguments' type.
func (g *graph) make(o op, dt ndarray.DType, args ...*node) *node {
	o, args = mulAdd(o, dt, args)
	o, args = expNegMul(o, dt, args)
	key := nodeKey{op: o, dt: dt}
	constant := len(args) > 0
	for i, a := range args {
		key.arg[i] = int32(a.id + 1)
		constant = constant && a.op == opConst
	}
	n := g.intern(key, args)
	if constant {
		return g.constant(dt, foldNode(n))
	}
	return n
}

// intern gives the node of a key, made if it is new.
func (g *graph) intern(key nodeKey, args []*node) *node {
	if n := g.index[key]; n != nil {
		return n
	}
	n := &node{nodeKey: key, id: len(g.nodes), args: args}
	g.nodes = append(g.nodes, n)
	g.index[key] = n
	return n
}

// constant is the node of a value of type dt.
func (g *graph) constant(dt ndarray.DType, k konst) *node {
	return g.intern(nodeKey{op: opConst, dt: dt, k: k}, nil)
}

// input is the node of input i, widened to dt as it is loaded if dt is not its
// type.
func (g *graph) input(i int, dt ndarray.DType) *node {
	return g.intern(nodeKey{op: opInput, dt: dt, in: i}, nil)
}

// cast converts to dt. A half-width value is first rounded to its type: only
// operations of one type run on without rounding.
func (g *graph) cast(n *node, dt ndarray.DType) *node {
	if n.dt == dt {
		return n
	}
	n = g.round(n)
	from := regType(n.dt)
	switch {
	case n.op == opInput && isHalf(n.dt) && dt == ndarray.F32:
		return g.input(n.in, dt) // widened as it is loaded
	case isHalf(dt) && from == ndarray.F32:
		return g.make(opRound, dt, n)
	case isHalf(dt) && from != ndarray.F64:
		return g.cast(g.cast(n, floatFor(n.dt)), dt)
	case dt.IsComplex() && !n.dt.IsComplex() && from != dt.Real():
		n = g.cast(n, dt.Real())
	}
	return g.make(opCast, dt, n)
}

// floatFor is F32 for integers that it holds exactly, else F64.
func floatFor(d ndarray.DType) ndarray.DType {
	if d.Size() <= 2 {
		return ndarray.F32
	}
	return ndarray.F64
}

// round brings a half-width value, computed in f32, to the values of its type.
func (g *graph) round(n *node) *node {
	if !isHalf(n.dt) || n.op == opRound || n.op == opInput || n.op == opConst {
		return n
	}
	return g.make(opRound, n.dt, n)
}

// isHalf tells whether values of d are computed in f32.
func isHalf(d ndarray.DType) bool { return d == ndarray.F16 || d == ndarray.BF16 }

// regType is the type a value has in registers.
func regType(d ndarray.DType) ndarray.DType {
	if isHalf(d) {
		return ndarray.F32
	}
	return d
}
