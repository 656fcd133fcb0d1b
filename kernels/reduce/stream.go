package reduce

import (
	"math"
	"math/bits"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// This file reduces arrays outside memory. Results are made tile by tile. If all
// of K fits beside the others of a tile the reduction runs on it as in core, and
// reads it once, whatever its passes; else K goes by in chunks, once for each
// pass. The tree is the same: a chunk is cut into segments of a power of two of
// leaves, and the joins that wait for segments of later chunks are kept.

// view is a reduction's operands with the axes O, W, and those of K, of which
// neighbours that are one walk are merged. The first lead axes of K are not cut
// by the tiling: chunks go through their indices one after the other.
type view struct {
	in, out ndarray.Layout // in: lead, O, W, K; out: O, W; both without data
	o, w    int            // numbers of axes
	lead    int
	k       []int // extents of all axes of K
}

// newView brings layouts into the order.
func newView(g *geometry, in, out ndarray.Layout, keepdims bool) *view {
	v := &view{o: g.before, w: len(g.axes) - g.before - g.reduced, out: outputView(g, out, keepdims)}
	p := in.Permute(g.axes...)
	k := p
	k.Shape, k.Strides = p.Shape[g.before:][:g.reduced], p.Strides[g.before:][:g.reduced]
	if k = k.Collapse(); g.k == 0 {
		k.Shape, k.Strides = nil, nil
	}
	v.k = k.Shape
	v.in = p
	v.in.Shape = slices.Concat(p.Shape[:g.before], p.Shape[g.before+g.reduced:], k.Shape)
	v.in.Strides = slices.Concat(p.Strides[:g.before], p.Strides[g.before+g.reduced:], k.Strides)
	return v
}

// outputView is an output's layout without the reduced axes.
func outputView(g *geometry, out ndarray.Layout, keepdims bool) ndarray.Layout {
	if !keepdims || out.Rank() != len(g.axes) {
		return out
	}
	kept := slices.Concat(g.axes[:g.before], g.axes[g.before+g.reduced:])
	l := out
	l.Shape, l.Strides = nil, nil
	for _, a := range kept {
		l.Shape, l.Strides = append(l.Shape, out.Shape[a]), append(l.Strides, out.Strides[a])
	}
	return l
}

// arranged brings the layout of the operand, which differs from the planned
// one's in the offset alone, into the order.
func (v *view) arranged(in ndarray.Layout) ndarray.Layout {
	l := v.in
	l.Offset = in.Offset
	return l
}

// withLead takes the first n axes of K out of the tiling.
func (v *view) withLead(n int) *view {
	c, kept := *v, v.o+v.w
	c.lead = n
	c.in.Shape = slices.Concat(v.k[:n], v.in.Shape[:kept], v.k[n:])
	c.in.Strides = slices.Concat(v.in.Strides[kept:kept+n], v.in.Strides[:kept], v.in.Strides[kept+n:])
	return &c
}

// tiled is the input as the tiling has it: O, W, K.
func (v *view) tiled(in ndarray.Layout) ndarray.Layout {
	in.Shape, in.Strides = in.Shape[v.lead:], in.Strides[v.lead:]
	return in
}

// spread is the output stretched along K.
func (v *view) spread(out ndarray.Layout) ndarray.Layout {
	n := len(v.k) - v.lead
	out.Shape = slices.Concat(out.Shape, v.k[v.lead:])
	out.Strides = slices.Concat(out.Strides, make([]int, n))
	return out
}

// tiles is a streamed reduction: what is planned, and the run under way.
type tiles struct {
	*view
	j      job // with the geometry of the whole
	verb   *verb
	plan   *kernels.Plan
	result ndarray.DType
	t      *stream.Tiling
	need   need // for full tiles
	chunks int  // a tile's
	unit   int  // length of segments, if there is more than one chunk
	room   int  // elements of K in the staging memory; 0: chunks begin at units as they come

	tilesRun
}

// planStream plans a streamed run within mem bytes: with all axes of K in the
// tiling, or else with as few of them out of it as memory allows.
func planStream(j job, v *verb, p *kernels.Plan, result ndarray.DType, mem int64) (*kernels.Streamed, error) {
	out := ndarray.NewLayout(result)
	if len(p.Out) > 0 {
		out = stream.Output(j.c, 0, p.Out[0])
	}
	whole := newView(&j.g, j.in.Layout, out, j.c.Bool("keepdims"))
	for lead := 0; ; lead++ {
		s := &tiles{view: whole.withLead(lead), j: j, verb: v, plan: p, result: result}
		var err error
		if s.t, err = stream.NewTiling(s.tiled(s.in).Shape, s.operands(), mem, s.cuts()); err == nil {
			return s.settle(), nil
		}
		if lead+1 >= len(whole.k) || j.g.k <= j.g.leaf() {
			return nil, err
		}
	}
}

// operands are the input, if there is any of it, and the output, if it is one.
func (s *tiles) operands() (ops []stream.Operand) {
	if s.reads() {
		ops = append(ops, stream.Operand{Layout: s.tiled(s.in), Load: true})
	}
	if s.writes() {
		ops = append(ops, stream.Operand{Layout: s.spread(s.out), Store: true})
	}
	return ops
}

func (s *tiles) reads() bool  { return s.j.g.k > 0 }
func (s *tiles) writes() bool { return len(s.plan.Out) > 0 }

// cuts lets the first axis of K be cut: into leaves if it is the only one. A K of
// no more than a leaf stays whole.
func (s *tiles) cuts() stream.Cuts {
	kept, rank := s.o+s.w, s.o+s.w+len(s.k)-s.lead
	c := stream.Cuts{Whole: make([]bool, rank), Unit: slices.Repeat([]int{1}, rank), Scratch: func(extents []int) int64 {
		n := s.measure(extents)
		return n.total() + int64(s.stage(extents))
	}}
	for i := kept; i < rank; i++ {
		c.Whole[i] = i > kept || s.j.g.k <= s.j.g.leaf()
	}
	if len(s.k) == 1 {
		c.Unit[kept] = s.j.g.leaf()
	}
	return c
}

// geometryOf is the geometry of a tile of those extents: O, W, K.
func (s *tiles) geometryOf(extents []int) geometry {
	g := geometry{o: 1, k: 1, w: 1, inner: s.j.g.inner, before: s.o, reduced: len(extents) - s.o - s.w}
	for i, n := range extents {
		switch {
		case i < s.o:
			g.o *= n
		case i < s.o+s.w:
			g.w *= n
		default:
			g.k *= n
		}
	}
	for i := range extents {
		g.axes = append(g.axes, i)
	}
	if !s.reads() {
		g.k = 0
	}
	return g
}

// measure is what a tile takes beside the pieces of operands.
func (s *tiles) measure(extents []int) need {
	j, g := s.j, &s.j.g
	if j.g = s.geometryOf(extents); s.staged() {
		j.g.k = min(s.staging(j.g.k), g.k)
	}
	j.dry = &need{workers: func(pieces int) int { return scratch.Workers(j.c, pieces) }, levels: 1}
	if g.k > g.leaf() {
		j.dry.levels = bits.Len(uint(ceil(g.k, g.leaf()))) + 1
	}
	if err := s.verb.run(&j); err != nil {
		panic(err) // it has been run dry for the plan
	}
	return *j.dry
}

// staged tells whether chunks are put together in memory: those of K's with
// several axes begin and end anywhere.
func (s *tiles) staged() bool { return len(s.k) > 1 && s.j.g.k > s.j.g.leaf() }

// stage is the bytes of memory for that.
func (s *tiles) stage(extents []int) int {
	if !s.staged() {
		return 0
	}
	g := s.geometryOf(extents)
	return scratch.Round(s.staging(g.k) * g.outputs() * s.in.DType.Size())
}

// staging is the elements of K in the staging memory at the most, for chunks of
// n: a unit and a chunk.
func (s *tiles) staging(n int) int { return 2*n + s.j.g.leaf() }

// segment is the length of segments for chunks of n elements of K: a power of
// two of leaves.
func (s *tiles) segment(n int) int {
	g := &s.j.g
	unit := g.leaf()
	for unit < g.unit() && 2*unit <= n {
		unit *= 2
	}
	return unit
}

// settle fixes the chunks, and gives the plan.
func (s *tiles) settle() *kernels.Streamed {
	kept := s.o + s.w
	s.chunks = 1
	if len(s.k) > 0 && s.reads() {
		first := &s.t.Extents[kept]
		if len(s.k) == 1 && *first < s.k[0] {
			*first -= *first % s.segment(*first)
		}
		s.chunks = ceil(s.k[s.lead], max(*first, 1))
	}
	for _, n := range s.k[:s.lead] {
		s.chunks *= n
	}
	g := s.geometryOf(s.t.Extents)
	s.need, s.unit = s.measure(s.t.Extents), s.segment(g.k)
	if s.staged() && s.chunks > 1 {
		s.room = s.unit + g.k
	}
	out := &kernels.Streamed{Mem: s.t.Mem, Explain: s.t.Explain(), Run: s.run}
	passes := 1
	if s.chunks > 1 {
		passes = s.need.passes
	}
	moved, apart := s.traffic()
	out.Moved, out.Apart = float64(passes)*moved, float64(passes)*apart
	for _, o := range s.plan.Out {
		out.Moved += float64(ndarray.NewLayout(o.DType, o.Shape...).Bytes())
	}
	out.Explain = append(out.Explain, kernels.Entry{Term: "order", Text: s.j.g.order()}, stream.Passes(passes))
	return out
}

// traffic is the bytes that one pass reads, and what their runs cost for being
// apart.
func (s *tiles) traffic() (moved, apart float64) {
	if !s.reads() {
		return 0, 0
	}
	moved, apart = readTraffic(s.t, s.operands()[0])
	for _, n := range s.k[:s.lead] {
		moved, apart = moved*float64(n), apart*float64(n)
	}
	return moved, apart
}

// readTraffic is what reading one operand of a tiling once moves and costs.
func readTraffic(t *stream.Tiling, in stream.Operand) (moved, apart float64) {
	alone, err := stream.NewTiling(t.Shape, []stream.Operand{in}, math.MaxInt64, stream.Cuts{})
	if err != nil {
		panic(err) // the tiling has been made with less memory
	}
	alone.Extents = t.Extents
	return alone.Moved(), alone.Apart()
}

// cut is the source of chunk c of a tile, and the elements of K in it.
func (s *tiles) cut(src kernels.Stored, tile, c int) (part kernels.Stored, k0, n int) {
	per := s.perTile()
	lo, hi := s.t.Box(tile*per + c%per)
	lead := c / per
	part = src
	inner := 1
	for _, n := range s.k[s.lead:] {
		inner *= n
	}
	k0 = lead * inner
	for i := s.lead - 1; i >= 0; i-- {
		part.Layout.Offset += lead % s.k[i] * part.Layout.Strides[i]
		lead /= s.k[i]
	}
	part.Layout = s.tiled(part.Layout)
	part = stream.Box(part, lo, hi)
	n = 1
	for i := s.o + s.w; i < len(hi); i++ {
		n *= hi[i] - lo[i]
	}
	if at := s.o + s.w; at < len(lo) {
		k0 += lo[at] * (inner / max(s.k[s.lead], 1))
	}
	return part, k0, n
}

// perTile is the boxes of the tiling for a tile of outputs.
func (s *tiles) perTile() int {
	per := s.chunks
	for _, n := range s.k[:s.lead] {
		per /= n
	}
	return per
}

// sink is the output of a tile.
func (s *tiles) sink(dst kernels.Stored, tile int) kernels.Stored {
	lo, hi := s.t.Box(tile * s.perTile())
	n := s.o + s.w
	return stream.Box(dst, lo[:n], hi[:n])
}

// count is the number of tiles of outputs.
func (s *tiles) count() int {
	n := 1
	for i, x := range s.t.Shape[:s.o+s.w] {
		n *= ceil(x, max(s.t.Extents[i], 1))
	}
	return n
}

// copyIn puts a chunk behind what is in the staging memory.
func (s *tiles) copyIn(x *kernels.Exec, stage, chunk ndarray.Array, at, n int) error {
	part := stage.Range(1, at, at+n)
	l := ndarray.Layout{DType: stage.DType, Swapped: stage.Swapped, Offset: part.Offset, Shape: chunk.Shape}
	step := [3]int{stage.Strides[0], stage.Strides[2], stage.Strides[1]} // of O, W, K
	l.Strides = make([]int, len(chunk.Shape))
	for i := len(chunk.Shape) - 1; i >= 0; i-- {
		group := 0
		switch {
		case i >= s.o+s.w:
			group = 2
		case i >= s.o:
			group = 1
		}
		l.Strides[i] = step[group]
		step[group] *= chunk.Shape[i]
	}
	return move.Copy(x.W, ndarray.Array{Layout: l, Data: stage.Data}, chunk)
}
