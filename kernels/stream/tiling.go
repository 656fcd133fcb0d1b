package stream

import (
	"fmt"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// Operand is an array of a [Tiling].
type Operand struct {
	Layout ndarray.Layout // of the tiling's shape, broadcast by strides of 0; any shape with Reach
	Load   bool           // it is read
	Store  bool           // it is written
	// Reach tells of every axis of Layout which part of it belongs to a tile; nil:
	// the axes are the tiling's. Parts of what is stored may not overlap.
	Reach []Reach
}

// Reach is the part of an axis of an operand that belongs to a tile: of indices
// [lo, hi) of an axis of the tiling, those from lo·Step+From up to, and without,
// (hi-1)·Step+To, as far as the operand has them. So a filter has a margin about
// its tile, and a frame its samples.
type Reach struct {
	Axis           int // of the tiling; negative: every tile has From to To
	Step, From, To int
}

// Whole is an axis of n elements that every tile has.
func Whole(n int) Reach { return Reach{Axis: -1, To: n} }

// span is the part of an axis of n elements for a box.
func (r Reach) span(n int, lo, hi []int) (from, to int) {
	from, to = r.From, r.To
	if r.Axis >= 0 {
		from += lo[r.Axis] * r.Step
		to += (hi[r.Axis] - 1) * r.Step
	}
	from = min(max(from, 0), n)
	return from, max(from, min(to, n))
}

// most is the longest part of an axis of n elements for tiles of those extents.
func (r Reach) most(n int, extents []int) int {
	m := r.To - r.From
	if r.Axis >= 0 {
		m += (extents[r.Axis] - 1) * r.Step
	}
	return max(0, min(n, m))
}

// part is what a box has of a layout of the operand.
func (o *Operand) part(l ndarray.Layout, lo, hi []int) ndarray.Layout {
	if o.Reach == nil {
		return box(l, lo, hi)
	}
	for i, r := range o.Reach {
		from, to := r.span(l.Shape[i], lo, hi)
		l = l.Range(i, from, to)
	}
	return l
}

// full is as much as any tile of those extents has of a layout of the operand.
func (o *Operand) full(l ndarray.Layout, extents []int) ndarray.Layout {
	shape := extents
	if o.Reach != nil {
		shape = make([]int, len(o.Reach))
		for i, r := range o.Reach {
			shape[i] = r.most(l.Shape[i], extents)
		}
	}
	l.Shape = shape
	return l
}

// varies tells whether the operand's part changes along an axis of the tiling.
func (o *Operand) varies(axis int) bool {
	if o.Reach == nil {
		return o.Layout.Strides[axis] != 0
	}
	return slices.ContainsFunc(o.Reach, func(r Reach) bool { return r.Axis == axis && r.Step != 0 })
}

// route is how tiles of an operand go through memory.
type route struct {
	form       // of a full tile
	places int // tiles in memory at once
	passes int // how often a tile is moved
	loads  bool
	owned  []bool // of a sink
}

// route is that of an operand with tiles of those extents.
func (t *Tiling) route(o *Operand, extents []int) (r route) {
	gap := gapBytes
	if o.Store {
		gap = 0
		if t.owning && o.Reach == nil {
			r.owned = o.owned(extents)
		}
	}
	r.form = newForm(o.full(o.Layout, extents), gap, r.owned)
	r.places, r.passes, r.loads = 2, 1, o.Load || o.Store && r.gaps
	if r.loads && o.Store {
		r.places, r.passes = 3, 2
	}
	return r
}

// Cuts restricts the tiles of a [Tiling]. The zero value does not.
type Cuts struct {
	// Whole marks axes that are not cut; nil: none.
	Whole []bool
	// Unit is what a tile's extents are multiples of, but for the last tile of
	// an axis; nil: 1.
	Unit []int
	// Scratch is the bytes that the body allocates once for tiles of at most
	// these extents; nil: none. It may not fall as extents grow.
	Scratch func(extents []int) int64
}

// Tiling cuts an index space into tiles: the one that arrays share, or one of which
// each box has a part of every array ([Reach]).
type Tiling struct {
	Shape   []int
	Extents []int // of a full tile
	Mem     int64 // bytes that Run allocates, with the body's scratch
	ops     []Operand
	cuts    Cuts
	owning  bool // outputs are written with what lies between their elements: see owned
}

// NewTiling chooses the tile: it grows from the least one, axis by axis, as
// long as memory allows and as the cost of all transfers falls, so that runs
// are long on all sides (a transpose gets square tiles) and what is broadcast
// is read seldom. The error is a *[NoMemError].
//
// The choice depends on the arguments alone.
func NewTiling(shape []int, ops []Operand, mem int64, cuts Cuts) (*Tiling, error) {
	for i := range ops {
		if ops[i].Reach == nil && !slices.Equal(ops[i].Layout.Shape, shape) {
			return nil, fmt.Errorf("stream: operand %d is %s, and the tiling's shape is %s", i, ops[i].Layout, ndarray.ShapeString(shape))
		}
	}
	t, err := newTiling(shape, ops, mem, cuts, false)
	if err != nil || !ownable(ops) {
		return t, err
	}
	if own, err := newTiling(shape, ops, mem, cuts, true); err == nil && own.Cost() < t.Cost() {
		return own, nil
	}
	return t, nil
}

// newTiling is the tiling that writes back what lies between an output's
// elements, or does not.
func newTiling(shape []int, ops []Operand, mem int64, cuts Cuts, owning bool) (*Tiling, error) {
	t := &Tiling{Shape: slices.Clone(shape), Extents: make([]int, len(shape)), ops: ops, cuts: cuts, owning: owning}
	for i, n := range shape {
		t.Extents[i] = min(n, t.unit(i))
		if cuts.Whole != nil && cuts.Whole[i] {
			t.Extents[i] = n
		}
	}
	if t.Mem = t.need(t.Extents); t.Mem > mem {
		return nil, &NoMemError{Least: t.Mem, Have: mem}
	}
	for t.grow(mem) {
	}
	t.Mem = t.need(t.Extents)
	return t, nil
}

// unit is what extents of an axis are multiples of, at least 1.
func (t *Tiling) unit(axis int) int {
	if t.cuts.Unit == nil {
		return 1
	}
	return max(1, t.cuts.Unit[axis])
}

// grow makes the tile larger by the step that pays most; false if none does.
// Where twice as much of an axis does not pay, all of it may: what lies along the
// others is joined then.
func (t *Tiling) grow(mem int64) bool {
	return t.growBy(func(axis int) (int, bool) { return t.larger(axis, mem) }) ||
		t.growBy(func(axis int) (int, bool) {
			n := t.Shape[axis]
			return n, n > t.Extents[axis] && t.need(t.with(axis, n)) <= mem
		})
}

// growBy makes the tile larger along the axis for which the next extent pays
// most; false if it does for none.
func (t *Tiling) growBy(next func(axis int) (n int, ok bool)) bool {
	best, least := -1, t.costOf(t.Extents)
	grown := 0
	for axis := len(t.Shape) - 1; axis >= 0; axis-- {
		n, ok := next(axis)
		if !ok {
			continue
		}
		if c := t.costOf(t.with(axis, n)); c < least {
			best, least, grown = axis, c, n
		}
	}
	if best < 0 {
		return false
	}
	t.Extents[best] = grown
	return true
}

// larger is the next extent of an axis: twice what it is, or as much as there
// is memory for.
func (t *Tiling) larger(axis int, mem int64) (int, bool) {
	n, now, unit := t.Shape[axis], t.Extents[axis], t.unit(axis)
	if now >= n {
		return 0, false
	}
	lo, hi := now/unit, roundUp(min(n, 2*now), unit)/unit // lo fits
	if t.need(t.with(axis, min(n, hi*unit))) <= mem {
		return min(n, hi*unit), true
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; t.need(t.with(axis, min(n, mid*unit))) <= mem {
			lo = mid
		} else {
			hi = mid
		}
	}
	return min(n, lo*unit), lo > now/unit
}

// with is the extents with another one for an axis.
func (t *Tiling) with(axis, n int) []int {
	e := slices.Clone(t.Extents)
	e[axis] = n
	return e
}

// need is the memory for tiles of those extents.
func (t *Tiling) need(extents []int) int64 {
	total := int64(0)
	for i := range t.ops {
		r := t.route(&t.ops[i], extents)
		total += int64(r.places) * int64(Padded(r.bytes))
	}
	if t.cuts.Scratch != nil {
		total += t.cuts.Scratch(extents)
	}
	return total
}

// costOf is what all transfers cost, in bytes. The first load and the last store
// overlap with nothing and count twice.
func (t *Tiling) costOf(extents []int) float64 {
	tiles, step := 1.0, float64(StepCost)
	for i, n := range t.Shape {
		tiles *= float64(count(n, extents[i]))
	}
	ends := 0.0
	for i := range t.ops {
		o := &t.ops[i]
		r := t.route(o, extents)
		_, one := o.traffic(&r.form)
		ends += one
		step += one / float64(t.group(o, extents)) * float64(r.passes)
	}
	return tiles*step + ends
}

// traffic is the bytes of moving a tile once, and the cost.
func (o *Operand) traffic(tile *form) (bytes, cost float64) {
	if o.Store {
		return tile.written()
	}
	return tile.read()
}

// group is the number of tiles in a row that have the same part of an operand:
// while only axes along which it does not vary go on, the last ones.
func (t *Tiling) group(o *Operand, extents []int) int {
	g := 1
	for i := len(t.Shape) - 1; i >= 0; i-- {
		n := count(t.Shape[i], extents[i])
		if n > 1 && o.varies(i) {
			break
		}
		g *= max(n, 1)
	}
	return g
}

// count is how many pieces of by make n.
func count(n, by int) int { return (n + max(by, 1) - 1) / max(by, 1) }

// Operands is how many arrays a run is given.
func (t *Tiling) Operands() int { return len(t.ops) }

// Tiles is how many there are.
func (t *Tiling) Tiles() int {
	n := 1
	for i, s := range t.Shape {
		n *= count(s, t.Extents[i])
	}
	return n
}

// Box is tile i, from index lo to index hi. The last axes go on first.
func (t *Tiling) Box(i int) (lo, hi []int) {
	lo, hi = make([]int, len(t.Shape)), make([]int, len(t.Shape))
	for k := len(t.Shape) - 1; k >= 0; k-- {
		n := count(t.Shape[k], t.Extents[k])
		lo[k] = i % n * t.Extents[k]
		hi[k] = min(lo[k]+t.Extents[k], t.Shape[k])
		i /= n
	}
	return lo, hi
}

// Moved is the bytes that Run reads and writes.
func (t *Tiling) Moved() float64 {
	bytes, _ := t.traffic()
	return bytes
}

// Apart is what their runs cost for being apart: see [kernels.Streamed].
func (t *Tiling) Apart() float64 {
	bytes, cost := t.traffic()
	return cost - bytes
}

// traffic is the bytes that Run reads and writes, and what they cost.
func (t *Tiling) traffic() (bytes, cost float64) {
	for i := range t.ops {
		o := &t.ops[i]
		r := t.route(o, t.Extents)
		b, c := o.traffic(&r.form)
		times := float64(r.passes) * float64(t.Tiles()) / float64(t.group(o, t.Extents))
		bytes, cost = bytes+times*b, cost+times*c
	}
	return bytes, cost
}

// Cost is what all transfers cost, as bytes of one long transfer: see
// [SourceTraffic].
func (t *Tiling) Cost() float64 { return t.costOf(t.Extents) }

// Explain tells the tile and how many there are.
func (t *Tiling) Explain() []kernels.Entry {
	return []kernels.Entry{
		{Term: "tile", Text: ndarray.ShapeString(t.Extents)},
		{Term: "tiles", Text: fmt.Sprint(t.Tiles())},
	}
}

// Streamed is a streamed run of the tiling alone, in a pass: its figures, and run.
func (t *Tiling) Streamed(run func(x *kernels.Exec) error) *kernels.Streamed {
	return &kernels.Streamed{Mem: t.Mem, Moved: t.Moved(), Apart: t.Apart(), Explain: append(t.Explain(), Passes(1)), Run: run}
}

// Passes tells, for `explain`, how often a run goes over its array.
func Passes(n int) kernels.Entry { return kernels.Entry{Term: "passes", Text: fmt.Sprint(n)} }
