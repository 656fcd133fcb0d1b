package fft

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// The definition, in double precision and without a thought for speed, is the
// oracle for shapes, axes, views, crops and norms.

// naiveLine is Σ x[j]·exp(∓2πi·jk/n).
func naiveLine(x []complex128, inv bool) []complex128 {
	n := len(x)
	out := make([]complex128, n)
	for k := range out {
		for j, v := range x {
			z := rootDD(j*k%n, n)
			w := complex(z.re.hi, z.im.hi)
			if inv {
				w = cmplx.Conj(w)
			}
			out[k] += v * w
		}
	}
	return out
}

// resize crops or pads one axis of a C-ordered array.
func resize(v []complex128, shape []int, ax, n int) ([]complex128, []int) {
	to := slices.Clone(shape)
	to[ax] = n
	out := make([]complex128, product(to))
	outer, inner := product(shape[:ax]), product(shape[ax+1:])
	for o := range outer {
		for i := range min(n, shape[ax]) {
			copy(out[(o*n+i)*inner:][:inner], v[(o*shape[ax]+i)*inner:][:inner])
		}
	}
	return out, to
}

// alongNaive replaces every line along an axis by f of it, which may change
// its length.
func alongNaive(v []complex128, shape []int, ax int, f func(x []complex128) []complex128) ([]complex128, []int) {
	outer, n, inner := product(shape[:ax]), shape[ax], product(shape[ax+1:])
	to := slices.Clone(shape)
	var out []complex128
	for o := range outer {
		for i := range inner {
			x := make([]complex128, n)
			for j := range x {
				x[j] = v[(o*n+j)*inner+i]
			}
			y := f(x)
			if out == nil {
				to[ax] = len(y)
				out = make([]complex128, product(to))
			}
			for j, z := range y {
				out[(o*len(y)+j)*inner+i] = z
			}
		}
	}
	return out, to
}

// hermitian extends n/2+1 numbers to n; imaginary parts that have to be zero
// are taken as zero.
func hermitian(x []complex128, n int) []complex128 {
	out := make([]complex128, n)
	for k := range out {
		if k <= n/2 {
			out[k] = x[k]
		} else {
			out[k] = cmplx.Conj(x[n-k])
		}
	}
	out[0] = complex(real(out[0]), 0)
	if n%2 == 0 {
		out[n/2] = complex(real(out[n/2]), 0)
	}
	return out
}

// naiveCase is a random request: a verb with its options.
type naiveCase struct {
	verb    string
	axes, n []int // n nil: as the input has it
	norm    string
}

func (c *naiveCase) line(in, out string) string {
	var b strings.Builder
	list := func(v []int) string { return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(v)), ","), "[]") }
	fmt.Fprintf(&b, "%s %s %s axes=%s norm=%s", c.verb, in, out, list(c.axes), c.norm)
	if c.n != nil {
		fmt.Fprintf(&b, " n=%s", list(c.n))
	}
	return b.String()
}

// answer is the definition of the case.
func (c *naiveCase) answer(v []complex128, shape []int) ([]complex128, []int) {
	inv := strings.HasPrefix(c.verb, "i")
	points, last := 1.0, len(c.axes)-1
	lengths := make([]int, len(c.axes))
	for i, a := range c.axes {
		if lengths[i] = shape[a]; c.verb == "irfft" && i == last {
			lengths[i] = 2 * (shape[a] - 1)
		}
		if c.n != nil {
			lengths[i] = c.n[i]
		}
		points *= float64(lengths[i])
	}
	for i, a := range c.axes {
		n := lengths[i]
		if c.verb == "irfft" && i == last {
			n = n/2 + 1
		}
		v, shape = resize(v, shape, a, n)
	}
	for i := range c.axes {
		i := last - i // rfft: the real axis first
		if c.verb == "irfft" {
			i = last - i // the real axis last
		}
		n := lengths[i]
		v, shape = alongNaive(v, shape, c.axes[i], func(x []complex128) []complex128 {
			switch {
			case c.verb == "rfft" && i == last:
				return naiveLine(x, false)[:n/2+1]
			case c.verb == "irfft" && i == last:
				return naiveLine(hermitian(x, n), true)
			}
			return naiveLine(x, inv)
		})
	}
	scale := complex(normScale(c.norm, points, inv), 0)
	for i := range v {
		v[i] *= scale
	}
	return v, shape
}

