package fft

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/ndarray"
)

// What transforms of one array have to do with those of another: the relations
// need no oracle, and hold for any shape, type and view.

// wideBound is the error that a relation in double precision may show.
const wideBound = 100 * 0x1p-52

// randomShape is of some axes, few points in all.
func randomShape(rng *rand.Rand, rank int) []int {
	shape := make([]int, rank)
	for i := range shape {
		shape[i] = 1 + rng.IntN(1<<(7/rank)+8)
	}
	return shape
}

// axesText lists some of the axes of an array in any order, some from the end.
func axesText(rng *rand.Rand, rank int) (axes []int, text string) {
	axes = rng.Perm(rank)[:1+rng.IntN(rank)]
	parts := make([]string, len(axes))
	for i, a := range axes {
		parts[i] = itoa(a - rng.IntN(2)*rank)
	}
	return axes, strings.Join(parts, ",")
}

// complexArray is an array of complex numbers in double precision.
func complexArray(v []complex128, shape []int) ndarray.Array { return arrayOf(shaped{v, shape}) }

func conjugates(v []complex128) []complex128 {
	out := make([]complex128, len(v))
	for i, z := range v {
		out[i] = cmplx.Conj(z)
	}
	return out
}

// mirrored is the element -k of every element k along some axes.
func mirrored(v []complex128, shape, axes []int) []complex128 {
	out := make([]complex128, len(v))
	idx := make([]int, len(shape))
	for i := range v {
		at := 0
		for a, k := range idx {
			if slices.Contains(axes, a) {
				k = (shape[a] - k) % shape[a]
			}
			at = at*shape[a] + k
		}
		out[i] = v[at]
		advance(idx, shape)
	}
	return out
}

func agree(t *testing.T, what string, got, want []complex128, bound float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
	} else if e := complexError(got, want); !(e <= bound) {
		t.Errorf("%s: off by %.3g > %.3g", what, e, bound)
	}
}

// TestCasts: an input of any type gives the bits of the same numbers in the type
// that it is computed in.
func TestCasts(t *testing.T) {
	rng := newRand(111)
	lines := []string{"fft x y", "ifft x y axes=0 norm=ortho", "rfft x y axes=0,1", "irfft x y", "dct x y type=4", "idst x y axes=0 type=2", "psd x y nperseg=7", "stft x y nperseg=8",
		"spectrogram x y nperseg=9 axis=0", "conv x h y", "correlate x h y mode=same method=direct", "conv h x y method=overlap"}
	for _, d := range ndarray.DTypes {
		in := precision(d)
		if d.IsComplex() {
			in = complexOf(in)
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "rfft") && d.IsComplex() {
				continue
			}
			x, h := randomArray(rng, d, 12, 31), randomArray(rng, d, 3, 5)
			cx, ch := ndarray.New(in, 12, 31), ndarray.New(in, 3, 5)
			must(t, ndarray.Convert(cx, x))
			must(t, ndarray.Convert(ch, h))
			want := run(t, line, map[string]ndarray.Array{"x": cx, "h": ch})
			got := run(t, line, map[string]ndarray.Array{"x": randomView(rng, x), "h": h})
			if got.DType != want.DType || !slices.Equal(values(got), values(want)) {
				t.Errorf("%s of %s: not what its numbers in %s give", line, d, in)
			}
		}
	}
}

// TestCropsAndPads: n= gives the bits of an array that was cropped or padded
// before.
func TestCropsAndPads(t *testing.T) {
	rng := newRand(112)
	for i := range 60 {
		shape := randomShape(rng, 1+rng.IntN(3))
		axes, text := axesText(rng, len(shape))
		lengths := make([]string, len(axes))
		v, to := values(randomArray(rng, ndarray.C128, shape...)), shape
		x := randomView(rng, complexArray(v, shape))
		for j, a := range axes {
			n := 1 + rng.IntN(2*shape[a]+1)
			lengths[j] = itoa(n)
			v, to = resize(v, to, a, n)
		}
		verb := []string{"fft", "ifft", "dct", "idst"}[i%4]
		got := run(t, fmt.Sprintf("%s x y axes=%s n=%s", verb, text, strings.Join(lengths, ",")), map[string]ndarray.Array{"x": x})
		want := run(t, fmt.Sprintf("%s x y axes=%s", verb, text), map[string]ndarray.Array{"x": complexArray(v, to)})
		if !slices.Equal(got.Shape, to) || !slices.Equal(values(got), values(want)) {
			t.Errorf("%s of %v, axes=%s n=%v: not that of the cropped or padded array", verb, shape, text, lengths)
		}
	}
}

