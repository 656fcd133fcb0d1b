package fft

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// colMax is the longest column transformed in a tile; longer ones are gathered
// into lines of their own, whose two-step transform has smaller tiles.
const colMax = 1 << 13

// axis is the transform of every line along one axis of a C-ordered array of
// complex numbers: outer × n × inner.
type axis[T simd.Float] struct {
	k               *simd.FFTKernels[T]
	outer, n, inner int
	dir             direction[T]
	dst, src        []T // may be the same
	scratch         []T // for lines that run one after the other; see scratchFor
}

// along transforms the given axis of shape from src to dst, which may be the
// same.
func along[T simd.Float](w *pool.Worker, dst, src []T, shape []int, ax int, dir direction[T], scratch []T) error {
	a := &axis[T]{
		k:     simd.FFT[T](),
		outer: product(shape[:ax]), n: shape[ax], inner: product(shape[ax+1:]),
		dir: dir, dst: dst, src: src, scratch: scratch,
	}
	total := a.outer * a.n * a.inner
	if total == 0 {
		return nil
	}
	w = forkFrom(w, total)
	// What is not transformed again need not stay in the caches.
	a.dir.stream = a.dir.stream && total*2*realSize[T]() >= streamBytes && &dst[0] != &src[0]
	l := planned(a.k, a.n)
	switch {
	case a.inner == 1 && (a.outer == 1 || !a.asLanes(l)):
		return a.lines(w, l)
	case a.inner >= a.k.W && a.tiled():
		return a.columns(w)
	case a.inner > 1 && !a.tiled():
		return a.gathered(w, l)
	}
	return a.lanes(w)
}

// tiled tells whether columns of this length are transformed in tiles.
func (a *axis[T]) tiled() bool { return smooth(a.n) && a.n > 1 && a.n <= colMax }

// asLanes tells whether rows are so short that W of them side by side are
// better than one at a time.
func (a *axis[T]) asLanes(l *line[T]) bool {
	return a.tiled() && (l.method == methodTile || a.n <= 4*a.k.W)
}

// scratchFor is the scratch that transforms of an array over axes need beside
// what tasks take for themselves: that of the longest line which is not one of
// many.
func scratchFor[T simd.Float](shape, axes []int) int {
	k, need := simd.FFT[T](), 0
	for _, a := range axes {
		if n := shape[a]; product(shape[a+1:]) == 1 && (product(shape[:a]) == 1 || n >= lineFrom) {
			need = max(need, planned(k, n).scratchLen())
		}
	}
	return need
}

// taskReals bounds the scratch reals that each task of a transform along one
// axis of n points takes for itself.
func (m machine) taskReals(n int) int {
	gathered := 0
	if !smooth(n) || n > colMax {
		gathered = 16 * n
	}
	return max(m.scratch(n)+gathered, 8*m.w*min(n, colMax), largeTile*2/m.size)
}

// lines transforms contiguous lines, one at a time.
func (a *axis[T]) lines(w *pool.Worker, l *line[T]) error {
	size := 2 * a.n
	need := l.scratchLen()
	if a.outer == 1 || a.n >= lineFrom {
		for i := range a.outer {
			if err := l.run(w, a.k, a.dst[i*size:], a.src[i*size:], a.dir, a.scratch[:need]); err != nil {
				return err
			}
		}
		return nil
	}
	return parallel(w, a.outer, max(1, pieceReals/size), func(lo, hi int) {
		p := take[T](need)
		defer give(p)
		for i := lo; i < hi; i++ {
			// No worker, no error.
			_ = l.run(nil, a.k, a.dst[i*size:], a.src[i*size:], a.dir, (*p)[:need])
		}
	})
}

// columns transforms blocks of neighbouring columns in tiles.
func (a *axis[T]) columns(w *pool.Worker) error {
	c := plannedCol(a.k, a.n)
	v := a.blockVectors()
	lanes := v * a.k.W
	blocks := (a.inner + lanes - 1) / lanes
	tile := 2 * lanes * a.n
	return parallel(w, a.outer*blocks, max(1, pieceReals/tile), func(lo, hi int) {
		p := take[T](max(2*tile, 8*a.k.W*a.n))
		defer give(p)
		for i := lo; i < hi; i++ {
			first := i % blocks * lanes
			a.columnBlock(c, *p, i/blocks, first, min(lanes, a.inner-first))
		}
	})
}

