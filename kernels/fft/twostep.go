package fft

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// twoStep is a transform of n = n1·n2 points in two sweeps (Bailey, FFTs in
// external or hierarchical memory, J. Supercomputing 4, 1990). With
// j = j1·n2 + j2 and k = k1 + n1·k2:
//
//  1. for each block of columns j2: transform their n1 points, multiply by
//     exp(-2πi·j2·k1/n), and transpose into s, where each block of k1 lies as
//     a tile of n2 rows;
//  2. for each block of k1: transform the tile's n2 points to dst.
//
// Both sweeps move whole vectors, whatever n is: the only shuffles are those
// of the transposition. A last block that is not whole overlaps the one before
// it. src is read wholly before dst is written, so they may be the same.
type twoStep[T simd.Float] struct {
	k      *simd.FFTKernels[T]
	n1, n2 int
	v1, v2 int // vectors of a block in each sweep
	c1, c2 *col[T]
	// Twiddles exp(-2πi·j2·k1/n) in the order of their use: for each block of
	// columns, for each W values of k1, for each vector of the block, W rows
	// of W lanes. Factored, t holds the rows for j2 < W once, and u for each
	// vector of columns from j2 on the numbers exp(-2πi·j2·k1/n).
	t, u []T
}

// factorAbove is the length from which the inner twiddles are products of two
// table entries: below it the whole table stays in the second cache.
const factorAbove = 1 << 14

func newTwoStep[T simd.Float](k *simd.FFTKernels[T], n1, n2 int) *twoStep[T] {
	t := &twoStep[T]{k: k, n1: n1, n2: n2, c1: plannedCol(k, n1), c2: plannedCol(k, n2)}
	t.v1, t.v2 = t.width(n1, n2), t.width(n2, n1)
	r := newRoots(n1 * n2)
	if n1*n2 <= factorAbove {
		for _, j := range starts(n2, t.v1*k.W) {
			for _, k1 := range starts(n1, k.W) {
				for v := range t.v1 {
					t.laneTable(r, j+v*k.W, k1)
				}
			}
		}
		return t
	}
	for _, k1 := range starts(n1, k.W) {
		t.laneTable(r, 0, k1)
	}
	for _, j := range starts(n2, k.W) {
		for _, first := range starts(n1, k.W) {
			for k1 := first; k1 < first+k.W; k1++ {
				re, im := rootAt[T](r, j*k1%r.n)
				t.u = append(t.u, re, im)
			}
		}
	}
	return t
}

// width is the number of vectors of a block of columns of n points, of which
// there are lanes side by side: as many as divide them evenly and leave the
// tile in the first cache, or for long transforms, where a row should fill
// several cache lines, in the second.
func (t *twoStep[T]) width(n, lanes int) int {
	limit := smallTile
	if t.n1*t.n2 > factorAbove {
		limit = largeTile
	}
	v, vectors := 1, lanes/t.k.W
	if lanes%t.k.W != 0 {
		return 1
	}
	for vectors%(2*v) == 0 && 2*v*n*2*t.k.W*realSize[T]() <= limit {
		v *= 2
	}
	return v
}

// Bytes of a tile that width aims at.
var (
	smallTile = 8 << 10
	largeTile = 128 << 10
)

func realSize[T simd.Float]() int {
	if isSingle[T]() {
		return 4
	}
	return 8
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
		t.t = append(t.t, make([]T, 2*w)...)
		for l := range w {
			t.t[at+l], t.t[at+w+l] = rootAt[T](r, (j2+l)*i%r.n)
		}
	}
}

// sLen is the length of the scratch s between the sweeps.
func (t *twoStep[T]) sLen() int { return 2 * roundUp(t.n1, t.k.W) * t.n2 }

// tileLen is the length of each of the two tiles that a sweep needs.
func (t *twoStep[T]) tileLen() int {
	return 2 * t.k.W * max(t.v1*roundUp(t.n1, t.k.W), t.v2*t.n2)
}

