package fft

import "vgpu/kernels/simd"

// colMax is the longest column transformed in a tile; longer ones are gathered
// into lines of their own, whose two-step transform has smaller tiles.
const colMax = 1 << 13

// geometry is the lines along one axis of a C-ordered array of complex numbers:
// outer × n × inner.
type geometry struct{ outer, n, inner int }

func geometryOf(shape []int, ax int) geometry {
	return geometry{product(shape[:ax]), shape[ax], product(shape[ax+1:])}
}

// way is how the lines along an axis are gone through.
type way uint8

const (
	oneByOne   way = iota // contiguous lines, each spread over the crew
	byLine                // contiguous lines, each in one task
	byGroups              // short contiguous lines, some at a time
	byColumns             // blocks of neighbouring columns, in tiles
	byLanes               // W short lines at a time, wherever they lie
	byGathered            // long or non-smooth columns, copied together
)

// wayOf chooses by shape and instruction set alone.
func (m machine) wayOf(g geometry) way {
	tiled := m.tiled(g.n)
	switch {
	case g.inner == 1 && g.outer == 1:
		return oneByOne
	case g.inner == 1 && m.grouped(g.n):
		return byGroups
	case g.inner == 1 && (!tiled || methodFor(g.n, m) != methodTile && g.n > 4*m.w):
		if g.n >= lineFrom {
			return oneByOne
		}
		return byLine
	case g.inner >= m.w && tiled:
		return byColumns
	case g.inner > 1 && !tiled:
		return byGathered
	}
	return byLanes
}

// tiled tells whether columns of this length are transformed in tiles.
func (m machine) tiled(n int) bool { return smooth(n) && n > 1 && n <= colMax }

// need is the scratch for the lines of one axis.
func (m machine) need(g geometry) need { return m.needOf(g, m.wayOf(g)) }

func (m machine) needOf(g geometry, by way) need {
	switch by {
	case oneByOne:
		return m.lineNeed(g.n)
	case byLine:
		return need{task: m.scratch(g.n)}
	case byGroups:
		return need{task: m.groupNeed()}
	case byColumns:
		return need{task: m.columnNeed(g)}
	case byGathered:
		return need{task: 2*g.n*gatherLines(g.n, m.size, gatherMost) + m.scratch(g.n)}
	}
	return need{task: 8 * m.w * g.n}
}

// columnNeed is the scratch of a task on columns: two tiles, or four for lanes.
func (m machine) columnNeed(g geometry) int { return 4 * m.w * g.n * max(m.blockVectors(g), 2) }

// lineNeed is the scratch of one line that is spread over a crew.
func (m machine) lineNeed(n int) need {
	out := need{alone: m.scratch(n)}
	if n < lineFrom {
		return out
	}
	inner := m.innerLength(n)
	if c, ok := m.cyclic(inner); ok && methodFor(n, m) == methodBluestein {
		out.task = m.cyclicTask(c)
	} else if inner >= lineFrom {
		n1, n2, _ := split(inner, m)
		out.task = 2 * m.tileLen(n1, n2)
	}
	return out
}

// axis is the transform of every line along one axis.
type axis[T simd.Float] struct {
	geometry
	k        *simd.FFTKernels[T]
	dir      *direction[T]
	dst, src []T // may be the same
}

// along transforms the given axis of shape from src to dst, which may be the
// same; last tells that no other follows. c has the need of the axis.
func along[T simd.Float](c *crew[T], dst, src []T, shape []int, ax int, dir *direction[T], last bool) error {
	return alongBy(c, dst, src, shape, ax, dir, last, machineOf(simd.FFT[T]()).wayOf(geometryOf(shape, ax)))
}

// alongBy goes a given way. A part of an array is gone through as the whole
// is, so that its bits are the same.
func alongBy[T simd.Float](c *crew[T], dst, src []T, shape []int, ax int, dir *direction[T], last bool, by way) error {
	a := &axis[T]{k: simd.FFT[T](), geometry: geometryOf(shape, ax), dir: dir, dst: dst, src: src}
	total := a.outer * a.n * a.inner
	if total == 0 {
		return nil
	}
	c = c.fork(total)
	if last && total*2*realSize[T]() >= streamBytes && &dst[0] != &src[0] {
		own := *dir // what is not transformed again need not stay in the caches
		own.stream, a.dir = true, &own
	}
	switch by {
	case oneByOne:
		return a.oneByOne(c)
	case byLine:
		return a.byLine(c)
	case byGroups:
		return a.grouped(c)
	case byColumns:
		return a.columns(c)
	case byGathered:
		return a.gathered(c)
	}
	return a.lanes(c)
}