// TestNormsDiffer: the norms of a transform differ by the factors that numpy and
// scipy state, and by nothing else.
func TestNormsDiffer(t *testing.T) {
	rng := newRand(113)
	for i := range 48 {
		shape := randomShape(rng, 1+rng.IntN(3))
		axes, text := axesText(rng, len(shape))
		verb := []string{"fft", "ifft", "dct", "idst"}[i%4]
		kind, n := 2+i/4%3, 1.0
		for _, a := range axes {
			if n *= float64(shape[a]); verb == "dct" || verb == "idst" {
				n *= 2
			}
		}
		x := map[string]ndarray.Array{"x": randomArray(rng, ndarray.C128, shape...)}
		line := fmt.Sprintf("%s x y axes=%s", verb, text)
		if verb == "dct" || verb == "idst" {
			line += fmt.Sprintf(" type=%d", kind)
		}
		of := func(norm string) []complex128 { return values(run(t, line+" norm="+norm, x)) }
		backward, forward := of("backward"), of("forward")
		if verb == "ifft" || verb == "idst" {
			n = 1 / n
		}
		agree(t, line+": forward and backward", sumOf(forward, forward, complex(n, 0), 0), backward, wideBound)
		if verb == "fft" || verb == "ifft" || kind == 4 { // the others weigh an end differently
			agree(t, line+": ortho and backward", sumOf(of("ortho"), forward, complex(math.Sqrt(n), 0), 0), backward, wideBound)
		}
		if got := values(run(t, line, x)); !slices.Equal(got, backward) {
			t.Errorf("%s: the default is not backward", line)
		}
	}
}

// TestSymmetriesOfSpectra: conjugates and mirror images, real input, and the
// inverse as a forward transform.
func TestSymmetriesOfSpectra(t *testing.T) {
	rng := newRand(114)
	for range 40 {
		shape := randomShape(rng, 1+rng.IntN(3))
		axes, text := axesText(rng, len(shape))
		x := values(randomArray(rng, ndarray.C128, shape...))
		of := func(verb string, v []complex128) []complex128 {
			return values(run(t, fmt.Sprintf("%s x y axes=%s", verb, text), map[string]ndarray.Array{"x": randomView(rng, complexArray(v, shape))}))
		}
		y, n := of("fft", x), 1.0
		for _, a := range axes {
			n *= float64(shape[a])
		}
		what := fmt.Sprintf("%v over %s: ", shape, text)
		agree(t, what+"conjugates", of("fft", conjugates(x)), mirrored(conjugates(y), shape, axes), wideBound)
		agree(t, what+"mirror image", of("fft", mirrored(x, shape, axes)), mirrored(y, shape, axes), wideBound)
		agree(t, what+"inverse", of("ifft", x), sumOf(mirrored(y, shape, axes), y, complex(1/n, 0), 0), wideBound)
		agree(t, what+"twice", of("fft", y), sumOf(mirrored(x, shape, axes), x, complex(n, 0), 0), wideBound)
		re := make([]complex128, len(x))
		for i, z := range x {
			re[i] = complex(real(z), 0)
		}
		agree(t, what+"real input", conjugates(of("fft", re)), mirrored(of("fft", re), shape, axes), wideBound)
	}
}

// TestAxesInTurn: a transform over several axes is those over each, in any order.
func TestAxesInTurn(t *testing.T) {
	rng := newRand(115)
	for i := range 32 {
		shape := randomShape(rng, 2+rng.IntN(2))
		axes, text := axesText(rng, len(shape))
		verb := []string{"fft", "ifft", "dct", "dst"}[i%4]
		x := randomArray(rng, ndarray.C128, shape...)
		want := values(run(t, fmt.Sprintf("%s x y axes=%s", verb, text), map[string]ndarray.Array{"x": x}))
		y := x
		for _, j := range rng.Perm(len(axes)) {
			y = run(t, fmt.Sprintf("%s x y axes=%d", verb, axes[j]), map[string]ndarray.Array{"x": y})
		}
		agree(t, fmt.Sprintf("%s of %v over %s, axis by axis", verb, shape, text), values(y), want, wideBound)
	}
}

