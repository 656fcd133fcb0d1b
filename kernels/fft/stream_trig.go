package fft

import (
	"fmt"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// A cosine or sine transform of an array outside memory is a pass an axis, the
// last one first, as in core: the first from the input to the output, the others
// over the output. A tile has whole lines; a line that does not fit is cut
// (stream_trig_line.go).

// trigStream plans the passes of a request.
type trigStream struct{ *trigRequest }

// stream plans a run that takes at most mem bytes.
func (r *trigRequest) stream(in, out ndarray.Layout, mem int64) (*kernels.Streamed, error) {
	if product(r.shape) == 0 {
		return nothing(), nil
	}
	s := &trigStream{r}
	plan, err := s.chained(in, out, mem, s.whole)
	if err != nil {
		return nil, err
	}
	if paneled, err := s.chained(in, out, mem, s.paneled); err == nil && paneled.Temp > plan.Temp {
		plan = pack.Spare(paneled, plan)
	}
	return plan, nil
}

// chained is a phase an axis, of whole lines or of those that are cut.
func (s *trigStream) chained(in, out ndarray.Layout, mem int64, whole func(in, out ndarray.Layout, i int, mem int64) (*kernels.Streamed, error)) (*kernels.Streamed, error) {
	c, from := newChain(mem, out, in), source
	for i := len(s.axes) - 1; i >= 0; i-- {
		plan, err := pack.FirstOf(mem,
			func(mem int64) (*kernels.Streamed, error) { return whole(c.layout(from), out, i, mem) },
			func(mem int64) (*kernels.Streamed, error) { return s.lines(c.layout(from), out, i, mem) })
		c.add(plan, err, result, from)
		from = result
	}
	return c.streamed()
}

// whole is a pass over whole lines along axis i of the request's.
func (s *trigStream) whole(in, out ndarray.Layout, i int, mem int64) (*kernels.Streamed, error) {
	return s.pass(in, out, i, s.axes[i], i < len(s.axes)-1, mem)
}

// paneled is the same by way of panels, if that costs less.
func (s *trigStream) paneled(in, out ndarray.Layout, i int, mem int64) (*kernels.Streamed, error) {
	plan, err := s.whole(in, out, i, mem)
	if err != nil {
		return nil, err
	}
	along := pack.Along{In: tileLayout(in, s.shape), Out: out, Axis: s.axes[i]}
	along.Work = func(in, out ndarray.Layout, same bool) (*kernels.Streamed, error) {
		q := *s.trigRequest
		q.shape = slices.Clone(out.Shape)
		q.shape[pack.Panel] = s.shape[s.axes[i]]
		p, err := (&trigStream{&q}).pass(in, out, i, pack.Panel, same, mem)
		return withCopies(p), err
	}
	return along.ByPanels(mem, plan), nil
}

// pass is a pass over whole lines along an axis, by axis i of the request's; with same
// the numbers are changed where they are.
func (s *trigStream) pass(in, out ndarray.Layout, i, ax int, same bool, mem int64) (*kernels.Streamed, error) {
	t, err := s.tiling(in, out, ax, same, mem)
	if err != nil {
		return nil, err
	}
	plan := t.Streamed(nil)
	plan.Explain = []kernels.Entry{{Term: "pass1", Text: fmt.Sprintf("axes %d, %d tiles of %s", s.axes[i], t.Tiles(), ndarray.ShapeString(t.Extents))}}
	run := runTrigPass[float64]
	if s.prec == ndarray.F32 {
		run = runTrigPass[float32]
	}
	plan.Run = func(x *kernels.Exec) error {
		return run(x, s, t, i, ax, []kernels.Stored{x.Dst[0], x.Src[0]})
	}
	return plan, nil
}

// tiling is the tiles for an axis: what it reads and writes, or what it changes.
func (s *trigStream) tiling(in, out ndarray.Layout, ax int, same bool, mem int64) (*stream.Tiling, error) {
	cuts := stream.Cuts{Whole: make([]bool, len(s.shape)), Scratch: func(extents []int) int64 { return s.scratch(extents, ax) }}
	cuts.Whole[ax] = true
	ops := []stream.Operand{{Layout: out, Load: true, Store: true}}
	if !same {
		from := stream.Operand{Layout: in, Load: true}
		for a, n := range s.shape {
			if a == ax {
				from.Reach = append(from.Reach, stream.Whole(n))
			} else {
				from.Reach = append(from.Reach, stream.Reach{Axis: a, Step: 1, To: 1})
			}
		}
		ops = []stream.Operand{{Layout: out, Store: true}, from}
	}
	return stream.NewTiling(s.shape, ops, mem, cuts)
}

// tile is the request for a tile.
func (s *trigStream) tile(extents []int) *trigRequest {
	q := *s.trigRequest
	q.shape = extents
	return &q
}

// lineNeed is the scratch of a tile, or a smaller one, which may be a line.
func (s *trigStream) lineNeed(extents []int, ax int) need {
	m := machineFor(s.prec)
	g := s.tile(extents).geometry(m, ax)
	return g.need(m.size).or(g.line)
}

// scratch is the bytes of the buffer in which a tile is computed, and what its
// lines need.
func (s *trigStream) scratch(extents []int, ax int) int64 {
	size, n := s.prec.Size(), s.lineNeed(extents, ax)
	return int64(stream.Padded(s.unit*product(extents)*size) + stream.Padded(n.alone*size) + s.threads*stream.Padded(n.task*size))
}

// runTrigPass transforms along an axis, by axis i of the request's. stored are the output, and
// the input, for the pass that reads it.
func runTrigPass[T simd.Float](x *kernels.Exec, s *trigStream, t *stream.Tiling, i, ax int, stored []kernels.Stored) error {
	k := simd.FFT[T]()
	line, err := newTrig(x.W, k, s.shape[ax], s.kind, s.sine, s.ortho, s.scale[i])
	if err != nil {
		return err
	}
	c := &crew[T]{w: x.W, space: spaceOf[T](x, s.lineNeed(t.Extents, ax), s.threads)}
	whole := borrow[T](x, []int{product(t.Extents)}, s.unit == 2)
	return t.Run(x, stored[:min(len(stored), t.Operands())], func(tile *stream.Tile) error {
		out := tile.Arrays[0]
		buf := arrayIn(whole.Data, whole.DType, slices.Clone(out.Shape))
		if err := load(x.W, buf, tile.Arrays[len(tile.Arrays)-1]); err != nil {
			return err
		}
		z := reals[T](buf)
		axis := realAxis[T]{
			realGeometry: s.tile(out.Shape).geometry(machineOf(k), ax), dst: z, src: z,
			fn: func(c *crew[T], out, in, scratch []T) error { return line.run(c, k, out, in, scratch) },
		}
		if err := axis.run(c); err != nil {
			return err
		}
		return convert(x.W, out, buf)
	})
}
