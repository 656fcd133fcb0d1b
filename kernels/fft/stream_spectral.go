package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// Spectra of signals that stay outside memory go over them tile by tile: some
// lines, and some segments of each, with the samples that these have in common
// read for both of two neighbours. A psd adds to its sums segment by segment, in
// the order in which it is done in core, and its lines are stored when all
// segments have passed.

// segmentStream is the tiles of a psd, spectrogram or stft.
type segmentStream struct {
	*segments
	t    *stream.Tiling
	axes []int // of the input: the others, and the signal's
	to   []int // of the output: the others, the segments unless it is a psd, the bins
}

// stream plans a run that takes at most mem bytes.
func (s *segments) stream(in, out ndarray.Layout, mem int64) (*kernels.Streamed, error) {
	if product(s.out) == 0 {
		return nothing(), nil
	}
	p := &segmentStream{segments: s}
	for a := range s.shape {
		if a != s.ax {
			p.axes = append(p.axes, a)
		}
	}
	p.to = slices.Clone(p.axes)
	if p.axes = append(p.axes, s.ax); s.kind != "psd" {
		p.to = append(p.to, len(s.shape))
	}
	p.to = append(p.to, s.ax)
	if err := p.plan(in.Permute(p.axes...), out.Permute(p.to...), mem); err != nil {
		return nil, err
	}
	if s.prec == ndarray.F32 {
		return p.t.Streamed(runSegmentTiles[float32](p)), nil
	}
	return p.t.Streamed(runSegmentTiles[float64](p)), nil
}

// plan cuts lines and segments.
func (p *segmentStream) plan(in, out ndarray.Layout, mem int64) (err error) {
	last := len(in.Shape) - 1
	shape := append(slices.Clone(in.Shape[:last]), p.count)
	from, to := stream.Operand{Layout: in, Load: true}, stream.Operand{Layout: out, Store: true}
	for a := range last {
		same := stream.Reach{Axis: a, Step: 1, To: 1}
		from.Reach, to.Reach = append(from.Reach, same), append(to.Reach, same)
	}
	from.Reach = append(from.Reach, stream.Reach{Axis: last, Step: p.step, From: -p.lead, To: p.n - p.lead})
	if p.kind != "psd" {
		to.Reach = append(to.Reach, stream.Reach{Axis: last, Step: 1, To: 1})
	}
	to.Reach = append(to.Reach, stream.Whole(p.bins))
	p.t, err = stream.NewTiling(shape, []stream.Operand{from, to}, mem, stream.Cuts{Scratch: p.scratch})
	return err
}

// lengths are the reals of a tile's buffers: the part of a line, and the matrix of
// its segments; and the number of a psd's sums.
func (p *segmentStream) lengths(extents []int) (line, mat, sums int) {
	last := len(extents) - 1
	n := extents[last]
	line = p.unit() * min(p.shape[p.ax], (n-1)*p.step+p.n)
	if p.kind == "psd" {
		sums = product(extents[:last]) * p.bins
	}
	return line, n * p.bins * p.valueReals(), sums
}

// scratch is the bytes of the buffers, the window, and what the transforms need.
func (p *segmentStream) scratch(extents []int) int64 {
	size, need := p.prec.Size(), p.need()
	line, mat, sums := p.lengths(extents)
	total := stream.Padded(8 * sums)
	for _, n := range []int{line, mat, p.n, need.alone} {
		total += stream.Padded(n * size)
	}
	return int64(total + p.threads*stream.Padded(need.task*size))
}

// segmentTiles is a run.
type segmentTiles[T simd.Float] struct {
	*segmentStream
	exec      *kernels.Exec
	crew      *crew[T]
	segmenter *segmenter[T]
	line, mat []byte
	sums      []float64
}

func runSegmentTiles[T simd.Float](p *segmentStream) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) (err error) {
		line, mat, sums := p.lengths(p.t.Extents)
		r := &segmentTiles[T]{segmentStream: p, exec: x, line: x.Mem.Alloc(line * realSize[T]()), mat: x.Mem.Alloc(mat * realSize[T]())}
		r.sums = reals[float64](borrow[float64](x, []int{sums}, false))
		if r.segmenter, err = newSegmenter(x.W, p.segments, reals[T](borrow[T](x, []int{p.n}, false))); err != nil {
			return err
		}
		r.crew = &crew[T]{w: x.W, space: spaceOf[T](x, p.need(), p.threads)}
		from, to := x.Src[0], x.Dst[0]
		from.Layout, to.Layout = from.Layout.Permute(p.axes...), to.Layout.Permute(p.to...)
		return p.t.Run(x, []kernels.Stored{from, to}, r.tile)
	}
}

// tile does the lines of a tile one after the other.
func (r *segmentTiles[T]) tile(t *stream.Tile) error {
	last := len(t.Lo) - 1
	own, first := *r.segments, t.Lo[last]*r.step-r.lead
	own.count, own.lead = t.Hi[last]-t.Lo[last], max(0, first)-first // counted from what is there
	seg := *r.segmenter
	seg.s = &own
	in, out := t.Arrays[0], t.Arrays[1]
	lines := in.Shape[:last]
	for i := range product(lines) {
		from, to := in, out
		for _, k := range unravel(i, lines) {
			from, to = from.Index(k), to.Index(k)
		}
		mat := arrayIn(r.mat, r.valueType(), []int{own.count, r.bins})
		if err := r.segmented(&seg, mat, from); err != nil {
			return err
		}
		var err error
		if r.kind == "psd" {
			err = r.add(r.sums[i*r.bins:][:r.bins], reals[T](mat), to, t.Lo[last] == 0, t.Hi[last] == r.count)
		} else {
			err = convert(r.exec.W, to, mat)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// valueType is the type of the result.
func (s *segments) valueType() ndarray.DType {
	if s.kind == "stft" {
		return complexOf(s.prec)
	}
	return s.prec
}

// segmented fills mat with the spectra of a line's segments.
func (r *segmentTiles[T]) segmented(seg *segmenter[T], mat, line ndarray.Array) error {
	if !isDirect[T](line, r.complex) {
		d := r.prec
		if r.complex {
			d = complexOf(d)
		}
		c := arrayIn(r.line, d, line.Shape)
		if err := convert(r.exec.W, c, line); err != nil {
			return err
		}
		line = c
	}
	return seg.matrix(r.crew, reals[T](mat), reals[T](line))
}

// rowReals is how many bins a worker adds at the least: pieces of rows that are
// long enough to be read one after the other.
const rowReals = 256

// add adds the rows of mat to a line's sums, which the first tile of the line
// begins, and the last one makes means in out. Workers share out the bins.
func (r *segmentTiles[T]) add(sums []float64, mat []T, out ndarray.Array, first, last bool) error {
	rows := len(mat) / r.bins
	mean := mat[:r.bins]
	err := parallel(r.exec.W, r.bins, max(rowReals, pieceReals/rows), func(lo, hi int) {
		part := sums[lo:hi]
		if first {
			clear(part)
		}
		for i := range rows {
			for b, v := range mat[i*r.bins+lo:][:len(part)] {
				part[b] += float64(v)
			}
		}
		if last {
			for b, v := range part {
				mean[lo+b] = T(v / float64(r.count))
			}
		}
	})
	if err != nil || !last {
		return err
	}
	ndarray.Store(out, mean, 0)
	return nil
}
