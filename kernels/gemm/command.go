package gemm

import (
	"fmt"
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// planGemm checks a gemm line.
func planGemm(c *kernels.Call) (*kernels.Plan, error) {
	r, err := readLine(c)
	if err != nil {
		return nil, err
	}
	r.tune(c)
	r.problem.workers = c.Threads
	q := r.problem
	out := kernels.OutSpec{DType: r.out, Shape: r.outShape, Reads: q.Beta != 0}
	known := layoutsOf(c, out)
	folded, single := r.folded(known)
	m, n, k := q.shape()
	items := float64(q.items())
	perTerm := 2.0
	if r.sum().IsComplex() {
		perTerm = 8
	}
	p := &kernels.Plan{
		Out: []kernels.OutSpec{out},
		Cost: kernels.Cost{
			Flops:   perTerm * items * float64(m) * float64(n) * float64(k),
			Bytes:   r.bytes(c),
			Scratch: q.Scratch(!folded.wayOf(single).direct),
		},
		Explain: r.explain(),
		Threads: q.Params.Ways,
		Run:     r.run,
		Stream:  r.stream(known),
	}
	return p, nil
}

// reading is a gemm line, understood.
type reading struct {
	problem  Problem // with layouts in place of arrays
	a, b     side
	outShape []int
	out      ndarray.DType
	bias     int // index into Exec.In, or -1
	residual int
	tuning   string // where Params come from
}

func (r *reading) sum() ndarray.DType { return r.problem.scheme.sum }

// side is how an operand is turned into a stack of matrices.
type side struct {
	vector    bool // one axis: a row of A's place, a column in B's
	transpose bool
}

func readLine(c *kernels.Call) (*reading, error) {
	r := &reading{bias: c.Operand("bias"), residual: c.Operand("residual")}
	q := &r.problem
	var err error
	if r.a, q.ConjA, err = sideOf(c, 0, "ta"); err != nil {
		return nil, err
	}
	if r.b, q.ConjB, err = sideOf(c, 1, "tb"); err != nil {
		return nil, err
	}
	q.A.Layout, q.B.Layout = r.a.matrices(c.In[0].Layout, 0), r.b.matrices(c.In[1].Layout, 1)
	q.Alpha, q.Beta, q.Act = c.Complex("alpha"), c.Complex("beta"), c.Str("act")
	if !q.Init() {
		return nil, typeError(c)
	}
	if err := r.readScalars(c); err != nil {
		return nil, err
	}
	if err := r.readShapes(c); err != nil {
		return nil, err
	}
	if err := r.readOutput(c); err != nil {
		return nil, err
	}
	for _, name := range []string{"bias", "residual"} {
		if err := r.checkAddend(c, name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// sideOf reads operand i and its transposition option.
func sideOf(c *kernels.Call, i int, option string) (s side, conj bool, err error) {
	in := &c.In[i]
	how := c.Str(option)
	s = side{vector: in.Layout.Rank() == 1, transpose: how != "n"}
	switch {
	case in.Layout.Rank() == 0:
		e := in.Errorf("%s is a scalar, and a matrix or vector is needed", in.Path)
		e.Hint = "map multiplies by a scalar; alpha= scales a product"
		return s, false, e
	case s.vector && s.transpose && how == "t":
		return s, false, c.Opt(option).Errorf("%s has one axis: nothing to transpose", in.Path)
	}
	if s.vector {
		s.transpose = false
	}
	return s, how == "c" && in.Layout.DType.IsComplex(), nil
}

// matrices is l as a stack of matrices for the place of A (0) or B (1).
func (s side) matrices(l ndarray.Layout, place int) ndarray.Layout {
	if s.vector {
		return insertAxis(l, place)
	}
	if s.transpose {
		axes := make([]int, l.Rank())
		for i := range axes {
			axes[i] = i
		}
		r := len(axes)
		axes[r-2], axes[r-1] = r-1, r-2
		return l.Permute(axes...)
	}
	return l
}

// insertAxis adds an axis of extent 1.
func insertAxis(l ndarray.Layout, axis int) ndarray.Layout {
	l.Shape = slices.Insert(slices.Clone(l.Shape), axis, 1)
	l.Strides = slices.Insert(slices.Clone(l.Strides), axis, 0)
	return l
}

func typeError(c *kernels.Call) error {
	a, b := c.In[0].Layout.DType, c.In[1].Layout.DType
	e := c.In[1].Errorf("%s times %s: no such product", a, b)
	switch d := ndarray.Promote(a, b); {
	case a == b:
		e = c.In[0].Errorf("gemm does not take %s", a)
		e.Hint = "cast to f32, or to i32 to count"
	case d == a:
		e.Hint = fmt.Sprintf("cast %s to %s first", c.In[1].Path, d)
	default:
		e.Hint = fmt.Sprintf("cast to %s first", d)
	}
	return e
}

// readScalars checks alpha, beta and act against the type of the sums.
func (r *reading) readScalars(c *kernels.Call) error {
	for _, name := range []string{"alpha", "beta"} {
		v := c.Complex(name)
		switch {
		case !r.sum().IsComplex() && imag(v) != 0:
			return c.Opt(name).Errorf("a product of type %s cannot be scaled by a complex number", r.sum())
		case r.sum().IsInteger() && (real(v) != math.Trunc(real(v)) || math.Abs(real(v)) > 1<<53):
			return c.Opt(name).Errorf("a product of type %s needs an integer, of at most 53 bits", r.sum())
		}
	}
	if r.problem.Act != "none" && !r.sum().IsFloat() {
		return c.Opt("act").Errorf("%s is of real numbers, and the product is of type %s", r.problem.Act, r.sum())
	}
	return nil
}

// readShapes applies the rules of numpy.matmul.
func (r *reading) readShapes(c *kernels.Call) error {
	q := &r.problem
	ra, rb := q.A.Rank(), q.B.Rank()
	k := q.A.Shape[ra-1]
	if k != q.B.Shape[rb-2] {
		return c.In[1].Errorf("%s has %d rows to add over, and %s has %d columns", c.In[1].Path, q.B.Shape[rb-2], c.In[0].Path, k)
	}
	batch, err := ndarray.BroadcastShapes(q.A.Shape[:ra-2], q.B.Shape[:rb-2])
	if err != nil {
		return c.In[1].Errorf("leading axes: %v", err)
	}
	m, n := q.A.Shape[ra-2], q.B.Shape[rb-1]
	q.A.Layout = stretch(q.A.Layout, append(slices.Clone(batch), m, k))
	q.B.Layout = stretch(q.B.Layout, append(slices.Clone(batch), k, n))
	r.outShape = slices.Clone(batch)
	if !r.a.vector {
		r.outShape = append(r.outShape, m)
	}
	if !r.b.vector {
		r.outShape = append(r.outShape, n)
	}
	if _, err := ndarray.CheckShape(r.sum(), append(batch, m, n)); err != nil {
		return c.Errorf("the product is %v", err)
	}
	return nil
}

// stretch is Broadcast to a shape that is known to fit.
func stretch(l ndarray.Layout, shape []int) ndarray.Layout {
	out, err := l.Broadcast(shape)
	if err != nil {
		panic(err)
	}
	return out
}

// readOutput decides the output's type: what the line asks for, the type of
// what is updated, or the default.
func (r *reading) readOutput(c *kernels.Call) error {
	o := &c.Out[0]
	outs := r.problem.scheme.outs
	def := outs[0]
	if r.problem.Beta != 0 && o.Exists && slices.Contains(outs, o.Layout.DType) {
		def = o.Layout.DType
	}
	r.out = o.WantDType(def)
	if !slices.Contains(outs, r.out) {
		e := o.Errorf("the product of %s and %s is %s, not %s", c.In[0].Layout.DType, c.In[1].Layout.DType, outs[0], r.out)
		e.Hint = "cast the result afterwards"
		return e
	}
	q := &r.problem
	q.C.Layout = r.matrices(ndarray.NewLayout(r.out, r.outShape...))
	return nil
}

// matrices gives an array of the output's shape the axes that a vector
// operand took away.
func (r *reading) matrices(l ndarray.Layout) ndarray.Layout {
	if r.b.vector {
		l = insertAxis(l, l.Rank())
	}
	if r.a.vector {
		l = insertAxis(l, l.Rank()-1)
	}
	return l
}

// checkAddend checks bias and residual.
func (r *reading) checkAddend(c *kernels.Call, name string) error {
	i := c.Operand(name)
	if i < 0 {
		return nil
	}
	l := c.In[i].Layout
	if l.DType != r.sum() && l.DType != r.out && l.DType != c.In[0].Layout.DType {
		e := c.In[i].Errorf("%s is %s, and the product is %s", name, l.DType, r.sum())
		e.Hint = fmt.Sprintf("cast %s to %s", c.In[i].Path, r.sum())
		return e
	}
	if _, err := l.Broadcast(r.outShape); err != nil {
		return c.In[i].Errorf("%s: %v", name, err)
	}
	return nil
}

// bytes counts every operand once, and an updated output twice.
func (r *reading) bytes(c *kernels.Call) float64 {
	total := 0.0
	for i := range c.In {
		total += float64(c.In[i].Layout.Bytes())
	}
	out := float64(ndarray.NewLayout(r.out, r.outShape...).Bytes())
	if r.problem.Beta != 0 {
		out *= 2
	}
	return total + out
}

func (r *reading) explain() []kernels.Entry {
	q := &r.problem
	m, n, k := q.shape()
	return []kernels.Entry{
		{Term: "path", Text: q.path()},
		{Term: "kernel", Text: q.kernel.String()},
		{Term: "batch", Text: fmt.Sprint(q.items())},
		{Term: "m", Text: fmt.Sprint(m)},
		{Term: "n", Text: fmt.Sprint(n)},
		{Term: "k", Text: fmt.Sprint(k)},
		{Term: "mc", Text: fmt.Sprint(q.Params.MC)},
		{Term: "kc", Text: fmt.Sprint(stepsKC * q.kernel.Type.Group())},
		{Term: "nc", Text: fmt.Sprint(q.Params.NC)},
		{Term: "tuning", Text: r.tuning},
	}
}

// factors are A and B for inputs that lie as a says of the first and b of the
// second. A run need not have them where the plan saw them: the device copies
// inputs that share bytes with the output, and parts of those on a disk.
func (r *reading) factors(a, b ndarray.Layout) (left, right ndarray.Layout) {
	return stretch(r.a.matrices(a, 0), r.problem.A.Shape), stretch(r.b.matrices(b, 1), r.problem.B.Shape)
}

// run fills in the arrays and computes.
func (r *reading) run(x *kernels.Exec) error {
	q := r.problem
	q.A.Data, q.B.Data = x.In[0].Data, x.In[1].Data
	q.A.Layout, q.B.Layout = r.factors(x.In[0].Layout, x.In[1].Layout)
	q.C = ndarray.Array{Layout: r.matrices(x.Out[0].Layout), Data: x.Out[0].Data}
	q.Bias, q.Residual = r.addend(x, r.bias), r.addend(x, r.residual)
	return q.Run(x.W, x.Mem)
}

// addend is input i stretched to the output and given its axes.
func (r *reading) addend(x *kernels.Exec, i int) *ndarray.Array {
	if i < 0 {
		return nil
	}
	l := r.matrices(stretch(x.In[i].Layout, r.outShape))
	return &ndarray.Array{Layout: l, Data: x.In[i].Data}
}
