package order

import (
	"fmt"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/stream"
)

// panels is a plan by way of panels within mem bytes, if rows lie across the file
// and that costs less than otherwise; else otherwise.
func (s *sorting) panels(mem int64, otherwise *kernels.Streamed) *kernels.Streamed {
	along := pack.Along{In: s.c.In[0].Layout, Out: stream.Output(s.c, 0, s.out), Axis: s.axis, Apart: s.index}
	along.Work = func(in, out ndarray.Layout, same bool) (*kernels.Streamed, error) {
		return s.inPanels(in, out, same, mem)
	}
	return along.ByPanels(mem, otherwise)
}

// inPanels plans the sort of panels, as many as a tile has. The columns in excess of a
// last panel are sorted with the others. Rows of panels never lie as Go slices, so they
// are sorted in a copy, and the result may take their place.
func (s *sorting) inPanels(in, out ndarray.Layout, same bool, mem int64) (*kernels.Streamed, error) {
	rows := func(extents []int) rowPlan {
		a, b := in, out
		a.Shape = []int{extents[0], extents[1], in.Shape[2], in.Shape[3]}
		b.Shape = []int{extents[0], extents[1], out.Shape[2], out.Shape[3]}
		return newRowPlan(s.c, pack.Panel, s.perLane, s.block, a, b)
	}
	scratch := func(extents []int) int64 {
		r := rows(extents)
		return r.scratch() + int64((r.lanes+2)*padding)
	}
	t, err := stream.NewTiling(in.Shape[:2], panelOperands(in, out, same), mem, stream.Cuts{Scratch: scratch})
	if err != nil {
		return nil, err
	}
	p := t.Streamed(func(x *kernels.Exec) error {
		r := rows(t.Extents).open(x.Mem)
		return t.Run(x, []kernels.Stored{x.Src[0], x.Dst[0]}[:t.Operands()], func(tile *stream.Tile) error {
			return r.run(x.W, tile.Arrays[len(tile.Arrays)-1], tile.Arrays[0], s.fn)
		})
	})
	p.Explain = []kernels.Entry{
		{Term: "tile", Text: fmt.Sprintf("%dx%d, by way of temporary space", in.Shape[2], in.Shape[3]*t.Extents[1])},
		{Term: "tiles", Text: fmt.Sprint(t.Tiles())}, stream.Passes(3),
	}
	return p, nil
}

// panelOperands are whole panels that are sorted where they lie, or from in to out.
func panelOperands(in, out ndarray.Layout, same bool) []stream.Operand {
	reach := func(l ndarray.Layout) []stream.Reach {
		return []stream.Reach{{Axis: 0, Step: 1, To: 1}, {Axis: 1, Step: 1, To: 1}, stream.Whole(l.Shape[2]), stream.Whole(l.Shape[3])}
	}
	from := stream.Operand{Layout: in, Load: true, Store: same, Reach: reach(in)}
	if same {
		return []stream.Operand{from}
	}
	return []stream.Operand{from, {Layout: out, Store: true, Reach: reach(out)}}
}

// padding is the most that [stream.Padded] adds to a piece.
const padding = 4096
