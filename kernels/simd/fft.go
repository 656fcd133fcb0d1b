package simd

// Float is the element type of the FFT kernels.
type Float interface{ float32 | float64 }

// FFTLayout says how W complex numbers (one "vector") lie in 2W reals.
type FFTLayout uint8

// The layouts. Swapped is Interleaved with the parts exchanged, so that a
// forward transform between two swapped ends is the inverse transform:
// ifft(x) = swap(fft(swap(x))). The numbers of a Planar vector are in the order
// of [FFTKernels].Lane.
const (
	Planar      FFTLayout = iota // W real parts, then W imaginary parts
	Interleaved                  // re im re im ...
	Swapped                      // im re im re ...
)

// FFTPass is one Stockham pass of radix r over a tile of vectors. For p in
// [0, m) and q in [0, v) it loads r vectors
//
//	x[k] = src[p*sp + k*sk + q*2W:][:2W]
//
// lane by lane computes the DFT y[j] = Σ x[k]·exp(-2πi·jk/r), and stores
//
//	dst[p*dp + j*dj + q*2W:][:2W] = y[j]·t(p, j)
//
// with the twiddle t(p, j) = tw[2(p(r-1)+j-1):][:2] for j > 0 and 1 for
// j = 0. Passes without twiddles ignore tw, except that the scaled ones
// multiply everything by tw[0]. Strides count reals. dst may be src if both
// are Planar and each p and q writes where it reads.
type FFTPass[T Float] func(dst, src, tw []T, m, v, sk, sp, dj, dp int)

// FFTWhole is a routine of [FFTKernels].Whole.
type FFTWhole[T Float] func(dst, src, t, s, scale []T)

// FFTPasses are passes by radix, for all of [FFTRadices].
type FFTPasses[T Float] [17]FFTPass[T]

// FFTKernels are the FFT routines of one instruction set and precision.
type FFTKernels[T Float] struct {
	ISA ISA
	W   int // lanes of a vector

	// Lane[i] is the lane of a Planar vector in which its number i lies: the
	// order in which shuffles inside 16-byte parts, the fast ones, take
	// Interleaved vectors apart. Lane[0] is 0.
	Lane []int

	Mid    FFTPasses[T] // planar to planar, with twiddles
	MidN   FFTPasses[T] // planar to planar, without
	First  FFTPasses[T] // interleaved to planar, with twiddles
	FirstN FFTPasses[T] // interleaved to planar, without
	// FirstSwapped and FirstSwappedN read Swapped.
	FirstSwapped, FirstSwappedN FFTPasses[T]
	Last                        FFTPasses[T] // planar to interleaved, without twiddles
	// LastScaled writes Swapped, times tw[0].
	LastScaled FFTPasses[T]
	// LastStream and LastScaledStream are the same with stores that go past
	// the caches, for results much larger than those.
	LastStream, LastScaledStream FFTPasses[T]

	// Transpose turns nb blocks of W x W complex numbers and multiplies them by
	// twiddles on the way. Block b reads its row i (a planar vector) at
	// src[b*sblock + i*srow:], multiplies it by the vector at t[(b*W+i)*2W:],
	// and by
	//
	//	u[2(b*W+i)], u[2(b*W+i)+1]     (real, imaginary part, if u is not nil)
	//
	// and writes number l of it as number i of the vector at dst[b*dblock + l*drow:].
	Transpose func(dst, src, t, u []T, nb, srow, sblock, drow, dblock int)
	// TransposeStream is Transpose, with u, and stores past the caches.
	TransposeStream func(dst, src, t, u []T, nb, srow, sblock, drow, dblock int)
	// Columns16 is FirstN[16] of v vectors at rows of distance sk, then their
	// transposition, in one: output k of column j2 of the 16 rows, times number
	// j2%W of the vector t[(j2/W*16 + k)*2W:], becomes number k%W of the vector
	//
	//	dst[j2*32 + k/W*2W:]
	//
	// Columns16Swapped reads Swapped.
	Columns16, Columns16Swapped func(dst, src, t []T, v, sk int)
	// Whole are transforms of 256 and 512 points in one routine, but not on AVX2:
	// Interleaved to Interleaved, and Swapped to Swapped times
	// scale[0]. They are Columns16 of the n/16 columns to s, of 2n reals, with
	// its twiddles t, and the transform of the rows of s. dst may be src.
	Whole map[int][2]FFTWhole[T]
	// Packed are those of AVX2, of n = n1·n2 points ([FFTPackedColumns]), which differ in
	// their twiddles ([FFTPacked]) and keep numbers interleaved in s, of 2n reals.
	Packed map[int][2]FFTWhole[T]
	// Deinterleave copies rows x v vectors from Interleaved rows at
	// src[i*srow:] to Planar rows at dst[i*drow:]; DeinterleaveSwapped reads
	// Swapped rows.
	Deinterleave, DeinterleaveSwapped func(dst, src []T, rows, v, srow, drow int)
	// Ahead asks for n reals from the beginning of each of some rows at a distance, which are
	// needed soon. It is nil where that does not pay.
	Ahead func(src []T, rows, pitch, n int)
	// Mul multiplies n interleaved complex numbers: dst[i] = a[i]*b[i].
	// dst may be a.
	Mul func(dst, a, b []T, n int)
	// Unpack finds numbers k and h-k of the transform of 2h real points from
	// those of the h complex points that they were taken for, in place, for k
	// from lo to hi-1, 0 < lo, hi-1 <= h/2:
	//
	//	e, o = (y[k] + conj(y[h-k]))/2, (y[k] - conj(y[h-k]))/2i
	//	y[k], y[h-k] = e + tw[k]·o, conj(e - tw[k]·o)
	//
	// Where it is cut at multiples of 2W from lo on does not change the bits.
	Unpack func(y, tw []T, h, lo, hi int)
	// Pack undoes Unpack, times 2, from x to z, which do not overlap.
	Pack func(z, x, tw []T, h, lo, hi int)
}

