package gemm

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// layouts are the operands of a line as they are known when it is planned.
type layouts struct {
	in  []ndarray.Layout
	out ndarray.Layout
}

func layoutsOf(c *kernels.Call, spec kernels.OutSpec) (l layouts) {
	for i := range c.In {
		l.in = append(l.in, c.In[i].Layout)
	}
	l.out = stream.Output(c, 0, spec)
	return l
}

// layoutsIn are the inputs as they lie in a streamed run.
func layoutsIn(x *kernels.Exec) (in []ndarray.Layout) {
	for i := range x.Src {
		in = append(in, x.Src[i].Layout)
	}
	return in
}

// folded is the problem with layouts in place of all arrays, as it is computed:
// with the batch folded. single: it had none to begin with.
func (r *reading) folded(l layouts) (q *Problem, single bool) {
	one := r.problem
	q = &one
	q.A.Layout, q.B.Layout = r.factors(l.in[0], l.in[1])
	q.C.Layout = r.matrices(l.out)
	q.Bias, q.Residual = r.addendOf(l.in, r.bias), r.addendOf(l.in, r.residual)
	single = q.C.Rank() == 2
	q.foldBatch()
	return q, single
}

// stream plans a gemm line whose operands stay outside memory.
func (r *reading) stream(l layouts) func(mem int64) (*kernels.Streamed, error) {
	return func(mem int64) (*kernels.Streamed, error) {
		q, single := r.folded(l)
		if q.C.Len() == 0 {
			return &kernels.Streamed{Run: func(*kernels.Exec) error { return nil }}, nil
		}
		cut, err := newCut(q, single, mem)
		if err != nil {
			return nil, err
		}
		s := cut.streamed()
		s.Run = func(x *kernels.Exec) error {
			q, _ := r.folded(layouts{layoutsIn(x), x.Dst[0].Layout})
			now, err := cut.placed(q, single, mem)
			if err != nil {
				return err
			}
			_, err = now.run(x, r.stored(q, x))
			return err
		}
		return s, nil
	}
}

// placed is the cut for operands that lie elsewhere: the same if only their places differ, else, as for a copy in C order of what
// overlaps C, one that is sought anew. What memory it takes, and whether strips have places of their own, depends on strides.
func (c *cut) placed(q *Problem, single bool, mem int64) (*cut, error) {
	if !slices.EqualFunc(c.q.strides(), q.strides(), slices.Equal) {
		return newCut(q, single, mem)
	}
	now := *c
	now.q = q
	return &now, nil
}

// strides are those of all operands.
func (q *Problem) strides() [][]int {
	out := [][]int{q.A.Strides, q.B.Strides, q.C.Strides}
	for _, a := range []*ndarray.Array{q.Bias, q.Residual} {
		if a != nil {
			out = append(out, a.Strides)
		}
	}
	return out
}

// addendOf is the layout of input i stretched to the output, as [reading.addend].
func (r *reading) addendOf(in []ndarray.Layout, i int) *ndarray.Array {
	if i < 0 {
		return nil
	}
	return &ndarray.Array{Layout: r.matrices(stretch(in[i], r.outShape))}
}

// stored are the operands as the folded problem q has them.
func (r *reading) stored(q *Problem, x *kernels.Exec) (s stored) {
	s.a = kernels.Stored{Blob: x.Src[0].Blob, Layout: q.A.Layout}
	s.b = kernels.Stored{Blob: x.Src[1].Blob, Layout: q.B.Layout}
	s.c = kernels.Stored{Blob: x.Dst[0].Blob, Layout: q.C.Layout}
	if q.Bias != nil {
		s.bias = kernels.Stored{Blob: x.Src[r.bias].Blob, Layout: q.Bias.Layout}
	}
	if q.Residual != nil {
		s.residual = kernels.Stored{Blob: x.Src[r.residual].Blob, Layout: q.Residual.Layout}
	}
	return s
}

// streamed is the plan of a cut, but for Run.
func (c *cut) streamed() *kernels.Streamed {
	return &kernels.Streamed{Mem: c.need(), Moved: c.moved(), Apart: c.apart(), Explain: c.explain()}
}

// stream plans a dot line whose operands stay outside memory.
func (d *dotLine) stream(mem int64) (*kernels.Streamed, error) {
	q := d.problem
	cut, err := newCut(&q, true, mem)
	if err != nil {
		return nil, err
	}
	s := cut.streamed()
	s.Run = func(x *kernels.Exec) error {
		from := stored{
			a: kernels.Stored{Blob: x.Src[0].Blob, Layout: insertAxis(x.Src[0].Layout, 0)},
			b: kernels.Stored{Blob: x.Src[1].Blob, Layout: insertAxis(x.Src[1].Layout, 1)},
			c: kernels.Stored{Layout: q.C.Layout},
		}
		sum, err := cut.run(x, from)
		if err != nil {
			return err
		}
		return d.tell(x, sum)
	}
	return s, nil
}

// tell gives the sum out: as an answer, or to the output.
func (d *dotLine) tell(x *kernels.Exec, sum ndarray.Array) error {
	if len(x.Dst) == 0 {
		x.Answer(scalarText(sum))
		return nil
	}
	out := x.Dst[0]
	p := stream.Sink(out, make([]byte, stream.SinkSize(out.Layout)))
	one := sum.Index(0).Index(0)
	if err := ndarray.Convert(p.Array, one); err != nil {
		return err
	}
	return p.Store(x.Ctx).Wait(x.Ctx)
}
