package simd

import "math/bits"

// Moving elements: transposes and copies that go past the caches.

// The sides of the tiles that are transposed in registers.
func tileSide(size int) int { return vectorBytes() / size }

// vectorBytes is the width of a register; without registers, of a cache line, which
// serves loops as well.
func vectorBytes() int {
	if Active() == AVX2 {
		return 32
	}
	return 64
}

// Transpose32 assigns dst[i*ldd+j] = src[j*lds+i] for 0 <= i < m, 0 <= j < n,
// elements of four bytes. The two may not overlap; ldd >= n, lds >= 0 (rows
// that are read may overlap).
//
// Cost: m·n elements read and written. For matrices that exceed the caches call
// it on blocks: a block's rows of dst are written a vector at a time, and 64 to
// 512 of them fit a second-level cache. If dst is not read soon, a packed block is better
// transposed within that cache and taken to its place by [StreamRows].
func Transpose32(dst []uint32, ldd int, src []uint32, lds int, m, n int) {
	transposeNeeds(len(dst), ldd, len(src), lds, m, n)
	side := tileSide(4)
	tiles := m / side
	for j := 0; j+side <= n && tiles > 0; j += side {
		for i := 0; i < tiles; i += callTiles {
			d, s, k := &dst[i*side*ldd+j], &src[j*lds+i*side], min(callTiles, tiles-i)
			switch Active() {
			case AVX512:
				transpose32AVX512(d, ldd, s, lds, k)
			case AVX2:
				transpose32AVX2(d, ldd, s, lds, k)
			default:
				transposeTilesGo(dst[i*side*ldd+j:], ldd, src[j*lds+i*side:], lds, side, k)
			}
		}
	}
	transposeEdges(dst, ldd, src, lds, m, n, side)
}

// Transpose64 is [Transpose32] for elements of eight bytes.
func Transpose64(dst []uint64, ldd int, src []uint64, lds int, m, n int) {
	transposeNeeds(len(dst), ldd, len(src), lds, m, n)
	side := tileSide(8)
	tiles := m / side
	for j := 0; j+side <= n && tiles > 0; j += side {
		for i := 0; i < tiles; i += callTiles {
			d, s, k := &dst[i*side*ldd+j], &src[j*lds+i*side], min(callTiles, tiles-i)
			switch Active() {
			case AVX512:
				transpose64AVX512(d, ldd, s, lds, k)
			case AVX2:
				transpose64AVX2(d, ldd, s, lds, k)
			default:
				transposeTilesGo(dst[i*side*ldd+j:], ldd, src[j*lds+i*side:], lds, side, k)
			}
		}
	}
	transposeEdges(dst, ldd, src, lds, m, n, side)
}

// callTiles is how many tiles a call does: at most about 20 µs of cache misses.
const callTiles = 64

func flag(b bool) int { return int(byteOfBool(b)) }

// transposeNeeds panics if an element would be out of bounds.
func transposeNeeds(dst, ldd, src, lds, m, n int) {
	if m <= 0 || n <= 0 {
		return
	}
	if ldd < n && m > 1 || lds < 0 || dst < (m-1)*ldd+n || src < (n-1)*lds+m {
		panic("simd: a matrix to transpose is larger than its slice, or the result's rows overlap")
	}
}

// transposeTilesGo is the twin: k tiles along the rows of src.
func transposeTilesGo[T any](dst []T, ldd int, src []T, lds, side, k int) {
	transposeRange(dst, ldd, src, lds, 0, k*side, 0, side)
}

// transposeEdges does what whole tiles leave.
func transposeEdges[T any](dst []T, ldd int, src []T, lds, m, n, side int) {
	mt, nt := max(m, 0)/side*side, max(n, 0)/side*side
	transposeRange(dst, ldd, src, lds, mt, m, 0, nt)
	transposeRange(dst, ldd, src, lds, 0, m, nt, n)
}

// TransposeReals is [Transpose32] or [Transpose64], or a loop, for elements of
// unit floating-point numbers, 1 or 2; ldd and lds count elements.
func TransposeReals[T Float](dst []T, ldd int, src []T, lds, unit, m, n int) {
	switch unit * sizeOf[T]() {
	case 4:
		Transpose32(wordsOf[uint32](dst), ldd, wordsOf[uint32](src), lds, m, n)
		return
	case 8:
		Transpose64(wordsOf[uint64](dst), ldd, wordsOf[uint64](src), lds, m, n)
		return
	}
	transposeNeeds(len(dst)/unit, ldd, len(src)/unit, lds, m, n)
	for i := range m {
		row := dst[unit*i*ldd:][:unit*n]
		for j := range n {
			copy(row[unit*j:unit*(j+1)], src[unit*(j*lds+i):])
		}
	}
}