// oneByOne transforms contiguous lines, each on the whole crew.
func (a *axis[T]) oneByOne(c *crew[T]) error {
	l, err := planned(c.w, a.k, a.n)
	if err != nil {
		return err
	}
	size := 2 * a.n
	for i := range a.outer {
		if err := l.run(c, a.k, a.dst[i*size:], a.src[i*size:], a.dir, c.alone(l.scratchLen())); err != nil {
			return err
		}
	}
	return nil
}

// byLine transforms contiguous lines, one at a time in each task.
func (a *axis[T]) byLine(c *crew[T]) error {
	l, err := planned(c.w, a.k, a.n)
	if err != nil {
		return err
	}
	size := 2 * a.n
	return c.tasks(a.outer, c.grain(size), l.scratchLen(), func(lo, hi int, scratch []T) {
		for i := lo; i < hi; i++ {
			_ = l.run(nil, a.k, a.dst[i*size:], a.src[i*size:], a.dir, scratch) // no crew, no error
		}
	})
}

// columns transforms blocks of neighbouring columns in tiles.
func (a *axis[T]) columns(c *crew[T]) error {
	col, m := plannedCol(a.k, a.n), machineOf(a.k)
	lanes := m.blockVectors(a.geometry) * a.k.W
	blocks := (a.inner + lanes - 1) / lanes
	return c.tasks(a.outer*blocks, c.grain(2*lanes*a.n), m.columnNeed(a.geometry), func(lo, hi int, scratch []T) {
		for i := lo; i < hi; i++ {
			first := i % blocks * lanes
			a.columnBlock(col, scratch, i/blocks, first, min(lanes, a.inner-first))
		}
	})
}

// blockVectors is the number of vectors of a block of columns: so many that a
// row of the block is several cache lines, while the tile stays in the second
// cache.
func (m machine) blockVectors(g geometry) int {
	v := 1
	for v < m.cost.columns && 2*v*m.w <= g.inner && 2*v*g.n*2*m.w*m.size <= m.cost.columnTile {
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
		to := rows[T]{buf: a.dst[base:], pitch: pitch, layout: a.dir.out}
		from := rows[T]{buf: a.src[base:], pitch: pitch, layout: a.dir.in, memory: a.outer*a.n*a.inner >= memoryFrom}
		c.exec(&to, &from, v, a.dir.scale, scratch[:tile], scratch[tile:2*tile])
	}
	if rest := count - v*a.k.W; rest > 0 {
		a.laneGroup(c, scratch[:8*a.k.W*a.n], outer*a.inner+first+v*a.k.W, rest)
	}
}

