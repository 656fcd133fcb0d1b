package order

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/simd"
)

// columnSort sorts many short rows at once. Their keys become the columns of a
// matrix, all of which one network sorts, a comparator being a minimum and a
// maximum of two rows of the matrix. Types of less than 32 bits take 32.
type columnSort struct {
	d          ndarray.DType
	n          int // elements of a row
	padded     int // as many, and those up to a whole tile of a transpose
	rows       int // sorted at once
	descending bool
	net        []simd.Exchange
}

// columnKeys is about how many keys are sorted at once: 16 KiB of 32 bits, of which
// a first-level cache holds two copies.
const columnKeys = 4096

// manyRows is how many rows of more than smallSort elements make up for the network, which takes some 100 µs to
// write down.
const manyRows = 64

// columnLimit is the length from which the rows of an array are sorted one by one. A network's work grows by
// n·log²n; sixteen keys of four bytes at once beat four rounds of counting up to a thousand and more.
func columnLimit(l ndarray.Layout) int {
	switch {
	case l.DType.IsComplex():
		return 0
	case l.DType.Size() == 4 && l.Len() >= manyRows*smallSort && simd.Active() != simd.Generic:
		return min(1024, l.Len()/manyRows) + 1
	}
	return smallSort
}

// newColumnSort plans for rows of n elements of a real type.
func newColumnSort(d ndarray.DType, n int, descending bool) *columnSort {
	s := &columnSort{d: d, n: n, padded: wholeLanes(n), descending: descending, net: simd.SortingNetwork(n)}
	s.rows = wholeLanes(max(1, columnKeys/max(s.padded, 1)-simd.ColumnLanes+1))
	return s
}

// scratch is the bytes of a lane.
func (s *columnSort) scratch() int {
	if s.d.Size() == 8 {
		return 2 * scratch.Size[int64](s.rows*s.padded)
	}
	return 2 * scratch.Size[int32](s.rows*s.padded)
}

// mover is what sortColumns moves keys K, as bits U, and patterns E with.
type mover[E ndarray.Element, K int32 | int64, U uint32 | uint64] struct {
	widen     func(dst []K, src []E)
	narrow    func(dst []E, src []K)
	transpose func(dst []U, ldd int, src []U, lds int, m, n int)
	key       func(dst, x []K, inf, low, flip K)
	value     func(dst, k []K, low, flip K)
}

func mover32[E ndarray.Element](widen func(dst []int32, src []E), narrow func(dst []E, src []int32)) mover[E, int32, uint32] {
	return mover[E, int32, uint32]{widen, narrow, simd.Transpose32, simd.SortKeyI32, simd.SortValueI32}
}

func same[T any](dst, src []T) { copy(dst, src) }

// run is a [rowFunc] for blocks of rows.
func (s *columnSort) run(w *pool.Worker, out, in ndarray.Array, lane []byte) error {
	signed := s.d.IsSigned() || s.d.IsFloat()
	switch size := s.d.Size(); {
	case size == 1 && signed:
		return sortColumns(w, s, out, in, lane, mover32(simd.CastI8I32, simd.CastI32I8))
	case size == 1:
		return sortColumns(w, s, out, in, lane, mover32(simd.CastU8I32, simd.CastI32U8))
	case size == 2 && signed:
		return sortColumns(w, s, out, in, lane, mover32(simd.CastI16I32, simd.CastI32I16))
	case size == 2:
		return sortColumns(w, s, out, in, lane, mover32(simd.CastU16I32, simd.CastI32U16))
	case size == 4:
		return sortColumns(w, s, out, in, lane, mover32(same[int32], same[int32]))
	}
	return sortColumns(w, s, out, in, lane, mover[int64, int64, uint64]{same[int64], same[int64], simd.Transpose64, simd.SortKeyI64, simd.SortValueI64})
}

