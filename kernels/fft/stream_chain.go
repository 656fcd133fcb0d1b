package fft

import (
	"slices"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/pool"
	"vgpu/kernels/stream"
)

// chain is a streamed run of phases, one after the other in the same memory: plans
// of their own, and passes over tiles. They read and write the sources, the result,
// and arrays in temporary space. A chain that was planned for one line may be run
// for all lines along an axis.
type chain struct {
	mem     int64 // that a phase may take
	src     []ndarray.Layout
	dst     ndarray.Layout
	temps   []ndarray.Layout
	phases  []phase
	refused []error
	axis    int  // along which the lines are that it is run for
	lines   int  // how often it is run
	cut     bool // the arrays of a run are to be cut into lines, be it one
}

// phase is a step of a chain. What plans of their own take as temporary space is
// lent to one phase after the other.
type phase struct {
	ends      []end
	mem, temp int64
	moved     float64
	apart     float64
	texts     []string // of its passes
	once      bool     // for all lines, with the first
	run       func(x *kernels.Exec, at []kernels.Stored) error
}

// end is an array that a phase reads or writes, or a view of it.
type end struct {
	of   endKind
	i    int
	view func(l ndarray.Layout) ndarray.Layout // nil: all of it
}

type endKind uint8

const (
	ofSource endKind = iota
	ofResult
	ofTemp
)

var (
	source = end{of: ofSource}
	result = end{of: ofResult}
)

// seen is a view of e, of which a view may be taken again.
func (e end) seen(view func(l ndarray.Layout) ndarray.Layout) end {
	if first := e.view; first != nil {
		e.view = func(l ndarray.Layout) ndarray.Layout { return view(first(l)) }
	} else {
		e.view = view
	}
	return e
}

// part is elements lo to hi-1 of a line, and backwards the same from the last on.
func (e end) part(lo, hi int) end {
	return e.seen(func(l ndarray.Layout) ndarray.Layout { return l.Range(0, lo, hi) })
}

func (e end) backwards() end { return e.seen(reversed) }

// reversed is a line from its end.
func reversed(l ndarray.Layout) ndarray.Layout {
	l.Strides = slices.Clone(l.Strides)
	if n := l.Shape[0]; n > 0 {
		l.Offset += (n - 1) * l.Strides[0]
	}
	l.Strides[0] = -l.Strides[0]
	return l
}

// newChain begins a chain whose phases take at most mem bytes each.
func newChain(mem int64, dst ndarray.Layout, src ...ndarray.Layout) *chain {
	return &chain{mem: mem, dst: dst, src: src, lines: 1}
}

// temp is a new array in temporary space.
func (c *chain) temp(d ndarray.DType, shape ...int) end {
	c.temps = append(c.temps, ndarray.NewLayout(d, shape...))
	return end{of: ofTemp, i: len(c.temps) - 1}
}

// layout is that of an end when the chain is planned.
func (c *chain) layout(e end) ndarray.Layout {
	l := c.dst
	switch e.of {
	case ofSource:
		l = c.src[e.i]
	case ofTemp:
		l = c.temps[e.i]
	}
	if e.view != nil {
		l = e.view(l)
	}
	return l
}

// add appends a plan from some ends to another, or remembers why there is none.
func (c *chain) add(plan *kernels.Streamed, err error, to end, from ...end) {
	if c.refused = append(c.refused, err); err != nil {
		return
	}
	p := phase{ends: append([]end{to}, from...), mem: plan.Mem, temp: plan.Temp, moved: plan.Moved, apart: plan.Apart}
	for _, e := range plan.Explain {
		if strings.HasPrefix(e.Term, "pass") {
			p.texts = append(p.texts, e.Text)
		}
	}
	p.run = func(x *kernels.Exec, at []kernels.Stored) error {
		x.Dst, x.Src = at[:1], at[1:]
		return plan.Run(x)
	}
	c.phases = append(c.phases, p)
}

// use is an end as an operand of a pass.
type use struct {
	end
	load, store bool
	reach       []stream.Reach // nil: the axes are those of the pass
}

// reachOf is the reach of a line of which index i of the pass has elements
// i·step+from up to, and without, i·step+to.
func reachOf(step, from, to int) []stream.Reach {
	return []stream.Reach{{Step: step, From: from, To: to}}
}

// pass appends a pass over tiles of a shape. body allocates its scratch and gives
// what is done with a tile.
func (c *chain) pass(what string, shape []int, cuts stream.Cuts, body func(x *kernels.Exec, t *stream.Tiling) func(tile *stream.Tile) error, ops ...use) {
	p := phase{}
	var list []stream.Operand
	for _, o := range ops {
		p.ends = append(p.ends, o.end)
		list = append(list, stream.Operand{Layout: c.layout(o.end), Load: o.load, Store: o.store, Reach: o.reach})
	}
	t, err := stream.NewTiling(shape, list, c.mem, cuts)
	if c.refused = append(c.refused, err); err != nil {
		return
	}
	p.mem, p.moved, p.apart = t.Mem, t.Moved(), t.Apart()
	p.texts = []string{what + ", " + itoa(t.Tiles()) + " tiles of " + ndarray.ShapeString(t.Extents)}
	p.run = func(x *kernels.Exec, at []kernels.Stored) error { return t.Run(x, at, body(x, t)) }
	c.phases = append(c.phases, p)
}

