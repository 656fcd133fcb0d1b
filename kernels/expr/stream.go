package expr

import (
	"errors"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// streamed is a map over operands outside memory: each program goes over the
// tiles of its shape. Several programs share the memory equally, since what one
// of them took is not given back.
type streamed struct {
	progs   []*program
	tilings []*stream.Tiling
	frame   int // bytes of a frame
	workers int
}

// planStream plans a streamed run within mem bytes, frames included. The error
// is a *stream.NoMemError that tells what all programs together need.
func planStream(c *kernels.Call, p *kernels.Plan, progs []*program, mem int64) (*kernels.Streamed, error) {
	s := &streamed{progs: progs}
	s.frame, s.workers = frames(c, progs)
	out := &kernels.Streamed{Run: s.run}
	lanes, n := int64(s.workers*s.frame), int64(len(progs))
	var short *stream.NoMemError
	for _, prog := range progs {
		ops, err := prog.operands(c, p)
		if err != nil {
			return nil, err
		}
		t, err := stream.NewTiling(prog.shape, ops, (mem-lanes)/n, stream.Cuts{})
		if e := (*stream.NoMemError)(nil); errors.As(err, &e) {
			if short == nil || n*e.Least+lanes > short.Least {
				short = &stream.NoMemError{Least: n*e.Least + lanes, Have: mem}
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		s.tilings = append(s.tilings, t)
		out.Mem += t.Mem
		out.Moved += t.Moved()
		out.Apart += t.Apart()
		out.Explain = append(out.Explain, t.Explain()...)
	}
	if short != nil {
		return nil, short
	}
	out.Mem += lanes
	return out, nil
}

// operands are the inputs and outputs of a program as a tiling has them.
func (p *program) operands(c *kernels.Call, plan *kernels.Plan) ([]stream.Operand, error) {
	var ops []stream.Operand
	for _, in := range p.inputs {
		l, err := c.In[in.in].Layout.Broadcast(p.shape)
		if err != nil {
			return nil, err
		}
		ops = append(ops, stream.Operand{Layout: l, Load: true})
	}
	for _, o := range p.outputs {
		ops = append(ops, stream.Operand{Layout: stream.Output(c, o.out, plan.Out[o.out]), Store: true})
	}
	return ops, nil
}

// run goes through the programs in turn: each reads its inputs from the start.
func (s *streamed) run(x *kernels.Exec) error {
	lanes := scratch.NewLanes(x.Mem, s.frame, s.workers)
	for i, p := range s.progs {
		if err := p.stream(x, s.tilings[i], lanes); err != nil {
			return err
		}
	}
	return nil
}

// stream computes the program's outputs tile by tile.
func (p *program) stream(x *kernels.Exec, t *stream.Tiling, lanes *scratch.Lanes) error {
	var stored []kernels.Stored
	for _, i := range p.inputs {
		s, err := stream.Broadcast(x.Src[i.in], p.shape)
		if err != nil {
			return err
		}
		stored = append(stored, s)
	}
	for _, o := range p.outputs {
		stored = append(stored, x.Dst[o.out])
	}
	in, out := make([]ndarray.Array, len(x.Src)), make([]ndarray.Array, len(x.Dst))
	return t.Run(x, stored, func(tile *stream.Tile) error {
		for k, i := range p.inputs {
			in[i.in] = tile.Arrays[k]
		}
		for k, o := range p.outputs {
			out[o.out] = tile.Arrays[len(p.inputs)+k]
		}
		return p.execute(x.W, out[p.outputs[0].out].Shape, in, out, lanes)
	})
}
