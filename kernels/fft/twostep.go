package fft

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// twoStep is a transform of n = n1·n2 points in two sweeps (Bailey, FFTs in
// external or hierarchical memory, J. Supercomputing 4, 1990). With
// j = j1·n2 + j2 and k = k1 + n1·k2:
//
//  1. for each block of W columns j2: transform their n1 points, multiply by
//     exp(-2πi·j2·k1/n), and transpose into s, where a block of W values of k1
//     lies as a tile of n2 rows;
//  2. for each block of k1: transform the tile's n2 points to dst.
//
// Both sweeps move whole vectors, whatever n is: the only shuffles are those
// of the transposition. A last block that is not whole overlaps the one before
// it. x is read wholly before y is written, so they may be the same.
type twoStep[T simd.Float] struct {
	n1, n2 int
	c1, c2 *col[T]
	// t holds for each block of columns the vectors over lanes l of
	// exp(-2πi·(j2+l)·k1/n), row k1; if the table is factored there is one
	// block, that of j2 = 0, and u[block] holds the numbers exp(-2πi·j2·k1/n).
	t, u [][]T
}

// factorAbove is the length from which the inner twiddles are products of two
// table entries: below it the whole table stays in the second cache.
const factorAbove = 1 << 14

func newTwoStep[T simd.Float](k *simd.FFTKernels[T], n1, n2 int) *twoStep[T] {
	p := maxPow2For(k.ISA)
	t := &twoStep[T]{n1: n1, n2: n2, c1: newCol[T](n1, p), c2: newCol[T](n2, p)}
	w := newRoots(n1 * n2)
	starts := t.starts(k.W)
	if n1*n2 <= factorAbove {
		for _, j := range starts {
			t.t = append(t.t, t.laneTable(w, k.W, j))
		}
		return t
	}
	t.t = [][]T{t.laneTable(w, k.W, 0)}
	for _, j := range starts {
		u := make([]T, 2*roundUp(n1, k.W))
		for k1 := range n1 {
			u[2*k1], u[2*k1+1] = rootAt[T](w, j*k1)
		}
		t.u = append(t.u, u)
	}
	return t
}

// starts lists the first column of each block.
func (t *twoStep[T]) starts(w int) []int {
	out := make([]int, (t.n2+w-1)/w)
	for i := range out {
		out[i] = min(i*w, t.n2-w)
	}
	return out
}

func (t *twoStep[T]) laneTable(r *roots, w, j2 int) []T {
	out := make([]T, 2*w*roundUp(t.n1, w))
	for k1 := range t.n1 {
		for l := range w {
			out[k1*2*w+l], out[k1*2*w+w+l] = rootAt[T](r, (j2+l)*k1)
		}
	}
	return out
}

// sLen is the length of the scratch s between the sweeps.
func (t *twoStep[T]) sLen(w int) int { return 2 * roundUp(t.n1, w) * t.n2 }

// tileLen is the length of each of the two tiles that a sweep needs.
func (t *twoStep[T]) tileLen(w int) int { return 2 * w * max(roundUp(t.n1, w), t.n2) }

// run transforms src to dst. In parallel if w is not nil; tiles, two of them,
// are for the sequential case.
func (t *twoStep[T]) run(w *pool.Worker, k *simd.FFTKernels[T], dst, src []T, dir direction[T], s, tiles []T) error {
	grain := max(1, pieceReals/(2*k.W*t.n1))
	err := parallel(w, t.n2/k.W, grain, func(lo, hi int) {
		withTiles(w, tiles, 2*t.tileLen(k.W), func(tiles []T) {
			for i := lo; i < hi; i++ {
				t.columns(k, s, src, i, i*k.W, dir, tiles)
			}
			if hi == t.n2/k.W && t.n2%k.W != 0 {
				t.columns(k, s, src, hi, t.n2-k.W, dir, tiles)
			}
		})
	})
	if err != nil {
		return err
	}
	grain = max(1, pieceReals/(2*k.W*t.n2))
	blocks := max(t.n1/k.W, 1)
	return parallel(w, blocks, grain, func(lo, hi int) {
		withTiles(w, tiles, 2*t.tileLen(k.W), func(tiles []T) {
			for i := lo; i < hi; i++ {
				t.rows(k, dst, s, i, i*k.W, dir, tiles)
			}
			if hi == blocks && t.n1 > k.W && t.n1%k.W != 0 {
				t.rows(k, dst, s, hi, t.n1-k.W, dir, tiles)
			}
		})
	})
}

// columns is the first sweep for the block of columns that begins at j2.
func (t *twoStep[T]) columns(k *simd.FFTKernels[T], s, src []T, block, j2 int, dir direction[T], tiles []T) {
	row := 2 * k.W
	half := t.tileLen(k.W)
	a, b := tiles[:half], tiles[half:2*half]
	out := t.c1.free(a, b)
	t.c1.exec(k, rows[T]{out, row, simd.Planar}, rows[T]{src[2*j2:], 2 * t.n2, dir.in}, 1, nil, a, b)
	tw, u := t.t[0], []T(nil)
	if t.u != nil {
		u = t.u[block]
	} else {
		tw = t.t[block]
	}
	nb := max(t.n1/k.W, 1)
	k.Transpose(s[j2*row:], out, tw, u, nb, row, row, row*t.n2)
	if t.n1 > k.W && t.n1%k.W != 0 {
		k1 := t.n1 - k.W
		if u != nil {
			u = u[2*k1:]
		}
		k.Transpose(s[(nb*t.n2+j2)*row:], out[k1*row:], tw[k1*row:], u, 1, row, row, 0)
	}
}

// rows is the second sweep for the block of outputs that begins at k1.
func (t *twoStep[T]) rows(k *simd.FFTKernels[T], dst, s []T, block, k1 int, dir direction[T], tiles []T) {
	row := 2 * k.W
	half := t.tileLen(k.W)
	a, b := tiles[:half], tiles[half:2*half]
	src := rows[T]{s[block*t.n2*row:], row, simd.Planar}
	if t.n1 >= k.W {
		t.c2.exec(k, rows[T]{dst[2*k1:], 2 * t.n1, dir.out}, src, 1, dir.scale, a, b)
		return
	}
	out := t.c2.free(a, b)
	t.c2.exec(k, rows[T]{out, row, dir.out}, src, 1, dir.scale, a, b)
	for i := range t.n2 {
		copy(dst[2*i*t.n1:][:2*t.n1], out[i*row:])
	}
}
