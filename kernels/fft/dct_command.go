package fft

import (
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
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
		p := &kernels.Plan{Out: []kernels.OutSpec{out}, Cost: r.cost(in.Layout), Explain: []kernels.Entry{{Term: "isa", Text: simd.Active().String()}}}
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

func (r *trigRequest) cost(in ndarray.Layout) kernels.Cost {
	n := product(r.shape) * r.unit
	flops := 0.0
	need := 0
	for _, a := range r.axes {
		flops += float64(n) * (2.5*math.Log2(float64(max(r.shape[a], 2))) + 6)
		need += trigReals(r.prec, r.shape[a], r.kind, r.sine)
	}
	return kernels.Cost{
		Flops:   flops,
		Bytes:   float64(in.Bytes() + n*r.prec.Size()),
		Scratch: int64(2*n+need+2*taskScratch(r.prec, r.shape, r.axes)) * int64(r.prec.Size()),
	}
}

// trigReals bounds the scratch reals of a line of n points.
func trigReals(d ndarray.DType, n, kind int, sine bool) int {
	switch {
	case kind == 1:
		l := logical(n, 1, sine)
		return n + 2*l + 2 + lineReals(d, l)
	case kind == 4 && n%2 == 1:
		return n + 4*n + lineReals(d, 2*n)
	case kind == 4:
		return n + n + lineReals(d, n/2)
	}
	return n + 2*n + 2 + lineReals(d, n)
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
	for i := len(r.axes) - 1; i >= 0; i-- {
		a := r.axes[i]
		t := newTrig(k, r.shape[a], r.kind, r.sine, r.ortho, r.scale[i])
		axis := realAxis[T]{
			outer: product(r.shape[:a]), inner: product(r.shape[a+1:]) * r.unit,
			nIn: t.n, nOut: t.n, unitIn: 1, unitOut: 1,
			scratch: t.scratchLen(), dst: dst, src: src, borrow: lender[T](x),
			fn: func(w *pool.Worker, out, in, s []T) error { return t.run(w, k, out, in, s) },
		}
		if err := axis.run(x.W); err != nil {
			return err
		}
		src = dst
	}
	return finish()
}
