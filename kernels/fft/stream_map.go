package fft

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// lane is a line on one side of a pass that maps numbers to numbers: index i of the
// pass has elements i·step+from to i·step+to-1 of it.
type lane struct {
	end
	store          bool
	step, from, to int
}

// in and out are lanes of an element each index.
func in(e end) lane  { return lane{e, false, 1, 0, 1} }
func out(e end) lane { return lane{e, true, 1, 0, 1} }

// by is the lane with other elements.
func (l lane) by(step, from, to int) lane {
	l.step, l.from, l.to = step, from, to
	return l
}

// length is the elements of a tile of so many indices.
func (l lane) length(extent int) int { return (extent-1)*l.step + l.to - l.from }

// laneTile is what a tile has of a lane, as T or complex numbers of T.
type laneTile[T simd.Float] struct {
	first int // element
	x     []T
}

// has tells whether a tile of reals has element j, which at gives.
func (l *laneTile[T]) has(j int) bool { return j >= l.first && j < l.first+len(l.x) }
func (l *laneTile[T]) at(j int) *T    { return &l.x[j-l.first] }

// point is element j of a lane of complex numbers.
func (l *laneTile[T]) point(j int) *[2]T { return (*[2]T)(l.x[2*(j-l.first):]) }

// mapped appends a pass over n indices in which fn computes, for indices lo to hi-1,
// the elements of the lanes that are stored from those that are not.
func mapped[T simd.Float](c *chain, what string, n int, fn func(lo, hi int, at []laneTile[T]), lanes ...lane) {
	ops := make([]use, len(lanes))
	types := make([]ndarray.DType, len(lanes))
	for i, l := range lanes {
		ops[i] = use{end: l.end, load: !l.store, store: l.store, reach: reachOf(l.step, l.from, l.to)}
		if types[i] = realType[T](); c.layout(l.end).DType.IsComplex() {
			types[i] = complexOf(types[i])
		}
	}
	cuts := stream.Cuts{Scratch: func(extents []int) (sum int64) {
		for i, l := range lanes {
			sum += int64(stream.Padded(l.length(extents[0]) * types[i].Size()))
		}
		return sum
	}}
	c.pass(what, []int{n}, cuts, func(x *kernels.Exec, t *stream.Tiling) func(tile *stream.Tile) error {
		bufs := make([]ndarray.Array, len(lanes))
		for i, l := range lanes {
			bufs[i] = borrow[T](x, []int{l.length(t.Extents[0])}, types[i].IsComplex())
		}
		return func(tile *stream.Tile) error { return mapTile(x, tile, bufs, lanes, fn) }
	}, ops...)
}

// mapTile converts what a tile reads, maps it, and converts what it writes.
func mapTile[T simd.Float](x *kernels.Exec, tile *stream.Tile, bufs []ndarray.Array, lanes []lane, fn func(lo, hi int, at []laneTile[T])) error {
	at := make([]laneTile[T], len(lanes))
	for i, a := range tile.Arrays {
		buf := bufs[i].Range(0, 0, a.Len())
		at[i] = laneTile[T]{first: max(0, tile.Lo[0]*lanes[i].step+lanes[i].from), x: reals[T](buf)}
		if !lanes[i].store {
			if err := convert(x.W, buf, a); err != nil {
				return err
			}
		}
	}
	lo := tile.Lo[0]
	err := tabulate(x.W, tile.Hi[0]-lo, func(from, to int) { fn(lo+from, lo+to, at) })
	for i, a := range tile.Arrays {
		if err == nil && lanes[i].store {
			err = convert(x.W, a, bufs[i].Range(0, 0, a.Len()))
		}
	}
	return err
}
