package fft

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// runStreamed goes through the passes.
func runStreamed[T simd.Float](s *streamed) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) error {
		arena := stream.NewArena(x.Mem, s.mem)
		src, between := x.Src[0], x.Dst[0]
		if n := s.temp(); n > 0 {
			blob, err := x.Temp(n)
			if err != nil {
				return err
			}
			between = kernels.Stored{Blob: blob, Layout: ndarray.NewLayout(s.complex, s.r.in...)}
		}
		for _, p := range s.passes {
			dst := between
			if p.last {
				dst = x.Dst[0]
			}
			arena.Reset()
			run := runPass[T]
			if p.columns() {
				run = runColumns[T]
			}
			if err := run(arena.Exec(x), s, p, src, dst); err != nil {
				return err
			}
			src = dst
		}
		return nil
	}
}

// passRun is a pass under way.
type passRun[T simd.Float] struct {
	s          *streamed
	p          *pass
	x          *kernels.Exec
	crew       *crew[T]
	src, dst   kernels.Stored
	inPlace    bool
	memIn      [2][]byte
	memOut     [3][]byte
	in, out    [3]stream.Piece
	bufA, bufB []byte
}

func runPass[T simd.Float](x *kernels.Exec, s *streamed, p *pass, src, dst kernels.Stored) error {
	in, out := p.tile()
	source, sink, inPlace := s.tileLayouts(p)
	r := &passRun[T]{s: s, p: p, x: x, src: src, dst: dst, inPlace: inPlace}
	if !inPlace {
		n := stream.SourceSize(source)
		r.memIn = [2][]byte{x.Mem.Alloc(n), x.Mem.Alloc(n)}
	}
	for i := range r.places() {
		r.memOut[i] = x.Mem.Alloc(stream.SinkSize(sink))
	}
	lengths := s.buffers(p, in, out)
	r.bufA = x.Mem.Alloc(lengths[0] * realSize[T]())
	if r.bufB = r.bufA; len(lengths) > 1 {
		r.bufB = x.Mem.Alloc(lengths[1] * realSize[T]())
	}
	r.crew = &crew[T]{w: x.W, space: spaceOf[T](x, s.need(p, in, out), s.r.threads), piece: s.r.params.Piece}
	steps := &stream.Steps{N: p.tiles(), Load: r.load, Compute: r.compute, Store: r.store}
	return steps.Run(x)
}

// places is how many tiles of output have memory.
func (r *passRun[T]) places() int {
	if r.inPlace {
		return 3
	}
	return 2
}

func (r *passRun[T]) load(f *stream.Flight, i int) []*stream.Move {
	lo, hi := r.p.box(i)
	if r.inPlace {
		at := i % 3
		r.out[at] = stream.Sink(kernels.Stored{Blob: r.dst.Blob, Layout: r.p.sink(r.dst.Layout, lo, hi)}, r.memOut[at])
		r.in[at] = r.out[at]
		return []*stream.Move{f.Load(&r.in[at])}
	}
	r.in[i%2] = stream.Source(kernels.Stored{Blob: r.src.Blob, Layout: r.p.source(r.src.Layout, lo, hi)}, r.memIn[i%2])
	return []*stream.Move{f.Load(&r.in[i%2])}
}

func (r *passRun[T]) store(f *stream.Flight, i int) []*stream.Move {
	return []*stream.Move{f.Store(&r.out[i%r.places()])}
}

// compute does tile i: in from the piece that was read, the axes, out to the
// piece that will be written.
func (r *passRun[T]) compute(i int) error {
	p, s := r.p, r.s
	lo, hi := p.box(i)
	at := i % r.places()
	if !r.inPlace {
		r.out[at] = stream.Sink(kernels.Stored{Blob: r.dst.Blob, Layout: p.sink(r.dst.Layout, lo, hi)}, r.memOut[at])
	}
	in, out := make([]int, len(lo)), make([]int, len(lo))
	for a := range lo {
		in[a], out[a] = hi[a]-lo[a], hi[a]-lo[a]
	}
	for _, a := range p.axes {
		in[a], out[a] = p.in[a], p.out[a]
	}
	a := arrayIn(r.bufA, s.endType(!p.real || s.r.inv), in)
	if err := p.fetch(r.x.W, a, r.in[at].Array); err != nil {
		return err
	}
	b := arrayIn(r.bufB, s.endType(!p.real || !s.r.inv), out)
	if err := r.axes(reals[T](b), reals[T](a), in, out); err != nil {
		return err
	}
	if p.to != nil {
		return p.to.write(r.x.W, r.out[at].Array, b)
	}
	return convert(r.x.W, r.out[at].Array, b)
}

// fetch copies a tile that was read to where it is computed.
func (p *pass) fetch(w *pool.Worker, dst, tile ndarray.Array) error {
	if p.from != nil {
		return p.from.read(w, dst, tile)
	}
	return load(w, dst, tile)
}

// endType is the type in which a tile is computed.
func (s *streamed) endType(complexes bool) ndarray.DType {
	if complexes {
		return s.complex
	}
	return s.r.prec
}

// arrayIn is a C-ordered array in a buffer.
func arrayIn(buf []byte, d ndarray.DType, shape []int) ndarray.Array {
	return ndarray.Array{Layout: ndarray.NewLayout(d, shape...), Data: buf}
}

// axes transforms a tile from src to dst, which are the same but for the real
// axis.
func (r *passRun[T]) axes(dst, src []T, in, out []int) error {
	s, p, q := r.s, r.p, r.s.r
	for i, a := range p.axes {
		final := p.final && i == len(p.axes)-1
		if p.real && a == q.axes[len(q.axes)-1] {
			if err := alongReal(r.crew, s.tileRequest(in, out), a, dst, src); err != nil {
				return err
			}
			continue
		}
		dir, shape, x := forward[T](), out, dst
		if q.inv {
			dir, shape, x = inverse(T(1)), in, src
			if final {
				dir = inverse(T(q.scale))
			}
		}
		if err := alongBy(r.crew, x, x, shape, a, dir, false, s.way(p, a)); err != nil {
			return err
		}
	}
	if p.final && !q.inv {
		return scaleAll(r.crew, dst, T(q.scale))
	}
	return nil
}