// run transforms src to dst. In parallel if w is not nil; else with the given
// tiles, two of them.
func (t *twoStep[T]) run(w *pool.Worker, dst, src []T, dir direction[T], s, tiles []T) error {
	first, second := t.n2/(t.v1*t.k.W), max(t.n1/(t.v2*t.k.W), 1)
	if w == nil {
		t.columns(s, src, 0, first, dir, tiles)
		t.rows(dst, s, 0, second, dir, tiles)
		return nil
	}
	err := w.For(first, max(1, pieceReals/(2*t.k.W*t.v1*t.n1)), func(_ *pool.Worker, lo, hi int) {
		p := take[T](2 * t.tileLen())
		defer give(p)
		t.columns(s, src, lo, hi, dir, *p)
	})
	if err != nil {
		return err
	}
	return w.For(second, max(1, pieceReals/(2*t.k.W*t.v2*t.n2)), func(_ *pool.Worker, lo, hi int) {
		p := take[T](2 * t.tileLen())
		defer give(p)
		t.rows(dst, s, lo, hi, dir, *p)
	})
}

// columns is the first sweep over blocks lo to hi; whoever does the last whole
// block does the one that overlaps it.
func (t *twoStep[T]) columns(s, src []T, lo, hi int, dir direction[T], tiles []T) {
	lanes := t.v1 * t.k.W
	for i := lo; i < hi; i++ {
		t.columnBlock(s, src, i, i*lanes, dir, tiles)
	}
	if hi == t.n2/lanes && t.n2%lanes != 0 {
		t.columnBlock(s, src, hi, t.n2-lanes, dir, tiles)
	}
}

// columnBlock does the block of columns that begins at j2.
func (t *twoStep[T]) columnBlock(s, src []T, block, j2 int, dir direction[T], tiles []T) {
	w := t.k.W
	half, row := t.tileLen(), 2*w*t.v1
	a, b := tiles[:half], tiles[half:2*half]
	out := t.c1.free(a, b)
	t.c1.exec(rows[T]{out, row, simd.Planar}, rows[T]{src[2*j2:], 2 * t.n2, dir.in}, t.v1, nil, a, b)
	drow := 2 * w * t.v2
	square := 2 * w * w
	for kb, blocks := 0, (t.n1+w-1)/w; kb < blocks; kb++ {
		from := out[max(min(kb*w, t.n1-w), 0)*row:]
		to := s[(kb/t.v2*t.n2+j2)*drow+kb%t.v2*2*w:]
		if t.u == nil {
			t.k.Transpose(to, from, t.t[(block*blocks+kb)*t.v1*square:], nil, t.v1, row, 2*w, drow, w*drow)
			continue
		}
		for v := range t.v1 {
			u := t.u[((block*t.v1+v)*blocks+kb)*2*w:]
			t.k.Transpose(to[v*w*drow:], from[v*2*w:], t.t[kb*square:], u, 1, row, 0, drow, 0)
		}
	}
}

// rows is the second sweep over blocks lo to hi of outputs.
func (t *twoStep[T]) rows(dst, s []T, lo, hi int, dir direction[T], tiles []T) {
	lanes := t.v2 * t.k.W
	for i := lo; i < hi; i++ {
		t.rowBlock(dst, s, i, i*lanes, dir, tiles)
	}
	if hi == t.n1/lanes && t.n1%lanes != 0 {
		t.rowBlock(dst, s, hi, t.n1-lanes, dir, tiles)
	}
}

// rowBlock does the block of outputs that begins at k1.
func (t *twoStep[T]) rowBlock(dst, s []T, block, k1 int, dir direction[T], tiles []T) {
	half, row := t.tileLen(), 2*t.k.W*t.v2
	a, b := tiles[:half], tiles[half:2*half]
	src := rows[T]{s[block*t.n2*row:], row, simd.Planar}
	if t.n1 >= t.k.W {
		t.c2.exec(rows[T]{dst[2*k1:], 2 * t.n1, dir.out}, src, t.v2, dir.scale, a, b)
		return
	}
	out := t.c2.free(a, b)
	t.c2.exec(rows[T]{out, row, dir.out}, src, 1, dir.scale, a, b)
	for i := range t.n2 {
		copy(dst[2*i*t.n1:][:2*t.n1], out[i*row:])
	}
}
