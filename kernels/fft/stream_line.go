package fft

import (
	"fmt"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// lineStream is a single line that does not fit into memory: the two sweeps of
// its two-step transform, n1·n2 points, are two passes. The first reads blocks
// of columns of the line seen as n1 rows, and writes the twiddled transforms to
// temporary space, as [block of k1][j2][vector]; the second reads blocks of k1,
// which lie together, and writes columns of the result seen as n2 rows. Bailey's
// external algorithm, with the arithmetic of [twoStep]: the bits are the same.
type lineStream struct {
	*streamed
	n1, n2   int
	src, dst ndarray.Layout // as matrices: n1 x n2 and n2 x n1
	cols     int            // columns of a tile of the first pass
	blocks   int            // blocks of k1 of a tile of the second
	mem      int64
}

// line is nil if the request is not a single line whose sweeps have whole
// blocks, of one vector.
func (s *streamed) line() *lineStream {
	r := s.r
	if r.real || len(r.shape) != 1 || r.shape[0] < memoryFrom || s.src.Shape[0] != r.shape[0] || s.dst.Shape[0] != r.shape[0] {
		return nil
	}
	n1, n2, ok := split(r.shape[0], s.m)
	if !ok || n1%s.m.w != 0 || n2%s.m.w != 0 {
		return nil
	}
	return &lineStream{streamed: s, n1: n1, n2: n2, src: asMatrix(s.src, n1, n2), dst: asMatrix(s.dst, n2, n1)}
}

// asMatrix sees a line as rows one behind the other.
func asMatrix(l ndarray.Layout, rows, cols int) ndarray.Layout {
	step := l.Strides[0]
	l.Shape, l.Strides = []int{rows, cols}, []int{cols * step, step}
	return l
}

// between is the temporary space's layout: vectors of W real and W imaginary
// parts.
func (l *lineStream) between() ndarray.Layout {
	return ndarray.NewLayout(l.r.prec, l.n1/l.m.w, l.n2, 2*l.m.w)
}

// stream plans tiles of at most mem bytes.
func (l *lineStream) stream(mem int64) (*kernels.Streamed, error) {
	w := l.m.w
	l.cols, l.blocks = w, 1
	if least := max(l.firstMem(), l.secondMem()); least > mem {
		return nil, &stream.NoMemError{Least: least, Have: mem}
	}
	for n := l.cols; n < l.n2 && l.firstMem() <= mem; n = l.cols {
		if l.cols = min(2*n, l.n2); l.firstMem() > mem {
			l.cols = n
			break
		}
	}
	for n := l.blocks; n < l.n1/w && l.secondMem() <= mem; n = l.blocks {
		if l.blocks = min(2*n, l.n1/w); l.secondMem() > mem {
			l.blocks = n
			break
		}
	}
	l.mem = max(l.firstMem(), l.secondMem())
	out := &kernels.Streamed{Mem: l.mem, Moved: l.moved(), Temp: int64(l.between().Bytes()), Explain: []kernels.Entry{
		{Term: "pass1", Text: fmt.Sprintf("%d tiles of %dx%d", l.tiles(l.n2, l.cols), l.n1, l.cols)},
		{Term: "pass2", Text: fmt.Sprintf("%d tiles of %dx%d", l.tiles(l.n1, l.blocks*w), l.n2, l.blocks*w)},
	}}
	out.Run = runLine[float64](l)
	if l.r.prec == ndarray.F32 {
		out.Run = runLine[float32](l)
	}
	return out, nil
}

func (l *lineStream) tiles(n, by int) int { return (n + by - 1) / by }

// taskReals is the scratch of a task: the two tiles of a sweep.
func (l *lineStream) taskReals() int { return 2 * l.m.tileLen(l.n1, l.n2) }

// firstMem is the bytes of the first pass: pieces read twice, written twice, a
// buffer, and what tasks need. secondMem is that of the second.
func (l *lineStream) firstMem() int64 {
	return l.passBytes(stream.SourceSize(l.src.Range(1, 0, l.cols)), stream.SinkSize(l.between().Range(1, 0, l.cols)), l.n1*l.cols)
}

func (l *lineStream) secondMem() int64 {
	k := l.blocks * l.m.w
	return l.passBytes(stream.SourceSize(l.between().Range(0, 0, l.blocks)), stream.SinkSize(l.dst.Range(1, 0, k)), l.n2*k)
}

func (l *lineStream) passBytes(source, sink, points int) int64 {
	size := l.r.prec.Size()
	return int64(2*stream.Padded(source) + 2*stream.Padded(sink) + stream.Padded(2*points*size) + l.r.threads*stream.Padded(l.taskReals()*size))
}

// moved is the bytes read and written by both passes.
func (l *lineStream) moved() (total float64) {
	for i := range l.tiles(l.n2, l.cols) {
		lo, hi := i*l.cols, min((i+1)*l.cols, l.n2)
		read, _ := stream.SourceTraffic(l.src.Range(1, lo, hi))
		wrote, _ := stream.SinkTraffic(l.between().Range(1, lo, hi))
		total += read + wrote
	}
	for i := range l.tiles(l.n1, l.blocks*l.m.w) {
		lo, hi := i*l.blocks, min((i+1)*l.blocks, l.n1/l.m.w)
		read, _ := stream.SourceTraffic(l.between().Range(0, lo, hi))
		wrote, _ := stream.SinkTraffic(l.dst.Range(1, lo*l.m.w, hi*l.m.w))
		total += read + wrote
	}
	return total
}

// linePass is one of the passes under way.
type linePass[T simd.Float] struct {
	l        *lineStream
	x        *kernels.Exec
	crew     *crew[T]
	two      twoStep[T] // with the places of a tile
	dir      *direction[T]
	buf      []byte
	src, dst kernels.Stored
	axisIn   int // along which the source is cut
	unitIn   int // of the source's indices in a tile
	axisOut  int
	unitOut  int
	memIn    [2][]byte
	memOut   [2][]byte
	in, out  [2]stream.Piece
	compute  func(p *linePass[T], in, out ndarray.Array, lo int) error
}

func runLine[T simd.Float](l *lineStream) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) error {
		blob, err := x.Temp(int64(l.between().Bytes()))
		if err != nil {
			return err
		}
		between := kernels.Stored{Blob: blob, Layout: l.between()}
		src := kernels.Stored{Blob: x.Src[0].Blob, Layout: asMatrix(x.Src[0].Layout, l.n1, l.n2)}
		dst := kernels.Stored{Blob: x.Dst[0].Blob, Layout: asMatrix(x.Dst[0].Layout, l.n2, l.n1)}
		arena := stream.NewArena(x.Mem, l.mem)
		first := &linePass[T]{l: l, src: src, dst: between, axisIn: 1, axisOut: 1, unitIn: l.cols, unitOut: l.cols, compute: (*linePass[T]).columns}
		if err := first.run(arena.Exec(x), l.tiles(l.n2, l.cols), l.n1*l.cols); err != nil {
			return err
		}
		arena.Reset()
		second := &linePass[T]{l: l, src: between, dst: dst, axisIn: 0, axisOut: 1, unitIn: l.blocks, unitOut: l.blocks * l.m.w, compute: (*linePass[T]).rows}
		return second.run(arena.Exec(x), l.tiles(l.n1, l.blocks*l.m.w), l.n2*l.blocks*l.m.w)
	}
}

