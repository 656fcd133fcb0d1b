package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// fftLevels runs f on each instruction set's kernels beside their twins: the
// pure-Go kernels with the same number of lanes.
func fftLevels[T Float](t *testing.T, f func(t *testing.T, k, twin *FFTKernels[T])) {
	for i := AVX2; i <= Best(); i++ {
		var z T
		t.Run(fmt.Sprintf("%s/%T", i, z), func(t *testing.T) {
			k := FFTFor[T](i)
			f(t, k, fftGeneric[T](k.W))
		})
	}
}

// fftRandom is n normal numbers.
func fftRandom[T Float](rng *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	return x
}

// fftClose demands that got and want differ by at most tol in the largest norm,
// NaN being equal to NaN: what neither wrote.
func fftClose[T Float](t *testing.T, what string, got, want []T, tol float64) {
	t.Helper()
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		if math.IsNaN(g) && math.IsNaN(w) {
			continue
		}
		if !(math.Abs(g-w) <= tol) {
			t.Fatalf("%s: element %d is %v, the twin has %v", what, i, g, w)
		}
	}
}

func nans[T Float](n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(math.NaN())
	}
	return x
}

func fftEps[T Float]() float64 {
	if _, ok := any(T(0)).(float32); ok {
		return 0x1p-23
	}
	return 0x1p-52
}

func TestFFTPassesAgainstTwins(t *testing.T) {
	fftLevels(t, testFFTPasses[float32])
	fftLevels(t, testFFTPasses[float64])
}

func testFFTPasses[T Float](t *testing.T, k, twin *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(1, 1))
	forms := func(k *FFTKernels[T]) map[string]FFTPasses[T] {
		return map[string]FFTPasses[T]{"Mid": k.Mid, "MidN": k.MidN, "First": k.First, "FirstN": k.FirstN,
			"FirstSwapped": k.FirstSwapped, "FirstSwappedN": k.FirstSwappedN, "Last": k.Last, "LastScaled": k.LastScaled,
			"LastStream": k.LastStream, "LastScaledStream": k.LastScaledStream}
	}
	for name, passes := range forms(k) {
		for _, r := range FFTRadices {
			for _, s := range [][2]int{{1, 1}, {3, 1}, {1, 4}, {2, 3}} {
				m, v := s[0], s[1]
				row := 2 * k.W * v
				sp, dp := row+2*k.W, row+6 // distances with gaps
				sk, dj := m*sp+4, m*dp+2
				src := fftRandom[T](rng, r*sk)
				tw := fftRandom[T](rng, max(2*m*(r-1), 1))
				got, want := nans[T](r*dj), nans[T](r*dj)
				passes[r](got, src, tw, m, v, sk, sp, dj, dp)
				forms(twin)[name][r](want, src, tw, m, v, sk, sp, dj, dp)
				fftClose(t, fmt.Sprintf("%s[%d] m=%d v=%d", name, r, m, v), got, want, 40*fftEps[T]()*float64(r))
			}
		}
	}
}

func TestFFTTransposeAgainstTwin(t *testing.T) {
	fftLevels(t, testFFTTranspose[float32])
	fftLevels(t, testFFTTranspose[float64])
}

func testFFTTranspose[T Float](t *testing.T, k, twin *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(2, 1))
	for nb := range 4 {
		srow, drow := 2*k.W+2, 2*k.W+4
		sblock := k.W*srow - 4
		dblock := k.W*drow + 6
		src, tw, u := fftRandom[T](rng, nb*k.W*srow+8), fftRandom[T](rng, nb*k.W*2*k.W), fftRandom[T](rng, nb*k.W*2)
		for _, u := range [][]T{nil, u} {
			got, want := nans[T](nb*dblock+8), nans[T](nb*dblock+8)
			k.Transpose(got, src, tw, u, nb, srow, sblock, drow, dblock)
			twin.Transpose(want, src, tw, u, nb, srow, sblock, drow, dblock)
			fftClose(t, fmt.Sprintf("nb=%d factored=%v", nb, u != nil), got, want, 200*fftEps[T]())
		}
	}
}

