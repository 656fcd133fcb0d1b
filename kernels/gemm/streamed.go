package gemm

import (
	"fmt"
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// Products of matrices outside memory.
//
// A tile of C stays in memory while panels of A and B of some depth along k pass
// through it. With t x t sums in memory a product moves 2mnk/t + mn values, and
// no order of the same products moves less but for a constant (Hong and Kung, "I/O
// complexity: the red-blue pebble game", STOC 1981; Irony, Toledo and Tiskin,
// "Communication lower bounds for distributed-memory matrix multiplication",
// JPDC 64, 2004): tiles are as square and as large as memory allows. At F
// operations and BW bytes a second, 4-byte values keep up with the cores from
// t = 4F/BW on.
//
// The next panels are on their way while the present ones are multiplied. A tile
// of C is not doubled for that: its first and its last panel are computed in
// strips, and a strip of the next tile begins as soon as the same strip of this
// one has been written.
//
// The bits are those in core: panels are whole blocks of k, so sums have their
// order; and which of the paths of run.go an item takes, as far as that shows in
// the bits, is found out from the layouts of the whole problem (see way).

// way is how an item is computed.
type way struct {
	transposed bool // Cᵀ = Bᵀ·Aᵀ is
	vector     vectorWay
	direct     bool // C's elements serve as the sums; else they are converted from them
}

// wayOf is the way that the items of a problem with layouts in place of arrays
// take in core. single: it had no batch to begin with; q is folded.
func (q *Problem) wayOf(single bool) way {
	var p product
	q.bind(&p)
	rows, cols := false, false
	if q.C.DType == q.scheme.sum {
		rows = rowsWritable(q.C.Layout, 0)
		cols = !rows && q.scheme.symmetric() && rowsWritable(q.C.Layout, 1)
	}
	if alone := single || q.C.Rank() > 2 && q.smallItems(); alone && rows && (p.c.rows == 1 || p.c.cols == 1) {
		if v, transposed := p.vectorWay(); v != noVector {
			return way{transposed, v, true}
		}
	}
	return way{transposed: cols, direct: rows || cols}
}

// rowsWritable is [matrix.writable] of the matrices of a layout (0), or of their
// transposes (1), for a file that is mapped at a multiple of an element's size.
func rowsWritable(l ndarray.Layout, transposed int) bool {
	last := l.Rank() - 1 - transposed
	size := l.DType.Real().Size()
	r := l.Rank()
	return !l.Swapped && (l.Strides[last] == l.DType.Size() || l.Shape[last] == 1) &&
		(l.Offset|l.Strides[r-2]|l.Strides[r-1])&(size-1) == 0
}

// cut is how a problem is cut.
type cut struct {
	q       *Problem // folded, with layouts in place of arrays
	way     way
	depth   int   // values along k; 0 if A and B are not read
	extents []int // of a tile of C: batch axes, rows, columns
	kp      int   // of a step along k
	// A panel has the values of one step, or all of k: it is brought once a tile
	// then, or stays for several, and lies in one run if it is whole rows of a file.
	wholeA, wholeB bool
	// It has all of k, and comes strip by strip into one place: see roll.
	rollA, rollB bool
	// rowsFirst: tiles go on along the columns first, so that a panel of A that
	// has all of k stays; else along the rows.
	rowsFirst bool
	// Only a block of A is packed at a time: a band would take more than a little of the memory.
	narrow bool
}

// bandShare is the part of memory that packing bands of A may take.
const bandShare = 16

// newCut cuts a problem for mem bytes of memory. The error is a
// *[stream.NoMemError].
func newCut(q *Problem, single bool, mem int64) (*cut, error) {
	c := &cut{q: q, way: q.wayOf(single)}
	m, n, k := q.shape()
	z := q.sizesFor(m, n, k, false)
	c.depth, c.narrow = k, int64(q.planThreads())*z.own() > mem/bandShare
	if q.Alpha == 0 {
		c.depth = 0
	}
	c.extents = slices.Repeat([]int{1}, q.C.Rank())
	var best cheapest
	if whole := c.wholeItems(mem); whole != nil {
		_ = best.offer(whole)
	}
	c.partItems(&best, mem)
	if best.cut != nil {
		return best.cut, nil
	}
	least := c.with(c.unit(0), c.unit(1), c.unitK())
	if need := least.need(); need > mem {
		return nil, &stream.NoMemError{Least: need, Have: mem}
	}
	return least, nil
}

// cheapest is the cut that costs least of those that were offered, the first of
// several.
type cheapest struct {
	cut  *cut
	cost float64
}

// offer tells what the cut costs.
func (b *cheapest) offer(c *cut) float64 {
	cost := c.cost()
	if b.cut == nil || cost < b.cost {
		b.cut, b.cost = c, cost
	}
	return cost
}

// with is the cut of an item into tiles of m x n and steps of kp.
func (c *cut) with(m, n, kp int) *cut {
	d := *c
	r := len(c.extents)
	d.extents = slices.Clone(c.extents)
	d.extents[r-2], d.extents[r-1] = min(m, c.rows()), min(n, c.cols())
	if d.kp = min(kp, c.depth); d.kp == c.depth {
		d.wholeA, d.wholeB = true, true
	}
	return &d
}

// holding is the cut with panels of A, or of B, that have all of k.
func (c *cut) holding(a, b bool) *cut {
	d := *c
	d.wholeA, d.wholeB = a, b
	return &d
}

// rows and cols are those of an item.
func (c *cut) rows() int { return c.q.C.Shape[c.q.C.Rank()-2] }
func (c *cut) cols() int { return c.q.C.Shape[c.q.C.Rank()-1] }

// tile is the extents of a full one.
func (c *cut) tile() (m, n int) { r := len(c.extents); return c.extents[r-2], c.extents[r-1] }

// unit is what a tile's rows (0) or columns (1) are multiples of.
func (c *cut) unit(axis int) int {
	if (axis == 0) != c.way.transposed {
		return c.q.kernel.MR
	}
	return c.q.kernel.NR
}

// unitK is what a panel's depth is a multiple of.
func (c *cut) unitK() int {
	if c.way.vector == dots {
		return dotDepth
	}
	return stepsKC * c.q.kernel.Type.Group() // a multiple of addRowsDepth, too
}

// wholeItems is the cheapest cut into whole items, as many as pay; nil if one
// is too large.
func (c *cut) wholeItems(mem int64) *cut {
	best := c.with(c.rows(), c.cols(), c.depth)
	if best.need() > mem {
		return nil
	}
	for axis := len(c.extents) - 3; axis >= 0; axis-- {
		n := c.q.C.Shape[axis]
		for more := best; more.extents[axis] < n; {
			d := *more
			d.extents = slices.Clone(more.extents)
			d.extents[axis] = min(2*d.extents[axis], n)
			if d.need() > mem || d.cost() >= best.cost() {
				return best
			}
			more, best = &d, &d
		}
	}
	return best
}

// partItems offers cuts of single items, as far as any fit. Where narrower tiles
// cost twice what wider ones did, it goes no further.
func (c *cut) partItems(best *cheapest, mem int64) {
	for kp := c.unitK(); ; kp *= 2 {
		ways := []*cut{c, c.rolling(true), c.rolling(false)}
		if kp < c.depth {
			ways = append(ways, c.holding(true, false), c.holding(false, true))
			ways = append(ways, c.rolling(true).holding(true, true), c.rolling(false).holding(true, true))
		}
		for _, w := range ways {
			least := math.Inf(1)
			for parts := 1; ; parts += max(1, parts/2) {
				n := even(c.cols(), parts, c.unit(1))
				cost := w.tallest(best, n, kp, mem)
				if least = min(least, cost); n <= c.unit(1) || !math.IsInf(least, 1) && cost > 2*least {
					break
				}
			}
		}
		if kp >= c.depth {
			return
		}
	}
}

// tallest offers the cut with as many rows as memory has room for, and some with
// fewer. It gives what the cheapest of them costs; infinity if there is no room.
func (c *cut) tallest(best *cheapest, n, kp int, mem int64) (least float64) {
	least = math.Inf(1)
	unit := c.unit(0)
	if c.with(unit, n, kp).need() > mem {
		return least
	}
	lo, hi := 0, (c.rows()+unit-1)/unit+1
	if c.with((hi-1)*unit, n, kp).need() <= mem { // a panel that stays needs one place
		lo = hi - 1
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; c.with(mid*unit, n, kp).need() <= mem {
			lo = mid
		} else {
			hi = mid
		}
	}
	for m := lo * unit; m >= unit; m /= 2 {
		d := c.with(even(c.rows(), (c.rows()+m-1)/m, unit), n, kp)
		if d.need() > mem { // rounding up to units
			d = c.with(roundDown(m, unit), n, kp)
		}
		if d.need() > mem || !d.rolls() {
			continue
		}
		least = min(least, best.offer(d))
		if other := *d; d.wholeA || d.wholeB {
			other.rowsFirst = true
			least = min(least, best.offer(&other))
		}
	}
	return least
}

// even is the extent of parts of n, rounded up to units.
func even(n, parts, unit int) int {
	return roundUp(max(1, (n+parts-1)/max(parts, 1)), unit)
}

func count(n, by int) int { return (n + max(by, 1) - 1) / max(by, 1) }

// panels is how many steps there are along k; at least the empty one.
func (c *cut) panels() int { return max(1, count(c.depth, c.kp)) }

// depthOf is the values along k of a panel that is whole, or not.
func (c *cut) depthOf(whole bool) int {
	if whole {
		return c.depth
	}
	return c.kp
}

// tiles is how many tiles C has along each axis.
func (c *cut) tiles() []int {
	n := make([]int, len(c.extents))
	for i, s := range c.q.C.Shape {
		n[i] = count(s, c.extents[i])
	}
	return n
}

// total is the number of tiles.
func (c *cut) total() int {
	n := 1
	for _, t := range c.tiles() {
		n *= t
	}
	return n
}

// part is the layout of a full tile, or panel, of one of the operands: its first
// extents are the tile's, the last ones m and n.
func (c *cut) part(l ndarray.Layout, m, n int) ndarray.Layout {
	shape := make([]int, len(c.extents))
	copy(shape, c.extents)
	shape[len(shape)-2], shape[len(shape)-1] = m, n
	l.Shape = shape
	return l
}

// layouts of full parts: panels of A and B, a tile of C and its like.
func (c *cut) panelA() ndarray.Layout {
	m, _ := c.tile()
	return c.part(c.q.A.Layout, m, c.depthOf(c.wholeA))
}

func (c *cut) panelB() ndarray.Layout {
	_, n := c.tile()
	return c.part(c.q.B.Layout, c.depthOf(c.wholeB), n)
}

func (c *cut) tileOf(l ndarray.Layout) ndarray.Layout {
	m, n := c.tile()
	return c.part(l, m, n)
}

// stripParts is into how many strips a tile is cut at the most.
const stripParts = 8

// stripRows is the least rows, or columns, of a strip that are worth packing
// the other side for. Tests have fewer.
var stripRows = 256

// stripAxis is the axis along which a tile is cut into strips: a batch axis, or
// the one along which C's rows lie apart in the file.
func (c *cut) stripAxis() int {
	r := len(c.extents)
	for i, n := range c.extents[:r-2] {
		if n > 1 {
			return i
		}
	}
	if s := c.q.C.Strides; max(s[r-2], -s[r-2]) < max(s[r-1], -s[r-1]) {
		return r - 1
	}
	return r - 2
}

// strip is the extent of a strip along its axis. Sums of dots stay until the last
// panel, so their tiles are not cut.
func (c *cut) strip() int {
	axis := c.stripAxis()
	n := c.extents[axis]
	if c.way.vector == dots && c.panels() > 1 {
		return max(n, 1)
	}
	least, unit := 1, 1
	if axis >= len(c.extents)-2 {
		unit = c.unit(axis - len(c.extents) + 2)
		least = stripRows
	}
	return max(1, min(n, even(n, min(n/least, stripParts), unit)))
}

// stripOf is a full strip of a layout of C's shape.
func (c *cut) stripOf(l ndarray.Layout) ndarray.Layout {
	l = c.tileOf(l)
	l.Shape[c.stripAxis()] = c.strip()
	return l
}

// sums is the layout of the sums of a tile that C cannot hold.
func (c *cut) sums() ndarray.Layout {
	return ndarray.NewLayout(c.q.scheme.sum, c.tileOf(c.q.C.Layout).Shape...)
}

// addends are bias and residual, if there are any.
func (c *cut) addends() (list []*ndarray.Array) {
	for _, a := range []*ndarray.Array{c.q.Bias, c.q.Residual} {
		if a != nil {
			list = append(list, a)
		}
	}
	return list
}

// need is the bytes of memory that a run takes.
func (c *cut) need() int64 {
	n := c.lenderBytes() + c.dotBytes()
	if c.depth > 0 {
		n += places(c.rollA || c.staysA())*int64(stream.SourceSize(c.panelA())) + places(c.rollB || c.staysB())*int64(stream.SourceSize(c.panelB()))
	}
	strip := int64(stream.SinkSize(c.stripOf(c.q.C.Layout)))
	if c.way.direct {
		n += int64(stream.SinkSize(c.tileOf(c.q.C.Layout)))
	} else {
		n += int64(c.sums().Bytes()) + 2*strip
		if c.q.Beta != 0 {
			n += 2 * strip
		}
	}
	for _, a := range c.addends() {
		n += 2 * int64(stream.SourceSize(c.stripOf(a.Layout)))
	}
	return n
}

// places is how many panels of an operand are in memory at once.
func places(one bool) int64 {
	if one {
		return 1
	}
	return 2
}

// dotBytes is the memory for the sums of all parts of k.
func (c *cut) dotBytes() int64 {
	if c.way.vector != dots || c.panels() == 1 {
		return 0
	}
	m, n := c.tile()
	return int64(m * n * dotParts(c.depth) * c.q.scheme.sum.Size())
}

// explain tells tiles and passes.
func (c *cut) explain() []kernels.Entry {
	a, b := c.reads()
	if c.depth == 0 {
		a, b = 0, 0
	}
	return []kernels.Entry{
		{Term: "tile", Text: ndarray.ShapeString(c.extents)},
		{Term: "panel", Text: fmt.Sprint(c.kp)},
		{Term: "panel_a", Text: fmt.Sprint(c.depthOf(c.wholeA))},
		{Term: "panel_b", Text: fmt.Sprint(c.depthOf(c.wholeB))},
		{Term: "tiles", Text: fmt.Sprint(c.total())},
		{Term: "panels", Text: fmt.Sprint(c.panels())},
		{Term: "reads_a", Text: fmt.Sprint(a)},
		{Term: "reads_b", Text: fmt.Sprint(b)},
	}
}
