package reduce

import (
	"math"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/simd"
)

// softmaxKernel is softmax or log_softmax.
func softmaxKernel(name string) *kernels.Kernel {
	k := &kernels.Kernel{
		Name: name, Family: "reduce", Summary: "exponentials along an axis, divided by their sum",
		Synopsis:  name + " X OUT [axis=-1]",
		MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
		Options: []kernels.OptionSpec{
			{Name: "axis", Kind: kernels.KindInts, Default: "-1", Help: "the axis to run along, counted from the end if negative"},
		},
		Manual: softmaxPage,
	}
	logarithm := name == "log_softmax"
	if logarithm {
		k.Summary, k.Manual = "logarithm of softmax along an axis", logSoftmaxPage
	}
	v := &verb{name: name, result: func(in ndarray.DType) ndarray.DType {
		if in.IsComplex() {
			return ndarray.Invalid
		}
		return meanType(in)
	}}
	k.Plan = func(c *kernels.Call) (*kernels.Plan, error) { return planSoftmax(v, c, logarithm) }
	return k
}

// planSoftmax is scipy.special.softmax along one axis: three sweeps over each
// line, for its greatest element, which is taken off so that nothing overflows,
// for the sum of exponentials, and for the quotients.
func planSoftmax(v *verb, c *kernels.Call, logarithm bool) (*kernels.Plan, error) {
	in := &c.In[0]
	rank := in.Layout.Rank()
	axes := c.Ints("axis")
	if rank == 0 {
		return nil, in.Errorf("%s: a scalar has no axis", v.name)
	}
	if len(axes) != 1 {
		return nil, c.Opt("axis").Errorf("takes one axis")
	}
	axis, err := c.Opt("axis").Axis(axes[0], rank)
	if err != nil {
		return nil, err
	}
	class, result, err := v.types(c)
	if err != nil {
		return nil, err
	}
	n := float64(in.Layout.Len())
	p := &kernels.Plan{Out: []kernels.OutSpec{{DType: result, Shape: in.Layout.Shape}}}
	g := newGeometry(in.Layout.Shape, []int{axis}, true)
	lane, workers := softmaxLane(&g, class), scratch.Workers(c, softmaxPieces(&g))
	p.Cost = kernels.Cost{Flops: 5 * n, Bytes: 3*float64(in.Layout.Bytes()) + n*float64(result.Size()), Scratch: int64(workers * lane), Work: softmaxWork(&g) * n}
	p.Stream = func(mem int64) (*kernels.Streamed, error) { return planSoftmaxStream(c, p, &g, class, logarithm, mem) }
	p.Run = func(x *kernels.Exec) error {
		s := &softmax{scan: scan{w: x.W, g: g, lanes: scratch.NewLanes(x.Mem, lane, workers)}, logarithm: logarithm, step: softmaxStep(&g)}
		s.in, s.out = x.In[0].Permute(g.axes...), x.Out[0].Permute(g.axes...)
		return s.run(class)
	}
	return p, nil
}

// softmaxWork is what an element costs a core, in seconds, for what `explain` expects: `vgpu bench "softmax x:f32:6144x4096 y axis=1"`, and axis=0
// (Zen 3, AVX2).
func softmaxWork(g *geometry) float64 {
	if g.inner {
		return 3.4e-9
	}
	return 9.6e-9
}

// softmax is one of an array, or of a chunk of its lines.
type softmax struct {
	scan
	logarithm bool
	step      int // how much of a line is worked on at once
	part      part
	// Of a chunk: memory for the greatest element and the sum of each line.
	greatest, sums []byte
}

// part is which of the three sweeps over lines is done.
type part uint8

const (
	allParts part = iota
	partGreatest
	partSum
	partOut
)

// run computes in f64 if the class is, else in f32 with sums in f64.
func (s *softmax) run(class ndarray.DType) error {
	if class == ndarray.F64 {
		return softmaxOf(s, expsF64)
	}
	return softmaxOf(s, expsF32)
}

// exps is the loops that softmax spends its time in, for a float type.
type exps[T float] struct {
	dt        ndarray.DType
	exp       func(dst, x []T)
	sub       func(dst, a, b []T)
	subScalar func(dst, a []T, s T)
	sum       func(x []T) float64             // of a block
	accrue    func(acc, sum []float64, x []T) // acc[i] = sum[i] + x[i]
	div       func(dst, x []T, sum []float64) // rounded once, from float64
	divScalar func(dst, x []T, sum float64)   // likewise
}