// blockVectors is the number of vectors of a block of columns: so many that a
// row of the block is several cache lines, while the tile stays in the second
// cache.
func (a *axis[T]) blockVectors() int {
	v := 1
	for v < 4 && 2*v*a.k.W <= a.inner && 2*v*a.n*2*a.k.W*realSize[T]() <= largeTile {
		v *= 2
	}
	return v
}

// columnBlock transforms count columns from first on: whole vectors in place
// in the array, what is left of them gathered.
func (a *axis[T]) columnBlock(c *col[T], scratch []T, outer, first, count int) {
	v := count / a.k.W
	if v > 0 {
		base, pitch := 2*(outer*a.n*a.inner+first), 2*a.inner
		tile := 2 * v * a.k.W * a.n
		c.exec(rows[T]{a.dst[base:], pitch, a.dir.out, false}, rows[T]{a.src[base:], pitch, a.dir.in, false}, v, a.dir.scale,
			scratch[:tile], scratch[tile:2*tile])
	}
	if rest := count - v*a.k.W; rest > 0 {
		a.laneGroup(c, scratch[:8*a.k.W*a.n], outer*a.inner+first+v*a.k.W, rest)
	}
}

// lanes transforms lines W at a time, wherever they lie.
func (a *axis[T]) lanes(w *pool.Worker) error {
	c := plannedCol(a.k, a.n)
	lines := a.outer * a.inner
	tile := 2 * a.k.W * a.n
	groups := (lines + a.k.W - 1) / a.k.W
	return parallel(w, groups, max(1, pieceReals/tile), func(lo, hi int) {
		p := take[T](4 * tile)
		defer give(p)
		for g := lo; g < hi; g++ {
			a.laneGroup(c, (*p)[:4*tile], g*a.k.W, min(a.k.W, lines-g*a.k.W))
		}
	})
}

// laneGroup transforms count lines from line number first, numbered over outer
// and inner, with four tiles of scratch.
func (a *axis[T]) laneGroup(c *col[T], scratch []T, first, count int) {
	row := 2 * a.k.W
	tile := row * a.n
	in, out := scratch[:tile], scratch[tile:2*tile]
	re, im := 0, 1
	if a.dir.in == simd.Swapped {
		re, im = 1, 0
	}
	if count < a.k.W {
		clear(in)
	}
	for l := range count {
		o := a.lineStart(first + l)
		for i := range a.n {
			in[i*row+l], in[i*row+a.k.W+l] = a.src[o+re], a.src[o+im]
			o += 2 * a.inner
		}
	}
	c.exec(rows[T]{out, row, a.dir.out, false}, rows[T]{buf: in, pitch: row}, 1, a.dir.scale, scratch[2*tile:3*tile], scratch[3*tile:])
	for l := range count {
		o := a.lineStart(first + l)
		for i := range a.n {
			a.dst[o], a.dst[o+1] = out[i*row+2*l], out[i*row+2*l+1]
			o += 2 * a.inner
		}
	}
}

// lineStart is the index of the first real of a line.
func (a *axis[T]) lineStart(i int) int {
	return 2 * (i/a.inner*a.n*a.inner + i%a.inner)
}

// gatherLines is how many neighbouring lines of n elements are copied together:
// a cache line or two of each row, less if that takes megabytes.
func gatherLines[T simd.Float](n int) int {
	const most, reals = 8, 1 << 20
	return max(min(most, reals/(2*n)), 32/realSize[T]())
}

// gathered copies strided lines into contiguous ones and back.
func (a *axis[T]) gathered(w *pool.Worker, l *line[T]) error {
	lines := gatherLines[T](a.n)
	blocks := (a.inner + lines - 1) / lines
	return parallel(w, a.outer*blocks, 1, func(lo, hi int) {
		need, size := l.scratchLen(), 2*a.n*lines
		p := take[T](size + need)
		defer give(p)
		buf, rest := (*p)[:size], (*p)[size:][:need]
		for i := lo; i < hi; i++ {
			first := i % blocks * lines
			a.gatheredBlock(l, buf, rest, i/blocks*a.n*a.inner+first, min(lines, a.inner-first))
		}
	})
}

