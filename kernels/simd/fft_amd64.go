//go:build amd64 && !noasm

package simd

// fftAsmPass is a pass in assembly: [FFTPass] without lengths.
type fftAsmPass[T Float] = func(dst, src, tw *T, m, v, sk, sp, dj, dp int)

// fftAsmWhole is a whole transform in assembly: [FFTWhole] without lengths.
type fftAsmWhole[T Float] = func(dst, src, t, s, scale *T)

// fftTable lists the routines of one instruction set and precision.
type fftTable[T Float] struct {
	w int

	passMid, passMidN, passFirst, passFirstN, passFirstSwapped, passFirstSwappedN, passLast, passLastScaled, passLastStream, passLastScaledStream map[int]fftAsmPass[T]

	asmTranspose, asmTransposeFactored, asmTransposeFactoredStream func(dst, src, t, u *T, nb, srow, sblock, drow, dblock int)
	asmDeinterleave, asmDeinterleaveSwapped                        func(dst, src *T, rows, v, srow, drow int)
	asmColumns16, asmColumns16Swapped                              func(dst, src, t *T, v, sk int)
	asmWhole, asmPacked                                            map[int][2]fftAsmWhole[T]
	asmUnpack, asmPack                                             func(dstA, dstB, srcA, srcB, tw *T, n int)
	asmAhead                                                       func(src *T, rows, pitch, n int)
	asmMul                                                         func(dst, a, b *T, n int)
}

func fftAVX2F32() *FFTKernels[float32]   { return fftTableF32AVX2.kernels(AVX2) }
func fftAVX2F64() *FFTKernels[float64]   { return fftTableF64AVX2.kernels(AVX2) }
func fftAVX512F32() *FFTKernels[float32] { return fftTableF32AVX512.kernels(AVX512) }
func fftAVX512F64() *FFTKernels[float64] { return fftTableF64AVX512.kernels(AVX512) }

// kernels wraps the routines in checks of their operands' lengths.
func (t fftTable[T]) kernels(isa ISA) *FFTKernels[T] {
	k := &FFTKernels[T]{
		ISA: isa, W: t.w, Lane: fftLanes[T](t.w),
		Mid:              t.passes(t.passMid, true),
		MidN:             t.passes(t.passMidN, false),
		First:            t.passes(t.passFirst, true),
		FirstN:           t.passes(t.passFirstN, false),
		FirstSwapped:     t.passes(t.passFirstSwapped, true),
		FirstSwappedN:    t.passes(t.passFirstSwappedN, false),
		Last:             t.passes(t.passLast, false),
		LastScaled:       t.passes(t.passLastScaled, false),
		LastStream:       t.streams(t.passLastStream, t.passLast),
		LastScaledStream: t.streams(t.passLastScaledStream, t.passLastScaled),
		Deinterleave:     t.copier(t.asmDeinterleave), DeinterleaveSwapped: t.copier(t.asmDeinterleaveSwapped),
	}
	k.Transpose = t.transpose
	k.TransposeStream = t.transposeStream
	if t.asmAhead != nil {
		k.Ahead = t.ahead
	}
	k.Mul, k.Unpack, k.Pack = t.mul, t.unpack, t.pack
	k.Columns16, k.Columns16Swapped = t.columns(t.asmColumns16), t.columns(t.asmColumns16Swapped)
	k.Whole, k.Packed = map[int][2]FFTWhole[T]{}, map[int][2]FFTWhole[T]{}
	for n, f := range t.asmWhole {
		k.Whole[n] = [2]FFTWhole[T]{t.whole(f[0], n, 2*n, false), t.whole(f[1], n, 2*n, true)}
	}
	for n, f := range t.asmPacked {
		table := fftPackedLen(n, t.w)
		k.Packed[n] = [2]FFTWhole[T]{t.whole(f[0], n, table, false), t.whole(f[1], n, table, true)}
	}
	return k
}

func (t fftTable[T]) whole(f fftAsmWhole[T], n, table int, scaled bool) FFTWhole[T] {
	return func(dst, src, tw, s, scale []T) {
		if len(dst) < 2*n || len(src) < 2*n || len(tw) < table || len(s) < 2*n || scaled && len(scale) == 0 {
			panic("simd: fft beyond its operands")
		}
		var by *T
		if scaled {
			by = &scale[0]
		}
		f(&dst[0], &src[0], &tw[0], &s[0], by)
	}
}

func (t fftTable[T]) passes(asm map[int]fftAsmPass[T], twiddles bool) (out FFTPasses[T]) {
	for r, f := range asm {
		out[r] = t.pass(f, r, twiddles)
	}
	return out
}

// streams are passes with streaming stores, which fault unless they are
// aligned to a vector: then the plain pass is taken.
func (t fftTable[T]) streams(asm, plain map[int]fftAsmPass[T]) (out FFTPasses[T]) {
	for r := range asm {
		stream, usual := t.pass(asm[r], r, false), t.pass(plain[r], r, false)
		out[r] = func(dst, src, tw []T, m, v, sk, sp, dj, dp int) {
			if t.aligned(dst, dj, dp) {
				stream(dst, src, tw, m, v, sk, sp, dj, dp)
			} else {
				usual(dst, src, tw, m, v, sk, sp, dj, dp)
			}
		}
	}
	return out
}

