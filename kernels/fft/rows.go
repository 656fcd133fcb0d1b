package fft

import "vgpu/kernels/simd"

// rowGroups transforms short contiguous rows, n1·W points each with n1 < W:
// the two steps of [twoStep] with n2 = W, for W/n1 rows at a time, whose columns
// k1 side by side make whole vectors. One row alone would leave lanes empty.
type rowGroups[T simd.Float] struct {
	k     *simd.FFTKernels[T]
	n, n1 int
	group int // rows of a block of W x W
	last  *col[T]
	t     []T // exp(-2πi·j2·k1/n), row by row of a block, for each of rowBlocks blocks
}

// rowBlocks is how many blocks are done at once: then the three buffers stay in
// the first cache.
const rowBlocks = 4

// grouped tells whether rows of n points are done in groups.
func (m machine) grouped(n int) bool {
	switch n1 := n / m.w; {
	case n%m.w != 0 || n1 >= m.w:
		return false
	default:
		return n1 == 2 || n1 == 4 || n1 == 8
	}
}

// groupNeed is the scratch of a task on rows.
func (m machine) groupNeed() int { return 3 * rowBlocks * 2 * m.w * m.w }

func newRowGroups[T simd.Float](k *simd.FFTKernels[T], n int) *rowGroups[T] {
	w := k.W
	g := &rowGroups[T]{k: k, n: n, n1: n / w, group: w * w / n, last: plannedCol(k, w)}
	r := newRoots(n)
	block := make([]T, 2*w*w)
	for i := range w {
		for j, l := range k.Lane {
			block[2*w*i+l], block[2*w*i+w+l] = rootAt[T](r, j*(i%g.n1)%n)
		}
	}
	for range rowBlocks {
		g.t = append(g.t, block...)
	}
	return g
}

func (g *rowGroups[T]) bytes() int { return entryBytes + tableBytes(g.t) + g.last.bytes() }

// run transforms so many rows of src to dst, which may be the same.
func (g *rowGroups[T]) run(dst, src []T, rows int, dir *direction[T], scratch []T) {
	w, size := g.k.W, 2*g.n
	first := g.k.FirstN[g.n1]
	if dir.in == simd.Swapped {
		first = g.k.FirstSwappedN[g.n1]
	}
	last := g.last.last(w, dir.out, false, simd.Planar)
	part := 2 * w * w * rowBlocks
	a, b, c := scratch[:part], scratch[part:2*part], scratch[2*part:3*part]
	for at := 0; at < rows; at += rowBlocks * g.group {
		n := min(rowBlocks*g.group, rows-at)
		blocks := (n + g.group - 1) / g.group
		if n < blocks*g.group {
			clear(a)
		}
		first(a, src[at*size:], nil, n, 1, 2*w, size, 2*w, 2*w*g.n1)
		g.k.Transpose(b, a, g.t, nil, blocks, 2*w, 2*w*w, 2*w*blocks, 2*w)
		last(c, b, dir.scale, 1, blocks, 2*w*blocks, 0, 2*w*blocks, 0)
		g.spread(dst[at*size:][:n*size], c, 2*w*blocks)
	}
}

// spread copies the numbers of each row from vectors, pitch reals from one k2 to
// the next. Arrays are copied without a call.
func (g *rowGroups[T]) spread(dst, c []T, pitch int) {
	size, piece := 2*g.n, 2*g.n1
	for row := 0; row*size < len(dst); row++ {
		from, to := c[row*piece:], dst[row*size:][:size]
		switch piece {
		case 16:
			for i := 0; i < g.k.W; i++ {
				*(*[16]T)(to[16*i:]) = *(*[16]T)(from[i*pitch:])
			}
		case 8:
			for i := 0; i < g.k.W; i++ {
				*(*[8]T)(to[8*i:]) = *(*[8]T)(from[i*pitch:])
			}
		default:
			for i := 0; i < g.k.W; i++ {
				*(*[4]T)(to[4*i:]) = *(*[4]T)(from[i*pitch:])
			}
		}
	}
}

// grouped transforms contiguous rows in groups.
func (a *axis[T]) grouped(c *crew[T]) error {
	g, size, m := plannedRows(a.k, a.n), 2*a.n, machineOf(a.k)
	unit := g.group * rowBlocks
	units := (a.outer + unit - 1) / unit
	return c.tasks(units, c.grain(unit*size), m.groupNeed(), func(lo, hi int, scratch []T) {
		from, to := lo*unit, min(hi*unit, a.outer)
		g.run(a.dst[from*size:], a.src[from*size:], to-from, a.dir, scratch)
	})
}
