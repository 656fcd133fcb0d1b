package fft

import (
	"fmt"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// Lines that do not fit into memory are transformed one after the other. A real
// line of even length is, as in core, half as many complex points ([lineStream])
// and a pass over pairs of numbers k and h-k, from both ends to the middle.

// lines is a plan for long lines along one axis; nil if they cannot be cut.
func (s *streamed) lines(mem int64) (*kernels.Streamed, error) {
	r := s.r
	if len(r.axes) != 1 {
		return nil, nil
	}
	ax := r.axes[0]
	one := *r
	one.axes, one.shape, one.in, one.out = []int{0}, r.shape[ax:ax+1], r.in[ax:ax+1], r.out[ax:ax+1]
	line := &streamed{r: &one, m: s.m, src: lineOf(s.src, ax, 0), dst: lineOf(s.dst, ax, 0), complex: s.complex}
	var plan *kernels.Streamed
	var err error
	if l := line.line(); l != nil {
		plan, err = l.stream(mem)
	} else if r.real && one.shape[0]%2 == 0 {
		plan, err = line.real(mem)
	}
	if n := product(r.out) / max(r.out[ax], 1); plan != nil && n > 1 {
		return repeated(plan, ax, n), nil
	}
	return plan, err
}

// lineOf is line i along an axis, in C order of the others.
func lineOf(l ndarray.Layout, ax, i int) ndarray.Layout {
	for a := len(l.Shape) - 1; a >= 0; a-- {
		if n := l.Shape[a]; a != ax {
			l.Offset += i % n * l.Strides[a]
			i /= n
		}
	}
	l.Shape, l.Strides = l.Shape[ax:ax+1], l.Strides[ax:ax+1]
	return l
}

// repeated is the plan of a line for n of them, in the same memory and the same
// temporary space.
func repeated(one *kernels.Streamed, ax, n int) *kernels.Streamed {
	out := *one
	out.Mem, out.Moved = int64(stream.Padded(int(one.Mem))), float64(n)*one.Moved
	out.Explain = append(out.Explain, kernels.Entry{Term: "lines", Text: itoa(n)})
	out.Run = func(x *kernels.Exec) error {
		arena := stream.NewArena(x.Mem, out.Mem)
		var temps []kernels.Blob
		for i := range n {
			arena.Reset()
			own, at := arena.Exec(x), 0
			own.Temp = func(bytes int64) (kernels.Blob, error) { // every line asks for the same
				if at++; at <= len(temps) {
					return temps[at-1], nil
				}
				b, err := x.Temp(bytes)
				temps = append(temps, b)
				return b, err
			}
			own.Src = []kernels.Stored{{Blob: x.Src[0].Blob, Layout: lineOf(x.Src[0].Layout, ax, i)}}
			own.Dst = []kernels.Stored{{Blob: x.Dst[0].Blob, Layout: lineOf(x.Dst[0].Layout, ax, i)}}
			if err := one.Run(own); err != nil {
				return err
			}
		}
		return nil
	}
	return &out
}

// realStream is a single real line: copied first if it is not n numbers of the
// transform's type that lie together; or its result last.
type realStream struct {
	*streamed
	n, h  int
	inner *kernels.Streamed // of h complex points
	copy  *stream.Tiling    // to or from temporary space; nil: none
	pairs int               // of a tile
	mem   int64
}

// pairUnit is what the pairs of a tile are multiples of: so many do not change
// where the vectors of [simd.FFTKernels].Unpack are cut.
const pairUnit = 4096

// real plans a line of an even number of points.
func (s *streamed) real(mem int64) (*kernels.Streamed, error) {
	l := &realStream{streamed: s, n: s.r.shape[0]}
	l.h = l.n / 2
	half := []int{l.h}
	inner := &request{inv: s.r.inv, axes: []int{0}, shape: half, in: half, out: half, prec: s.r.prec, scale: 1, threads: s.r.threads, params: s.r.params}
	points := ndarray.NewLayout(s.complex, l.h)
	src, dst := points, points
	var errInner, errCopy error
	if end := l.end(); !l.asPoints(end) {
		l.copy, errCopy = l.planCopy(end, mem)
	} else if s.r.inv {
		dst = l.points(end)
	} else {
		src = l.points(end)
	}
	if s.r.inv {
		inner.scale = s.r.scale
	}
	l.inner, errInner = inner.stream(src, dst, mem)
	l.pairs = min(pairUnit, roundUp(l.h/2+1, 2))
	var errPairs error
	if l.mem = l.pairMem(); l.mem > mem {
		errPairs = &stream.NoMemError{Least: l.mem, Have: mem}
	}
	if err := pack.Refusal(mem, errInner, errCopy, errPairs); err != nil {
		return nil, err
	}
	l.grow(mem)
	return l.figures(), nil
}

// end is the real side.
func (l *realStream) end() ndarray.Layout {
	if l.r.inv {
		return l.dst
	}
	return l.src
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

// planCopy is the tiling that copies n numbers from or to the real side.
func (l *realStream) planCopy(end ndarray.Layout, mem int64) (*stream.Tiling, error) {
	reach := []stream.Reach{{Step: 1, To: 1}}
	ops := []stream.Operand{{Layout: end, Load: true, Reach: reach}, {Layout: ndarray.NewLayout(l.r.prec, l.n), Store: true, Reach: reach}}
	if l.r.inv {
		ops[0].Layout, ops[1].Layout = ops[1].Layout, ops[0].Layout
	}
	return stream.NewTiling([]int{l.n}, ops, mem, stream.Cuts{})
}

// grow takes as many pairs at a time as mem allows.
func (l *realStream) grow(mem int64) {
	for l.pairs <= l.h/2 {
		was := l.pairs
		l.pairs *= 2
		need := l.pairMem()
		if need > mem {
			l.pairs = was
			break
		}
		l.mem = need
	}
	l.mem = max(l.mem, int64(stream.Padded(int(l.inner.Mem))))
	if l.copy != nil {
		l.mem = max(l.mem, l.copy.Mem)
	}
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

// figures are those of all passes.
func (l *realStream) figures() *kernels.Streamed {
	from, to := l.sides()
	read, _ := stream.SourceTraffic(from)
	wrote, _ := stream.SinkTraffic(to)
	points := int64(l.h * l.complex.Size())
	out := &kernels.Streamed{Mem: l.mem, Moved: l.inner.Moved + read + wrote, Temp: l.inner.Temp + points}
	pairs := fmt.Sprintf("pairs, %d tiles of %d", l.tiles(), l.pairs)
	texts := []string{}
	for _, e := range l.inner.Explain {
		if strings.HasPrefix(e.Term, "pass") {
			texts = append(texts, e.Text)
		}
	}
	if texts = append(texts, pairs); l.r.inv {
		texts = append([]string{pairs}, texts[:len(texts)-1]...)
	}
	if l.copy != nil {
		out.Moved += l.copy.Moved()
		out.Temp += points
		text := fmt.Sprintf("a copy, %d tiles of %d", l.copy.Tiles(), l.copy.Extents[0])
		if texts = append(texts, text); !l.r.inv {
			texts = append([]string{text}, texts[:len(texts)-1]...)
		}
	}
	for i, t := range texts {
		out.Explain = append(out.Explain, kernels.Entry{Term: "pass" + itoa(i+1), Text: t})
	}
	if out.Run = runReal[float64](l); l.r.prec == ndarray.F32 {
		out.Run = runReal[float32](l)
	}
	return out
}

// tiles is how many tiles of pairs there are.
func (l *realStream) tiles() int { return tilesOf(max(l.h/2, 1), l.pairs) }

// runReal does the passes in their order.
func runReal[T simd.Float](l *realStream) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) (err error) {
		points, reals := ndarray.NewLayout(l.complex, l.h), ndarray.NewLayout(l.r.prec, l.n)
		z, err := pack.Temp(x, points)
		if err != nil {
			return err
		}
		src, dst := x.Src[0], x.Dst[0]
		end := &src
		if l.r.inv {
			end = &dst
		}
		far := *end // the real side as it lies
		if end.Layout = l.points(far.Layout); l.copy != nil {
			if *end, err = pack.Temp(x, points); err != nil {
				return err
			}
		}
		near := kernels.Stored{Blob: end.Blob, Layout: reals}
		arena := stream.NewArena(x.Mem, l.mem)
		inner := func(from, to kernels.Stored) error {
			arena.Reset()
			own := arena.Exec(x)
			own.Src, own.Dst = []kernels.Stored{from}, []kernels.Stored{to}
			return l.inner.Run(own)
		}
		steps := []func() error{
			func() error { return l.runCopy(arena, x, far, near) },
			func() error { return inner(src, z) },
			func() error { return runPairs[T](arena, x, l, z, dst) },
		}
		if l.r.inv {
			steps = []func() error{
				func() error { return runPairs[T](arena, x, l, src, z) },
				func() error { return inner(z, dst) },
				func() error { return l.runCopy(arena, x, near, far) },
			}
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
}

// runCopy copies if it is needed; what is missing in from is zero.
func (l *realStream) runCopy(a *stream.Arena, x *kernels.Exec, from, to kernels.Stored) error {
	if l.copy == nil {
		return nil
	}
	a.Reset()
	return l.copy.Run(a.Exec(x), []kernels.Stored{from, to}, func(t *stream.Tile) error {
		in, out := t.Arrays[0], t.Arrays[1]
		if n := in.Len(); n < out.Len() {
			clear(out.Data[out.Offset+n*out.Strides[0]:][:(out.Len()-n)*out.Strides[0]])
			out = out.Range(0, 0, n)
		}
		return convert(x.W, out, in)
	})
}

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

func runPairs[T simd.Float](a *stream.Arena, x *kernels.Exec, l *realStream, from, to kernels.Stored) error {
	a.Reset()
	own := a.Exec(x)
	r := &pairRun[T]{realStream: l, x: own, crew: &crew[T]{w: x.W, piece: l.r.params.Piece}, roots: newRoots(l.n), from: from, to: to}
	in, _ := l.rooms(from.Layout, stream.SourceSize)
	out, _ := l.rooms(to.Layout, stream.SinkSize)
	for i := range 2 {
		r.memIn[i], r.memOut[i] = a.Alloc(in), a.Alloc(out)
	}
	for i := range r.bufs {
		if r.bufs[i] = r.bufs[0]; i == 0 || l.r.inv { // the inverse has two
			r.bufs[i] = borrow[T](own, []int{l.bufferReals() / 2}, true)
		}
	}
	r.a, r.b, r.tw = reals[T](r.bufs[0]), reals[T](r.bufs[1]), reals[T](borrow[T](own, []int{l.pairs + 1}, true))
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
	return steps.Run(own)
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