// aligned tells whether rows of dst at these distances begin at whole vectors.
func (t fftTable[T]) aligned(dst []T, strides ...int) bool {
	for _, s := range strides {
		if s%t.w != 0 {
			return false
		}
	}
	return alignedTo(dst, 64)
}

func (t fftTable[T]) transposeStream(dst, src, tw, u []T, nb, srow, sblock, drow, dblock int) {
	f := t.asmTransposeFactored
	if t.aligned(dst, drow, dblock) {
		f = t.asmTransposeFactoredStream
	}
	t.checkTranspose(dst, src, tw, u, nb, srow, sblock, drow, dblock)
	if nb > 0 {
		f(&dst[0], &src[0], &tw[0], &u[0], nb, srow, sblock, drow, dblock)
	}
}

func (t fftTable[T]) pass(f fftAsmPass[T], r int, twiddles bool) FFTPass[T] {
	row := 2 * t.w
	return func(dst, src, tw []T, m, v, sk, sp, dj, dp int) {
		if m <= 0 || v <= 0 {
			return
		}
		if (m-1)*sp+(r-1)*sk+v*row > len(src) || (m-1)*dp+(r-1)*dj+v*row > len(dst) || twiddles && m*(r-1)*2 > len(tw) {
			panic("simd: fft pass beyond its operands")
		}
		var t *T
		if len(tw) > 0 {
			t = &tw[0]
		}
		f(&dst[0], &src[0], t, m, v, sk, sp, dj, dp)
	}
}

func (t fftTable[T]) checkTranspose(dst, src, tw, u []T, nb, srow, sblock, drow, dblock int) {
	w := t.w
	if nb > 0 && ((nb-1)*sblock+(w-1)*srow+2*w > len(src) || (nb-1)*dblock+(w-1)*drow+2*w > len(dst) || 2*w*w*nb > len(tw) || u != nil && 2*w*nb > len(u)) {
		panic("simd: fft transposition beyond its operands")
	}
}

func (t fftTable[T]) transpose(dst, src, tw, u []T, nb, srow, sblock, drow, dblock int) {
	t.checkTranspose(dst, src, tw, u, nb, srow, sblock, drow, dblock)
	switch {
	case nb <= 0:
	case u == nil:
		t.asmTranspose(&dst[0], &src[0], &tw[0], nil, nb, srow, sblock, drow, dblock)
	default:
		t.asmTransposeFactored(&dst[0], &src[0], &tw[0], &u[0], nb, srow, sblock, drow, dblock)
	}
}

func (t fftTable[T]) copier(f func(dst, src *T, rows, v, srow, drow int)) func(dst, src []T, rows, v, srow, drow int) {
	row := 2 * t.w
	return func(dst, src []T, rows, v, srow, drow int) {
		if rows <= 0 || v <= 0 {
			return
		}
		if (rows-1)*srow+v*row > len(src) || (rows-1)*drow+v*row > len(dst) {
			panic("simd: fft copy beyond its operands")
		}
		f(&dst[0], &src[0], rows, v, srow, drow)
	}
}

func (t fftTable[T]) ahead(src []T, rows, pitch, n int) {
	if rows <= 0 || n <= 0 {
		return
	}
	if (rows-1)*pitch+n > len(src) {
		panic("simd: fft rows beyond their operand")
	}
	t.asmAhead(&src[0], rows, pitch, n)
}

func (t fftTable[T]) columns(f func(dst, src, t *T, v, sk int)) func(dst, src, tw []T, v, sk int) {
	row := 2 * t.w
	return func(dst, src, tw []T, v, sk int) {
		if v <= 0 {
			return
		}
		if 15*sk+v*row > len(src) || v*16*row > len(dst) || v*16*row > len(tw) {
			panic("simd: fft columns beyond their operands")
		}
		f(&dst[0], &src[0], &tw[0], v, sk)
	}
}

// ends is how many vectors of k from lo on meet as many from the other end
// without touching.
func (t fftTable[T]) ends(h, lo, hi int) int { return max(min(hi-lo, (h-1)/2+1-lo)/t.w, 0) }

func (t fftTable[T]) unpack(y, tw []T, h, lo, hi int) {
	n := t.ends(h, lo, hi)
	if n > 0 {
		y, tw := y[:2*h], tw[:2*(lo+n*t.w)]
		last := 2 * (h - lo - t.w + 1)
		t.asmUnpack(&y[2*lo], &y[last], &y[2*lo], &y[last], &tw[2*lo], n)
	}
	fftUnpackGo(y, tw, h, lo+n*t.w, hi)
}

func (t fftTable[T]) pack(z, x, tw []T, h, lo, hi int) {
	n := t.ends(h, lo, hi)
	if n > 0 {
		z, x, tw := z[:2*h], x[:2*h], tw[:2*(lo+n*t.w)]
		last := 2 * (h - lo - t.w + 1)
		t.asmPack(&z[2*lo], &z[last], &x[2*lo], &x[last], &tw[2*lo], n)
	}
	fftPackGo(z, x, tw, h, lo+n*t.w, hi)
}

func (t fftTable[T]) mul(dst, a, b []T, n int) {
	dst, a, b = dst[:2*n], a[:2*n], b[:2*n]
	vectors := 2 * n / t.w
	if vectors > 0 {
		t.asmMul(&dst[0], &a[0], &b[0], vectors)
	}
	done := vectors * t.w
	fftMulGo(dst[done:], a[done:], b[done:], n-done/2)
}
