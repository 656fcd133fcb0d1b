package fft

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// lineRun is a run: the passes and what they go over.
type lineRun[T simd.Float] struct {
	l                         lineStream
	src, dst, between, strips kernels.Stored
}

func runLine[T simd.Float](l *lineStream) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) (err error) {
		r := &lineRun[T]{
			l:       *l,
			src:     kernels.Stored{Blob: x.Src[0].Blob, Layout: asMatrix(x.Src[0].Layout, l.n1, l.n2)},
			dst:     kernels.Stored{Blob: x.Dst[0].Blob, Layout: asMatrix(x.Dst[0].Layout, l.n2, l.n1)},
			between: kernels.Stored{Layout: l.between()},
		}
		r.l.src, r.l.dst = r.src.Layout, r.dst.Layout // where they lie is known now
		if r.between.Blob, err = x.Temp(int64(r.between.Layout.Bytes())); err != nil {
			return err
		}
		if n := l.panelBytes(); n > 0 {
			if r.strips.Blob, err = x.Temp(n); err != nil {
				return err
			}
		}
		arena := stream.NewArena(x.Mem, l.mem)
		for _, pass := range []func(x *kernels.Exec) error{r.copyIn, r.columns, r.rows, r.copyOut} {
			arena.Reset()
			if err := pass(arena.Exec(x)); err != nil {
				return err
			}
		}
		return nil
	}
}

// copyIn copies the line to its panels, if there are any; copyOut copies the
// result from its.
func (r *lineRun[T]) copyIn(x *kernels.Exec) error {
	if r.l.from == nil {
		return nil
	}
	return runPass[T](x, r.l.matrices(), r.l.copies[0], r.src, r.strips)
}

func (r *lineRun[T]) copyOut(x *kernels.Exec) error {
	if r.l.to == nil {
		return nil
	}
	return runPass[T](x, r.l.matrices(), r.l.copies[1], r.strips, r.dst)
}

// columns is the first sweep.
func (r *lineRun[T]) columns(x *kernels.Exec) error {
	l, from := &r.l, r.src.Blob
	if l.from != nil {
		from = r.strips.Blob
	}
	p := &linePass[T]{l: l,
		source: func(i int) kernels.Stored {
			return kernels.Stored{Blob: from, Layout: l.columnTile(i*l.cols, min((i+1)*l.cols, l.n2))}
		},
		sink: func(i int) kernels.Stored { return stream.Range(r.between, 1, i*l.cols, min((i+1)*l.cols, l.n2)) },
	}
	return p.run(x, tilesOf(l.n2, l.cols), l.bufferReals(l.from, l.n1*l.cols), p.columns)
}

// rows is the second sweep.
func (r *lineRun[T]) rows(x *kernels.Exec) error {
	l, to := &r.l, r.dst.Blob
	if l.to != nil {
		to = r.strips.Blob
	}
	k := l.blocks * l.m.w
	p := &linePass[T]{l: l,
		source: func(i int) kernels.Stored {
			return stream.Range(r.between, 0, i*l.blocks, min((i+1)*l.blocks, tilesOf(l.n1, l.m.w)))
		},
		sink: func(i int) kernels.Stored {
			return kernels.Stored{Blob: to, Layout: l.resultTile(i*k, min((i+1)*k, l.n1))}
		},
	}
	return p.run(x, tilesOf(l.n1, k), l.bufferReals(l.to, l.n2*min(k, l.n1)), p.rows)
}

// linePass is one of the sweeps under way.
type linePass[T simd.Float] struct {
	l            *lineStream
	x            *kernels.Exec
	crew         *crew[T]
	two          twoStep[T] // with the places of a tile
	dir          *direction[T]
	buf          []byte
	source, sink func(i int) kernels.Stored // of tile i; the first is as large as any
	memIn        [2][]byte
	memOut       [2][]byte
	in, out      [2]stream.Piece
}

