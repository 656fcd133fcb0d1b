package fft

import (
	"fmt"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// A real line of even length is, as in core, half as many complex points
// ([lineStream]) and a pass over pairs of numbers k and h-k, from both ends to the
// middle. One of odd length is a complex line.

// realStream is the pass over pairs of a single real line.
type realStream struct {
	*streamed
	n, h  int
	pairs int // of a tile
	mem   int64
}

// pairUnit is what the pairs of a tile are multiples of: so many do not change
// where the vectors of [simd.FFTKernels].Unpack are cut.
const pairUnit = 4096

// evenLine appends the passes of a real line of an even number of points. It is
// copied first if it is not n numbers of the transform's type that lie together; or
// its result last.
func evenLine[T simd.Float](c *chain, s *streamed) {
	l := &realStream{streamed: s, n: s.r.shape[0], h: s.r.shape[0] / 2}
	z, far := c.temp(s.complex, l.h), source
	if s.r.inv {
		far = result
	}
	near, direct := far, l.asPoints(c.layout(far))
	if !direct {
		near = c.temp(s.r.prec, l.n)
	}
	if s.r.inv {
		addPairs[T](c, l, z, source)
		complexLine[T](c, s, near.seen(l.points), z, l.h, true, s.r.scale)
		if !direct {
			c.copy("a copy", far, near)
		}
		return
	}
	if !direct {
		c.copy("a copy", near, far)
	}
	complexLine[T](c, s, z, near.seen(l.points), l.h, false, 1)
	addPairs[T](c, l, result, z)
}

// asPoints tells whether two neighbours of a real line are a complex number.
func (l *realStream) asPoints(end ndarray.Layout) bool {
	return end.DType == l.r.prec && !end.Swapped && end.Shape[0] == l.n && end.Strides[0] == l.r.prec.Size()
}

// points sees them so.
func (l *realStream) points(end ndarray.Layout) ndarray.Layout {
	p := ndarray.NewLayout(l.complex, l.h)
	p.Offset = end.Offset
	return p
}

// addPairs appends the pass over pairs, as many at a time as memory allows.
func addPairs[T simd.Float](c *chain, l *realStream, to, from end) {
	l.pairs = min(pairUnit, roundUp(l.h/2+1, 2))
	if l.mem = l.pairMem(); l.mem > c.mem {
		c.refused = append(c.refused, &stream.NoMemError{Least: l.mem, Have: c.mem})
		return
	}
	for l.pairs <= l.h/2 {
		was := l.pairs
		l.pairs *= 2
		need := l.pairMem()
		if need > c.mem {
			l.pairs = was
			break
		}
		l.mem = need
	}
	read, _ := stream.SourceTraffic(c.layout(from))
	wrote, _ := stream.SinkTraffic(c.layout(to))
	c.phases = append(c.phases, phase{
		ends: []end{to, from}, mem: l.mem, moved: read + wrote, texts: []string{fmt.Sprintf("pairs, %d tiles of %d", l.tiles(), l.pairs)},
		run: func(x *kernels.Exec, at []kernels.Stored) error { return runPairs[T](x, l, at[1], at[0]) },
	})
}

// rooms are the bytes of a tile's parts in a piece of memory, both ends together
// or one behind the other.
func (l *realStream) rooms(end ndarray.Layout, size func(ndarray.Layout) int) (all, half int) {
	n := end.Shape[0]
	half = stream.Padded(size(end.Range(0, 0, min(n, l.pairs+1))))
	return max(2*half, stream.Padded(size(end.Range(0, 0, min(n, 2*l.pairs+2))))), half
}

// sides are the layouts of what the pairs are read from and written to.
func (l *realStream) sides() (from, to ndarray.Layout) {
	if l.r.inv {
		return l.src, ndarray.NewLayout(l.complex, l.h)
	}
	return ndarray.NewLayout(l.complex, l.h), l.dst
}

// pairMem is the bytes of the pass over pairs: pieces, one buffer or two, and
// the twiddles.
func (l *realStream) pairMem() int64 {
	from, to := l.sides()
	in, _ := l.rooms(from, stream.SourceSize)
	out, _ := l.rooms(to, stream.SinkSize)
	return int64(2*in + 2*out + 2*stream.Padded(l.bufferReals()*l.m.size) + stream.Padded(2*(l.pairs+1)*l.m.size))
}

// bufferReals is of the numbers of a tile: both ends, and what is between them.
func (l *realStream) bufferReals() int { return 2 * (2*l.pairs + 3) }

// tiles is how many tiles of pairs there are.
func (l *realStream) tiles() int { return tilesOf(max(l.h/2, 1), l.pairs) }

// pairRun is the pass over pairs.
type pairRun[T simd.Float] struct {
	*realStream
	x        *kernels.Exec
	crew     *crew[T]
	roots    *roots
	from, to kernels.Stored
	memIn    [2][]byte
	memOut   [2][]byte
	in, out  [2][2]stream.Piece
	a, b, tw []T              // the numbers read, those to be written, and the twiddles
	bufs     [2]ndarray.Array // a and b
}

func runPairs[T simd.Float](x *kernels.Exec, l *realStream, from, to kernels.Stored) error {
	r := &pairRun[T]{realStream: l, x: x, crew: &crew[T]{w: x.W, piece: l.r.params.Piece}, roots: newRoots(l.n), from: from, to: to}
	in, _ := l.rooms(from.Layout, stream.SourceSize)
	out, _ := l.rooms(to.Layout, stream.SinkSize)
	for i := range 2 {
		r.memIn[i], r.memOut[i] = x.Mem.Alloc(in), x.Mem.Alloc(out)
	}
	for i := range r.bufs {
		if r.bufs[i] = r.bufs[0]; i == 0 || l.r.inv { // the inverse has two
			r.bufs[i] = borrow[T](x, []int{l.bufferReals() / 2}, true)
		}
	}
	r.a, r.b, r.tw = reals[T](r.bufs[0]), reals[T](r.bufs[1]), reals[T](borrow[T](x, []int{l.pairs + 1}, true))
	steps := &stream.Steps{N: l.tiles(),
		Load: func(f *stream.Flight, i int) (moves []*stream.Move) {
			r.in[i%2] = r.pieces(r.from, r.memIn[i%2], i, stream.Source, stream.SourceSize)
			return []*stream.Move{f.Load(&r.in[i%2][0]), f.Load(&r.in[i%2][1])}
		},
		Compute: r.compute,
		Store: func(f *stream.Flight, i int) []*stream.Move {
			return []*stream.Move{f.Store(&r.out[i%2][0]), f.Store(&r.out[i%2][1])}
		},
	}
	return steps.Run(x)
}

// span is a part of the numbers 0 to h, and where it begins in a tile's buffer.
type span struct{ lo, hi, at int }

// tile is the pairs of a tile: how many, the place of the number that makes a
// pair with 0 in its buffer (h, if the tile were the whole line), and the parts
// at both ends. The last tile is one part, the middle of the line.
func (l *realStream) tile(i int) (pairs, end int, parts [2]span) {
	a := 1 + i*l.pairs
	b := min(a+l.pairs, l.h/2+1)
	lo, hi := a, l.h-a+1
	if i == 0 {
		lo, hi = 0, l.h+1 // the numbers that have no pair
	}
	pairs = b - a
	if i == l.tiles()-1 {
		end = l.h - 2*(a-1)
		return pairs, end, [2]span{{lo, hi, lo - a + 1}, {}}
	}
	end = 2*pairs + 1
	return pairs, end, [2]span{{lo, b, lo - a + 1}, {l.h - b + 1, hi, end - pairs}}
}

// pieces are the parts of tile i of an array, as far as it has them.
func (r *pairRun[T]) pieces(s kernels.Stored, mem []byte, i int, piece func(kernels.Stored, []byte) stream.Piece, size func(ndarray.Layout) int) (out [2]stream.Piece) {
	_, _, parts := r.tile(i)
	_, half := r.rooms(s.Layout, size)
	for k, p := range parts {
		n := s.Layout.Shape[0]
		out[k] = piece(stream.Range(s, 0, min(p.lo, n), min(p.hi, n)), mem[k*half:])
	}
	return out
}

// compute makes the numbers of tile i.
func (r *pairRun[T]) compute(i int) error {
	pairs, end, parts := r.tile(i)
	for k, p := range parts {
		if err := load(r.x.W, p.of(r.bufs[0]), r.in[i%2][k].Array); err != nil {
			return err
		}
	}
	err := tabulate(r.x.W, pairs, func(lo, hi int) {
		for k := lo + 1; k <= hi; k++ {
			r.tw[2*k], r.tw[2*k+1] = rootAt[T](r.roots, i*r.pairs+k)
		}
	})
	if err != nil {
		return err
	}
	if i == 0 {
		r.first(end)
	}
	k := simd.FFT[T]()
	err = r.crew.over(pairs, func(lo, hi int) {
		if r.r.inv {
			k.Pack(r.b, r.a, r.tw, end, lo+1, hi+1)
		} else {
			k.Unpack(r.a, r.tw, end, lo+1, hi+1)
			scaleSpan(r.a, T(r.r.scale), end, lo+1, hi+1)
		}
	})
	if err != nil {
		return err
	}
	r.out[i%2] = r.pieces(r.to, r.memOut[i%2], i, stream.Sink, stream.SinkSize)
	for k, p := range parts {
		to := r.out[i%2][k].Array
		p.hi = p.lo + to.Len()
		if err := convert(r.x.W, to, p.of(r.bufs[1])); err != nil {
			return err
		}
	}
	return nil
}

// of is the part in a buffer.
func (p span) of(buf ndarray.Array) ndarray.Array { return buf.Range(0, p.at, p.at+p.hi-p.lo) }

// first makes what has no pair: numbers 0 and h of the result, or point 0.
func (r *pairRun[T]) first(end int) {
	a, b, s := r.a, r.b, T(r.r.scale)
	if r.r.inv {
		b[0], b[1] = a[0]+a[2*end], a[0]-a[2*end]
		return
	}
	re, im := a[0], a[1]
	a[0], a[1], a[2*end], a[2*end+1] = (re+im)*s, 0, (re-im)*s, 0
}

// scaleSpan multiplies numbers lo to hi-1 and their pairs.
func scaleSpan[T simd.Float](y []T, s T, h, lo, hi int) {
	scaleReals(y[2*lo:2*hi], s)
	from := h - hi + 1
	if from < hi {
		from = hi // the middle is its own pair
	}
	scaleReals(y[2*from:2*(h-lo+1)], s)
}