// TestRealTransforms: rfft is the part of fft that is not known of the rest, and
// irfft undoes it for even and odd lengths, over any axes.
func TestRealTransforms(t *testing.T) {
	rng := newRand(116)
	for range 40 {
		shape := randomShape(rng, 1+rng.IntN(3))
		axes, text := axesText(rng, len(shape))
		last := axes[len(axes)-1]
		x := randomArray(rng, ndarray.F64, shape...)
		half := run(t, "rfft x y axes="+text, map[string]ndarray.Array{"x": randomView(rng, x)})
		full := run(t, "fft x y axes="+text, map[string]ndarray.Array{"x": x})
		want, to := resize(values(full), shape, last, shape[last]/2+1)
		what := fmt.Sprintf("rfft of %v over %s", shape, text)
		if !slices.Equal(half.Shape, to) {
			t.Errorf("%s: shape %v", what, half.Shape)
		}
		agree(t, what, values(half), want, wideBound)
		lengths := make([]string, len(axes))
		for i, a := range axes {
			lengths[i] = itoa(shape[a])
		}
		back := run(t, fmt.Sprintf("irfft x y axes=%s n=%s", text, strings.Join(lengths, ",")), map[string]ndarray.Array{"x": half})
		agree(t, what+" and back", values(back), values(x), wideBound)
	}
}

// TestCosinesAndSines: sine transforms are cosine ones of turned signs and mirrored
// results, types II and III are inverses, I and IV their own.
func TestCosinesAndSines(t *testing.T) {
	rng := newRand(117)
	for n := 2; n < 60; n++ {
		x := values(randomArray(rng, ndarray.C128, n))
		of := func(line string, v []complex128) []complex128 {
			return values(run(t, line, map[string]ndarray.Array{"x": complexArray(v, []int{n})}))
		}
		turned, scaled := slices.Clone(x), func(v []complex128, s float64) []complex128 { return sumOf(v, v, complex(s, 0), 0) }
		for i := 1; i < n; i += 2 {
			turned[i] = -turned[i]
		}
		cosines := of("dct x y type=2", turned)
		slices.Reverse(cosines)
		what := fmt.Sprintf("%d points: ", n)
		agree(t, what+"sines by cosines", of("dst x y type=2", x), cosines, wideBound)
		agree(t, what+"III undoes II", of("dct x y type=3", of("dct x y type=2", x)), scaled(x, float64(2*n)), wideBound)
		agree(t, what+"sines, III undoes II", of("dst x y type=3", of("dst x y type=2", x)), scaled(x, float64(2*n)), wideBound)
		agree(t, what+"IV undoes itself", of("dct x y type=4", of("dct x y type=4", x)), scaled(x, float64(2*n)), wideBound)
		agree(t, what+"sines, IV undoes itself", of("dst x y type=4", of("dst x y type=4", x)), scaled(x, float64(2*n)), wideBound)
		agree(t, what+"I undoes itself", of("dct x y type=1", of("dct x y type=1", x)), scaled(x, float64(2*(n-1))), wideBound)
		agree(t, what+"sines, I undoes itself", of("dst x y type=1", of("dst x y type=1", x)), scaled(x, float64(2*(n+1))), wideBound)
		for kind := 1; kind <= 4; kind++ {
			for _, v := range []string{"ct", "st"} {
				if (kind == 2 || kind == 3) && v == "st" {
					continue // scipy weighs the first term, where the last would keep the energy
				}
				e := energy(of(fmt.Sprintf("d%s x y type=%d norm=ortho", v, kind), x))
				if !near(e, energy(x), 1e-14) {
					t.Errorf("%sd%s of type %d and norm ortho: energy %v, was %v", what, v, kind, e, energy(x))
				}
			}
		}
	}
}