// TestFFTStreams: streaming stores give the same bits as others, where they are
// aligned and where they are not.
func TestFFTStreams(t *testing.T) {
	fftLevels(t, testFFTStreams[float32])
	fftLevels(t, testFFTStreams[float64])
}

func testFFTStreams[T Float](t *testing.T, k, _ *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(7, 1))
	row := 2 * k.W
	for _, off := range []int{0, 1} {
		for _, r := range FFTRadices {
			src, tw := fftRandom[T](rng, 2*r*row), fftRandom[T](rng, 2)
			for i, f := range [][2]FFTPass[T]{{k.LastStream[r], k.Last[r]}, {k.LastScaledStream[r], k.LastScaled[r]}} {
				got, want := nans[T](4096), nans[T](4096)
				f[0](got[off:], src, tw, 2, 1, 2*row, row, 2*row, row)
				f[1](want[off:], src, tw, 2, 1, 2*row, row, 2*row, row)
				fftClose(t, fmt.Sprintf("radix %d form %d offset %d", r, i, off), got, want, 0)
			}
		}
		src, tw, u := fftRandom[T](rng, 2*k.W*row), fftRandom[T](rng, 2*k.W*row), fftRandom[T](rng, 4*k.W)
		got, want := nans[T](4096), nans[T](4096)
		k.TransposeStream(got[off:], src, tw, u, 2, row, k.W*row, row, k.W*row)
		k.Transpose(want[off:], src, tw, u, 2, row, k.W*row, row, k.W*row)
		fftClose(t, fmt.Sprintf("transposition at offset %d", off), got, want, 0)
	}
}

func TestFFTColumns16AgainstTwin(t *testing.T) {
	fftLevels(t, testFFTColumns16[float32])
	fftLevels(t, testFFTColumns16[float64])
}

func testFFTColumns16[T Float](t *testing.T, k, twin *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(5, 1))
	for v := range 4 {
		row := 2 * k.W
		sk := v*row + 6
		src, tw := fftRandom[T](rng, 15*sk+v*row+1), fftRandom[T](rng, v*16*row+1)
		for i := range v { // output 0 has no twiddle
			for l := range k.W {
				tw[i*16*row+l], tw[i*16*row+k.W+l] = 1, 0
			}
		}
		for i, f := range [][2]func(dst, src, t []T, v, sk int){{k.Columns16, twin.Columns16}, {k.Columns16Swapped, twin.Columns16Swapped}} {
			got, want := nans[T](v*16*row+5), nans[T](v*16*row+5)
			f[0](got, src, tw, v, sk)
			f[1](want, src, tw, v, sk)
			fftClose(t, fmt.Sprintf("form %d of %d vectors", i, v), got, want, 1000*fftEps[T]())
		}
	}
}

func TestFFTWholeAgainstTwin(t *testing.T) {
	fftLevels(t, testFFTWhole[float32])
	fftLevels(t, testFFTWhole[float64])
}

func testFFTWhole[T Float](t *testing.T, k, twin *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(8, 1))
	for n, routines := range k.Whole {
		src, tw := fftRandom[T](rng, 2*n), fftRandom[T](rng, 2*n)
		for b := range n / 16 / k.W { // output 0 has no twiddle
			for l := range k.W {
				tw[b*32*k.W+l], tw[b*32*k.W+k.W+l] = 1, 0
			}
		}
		fftWholeLike(t, n, routines, twin.Whole[n], src, tw, 4000*fftEps[T]())
	}
}

// fftWholeLike compares routines for n points with their twins, and with themselves in place.
func fftWholeLike[T Float](t *testing.T, n int, routines, twins [2]FFTWhole[T], src, tw []T, bound float64) {
	scale := []T{0.375}
	for i, f := range routines {
		got, want := nans[T](2*n+7), nans[T](2*n+7)
		f(got, src, tw, make([]T, 2*n), scale)
		twins[i](want, src, tw, make([]T, 2*n), scale)
		fftClose(t, fmt.Sprintf("form %d of %d points", i, n), got, want, bound)
		place := append([]T(nil), src...)
		f(place, place, tw, make([]T, 2*n), scale)
		fftClose(t, fmt.Sprintf("form %d of %d points in place", i, n), place, got, 0)
	}
}

