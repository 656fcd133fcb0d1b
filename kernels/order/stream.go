package order

import (
	"vgpu/kernels"
	"vgpu/kernels/pack"
	"vgpu/kernels/stream"
)

// sorting is a sort or an argsort along an axis, of an array outside memory.
type sorting struct {
	c          *kernels.Call
	out        kernels.OutSpec
	axis       int
	perLane    int  // bytes of scratch of a row, or block of rows
	block      bool // fn works on blocks of rows
	index      bool
	descending bool
	fn         rowFunc
}

// stream plans a run within mem bytes: rows that fit into memory by the tile, as
// in core; longer ones one by one (see [external]); those that lie across the file
// by way of panels, if that costs less.
func (s *sorting) stream(mem int64) (*kernels.Streamed, error) {
	p, err := pack.FirstOf(mem, s.tiles, s.external)
	if err != nil {
		return nil, err
	}
	return s.panels(mem, p), nil
}

// tiles plans tiles of whole rows. Offsets are left out of the layouts, since
// those of outputs are known only when it runs, and scratch must not depend on
// it.
func (s *sorting) tiles(mem int64) (*kernels.Streamed, error) {
	in, out := s.c.In[0].Layout, stream.Output(s.c, 0, s.out)
	in.Offset, out.Offset = 0, 0
	rows := func(extents []int) rowPlan {
		a, b := in, out
		a.Shape, b.Shape = extents, extents
		return newRowPlan(s.c, s.axis, s.perLane, s.block, a, b)
	}
	whole := make([]bool, in.Rank())
	whole[s.axis] = true
	t, err := stream.NewTiling(in.Shape, []stream.Operand{{Layout: in, Load: true}, {Layout: out, Store: true}}, mem, stream.Cuts{
		Whole: whole, Scratch: func(extents []int) int64 { return rows(extents).scratch() },
	})
	if err != nil {
		return nil, err
	}
	return t.Streamed(func(x *kernels.Exec) error {
		r := rows(t.Extents).open(x.Mem)
		return t.Run(x, []kernels.Stored{x.Src[0], x.Dst[0]}, func(tile *stream.Tile) error {
			return r.run(x.W, tile.Arrays[1], tile.Arrays[0], s.fn)
		})
	}), nil
}
