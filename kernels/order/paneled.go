package order

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// paneled is a sort of rows that lie across a file, as columns of a matrix do, or a
// choice of their first, by way of panels ([stream.Panels]) in temporary space:
//
//	pass 1  copies blocks of whole rows of the file to panels;
//	pass 2  sorts in each panel what lies along the axis;
//	pass 3  copies panels to blocks of whole rows of the file.
//
// Tiles of whole columns take one pass, of runs as short as they are narrow, or read what
// lies between, which is nearly all of the array for each of them. Three passes
// have long runs only, and are taken where they cost less. The operands have three
// axes: those outside the sorted one, that one, and those inside.
type paneled struct {
	*sorting
	in, out   ndarray.Layout // without their places
	axes      []int          // of the operands, in the order of the three
	src, dst  stream.Panels  // of values, and of the result; see apart
	first     *stream.Tiling
	second    *stream.Tiling
	third     *stream.Tiling
	otherwise *kernels.Streamed // where there is no temporary space
}

// panels is a plan by way of panels within mem bytes, if that costs less than
// otherwise; else otherwise.
func (s *sorting) panels(mem int64, otherwise *kernels.Streamed) *kernels.Streamed {
	cost := otherwise.Moved + otherwise.Apart
	base := &paneled{sorting: s, otherwise: otherwise}
	if !base.arrange() {
		return otherwise
	}
	var best *paneled
	for width := base.in.Shape[2]; width > 1; width = (width + 1) / 2 {
		p := *base
		if p.plan(width, mem) != nil {
			continue
		}
		if c := p.cost(); c < cost {
			best, cost = &p, c
		} else if best != nil {
			break // narrower ones do not become cheaper again
		}
		if width == 2 {
			break
		}
	}
	if best == nil {
		return otherwise
	}
	return best.streamed()
}

// arrange finds the three axes; false if the operands are not one walk along each.
func (p *paneled) arrange() bool {
	in, out := p.c.In[0].Layout, stream.Output(p.c, 0, p.sorting.out)
	p.axes = make([]int, in.Rank())
	for i := range p.axes {
		p.axes[i] = i
	}
	stride := func(axis int) int { return max(in.Strides[axis], -in.Strides[axis]) }
	slices.SortStableFunc(p.axes, func(a, b int) int { return cmp.Compare(stride(b), stride(a)) })
	var ok bool
	if p.in, ok = p.three(in); !ok {
		return false
	}
	if p.out, ok = p.three(out); !ok {
		return false
	}
	p.in.Offset, p.out.Offset = 0, 0
	return p.in.Len() > 0 && p.out.Len() > 0 && p.in.Shape[1] > 1 && p.in.Shape[2] > 1
}

// three is a layout with the axes before, of and behind the sorted one, in the
// order of the input's strides; false if it takes more of them.
func (p *paneled) three(l ndarray.Layout) (ndarray.Layout, bool) {
	at := slices.Index(p.axes, p.axis)
	all := l.Permute(p.axes...)
	l.Shape, l.Strides = nil, nil
	for _, part := range [][2]int{{0, at}, {at, at + 1}, {at + 1, len(p.axes)}} {
		group := all
		group.Shape, group.Strides = all.Shape[part[0]:part[1]], all.Strides[part[0]:part[1]]
		n, stride := group.Len(), 0
		if n != 1 {
			group = group.Collapse()
			if group.Rank() > 1 {
				return l, false
			}
			stride = group.Strides[0]
		}
		l.Shape, l.Strides = append(l.Shape, n), append(l.Strides, stride)
	}
	return l, true
}

// plan makes the passes with panels of about width columns.
func (p *paneled) plan(width int, mem int64) (err error) {
	outer, n, cols := p.in.Shape[0], p.in.Shape[1], p.in.Shape[2]
	p.src = stream.NewPanels(p.in.DType, n, cols, width)
	p.dst = p.src
	p.dst.DType, p.dst.Rows = p.out.DType, p.out.Shape[1]
	if p.second, err = stream.NewTiling([]int{outer, p.src.Count()}, p.sorted(), mem, stream.Cuts{Scratch: p.scratch}); err != nil {
		return err
	}
	rows := []stream.Reach{{Axis: 0, Step: 1, To: 1}, {Axis: 1, Step: 1, To: 1}, stream.Whole(cols)}
	strips := []stream.Reach{{Axis: 0, Step: 1, To: 1}, stream.Whole(p.src.Count()), {Axis: 1, Step: 1, To: 1}, stream.Whole(p.src.Width)}
	copies := func(n int, from, to stream.Operand) (*stream.Tiling, error) {
		from.Load, to.Store = true, true
		return stream.NewTiling([]int{outer, n}, []stream.Operand{from, to}, mem, stream.Cuts{})
	}
	if p.first, err = copies(n, stream.Operand{Layout: p.in, Reach: rows}, stream.Operand{Layout: p.space(&p.src), Reach: strips}); err != nil {
		return err
	}
	p.third, err = copies(p.dst.Rows, stream.Operand{Layout: p.space(&p.dst), Reach: strips}, stream.Operand{Layout: p.out, Reach: rows})
	return err
}

// sorted are the operands of pass 2, as many panels as a tile has.
func (p *paneled) sorted() []stream.Operand {
	reach := func(q *stream.Panels) []stream.Reach {
		return []stream.Reach{{Axis: 0, Step: 1, To: 1}, {Axis: 1, Step: 1, To: 1}, stream.Whole(q.Rows), stream.Whole(q.Width)}
	}
	from := stream.Operand{Layout: p.space(&p.src), Load: true, Reach: reach(&p.src)}
	if !p.apart() {
		from.Store = true
		return []stream.Operand{from}
	}
	return []stream.Operand{from, {Layout: p.space(&p.dst), Store: true, Reach: reach(&p.dst)}}
}

