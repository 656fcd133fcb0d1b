package expr

import (
	"fmt"
	"slices"
	"strconv"
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
)

// mapKernel declares map. Its operands are keys, named by the expression, so it
// binds them itself.
func mapKernel() *kernels.Kernel {
	return &kernels.Kernel{
		Name:      "map",
		Family:    "expr",
		Summary:   "evaluate an expression over arrays, element by element",
		Synopsis:  `map "NAME = EXPRESSION[; NAME = EXPRESSION]..." NAME=OPERAND...`,
		Manual:    manual(),
		Literals:  1,
		MaxInputs: -1,
		Bind:      bind,
		Plan:      plan,
	}
}

// names are the names of the statements: those read before they are assigned
// are inputs, those assigned may be outputs. A name may be both.
type names struct {
	read     map[string]*syntax // the first place where it is read
	assigned map[string]bool
}

// analyse collects the names, in the order in which statements run: a name that
// is read after it was assigned is no input.
func analyse(stmts []statement) names {
	n := names{map[string]*syntax{}, map[string]bool{}}
	for _, s := range stmts {
		n.visit(s.expr)
		n.assigned[s.name] = true
	}
	return n
}

// visit notes what a tree reads.
func (n names) visit(s *syntax) {
	if s.name != "" && !n.assigned[s.name] && n.read[s.name] == nil {
		n.read[s.name] = s
	}
	for _, a := range s.args {
		n.visit(a)
	}
}

// bind finds the operands: keys that the expression reads are inputs, keys
// that it assigns are outputs, in the order of the line.
func bind(c *kernels.Call) error {
	if n := len(c.Line.Args); n != 1 {
		e := c.Errorf("takes one expression, not %d words", n)
		e.Hint = "quote the expression; operands are named: x=PATH"
		if n > 1 {
			e.Span = c.Line.Args[1].Span
		}
		return e
	}
	c.Literals = c.Line.Args[:1]
	stmts, err := parse(c.Literals[0].Text)
	if err != nil {
		return refusal(c, err)
	}
	n := analyse(stmts)
	for i := range c.Line.Options {
		if err := bindKey(c, &c.Line.Options[i], n); err != nil {
			return err
		}
	}
	if err := n.complete(c, stmts); err != nil {
		return err
	}
	return c.ParseOptions(func(key string) bool { return n.read[key] == nil && !n.assigned[key] })
}

// bindKey makes an input, an output, or both of a key; of any other, none.
func bindKey(c *kernels.Call, o *command.Option, n names) error {
	if n.read[o.Key] != nil {
		if err := c.AddInput(o.Word()); err != nil {
			return err
		}
	}
	if n.assigned[o.Key] {
		return c.AddOutput(o.Word())
	}
	return nil
}

// complete checks that every name that is read has an operand or is a
// constant, and that something is written.
func (n names) complete(c *kernels.Call, stmts []statement) error {
	key := func(name string) bool { return c.Line.Option(name) != nil }
	var missing *syntax
	for name, s := range n.read {
		known := key(name) || constants[name] != nil || name == "True" || name == "False"
		if !known && (missing == nil || s.pos < missing.pos) {
			missing = s
		}
	}
	if missing != nil {
		return refusal(c, unknownName(missing.name, missing.pos, missing.end))
	}
	if len(c.Out) == 0 {
		s := stmts[len(stmts)-1]
		return refusal(c, &syntaxError{pos: s.pos, end: s.end, msg: "no output: " + s.name + " has no operand", hint: "name it: " + s.name + "=PATH"})
	}
	return nil
}

// refusal puts a syntax error into the line.
func refusal(c *kernels.Call, err error) error {
	e, ok := err.(*syntaxError)
	if !ok {
		return err
	}
	return &command.Error{
		Errno: syscall.EINVAL, Msg: "map: " + e.msg, Hint: e.hint,
		Span: c.Line.Sub(c.Literals[0].Span, e.pos, max(e.end, e.pos+1)),
	}
}

// outputName is the name that output i has in the expression.
func outputName(c *kernels.Call, n names, i int) string {
	for k := range c.Line.Options {
		if n.assigned[c.Line.Options[k].Key] {
			if i == 0 {
				return c.Line.Options[k].Key
			}
			i--
		}
	}
	panic("expr: more outputs than assigned keys")
}

// operands gives the inputs by name.
func operands(c *kernels.Call, n names) map[string]operand {
	out := map[string]operand{}
	for k := range c.Line.Options {
		key := c.Line.Options[k].Key
		if n.read[key] != nil {
			l := c.In[len(out)].Layout
			out[key] = operand{len(out), l.DType, l.Shape}
		}
	}
	return out
}

