package order

import (
	"fmt"
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// histogram is numpy.histogram: of a call of n values into bins bins.
type histogram struct {
	c              *kernels.Call
	n, bins, parts int
	low, high      float64 // of even bins
	ranged         bool    // low and high are given
	edges          int     // the operand with the edges, or -1
	weights        int     // the operand with the weights, or -1
	density        bool
}

// planHistogram checks the options; whether data and edges are in order shows
// only in the run, which fails with EDOM.
func planHistogram(c *kernels.Call) (*kernels.Plan, error) {
	in := &c.In[0]
	if in.Layout.DType.IsComplex() {
		return nil, in.Errorf("%s values do not fall into bins", in.Layout.DType)
	}
	h := &histogram{c: c, n: in.Layout.Len(), bins: c.Int("bins"), edges: c.Operand("edges"), weights: c.Operand("weights"), density: c.Bool("density")}
	if err := h.planBins(c); err != nil {
		return nil, err
	}
	if err := checkWeights(c, h.weights); err != nil {
		return nil, err
	}
	h.parts = partsOf(h.n, h.bins)
	d := ndarray.I64
	if h.weights >= 0 || h.density {
		d = ndarray.F64
	}
	cost := kernels.Cost{Scratch: h.scratch(), Work: histogramWork * float64(h.n)}
	for i := range c.In {
		cost.Bytes += float64(c.In[i].Layout.Bytes())
	}
	out := kernels.OutSpec{DType: d, Shape: []int{h.bins}}
	return &kernels.Plan{
		Out:     []kernels.OutSpec{out},
		Stream:  func(mem int64) (*kernels.Streamed, error) { return h.stream(out, mem) },
		Cost:    cost,
		Explain: []kernels.Entry{{Term: "parts", Text: fmt.Sprint(h.parts)}},
		Run:     h.run,
	}, nil
}

// scratch is the bytes of tables, edges, sums that counts turn into, and
// partial extents.
func (h *histogram) scratch() int64 {
	n := h.parts*scratch.Size[int64](h.bins) + scratch.Size[float64](h.bins+1)
	if h.density && h.weights < 0 {
		n += scratch.Size[float64](h.bins)
	}
	if h.edges < 0 && !h.ranged {
		n += scratch.Size[[2]float64](scratch.Pieces(h.n, minPart))
	}
	return int64(n)
}

// planBins reads bins=, low=, high=, edges=. Bounds are finite; equal ones are
// half a unit to either side, as numpy has it.
func (h *histogram) planBins(c *kernels.Call) error {
	if h.edges >= 0 {
		e := &c.In[h.edges]
		for _, name := range []string{"bins", "low", "high"} {
			if c.Has(name) {
				return c.Opt(name).Errorf("edges= gives the bins already")
			}
		}
		if e.Layout.Rank() != 1 || e.Layout.Len() < 2 || e.Layout.DType.IsComplex() {
			return e.Errorf("edges are a real vector of two elements or more, not %s", e.Layout)
		}
		h.bins = e.Layout.Len() - 1
		return nil
	}
	if h.bins < 1 {
		return c.Opt("bins").Errorf("%d bins hold nothing", h.bins)
	}
	if c.Has("low") != c.Has("high") {
		return c.Errorf("low= and high= come together")
	}
	h.ranged, h.low, h.high = c.Has("low"), c.Float("low"), c.Float("high")
	if h.ranged && !(h.low <= h.high && !math.IsInf(h.high-h.low, 0)) {
		return c.Opt("high").Errorf("low to high, %g to %g, is not a finite interval", h.low, h.high)
	}
	return nil
}

// checkWeights compares the weights' shape with that of the first input.
func checkWeights(c *kernels.Call, weights int) error {
	if weights < 0 {
		return nil
	}
	w := &c.In[weights]
	if !slices.Equal(w.Layout.Shape, c.In[0].Layout.Shape) {
		return w.Errorf("weights of shape %s for %s values", ndarray.ShapeString(w.Layout.Shape), ndarray.ShapeString(c.In[0].Layout.Shape))
	}
	if w.Layout.DType.IsComplex() {
		return w.Errorf("weights are real numbers, not %s", w.Layout.DType)
	}
	return nil
}

// run settles the edges, tallies counts or sums of weights, and writes them.
func (h *histogram) run(x *kernels.Exec) error {
	return h.compute(x, sweepCall(x, h.parts, h.weights), func() (low, high float64, err error) { return h.extent(x) })
}

// compute is run with sweeps over the operands, wherever they are; x has the
// edges and the output.
func (h *histogram) compute(x *kernels.Exec, all sweep, extent func() (low, high float64, err error)) error {
	b, err := h.binning(x, extent)
	if err != nil {
		return err
	}
	if h.weights < 0 {
		counts := newSums[int64](x.Mem, h.bins, h.parts)
		err := all(func(part int, values, _ ndarray.Array, lo, hi int) error {
			var buf [countBlock]float64
			ndarray.Load(buf[:hi-lo], values, lo)
			b.count(counts.tables[part], buf[:hi-lo])
			return nil
		})
		if err != nil {
			return err
		}
		return h.write(x, b, counts.total(), nil)
	}
	sums := newSums[float64](x.Mem, h.bins, h.parts)
	err = all(func(part int, values, weights ndarray.Array, lo, hi int) error {
		var buf, weight [countBlock]float64
		ndarray.Load(buf[:hi-lo], values, lo)
		ndarray.Load(weight[:hi-lo], weights, lo)
		for j, v := range buf[:hi-lo] {
			if i := b.find(v); i >= 0 {
				sums.tables[part][i] += weight[j]
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return h.write(x, b, nil, sums.total())
}

// write stores counts or sums, over their total and the bins' widths if a
// density is asked for.
func (h *histogram) write(x *kernels.Exec, b *binning, counts []int64, sums []float64) error {
	out := x.Out[0]
	if !h.density {
		if sums != nil {
			ndarray.Store(out, sums, 0)
		} else {
			ndarray.Store(out, counts, 0)
		}
		return nil
	}
	if sums == nil {
		sums = scratchSlice[float64](x.Mem, len(counts))
		for i, n := range counts {
			sums[i] = float64(n)
		}
	}
	var total float64
	for _, s := range sums {
		total += s
	}
	for i := range sums {
		sums[i] = sums[i] / (b.edges[i+1] - b.edges[i]) / total
	}
	ndarray.Store(out, sums, 0)
	return nil
}

// binning finds the bin of a value: edges[i] <= v < edges[i+1], the last bin
// with its upper edge. Even bins guess the number by arithmetic and put it
// right by the edges; others search.
type binning struct {
	edges []float64
	even  bool
	scale float64 // bins per unit

	// All values that fall into bins are within reach of middle, and few others.
	middle, reach float64
}

// binning makes the edges: the operand's, or even ones in numpy.linspace's
// order of operations between low and high, which take a sweep of their own to
// find unless they are given.
func (h *histogram) binning(x *kernels.Exec, extent func() (low, high float64, err error)) (*binning, error) {
	b := &binning{edges: scratchSlice[float64](x.Mem, h.bins+1)}
	if err := h.setEdges(b, x, extent); err != nil {
		return nil, err
	}
	b.bounded()
	return b, nil
}

// setEdges fills in the edges. EDOM if those given descend or are NaN, or if
// the values have no finite extent.
func (h *histogram) setEdges(b *binning, x *kernels.Exec, extent func() (low, high float64, err error)) error {
	if h.edges >= 0 {
		ndarray.Load(b.edges, x.In[h.edges], 0)
		for i, e := range b.edges[1:] {
			if !(b.edges[i] <= e) {
				return outOfRange(h.c, &h.c.In[h.edges], fmt.Sprintf("edge %d is %g, after %g: edges must not descend", i+1, e, b.edges[i]))
			}
		}
		return nil
	}
	low, high := h.low, h.high
	if !h.ranged {
		var err error
		if low, high, err = extent(); err != nil {
			return err
		}
	}
	if low == high {
		low, high = low-0.5, high+0.5
	}
	b.even, b.scale = true, float64(h.bins)/(high-low)
	step := (high - low) / float64(h.bins)
	for i := range b.edges {
		b.edges[i] = low + float64(float64(i)*step)
	}
	b.edges[h.bins] = high
	h.roundEdges(b.edges)
	return nil
}

// roundEdges rounds even edges to the values' type if that is a float, as
// numpy does.
func (h *histogram) roundEdges(edges []float64) {
	d := h.c.In[0].Layout.DType
	if !d.IsFloat() || d == ndarray.F64 {
		return
	}
	rounded := ndarray.New(d, min(len(edges), countBlock))
	for part := range slices.Chunk(edges, countBlock) {
		ndarray.Store(rounded, part, 0)
		ndarray.Load(part, rounded, 0)
	}
}

// extent is the least and the greatest value; 0 and 1 of no values.
func (h *histogram) extent(x *kernels.Exec) (low, high float64, err error) {
	bounds := h.bounds(x.Mem)
	e := emptyExtent
	if err := extend(x.W, &e, x.In[0], bounds); err != nil {
		return 0, 0, err
	}
	return h.finite(e)
}

// bounds is memory for the extents of pieces.
func (h *histogram) bounds(mem kernels.Memory) [][2]float64 {
	pieces := scratch.Pieces(h.n, minPart)
	buf := mem.Alloc(scratch.Size[[2]float64](pieces))
	return scratch.Carve[[2]float64](&buf, pieces)
}

// emptyExtent is the extent of nothing.
var emptyExtent = [2]float64{math.Inf(1), math.Inf(-1)}

// extend makes e the extent of what it was of and of an array. NaN wins: Go's
// min and max keep it. bounds has an element for each piece of the array.
func extend(w *pool.Worker, e *[2]float64, a ndarray.Array, bounds [][2]float64) error {
	n := a.Len()
	err := w.For(n, minPart, func(_ *pool.Worker, lo, hi int) {
		for ; lo < hi; lo += minPart {
			bounds[lo/minPart] = extentOf(a, lo, min(lo+minPart, hi))
		}
	})
	if err != nil {
		return err
	}
	for _, b := range bounds[:scratch.Pieces(n, minPart)] {
		e[0], e[1] = min(e[0], b[0]), max(e[1], b[1])
	}
	return nil
}

// finite gives the bounds of an extent, if values between can be binned; 0 and 1
// of no values.
func (h *histogram) finite(e [2]float64) (low, high float64, err error) {
	if h.n == 0 {
		return 0, 1, nil
	}
	low, high = e[0], e[1]
	if math.IsNaN(low) || math.IsInf(low, 0) || math.IsInf(high, 0) || math.IsInf(high-low, 0) {
		return 0, 0, outOfRange(h.c, &h.c.In[0], fmt.Sprintf("the values range from %g to %g; give low= and high=", low, high))
	}
	return low, high, nil
}

// extentOf is the least and the greatest of elements [lo, hi); NaN if there is
// one, since min and max keep it.
func extentOf(a ndarray.Array, lo, hi int) [2]float64 {
	var buf [countBlock]float64
	e := emptyExtent
	for ; lo < hi; lo += len(buf) {
		part := buf[:min(len(buf), hi-lo)]
		ndarray.Load(part, a, lo)
		for _, v := range part {
			e[0], e[1] = min(e[0], v), max(e[1], v)
		}
	}
	return e
}

// bounded sets middle and reach, for which the edges have to be known. Rounding
// of the middle, and of distances from it, lengthens the reach.
func (b *binning) bounded() {
	low, high := b.edges[0], b.edges[len(b.edges)-1]
	half := high/2 - low/2
	b.middle = low + half
	b.reach = half*(1+0x1p-40) + math.Abs(b.middle)*0x1p-50 + 4*math.SmallestNonzeroFloat64
	if math.IsNaN(b.reach) || math.IsInf(b.reach, 0) {
		b.middle, b.reach = 0, math.Inf(1)
	}
}

// count counts values in a table. The first test turns away those far outside on
// either side, which two would have to guess.
func (b *binning) count(table []int64, values []float64) {
	for _, v := range values {
		if !(math.Abs(v-b.middle) <= b.reach) {
			continue
		}
		if i := b.find(v); i >= 0 {
			table[i]++
		}
	}
}

// find is the number of v's bin, -1 if there is none; NaN is in none. Of even
// bins the guess is off by one at the most, by the rounding of the edges.
func (b *binning) find(v float64) int {
	last := len(b.edges) - 1
	if !(v >= b.edges[0] && v <= b.edges[last]) {
		return -1
	}
	if !b.even {
		i, _ := slices.BinarySearchFunc(b.edges, v, func(e, v float64) int {
			if e <= v {
				return -1
			}
			return 1
		})
		return min(i, last) - 1
	}
	i := min(max(int((v-b.edges[0])*b.scale), 0), last-1)
	for v < b.edges[i] {
		i--
	}
	for i < last-1 && v >= b.edges[i+1] {
		i++
	}
	return i
}
