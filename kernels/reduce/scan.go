package reduce

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
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

// scanWork is what an element costs a core, in seconds, for what `explain` expects: `vgpu bench "cumsum x:f32:4096x4096 y axis=1"`, and
// where lines are cut into pieces, which takes their totals first, or lie across the array, without axis= and with axis=0 (Zen 3, AVX2).
func scanWork(g *geometry) float64 {
	if g.inner && g.k <= pieceElements {
		return 3.4e-9
	}
	return 5.3e-9
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
	return c.Opt("axis").Axis(axes[0], rank)
}

// lineGeometry is the geometry of lines along an axis of an array that keeps
// its shape.
func lineGeometry(shape []int, axis int) geometry {
	return newGeometry(shape, []int{axis}, true)
}

// planScan is numpy.cumsum, or cumprod. Without axis= the array is run through
// in C order, and the result has one axis. Sums are computed in 64 bits
// (scanType) and rounded as they are stored.
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
	g := newGeometry(shape, nil, false)
	if axis >= 0 {
		g = lineGeometry(shape, axis)
	}
	size := scanType(class).Size()
	lane, before := scanMemory(&g, size)
	workers := scratch.Workers(c, scanPieces(&g))
	p.Cost = kernels.Cost{Flops: n, Bytes: float64(in.Layout.Bytes()) + n*float64(result.Size()), Scratch: int64(workers*lane + before), Work: scanWork(&g) * n}
	p.Stream = func(mem int64) (*kernels.Streamed, error) {
		return planScanStream(c, p, &g, class, axis < 0, product, mem)
	}
	p.Run = func(x *kernels.Exec) error {
		s := &scan{w: x.W, g: g, in: x.In[0], out: x.Out[0], lanes: scratch.NewLanes(x.Mem, lane, workers)}
		if axis >= 0 {
			s.in, s.out = s.in.Permute(g.axes...), s.out.Permute(g.axes...)
		}
		if before > 0 {
			s.before = x.Mem.Alloc(before)
		}
		return runScan(s, class, product)
	}
	return p, nil
}

// scan is one under way. Lines that are long are cut into pieces: each piece's
// total is taken first, then every piece starts from the totals before it, so
// that the order of additions depends on the length alone.
type scan struct {
	w       *pool.Worker
	g       geometry
	in, out ndarray.Array
	lanes   *scratch.Lanes
	before  []byte // for a value a piece, if lines are cut into pieces

	// Of a streamed scan, which does lines in chunks: what is before the chunk in
	// each line, if begun tells that there is anything.
	carry []byte
	begun bool
}

// scanType is the type that sums of a class are computed in.
func scanType(class ndarray.DType) ndarray.DType {
	switch {
	case class.IsComplex():
		return ndarray.C128
	case class.IsFloat():
		return ndarray.F64
	case class.IsUnsigned():
		return ndarray.U64
	}
	return ndarray.I64
}

// scanMemory is the bytes of a worker's lane, and those of what is before each
// piece of a line, for values of size bytes.
func scanMemory(g *geometry, size int) (lane, before int) {
	switch {
	case !g.inner:
		return scratch.Round(min(block, g.k*g.w)*size) + scratch.Round(min(tile, g.w)*size), 0
	case g.k > pieceElements:
		before = scratch.Round(g.o * ceil(g.k, pieceElements) * size)
	}
	return scratch.Round(min(block, g.k) * size), before
}

// scanPieces is into how many pieces scanOf cuts its work.
func scanPieces(g *geometry) int {
	switch {
	case g.outputs() == 0 || g.k == 0:
		return 0
	case !g.inner:
		return scratch.Pieces(g.o*ceil(g.w, tile), scanGrain(g))
	case g.k > pieceElements:
		return g.o * ceil(g.k, pieceElements)
	}
	return scratch.Pieces(g.o, scanGrain(g))
}

// scanGrain is how many lines, or tiles of lines, make a piece of work.
func scanGrain(g *geometry) int {
	if g.inner {
		return max(1, pieceElements/g.k)
	}
	return max(1, pieceElements/(g.k*min(tile, g.w)))
}

func runScan(s *scan, class ndarray.DType, product bool) error {
	switch dt := scanType(class); dt {
	case ndarray.C128:
		return scanOf(s, dt, pick(product, sums[complex128](), products[complex128]()))
	case ndarray.F64:
		return scanOf(s, dt, pick(product, sums[float64](), products[float64]()))
	case ndarray.U64:
		return scanOf(s, dt, pick(product, sums[uint64](), products[uint64]()))
	default:
		return scanOf(s, dt, pick(product, sums[int64](), products[int64]()))
	}
}

func pick[V any](second bool, a, b V) V {
	if second {
		return b
	}
	return a
}

// running is the operation of a scan and its loops.
type running[A summed] struct {
	identity A
	op       func(a, b A) A
	each     func(dst, x []A, acc A) A // dst[i] = acc = acc op x[i]
	total    func(x []A, acc A) A
	row      func(acc, x []A) // acc[i] = acc[i] op x[i]
}

func sums[A summed]() running[A] {
	return running[A]{0, addition[A], sumEach[A], sumTotal[A], sumFold[A]}
}

func products[A summed]() running[A] {
	return running[A]{1, multiplication[A], prodEach[A], prodTotal[A], prodFold[A]}
}

func sumEach[A summed](dst, x []A, acc A) A {
	dst = dst[:len(x)]
	for i, v := range x {
		acc += v
		dst[i] = acc
	}
	return acc
}

