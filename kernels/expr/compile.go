package expr

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
)

// program is the steps that compute a set of outputs of one shape. It is made
// at planning and never changed: any number of runs may use it, and one run on
// any part of the shape.
type program struct {
	shape   []int
	chunk   int // elements of a register
	grain   int // elements of a piece, a multiple of chunk
	regs    []ndarray.DType
	consts  []constReg
	inputs  []inputReg
	prolog  []step // once a frame: values that are the same for all elements
	steps   []step // once a chunk
	outputs []outputReg
	ops     int // nodes computed for each element
}

// constReg is a register with a constant, filled when a frame is made.
type constReg struct {
	reg int
	dt  ndarray.DType
	k   konst
}

// inputReg is an input in a register. A uniform one has a single element, which
// is the same for all.
type inputReg struct {
	reg     int
	in      int
	uniform bool
}

// outputReg is a register that becomes an output.
type outputReg struct {
	reg int
	out int
	// own is set if the register holds nothing else, and no input is read once
	// it is written: then it may be a window on the output's memory, even if
	// that is an input's.
	own bool
	// Of an own register: the step that computes it, and, if there is one, the same
	// step with stores past the caches.
	step   int
	stream step
}

// result is an output of a program: its index among the call's, and its value.
type result struct {
	out int
	n   *node
}

// chunkBytes is the size of a register's buffer. A handful of them stay in the
// second-level cache. Smaller ones would fit the first, but break the operands'
// streams more often than the prefetchers like: 8 KB is a third slower on
// operands that come from memory.
const chunkBytes = 32 << 10

// compiler allots registers to nodes in order, which is an order of
// computation, and frees each after its last use. It is linear scan (Poletto
// and Sarkar, TOPLAS 21(5), 1999) without spilling: registers are memory, and
// there may be as many as it takes.
type compiler struct {
	p       *program
	uniform func(in int) bool
	same    map[*node]bool      // has one value for all elements
	last    map[*node]int       // index of the node that uses it last
	used    map[*node]bool      // is an argument
	where   map[*node]int       // register
	steps   map[*node]outputReg // of those with own registers: step and stream
	free    map[ndarray.DType][]int
}

// compile makes the program for results of one shape. uniform tells of inputs
// whether they have a single element: these, and all that is computed from them
// and from constants alone, are computed once a frame. It takes time linear in
// the nodes times the results.
func compile(g *graph, results []result, shape []int, uniform func(in int) bool) *program {
	c := &compiler{
		p: &program{shape: shape}, uniform: uniform,
		same: map[*node]bool{}, last: map[*node]int{}, used: map[*node]bool{}, where: map[*node]int{}, steps: map[*node]outputReg{}, free: map[ndarray.DType][]int{},
	}
	order := c.reachable(g, results)
	direct := c.ownRegisters(order, results)
	for i, n := range order {
		c.place(n, direct[n])
		for _, a := range n.args {
			if c.last[a] == i && !c.same[a] && a.op != opInput {
				c.release(a)
			}
		}
	}
	for _, r := range results {
		own := direct[r.n]
		direct[r.n] = false // a second output of the same value is a copy
		c.p.outputs = append(c.p.outputs, outputReg{c.where[r.n], r.out, own, c.steps[r.n].step, c.steps[r.n].stream})
	}
	c.sizes()
	return c.p
}

// reachable lists the nodes that the results need, arguments first, and notes
// each one's last use. Nodes are in the graph's order, in which arguments have
// lower ids.
func (c *compiler) reachable(g *graph, results []result) []*node {
	need := make([]bool, len(g.nodes))
	for _, r := range results {
		need[r.n.id] = true
	}
	for id := len(g.nodes) - 1; id >= 0; id-- {
		if need[id] {
			for _, a := range g.nodes[id].args {
				need[a.id] = true
			}
		}
	}
	var order []*node
	for id, n := range g.nodes {
		if !need[id] {
			continue
		}
		same := n.op == opConst || n.op == opInput && c.uniform(n.in) || len(n.args) > 0
		for _, a := range n.args {
			c.last[a], c.used[a] = len(order), true
			same = same && c.same[a]
		}
		c.same[n] = same
		order = append(order, n)
	}
	for _, r := range results {
		c.last[r.n] = len(g.nodes) // alive to the end
	}
	return order
}