// apart tells whether the result has panels of its own: it is of another type, or shorter.
func (p *paneled) apart() bool { return p.index || p.dst.Rows != p.src.Rows }

// space is the panels of all matrices.
func (p *paneled) space(q *stream.Panels) ndarray.Layout {
	l := q.Layout()
	return ndarray.NewLayout(l.DType, append([]int{p.in.Shape[0]}, l.Shape...)...)
}

// rows is how a tile of pass 2 is sorted: along its axis 2. Rows of panels never lie
// as Go slices, so they are sorted in a copy, and the result may take their place.
func (p *paneled) rows(extents []int) rowPlan {
	a, b := p.space(&p.src), p.space(&p.dst)
	a.Shape = []int{extents[0], extents[1], p.src.Rows, p.src.Width}
	b.Shape = []int{extents[0], extents[1], p.dst.Rows, p.dst.Width}
	return newRowPlan(p.c, 2, p.perLane, p.block, a, b)
}

// padding is the most that [stream.Padded] adds to a piece.
const padding = 4096

// scratch is the memory for that: a piece a lane, and the two copies.
func (p *paneled) scratch(extents []int) int64 {
	r := p.rows(extents)
	return r.scratch() + int64((r.lanes+2)*padding)
}

func (p *paneled) passes() []*stream.Tiling { return []*stream.Tiling{p.first, p.second, p.third} }

func (p *paneled) cost() (sum float64) {
	for _, t := range p.passes() {
		sum += t.Cost()
	}
	return sum
}

// streamed gives the plan.
func (p *paneled) streamed() *kernels.Streamed {
	s := &kernels.Streamed{Mem: p.otherwise.Mem, Temp: int64(p.space(&p.src).Bytes()), Run: p.run}
	if p.apart() {
		s.Temp += int64(p.space(&p.dst).Bytes())
	}
	for _, t := range p.passes() {
		s.Mem = max(s.Mem, t.Mem)
		s.Moved += t.Moved()
		s.Apart += t.Apart()
	}
	s.Alone = p.first.Moved() + p.first.Apart() + p.third.Moved() + p.third.Apart()
	s.Explain = []kernels.Entry{
		{Term: "tile", Text: fmt.Sprintf("%dx%d, by way of temporary space", p.src.Rows, p.src.Width*p.second.Extents[1])},
		{Term: "tiles", Text: fmt.Sprint(p.second.Tiles())}, stream.Passes(len(p.passes())),
	}
	return s
}

// run makes the passes in one arena. Where there is no temporary space (ENOSPC) tiles of
// whole columns do it, slower.
func (p *paneled) run(x *kernels.Exec) error {
	src := kernels.Stored{Layout: p.space(&p.src)}
	dst := kernels.Stored{Layout: p.space(&p.dst)}
	bytes := int64(src.Layout.Bytes())
	if p.apart() {
		bytes += int64(dst.Layout.Bytes())
		src.Layout.Offset = dst.Layout.Bytes() // indices are aligned better, and come first; values are aligned alike
	}
	space, err := x.Temp(bytes)
	if errors.Is(err, syscall.ENOSPC) {
		return p.otherwise.Run(x)
	}
	if err != nil {
		return err
	}
	src.Blob, dst.Blob = space, space
	arena := stream.NewArena(x.Mem, max(p.first.Mem, p.second.Mem, p.third.Mem))
	in, out := x.Src[0], x.Dst[0]
	in.Layout, _ = p.three(in.Layout)
	out.Layout, _ = p.three(out.Layout)
	if err := p.toPanels(arena.Exec(x), in, src); err != nil {
		return err
	}
	arena.Reset()
	if err := p.sortPanels(arena.Exec(x), src, dst); err != nil {
		return err
	}
	arena.Reset()
	return p.fromPanels(arena.Exec(x), dst, out)
}

// toPanels is pass 1, and fromPanels is pass 3.
func (p *paneled) toPanels(x *kernels.Exec, in, src kernels.Stored) error {
	return p.first.Run(x, []kernels.Stored{in, src}, func(t *stream.Tile) error {
		return eachStrip(p.src.Strips(t.Arrays[1], t.Arrays[0]), func(strip, rows ndarray.Array) error { return move.Copy(x.W, strip, rows) })
	})
}

func (p *paneled) fromPanels(x *kernels.Exec, dst, out kernels.Stored) error {
	return p.third.Run(x, []kernels.Stored{dst, out}, func(t *stream.Tile) error {
		return eachStrip(p.dst.Strips(t.Arrays[0], t.Arrays[1]), func(strip, rows ndarray.Array) error { return move.Copy(x.W, rows, strip) })
	})
}

// eachStrip calls fn for pairs of parts.
func eachStrip(parts [][2]ndarray.Array, fn func(strip, rows ndarray.Array) error) error {
	for _, part := range parts {
		if err := fn(part[0], part[1]); err != nil {
			return err
		}
	}
	return nil
}

// sortPanels is pass 2. The columns in excess of a last panel are sorted with the
// others, whatever they hold.
func (p *paneled) sortPanels(x *kernels.Exec, src, dst kernels.Stored) error {
	stored := []kernels.Stored{src}
	if p.apart() {
		stored = append(stored, dst)
	}
	r := p.rows(p.second.Extents).open(x.Mem)
	return p.second.Run(x, stored, func(t *stream.Tile) error {
		return r.run(x.W, t.Arrays[len(t.Arrays)-1], t.Arrays[0], p.fn)
	})
}
