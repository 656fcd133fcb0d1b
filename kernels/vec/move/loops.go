package move

import (
	"sync"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// mover chooses the loop that moves a tile.
//
//   - convert: the types or byte orders differ
//   - rows:    both sides run contiguously along p
//   - typed:   both sides can be addressed in whole elements: transposing,
//     repeating or strided loops
//   - bytes:   anything else, an element at a time
func (g *grid) mover(dst, src ndarray.Array) func(block) {
	size := dst.DType.Size()
	switch {
	case dst.DType != src.DType || dst.Swapped != src.Swapped && size > 1:
		return g.convert(dst, src)
	case g.p.ds == size && g.p.ss == size && (g.p.n*size >= 64 || g.q.n == 1):
		return g.rows(dst.Data, src.Data, size)
	case !g.whole(dst, src):
		return g.bytes(dst.Data, src.Data, size)
	}
	switch size {
	case 1:
		return typed[uint8](g, dst, src)
	case 2:
		return typed[uint16](g, dst, src)
	case 4:
		return typed[uint32](g, dst, src)
	case 8:
		return typed[uint64](g, dst, src)
	}
	return typed[complex128](g, dst, src)
}

// whole tells whether both sides are aligned with strides in whole elements.
func (g *grid) whole(dst, src ndarray.Array) bool {
	size := dst.DType.Size()
	for _, a := range append([]axis{g.q, g.p}, g.outer...) {
		if a.ds%size != 0 || a.ss%size != 0 {
			return false
		}
	}
	return dst.Aligned() && src.Aligned()
}

// convert hands each tile to a vector loop, or to ndarray.Convert.
func (g *grid) convert(dst, src ndarray.Array) func(block) {
	if loop := g.caster(dst, src); loop != nil {
		return loop
	}
	return func(b block) {
		d, s := dst, src
		d.Offset, d.Shape, d.Strides = b.dst, b.n[:], []int{g.q.ds, g.p.ds}
		s.Offset, s.Shape, s.Strides = b.src, b.n[:], []int{g.q.ss, g.p.ss}
		if err := ndarray.Convert(d, s); err != nil {
			panic(err) // the shapes are the same by construction
		}
	}
}

// rows copies tiles whose rows are contiguous on both sides. It needs neither
// alignment nor a known byte order.
func (g *grid) rows(dst, src []byte, size int) func(block) {
	if g.streams(size) && g.p.n*size >= streamRow {
		return func(b block) {
			n := b.n[1] * size
			for i := range b.n[0] {
				d, s := b.dst+i*g.q.ds, b.src+i*g.q.ss
				simd.CopyStream(dst[d:d+n], src[s:s+n])
			}
		}
	}
	if g.streams(size) && g.q.ss >= 0 {
		return func(b block) {
			simd.StreamRows(dst[b.dst:], g.q.ds, src[b.src:], g.q.ss, b.n[0], b.n[1]*size)
		}
	}
	return func(b block) {
		n := b.n[1] * size
		for i := range b.n[0] {
			d, s := b.dst+i*g.q.ds, b.src+i*g.q.ss
			copy(dst[d:d+n], src[s:s+n])
		}
	}
}

// bytes copies tiles an element at a time, wherever the elements lie.
func (g *grid) bytes(dst, src []byte, size int) func(block) {
	return func(b block) {
		for i := range b.n[0] {
			d, s := b.dst+i*g.q.ds, b.src+i*g.q.ss
			for range b.n[1] {
				copy(dst[d:d+size], src[s:s+size])
				d += g.p.ds
				s += g.p.ss
			}
		}
	}
}

// elements is every element-sized place of the bytes that a touches, and the
// byte offset of the first.
func elements[T ndarray.Element](a ndarray.Array) (view []T, first int) {
	lo, hi := a.Extent()
	size := a.DType.Size()
	flat := ndarray.Array{Layout: ndarray.NewLayout(a.DType, (hi-lo)/size), Data: a.Data}
	flat.Offset = lo
	return ndarray.Slice[T](flat), lo
}

// typed is the choice among loops over whole elements.
func typed[T ndarray.Element](g *grid, dst, src ndarray.Array) func(block) {
	size := dst.DType.Size()
	// Byte order is the same on both sides, and nothing computes with values.
	dst.Swapped, src.Swapped = false, false
	d, d0 := elements[T](dst)
	s, s0 := elements[T](src)
	dq, dp, sq, sp := g.q.ds/size, g.p.ds/size, g.q.ss/size, g.p.ss/size
	loop := strided[T]
	switch {
	case dp == 1 && sq == 1 && sp > 0:
		turn := transposer[T]()
		if g.streams(size) && (size == 4 || size == 8) {
			turn = staged(turn, g.tile[0]*g.tile[1])
		}
		return func(b block) {
			turn(d[(b.dst-d0)/size:], dq, s[(b.src-s0)/size:], sp, b.n[0], b.n[1])
		}
	case dp == 1 && sp == 0:
		loop = repeated[T]
	case dp == 1 && sp == -1:
		loop = reversed(simd.Reverse[T])
		if g.streams(size) && g.p.n*size >= streamRow {
			loop = reversed(simd.ReverseStream[T])
		}
	}
	return func(b block) {
		for i := range b.n[0] {
			loop(d, (b.dst-d0)/size+i*dq, dp, s, (b.src-s0)/size+i*sq, sp, b.n[1])
		}
	}
}

// strided assigns dst[d+i*dp] = src[s+i*sp] for i < n.
func strided[T ndarray.Element](dst []T, d, dp int, src []T, s, sp, n int) {
	for range n {
		dst[d] = src[s]
		d += dp
		s += sp
	}
}

// reversed is strided for runs of dst and runs of src that go the other way.
func reversed[T ndarray.Element](turn func(dst, src []T)) func(dst []T, d, dp int, src []T, s, sp, n int) {
	return func(dst []T, d, _ int, src []T, s, _, n int) { turn(dst[d:d+n], src[s-n+1:s+1]) }
}

// repeatBy is how many elements are stored one by one before they are copied
// in doubling runs.
const repeatBy = 64

// repeated assigns dst[d+i] = src[s] for i < n.
func repeated[T ndarray.Element](dst []T, d, _ int, src []T, s, _, n int) {
	v := src[s]
	row := dst[d : d+n]
	k := min(n, repeatBy)
	for i := range row[:k] {
		row[i] = v
	}
	for ; k < n; k *= 2 {
		copy(row[k:], row[:k])
	}
}

const (
	// streamFrom is the number of bytes from which a destination is written
	// past the caches, which would not hold it anyway.
	streamFrom = 16 << 20
	// streamRow is the shortest run worth that.
	streamRow = 4096
)

// streams tells whether the destination is that large.
func (g *grid) streams(size int) bool {
	n := g.q.n * g.p.n * size
	for _, a := range g.outer {
		n *= a.n
	}
	return n >= streamFrom
}

// transposer is the loop that transposes a tile: package simd's if it has one
// for the type. dst's rows of a tile are disjoint, so its bounds are too.
func transposer[T ndarray.Element]() func(dst []T, ds int, src []T, ss, m, n int) {
	for _, loop := range []any{simd.Transpose32, simd.Transpose64} {
		if f, ok := loop.(func(dst []T, ds int, src []T, ss, m, n int)); ok {
			return f
		}
	}
	return transpose[T]
}

// staged is a loop that transposes a tile within the second-level cache and stores
// it past the caches in runs of the tile's width. Stored as they come, lines
// would be single ones at dst's stride, which memory takes at a quarter of the rate.
func staged[T ndarray.Element](turn func(dst []T, ds int, src []T, ss, m, n int), elements int) func(dst []T, ds int, src []T, ss, m, n int) {
	stages := sync.Pool{New: func() any { s := make([]T, elements); return &s }}
	return func(dst []T, ds int, src []T, ss, m, n int) {
		s := stages.Get().(*[]T)
		defer stages.Put(s)
		turn(*s, n, src, ss, m, n)
		simd.StreamRows(dst, ds, *s, n, m, n)
	}
}

// edge is the side of the square that transpose moves through registers.
const edge = 8

// transpose assigns dst[i*ds+j] = src[j*ss+i] for i < m, j < n, in squares of
// edge x edge, along the rows of src. Strides are positive, in elements.
func transpose[T ndarray.Element](dst []T, ds int, src []T, ss, m, n int) {
	m8, n8 := m&^(edge-1), n&^(edge-1)
	for j := 0; j < n8; j += edge {
		for i := 0; i < m8; i += edge {
			transposeSquare(dst[i*ds+j:], ds, src[j*ss+i:], ss)
		}
	}
	transposeEdge(dst, ds, src, ss, 0, m8, n8, n)
	transposeEdge(dst, ds, src, ss, m8, m, 0, n)
}

// transposeEdge is the plain loop over i0 <= i < i1, j0 <= j < j1.
func transposeEdge[T ndarray.Element](dst []T, ds int, src []T, ss, i0, i1, j0, j1 int) {
	for i := i0; i < i1; i++ {
		for j := j0; j < j1; j++ {
			dst[i*ds+j] = src[j*ss+i]
		}
	}
}

// transposeSquare assigns dst[i*ds+j] = src[j*ss+i] for i, j < edge.
func transposeSquare[T ndarray.Element](dst []T, ds int, src []T, ss int) {
	s0, s1, s2, s3 := (*[edge]T)(src), (*[edge]T)(src[ss:]), (*[edge]T)(src[2*ss:]), (*[edge]T)(src[3*ss:])
	s4, s5, s6, s7 := (*[edge]T)(src[4*ss:]), (*[edge]T)(src[5*ss:]), (*[edge]T)(src[6*ss:]), (*[edge]T)(src[7*ss:])
	for i := range edge {
		d := (*[edge]T)(dst[i*ds:])
		d[0], d[1], d[2], d[3] = s0[i], s1[i], s2[i], s3[i]
		d[4], d[5], d[6], d[7] = s4[i], s5[i], s6[i], s7[i]
	}
}
