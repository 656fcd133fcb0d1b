package fft

import (
	"math"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// cyclic is a cyclic convolution of n1·n2 points with a kernel of which the spectrum is
// known. Nobody sees the transform in between, so that it need not be put in order: in
// place of four sweeps and three passes over arrays there are three sweeps over one, s,
// with j = j1·n2 + j2 and k = k1 + n1·k2 as [twoStep] has them:
//
//  1. for each block of columns j2: they are made where they are needed, transformed,
//     and transposed with twiddles, as in a [twoStep] of n1·n2;
//  2. for each block of k1: the n2 points of its rows are transformed, multiplied by the
//     spectrum, transformed back, and transposed with twiddles to where they came from:
//     the second sweep of that and the first of a [twoStep] of n2·n1, in one;
//  3. for each block of columns j2: their n1 points are transformed back and handed on.
//
// The numbers are those of these two transforms, one after the other: so outside memory
// they are done one after the other (stream_chirp.go).
type cyclic[T simd.Float] struct {
	k           *simd.FFTKernels[T]
	shape       cyclicShape
	there, back twoStep[T] // of n1·n2 and of n2·n1
	s, tile     int        // reals of s, and of each of the two tiles that a sweep needs
}

// cyclicShape is n1·n2 and the vectors of a block of columns.
type cyclicShape struct{ n1, n2, v int }

// cyclicPad is what lies between the rows k1 of s, in reals: at distances of powers of two
// they would compete for the sets of the caches.
const cyclicPad = 64

func (c cyclicShape) pitch() int        { return 2*c.n2 + cyclicPad }
func (c cyclicShape) sLen() int         { return c.n1 * c.pitch() }
func (c cyclicShape) tileLen(w int) int { return 2 * w * max(c.v*c.n1, c.n2) }

// cyclicFrom is the bytes of an array beyond which convolutions are cyclic: shorter ones
// stay in the second cache, where orderings cost little, and the routines of whole lines
// and first sweeps are ahead. Tiles of columns have cyclicTile bytes, and rows of them
// cyclicVectors vectors, at most.
const (
	cyclicFrom    = 256 << 10
	cyclicTile    = 512 << 10
	cyclicVectors = 24
)

// cyclic is how a convolution of n points is done; ok is false if it is two lines. All
// blocks are whole, and twiddles are products of two tables.
func (m machine) cyclic(n int) (c cyclicShape, ok bool) {
	if 2*n*m.size <= cyclicFrom || n <= factorAbove || n%(m.w*m.w) != 0 {
		return c, false
	}
	best := math.Inf(1)
	for _, d := range divisors(n / (m.w * m.w)) {
		n1, n2 := d*m.w, n/(d*m.w)
		if m.fuses(n1, n2) || m.fuses(n2, n1) {
			continue
		}
		at := cyclicShape{n1, n2, m.width(n1, n2, cyclicTile, cyclicVectors)}
		if cost := m.cyclicCost(at); cost < best*(1-1e-9) {
			best, c, ok = cost, at, true
		}
	}
	return c, ok
}

// cyclicCost estimates the cycles a vector of one of the two transforms: passes; a call
// for each row of a block of columns; and what waits for memory, least if there are eight
// times as many columns as rows, or fewer where rows would leave the second cache.
func (m machine) cyclicCost(c cyclicShape) float64 {
	best := min(max(2*math.Log2(8192)-math.Log2(float64(c.n1*c.n2)), 0), 3)
	passes := m.tileCost(c.n1, c.v)/float64(c.n1) + m.tileCost(c.n2, 1)/float64(c.n2)
	return passes + 25/float64(c.v) + 2*math.Abs(math.Log2(float64(c.n2)/float64(c.n1))-best)
}

// cyclicTask is the scratch of a task: two tiles, and a piece of a table.
func (m machine) cyclicTask(c cyclicShape) int { return 2*c.tileLen(m.w) + evenReals }

func newCyclic[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], c cyclicShape) (*cyclic[T], error) {
	there, err := plannedSweeps(w, k, c.n1, c.n2)
	if err != nil {
		return nil, err
	}
	back, err := plannedSweeps(w, k, c.n2, c.n1)
	if err != nil {
		return nil, err
	}
	out := &cyclic[T]{k: k, shape: c, there: *there, back: *back, s: c.sLen(), tile: c.tileLen(k.W)}
	t, vector := &out.there, 2*k.W
	t.v1, t.v2, t.tile, t.pitchIn, t.step, t.between = c.v, 1, out.tile, c.v*vector, vector, k.W*c.pitch()
	t = &out.back
	t.v1, t.v2, t.tile, t.pitchIn, t.step, t.between = 1, 1, out.tile, vector, c.pitch(), vector
	t.stream = [2]bool{} // what it overwrites was read just now
	return out, nil
}