// run goes over the tiles, with a buffer for so many points.
func (p *linePass[T]) run(x *kernels.Exec, tiles, points int) error {
	l, k := p.l, simd.FFT[T]()
	p.x, p.two, p.dir = x, *planned(k, l.r.shape[0]).two, forward[T]()
	if l.r.inv {
		p.dir = inverse(T(l.r.scale))
	}
	source := stream.SourceSize(p.src.Layout.Range(p.axisIn, 0, p.unitIn))
	sink := stream.SinkSize(p.dst.Layout.Range(p.axisOut, 0, p.unitOut))
	for i := range 2 {
		p.memIn[i], p.memOut[i] = x.Mem.Alloc(source), x.Mem.Alloc(sink)
	}
	p.buf = x.Mem.Alloc(2 * points * realSize[T]())
	p.crew = &crew[T]{w: x.W, space: spaceOf[T](x, need{task: l.taskReals()}, l.r.threads), piece: l.r.params.Piece}
	cut := func(s kernels.Stored, axis, unit, i int) kernels.Stored {
		return stream.Range(s, axis, i*unit, min((i+1)*unit, s.Layout.Shape[axis]))
	}
	steps := &stream.Steps{N: tiles,
		Load: func(f *stream.Flight, i int) []*stream.Move {
			p.in[i%2] = stream.Source(cut(p.src, p.axisIn, p.unitIn, i), p.memIn[i%2])
			return []*stream.Move{f.Load(&p.in[i%2])}
		},
		Compute: func(i int) error {
			p.out[i%2] = stream.Sink(cut(p.dst, p.axisOut, p.unitOut, i), p.memOut[i%2])
			return p.compute(p, p.in[i%2].Array, p.out[i%2].Array, i*p.unitIn)
		},
		Store: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Store(&p.out[i%2])} },
	}
	return steps.Run(x)
}

// columns is the first sweep over columns from j2 on.
func (p *linePass[T]) columns(in, out ndarray.Array, j2 int) error {
	cols, w := in.Shape[1], p.l.m.w
	src := arrayIn(p.buf, p.l.complex, in.Shape)
	if err := convert(p.x.W, src, in); err != nil {
		return err
	}
	p.two.pitchIn, p.two.between = 2*cols, out.Strides[0]/realSize[T]()
	from, to := reals[T](src), flat[T](out)
	return p.crew.tasks(cols/w, p.crew.grain(2*w*p.l.n1), p.l.taskReals(), func(lo, hi int, tiles []T) {
		for i := lo; i < hi; i++ {
			p.two.columnBlock(to, from, j2/w+i, i*w, p.dir, tiles)
		}
	})
}

// rows is the second sweep over blocks of k1.
func (p *linePass[T]) rows(in, out ndarray.Array, _ int) error {
	dst, w := arrayIn(p.buf, p.l.complex, out.Shape), p.l.m.w
	p.two.pitchOut = 2 * out.Shape[1]
	from, to, next := flat[T](in), reals[T](dst), in.Strides[0]/realSize[T]()
	err := p.crew.tasks(in.Shape[0], p.crew.grain(2*w*p.l.n2), p.l.taskReals(), func(lo, hi int, tiles []T) {
		for i := lo; i < hi; i++ {
			p.two.rowBlock(to, from[i*next:], 0, i*w, p.dir, tiles)
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
	return convert(p.x.W, out, dst)
}

// flat is the memory of a piece of the temporary space. Blocks may be apart;
// the vectors of a block lie together.
func flat[T simd.Float](a ndarray.Array) []T {
	l := ndarray.NewLayout(realType[T](), a.Strides[0]/realSize[T]()*(a.Shape[0]-1)+a.Shape[1]*a.Shape[2])
	l.Offset = a.Offset
	return ndarray.Slice[T](ndarray.Array{Layout: l, Data: a.Data})
}
