package fft

import (
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// kindOf reads type=.
func kindOf(s string) int {
	return map[string]int{"1": 1, "I": 1, "2": 2, "II": 2, "3": 3, "III": 3, "4": 4, "IV": 4}[s]
}

// trigRequest is a checked dct, idct, dst or idst.
type trigRequest struct {
	kind  int
	sine  bool
	ortho bool
	axes  []int
	shape []int
	scale []float64 // of each axis
	prec  ndarray.DType
	unit  int // reals of an element
	// threads is how many the scratch is for.
	threads int
}

func trigPlan(inv, sine bool) func(c *kernels.Call) (*kernels.Plan, error) {
	return func(c *kernels.Call) (*kernels.Plan, error) {
		in := &c.In[0]
		r := &trigRequest{kind: kindOf(c.Str("type")), sine: sine, ortho: c.Str("norm") == "ortho", unit: 1}
		if inv && (r.kind == 2 || r.kind == 3) {
			r.kind = 5 - r.kind
		}
		if err := r.resolve(c, in, inv); err != nil {
			return nil, err
		}
		out := kernels.OutSpec{DType: r.prec, Shape: r.shape}
		if in.Layout.DType.IsComplex() {
			out.DType, r.unit = complexOf(r.prec), 2
			if err := realRefusal(c, out.DType); err != nil {
				return nil, err
			}
		}
		if _, err := ndarray.CheckShape(ndarray.C128, r.shape); err != nil {
			return nil, c.Opt("n").Errorf("%v", err)
		}
		to := stream.Output(c, 0, out)
		p := &kernels.Plan{Out: []kernels.OutSpec{out}, Cost: r.cost(c, in.Layout, to), Explain: []kernels.Entry{{Term: "isa", Text: simd.Active().String()}}}
		p.Stream = func(mem int64) (*kernels.Streamed, error) { return r.stream(in.Layout, to, mem) }
		if r.prec == ndarray.F32 {
			p.Run = func(x *kernels.Exec) error { return runTrig[float32](x, r) }
		} else {
			p.Run = func(x *kernels.Exec) error { return runTrig[float64](x, r) }
		}
		return p, nil
	}
}

func (r *trigRequest) resolve(c *kernels.Call, in *kernels.Input, inv bool) error {
	axes, err := axesOption(c, in, optionCount(c))
	if err != nil {
		return err
	}
	lengths, err := lengthsOption(c, in, axes, func(i int) int { return in.Layout.Shape[axes[i]] })
	if err != nil {
		return err
	}
	r.axes, r.shape, r.prec = axes, slices.Clone(in.Layout.Shape), precision(in.Layout.DType)
	for i, a := range axes {
		if r.kind == 1 && !r.sine && lengths[i] < 2 {
			return c.Opt("type").Errorf("a DCT of type I needs 2 points, axis %d has %d", a, lengths[i])
		}
		r.shape[a] = lengths[i]
		r.scale = append(r.scale, normScale(c.Str("norm"), float64(logical(lengths[i], r.kind, r.sine)), inv))
	}
	return nil
}

func (r *trigRequest) cost(c *kernels.Call, in, out ndarray.Layout) kernels.Cost {
	r.threads = planThreads(c)
	n := product(r.shape) * r.unit
	if n == 0 {
		return kernels.Cost{}
	}
	flops := 0.0
	for _, a := range r.axes {
		flops += float64(n) * (2.5*math.Log2(float64(max(r.shape[a], 2))) + 6)
	}
	copies := copyReals(in, r.shape, r.prec, r.unit == 2) + copyReals(out, r.shape, r.prec, r.unit == 2)
	return kernels.Cost{
		Flops:   flops,
		Bytes:   float64(in.Bytes() + n*r.prec.Size()),
		Scratch: int64(copies+r.need().total(r.threads)) * int64(r.prec.Size()),
		Work:    r.work(),
	}
}

// geometry is the lines of an axis: of a complex array, the parts are lines of
// their own.
func (r *trigRequest) geometry(m machine, ax int) realGeometry {
	n := r.shape[ax]
	return realGeometry{
		outer: product(r.shape[:ax]), inner: product(r.shape[ax+1:]) * r.unit,
		nIn: n, nOut: n, unitIn: 1, unitOut: 1, line: m.trigNeed(n, r.kind, r.sine),
	}
}

// need is the scratch of all axes.
func (r *trigRequest) need() (out need) {
	m := machineFor(r.prec)
	for _, a := range r.axes {
		out = out.or(r.geometry(m, a).need(m.size))
	}
	return out
}

// trigNeed is the scratch of one line.
func (m machine) trigNeed(n, kind int, sine bool) need {
	switch {
	case kind == 1:
		l := logical(n, 1, sine)
		in := m.realLineNeed(l)
		return need{n + 2*l + 2 + in.alone, in.task}
	case kind == 4:
		l := n / 2
		if n%2 == 1 {
			l = 2 * n
		}
		return need{n + 2*l + m.scratch(l), m.lineNeed(l).task}
	}
	in := m.realLineNeed(n)
	return need{n + 2*n + 2 + in.alone, in.task}
}

func runTrig[T simd.Float](x *kernels.Exec, r *trigRequest) error {
	in, out := x.In[0], x.Out[0]
	if out.Len() == 0 {
		return nil
	}
	complexes := r.unit == 2
	dst, finish := target[T](x, out, complexes)
	var src []T
	if slices.Equal(in.Shape, r.shape) {
		var err error
		if src, err = operand[T](x, in, complexes); err != nil {
			return err
		}
	} else {
		c := borrow[T](x, r.shape, complexes)
		if err := load(x.W, c, in); err != nil {
			return err
		}
		src = reals[T](c)
	}
	k := simd.FFT[T]()
	c := &crew[T]{w: x.W, space: spaceOf[T](x, r.need(), r.threads)}
	for i := len(r.axes) - 1; i >= 0; i-- {
		a := r.axes[i]
		t, err := newTrig(x.W, k, r.shape[a], r.kind, r.sine, r.ortho, r.scale[i])
		if err != nil {
			return err
		}
		axis := realAxis[T]{
			realGeometry: r.geometry(machineOf(k), a), dst: dst, src: src,
			fn: func(c *crew[T], out, in, s []T) error { return t.run(c, k, out, in, s) },
		}
		if err := axis.run(c); err != nil {
			return err
		}
		src = dst
	}
	return finish()
}
