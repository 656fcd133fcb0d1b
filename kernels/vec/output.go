package vec

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/vec/move"
)

// What the options dtype= and shape= of kernels that make arrays say.
var (
	dtypeOption = kernels.OptionSpec{Name: "dtype", Kind: kernels.KindDType,
		Help: "type of the output, unless the operand says it"}
	shapeOption = kernels.OptionSpec{Name: "shape", Kind: kernels.KindShape,
		Help: "shape of the output, such as 3x4, unless the operand says it"}
)

// outType is the type of an output that no input determines: the operand's own,
// else dtype=, else that of the buffer that exists (if existing), else
// fallback. dtype= that contradicts the operand is an error.
func outType(c *kernels.Call, existing bool, fallback ndarray.DType) (ndarray.DType, error) {
	o := &c.Out[0]
	if existing && o.Exists && o.Layout.DType != ndarray.Invalid {
		fallback = o.Layout.DType
	}
	given := c.DType("dtype")
	if given != ndarray.Invalid {
		fallback = given
	}
	d := o.WantDType(fallback)
	if given != ndarray.Invalid && d != given {
		return d, c.Opt("dtype").Errorf("%s, but the output operand is %s", given, d)
	}
	return d, nil
}

// outShape is the shape of such an output, by the same rule; there is no
// fallback, as no shape is likelier than another.
func outShape(c *kernels.Call) ([]int, error) {
	o := &c.Out[0]
	var shape []int
	if o.Exists && o.Layout.DType != ndarray.Invalid {
		shape = o.Layout.Shape
	}
	given := c.Shape("shape")
	if given != nil {
		shape = given
	}
	shape = o.WantShape(shape)
	if given != nil && !slices.Equal(given, shape) {
		return nil, c.Opt("shape").Errorf("%s, but the output operand is %s", ndarray.ShapeString(given), ndarray.ShapeString(shape))
	}
	if shape == nil {
		err := o.Errorf("%s has no shape yet", o.Path)
		err.Hint = "write " + o.Path + ":f32:3x4, or shape=3x4"
		return nil, err
	}
	return shape, nil
}

// single is the plan of a kernel with one output and a run. It counts no flops
// and no scratch.
func single(d ndarray.DType, shape []int, bytes float64, run func(x *kernels.Exec) error) *kernels.Plan {
	return &kernels.Plan{
		Out:  []kernels.OutSpec{{DType: d, Shape: shape}},
		Cost: kernels.Cost{Bytes: bytes},
		Run:  run,
	}
}

// sizeOf is the number of bytes of a packed array, as a cost.
func sizeOf(d ndarray.DType, shape []int) float64 {
	n := float64(d.Size())
	for _, s := range shape {
		n *= float64(s)
	}
	return n
}

const (
	// blockElements is how many elements are made or chosen at once: small
	// enough that a few operands of a block stay in the first-level cache.
	blockElements = 2048
	// pieceBlocks is how many blocks make a piece of parallel work.
	pieceBlocks = 16
)

// generator writes the values from number first on to dst, a direct array of
// one axis. It is called by several goroutines at once, for disjoint ranges in
// any order, and must give the same for a range however it is cut.
type generator = func(dst ndarray.Array, first int)

// generating is the plan of a kernel that generates its output, seen through
// view.
func generating(c *kernels.Call, d ndarray.DType, shape []int, view func(ndarray.Array) ndarray.Array, via ndarray.DType, fill generator) *kernels.Plan {
	p := single(d, shape, sizeOf(d, shape), func(x *kernels.Exec) error {
		return generate(x.W, view(x.Out[0]), via, fill)
	})
	return generated(c, p, view, via, fill)
}

// generate fills out with values that depend on the element's number in C
// order alone: fill must write those from number first on to dst, a direct
// one-dimensional array of type via. Other types and layouts are converted.
func generate(w *pool.Worker, out ndarray.Array, via ndarray.DType, fill generator) error {
	if out.Contiguous() {
		out.Layout = out.Collapse()
	}
	b := move.NewBlocks(out.Shape, blockElements)
	return w.For(b.Count(), pieceBlocks, func(_ *pool.Worker, lo, hi int) {
		var tmp ndarray.Array
		for i := lo; i < hi; i++ {
			tmp = makeBlock(b.Cut(out, i), b.First(i), b.Size(), tmp, via, fill)
		}
	})
}

// makeBlock fills dst, of at most size elements, with the values from number
// first on; by way of tmp, made when it is needed, if dst is not direct.
func makeBlock(dst ndarray.Array, first, size int, tmp ndarray.Array, via ndarray.DType, fill generator) ndarray.Array {
	if dst.DType == via && dst.Direct() {
		fill(flat(dst), first)
		return tmp
	}
	if tmp.Data == nil {
		tmp = ndarray.New(via, size)
	}
	part := tmp.Range(0, 0, dst.Len())
	fill(part, first)
	convert(dst, shaped(part, dst.Shape))
	return tmp
}

// flat is the one-dimensional view of a contiguous array.
func flat(a ndarray.Array) ndarray.Array { return shaped(a, []int{a.Len()}) }

// shaped gives a contiguous array another shape of the same length.
func shaped(a ndarray.Array, shape []int) ndarray.Array {
	a.Shape, a.Strides = shape, ndarray.CStrides(a.DType, shape)
	return a
}

// convert is ndarray.Convert of arrays whose shapes are equal by construction.
// It panics if they are not.
func convert(dst, src ndarray.Array) {
	if err := ndarray.Convert(dst, src); err != nil {
		panic(err)
	}
}