// run goes over the tiles, with a buffer of so many reals.
func (p *linePass[T]) run(x *kernels.Exec, tiles, buffer int, compute func(i int, in, out ndarray.Array) error) error {
	l, k := p.l, simd.FFT[T]()
	two, err := plannedSweeps(x.W, k, l.n1, l.n2)
	if err != nil {
		return err
	}
	p.x, p.two, p.dir = x, *two, forward[T]()
	p.two.v1, p.two.v2, p.two.step, p.two.tile = 1, 1, 2*l.m.w, l.tileReals() // in core blocks may be of several vectors
	if l.r.inv {
		p.dir = inverse(T(l.r.scale))
	}
	for i := range 2 {
		p.memIn[i] = x.Mem.Alloc(stream.SourceSize(p.source(0).Layout))
		p.memOut[i] = x.Mem.Alloc(stream.SinkSize(p.sink(0).Layout))
	}
	if buffer > 0 {
		p.buf = x.Mem.Alloc(buffer * realSize[T]())
	}
	p.crew = &crew[T]{w: x.W, space: spaceOf[T](x, need{task: l.taskReals()}, l.r.threads), piece: l.r.params.Piece}
	steps := &stream.Steps{N: tiles,
		Load: func(f *stream.Flight, i int) []*stream.Move {
			p.in[i%2] = stream.Source(p.source(i), p.memIn[i%2])
			return []*stream.Move{f.Load(&p.in[i%2])}
		},
		Compute: func(i int) error {
			p.out[i%2] = stream.Sink(p.sink(i), p.memOut[i%2])
			return compute(i, p.in[i%2].Array, p.out[i%2].Array)
		},
		Store: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Store(&p.out[i%2])} },
	}
	return steps.Run(x)
}

// columns is the first sweep over the columns of tile i.
func (p *linePass[T]) columns(i int, in, out ndarray.Array) error {
	w, cols, from := p.l.m.w, out.Shape[1], in
	if p.l.from != nil { // a panel is used where it lies, all its columns or not
		from = in.Index(0)
	} else {
		from = arrayIn(p.buf, p.l.complex, in.Shape)
		if err := convert(p.x.W, from, in); err != nil {
			return err
		}
	}
	p.two.pitchIn, p.two.between = 2*from.Shape[1], out.Strides[0]/realSize[T]()
	src, to, first := reals[T](from), flat[T](out), i*p.l.cols/w
	return p.crew.tasks(cols/w, p.crew.grain(2*w*p.l.n1), p.l.taskReals(), func(lo, hi int, tiles []T) {
		for i := lo; i < hi; i++ {
			p.two.columnBlock(to, src, first+i, i*w, p.dir, tiles)
		}
		if hi == cols/w && cols%w != 0 { // after the one that it overlaps
			p.two.columnBlock(to, src, first+hi, cols-w, p.dir, tiles)
		}
	})
}

// rows is the second sweep over the blocks of k1 of a tile.
func (p *linePass[T]) rows(i int, in, out ndarray.Array) error {
	w, dst, first := p.l.m.w, out, i*p.l.blocks*p.l.m.w
	cols := min(first+p.l.blocks*w, p.l.n1) - first
	if p.l.to != nil {
		dst = out.Index(0)
	} else {
		dst = arrayIn(p.buf, p.l.complex, out.Shape)
	}
	p.two.pitchOut = 2 * dst.Shape[1]
	from, to, next := flat[T](in), reals[T](dst), in.Strides[0]/realSize[T]()
	err := p.crew.tasks(cols/w, p.crew.grain(2*w*p.l.n2), p.l.taskReals(), func(lo, hi int, tiles []T) {
		for i := lo; i < hi; i++ {
			p.two.rowBlock(to, from[i*next:], 0, i*w, p.dir, tiles)
		}
		if hi == cols/w && cols%w != 0 {
			p.two.rowBlock(to, from[hi*next:], 0, cols-w, p.dir, tiles)
		}
	})
	if err != nil {
		return err
	}
	if !p.l.r.inv {
		if err := scaleAll(p.crew, to, T(p.l.r.scale)); err != nil {
			return err
		}
	}
	if p.l.to != nil {
		return nil
	}
	return convert(p.x.W, out, dst)
}

// flat is the memory of a piece of the temporary space. Blocks may be apart;
// the vectors of a block lie together.
func flat[T simd.Float](a ndarray.Array) []T {
	l := ndarray.NewLayout(realType[T](), a.Strides[0]/realSize[T]()*(a.Shape[0]-1)+a.Shape[1]*a.Shape[2])
	l.Offset = a.Offset
	return ndarray.Slice[T](ndarray.Array{Layout: l, Data: a.Data})
}
