package fft

import (
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// convolution is a checked conv or correlate. Shapes are of all axes.
type convolution struct {
	corr    bool // h is reversed and conjugated
	complex bool
	prec    ndarray.DType
	x, h    []int // shapes
	full    []int // x+h-1
	start   []int // first index of the full result that is wanted
	out     []int // shape of the result
	method  string
	ax      int // overlap: the axis that is cut
	block   int // overlap: results of a block along ax
	fft     []int
	threads int // that the scratch is for
}

func convPlan(corr bool) func(c *kernels.Call) (*kernels.Plan, error) {
	return func(c *kernels.Call) (*kernels.Plan, error) {
		x, h := &c.In[0], &c.In[1]
		if x.Layout.Rank() != h.Layout.Rank() {
			return nil, h.Errorf("%s has %d axes, %s has %d", h.Path, h.Layout.Rank(), x.Path, x.Layout.Rank())
		}
		if x.Layout.Rank() == 0 {
			return nil, x.Errorf("%s is a scalar: there is nothing to slide over", x.Path)
		}
		for _, in := range []*kernels.Input{x, h} {
			if in.Layout.Len() == 0 {
				return nil, in.Errorf("%s is empty", in.Path)
			}
		}
		v := &convolution{corr: corr, x: x.Layout.Shape, h: h.Layout.Shape,
			complex: x.Layout.DType.IsComplex() || h.Layout.DType.IsComplex()}
		v.prec = max(precision(x.Layout.DType), precision(h.Layout.DType)) // F32 < F64
		if err := v.resolve(c, h); err != nil {
			return nil, err
		}
		out := kernels.OutSpec{DType: v.dtype(), Shape: v.out}
		if err := realRefusal(c, out.DType); err != nil {
			return nil, err
		}
		to := stream.Output(c, 0, out)
		p := &kernels.Plan{
			Out:     []kernels.OutSpec{out},
			Cost:    v.cost(c, x.Layout, h.Layout, to),
			Explain: []kernels.Entry{{Term: "method", Text: v.method}, {Term: "isa", Text: simd.Active().String()}},
		}
		if v.method != "direct" {
			p.Explain = append(p.Explain, kernels.Entry{Term: "transform", Text: ndarray.ShapeString(v.fft)})
		}
		p.Stream = func(mem int64) (*kernels.Streamed, error) { return v.stream(x.Layout, h.Layout, to, mem) }
		if v.prec == ndarray.F32 {
			p.Run = func(x *kernels.Exec) error { return runConv[float32](x, v) }
		} else {
			p.Run = func(x *kernels.Exec) error { return runConv[float64](x, v) }
		}
		return p, nil
	}
}

// resolve fills in the shapes for mode=, and the method.
func (v *convolution) resolve(c *kernels.Call, h *kernels.Input) error {
	rank := len(v.x)
	v.full, v.start, v.out = make([]int, rank), make([]int, rank), make([]int, rank)
	larger, smaller := true, true
	for i := range rank {
		v.full[i] = v.x[i] + v.h[i] - 1
		larger = larger && v.x[i] >= v.h[i]
		smaller = smaller && v.x[i] <= v.h[i]
	}
	if _, err := ndarray.CheckShape(ndarray.C128, v.full); err != nil {
		return c.Errorf("%v", err)
	}
	mode := c.Str("mode")
	if mode == "valid" && !larger && !smaller {
		return h.Errorf("mode=valid: one of %s and %s must be at least as long along every axis", ndarray.ShapeString(v.x), ndarray.ShapeString(v.h))
	}
	for i := range rank {
		switch mode {
		case "same":
			v.start[i], v.out[i] = (v.h[i]-1)/2, v.x[i]
		case "valid":
			v.start[i] = min(v.x[i], v.h[i]) - 1
			v.out[i] = v.full[i] - 2*v.start[i]
		default:
			v.out[i] = v.full[i]
		}
	}
	v.choose(c.Str("method"))
	return nil
}

// choose settles the method and its transform shape. Costs are in nanoseconds
// of one thread, by formulas: the same line always takes the same way.
func (v *convolution) choose(method string) {
	whole := make([]int, len(v.full))
	for i, n := range v.full {
		whole[i] = padLength(n)
	}
	ax, block, cut := v.bestCut(whole)
	if method == "auto" {
		direct := float64(product(v.out)) * float64(product(v.h)) * v.unitCost()
		overlap := math.Inf(1)
		if block > 0 {
			overlap = fftCost(cut)*(1+2*float64((v.full[ax]+block-1)/block)) + 2000
		}
		method = "fft"
		if w := 3*fftCost(whole) + 2000; direct <= min(w, overlap) {
			method = "direct"
		} else if overlap < w {
			method = "overlap"
		}
	}
	v.method, v.fft, v.ax, v.block = method, whole, 0, v.full[0]
	if method == "overlap" && block > 0 {
		v.fft, v.ax, v.block = cut, ax, block
	}
}

// unitCost is the time of one product of the direct method.
func (v *convolution) unitCost() float64 {
	if v.complex {
		return 2
	}
	return 0.6
}

func fftCost(shape []int) float64 {
	n := float64(product(shape))
	return 0.25 * n * (math.Log2(n+1) + 4)
}

// bestCut finds the axis along which x exceeds h most, and the length of the
// blocks of overlap-save: transforms of about eight times h along it. block
// is 0 if cutting is no use.
func (v *convolution) bestCut(whole []int) (ax, block int, shape []int) {
	best := 4.0
	for i := range v.x {
		if r := float64(v.x[i]) / float64(v.h[i]); r > best {
			best, ax = r, i
		}
	}
	n := padLength(max(8*v.h[ax], 2048/max(1, product(whole)/whole[ax])))
	if best == 4.0 || n >= whole[ax] {
		return 0, 0, nil
	}
	shape = slices.Clone(whole)
	shape[ax] = n
	return ax, n - v.h[ax] + 1, shape
}

func (v *convolution) cost(c *kernels.Call, x, h, out ndarray.Layout) kernels.Cost {
	cost := kernels.Cost{Bytes: float64(x.Bytes() + h.Bytes() + 2*product(v.out)*v.prec.Size()), Work: v.work()}
	unit, size := v.unit(), v.prec.Size()
	v.threads = planThreads(c)
	cost.Scratch = int64(v.operandReals(x, h, out)) * int64(size)
	if v.method == "direct" {
		cost.Flops = 2 * float64(unit*unit) * float64(product(v.out)) * float64(product(v.h))
		cost.Scratch += int64(8 * v.directNeed().total(v.threads))
		return cost
	}
	n := product(v.fft)
	cost.Flops = (1 + 2*float64(v.blocks())) * 2.5 * float64(unit) * float64(n) * math.Log2(float64(n)+1)
	cost.Scratch += int64(v.buffers()+v.spectralNeed().total(v.threads)) * int64(size)
	return cost
}

// operandReals is the reals of copies of operands; [kernelOf] always copies for a correlation.
func (v *convolution) operandReals(x, h, out ndarray.Layout) int {
	n := copyReals(x, v.x, v.prec, v.complex) + copyReals(out, v.out, v.prec, v.complex)
	if v.corr {
		return n + v.unit()*product(v.h)
	}
	return n + copyReals(h, v.h, v.prec, v.complex)
}

// blocks is how many transforms there and back are made.
func (v *convolution) blocks() int { return (v.full[v.ax] + v.block - 1) / v.block }

// manyBlocks tells whether each block is a task; else each is spread over the
// crew.
func (v *convolution) manyBlocks() bool { return v.blocks() > 1 && product(v.fft) < parallelFrom }

// padReals and specReals are the lengths of a padded block and its spectrum.
func (v *convolution) padReals() int { return v.unit() * product(v.fft) }

func (v *convolution) specReals() int {
	if v.complex {
		return v.padReals()
	}
	last := v.fft[len(v.fft)-1]
	return 2 * product(v.fft) / last * (last/2 + 1)
}

// buffers is the reals of the kernel's spectrum, a padded block, and its
// spectrum, which tasks have of their own.
func (v *convolution) buffers() int { return 2*v.specReals() + v.padReals() }

// spectralNeed is the scratch of the transforms.
func (v *convolution) spectralNeed() need {
	fwd, inv := v.requests()
	out := fwd.need()
	if v.manyBlocks() {
		return out.or(need{task: v.padReals() + v.specReals() + out.or(inv.need()).serial()})
	}
	return out.or(inv.need())
}

// requests are the transforms there and back.
func (v *convolution) requests() (fwd, inv request) {
	axes := make([]int, len(v.fft))
	for i := range axes {
		axes[i] = i
	}
	half := slices.Clone(v.fft)
	if !v.complex {
		half[len(half)-1] = half[len(half)-1]/2 + 1
	}
	fwd = request{real: !v.complex, axes: axes, shape: v.fft, in: v.fft, out: half, prec: v.prec, scale: 1}
	inv = request{real: !v.complex, inv: true, axes: axes, shape: v.fft, in: half, out: v.fft, prec: v.prec, scale: 1 / float64(product(v.fft))}
	return fwd, inv
}

func runConv[T simd.Float](x *kernels.Exec, v *convolution) error {
	out := x.Out[0]
	if out.Len() == 0 {
		return nil
	}
	xs, err := operand[T](x, x.In[0], v.complex)
	if err != nil {
		return err
	}
	h, err := kernelOf[T](x, x.In[1], v)
	if err != nil {
		return err
	}
	dst, finish := target[T](x, out, v.complex)
	run := runSpectral[T]
	if v.method == "direct" {
		run = runDirect[T]
	}
	if err := run(x, v, dst, xs, h); err != nil {
		return err
	}
	return finish()
}

// kernelOf is h, or for a correlation h reversed along every axis and
// conjugated.
func kernelOf[T simd.Float](x *kernels.Exec, a ndarray.Array, v *convolution) ([]T, error) {
	if !v.corr {
		return operand[T](x, a, v.complex)
	}
	a.Strides = slices.Clone(a.Strides)
	for i, s := range a.Strides {
		a.Offset += (a.Shape[i] - 1) * s
		a.Strides[i] = -s
	}
	c := borrow[T](x, a.Shape, v.complex)
	if err := convert(x.W, c, a); err != nil {
		return nil, err
	}
	h := reals[T](c)
	if v.complex {
		for i := 1; i < len(h); i += 2 {
			h[i] = -h[i]
		}
	}
	return h, nil
}

// unit is the number of reals of an element.
func (v *convolution) unit() int {
	if v.complex {
		return 2
	}
	return 1
}