// sortColumns sorts the rows of a block, as many at once as s says.
func sortColumns[E ndarray.Element, K int32 | int64, U uint32 | uint64](w *pool.Worker, s *columnSort, out, in ndarray.Array, lane []byte, m mover[E, K, U]) error {
	src, dst := ndarray.Slice[E](in), ndarray.Slice[E](out)
	again := lane
	keys, columns := scratch.Carve[K](&lane, s.rows*s.padded), scratch.Carve[K](&lane, s.rows*s.padded)
	keyBits, columnBits := scratch.Carve[U](&again, len(keys)), scratch.Carve[U](&again, len(keys))
	order := keyOrderOf[K](s.d, s.descending)
	for lo, n := 0, s.n; lo < len(src); lo += s.rows * n {
		hi := min(len(src), lo+s.rows*n)
		rows, packed := (hi-lo)/n, keys[:hi-lo]
		m.widen(packed, src[lo:hi])
		m.key(packed, packed, order.inf, order.low, order.flip)
		lossy := order.lossy(packed)
		filled := wholeLanes(rows)
		// What is read behind the end of a row is not used.
		m.transpose(columnBits, filled, keyBits, n, s.padded, rows)
		simd.SortColumns(columns[:s.padded*filled], filled, s.net)
		m.transpose(keyBits, s.padded, columnBits, filled, filled, s.padded)
		sorted := keys[:rows*s.padded]
		m.value(sorted, sorted, order.low, order.flip)
		for r := 0; r < rows; {
			k := 1
			if n == s.padded {
				k = rows
			}
			m.narrow(dst[lo+r*n:][:k*n], sorted[r*s.padded:])
			r += k
		}
		if lossy {
			if err := s.mend(w, out.Range(0, lo/n, hi/n), in.Range(0, lo/n, hi/n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// wholeLanes is n rounded up to what columns are sorted by.
func wholeLanes(n int) int { return (n + simd.ColumnLanes - 1) / simd.ColumnLanes * simd.ColumnLanes }

// keyOrder is how patterns become keys (simd.SortKeyI32): the same order as a [coder]'s.
type keyOrder[K int32 | int64] struct {
	inf, low, flip K
	nan            K // the key of every NaN, the greatest
}

// keyOrderOf is the order of a type in lanes of K.
func keyOrderOf[K int32 | int64](d ndarray.DType, descending bool) keyOrder[K] {
	lane := max(32, 8*d.Size())
	greatest := int64(1)<<(lane-1) - 1
	o := keyOrder[K]{inf: K(greatest), nan: K(greatest)}
	switch {
	case d.IsFloat():
		o.inf, o.low = K(infinity[d]), K(int64(1)<<(8*d.Size()-1)-1)
	case !d.IsSigned() && 8*d.Size() == lane: // narrower ones are not negative in a lane
		o.flip = ^K(greatest)
	}
	if descending {
		o.flip = ^o.flip
	}
	return o
}

// lossy tells whether keys stand for patterns that they cannot give back, or for
// zeros of both signs, which are equal.
func (o *keyOrder[K]) lossy(keys []K) bool {
	return o.low != 0 && (simd.Index(keys, o.nan) >= 0 || simd.Index(keys, o.flip) >= 0 && simd.Index(keys, ^o.flip) >= 0)
}

// mend puts NaNs and zeros of sorted rows right.
func (s *columnSort) mend(w *pool.Worker, out, in ndarray.Array) error {
	switch s.d.Size() {
	case 2:
		return mendRows[uint16](w, s, out, in)
	case 4:
		return mendRows[uint32](w, s, out, in)
	}
	return mendRows[uint64](w, s, out, in)
}

// mendRows is mend for patterns of one width.
func mendRows[K interface {
	word
	ndarray.Element
}](w *pool.Worker, s *columnSort, out, in ndarray.Array) error {
	c := newCoder[K](s.d, s.descending, false)
	dst, src := ndarray.Slice[K](out), ndarray.Slice[K](in)
	for ; len(src) > 0; dst, src = dst[s.n:], src[s.n:] {
		if err := c.mend(w, dst[:s.n], src[:s.n]); err != nil {
			return err
		}
	}
	return nil
}
