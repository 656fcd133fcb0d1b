package fft

import (
	"slices"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// twoStep is a transform of n = n1·n2 points in two sweeps (Bailey, FFTs in
// external or hierarchical memory, J. Supercomputing 4, 1990). With
// j = j1·n2 + j2 and k = k1 + n1·k2:
//
//  1. for each block of columns j2: transform their n1 points, multiply by
//     exp(-2πi·j2·k1/n), and transpose into s, where each block of k1 lies as
//     a tile of n2 rows (fused: where all n1 lie side by side);
//  2. for each block of k1: transform the tile's n2 points to dst.
//
// Both sweeps move whole vectors, whatever n is: the only shuffles are those
// of the transposition. A last block that is not whole overlaps the one before
// it. src is read wholly before dst is written, so they may be the same.
type twoStep[T simd.Float] struct {
	k      *simd.FFTKernels[T]
	n1, n2 int
	v1, v2 int // vectors of a block in each sweep
	wide   int // blocks of s that the second sweep takes together, side by side in dst
	c1, c2 *col[T]
	// Where things lie: reals from row to row of src and of dst, from block to block
	// of s, and from row to row of it; and the blocks of k1 that are made. A part of a
	// line has its own (stream_line.go), and so has the half of one (evenkernel.go).
	pitchIn, pitchOut, between, step int
	blocks                           int
	tile                             int                 // reals of each of the two tiles that a sweep needs
	s                                int                 // reals between the sweeps
	stream                           [2]bool             // stores of each sweep go past the caches
	fused                            bool                // n1 is 16: the first sweep is one routine
	down                             bool                // a call transposes squares of the same columns
	whole                            [2]simd.FFTWhole[T] // if not nil, all is one: forward, inverse
	// Twiddles exp(-2πi·j2·k1/n) in the order of their use: for each block of
	// columns, for each W values of k1, for each vector of the block, W rows
	// of W lanes; fused or down, vector by vector. Factored, t holds the rows for
	// j2 < W once, and u for each vector of columns from j2 on the numbers
	// exp(-2πi·j2·k1/n).
	t, u []T
}

// factorAbove is the length from which the inner twiddles are products of two
// table entries: below it the whole table stays in the second cache.
const factorAbove = 1 << 14

// streamBytes is the size of an array that does not stay in the caches: stores that go
// past them spare reading what they overwrite. Lines have a size of their own (costs.stream).
const streamBytes = 7 << 20

func newTwoStep[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n1, n2 int) (*twoStep[T], error) {
	t := &twoStep[T]{k: k, n1: n1, n2: n2, c1: plannedCol(k, n1), c2: plannedCol(k, n2)}
	m := machineOf(k)
	t.v1, t.v2 = m.widths(n1, n2)
	t.wide = m.wide(n1, n2)
	t.pitchIn, t.pitchOut, t.between, t.step, t.blocks = 2*n2, 2*n1, n2*2*k.W*t.v2, 2*k.W*t.v2, (n1+k.W-1)/k.W
	t.stream = m.streams(n1 * n2)
	t.fused, t.tile, t.s = m.fuses(n1, n2), m.tileLen(n1, n2), m.sLen(n1, n2)
	r, factored := newRoots(n1*n2), !t.fused && n1*n2 > factorAbove
	if m.wholeColumns(n1*n2) == n1 {
		var packed bool
		if t.whole, packed = k.Packed[n1*n2]; packed {
			t.t = simd.FFTPacked(n1*n2, k.W, func(e int) (re, im T) { return rootAt[T](r, e) })
			return t, nil
		}
		t.whole = k.Whole[n1*n2]
	}
	t.down = factored || t.squares().down()*t.v1 < t.blocks
	if !factored {
		t.t = make([]T, 0, 2*roundUp(n1, k.W)*roundUp(n2, t.v1*k.W))
		for _, j := range starts(n2, t.v1*k.W) {
			t.blockTable(r, j)
		}
		return t, nil
	}
	t.t = make([]T, 0, 2*roundUp(n1, k.W)*k.W)
	for _, k1 := range starts(n1, k.W) {
		t.laneTable(r, 0, k1)
	}
	t.u = newTable[T](2 * roundUp(n1, k.W) * len(starts(n2, k.W)))
	return t, tabulate(w, len(t.u)/2, func(lo, hi int) { t.rowTable(r, lo, hi) })
}

// rowTable fills in numbers lo to hi-1 of u, multiples of W.
func (t *twoStep[T]) rowTable(r *roots, lo, hi int) {
	w, columns, rows := t.k.W, starts(t.n2, t.k.W), starts(t.n1, t.k.W)
	var index [rootChunk]int
	for i := lo; i < hi; i += w {
		j := columns[i/w/len(rows)]
		e := j * rows[i/w%len(rows)] % r.n
		for l := range w {
			index[l] = e
			if e += j; e >= r.n {
				e -= r.n
			}
		}
		rootsAt(r, t.u[2*i:], index[:w])
	}
}

// blockTable appends the twiddles of the block of columns from j2 on.
func (t *twoStep[T]) blockTable(r *roots, j2 int) {
	if t.fused || t.down {
		for v := range t.v1 {
			for _, k1 := range starts(t.n1, t.k.W) {
				t.laneTable(r, j2+v*t.k.W, k1)
			}
		}
		return
	}
	for _, k1 := range starts(t.n1, t.k.W) {
		for v := range t.v1 {
			t.laneTable(r, j2+v*t.k.W, k1)
		}
	}
}

// starts lists the first of each w of n; the last block overlaps the one before
// it if w does not divide n, and there is one block if n < w.
func starts(n, w int) []int {
	out := make([]int, (n+w-1)/w)
	for i := range out {
		out[i] = max(min(i*w, n-w), 0)
	}
	return out
}

// laneTable appends rows k1 to k1+W-1 for columns j2 to j2+W-1.
func (t *twoStep[T]) laneTable(r *roots, j2, k1 int) {
	w := t.k.W
	for i := k1; i < k1+w; i++ {
		at := len(t.t)
		t.t = slices.Grow(t.t, 2*w)[:at+2*w]
		for j, l := range t.k.Lane {
			t.t[at+l], t.t[at+w+l] = rootAt[T](r, (j2+j)*i%r.n)
		}
	}
}

// run transforms src to dst. In parallel if c is not nil; else with the given
// tiles, two of them.
func (t *twoStep[T]) run(c *crew[T], dst, src []T, dir *direction[T], s, tiles []T) error {
	first, second := t.n2/(t.v1*t.k.W), tilesOf(max(t.n1/(t.v2*t.k.W), 1), t.wide)
	switch {
	case c == nil && t.whole[0] != nil:
		t.runWhole(dst, src, dir, s, tiles)
		return nil
	case c == nil:
		t.columns(s, src, 0, first, dir, tiles)
		t.rows(dst, s, 0, second, dir, tiles)
		return nil
	}
	err := c.tasks(first, c.grain(2*t.k.W*t.v1*t.n1), 2*t.tile, func(lo, hi int, tiles []T) {
		t.columns(s, src, lo, hi, dir, tiles)
	})
	if err != nil {
		return err
	}
	return c.tasks(second, c.grain(2*t.k.W*t.v2*t.wide*t.n2), 2*t.tile, func(lo, hi int, tiles []T) {
		t.rows(dst, s, lo, hi, dir, tiles)
	})
}

// runWhole is a line in one routine. A result that is to go past the caches does so from a
// tile: the routine stores here and there, on AVX2 half a line of the cache at a time.
func (t *twoStep[T]) runWhole(dst, src []T, dir *direction[T], s, tile []T) {
	f, n := t.whole[0], 2*t.n1*t.n2
	if dir.in == simd.Swapped {
		f = t.whole[1]
	}
	if !dir.stream {
		f(dst, src, t.t, s, dir.scale)
		return
	}
	f(tile, src, t.t, s, dir.scale)
	simd.StreamRows(dst, n, tile, n, 1, n)
}

// columns is the first sweep over blocks lo to hi; whoever does the last whole
// block does the one that overlaps it.
func (t *twoStep[T]) columns(s, src []T, lo, hi int, dir *direction[T], tiles []T) {
	lanes := t.v1 * t.k.W
	for i := lo; i < hi; i++ {
		t.columnsAt(s, src[2*i*lanes:], i, i*lanes, dir, tiles)
	}
	if hi == t.n2/lanes && t.n2%lanes != 0 {
		t.columnsAt(s, src[2*(t.n2-lanes):], hi, t.n2-lanes, dir, tiles)
	}
}

// columnBlock does the block of columns that begins at j2.
func (t *twoStep[T]) columnBlock(s, src []T, block, j2 int, dir *direction[T], tiles []T) {
	t.columnsAt(s, src[2*j2:], block, j2, dir, tiles)
}

// columnsAt is columnBlock of columns that begin where src does.
func (t *twoStep[T]) columnsAt(s, src []T, block, j2 int, dir *direction[T], tiles []T) {
	w := t.k.W
	if t.fused {
		f := t.k.Columns16
		if dir.in == simd.Swapped {
			f = t.k.Columns16Swapped
		}
		f(s[32*j2:], src, t.t[block*t.v1*32*w:], t.v1, 2*t.n2)
		return
	}
	half, row := t.tile, 2*w*t.v1
	a, b := tiles[:half], tiles[half:2*half]
	out := t.c1.result(a, b)
	t.c1.exec(&rows[T]{buf: out, pitch: row}, &rows[T]{buf: src, pitch: t.pitchIn, layout: dir.in, memory: t.n1*t.n2 >= memoryFrom}, t.v1, nil, a, b)
	t.transpose(s, out, block, j2)
}

// transpose multiplies the columns from j2 on, which out holds row by row, by
// their twiddles and writes them to s: squares along the rows in one call, or
// squares down a vector of columns (down).
func (t *twoStep[T]) transpose(s, out []T, block, j2 int) {
	w, row := t.k.W, 2*t.k.W*t.v1
	to := s[j2*t.step:]
	if !t.down {
		for kb := range t.blocks {
			tw := t.t[(block*t.blocks+kb)*row*w:]
			t.k.Transpose(to[t.block(kb):], out[t.row(kb)*row:], tw, nil, t.v1, row, 2*w, t.step, w*t.step)
		}
		return
	}
	transpose := t.k.Transpose
	if t.stream[0] {
		transpose = t.k.TransposeStream
	}
	apart, squares := 2*w, t.squares() // of neighbours in s
	if t.v2 == 1 {
		apart = t.between
	}
	for v := range t.v1 {
		for kb := 0; kb < t.blocks; {
			n := squares.run(kb)
			tw, u := t.twiddles(block, kb, v)
			transpose(to[t.block(kb)+v*w*t.step:], out[t.row(kb)*row+v*2*w:], tw, u, n, row, w*row, t.step, apart)
			kb += n
		}
	}
}

// row is the row of a tile of columns with which the square kb begins, and block
// where in s the square's first row goes.
func (t *twoStep[T]) row(kb int) int { return max(min(kb*t.k.W, t.n1-t.k.W), 0) }
func (t *twoStep[T]) block(kb int) int {
	return kb/t.v2*t.between + kb%t.v2*2*t.k.W
}

// squares are those of W x W numbers in which a block of columns is transposed, by
// their place down the columns: whole ones, and all with what overlaps the last.
type squares struct{ whole, all, v2 int }

// run is how many from kb on lie at even distances at both ends.
func (s squares) run(kb int) int {
	switch {
	case kb >= s.whole: // what overlaps
		return 1
	case s.v2 == 1:
		return s.whole - kb
	}
	return min(s.v2-kb%s.v2, s.whole-kb)
}

// down is the number of calls for a vector of columns if each goes down it.
func (s squares) down() int {
	calls := 0
	for kb := 0; kb < s.all; kb += s.run(kb) {
		calls++
	}
	return calls
}

func (t *twoStep[T]) squares() squares {
	return squares{min(t.n1/t.k.W, t.blocks), t.blocks, t.v2}
}

// twiddles gives the tables of vector v of a block, for rows kb*W on.
func (t *twoStep[T]) twiddles(block, kb, v int) (tw, u []T) {
	w, at := t.k.W, (block*t.v1+v)*((t.n1+t.k.W-1)/t.k.W)+kb
	if t.u == nil {
		return t.t[at*2*w*w:], nil
	}
	return t.t[kb*2*w*w:], t.u[at*2*w:]
}

// rows is the second sweep over blocks lo*wide to hi*wide-1 of outputs; whoever does
// the last whole block does the one that overlaps it.
func (t *twoStep[T]) rows(dst, s []T, lo, hi int, dir *direction[T], tiles []T) {
	lanes := t.v2 * t.k.W
	whole := max(t.n1/lanes, 1)
	for i := lo * t.wide; i < min(hi*t.wide, whole); i += t.wide {
		t.rowBlocks(dst, s, i, min(t.wide, whole-i), i*lanes, dir, tiles)
	}
	if hi*t.wide >= whole && t.n1 > lanes && t.n1%lanes != 0 {
		t.rowBlocks(dst, s, whole, 1, t.n1-lanes, dir, tiles)
	}
}

// rowBlock does the block of outputs that begins at k1.
func (t *twoStep[T]) rowBlock(dst, s []T, block, k1 int, dir *direction[T], tiles []T) {
	t.rowBlocks(dst, s, block, 1, k1, dir, tiles)
}

// rowBlocks does some blocks of outputs, of one vector if they are several, that begin at k1.
func (t *twoStep[T]) rowBlocks(dst, s []T, block, count, k1 int, dir *direction[T], tiles []T) {
	half, row := t.tile, 2*t.k.W*t.v2
	a, b := tiles[:half], tiles[half:2*half]
	from, pitch := block*t.between, t.step
	if t.fused {
		from, pitch = block*row, 2*t.n1
	}
	src := rows[T]{buf: s[from:], pitch: pitch}
	if count > 1 {
		src.apart = t.between
	}
	if t.n1 >= t.k.W {
		stream := t.stream[1] || dir.stream
		if r := t.c2.radix; len(r) == 1 { // the call alone, for the sake of short lines
			t.c2.last(r[0], dir.out, stream, simd.Planar)(dst[2*k1:], src.buf, dir.scale, 1, t.v2, src.pitch, 0, t.pitchOut, 0)
			return
		}
		t.c2.exec(&rows[T]{buf: dst[2*k1:], pitch: t.pitchOut, layout: dir.out, stream: stream}, &src, t.v2*count, dir.scale, a, b)
		return
	}
	out := t.c2.other(a, b)
	t.c2.exec(&rows[T]{buf: out, pitch: row, layout: dir.out}, &src, 1, dir.scale, a, b)
	for i := range t.n2 {
		copy(dst[2*i*t.n1:][:2*t.n1], out[i*row:])
	}
}