// copy appends a pass that converts; what is missing in from is zero.
func (c *chain) copy(what string, to, from end) {
	shape := c.layout(to).Shape
	reach := make([]stream.Reach, len(shape))
	for a := range reach {
		reach[a] = stream.Reach{Axis: a, Step: 1, To: 1}
	}
	c.pass(what, shape, stream.Cuts{}, func(x *kernels.Exec, _ *stream.Tiling) func(tile *stream.Tile) error {
		return func(tile *stream.Tile) error { return fill(x.W, tile.Arrays[0], tile.Arrays[1]) }
	}, use{end: to, store: true}, use{end: from, load: true, reach: reach})
}

// fill is [load] to an array of any strides.
func fill(w *pool.Worker, dst, a ndarray.Array) error {
	if !slices.Equal(dst.Shape, a.Shape) {
		zero := ndarray.New(dst.DType, 1)
		zero.Shape, zero.Strides = dst.Shape, make([]int, len(dst.Shape))
		if err := convert(w, dst, zero); err != nil {
			return err
		}
		for i, n := range a.Shape {
			dst = dst.Range(i, 0, n)
		}
	}
	return convert(w, dst, a)
}

// each makes the chain of one line, of which the ends have the layouts, one of n
// lines along an axis of the arrays that a run is given.
func (c *chain) each(axis, n int) { c.axis, c.lines, c.cut = axis, n, true }

// streamed is the plan.
func (c *chain) streamed() (*kernels.Streamed, error) {
	if err := pack.Refusal(c.mem, c.refused...); err != nil {
		return nil, err
	}
	out := &kernels.Streamed{Temp: c.lent(), Run: c.run}
	for _, l := range c.temps {
		out.Temp += tempBytes(l)
	}
	for _, p := range c.phases {
		times := c.lines
		if p.once {
			times = 1
		}
		out.Mem, out.Moved = max(out.Mem, p.mem), out.Moved+float64(times)*p.moved
		out.Apart += float64(times) * p.apart
		for _, text := range p.texts {
			if times > 1 {
				text += ", for each of " + itoa(c.lines) + " lines"
			}
			out.Explain = append(out.Explain, kernels.Entry{Term: "pass" + itoa(len(out.Explain)+1), Text: text})
		}
	}
	return out, nil
}

// tempBytes is what an array takes of temporary space that is lent.
func tempBytes(l ndarray.Layout) int64 { return int64(stream.Padded(l.Bytes())) }

// lent is the bytes of temporary space of the phase that takes most of it.
func (c *chain) lent() (n int64) {
	for _, p := range c.phases {
		n = max(n, p.temp)
	}
	return n
}

// run does the phases for each line.
func (c *chain) run(x *kernels.Exec) (err error) {
	temps := make([]kernels.Stored, len(c.temps))
	for i, l := range c.temps {
		if temps[i], err = pack.Temp(x, l); err != nil {
			return err
		}
	}
	var space lender
	if n := c.lent(); n > 0 {
		if space.blob, err = x.Temp(n); err != nil {
			return err
		}
	}
	most := int64(0)
	for _, p := range c.phases {
		most = max(most, p.mem)
	}
	arena := stream.NewArena(x.Mem, most)
	for i := range c.lines {
		for k := range c.phases {
			p := &c.phases[k]
			if p.once && i > 0 {
				continue
			}
			arena.Reset()
			space.used = 0
			own := arena.Exec(x)
			own.Temp = space.lend
			if err := p.run(own, c.stored(p, x, temps, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// stored is where the ends of a phase lie, for a line.
func (c *chain) stored(p *phase, x *kernels.Exec, temps []kernels.Stored, line int) []kernels.Stored {
	out := make([]kernels.Stored, len(p.ends))
	for i, e := range p.ends {
		switch e.of {
		case ofTemp:
			out[i] = temps[e.i]
		case ofResult:
			out[i] = x.Dst[0]
		default:
			out[i] = x.Src[e.i]
		}
		if c.cut && e.of != ofTemp {
			out[i].Layout = lineOf(out[i].Layout, c.axis, line)
		}
		if e.view != nil {
			out[i].Layout = e.view(out[i].Layout)
		}
	}
	return out
}

// lender cuts up temporary space for phases that follow one another.
type lender struct {
	blob kernels.Blob
	used int64
}

// lend gives n bytes, as [kernels.Exec].Temp does.
func (l *lender) lend(n int64) (kernels.Blob, error) {
	at := l.used
	l.used += int64(stream.Padded(int(n)))
	return &partBlob{blob: l.blob, at: at}, nil
}

// partBlob is a blob from a byte on.
type partBlob struct {
	blob kernels.Blob
	at   int64
}

// Read implements [kernels.Blob], as Write does.
func (b *partBlob) Read(segs ...kernels.Segment) kernels.Transfer {
	return b.blob.Read(b.moved(segs)...)
}

func (b *partBlob) Write(segs ...kernels.Segment) kernels.Transfer {
	return b.blob.Write(b.moved(segs)...)
}

func (b *partBlob) moved(segs []kernels.Segment) []kernels.Segment {
	out := slices.Clone(segs)
	for i := range out {
		out[i].Off += b.at
	}
	return out
}