func prodEach[A summed](dst, x []A, acc A) A {
	dst = dst[:len(x)]
	for i, v := range x {
		acc *= v
		dst[i] = acc
	}
	return acc
}

func sumTotal[A summed](x []A, acc A) A {
	for _, v := range x {
		acc += v
	}
	return acc
}

func prodTotal[A summed](x []A, acc A) A {
	for _, v := range x {
		acc *= v
	}
	return acc
}

// lineScan is a scan with values of type A.
type lineScan[A summed] struct {
	*scan
	running[A]
	in    reader[A]
	carry []A // what is before the first element of each line; nil in core
}

// scanOf scans lines. Lines of more than a piece are cut into pieces: the
// totals of the pieces are scanned first, then each piece begins with what is
// before it.
func scanOf[A summed](s *scan, dt ndarray.DType, r running[A]) error {
	l := &lineScan[A]{scan: s, running: r, in: newReader[A](s.in, dt)}
	if s.carry != nil {
		carry := s.carry
		l.carry = scratch.Carve[A](&carry, s.g.outputs())
		for i := range l.carry {
			if !s.begun {
				l.carry[i] = r.identity
			}
		}
	}
	switch g := &s.g; {
	case g.outputs() == 0 || g.k == 0:
		return nil
	case !g.inner:
		return l.rows()
	case len(s.before) > 0:
		before := s.before
		return l.pieces(scratch.Carve[A](&before, g.o*ceil(g.k, pieceElements)))
	}
	return s.w.For(s.g.o, scanGrain(&s.g), func(_ *pool.Worker, lo, hi int) {
		lane := s.lanes.Get()
		defer s.lanes.Put(lane)
		for o := lo; o < hi; o++ {
			l.write(lane, o, 0, s.g.k, r.identity)
		}
	})
}

// buf is the buffer in a lane.
func (l *lineScan[A]) buf(lane []byte) []A { return scratch.Carve[A](&lane, min(block, l.g.k)) }

// whole is all of elements [lo, hi) of line o.
func (l *lineScan[A]) whole(lane []byte, o, lo, hi int) A {
	buf, acc := l.buf(lane), l.identity
	for k := lo; k < hi; k += block {
		acc = l.total(l.in.get(buf, o*l.g.k+k, min(block, hi-k)), acc)
	}
	return acc
}

// write scans elements [lo, hi) of line o behind acc.
func (l *lineScan[A]) write(lane []byte, o, lo, hi int, acc A) {
	buf := l.buf(lane)
	for k := lo; k < hi; k += block {
		at := o*l.g.k + k
		x := l.in.get(buf, at, min(block, hi-k))
		acc = l.each(buf, x, acc)
		ndarray.Store(l.out, buf[:len(x)], at)
	}
}

// pieces scans lines piece by piece. before has a value for each piece.
func (l *lineScan[A]) pieces(before []A) error {
	segs := ceil(l.g.k, pieceElements)
	each := func(body func(lane []byte, i, o, lo, hi int)) error {
		return l.w.For(len(before), 1, func(_ *pool.Worker, lo, hi int) {
			lane := l.lanes.Get()
			defer l.lanes.Put(lane)
			for i := lo; i < hi; i++ {
				k := i % segs * pieceElements
				body(lane, i, i/segs, k, min(k+pieceElements, l.g.k))
			}
		})
	}
	err := each(func(lane []byte, i, o, lo, hi int) { before[i] = l.whole(lane, o, lo, hi) })
	if err != nil {
		return err
	}
	for o := range l.g.o {
		acc := l.identity
		if l.carry != nil {
			acc = l.carry[o]
		}
		row := before[o*segs:][:segs]
		for i, total := range row {
			row[i], acc = acc, l.op(acc, total)
		}
		if l.carry != nil {
			l.carry[o] = acc
		}
	}
	return each(func(lane []byte, i, o, lo, hi int) { l.write(lane, o, lo, hi, before[i]) })
}

// rows scans down the columns of a tile, a batch of rows at a time.
func (l *lineScan[A]) rows() error {
	g := &l.g
	tiles, width := ceil(g.w, tile), min(tile, g.w)
	batch := 1
	if tiles == 1 {
		batch = max(1, block/width)
	}
	return l.w.For(g.o*tiles, scanGrain(g), func(w *pool.Worker, lo, hi int) {
		lane := l.lanes.Get()
		defer l.lanes.Put(lane)
		rest := lane
		buf, sums := scratch.Carve[A](&rest, min(block, g.k*g.w)), scratch.Carve[A](&rest, width)
		for i := lo; i < hi; i++ {
			o, col := i/tiles, i%tiles*tile
			acc := sums[:min(width, g.w-col)]
			if l.carry != nil {
				acc = l.carry[o*g.w+col:][:len(acc)]
			}
			for k := 0; k < g.k && w.Err() == nil; k += batch {
				l.rowBatch(buf, acc, o, k, min(batch, g.k-k), col)
			}
		}
	})
}

// rowBatch scans n rows of a tile behind acc.
func (l *lineScan[A]) rowBatch(buf, acc []A, o, k, n, col int) {
	at, width := (o*l.g.k+k)*l.g.w+col, len(acc)
	x := l.in.get(buf, at, n*width)
	for r := range n {
		row := buf[r*width : (r+1)*width]
		if k+r > 0 || l.begun {
			l.row(acc, x[r*width:(r+1)*width])
		} else {
			copy(acc, x[r*width:(r+1)*width])
		}
		copy(row, acc)
	}
	ndarray.Store(l.out, buf[:n*width], at)
}