var (
	expsF32 = exps[float32]{ndarray.F32, simd.ExpF32, simd.SubF32, simd.SubScalarF32,
		simd.SumF32, simd.AddF64F32, simd.DivF32F64, simd.DivScalarF32F64}
	expsF64 = exps[float64]{ndarray.F64, simd.ExpF64, simd.SubF64, simd.SubScalarF64,
		simd.SumF64, simd.AddF64, simd.DivF64, simd.DivScalarF64}
)

// keptLine is the longest line whose exponentials are kept between the second
// and the third pass; those of longer ones are computed twice.
const keptLine = 16384

// softmaxSize is the size of the type that a class is computed in: f64 or f32.
func softmaxSize(class ndarray.DType) int {
	if class == ndarray.F64 {
		return 8
	}
	return 4
}

// softmaxLane is the bytes of a worker's lane.
func softmaxLane(g *geometry, class ndarray.DType) int {
	size, width := softmaxSize(class), min(tile, g.w)
	if g.inner {
		return scratch.Round(softmaxStep(g) * size)
	}
	return 2*scratch.Round(width*size) + scratch.Size[float64](width)
}

// softmaxStep is how many elements of a line are worked on at once.
func softmaxStep(g *geometry) int {
	if g.k <= keptLine {
		return g.k
	}
	return block
}

// softmaxPieces is into how many pieces the work is cut, by softmaxGrain.
func softmaxPieces(g *geometry) int {
	switch {
	case g.outputs() == 0 || g.k == 0:
		return 0
	case g.inner:
		return scratch.Pieces(g.o, softmaxGrain(g))
	}
	return scratch.Pieces(g.o*ceil(g.w, tile), softmaxGrain(g))
}

func softmaxGrain(g *geometry) int {
	if g.inner {
		return max(1, block/g.k)
	}
	return max(1, block/(g.k*min(tile, g.w)))
}

func softmaxOf[T float](s *softmax, e exps[T]) error {
	g := &s.g
	if g.outputs() == 0 || g.k == 0 {
		return nil
	}
	r := &softmaxRun[T]{softmax: s, exps: e, in: newReader[T](s.in, e.dt)}
	if s.part != allParts {
		greatest, sums := s.greatest, s.sums
		r.m, r.sums = scratch.Carve[T](&greatest, g.outputs()), scratch.Carve[float64](&sums, g.outputs())
		if s.part == partGreatest && !s.begun {
			clear(r.sums)
			for i := range r.m {
				r.m[i] = T(math.Inf(-1))
			}
		}
	}
	if !g.inner {
		return r.rows()
	}
	return s.w.For(g.o, softmaxGrain(g), func(w *pool.Worker, lo, hi int) {
		lane := s.lanes.Get()
		defer s.lanes.Put(lane)
		rest := lane
		l := &softmaxLine[T]{softmaxRun: r, w: w, buf: scratch.Carve[T](&rest, s.step)}
		for o := lo; o < hi; o++ {
			l.run(o)
		}
	})
}

// softmaxRun is a softmax in its type.
type softmaxRun[T float] struct {
	*softmax
	exps[T]
	in   reader[T]
	m    []T // of a chunk: the greatest elements so far
	sums []float64
}

// softmaxLine works on one line at a time, in steps.
type softmaxLine[T float] struct {
	*softmaxRun[T]
	w   *pool.Worker
	buf []T
}

// each calls f for the steps of line o.
func (l *softmaxLine[T]) each(o int, f func(x []T, at int)) {
	for k := 0; k < l.g.k && l.w.Err() == nil; k += l.step {
		at := o*l.g.k + k
		f(l.in.get(l.buf, at, min(l.step, l.g.k-k)), at)
	}
}

// run is exp(x - m) / Σ exp(x - m), m the greatest element, which keeps the
// exponentials from overflowing.
func (l *softmaxLine[T]) run(o int) {
	switch l.part {
	case partGreatest:
		l.m[o] = l.greatestOf(o, l.m[o])
	case partSum:
		l.sums[o] = l.sumOf(o, l.m[o], l.sums[o])
	case partOut:
		l.write(o, l.m[o], l.sums[o])
	default:
		m := l.greatestOf(o, T(math.Inf(-1)))
		sum := l.sumOf(o, m, 0)
		if l.g.k <= l.step && !l.logarithm { // the exponentials are still in buf
			l.scale(o*l.g.k, l.g.k, sum)
			return
		}
		l.write(o, m, sum)
	}
}

// greatestOf is the greatest of m and line o.
func (l *softmaxLine[T]) greatestOf(o int, m T) T {
	greatest := maxLeafOf[T]()
	l.each(o, func(x []T, _ int) { m = larger(m, greatest(x)) })
	return m
}

