package pack

import (
	"cmp"
	"errors"
	"slices"
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// Along is work along an axis of an array outside memory, on each line by itself.
type Along struct {
	In, Out ndarray.Layout
	Axis    int
	Apart   bool // the result may not take the place of what it is made of
	// Work plans the same for arrays of four axes: those before the axis, panels, the axis, and
	// the columns of a panel, of which each panel is a run. What is in columns that are not the array's
	// is undefined, and so may be what becomes of it. With same the arrays are one, in one place: they have one type and one shape.
	Work func(in, out ndarray.Layout, same bool) (*kernels.Streamed, error)
}

// Panel is the axis of a panel along which [Along].Work is done.
const Panel = 2

// paneled is work along lines that lie across a file, as columns of a matrix do, by way of panels
// ([stream.Panels]) in temporary space:
//
//	pass 1  copies blocks of whole rows of the file to panels;
//	pass 2  does the work in each panel;
//	pass 3  copies panels to blocks of whole rows of the file.
//
// Tiles of whole columns take one pass, of runs as short as they are narrow, or read what
// lies between, which is nearly all of the array for each of them. Three passes
// have long runs only, and are taken where they cost less. The operands have three
// axes: those outside the one of the work, that one, and those inside.
type paneled struct {
	*Along
	in, out  ndarray.Layout // without their places
	axes     []int          // of the operands, in the order of the three
	src, dst stream.Panels
	same     bool // they are one
	first    *stream.Tiling
	second   *kernels.Streamed
	third    *stream.Tiling
}

// ByPanels is a plan by way of panels within mem bytes, with what Work explains, if
// that costs less than otherwise; else otherwise, which also does the work where there
// is no temporary space.
func (a *Along) ByPanels(mem int64, otherwise *kernels.Streamed) *kernels.Streamed {
	base := &paneled{Along: a}
	if !base.arrange() {
		return otherwise
	}
	cost := otherwise.Moved + otherwise.Apart
	var best *paneled
	for width := base.in.Shape[2]; width > 1; width = (width + 1) / 2 {
		p := *base
		if p.plan(width, mem) == nil {
			if c := p.cost(); c < cost {
				best, cost = &p, c
			} else if best != nil {
				break // narrower ones do not become cheaper again
			}
		}
		if width == 2 {
			break
		}
	}
	if best == nil {
		return otherwise
	}
	return Spare(best.streamed(), otherwise)
}

// arrange finds the three axes; false if the operands are not one walk along each.
func (p *paneled) arrange() bool {
	in, out := p.In, p.Out
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
	p.same = !p.Apart && p.in.DType == p.out.DType && p.in.Shape[1] == p.out.Shape[1]
	return p.in.Len() > 0 && p.out.Len() > 0 && p.in.Shape[1] > 1 && p.in.Shape[2] > 1
}

// three is a layout with the axes before, of and behind that of the work, in the
// order of the input's strides; false if it takes more of them.
func (p *paneled) three(l ndarray.Layout) (ndarray.Layout, bool) {
	at := slices.Index(p.axes, p.Axis)
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
	n, cols := p.in.Shape[1], p.in.Shape[2]
	p.src = stream.NewPanels(p.in.DType, n, cols, width)
	p.dst = p.src
	p.dst.DType, p.dst.Rows = p.out.DType, p.out.Shape[1]
	if p.second, err = p.Work(p.space(&p.src), p.space(&p.dst), p.same); err != nil {
		return err
	}
	if p.first, err = p.copies(stream.Operand{Layout: p.in, Reach: p.rows()}, stream.Operand{Layout: p.space(&p.src), Reach: p.strips()}, n, mem); err != nil {
		return err
	}
	p.third, err = p.copies(stream.Operand{Layout: p.space(&p.dst), Reach: p.strips()}, stream.Operand{Layout: p.out, Reach: p.rows()}, p.dst.Rows, mem)
	return err
}

// rows is what a tile of rows has of the three axes, strips what it has of panels.
func (p *paneled) rows() []stream.Reach {
	return []stream.Reach{{Axis: 0, Step: 1, To: 1}, {Axis: 1, Step: 1, To: 1}, stream.Whole(p.src.Cols)}
}

func (p *paneled) strips() []stream.Reach {
	return []stream.Reach{{Axis: 0, Step: 1, To: 1}, stream.Whole(p.src.Count()), {Axis: 1, Step: 1, To: 1}, stream.Whole(p.src.Width)}
}

// copies is a pass over n rows of each matrix.
func (p *paneled) copies(from, to stream.Operand, n int, mem int64) (*stream.Tiling, error) {
	from.Load, to.Store = true, true
	return stream.NewTiling([]int{p.in.Shape[0], n}, []stream.Operand{from, to}, mem, stream.Cuts{})
}

// space is the panels of all matrices.
func (p *paneled) space(q *stream.Panels) ndarray.Layout {
	l := q.Layout()
	return ndarray.NewLayout(l.DType, append([]int{p.in.Shape[0]}, l.Shape...)...)
}

func (p *paneled) cost() float64 {
	return p.first.Cost() + p.second.Moved + p.second.Apart + p.third.Cost()
}

// streamed gives the plan.
func (p *paneled) streamed() *kernels.Streamed {
	alone := p.first.Moved() + p.first.Apart() + p.third.Moved() + p.third.Apart()
	return &kernels.Streamed{
		Mem: p.mem(), Temp: p.temp(), Run: p.run, Explain: p.second.Explain, Alone: alone + p.second.Alone,
		Moved: p.first.Moved() + p.second.Moved + p.third.Moved(),
		Apart: p.first.Apart() + p.second.Apart + p.third.Apart(),
	}
}

func (p *paneled) mem() int64 { return max(p.first.Mem, p.second.Mem, p.third.Mem) }

func (p *paneled) temp() int64 {
	n := p.space(&p.src).Bytes()
	if !p.same {
		n += p.space(&p.dst).Bytes()
	}
	return int64(n)
}

// run makes the passes in one arena.
func (p *paneled) run(x *kernels.Exec) error {
	space, err := x.Temp(p.temp())
	if err != nil {
		return err
	}
	src := kernels.Stored{Blob: space, Layout: p.space(&p.src)}
	dst := kernels.Stored{Blob: space, Layout: p.space(&p.dst)}
	if !p.same {
		p.beside(&src.Layout, &dst.Layout)
	}
	in, out := x.Src[0], x.Dst[0]
	for a, n := range p.In.Shape { // what was planned for may be a part of it
		in.Layout = in.Layout.Range(a, 0, n)
	}
	in.Layout, _ = p.three(in.Layout)
	out.Layout, _ = p.three(out.Layout)
	arena := stream.NewArena(x.Mem, p.mem())
	for _, pass := range []func(x *kernels.Exec) error{
		func(x *kernels.Exec) error { return p.toPanels(x, in, src) },
		func(x *kernels.Exec) error { return p.work(x, src, dst) },
		func(x *kernels.Exec) error { return p.fromPanels(x, dst, out) },
	} {
		arena.Reset()
		if err := pass(arena.Exec(x)); err != nil {
			return err
		}
	}
	return nil
}

// beside places one behind the other, that of larger elements first, so that both are aligned.
func (p *paneled) beside(src, dst *ndarray.Layout) {
	if dst.DType.Size() < src.DType.Size() {
		src, dst = dst, src
	}
	src.Offset = dst.Bytes()
}

// toPanels is pass 1, work pass 2, and fromPanels pass 3.
func (p *paneled) toPanels(x *kernels.Exec, in, src kernels.Stored) error {
	return p.first.Run(x, []kernels.Stored{in, src}, func(t *stream.Tile) error {
		return eachStrip(p.src.Strips(t.Arrays[1], t.Arrays[0]), func(strip, rows ndarray.Array) error { return move.Copy(x.W, strip, rows) })
	})
}

func (p *paneled) work(x *kernels.Exec, src, dst kernels.Stored) error {
	x.Src, x.Dst = []kernels.Stored{src}, []kernels.Stored{dst}
	return p.second.Run(x)
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

// Spare is plan, and otherwise where there is no temporary space for it (ENOSPC). A plan
// takes all of that before it writes anything.
func Spare(plan, otherwise *kernels.Streamed) *kernels.Streamed {
	both := *plan
	both.Mem = max(plan.Mem, otherwise.Mem)
	both.Run = func(x *kernels.Exec) error {
		refused, temp := false, x.Temp
		x.Temp = func(n int64) (kernels.Blob, error) {
			b, err := temp(n)
			refused = refused || errors.Is(err, syscall.ENOSPC)
			return b, err
		}
		err := plan.Run(x)
		if x.Temp = temp; !refused {
			return err
		}
		return otherwise.Run(x)
	}
	return &both
}