// cyclicEnds is what a convolution has to do with others, tile by tile. Each has rest as
// scratch, evenReals of it.
type cyclicEnds[T simd.Float] struct {
	load  func(tile []T, j2 int, rest []T) // sets n1 rows of interleaved numbers, from column j2 on
	times func(tile []T, k1 int, rest []T) // multiplies n2 rows of interleaved numbers by the spectrum, from k1 on
	store func(tile []T, j2 int, rest []T) // takes n1 rows of the result, swapped
}

// run convolves, times the scale of dir, which is an inverse direction. In parallel if
// team is not nil, else with scratch as a task has it.
func (c *cyclic[T]) run(team *crew[T], s, scratch []T, dir *direction[T], ends *cyclicEnds[T]) error {
	w, v := c.k.W, c.shape.v
	for _, sweep := range []struct {
		n, reals int
		block    func(i int, scratch []T)
	}{
		{c.shape.n2 / (w * v), 2 * w * v * c.shape.n1, func(i int, scratch []T) { c.columns(s, i, scratch, ends) }},
		{c.shape.n1 / w, 4 * w * c.shape.n2, func(i int, scratch []T) { c.rows(s, i, dir, scratch, ends) }},
		{c.shape.n2 / (w * v), 2 * w * v * c.shape.n1, func(i int, scratch []T) { c.result(s, i, dir, scratch, ends) }},
	} {
		blocks := func(lo, hi int, scratch []T) {
			for i := lo; i < hi; i++ {
				sweep.block(i, scratch)
			}
		}
		if team == nil {
			blocks(0, sweep.n, scratch)
		} else if err := team.tasks(sweep.n, team.grain(sweep.reals), 2*c.tile+evenReals, blocks); err != nil {
			return err
		}
	}
	return nil
}

// columns is block i of the first sweep. The tile that is loaded is the one that the
// transform does not write first.
func (c *cyclic[T]) columns(s []T, i int, scratch []T, ends *cyclicEnds[T]) {
	j2, x := i*c.k.W*c.shape.v, scratch[c.tile:2*c.tile]
	ends.load(x, j2, scratch[2*c.tile:])
	c.there.columnsAt(s, x, i, j2, forward[T](), scratch)
}

// rows is block i of the second sweep, which is read wholly before it is written.
func (c *cyclic[T]) rows(s []T, i int, dir *direction[T], scratch []T, ends *cyclicEnds[T]) {
	t, a, b := &c.there, scratch[:c.tile], scratch[c.tile:2*c.tile]
	first, second := a, b // so that the last pass does not read b
	if len(t.c2.radix)%2 == 1 {
		first, second = b, a
	}
	from := &rows[T]{buf: s[i*t.between:], pitch: t.step}
	t.c2.exec(&rows[T]{buf: b, pitch: t.step, layout: simd.Interleaved}, from, 1, nil, first, second)
	ends.times(b, i*c.k.W, scratch[2*c.tile:])
	c.back.columnsAt(s, b, i, i*c.k.W, dir, scratch)
}

// result is block i of the third sweep.
func (c *cyclic[T]) result(s []T, i int, dir *direction[T], scratch []T, ends *cyclicEnds[T]) {
	j2, row := i*c.k.W*c.shape.v, 2*c.k.W*c.shape.v
	a, b := scratch[:c.tile], scratch[c.tile:2*c.tile]
	out := c.there.c1.other(a, b)
	from := &rows[T]{buf: s[2*j2:], pitch: c.back.step}
	c.there.c1.exec(&rows[T]{buf: out, pitch: row, layout: dir.out}, from, c.shape.v, dir.scale, a, b)
	ends.store(out, j2, scratch[2*c.tile:])
}
