// Package move copies arrays: any shape, any strides on either side, with or
// without a change of element type, in parallel and in an order that suits
// the caches. Copy, cast, transpose, concat and their like are all one call
// of [Copy] on suitable views.
//
// # Model
//
// The axes of both sides are brought to a common normal form: extents of one
// are dropped, axes are ordered by the destination's strides, destination
// strides are made positive, and neighbours that continue each other are
// merged. What remains is walked in two-dimensional tiles: one axis is the
// destination's fastest (p), the other the source's fastest (q) or, if they
// are the same axis, the next slower. A tile is moved by one of a few loops
// chosen once (see [mover]). Tiles and grains depend on the shape alone.
//
// When p and q differ this is a blocked transpose: a tile of the source and
// its place in the destination both fit the first-level cache.
package move

import (
	"cmp"
	"slices"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

const (
	// pieceBytes is about how much a piece of parallel work moves.
	pieceBytes = 256 << 10
	// rowTile is the number of bytes of a tile whose axes agree.
	rowTile = 64 << 10
	// A tile whose axes cross is read in long runs of up to crossRows elements,
	// or crossRun bytes, so that the hardware's prefetching helps, and written
	// in short ones of crossTile elements, whole cache lines that the
	// second-level cache collects. (Tried from 16 to 1024 each way.)
	crossTile = 64
	crossRows = 512
	crossRun  = 4096
)

// Copy assigns src to dst, element by element, converting as
// [ndarray.Convert] does if the types differ. The shapes must be equal (use
// Layout.Broadcast first) and the two must not overlap. It returns an error
// only if the worker's job is cancelled.
//
// Cost: every element is read and written once; O(1) memory.
func Copy(w *pool.Worker, dst, src ndarray.Array) error {
	if !slices.Equal(dst.Shape, src.Shape) {
		panic("move: " + dst.String() + " is given " + src.String())
	}
	if dst.Len() == 0 {
		return nil
	}
	g := newGrid(dst, src)
	move := g.mover(dst, src)
	grain := max(1, pieceBytes/(g.tile[0]*g.tile[1]*dst.DType.Size()))
	return w.For(g.tiles(), grain, func(_ *pool.Worker, lo, hi int) {
		for t := lo; t < hi; t++ {
			move(g.at(t))
		}
	})
}

// axis is an axis of both sides: extent, and strides in bytes.
type axis struct{ n, ds, ss int }

// grid is a copy in normal form, cut into tiles.
type grid struct {
	dst, src int    // byte offsets of the first element
	outer    []axis // walked tile by tile, slowest first
	q, p     axis   // rows and columns of a tile
	tile     [2]int // extents of a full tile
	crossed  bool   // q is not an axis that dst is contiguous along
}

// block is one tile: n[0] x n[1] elements at byte offsets.
type block struct {
	dst, src int
	n        [2]int
}

// newGrid brings the two to normal form and chooses the tile's axes: p, which
// is dst's fastest, and q, which is src's fastest if that is another axis (then
// both sides are used by whole cache lines), else dst's second.
func newGrid(dst, src ndarray.Array) grid {
	g := grid{dst: dst.Offset, src: src.Offset}
	axes := g.normalise(dst.Layout, src.Layout)
	size := dst.DType.Size()
	p := len(axes) - 1
	q := p
	for i, a := range axes {
		if abs(a.ss) < abs(axes[q].ss) && a.ss != 0 {
			q = i
		}
	}
	g.crossed = q != p && axes[p].ss != 0
	if !g.crossed {
		q = p - 1
		if scatters(dst, src, axes) {
			q = nextOf(axes[:p])
		}
	}
	g.p, g.q = axes[p], axis{n: 1}
	if q >= 0 {
		g.q = axes[q]
	}
	for i, a := range axes {
		if i != p && i != q {
			g.outer = append(g.outer, a)
		}
	}
	g.tile = tileShape(g.q.n, g.p.n, size, g.crossed)
	return g
}

// scatters tells whether rows that agree, and are short, are read as they lie and written past the caches, a
// run of whole cache lines here and there: it takes half the time of runs read here and there.
func scatters(dst, src ndarray.Array, axes []axis) bool {
	size := dst.DType.Size()
	p := axes[len(axes)-1]
	run := p.n * size
	return dst.DType == src.DType && dst.Bytes() >= streamFrom && p.ds == size && p.ss == size && run < streamRow && run%64 == 0
}

// nextOf is the axis of the least stride in src that is positive; the last one if there is none.
func nextOf(axes []axis) int {
	q := len(axes) - 1
	for i, a := range axes {
		if a.ss > 0 && (axes[q].ss <= 0 || a.ss < axes[q].ss) {
			q = i
		}
	}
	return q
}

// normalise gives the axes of extent above one, slowest in dst first, merged
// where possible; at least one axis. Offsets are moved where a stride was
// negative.
func (g *grid) normalise(dst, src ndarray.Layout) []axis {
	var axes []axis
	for i, n := range dst.Shape {
		if n == 1 {
			continue
		}
		a := axis{n, dst.Strides[i], src.Strides[i]}
		if a.ds < 0 {
			g.dst += (n - 1) * a.ds
			g.src += (n - 1) * a.ss
			a.ds, a.ss = -a.ds, -a.ss
		}
		axes = append(axes, a)
	}
	slices.SortStableFunc(axes, func(a, b axis) int { return cmp.Compare(b.ds, a.ds) })
	merged := axes[:0]
	for _, a := range axes {
		if k := len(merged) - 1; k >= 0 && merged[k].ds == a.ds*a.n && merged[k].ss == a.ss*a.n {
			merged[k] = axis{merged[k].n * a.n, a.ds, a.ss}
			continue
		}
		merged = append(merged, a)
	}
	if len(merged) == 0 {
		merged = append(merged, axis{1, dst.DType.Size(), src.DType.Size()})
	}
	return merged
}

// Normal is the package's normal form of an assignment of src to dst, which
// are of one shape and not empty: new layouts of as few axes as there can be,
// at least one, that share their shape.
func Normal(dst, src ndarray.Layout) (d, s ndarray.Layout) {
	g := grid{dst: dst.Offset, src: src.Offset}
	axes := g.normalise(dst, src)
	d, s = dst, src
	d.Offset, s.Offset = g.dst, g.src
	d.Shape, d.Strides, s.Strides = nil, nil, nil
	for _, a := range axes {
		d.Shape, d.Strides, s.Strides = append(d.Shape, a.n), append(d.Strides, a.ds), append(s.Strides, a.ss)
	}
	s.Shape = d.Shape
	return d, s
}

// tileShape cuts q x p elements of size bytes. A crossed tile is longer in p
// if q is short; others are as long as a row is.
func tileShape(q, p, size int, crossed bool) [2]int {
	if crossed {
		rows := min(crossRows, crossRun/size)
		b0 := min(q, rows)
		return [2]int{b0, min(p, max(crossTile, crossTile*rows/b0))}
	}
	b1 := min(p, rowTile/size)
	return [2]int{min(q, max(1, rowTile/(b1*size))), b1}
}

// abs is |x|.
func abs(x int) int { return max(x, -x) }

// tiles is the number of tiles.
func (g *grid) tiles() int {
	n := ceil(g.q.n, g.tile[0]) * ceil(g.p.n, g.tile[1])
	for _, a := range g.outer {
		n *= a.n
	}
	return n
}

// ceil is n / by rounded up.
func ceil(n, by int) int { return (n + by - 1) / by }

// at finds tile number t. The axis that src is contiguous along varies fastest, so
// that runs of memory read go on in the next tile; then the other, then outer axes.
func (g *grid) at(t int) block {
	cols, rows := ceil(g.p.n, g.tile[1]), ceil(g.q.n, g.tile[0])
	j, i := t%cols, t/cols%rows
	if g.crossed {
		i, j = t%rows, t/rows%cols
	}
	i, j = i*g.tile[0], j*g.tile[1]
	t /= cols * rows
	b := block{
		dst: g.dst + i*g.q.ds + j*g.p.ds,
		src: g.src + i*g.q.ss + j*g.p.ss,
		n:   [2]int{min(g.tile[0], g.q.n-i), min(g.tile[1], g.p.n-j)},
	}
	for k := len(g.outer) - 1; k >= 0; k-- {
		a := g.outer[k]
		x := t % a.n
		t /= a.n
		b.dst += x * a.ds
		b.src += x * a.ss
	}
	return b
}
