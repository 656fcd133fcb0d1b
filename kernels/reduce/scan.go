package reduce

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// scanKernel is cumsum or cumprod.
func scanKernel(name string) *kernels.Kernel {
	k := &kernels.Kernel{
		Name: name, Family: "reduce", Summary: "cumulative sum along an axis",
		Synopsis:  name + " X OUT [axis=INT] [dtype=]",
		MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
		Options: []kernels.OptionSpec{
			{Name: "axis", Kind: kernels.KindInts, Help: "the axis to run along, counted from the end if negative; if absent, over all elements in C order"},
			dtypeOption,
		},
		Manual: cumsumPage,
	}
	product := name == "cumprod"
	if product {
		k.Summary, k.Manual = "cumulative product along an axis", cumprodPage
	}
	v := &verb{name: name, result: sumType, extra: dtypeOnly}
	k.Plan = func(c *kernels.Call) (*kernels.Plan, error) { return planScan(v, c, product) }
	return k
}

// oneAxis reads an axis= of a single axis; def is what its absence gives.
func oneAxis(c *kernels.Call, rank, def int) (int, error) {
	axes := c.Ints("axis")
	if !c.Has("axis") {
		return def, nil
	}
	if len(axes) != 1 {
		return 0, c.Opt("axis").Errorf("takes one axis")
	}
	n, err := normal(axes[0], rank)
	if err != nil {
		return 0, c.Opt("axis").Errorf("%v", err)
	}
	return n, nil
}

// lineGeometry is the geometry of lines along an axis of an array that keeps
// its shape.
func lineGeometry(shape []int, axis int) geometry {
	return newGeometry(shape, []int{axis}, true)
}

func planScan(v *verb, c *kernels.Call, product bool) (*kernels.Plan, error) {
	in := &c.In[0]
	axis, err := oneAxis(c, in.Layout.Rank(), -1)
	if err != nil {
		return nil, err
	}
	class, result, err := v.types(c)
	if err != nil {
		return nil, err
	}
	shape := in.Layout.Shape
	if axis < 0 {
		shape = []int{in.Layout.Len()}
	}
	p := &kernels.Plan{Out: []kernels.OutSpec{{DType: result, Shape: shape}}}
	n := float64(in.Layout.Len())
	p.Cost = kernels.Cost{Flops: n, Bytes: float64(in.Layout.Bytes()) + n*float64(result.Size())}
	p.Run = func(x *kernels.Exec) error {
		s := &scan{w: x.W, in: x.In[0], out: x.Out[0]}
		if axis < 0 {
			s.g = newGeometry([]int{s.in.Len()}, nil, false)
		} else {
			s.g = lineGeometry(shape, axis)
			s.in, s.out = s.in.Permute(s.g.axes...), s.out.Permute(s.g.axes...)
		}
		return runScan(s, class, product)
	}
	return p, nil
}

type scan struct {
	w       *pool.Worker
	g       geometry
	in, out ndarray.Array
}

func runScan(s *scan, class ndarray.DType, product bool) error {
	switch {
	case class.IsComplex():
		return scanOf(s, ndarray.C128, pick(product, addition[complex128], multiplication[complex128]), pick[complex128](product, 0, 1))
	case class.IsFloat():
		return scanOf(s, ndarray.F64, pick(product, addition[float64], multiplication[float64]), pick[float64](product, 0, 1))
	case class.IsUnsigned():
		return scanOf(s, ndarray.U64, pick(product, addition[uint64], multiplication[uint64]), pick[uint64](product, 0, 1))
	}
	return scanOf(s, ndarray.I64, pick(product, addition[int64], multiplication[int64]), pick[int64](product, 0, 1))
}

func pick[V any](second bool, a, b V) V {
	if second {
		return b
	}
	return a
}

// scanOf scans lines. Lines of more than a piece are cut into pieces: the
// totals of the pieces are scanned first, then each piece begins with what is
// before it.
func scanOf[A summed](s *scan, dt ndarray.DType, op func(a, b A) A, identity A) error {
	g := &s.g
	in := newReader[A](s.in, dt)
	line := func(o, lo, hi int, acc A, buf []A, write bool) A {
		for k := lo; k < hi; k += block {
			x := in.get(buf, o*g.k+k, min(block, hi-k))
			if !write {
				for _, v := range x {
					acc = op(acc, v)
				}
				continue
			}
			for i, v := range x {
				acc = op(acc, v)
				buf[i] = acc
			}
			ndarray.Store(s.out, buf[:len(x)], o*g.k+k)
		}
		return acc
	}
	switch {
	case g.outputs() == 0 || g.k == 0:
		return nil
	case !g.inner:
		return scanRows(s, in, op)
	case g.k <= pieceElements:
		return s.w.For(g.o, max(1, pieceElements/g.k), func(_ *pool.Worker, lo, hi int) {
			buf := make([]A, block)
			for o := lo; o < hi; o++ {
				line(o, 0, g.k, identity, buf, true)
			}
		})
	}
	segs := (g.k + pieceElements - 1) / pieceElements
	before := make([]A, g.o*segs)
	pass := func(write bool) error {
		return s.w.For(len(before), 1, func(_ *pool.Worker, lo, hi int) {
			buf := make([]A, block)
			for i := lo; i < hi; i++ {
				k, start := i%segs*pieceElements, identity
				if write {
					start = before[i]
				}
				total := line(i/segs, k, min(k+pieceElements, g.k), start, buf, write)
				if !write {
					before[i] = total
				}
			}
		})
	}
	if err := pass(false); err != nil {
		return err
	}
	for row := range slices.Chunk(before, segs) {
		acc := identity
		for i, total := range row {
			row[i], acc = acc, op(acc, total)
		}
	}
	return pass(true)
}

// scanRows scans down the columns of a tile, a batch of rows at a time.
func scanRows[A summed](s *scan, in reader[A], op func(a, b A) A) error {
	g := &s.g
	tiles := (g.w + tile - 1) / tile
	width := min(tile, g.w)
	batch := 1
	if tiles == 1 {
		batch = max(1, block/width)
	}
	return s.w.For(g.o*tiles, max(1, pieceElements/(g.k*width)), func(w *pool.Worker, lo, hi int) {
		buf, acc := make([]A, block), make([]A, width)
		for i := lo; i < hi; i++ {
			o, col := i/tiles, i%tiles*tile
			width := min(width, g.w-col)
			for k := 0; k < g.k && w.Err() == nil; k += batch {
				at, n := (o*g.k+k)*g.w+col, min(batch, g.k-k)
				x := in.get(buf, at, n*width)
				for r := range n {
					row := buf[r*width : (r+1)*width]
					for c, v := range x[r*width : (r+1)*width] {
						if k+r > 0 {
							v = op(acc[c], v)
						}
						acc[c], row[c] = v, v
					}
				}
				ndarray.Store(s.out, buf[:n*width], at)
			}
		}
	})
}