// ownRegisters picks the results that can be computed in the output's memory:
// those that no read of an input follows. An output that is an input (v = v +
// a) has every element of the chunk read by then. Half-width results are
// computed in f32 and cannot be windows.
func (c *compiler) ownRegisters(order []*node, results []result) map[*node]bool {
	own := map[*node]bool{}
	lastRead := 0
	for i, n := range order {
		for _, a := range n.args {
			if a.op == opInput && !c.same[a] {
				lastRead = i
			}
		}
	}
	for _, r := range results {
		for i, n := range order {
			if n == r.n && i >= lastRead {
				own[n] = n.op != opInput && !c.same[n] && !isHalf(n.dt)
			}
		}
	}
	return own
}

// place gives a node its register and emits its step.
func (c *compiler) place(n *node, own bool) {
	p := c.p
	switch {
	case n.op == opConst:
		p.consts = append(p.consts, constReg{c.fresh(n), n.dt, n.k})
		return
	case n.op == opInput:
		p.inputs = append(p.inputs, inputReg{c.fresh(n), n.in, c.same[n]})
		return
	}
	args, same := make([]int, len(n.args)), make([]bool, len(n.args))
	for i, a := range n.args {
		args[i], same[i] = c.where[a], c.same[a]
	}
	if c.same[n] {
		p.prolog = append(p.prolog, makeStep(n, c.fresh(n), args))
		return
	}
	p.ops++
	var dst int
	if own {
		dst = c.fresh(n)
		made := outputReg{step: len(p.steps)}
		if !c.used[n] { // else it is read soon
			made.stream = fastStep(n, dst, args, same, true)
		}
		c.steps[n] = made
	} else {
		dst = c.allot(n)
	}
	s := fastStep(n, dst, args, same, false)
	if s == nil {
		s = makeStep(n, dst, args)
	}
	p.steps = append(p.steps, s)
}

// fresh is a register that nothing else will share.
func (c *compiler) fresh(n *node) int {
	c.where[n] = len(c.p.regs)
	c.p.regs = append(c.p.regs, regType(n.dt))
	return c.where[n]
}

// allot reuses a register that is free. That of an argument that dies here is
// taken back only after this: loops of two passes over dst would read it.
func (c *compiler) allot(n *node) int {
	dt := regType(n.dt)
	if f := c.free[dt]; len(f) > 0 {
		c.where[n] = f[len(f)-1]
		c.free[dt] = f[:len(f)-1]
		return c.where[n]
	}
	return c.fresh(n)
}

// release gives a dead node's register back, once.
func (c *compiler) release(n *node) {
	dt, r := regType(n.dt), c.where[n]
	for _, have := range c.free[dt] {
		if have == r { // both arguments are the same node
			return
		}
	}
	c.free[dt] = append(c.free[dt], r)
}

// sizes fixes chunk and grain by the program alone: pieces must not depend on
// the threads.
func (c *compiler) sizes() {
	p := c.p
	widest := 1
	for _, dt := range p.regs {
		widest = max(widest, dt.Size())
	}
	p.chunk = max(1, min(chunkBytes/widest, length(p.shape)))
	// A piece is about 16 steps over chunks: some 20 µs to 2 ms.
	p.grain = p.chunk * min(max(16/max(p.ops, 1), 1), 4)
}

// frameSize is the bytes of a frame's registers; a run may need fewer, as
// operands that lie in memory as the loops want them are registers themselves.
func (p *program) frameSize() int {
	n := 0
	for _, dt := range p.regs {
		n += scratch.Round(dt.Size() * p.chunk)
	}
	return n
}

// length is the number of elements of a shape.
func length(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}