func TestFFTPackedAgainstTwin(t *testing.T) {
	fftLevels(t, testFFTPacked[float32])
	fftLevels(t, testFFTPacked[float64])
}

// testFFTPacked takes random numbers for twiddles, as the twin does.
func testFFTPacked[T Float](t *testing.T, k, twin *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(10, 1))
	for n, routines := range k.Packed {
		src, by := fftRandom[T](rng, 2*n), fftRandom[T](rng, 2*n)
		tw := FFTPacked(n, k.W, func(e int) (re, im T) { return by[2*e], by[2*e+1] })
		if len(tw) != fftPackedLen(n, k.W) {
			t.Errorf("%d points have %d twiddles, not %d", n, len(tw), fftPackedLen(n, k.W))
		}
		fftWholeLike(t, n, routines, twin.Packed[n], src, tw, 20000*fftEps[T]())
	}
}

// TestFFTPackedIsADFT checks the twins, with their twiddles, by the definition.
func TestFFTPackedIsADFT(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	k := fftGeneric[float64](4)
	for n, f := range k.Packed {
		root := func(e int) (re, im float64) {
			s, c := math.Sincos(-2 * math.Pi * float64(e) / float64(n))
			return c, s
		}
		src, got := fftRandom[float64](rng, 2*n), make([]float64, 2*n)
		f[0](got, src, FFTPacked(n, k.W, root), make([]float64, 2*n), nil)
		for j := 0; j < n; j += 37 {
			re, im := 0.0, 0.0
			for i := range n {
				c, s := root(i * j % n)
				re += src[2*i]*c - src[2*i+1]*s
				im += src[2*i]*s + src[2*i+1]*c
			}
			if d := math.Hypot(got[2*j]-re, got[2*j+1]-im); d > 1e-10 {
				t.Errorf("%d points, output %d: off by %g", n, j, d)
			}
		}
	}
}

// TestFFTRealPasses: both against their twins, for every number of points, cut
// in two or not; and nothing beside is written.
func TestFFTRealPasses(t *testing.T) {
	fftLevels(t, testFFTRealPasses[float32])
	fftLevels(t, testFFTRealPasses[float64])
}

func testFFTRealPasses[T Float](t *testing.T, k, twin *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(9, 1))
	for h := 1; h < 12*k.W; h++ {
		x, tw, end := fftRandom[T](rng, 2*h+2), fftRandom[T](rng, h+2), h/2+1
		got, want, cut := append([]T(nil), x...), append([]T(nil), x...), append([]T(nil), x...)
		k.Unpack(got, tw, h, 1, end)
		twin.Unpack(want, tw, h, 1, end)
		fftClose(t, fmt.Sprintf("Unpack of %d", h), got, want, 40*fftEps[T]())
		if mid := 1 + 2*k.W; mid < end {
			k.Unpack(cut, tw, h, 1, mid)
			k.Unpack(cut, tw, h, mid, end)
			fftClose(t, fmt.Sprintf("Unpack of %d in two", h), cut, got, 0)
		}
		z, w := nans[T](2*h+2), nans[T](2*h+2)
		k.Pack(z, x, tw, h, 1, end)
		twin.Pack(w, x, tw, h, 1, end)
		fftClose(t, fmt.Sprintf("Pack of %d", h), z, w, 40*fftEps[T]())
	}
}

// TestFFTPassInPlace: the last pass may write where it reads.
func TestFFTPassInPlace(t *testing.T) {
	fftLevels(t, testFFTInPlace[float32])
	fftLevels(t, testFFTInPlace[float64])
}

