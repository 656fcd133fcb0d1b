package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// A convolution of arrays that stay outside memory goes over the result tile by
// tile, with h, and its spectrum, in memory. A tile of direct sums reads the part
// of x that h reaches from it. Overlap-save takes whole blocks, the same as in
// core. Each number is computed as in core, so the bits are the same. One transform of
// all that does not fit is in stream_conv_whole.go.

// convStream is a convolution's tiles.
type convStream struct {
	*convolution
	t    *stream.Tiling
	h    ndarray.Layout
	mem  int64 // of h, and of what the sums need beside the tiles
	x, y int   // reals of the largest tile of x, and of the result
}

// stream plans a run that takes at most mem bytes.
func (v *convolution) stream(x, h, out ndarray.Layout, mem int64) (*kernels.Streamed, error) {
	return pack.FirstOf(mem,
		func(mem int64) (*kernels.Streamed, error) { return v.tiled(x, h, out, mem) },
		func(mem int64) (*kernels.Streamed, error) { return v.whole(x, h, out, mem) })
}

// tiled is a plan with h in memory.
func (v *convolution) tiled(x, h, out ndarray.Layout, mem int64) (*kernels.Streamed, error) {
	s := &convStream{convolution: v, h: h}
	s.mem = s.fixed()
	shape, ops := v.tiling(x, out)
	var err error
	s.t, err = stream.NewTiling(shape, ops, mem-s.mem, stream.Cuts{Scratch: s.copies})
	if err != nil {
		return nil, pack.Beside(err, s.mem)
	}
	s.x, s.y = s.tileReals(s.t.Extents)
	run := runConvTiles[float64](s)
	if v.prec == ndarray.F32 {
		run = runConvTiles[float32](s)
	}
	plan := s.t.Streamed(run)
	plan.Mem += s.mem
	read, _ := stream.SourceTraffic(h)
	plan.Moved += read
	if v.method != "direct" {
		plan.Explain[0].Term = "tile_blocks" // a tile is so many of them
		plan.Explain = append(plan.Explain, kernels.Entry{Term: "block", Text: itoa(v.block)})
	}
	return plan, nil
}

// tiling is what is cut, and what a tile has of x and of the result: boxes of the
// result, or blocks along the axis of overlap-save.
func (v *convolution) tiling(x, out ndarray.Layout) (shape []int, ops []stream.Operand) {
	from, to := stream.Operand{Layout: x, Load: true}, stream.Operand{Layout: out, Store: true}
	for i, n := range v.x {
		a, b := stream.Whole(n), stream.Whole(v.out[i])
		switch {
		case v.method == "direct":
			a = stream.Reach{Axis: i, Step: 1, From: v.start[i] - v.h[i] + 1, To: v.start[i] + 1}
			b = stream.Reach{Axis: i, Step: 1, To: 1}
		case i == v.ax:
			a = stream.Reach{Step: v.block, From: 1 - v.h[i], To: v.block}
			b = stream.Reach{Step: v.block, From: -v.start[i], To: v.block - v.start[i]}
		}
		from.Reach, to.Reach = append(from.Reach, a), append(to.Reach, b)
	}
	if v.method == "direct" {
		return v.out, []stream.Operand{from, to}
	}
	return []int{v.blocks()}, []stream.Operand{from, to}
}

// fixed is the bytes of h, its copy, and what the sums need.
func (s *convStream) fixed() int64 {
	size := s.prec.Size()
	total := stream.Padded(stream.SourceSize(s.h)) + stream.Padded(s.unit()*product(s.convolution.h)*size)
	need := s.directNeed()
	if size = 8; s.method != "direct" {
		size, need = s.prec.Size(), s.spectralNeed()
		total += 2*stream.Padded(s.specReals()*size) + stream.Padded(s.padReals()*size)
	}
	return int64(total + stream.Padded(need.alone*size) + s.threads*stream.Padded(need.task*size))
}

// tileReals is the reals of x and of the result of the largest tile.
func (s *convStream) tileReals(extents []int) (x, y int) {
	x, y = s.unit(), s.unit()
	for i, n := range s.convolution.x {
		switch {
		case s.method == "direct":
			x *= min(n, extents[i]+s.convolution.h[i]-1)
			y *= extents[i]
		case i == s.ax:
			x *= min(n, extents[0]*s.block+s.convolution.h[i]-1)
			y *= min(s.out[i], extents[0]*s.block)
		default:
			x, y = x*n, y*s.out[i]
		}
	}
	return x, y
}