// transposeRange is the plain loop over i0 <= i < i1, j0 <= j < j1.
func transposeRange[T any](dst []T, ldd int, src []T, lds, i0, i1, j0, j1 int) {
	for i := i0; i < i1; i++ {
		for j := j0; j < j1; j++ {
			dst[i*ldd+j] = src[j*lds+i]
		}
	}
}

// StreamRows copies rows of n elements, which are lds apart in src, to rows
// of dst that are ldd apart, past the caches if those are whole lines: for
// destinations that exceed the caches and are not read soon. The two may not overlap;
// ldd >= n, lds >= 0.
//
// Lines that are stored one by one in places far apart, as a transpose would, take
// memory four times as long as runs of four lines each.
func StreamRows[T any](dst []T, ldd int, src []T, lds, rows, n int) {
	if rows <= 0 || n <= 0 {
		return
	}
	if rows > 1 && (ldd < n || lds < 0) {
		panic("simd: rows that overlap, or lie before their slice")
	}
	need((rows-1)*ldd+n, len(dst))
	need((rows-1)*lds+n, len(src))
	size := sizeOf[T]()
	if Active() == Generic || (n*size|ldd*size)%64 != 0 || misaligned(dst) != 0 {
		for i := range rows {
			copy(dst[i*ldd:i*ldd+n], src[i*lds:])
		}
		return
	}
	step := max(1, callBlocks*streamBlock/(n*size))
	for i := 0; i < rows; i += step {
		d, s, k := bytesAt(dst, i*ldd), bytesAt(src, i*lds), min(step, rows-i)
		if Active() == AVX512 && lds == n {
			streamRowsAVX512(d, ldd*size, s, k, n*size/64)
		} else {
			streamRowsAVX2(d, ldd*size, s, (lds-n)*size, k, n*size/64)
		}
	}
}

// CopyStream copies len(dst) bytes past the caches: for destinations that
// exceed them and are not read soon. The two may not overlap. The built-in copy
// does the same from a size of some 2 MiB on, but not in smaller pieces.
func CopyStream(dst, src []byte) {
	need(len(dst), len(src))
	src = src[:len(dst)]
	if len(dst) < 4*streamBlock || Active() == Generic {
		copy(dst, src)
		return
	}
	head := misaligned(dst)
	copy(dst[:head], src)
	dst, src = dst[head:], src[head:]
	whole := len(dst) / streamBlock
	for i := 0; i < whole; i += callBlocks {
		d, s, n := &dst[i*streamBlock], &src[i*streamBlock], min(callBlocks, whole-i)
		if Active() == AVX512 {
			copyStreamAVX512(d, s, n)
		} else {
			copyStreamAVX2(d, s, n)
		}
	}
	copy(dst[whole*streamBlock:], src[whole*streamBlock:])
}

// Reverse assigns dst[i] = src[len(dst)-1-i], elements of 1, 2, 4, 8 or 16 bytes. The two may not overlap.
func Reverse[T any](dst, src []T) { reverse(dst, src, false) }

// ReverseStream is [Reverse] past the caches: for destinations that exceed them and are
// not read soon.
func ReverseStream[T any](dst, src []T) { reverse(dst, src, true) }

func reverse[T any](dst, src []T, stream bool) {
	need(len(dst), len(src))
	src = src[:len(dst)]
	if size := sizeOf[T](); Active() != Generic && len(dst)*size >= 2*64 && 16%size == 0 {
		head, per := aligned(dst), 64/size
		reverseGo(dst[:head], src[len(src)-head:])
		dst, src = dst[head:], src[:len(src)-head]
		for lines := len(dst) / per; lines > 0; lines = len(dst) / per {
			n := min(lines, callBlocks*streamBlock/64)
			d, s, order := bytesAt(dst, 0), bytesAt(src, len(src)-per), &reversed[bits.TrailingZeros(uint(size))]
			if stream {
				reverseStreamAVX2(d, s, n, order)
			} else {
				reverseAVX2(d, s, n, order)
			}
			dst, src = dst[n*per:], src[:len(src)-n*per]
		}
	}
	reverseGo(dst, src)
}

// reverseGo is the twin.
func reverseGo[T any](dst, src []T) {
	for i := range dst {
		dst[i] = src[len(src)-1-i]
	}
}

// reversed has the orders in which bytes of 16 are taken to turn elements of 1, 2, 4, 8 and 16 bytes round.
var reversed = func() (orders [5][16]byte) {
	for log := range orders {
		for i := range orders[log] {
			orders[log][i] = byte(i ^ (15 &^ (1<<log - 1)))
		}
	}
	return orders
}()

const (
	streamBlock = 256 // bytes of a step of copyStream
	callBlocks  = 512 // steps a call: some 20 µs
)
