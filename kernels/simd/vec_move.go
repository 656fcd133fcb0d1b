package simd

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

// transposeRange is the plain loop over i0 <= i < i1, j0 <= j < j1.
func transposeRange[T any](dst []T, ldd int, src []T, lds, i0, i1, j0, j1 int) {
	for i := i0; i < i1; i++ {
		for j := j0; j < j1; j++ {
			dst[i*ldd+j] = src[j*lds+i]
		}
	}
}

// StreamRows copies rows of n elements, which follow one another in src, to rows
// of dst that are ldd apart, past the caches if those are whole lines: for
// destinations that exceed the caches and are not read soon. The two may not overlap.
//
// Lines that are stored one by one in places far apart, as a transpose would, take
// memory four times as long as runs of four lines each.
func StreamRows[T any](dst []T, ldd int, src []T, rows, n int) {
	if rows <= 0 || n <= 0 {
		return
	}
	if ldd < n && rows > 1 {
		panic("simd: rows that overlap")
	}
	need((rows-1)*ldd+n, len(dst))
	need(rows*n, len(src))
	size := sizeOf[T]()
	if Active() == Generic || (n*size|ldd*size)%64 != 0 || misaligned(dst) != 0 {
		for i := range rows {
			copy(dst[i*ldd:i*ldd+n], src[i*n:])
		}
		return
	}
	step := max(1, callBlocks*streamBlock/(n*size))
	for i := 0; i < rows; i += step {
		d, s, k := bytesAt(dst, i*ldd), bytesAt(src, i*n), min(step, rows-i)
		if Active() == AVX512 {
			streamRowsAVX512(d, ldd*size, s, k, n*size/64)
		} else {
			streamRowsAVX2(d, ldd*size, s, k, n*size/64)
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

const (
	streamBlock = 256 // bytes of a step of copyStream
	callBlocks  = 512 // steps a call: some 20 µs
)
