package reduce

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
)

// verb is a reduction as a kernel.
type verb struct {
	name    string
	summary string
	extra   []kernels.OptionSpec // beside axis and keepdims
	// result is the type of the result for an input type; Invalid refuses it.
	result func(in ndarray.DType) ndarray.DType
	// wanted is set if the reduction has no value for no elements.
	wanted bool
	// passes is how often the input is read.
	passes int
	flops  float64 // per element
	// check, if set, refuses what only this reduction refuses.
	check  func(c *kernels.Call, g *geometry) error
	run    func(j *job) error
	manual text
}

// job is a reduction under way.
type job struct {
	x     *kernels.Exec
	c     *kernels.Call
	g     geometry
	in    ndarray.Array
	out   ndarray.Array // C order as far as it has elements; else collapsed
	class ndarray.DType // the type that the computation is done in

	dry     *need // set in a dry run, which computes nothing
	need    *need // what a dry run has found
	lanes   *scratch.Lanes
	partial []byte

	stream *tiles // of a streamed job
	kept   []byte // memory of perOutput in a streamed job
}

var (
	axisOption     = kernels.OptionSpec{Name: "axis", Kind: kernels.KindInts, Help: "the axes to reduce, counted from the end if negative; all if absent"}
	keepdimsOption = kernels.OptionSpec{Name: "keepdims", Kind: kernels.KindBool, Default: "no", Help: "keep reduced axes with an extent of 1"}
	dtypeOption    = kernels.OptionSpec{Name: "dtype", Kind: kernels.KindDType, Help: "the type of the result, which the sum is computed in at least"}
	ddofOption     = kernels.OptionSpec{Name: "ddof", Kind: kernels.KindInt, Default: "0", Help: "delta degrees of freedom: the divisor is N - ddof"}
	ordOption      = kernels.OptionSpec{Name: "ord", Kind: kernels.KindString, Default: "2", Help: "2, fro, 1, inf, -inf, 0 (a count of nonzeros) or any number p"}
)

// kernel declares a verb: all have X, an optional OUT, axis= and keepdims=.
func (v *verb) kernel() *kernels.Kernel {
	synopsis := v.name + " X [OUT] [axis=INTS] [keepdims=no]"
	for _, o := range v.extra {
		synopsis += " [" + o.Name + "=" + o.Default + "]"
	}
	return &kernels.Kernel{
		Name: v.name, Family: "reduce", Summary: v.summary, Synopsis: synopsis, Manual: v.page(),
		MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputOptional,
		Options: slices.Concat([]kernels.OptionSpec{axisOption, keepdimsOption}, v.extra),
		Plan:    v.plan,
	}
}

// plan finds axes, types and memory. The scratch is what a dry run of the verb
// itself asks for (measure), so the two cannot differ. Without an output
// operand the result must be one number, which is the answer.
func (v *verb) plan(c *kernels.Call) (*kernels.Plan, error) {
	in := &c.In[0]
	axes, err := parseAxes(c, in.Layout.Rank())
	if err != nil {
		return nil, err
	}
	g := newGeometry(in.Layout.Shape, axes, c.Bool("keepdims"))
	class, result, err := v.types(c)
	if err != nil {
		return nil, err
	}
	if v.wanted && g.k == 0 && g.outputs() > 0 {
		return nil, in.Errorf("%s: no elements: %s has a reduced axis of extent 0", v.name, in.Layout)
	}
	if v.check != nil {
		if err := v.check(c, &g); err != nil {
			return nil, err
		}
	}
	p := &kernels.Plan{}
	p.Cost.Flops = v.flops * float64(in.Layout.Len())
	p.Cost.Bytes = float64(v.passes)*float64(in.Layout.Bytes()) + float64(g.outputs()*result.Size())
	need, err := v.measure(job{c: c, g: g, in: ndarray.Array{Layout: in.Layout}, class: class})
	if err != nil {
		return nil, err
	}
	p.Cost.Scratch = need.total()
	p.Explain = []kernels.Entry{{Term: "order", Text: g.order()}}
	if len(c.Out) > 0 {
		p.Out = []kernels.OutSpec{{DType: result, Shape: g.kept}}
	} else if g.outputs() != 1 {
		e := in.Errorf("%s: the result has shape %s", v.name, ndarray.ShapeString(g.kept))
		e.Hint = "give an output operand or reduce over all axes"
		return nil, e
	}
	p.Stream = func(mem int64) (*kernels.Streamed, error) {
		return planStream(job{c: c, g: g, in: ndarray.Array{Layout: in.Layout}, class: class}, v, p, result, mem)
	}
	p.Run = func(x *kernels.Exec) error {
		j := &job{x: x, c: c, g: g, in: x.In[0], class: class}
		j.lend(need)
		if len(x.Out) > 0 {
			j.out = x.Out[0]
			return v.run(j)
		}
		j.out = ndarray.New(result)
		if err := v.run(j); err != nil {
			return err
		}
		x.Answer(Format(j.out))
		return nil
	}
	return p, nil
}

// order names which of the two orders of operations the shape has.
func (g *geometry) order() string {
	if g.inner {
		return "inner"
	}
	return "outer"
}

// types gives the type to compute in and that of the result. An output operand
// may ask for another type of the same kind or a higher one, dtype= likewise.
func (v *verb) types(c *kernels.Call) (class, result ndarray.DType, err error) {
	in := &c.In[0]
	result = v.result(in.Layout.DType)
	if result == ndarray.Invalid {
		e := in.Errorf("%s does not take %s", v.name, in.Layout.DType)
		if in.Layout.DType.IsComplex() {
			e.Msg, e.Hint = v.name+": complex numbers have no order", "take abs, real or imag by map first"
		}
		return 0, 0, e
	}
	class = ndarray.Promote(result, in.Layout.DType)
	if slices.ContainsFunc(v.extra, func(o kernels.OptionSpec) bool { return o.Name == "dtype" }) && c.Has("dtype") {
		want := c.DType("dtype")
		if !in.Layout.DType.StoredAs(want) {
			e := c.Opt("dtype").Errorf("%s is not summed as %s", in.Layout.DType, want)
			e.Hint = "cast the operand by map first"
			return 0, 0, e
		}
		class, result = ndarray.Promote(in.Layout.DType, want), want
	}
	if len(c.Out) > 0 {
		want := c.Out[0].WantDType(result)
		if !result.StoredAs(want) {
			return 0, 0, c.Out[0].Errorf("the result is %s and is not stored as %s", result, want)
		}
		result = want
	}
	return class, result, nil
}

// store is a sink that writes values to the output after finish, if any, has
// brought them to their last form in place.
func store[A ndarray.Element](j *job, finish func(vals []A)) func(vals []A, o int) {
	return func(vals []A, o int) {
		if finish != nil {
			finish(vals)
		}
		ndarray.Store(j.out, vals, o)
	}
}

// collect is a sink that keeps values.
func collect[A any](dst []A) func(vals []A, o int) {
	return func(vals []A, o int) { copy(dst[o:], vals) }
}