// copies is the bytes of what a tile is converted from and to.
func (s *convStream) copies(extents []int) int64 {
	x, y := s.tileReals(extents)
	return int64(stream.Padded(x*s.prec.Size()) + stream.Padded(y*s.prec.Size()))
}

// convTiles is a run.
type convTiles[T simd.Float] struct {
	*convStream
	exec     *kernels.Exec
	x, y     []byte // copies of a tile
	h        []T
	sums     *crew[float64] // direct
	spectral *spectral[T]
}

func runConvTiles[T simd.Float](s *convStream) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) error {
		a := stream.NewArena(x.Mem, s.t.Mem+s.mem)
		r := &convTiles[T]{convStream: s, exec: a.Exec(x)}
		if err := r.load(x.Src[1]); err != nil {
			return err
		}
		r.x, r.y = a.Alloc(s.x*realSize[T]()), a.Alloc(s.y*realSize[T]())
		body := r.blocks
		if s.method == "direct" {
			body = r.direct
		}
		return s.t.Run(r.exec, []kernels.Stored{x.Src[0], x.Dst[0]}, body)
	}
}

// load reads h and makes ready what the tiles have in common.
func (r *convTiles[T]) load(h kernels.Stored) (err error) {
	f := stream.NewFlight(r.exec)
	defer func() { err = f.End(err) }()
	p := stream.Source(h, r.exec.Mem.Alloc(stream.SourceSize(h.Layout)))
	if err = f.Load(&p).Wait(); err != nil {
		return err
	}
	if r.h, err = kernelOf[T](r.exec, p.Array, r.convolution); err != nil {
		return err
	}
	if r.method == "direct" {
		r.sums = r.directCrew(r.exec)
		return nil
	}
	r.spectral, err = newSpectral(r.exec, r.convolution, r.h)
	return err
}

// tile is the convolution of a tile, its part of x, and where its result is
// computed.
func (r *convTiles[T]) tile(x, out ndarray.Array) (v *convolution, xs, ys []T, err error) {
	own := *r.convolution
	own.x, own.out, own.start = x.Shape, out.Shape, slices.Clone(own.start)
	if !isDirect[T](x, own.complex) {
		c := arrayIn(r.x, r.dtype(), x.Shape)
		if err := convert(r.exec.W, c, x); err != nil {
			return nil, nil, nil, err
		}
		x = c
	}
	if !isDirect[T](out, own.complex) {
		out = arrayIn(r.y, r.dtype(), out.Shape)
	}
	return &own, reals[T](x), reals[T](out), nil
}

// dtype is the type in which x and the result are computed with.
func (v *convolution) dtype() ndarray.DType {
	if v.complex {
		return complexOf(v.prec)
	}
	return v.prec
}

// finish stores a result that was not computed where it lies.
func (r *convTiles[T]) finish(out ndarray.Array) error {
	if isDirect[T](out, r.complex) {
		return nil
	}
	return convert(r.exec.W, out, arrayIn(r.y, r.dtype(), out.Shape))
}

// direct sums a tile.
func (r *convTiles[T]) direct(t *stream.Tile) error {
	v, xs, ys, err := r.tile(t.Arrays[0], t.Arrays[1])
	if err != nil {
		return err
	}
	for i, lo := range t.Lo {
		first := v.start[i] + lo
		v.start[i] = first - max(0, first-v.h[i]+1) // counted from the part of x
	}
	if err := sumDirect(r.sums, v, ys, xs, r.h); err != nil {
		return err
	}
	return r.finish(t.Arrays[1])
}

// blocks computes a tile of blocks.
func (r *convTiles[T]) blocks(t *stream.Tile) error {
	v, xs, ys, err := r.tile(t.Arrays[0], t.Arrays[1])
	if err != nil || len(ys) == 0 {
		return err
	}
	first := t.Lo[0] * v.block
	v.start[v.ax] = max(first, v.start[v.ax])
	s := *r.spectral
	s.v, s.x, s.dst, s.origin = v, xs, ys, max(0, first-v.h[v.ax]+1)
	if err := s.blocks(t.Lo[0], t.Hi[0]); err != nil {
		return err
	}
	return r.finish(t.Arrays[1])
}