// randomCase draws a request for arrays of a rank.
func randomCase(rng *rand.Rand, verb string, shape []int) naiveCase {
	c := naiveCase{verb: verb, axes: rng.Perm(len(shape))[:1+rng.IntN(len(shape))], norm: []string{"backward", "ortho", "forward"}[rng.IntN(3)]}
	least := 1
	if verb == "irfft" {
		least = 2
	}
	crop := rng.IntN(3) == 0
	for _, a := range c.axes {
		crop = crop || shape[a] < least
	}
	if crop {
		for range c.axes {
			c.n = append(c.n, 1+rng.IntN(20))
		}
	}
	return c
}

// randomView puts an array where it is not plain: in a wider one, with axes
// exchanged, backwards, byte-swapped.
func randomView(rng *rand.Rand, a ndarray.Array) ndarray.Array {
	perm := rng.Perm(a.Rank())
	inverse := make([]int, len(perm))
	shape := make([]int, len(perm))
	for i, p := range perm {
		shape[i] = 2*a.Shape[p] + 1
		inverse[p] = i
	}
	v := ndarray.New(a.DType, shape...)
	for i, p := range perm {
		n, s := a.Shape[p], v.Strides[i]
		if v.Shape[i] = n; n == 0 {
			continue
		}
		if v.Strides[i] = 2 * s; rng.IntN(2) == 0 {
			v.Offset += 2 * (n - 1) * s
			v.Strides[i] = -2 * s
		}
	}
	v = v.Permute(inverse...)
	v.Swapped = rng.IntN(2) == 0 && a.DType != ndarray.Bool
	if err := ndarray.Convert(v, a); err != nil {
		panic(err)
	}
	return v
}

// TestAgainstDefinition draws requests on random shapes and views.
func TestAgainstDefinition(t *testing.T) {
	rng := newRand(31)
	types := []ndarray.DType{ndarray.C128, ndarray.C64, ndarray.F64, ndarray.F32, ndarray.I16, ndarray.U8, ndarray.F16}
	verbs := []string{"fft", "ifft", "rfft", "irfft"}
	eachISA(t, func(t *testing.T) {
		for i := range 240 {
			shape := make([]int, 1+rng.IntN(4))
			for a := range shape {
				shape[a] = 1 + rng.IntN(24>>len(shape)+6)
			}
			verb, d := verbs[i%4], types[rng.IntN(len(types))]
			if verb == "rfft" && d.IsComplex() {
				d = d.Real()
			}
			x := randomArray(rng, d, shape...)
			if i%3 > 0 {
				x = randomView(rng, x)
			}
			checkDefinition(t, randomCase(rng, verb, shape), x, 1+i%3)
		}
	})
}

// checkDefinition runs one case on x.
func checkDefinition(t *testing.T, c naiveCase, x ndarray.Array, threads int) {
	t.Helper()
	line := c.line("x", "y")
	out, _, err := kerneltest.Run(t, Kernels(), line, map[string]ndarray.Array{"x": x}, kerneltest.Threads(threads))
	if err != nil {
		t.Errorf("%s of %s: %v", line, x, err)
		return
	}
	want, shape := c.answer(values(x), x.Shape)
	y := out["y"]
	tol := 60 * 0x1p-52
	if y.DType.Real() == ndarray.F32 {
		tol = 60 * 0x1p-24
	}
	if !slices.Equal(y.Shape, shape) {
		t.Errorf("%s of %s: shape %v, want %v", line, x, y.Shape, shape)
	} else if e := complexError(values(y), want); !(e <= tol) {
		t.Errorf("%s of %s: off by %.3g", line, x, e)
	}
}