// TestConvolutionAlgebra: convolution is a product: of spectra, that commutes, is
// linear, has a unit, and moves with its operands, by every method.
func TestConvolutionAlgebra(t *testing.T) {
	rng := newRand(118)
	for i := range 30 {
		rank := 1 + rng.IntN(3)
		xs, hs, full := randomShape(rng, rank), make([]int, rank), make([]string, rank)
		to := make([]int, rank)
		for a := range hs {
			hs[a] = 1 + rng.IntN(min(xs[a], 9))
			to[a] = xs[a] + hs[a] - 1
			full[a] = itoa(to[a])
		}
		method := []string{"auto", "direct", "fft", "overlap"}[i%4]
		x, x2, h := values(randomArray(rng, ndarray.C128, xs...)), values(randomArray(rng, ndarray.C128, xs...)), values(randomArray(rng, ndarray.C128, hs...))
		of := func(a []complex128, as []int, b []complex128, bs []int) []complex128 {
			return values(run(t, "conv x h y method="+method, map[string]ndarray.Array{"x": randomView(rng, complexArray(a, as)), "h": complexArray(b, bs)}))
		}
		what := fmt.Sprintf("%v by %v, %s: ", xs, hs, method)
		y := of(x, xs, h, hs)
		agree(t, what+"commutes", of(h, hs, x, xs), y, wideBound)
		p, q := complex(rng.NormFloat64(), rng.NormFloat64()), complex(rng.NormFloat64(), 0)
		agree(t, what+"linear", of(sumOf(x, x2, p, q), xs, h, hs), sumOf(y, of(x2, xs, h, hs), p, q), 10*wideBound)
		unit := []complex128{1}
		ones := slices.Repeat([]int{1}, rank)
		agree(t, what+"unit", of(x, xs, unit, ones), x, wideBound)
		late := slices.Clone(ones) // an impulse one later along the first axis
		late[0] = 2
		moved, _ := resize(x, xs, 0, xs[0]+1)
		copy(moved[len(moved)-len(x):], x)
		clear(moved[:len(moved)-len(x)])
		agree(t, what+"moves", of(x, xs, []complex128{0, 1}, late), moved, wideBound)
		axes := make([]string, rank)
		for a := range axes {
			axes[a] = itoa(a)
		}
		spectrum := func(v []complex128, shape []int) []complex128 {
			return values(run(t, fmt.Sprintf("fft x y axes=%s n=%s", strings.Join(axes, ","), strings.Join(full, ",")), map[string]ndarray.Array{"x": complexArray(v, shape)}))
		}
		product, fh := spectrum(x, xs), spectrum(h, hs)
		for k := range product {
			product[k] *= fh[k]
		}
		agree(t, what+"product of spectra", spectrum(y, to), product, 10*wideBound)
	}
}

// TestSpectraOfSegments: spectra of power are those of amplitude squared, a psd is
// the mean of a spectrogram, and both grow with the square of the signal.
func TestSpectraOfSegments(t *testing.T) {
	rng := newRand(119)
	for i := range 24 {
		shape := []int{1 + rng.IntN(3), 40 + rng.IntN(200)}
		n := 3 + rng.IntN(30)
		d := []ndarray.DType{ndarray.F64, ndarray.C128}[i%2]
		options := fmt.Sprintf(" nperseg=%d noverlap=%d nfft=%d fs=%d window=%s detrend=%s scaling=%s", n, rng.IntN(n), n+rng.IntN(9), 1+rng.IntN(100),
			[]string{"hann", "boxcar", "parzen", "tukey"}[rng.IntN(4)], []string{"none", "constant", "linear"}[rng.IntN(3)], []string{"density", "spectrum"}[rng.IntN(2)])
		x := map[string]ndarray.Array{"x": randomArray(rng, d, shape...)}
		gram := run(t, "spectrogram x y"+options, x)
		psd := values(run(t, "psd x y"+options, x))
		segments := gram.Shape[2]
		mean := make([]complex128, len(psd))
		for k, v := range values(gram) {
			mean[k/segments] += v / complex(float64(segments), 0)
		}
		agree(t, "psd"+options, psd, mean, wideBound)
		twice := ndarray.New(ndarray.C128, shape...)
		v := values(x["x"])
		ndarray.Store(twice, sumOf(v, v, 1, 1), 0)
		y := ndarray.New(d, shape...)
		must(t, ndarray.Convert(y, twice))
		grown := values(run(t, "psd x y"+options, map[string]ndarray.Array{"x": y}))
		if !slices.Equal(grown, sumOf(psd, psd, 4, 0)) {
			t.Errorf("psd%s: twice the signal has not four times the power, to the bit", options)
		}
	}
}

// TestModulation: a signal of alternating signs has the spectrum of the signal,
// shifted by half.
func TestModulation(t *testing.T) {
	rng := newRand(120)
	for n := 2; n <= 120; n += 2 {
		x := values(randomArray(rng, ndarray.C128, n))
		alternating := slices.Clone(x)
		for i := 1; i < n; i += 2 {
			alternating[i] = -alternating[i]
		}
		of := func(verb string, v []complex128) []complex128 {
			return values(run(t, verb+" x y", map[string]ndarray.Array{"x": complexArray(v, []int{n})}))
		}
		agree(t, fmt.Sprintf("%d points", n), of("fft", alternating), of("fftshift", of("fft", x)), wideBound)
		agree(t, fmt.Sprintf("%d points, back", n), of("fft", alternating), of("ifftshift", of("fft", x)), wideBound)
	}
}