// plan types the expression and compiles it: a program for each shape of
// output. Programs run one after the other, so only a single one may write over
// an input (Alias). Scratch is a frame a worker.
func plan(c *kernels.Call) (*kernels.Plan, error) {
	stmts, err := parse(c.Literals[0].Text)
	if err != nil {
		return nil, refusal(c, err)
	}
	g, n := newGraph(), analyse(stmts)
	env, err := check(g, stmts, operands(c, n))
	if err != nil {
		return nil, refusal(c, err)
	}
	ck := &checker{g: g}
	p := &kernels.Plan{}
	results := make([]result, len(c.Out))
	for i := range c.Out {
		r, spec, err := ck.output(&c.Out[i], env[outputName(c, n, i)])
		if err != nil {
			return nil, refusal(c, err)
		}
		results[i] = result{i, r}
		p.Out = append(p.Out, spec)
	}
	progs := programs(g, c, results, p.Out)
	p.Alias = len(progs) == 1
	frame, workers := frames(c, progs)
	describe(p, c, progs, frame)
	p.Cost.Scratch = int64(workers * frame)
	p.Stream = func(mem int64) (*kernels.Streamed, error) { return planStream(c, p, progs, mem) }
	p.Run = func(x *kernels.Exec) error {
		lanes := scratch.NewLanes(x.Mem, frame, workers)
		for _, prog := range progs {
			if err := prog.execute(x.W, prog.shape, x.In, x.Out, lanes); err != nil {
				return err
			}
		}
		return nil
	}
	return p, nil
}

// frames is the bytes of a frame that does for all programs, and how many are
// in use at once: one a worker, and no more than there are pieces.
func frames(c *kernels.Call, progs []*program) (size, workers int) {
	for _, p := range progs {
		size = max(size, p.frameSize())
		workers = max(workers, scratch.Workers(c, scratch.Pieces(length(p.shape), p.grain)))
	}
	return size, workers
}

// output brings a value to the type and shape that the line asks for. A type
// may be widened or narrowed within its kind; a shape may be broadcast.
func (c *checker) output(o *kernels.Output, v value) (*node, kernels.OutSpec, error) {
	if v.lit != nil {
		n, err := c.literal(v, v.lit.dtype())
		if err != nil {
			return nil, kernels.OutSpec{}, err
		}
		v.n = n
	}
	spec := kernels.OutSpec{DType: o.WantDType(v.n.dt), Shape: o.WantShape(v.shape)}
	if !v.n.dt.StoredAs(spec.DType) {
		e := o.Errorf("map: the result is %s and is not stored as %s", v.n.dt, spec.DType)
		e.Hint = fmt.Sprintf("cast it in the expression: %s(...)", spec.DType)
		return nil, spec, e
	}
	if s, err := ndarray.BroadcastShapes(spec.Shape, v.shape); err != nil || !slices.Equal(s, spec.Shape) {
		return nil, spec, o.Errorf("map: the result has shape %s, not %s", ndarray.ShapeString(v.shape), ndarray.ShapeString(spec.Shape))
	}
	return c.g.cast(v.n, spec.DType), spec, nil
}

// programs compiles the results, those of one shape together.
func programs(g *graph, c *kernels.Call, results []result, out []kernels.OutSpec) []*program {
	uniform := func(in int) bool { return c.In[in].Layout.Len() == 1 }
	var progs []*program
	done := make([]bool, len(results))
	for i := range results {
		if done[i] {
			continue
		}
		var group []result
		for j := i; j < len(results); j++ {
			if slices.Equal(out[j].Shape, out[i].Shape) {
				group = append(group, results[j])
				done[j] = true
			}
		}
		if len(group) > 1 {
			copyInputs(g, group)
		}
		progs = append(progs, compile(g, group, out[i].Shape, uniform))
	}
	return progs
}

// copyInputs takes results that are inputs as they are into registers, since
// another result may be written over them first.
func copyInputs(g *graph, group []result) {
	for i, r := range group {
		if r.n.op == opInput {
			group[i].n = g.make("copy", r.n.dt, r.n)
		}
	}
}

// describe fills in the cost and the explanation.
func describe(p *kernels.Plan, c *kernels.Call, progs []*program, frame int) {
	for i := range c.In {
		p.Cost.Bytes += float64(c.In[i].Layout.Bytes())
	}
	for _, o := range p.Out {
		p.Cost.Bytes += float64(ndarray.NewLayout(o.DType, o.Shape...).Bytes())
	}
	var steps, regs, chunk int
	for _, prog := range progs {
		p.Cost.Flops += float64(length(prog.shape)) * float64(prog.ops)
		steps, regs, chunk = steps+prog.ops, max(regs, len(prog.regs)), max(chunk, prog.chunk)
	}
	p.Explain = []kernels.Entry{
		{Term: "passes", Text: strconv.Itoa(len(progs))},
		{Term: "steps", Text: strconv.Itoa(steps)},
		{Term: "registers", Text: strconv.Itoa(regs)},
		{Term: "chunk", Text: strconv.Itoa(chunk)},
		{Term: "frame_bytes", Text: strconv.Itoa(frame)},
	}
}