func testFFTInPlace[T Float](t *testing.T, k, _ *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(6, 1))
	for _, r := range FFTRadices {
		const s = 3
		row := 2 * k.W
		src := fftRandom[T](rng, r*s*row)
		want := make([]T, len(src))
		k.MidN[r](want, src, nil, s, 1, s*row, row, s*row, row)
		k.MidN[r](src, src, nil, s, 1, s*row, row, s*row, row)
		fftClose(t, fmt.Sprintf("radix %d", r), src, want, 0)
	}
}

func TestFFTCopiesAndProducts(t *testing.T) {
	fftLevels(t, testFFTCopies[float32])
	fftLevels(t, testFFTCopies[float64])
}

func testFFTCopies[T Float](t *testing.T, k, twin *FFTKernels[T]) {
	rng := rand.New(rand.NewPCG(3, 1))
	for rows := range 3 {
		for v := range 3 {
			srow, drow := 2*k.W*v+2, 2*k.W*v+4
			src := fftRandom[T](rng, rows*srow+1)
			for i, f := range []func(*FFTKernels[T]) func(dst, src []T, rows, v, srow, drow int){
				func(k *FFTKernels[T]) func(dst, src []T, rows, v, srow, drow int) { return k.Deinterleave },
				func(k *FFTKernels[T]) func(dst, src []T, rows, v, srow, drow int) { return k.DeinterleaveSwapped },
			} {
				got, want := nans[T](rows*drow+1), nans[T](rows*drow+1)
				f(k)(got, src, rows, v, srow, drow)
				f(twin)(want, src, rows, v, srow, drow)
				fftClose(t, fmt.Sprintf("copy %d of %dx%d", i, rows, v), got, want, 0)
			}
		}
	}
	for n := range 40 {
		a, b := fftRandom[T](rng, 2*n), fftRandom[T](rng, 2*n)
		got, want := nans[T](2*n+3), nans[T](2*n+3)
		k.Mul(got, a, b, n)
		twin.Mul(want, a, b, n)
		fftClose(t, fmt.Sprintf("Mul of %d", n), got, want, 40*fftEps[T]())
	}
}

// TestFFTTwinIsADFT checks the twins by the definition, in double precision.
func TestFFTTwinIsADFT(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	k := fftGeneric[float64](4)
	for _, r := range FFTRadices {
		src, got := fftRandom[float64](rng, r*8), make([]float64, r*8)
		k.MidN[r](got, src, nil, 1, 1, 8, 0, 8, 0)
		for j := range r {
			for l := range 4 {
				re, im := 0.0, 0.0
				for i := range r {
					s, c := math.Sincos(-2 * math.Pi * float64(i*j%r) / float64(r))
					re += src[i*8+l]*c - src[i*8+4+l]*s
					im += src[i*8+l]*s + src[i*8+4+l]*c
				}
				if d := math.Hypot(got[j*8+l]-re, got[j*8+4+l]-im); d > 1e-13 {
					t.Errorf("radix %d, output %d lane %d: off by %g", r, j, l, d)
				}
			}
		}
	}
}

// TestFFTShortOperands: assembly must never be given less than it reads.
func TestFFTShortOperands(t *testing.T) {
	k := FFT[float64]()
	full := func(n int) []float64 { return make([]float64, n) }
	row := 2 * k.W
	calls := map[string]func(){
		"src":        func() { k.Mid[4](full(4*row), full(4*row-1), full(6), 1, 1, row, 0, row, 0) },
		"dst":        func() { k.Mid[4](full(4*row-1), full(4*row), full(6), 1, 1, row, 0, row, 0) },
		"twiddles":   func() { k.Mid[4](full(4*row), full(4*row), full(5), 1, 1, row, 0, row, 0) },
		"transpose":  func() { k.Transpose(full(k.W*row), full(k.W*row-1), full(k.W*row), nil, 1, row, 0, row, 0) },
		"multiplier": func() { k.Mul(full(8), full(8), full(6), 4) },
	}
	if k.Ahead != nil {
		calls["rows"] = func() { k.Ahead(full(2*row-1), 2, row, row) }
	}
	for name, call := range calls {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("short %s: no panic", name)
				}
			}()
			call()
		}()
	}
}