// TestIntoViews writes results into parts of arrays that exist: what is
// beside stays.
func TestIntoViews(t *testing.T) {
	rng := newRand(32)
	for _, c := range []struct {
		line, part string
		x, y       []int
	}{
		{"fft x y[1:4,::2]", "[1:4,::2]", []int{3, 10}, []int{5, 20}},
		{"ifft x y[::-1,3:13] axes=0", "[::-1,3:13]", []int{5, 10}, []int{5, 20}},
		{"fft x y[2,:,1] axes=0", "[2,:,1]", []int{17}, []int{4, 17, 3}},
		{"fft x y[::-2] n=40", "[::-2]", []int{64}, []int{80}},
	} {
		for _, d := range []ndarray.DType{ndarray.C128, ndarray.C64} {
			x, y := randomArray(rng, d, c.x...), randomArray(rng, d, c.y...)
			got := run(t, c.line, map[string]ndarray.Array{"x": x, "y": y})
			plain := run(t, strings.Replace(c.line, c.part, "", 1), map[string]ndarray.Array{"x": x})
			checkPart(t, c.line, c.part, got, y, plain)
		}
	}
}

// checkPart: the part of got is plain, the rest is old.
func checkPart(t *testing.T, line, part string, got, old, plain ndarray.Array) {
	t.Helper()
	was, now := values(old), values(got)
	inside := ndarray.New(ndarray.I64, got.Shape...)
	view := viewOf(t, inside, part)
	ones := make([]float64, view.Len())
	for i := range ones {
		ones[i] = 1
	}
	ndarray.Store(view, ones, 0)
	for i, in := range values(inside) {
		if in == 0 && was[i] != now[i] {
			t.Errorf("%s: element %d beside the output was %v, is %v", line, i, was[i], now[i])
		}
	}
	if !slices.Equal(values(viewOf(t, got, part)), values(plain)) {
		t.Errorf("%s: not the numbers of a plain output", line)
	}
}

// viewOf slices as a command line does: [1:4,::2].
func viewOf(t *testing.T, a ndarray.Array, part string) ndarray.Array {
	t.Helper()
	l, err := ndarray.ParseSlice(strings.Trim(part, "[]"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := a.Layout.Slice(l)
	if err != nil {
		t.Fatal(err)
	}
	return ndarray.Array{Layout: v, Data: a.Data}
}

// TestEmptyAndSingle: nothing in, nothing out; one point is itself.
func TestEmptyAndSingle(t *testing.T) {
	for _, line := range []string{"fft x y", "ifft x y", "dct x y", "idst x y", "dct x y type=4"} {
		y := run(t, line, map[string]ndarray.Array{"x": ndarray.New(ndarray.C128, 0, 7)})
		if y.Len() != 0 || y.Shape[1] != 7 {
			t.Errorf("%s of nothing: %v", line, y.Shape)
		}
	}
	one := ndarray.New(ndarray.C128, 3, 1, 2)
	ndarray.Store(one, []complex128{1, 2i, 3, -4, 5 + 1i, 0}, 0)
	for _, line := range []string{"fft x y axes=1", "ifft x y axes=1", "ifft x y axes=1 norm=ortho"} {
		if y := run(t, line, map[string]ndarray.Array{"x": one}); !slices.Equal(values(y), values(one)) {
			t.Errorf("%s: one point is not itself: %v", line, values(y))
		}
	}
	inf := ndarray.New(ndarray.F64, 8)
	ndarray.Store(inf, []float64{0, 0, math.Inf(1), 0, 0, 0, 0, 0}, 0)
	for i, v := range values(run(t, "fft x y", map[string]ndarray.Array{"x": inf})) {
		if !cmplx.IsInf(v) && !cmplx.IsNaN(v) {
			t.Errorf("output %d of an infinite input is %v", i, v)
		}
	}
}
