// Package fft is the kernel family of discrete Fourier transforms and what is
// made of them: fft ifft rfft irfft, dct idct dst idst, conv correlate,
// fftshift ifftshift, window, psd spectrogram stft. Names and conventions are
// those of numpy.fft and scipy.
//
// # Model
//
// A [line] is the plan of one contiguous transform, chosen by length, precision
// and instruction set alone, cached for the life of the process, immutable.
// Numbers are interleaved (re, im) in arrays and planar inside: a tile is rows
// of vectors, W real parts then W imaginary parts, each lane a transform of
// its own, so that every pass is straight vector code (col.go). A long line is
// two sweeps of tiles (twostep.go); lengths with prime factors above 13 are
// convolutions (bluestein.go, rader.go); an N-D transform is one sweep of
// lines or of column tiles an axis (axis.go).
//
// # Threads
//
// Sweeps are cut by shape into pieces for [pool.Worker.For]; every number is
// computed by the same operations whichever thread runs the piece, so the bits
// do not depend on threads. Caches are sync.Maps of immutable plans; nothing
// else is shared.
package fft

import (
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// Kernels lists the family.
func Kernels() []*kernels.Kernel {
	return slices.Concat(completeFourier(fourierKernels()), cosineKernels(), convolutionKernels(), shiftKernels(), spectralKernels())
}

// axesOption resolves axes= against an input: default last axis, or with n=
// the last len(n) ones. They must be in range and different.
func axesOption(c *kernels.Call, in *kernels.Input, count int) ([]int, error) {
	rank := in.Layout.Rank()
	if rank == 0 {
		return nil, in.Errorf("%s is a scalar: there is no axis to transform", in.Path)
	}
	o := c.Opt("axes")
	if !o.Set {
		if count > rank {
			return nil, c.Opt("n").Errorf("%d lengths for an array of %d axes", count, rank)
		}
		axes := make([]int, max(count, 1))
		for i := range axes {
			axes[i] = rank - len(axes) + i
		}
		return axes, nil
	}
	axes := slices.Clone(c.Ints("axes"))
	if len(axes) == 0 {
		return nil, o.Errorf("the list is empty")
	}
	for i, a := range axes {
		n, err := o.Axis(a, rank)
		if err != nil {
			return nil, err
		}
		axes[i] = n
		if slices.Contains(axes[:i], axes[i]) {
			return nil, o.Errorf("axis %d is repeated", a)
		}
	}
	return axes, nil
}

// lengthsOption gives the transform's lengths along axes: n=, else def.
func lengthsOption(c *kernels.Call, in *kernels.Input, axes []int, def func(i int) int) ([]int, error) {
	o, lengths := c.Opt("n"), c.Ints("n")
	if o.Set && len(lengths) != len(axes) {
		return nil, o.Errorf("%d lengths for %d axes", len(lengths), len(axes))
	}
	out := make([]int, len(axes))
	for i := range axes {
		if out[i] = def(i); o.Set {
			out[i] = lengths[i]
		}
		switch {
		case o.Set && out[i] < 1:
			return nil, o.Errorf("length %d: there must be at least one point", out[i])
		case out[i] < 1:
			return nil, in.Errorf("axis %d of %s has %d points, which makes a transform of length %d", axes[i], in.Layout, in.Layout.Shape[axes[i]], out[i])
		}
	}
	return out, nil
}

// optionCount is the number of entries of n=.
func optionCount(c *kernels.Call) int { return len(c.Ints("n")) }

// normScale is the factor of norm= for a transform of n points.
func normScale(norm string, n float64, inv bool) float64 {
	switch {
	case norm == "ortho":
		return 1 / math.Sqrt(n)
	case (norm == "forward") != inv:
		return 1 / n
	}
	return 1
}

var transformOptions = []kernels.OptionSpec{
	{Name: "axes", Kind: kernels.KindInts, Help: "The axes to transform, the last listed first; default the last axis, or as many last ones as n= has lengths."},
	{Name: "n", Kind: kernels.KindInts, Help: "The length of each axis: the input is cropped, or padded with zeros at its end."},
	{Name: "norm", Kind: kernels.KindEnum, Default: "backward", Values: []string{"backward", "ortho", "forward"},
		Help: "Which direction carries the factor 1/n: backward (the inverse), forward, or 1/sqrt(n) in both (ortho)."},
}

// request is a checked fft, ifft, rfft or irfft.
type request struct {
	inv, real bool
	axes      []int
	shape     []int // of the transform in real or complex points of its longer side
	in, out   []int // shapes of what is loaded and stored, cropped or padded
	prec      ndarray.DType
	scale     float64
	threads   int // that the scratch is for
	params    Params
}

func fourierPlan(inv, real bool) func(c *kernels.Call) (*kernels.Plan, error) {
	return func(c *kernels.Call) (*kernels.Plan, error) {
		r := &request{inv: inv, real: real}
		in := &c.In[0]
		if real && !inv && in.Layout.DType.IsComplex() {
			e := in.Errorf("rfft takes real numbers, %s is %s", in.Path, in.Layout.DType)
			e.Hint = "use fft"
			return nil, e
		}
		if err := r.resolve(c, in); err != nil {
			return nil, err
		}
		out := kernels.OutSpec{DType: complexOf(r.prec), Shape: r.out}
		if real && inv {
			out.DType = r.prec
		}
		if err := realRefusal(c, out.DType); err != nil {
			return nil, err
		}
		if _, err := ndarray.CheckShape(ndarray.C128, r.shape); err != nil {
			return nil, c.Opt("n").Errorf("%v", err)
		}
		to := stream.Output(c, 0, out)
		p := &kernels.Plan{
			Out:     []kernels.OutSpec{out},
			Cost:    r.cost(c, in.Layout, to),
			Explain: append(r.explain(), kernels.Entry{Term: "tuning", Text: r.tuned(c)}),
			Alias:   !real && in.Layout.DType == out.DType && slices.Equal(in.Layout.Shape, r.out),
		}
		p.Threads = r.params.Ways
		p.Stream = func(mem int64) (*kernels.Streamed, error) { return r.stream(in.Layout, to, mem) }
		if r.prec == ndarray.F32 {
			p.Run = func(x *kernels.Exec) error { return runFourier[float32](x, r) }
		} else {
			p.Run = func(x *kernels.Exec) error { return runFourier[float64](x, r) }
		}
		return p, nil
	}
}

// realRefusal explains why a complex result cannot go to a real output.
func realRefusal(c *kernels.Call, d ndarray.DType) error {
	if o := &c.Out[0]; d.IsComplex() && o.DType != ndarray.Invalid && !o.DType.IsComplex() {
		e := o.Errorf("the result is complex: %s cannot hold it", o.DType)
		e.Hint = "write :" + d.String() + " or leave the type out"
		return e
	}
	return nil
}

// resolve fills in axes, shapes and scale.
func (r *request) resolve(c *kernels.Call, in *kernels.Input) error {
	axes, err := axesOption(c, in, optionCount(c))
	if err != nil {
		return err
	}
	r.axes = axes
	have, last := in.Layout.Shape, len(axes)-1
	lengths, err := lengthsOption(c, in, axes, func(i int) int {
		if r.real && r.inv && i == last {
			return 2 * (have[axes[i]] - 1)
		}
		return have[axes[i]]
	})
	if err != nil {
		return err
	}
	r.prec = precision(in.Layout.DType)
	r.shape = slices.Clone(have)
	points := 1.0
	for i, a := range axes {
		r.shape[a] = lengths[i]
		points *= float64(lengths[i])
	}
	r.scale = normScale(c.Str("norm"), points, r.inv)
	r.in, r.out = r.shape, r.shape
	if r.real {
		half := slices.Clone(r.shape)
		half[axes[last]] = half[axes[last]]/2 + 1
		if r.inv {
			r.in = half
		} else {
			r.out = half
		}
	}
	return nil
}

// points is the number of elements of the transform.
func (r *request) points() int { return product(r.shape) }

func (r *request) cost(c *kernels.Call, in, out ndarray.Layout) kernels.Cost {
	r.threads = planThreads(c)
	if r.points() == 0 {
		return kernels.Cost{} // however long the axes are
	}
	flops := 0.0
	for _, a := range r.axes {
		flops += 5 * float64(r.points()) * math.Log2(float64(r.shape[a]))
	}
	if r.real {
		flops /= 2
	}
	return kernels.Cost{
		Flops:   flops,
		Bytes:   float64(in.Bytes() + product(r.out)*complexOf(r.prec).Size()),
		Scratch: int64(r.copies(in, out)+r.need().total(r.threads)) * int64(r.prec.Size()),
		Work:    r.work(),
	}
}

// copies is the reals of copies of input and output where they cannot be
// used as they lie, and of what an inverse real transform over several axes passes through.
func (r *request) copies(in, out ndarray.Layout) int {
	n := copyReals(in, r.in, r.prec, !r.real || r.inv) + copyReals(out, r.out, r.prec, !r.real || !r.inv)
	if r.real && r.inv && len(r.axes) > 1 {
		n += 2 * product(r.in)
	}
	return n
}

// need is the scratch of [fourier].
func (r *request) need() need {
	m := machineFor(r.prec)
	if !r.real {
		return m.transformNeed(r.shape, r.axes)
	}
	last := len(r.axes) - 1
	out := r.realGeometry(m, r.axes[last]).need(m.size)
	if r.inv {
		for _, a := range r.axes[:last] {
			out = out.or(m.need(geometryOf(r.in, a)))
		}
		return out
	}
	return out.or(m.transformNeed(r.out, r.axes[:last]))
}

// realGeometry is the lines of the real axis.
func (r *request) realGeometry(m machine, ax int) realGeometry {
	n := r.shape[ax]
	g := realGeometry{
		outer: product(r.shape[:ax]), inner: product(r.shape[ax+1:]),
		nIn: n, nOut: n/2 + 1, unitIn: 1, unitOut: 2, line: m.realLineNeed(n),
	}
	if r.inv {
		g.nIn, g.nOut, g.unitIn, g.unitOut = g.nOut, g.nIn, g.unitOut, g.unitIn
	}
	return g
}

// machineFor is the machine of the kernels in use for a real type.
func machineFor(d ndarray.DType) machine {
	if d == ndarray.F32 {
		return machineOf(simd.FFT[float32]())
	}
	return machineOf(simd.FFT[float64]())
}

func (r *request) explain() []kernels.Entry {
	out := []kernels.Entry{{Term: "isa", Text: simd.Active().String()}}
	for i := len(r.axes) - 1; i >= 0; i-- {
		n := r.shape[r.axes[i]]
		if r.real && i == len(r.axes)-1 && n%2 == 0 {
			n /= 2
		}
		out = append(out, kernels.Entry{Term: "axis" + itoa(r.axes[i]), Text: describe(r.prec, n)})
	}
	return out
}

// runFourier loads what cannot be used as it lies, transforms, and stores.
func runFourier[T simd.Float](x *kernels.Exec, r *request) error {
	in, out := x.In[0], x.Out[0]
	if out.Len() == 0 {
		return nil
	}
	complexIn, complexOut := !r.real || r.inv, !r.real || !r.inv
	var src []T
	if slices.Equal(in.Shape, r.in) {
		var err error
		if src, err = operand[T](x, in, complexIn); err != nil {
			return err
		}
	} else {
		c := borrow[T](x, r.in, complexIn)
		if err := load(x.W, c, in); err != nil {
			return err
		}
		src = reals[T](c)
	}
	var tmp []T
	if r.real && r.inv && len(r.axes) > 1 {
		tmp = reals[T](borrow[T](x, r.in, true))
	}
	dst, finish := target[T](x, out, complexOut)
	if err := fourier(&crew[T]{w: x.W, space: spaceOf[T](x, r.need(), r.threads), piece: r.params.Piece}, r, dst, src, tmp); err != nil {
		return err
	}
	return finish()
}

// fourier transforms C-ordered src to C-ordered dst. An inverse real transform
// over several axes passes through tmp, of src's length, which may be src. c
// has the request's need.
func fourier[T simd.Float](c *crew[T], r *request, dst, src, tmp []T) error {
	if !r.real {
		return transform(c, dst, src, r.shape, r.axes, r.inv, T(r.scale))
	}
	last := r.axes[len(r.axes)-1]
	rest := r.axes[:len(r.axes)-1]
	if !r.inv {
		if err := alongReal(c, r, last, dst, src); err != nil {
			return err
		}
		return transform(c, dst, dst, r.out, rest, false, T(r.scale))
	}
	for _, a := range rest { // numpy's irfftn goes from the first axis to the last
		if err := along(c, tmp, src, r.in, a, inverse(T(1)), false); err != nil {
			return err
		}
		src = tmp
	}
	return alongReal(c, r, last, dst, src)
}

// alongReal does the real transforms of a request, those of axis ax. c has the
// need of their geometry.
func alongReal[T simd.Float](c *crew[T], r *request, ax int, dst, src []T) error {
	k := simd.FFT[T]()
	l, err := plannedReal(c.w, k, r.shape[ax])
	if err != nil {
		return err
	}
	a := &realAxis[T]{realGeometry: r.realGeometry(machineOf(k), ax), dst: dst, src: src}
	if r.inv {
		dir := inverse(T(r.scale))
		a.fn = func(c *crew[T], out, in, s []T) error { return l.inverse(c, k, out, in, dir, s) }
	} else {
		a.fn = func(c *crew[T], out, in, s []T) error { return l.forward(c, k, out, in, s) }
	}
	return a.run(c)
}