// fftPackedPlan is how a line of n1·n2 points is one routine: columns of n1 points,
// then rows of n2 = first·last in two passes, or in one if first is 1.
type fftPackedPlan struct{ n1, first, last int }

func (p fftPackedPlan) n2() int { return p.first * p.last }

// starts lists the first of each w columns; if they are no whole vectors the second
// overlaps the first.
func (p fftPackedPlan) starts(w int) []int {
	out := []int{0}
	for j2 := (p.n2()-1)%w + 1; j2 < p.n2(); j2 += w {
		out = append(out, j2)
	}
	return out
}

// fftPackedPlans are those of each length; tools/asmgen/fft has the same list.
var fftPackedPlans = map[int]fftPackedPlan{
	256: {16, 1, 16}, 512: {16, 8, 4}, 1024: {16, 8, 8}, 2048: {16, 16, 8},
	384: {16, 6, 4}, 480: {20, 6, 4}, 500: {20, 5, 5}, 600: {20, 6, 5}, 640: {16, 8, 5}, 720: {20, 6, 6}, 768: {16, 8, 6}, 800: {20, 8, 5}, 960: {20, 8, 6},
	1000: {20, 10, 5}, 1200: {20, 10, 6}, 1280: {16, 10, 8}, 1440: {20, 12, 6}, 1500: {20, 15, 5}, 1536: {16, 12, 8}, 1600: {20, 10, 8}, 1920: {20, 12, 8},
	2000: {20, 10, 10},
}

// FFTPackedColumns is n1 of a line of n points, of reals of so many bytes, that is a
// routine of [FFTKernels].Packed on AVX2, or 0. Powers of two end at 16 KB, beyond which
// planar arithmetic is ahead.
func FFTPackedColumns(n, size int) int {
	if n&(n-1) == 0 && n*2*size > 16<<10 {
		return 0
	}
	return fftPackedPlans[n].n1
}

// FFTPacked lists what a routine of [FFTKernels].Packed for n points multiplies by,
// vector of W/2 numbers by vector, each twice: the cosines of its angles in
// the even and odd places of the first W reals, then the sines, negative in the
// even places; of exp(-2πi·e/n) for exponents e as at is given them.
func FFTPacked[T Float](n, w int, at func(e int) (re, im T)) []T {
	p, half := fftPackedPlans[n], w/2
	out := make([]T, 0, fftPackedLen(n, w))
	vector := func(first, step int) {
		from := len(out)
		out = append(out, make([]T, 2*w)...)
		for i := range half {
			re, im := at((first + i*step) % n)
			out[from+2*i], out[from+2*i+1] = re, re
			out[from+w+2*i], out[from+w+2*i+1] = -im, im
		}
	}
	for _, j2 := range p.starts(half) { // the columns', of outputs from 1 on
		for k1 := 1; k1 < p.n1; k1++ {
			vector(j2*k1, k1)
		}
	}
	for i := range p.last { // of the first of two passes over rows
		for j := 1; j < p.first; j++ {
			vector(p.n1*i*j, 0)
		}
	}
	return out
}

// fftPackedLen is the length of that list.
func fftPackedLen(n, w int) int {
	p := fftPackedPlans[n]
	return 2 * w * ((p.n1-1)*len(p.starts(w/2)) + (p.first-1)*p.last)
}

// FFTRadices are the radices that have codelets, largest first.
var FFTRadices = []int{16, 13, 11, 8, 7, 5, 4, 3, 2}

// FFT gives the kernels of the level in use. They are built once.
func FFT[T Float]() *FFTKernels[T] { return FFTFor[T](Active()) }

// FFTFor gives the kernels of level i, which this machine must have.
func FFTFor[T Float](i ISA) *FFTKernels[T] {
	var zero T
	if _, ok := any(zero).(float32); ok {
		return any(fftF32[i]).(*FFTKernels[T])
	}
	return any(fftF64[i]).(*FFTKernels[T])
}

var (
	fftF32 = [...]*FFTKernels[float32]{Generic: fftGeneric[float32](4), AVX2: fftAVX2F32(), AVX512: fftAVX512F32()}
	fftF64 = [...]*FFTKernels[float64]{Generic: fftGeneric[float64](4), AVX2: fftAVX2F64(), AVX512: fftAVX512F64()}
)