func (a *axis[T]) gatheredBlock(l *line[T], buf, rest []T, base, count int) {
	for i := range a.n {
		from := a.src[2*(base+i*a.inner):]
		for c := range count {
			o := 2 * (c*a.n + i)
			buf[o], buf[o+1] = from[2*c], from[2*c+1]
		}
	}
	for c := range count {
		line := buf[2*c*a.n:][:2*a.n]
		_ = l.run(nil, a.k, line, line, a.dir, rest) // no worker, no error
	}
	for i := range a.n {
		to := a.dst[2*(base+i*a.inner):]
		for c := range count {
			o := 2 * (c*a.n + i)
			to[2*c], to[2*c+1] = buf[o], buf[o+1]
		}
	}
}

// planeBytes is the size of the trailing part of an array that is taken
// through all its axes while it lies in the second cache.
const planeBytes = 512 << 10

// transform does the axes one after the other, the last first, from src to
// dst, both C-ordered of the given shape; they may be the same. All is
// multiplied by scale. scratch has scratchFor reals.
func transform[T simd.Float](w *pool.Worker, dst, src []T, shape, axes []int, inv bool, scale T, scratch []T) error {
	if len(dst) == 0 {
		return nil
	}
	scaled := scale
	if inv {
		scaled = 1 // by the last axis
	}
	cut := planeCut[T](shape, axes)
	if cut == 0 {
		if err := axisByAxis(w, dst, src, shape, axes, inv, scale, scratch); err != nil {
			return err
		}
		return scaleAll(w, dst, scaled)
	}
	var leading, trailing []int
	for _, a := range axes {
		if a < cut {
			leading = append(leading, a)
		} else {
			trailing = append(trailing, a-cut)
		}
	}
	size := 2 * product(shape[cut:])
	err := parallel(forkFrom(w, product(shape)), product(shape[:cut]), max(1, pieceReals/size), func(lo, hi int) {
		last := T(1)
		if len(leading) == 0 {
			last = scale
		}
		for i := lo; i < hi; i++ {
			p := take[T](scratchFor[T](shape[cut:], trailing))
			// No worker, no error.
			_ = axisByAxis(nil, dst[i*size:][:size], src[i*size:], shape[cut:], trailing, inv, last, *p)
			give(p)
		}
	})
	if err != nil {
		return err
	}
	if len(leading) > 0 {
		if err := axisByAxis(w, dst, dst, shape, leading, inv, scale, scratch); err != nil {
			return err
		}
	}
	return scaleAll(w, dst, scaled)
}

// planeCut is the axis from which the trailing part of the array has several
// axes to transform and fits planeBytes, while there are many such parts; 0 if
// there is none.
func planeCut[T simd.Float](shape, axes []int) int {
	for cut := 1; cut < len(shape); cut++ {
		if product(shape[cut:])*2*realSize[T]() > planeBytes {
			continue
		}
		count := 0
		for _, a := range axes {
			if a >= cut {
				count++
			}
		}
		if count < 2 || product(shape[:cut]) == 1 {
			return 0
		}
		return cut
	}
	return 0
}

// axisByAxis transforms along one axis after the other. An inverse transform
// is multiplied by scale.
func axisByAxis[T simd.Float](w *pool.Worker, dst, src []T, shape, axes []int, inv bool, scale T, scratch []T) error {
	if len(axes) == 0 {
		copy(dst, src)
		if inv {
			scaleReals(dst, scale)
		}
	}
	for i := len(axes) - 1; i >= 0; i-- {
		dir := forward[T]()
		if inv {
			dir = inverse(T(1))
			if i == 0 {
				dir = inverse(scale)
			}
		}
		dir.stream = i == 0
		if err := along(w, dst, src, shape, axes[i], dir, scratch); err != nil {
			return err
		}
		src = dst
	}
	return nil
}

func scaleAll[T simd.Float](w *pool.Worker, x []T, s T) error {
	if s == 1 {
		return nil
	}
	return parallel(forkFrom(w, len(x)), len(x), pieceReals, func(lo, hi int) { scaleReals(x[lo:hi], s) })
}