// lanes transforms lines W at a time, wherever they lie.
func (a *axis[T]) lanes(c *crew[T]) error {
	col := plannedCol(a.k, a.n)
	lines, tile := a.outer*a.inner, 2*a.k.W*a.n
	groups := (lines + a.k.W - 1) / a.k.W
	return c.tasks(groups, c.grain(tile), 4*tile, func(lo, hi int, scratch []T) {
		for g := lo; g < hi; g++ {
			a.laneGroup(col, scratch, g*a.k.W, min(a.k.W, lines-g*a.k.W))
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
	for j, l := range a.k.Lane[:count] {
		o := a.lineStart(first + j)
		for i := range a.n {
			in[i*row+l], in[i*row+a.k.W+l] = a.src[o+re], a.src[o+im]
			o += 2 * a.inner
		}
	}
	c.exec(&rows[T]{buf: out, pitch: row, layout: a.dir.out}, &rows[T]{buf: in, pitch: row}, 1, a.dir.scale, scratch[2*tile:3*tile], scratch[3*tile:])
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

// gatherMost is how many lines of complex numbers are gathered at the most.
const gatherMost = 8

// gatherLines is how many neighbouring lines of n elements are copied together,
// of reals of that many bytes: a cache line or two of each row, less if that
// takes megabytes.
func gatherLines(n, size, most int) int {
	const reals = 1 << 20
	return max(min(most, reals/(2*n)), 32/size)
}

// gathered copies strided lines into contiguous ones and back.
func (a *axis[T]) gathered(c *crew[T]) error {
	l, err := planned(c.w, a.k, a.n)
	if err != nil {
		return err
	}
	lines := gatherLines(a.n, realSize[T](), gatherMost)
	blocks, size := (a.inner+lines-1)/lines, 2*a.n*lines
	return c.tasks(a.outer*blocks, 1, size+l.scratchLen(), func(lo, hi int, scratch []T) {
		buf, rest := scratch[:size], scratch[size:]
		for i := lo; i < hi; i++ {
			first := i % blocks * lines
			a.gatheredBlock(l, buf, rest, i/blocks*a.n*a.inner+first, min(lines, a.inner-first))
		}
	})
}

func (a *axis[T]) gatheredBlock(l *line[T], buf, rest []T, base, count int) {
	simd.TransposeReals(buf, a.n, a.src[2*base:], a.inner, 2, count, a.n)
	for c := range count {
		line := buf[2*c*a.n:][:2*a.n]
		_ = l.run(nil, a.k, line, line, a.dir, rest) // no worker, no error
	}
	simd.TransposeReals(a.dst[2*base:], a.inner, buf, a.n, 2, a.n, count)
}

// planeBytes is the size of the trailing part of an array that is taken
// through all its axes while it lies in the second cache.
const planeBytes = 512 << 10

// planes is how a transform over several axes is cut: trailing ones go through
// planes of size complex numbers each, then the leading ones through all. cut
// is 0 if there are no planes.
type planes struct {
	cut, count        int
	size              int
	shape             []int // of a plane
	leading, trailing []int // axes; those of a plane from its first
}

func planesOf(shape, axes []int, size int) planes {
	p := planes{cut: planeCut(shape, axes, size)}
	if p.cut == 0 {
		return p
	}
	for _, a := range axes {
		if a < p.cut {
			p.leading = append(p.leading, a)
		} else {
			p.trailing = append(p.trailing, a-p.cut)
		}
	}
	p.shape, p.count = shape[p.cut:], product(shape[:p.cut])
	p.size = product(p.shape)
	return p
}

// transformNeed is the scratch of [transform].
func (m machine) transformNeed(shape, axes []int) (out need) {
	if p := planesOf(shape, axes, m.size); p.cut > 0 {
		inPlane := m.axesNeed(p.shape, p.trailing).serial()
		return need{task: inPlane}.or(m.axesNeed(shape, p.leading))
	}
	return m.axesNeed(shape, axes)
}

func (m machine) axesNeed(shape, axes []int) (out need) {
	for _, a := range axes {
		out = out.or(m.need(geometryOf(shape, a)))
	}
	return out
}

// transform does the axes one after the other, the last first, from src to
// dst, both C-ordered of the given shape; they may be the same. All is
// multiplied by scale. c has the transformNeed.
func transform[T simd.Float](c *crew[T], dst, src []T, shape, axes []int, inv bool, scale T) error {
	if len(dst) == 0 {
		return nil
	}
	scaled := scale
	if inv {
		scaled = 1 // by the last axis
	}
	m := machineOf(simd.FFT[T]())
	p := planesOf(shape, axes, m.size)
	if p.cut == 0 {
		if err := axisByAxis(c, dst, src, shape, axes, inv, scale); err != nil {
			return err
		}
		return scaleAll(c, dst, scaled)
	}
	last, size := T(1), 2*p.size
	if len(p.leading) == 0 {
		last = scale
	}
	task := m.axesNeed(p.shape, p.trailing).serial()
	err := c.fork(product(shape)).tasks(p.count, c.grain(size), task, func(lo, hi int, scratch []T) {
		own := single(scratch)
		for i := lo; i < hi; i++ {
			_ = axisByAxis(own, dst[i*size:][:size], src[i*size:], p.shape, p.trailing, inv, last) // no worker, no error
		}
	})
	if err != nil {
		return err
	}
	if len(p.leading) > 0 {
		if err := axisByAxis(c, dst, dst, shape, p.leading, inv, scale); err != nil {
			return err
		}
	}
	return scaleAll(c, dst, scaled)
}

// planeCut is the axis from which the trailing part of the array has several
// axes to transform and fits planeBytes, while there are many such parts; 0 if
// there is none.
func planeCut(shape, axes []int, size int) int {
	for cut := 1; cut < len(shape); cut++ {
		if product(shape[cut:])*2*size > planeBytes {
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
func axisByAxis[T simd.Float](c *crew[T], dst, src []T, shape, axes []int, inv bool, scale T) error {
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
		if err := along(c, dst, src, shape, axes[i], dir, i == 0); err != nil {
			return err
		}
		src = dst
	}
	return nil
}

func scaleAll[T simd.Float](c *crew[T], x []T, s T) error {
	if s == 1 {
		return nil
	}
	return c.over(len(x), func(lo, hi int) { scaleReals(x[lo:hi], s) })
}