// sumOf adds up the exponentials of line o.
func (l *softmaxLine[T]) sumOf(o int, m T, sum float64) float64 {
	l.each(o, func(x []T, _ int) { sum += l.shiftedExps(x, m) })
	return sum
}

// write stores the results of line o.
func (l *softmaxLine[T]) write(o int, m T, sum float64) {
	if !l.logarithm {
		l.each(o, func(x []T, at int) {
			l.shiftedExps(x, m)
			l.scale(at, len(x), sum)
		})
		return
	}
	lse := T(math.Log(sum))
	l.each(o, func(x []T, at int) {
		dst := l.buf[:len(x)]
		l.subScalar(dst, x, m)
		l.subScalar(dst, dst, lse)
		ndarray.Store(l.out, dst, at)
	})
}

// scale divides n exponentials in buf by the sum and stores them.
func (l *softmaxLine[T]) scale(at, n int, sum float64) {
	dst := l.buf[:n]
	l.divScalar(dst, dst, sum)
	ndarray.Store(l.out, dst, at)
}

// shiftedExps leaves exp(x - m) in buf and gives the sum.
func (l *softmaxLine[T]) shiftedExps(x []T, m T) float64 {
	dst := l.buf[:len(x)]
	l.subScalar(dst, x, m)
	l.exp(dst, dst)
	sum := 0.0
	for i := 0; i < len(dst); i += block {
		sum += l.sum(dst[i:min(i+block, len(dst))])
	}
	return sum
}

// rows works down the columns of a tile, row by row, in three passes.
func (r *softmaxRun[T]) rows() error {
	g := &r.g
	tiles, width := ceil(g.w, tile), min(tile, g.w)
	return r.w.For(g.o*tiles, softmaxGrain(g), func(w *pool.Worker, lo, hi int) {
		lane := r.lanes.Get()
		defer r.lanes.Put(lane)
		rest := lane
		t := &softmaxTile[T]{softmaxRun: r, w: w, buf: scratch.Carve[T](&rest, width)}
		m, sums := scratch.Carve[T](&rest, width), scratch.Carve[float64](&rest, width)
		for i := lo; i < hi; i++ {
			t.o, t.col = i/tiles, i%tiles*tile
			n := min(tile, g.w-t.col)
			t.m, t.sums = m[:n], sums[:n]
			if at := t.o*g.w + t.col; r.part != allParts {
				t.m, t.sums = r.m[at:at+n], r.sums[at:at+n]
			}
			t.run()
		}
	})
}

type softmaxTile[T float] struct {
	*softmaxRun[T]
	w      *pool.Worker
	o, col int
	buf, m []T
	sums   []float64
}

func (t *softmaxTile[T]) each(f func(x []T, at int)) {
	for k := 0; k < t.g.k && t.w.Err() == nil; k++ {
		at := (t.o*t.g.k+k)*t.g.w + t.col
		f(t.in.get(t.buf, at, len(t.m)), at)
	}
}

func (t *softmaxTile[T]) run() {
	switch t.part {
	case partGreatest:
		t.greatestRows()
	case partSum:
		t.sumRows()
	case partOut:
		t.writeRows()
	default:
		for i := range t.m {
			t.m[i], t.sums[i] = T(math.Inf(-1)), 0
		}
		t.greatestRows()
		t.sumRows()
		t.writeRows()
	}
}

func (t *softmaxTile[T]) greatestRows() {
	fold := maxFoldOf[T]()
	t.each(func(x []T, _ int) { fold(t.m, x) })
}

// shiftedExps leaves exp(x - m) in buf.
func (t *softmaxTile[T]) shiftedExps(x []T) []T {
	dst := t.buf[:len(x)]
	t.sub(dst, x, t.m)
	t.exp(dst, dst)
	return dst
}

func (t *softmaxTile[T]) sumRows() {
	t.each(func(x []T, _ int) { t.accrue(t.sums, t.sums, t.shiftedExps(x)) })
}

// writeRows stores the results; at the beginning of lines it takes the logarithms
// of the sums.
func (t *softmaxTile[T]) writeRows() {
	if t.logarithm && !t.begun {
		for i, v := range t.sums {
			t.sums[i] = math.Log(v)
		}
	}
	t.each(func(x []T, at int) {
		if !t.logarithm {
			dst := t.shiftedExps(x)
			t.div(dst, dst, t.sums)
			ndarray.Store(t.out, dst, at)
			return
		}
		dst := t.buf[:len(x)]
		for i, v := range x {
			dst[i] = v - t.m[i] - T(t.sums[i])
		}
		ndarray.Store(t.out, dst, at)
	})
}
