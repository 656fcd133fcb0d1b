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

// Ergün's properties through the commands: of batches, on views, out of place,
// in place and into parts of other arrays.

// shaped is a C-ordered array of complex numbers in double precision.
type shaped struct {
	v     []complex128
	shape []int
}

// placement is how the operands of a line lie.
type placement struct {
	name string
	run  func(t *testing.T, rng *rand.Rand, line string, x shaped) []complex128 // line has %s for input and output
}

func arrayOf(x shaped) ndarray.Array {
	a := ndarray.New(ndarray.C128, x.shape...)
	ndarray.Store(a, x.v, 0)
	return a
}

var placements = []placement{
	{"plain", func(t *testing.T, _ *rand.Rand, line string, x shaped) []complex128 {
		return values(run(t, fmt.Sprintf(line, "x", "y"), map[string]ndarray.Array{"x": arrayOf(x)}))
	}},
	{"view", func(t *testing.T, rng *rand.Rand, line string, x shaped) []complex128 {
		return values(run(t, fmt.Sprintf(line, "x", "y"), map[string]ndarray.Array{"x": randomView(rng, arrayOf(x))}))
	}},
	{"in place", func(t *testing.T, _ *rand.Rand, line string, x shaped) []complex128 {
		out, _, err := kerneltest.Run(t, Kernels(), fmt.Sprintf(line, "x", "x"), map[string]ndarray.Array{"x": arrayOf(x)})
		if err != nil {
			t.Fatal(err)
		}
		return values(out["x"])
	}},
	{"part", func(t *testing.T, rng *rand.Rand, line string, x shaped) []complex128 {
		wide := slices.Clone(x.shape)
		part := make([]string, len(wide))
		for i := range wide {
			wide[i] = 2*wide[i] + 1
			part[i] = "1::2"
		}
		slice := "[" + strings.Join(part, ",") + "]"
		y := run(t, fmt.Sprintf(line, "x", "y"+slice), map[string]ndarray.Array{"x": arrayOf(x), "y": randomArray(rng, ndarray.C128, wide...)})
		return values(viewOf(t, y, slice))
	}},
	{"part in place", func(t *testing.T, rng *rand.Rand, line string, x shaped) []complex128 {
		wide := slices.Clone(x.shape)
		wide[0] = 2*wide[0] + 3
		y := randomArray(rng, ndarray.C128, wide...)
		slice := fmt.Sprintf("[%d:2:-2]", wide[0]-1)
		view := viewOf(t, y, slice)
		ndarray.Store(view, x.v, 0)
		out, _, err := kerneltest.Run(t, Kernels(), fmt.Sprintf(line, "y"+slice, "y"+slice), map[string]ndarray.Array{"y": y})
		if err != nil {
			t.Fatal(err)
		}
		return values(viewOf(t, out["y"], slice))
	}},
}

// alongAxis applies f to the index along an axis and the value of every element.
func alongAxis(x shaped, axis int, f func(k int, v complex128) complex128) []complex128 {
	inner, n := product(x.shape[axis+1:]), x.shape[axis]
	out := make([]complex128, len(x.v))
	for i, v := range x.v {
		out[i] = f(i/inner%n, v)
	}
	return out
}

func sumOf(a, b []complex128, p, q complex128) []complex128 {
	out := make([]complex128, len(a))
	for i := range a {
		out[i] = p*a[i] + q*b[i]
	}
	return out
}

// rolledBy moves every element one on along an axis, cyclically.
func rolledBy(x shaped, axis int) []complex128 {
	inner, n := product(x.shape[axis+1:]), x.shape[axis]
	out := make([]complex128, len(x.v))
	for i, v := range x.v {
		k := i / inner % n
		out[i+((k+1)%n-k)*inner] = v
	}
	return out
}

// TestErgunOfViews: linearity, impulses and shifts along one axis of a batch,
// wherever the operands lie.
func TestErgunOfViews(t *testing.T) {
	rng := newRand(91)
	shapes := [][]int{{6, 30}, {17, 8}, {5, 64, 3}, {3, 4, 20}, {2, 67}, {40, 3, 5}, {256, 2}, {9, 1, 11}}
	for _, place := range placements {
		for i, shape := range shapes {
			axis := i % len(shape)
			n := shape[axis]
			line := fmt.Sprintf("fft %%s %%s axes=%d", axis)
			draw := func() shaped { return shaped{values(randomArray(rng, ndarray.C128, shape...)), shape} }
			of := func(v []complex128) []complex128 { return place.run(t, rng, line, shaped{v, shape}) }
			a, b := draw(), draw()
			fa, fb := of(a.v), of(b.v)
			check := func(what string, got, want []complex128) {
				t.Helper()
				if e := complexError(got, want); !(e <= 60*0x1p-52) {
					t.Errorf("%s, %v along %d: %s: off by %.3g", place.name, shape, axis, what, e)
				}
			}
			p, q := complex(rng.NormFloat64(), rng.NormFloat64()), complex(rng.NormFloat64(), 0)
			check("linearity", of(sumOf(a.v, b.v, p, q)), sumOf(fa, fb, p, q))
			at := rng.IntN(n) // an impulse at that index of every line, on top of a
			impulse := alongAxis(a, axis, func(k int, v complex128) complex128 {
				if k == at {
					v++
				}
				return v
			})
			check("impulse", of(impulse), alongAxis(shaped{fa, shape}, axis, func(k int, v complex128) complex128 {
				return v + rootOf(k*at, n)
			}))
			check("shift", of(rolledBy(a, axis)), alongAxis(shaped{fa, shape}, axis, func(k int, v complex128) complex128 { return v * rootOf(k, n) }))
		}
	}
}

// rootOf is exp(-2πi·k/n).
func rootOf(k, n int) complex128 {
	z := rootDD(k%n, n)
	return complex(z.re.hi, z.im.hi)
}

// TestPlacementsAgree: where operands lie does not change the bits.
func TestPlacementsAgree(t *testing.T) {
	rng := newRand(92)
	for _, c := range []struct {
		line  string
		shape []int
	}{
		{"fft %s %s axes=0,1", []int{24, 35}}, {"ifft %s %s axes=1", []int{5, 128, 6}}, {"ifft %s %s axes=2,0 norm=ortho", []int{7, 3, 90}},
		{"fft %s %s axes=0", []int{131, 9}}, {"dct %s %s axes=1 type=2", []int{4, 50}}, {"idst %s %s axes=0,1 type=4 norm=ortho", []int{12, 21}}, {"fftshift %s %s", []int{6, 9}},
	} {
		x := shaped{values(randomArray(rng, ndarray.C128, c.shape...)), c.shape}
		want := placements[0].run(t, rng, c.line, x)
		for _, p := range placements[1:] {
			if strings.HasPrefix(c.line, "fftshift") && strings.HasSuffix(p.name, "in place") {
				continue // it moves what it has not read
			}
			if got := p.run(t, rng, c.line, x); !slices.Equal(got, want) {
				t.Errorf("%s of %v: %s gives other bits than plain", c.line, c.shape, p.name)
			}
		}
	}
}

// trigLine is the definition of a cosine or sine transform without norm (scipy
// 1.10, fft.dct and fft.dst).
func trigLine(x []complex128, kind int, sine bool) []complex128 {
	n := len(x)
	out := make([]complex128, n)
	f := math.Cos
	if sine {
		f = math.Sin
	}
	for k := range out {
		for j, v := range x {
			a, b := float64(j), float64(k)
			w := 2.0
			switch m := float64(n); {
			case kind == 1 && !sine:
				if j == 0 || j == n-1 {
					w = 1
				}
				out[k] += v * complex(w*f(math.Pi*a*b/(m-1)), 0)
				continue
			case kind == 1:
				a, b, m = (a+1)*(b+1), 1, m+1
				out[k] += v * complex(w*f(math.Pi*a*b/m), 0)
				continue
			case kind == 2 && !sine:
				a = (2*a + 1) * b / (2 * m)
			case kind == 2:
				a = (2*a + 1) * (b + 1) / (2 * m)
			case kind == 3 && !sine:
				if j == 0 {
					w = 1
				}
				a = a * (2*b + 1) / (2 * m)
			case kind == 3:
				if j == n-1 {
					w = 1
				}
				a = (a + 1) * (2*b + 1) / (2 * m)
			default:
				a = (2*a + 1) * (2*b + 1) / (4 * m)
			}
			out[k] += v * complex(w*f(math.Pi*a), 0)
		}
	}
	return out
}

// TestTrigAgainstDefinition draws cosine and sine transforms over axes of views,
// cropped and padded.
func TestTrigAgainstDefinition(t *testing.T) {
	rng := newRand(93)
	types := []ndarray.DType{ndarray.F64, ndarray.C128, ndarray.I16, ndarray.F64}
	for i := range 96 {
		kind, sine := 1+i%4, i/4%2 == 1
		name := map[bool]string{false: "dct", true: "dst"}[sine]
		shape := make([]int, 1+rng.IntN(3))
		for a := range shape {
			shape[a] = 2 + rng.IntN(14)
		}
		axes := rng.Perm(len(shape))[:1+rng.IntN(len(shape))]
		x := randomView(rng, randomArray(rng, types[rng.IntN(len(types))], shape...))
		line := fmt.Sprintf("%s x y type=%d axes=%s", name, kind, strings.Trim(strings.Join(strings.Fields(fmt.Sprint(axes)), ","), "[]"))
		v, s := values(x), slices.Clone(shape)
		if rng.IntN(3) == 0 {
			var n []string
			for _, a := range axes {
				m := 2 + rng.IntN(20)
				v, s = resize(v, s, a, m)
				n = append(n, itoa(m))
			}
			line += " n=" + strings.Join(n, ",")
		}
		for _, a := range axes {
			v, s = alongNaive(v, s, a, func(l []complex128) []complex128 { return trigLine(l, kind, sine) })
		}
		y := run(t, line, map[string]ndarray.Array{"x": x})
		if !slices.Equal(y.Shape, s) {
			t.Errorf("%s of %s: shape %v, want %v", line, x, y.Shape, s)
		} else if e := complexError(values(y), v); !(e <= 100*0x1p-52) {
			t.Errorf("%s of %s: off by %.3g", line, x, e)
		}
	}
}

// cropOf is the part of a full convolution that a mode keeps.
func cropOf(full []complex128, shape, xs, hs []int, mode string) ([]complex128, []int) {
	for a := range shape {
		from, n := 0, shape[a]
		switch mode {
		case "same":
			n = xs[a]
			from = (shape[a] - n) / 2
		case "valid":
			n = xs[a] - hs[a] + 1
			from = hs[a] - 1
		}
		full, shape = alongNaive(full, shape, a, func(l []complex128) []complex128 { return l[from : from+n] })
	}
	return full, shape
}

// TestConvolutionModes draws convolutions and correlations of up to three
// axes: every mode by every method against the sum over all pairs.
func TestConvolutionModes(t *testing.T) {
	rng := newRand(94)
	for i := range 36 {
		rank := 1 + rng.IntN(3)
		xs, hs := make([]int, rank), make([]int, rank)
		for a := range rank {
			hs[a] = 1 + rng.IntN(6)
			xs[a] = hs[a] + rng.IntN(60>>(2*rank)+4)
		}
		x, h := randomArray(rng, ndarray.C128, xs...), randomArray(rng, ndarray.C128, hs...)
		name, kernel := "conv", values(h)
		if i%2 == 1 {
			name = "correlate"
			slices.Reverse(kernel)
			for j := range kernel {
				kernel[j] = cmplx.Conj(kernel[j])
			}
		}
		full, shape := naiveConv(values(x), kernel, xs, hs)
		if i%3 == 0 {
			x, h = randomView(rng, x), randomView(rng, h)
		}
		for _, mode := range []string{"full", "same", "valid"} {
			want, to := cropOf(full, shape, xs, hs, mode)
			for _, method := range []string{"direct", "fft", "overlap", "auto"} {
				line := fmt.Sprintf("%s x h y mode=%s method=%s", name, mode, method)
				y := run(t, line, map[string]ndarray.Array{"x": x, "h": h})
				if !slices.Equal(y.Shape, to) {
					t.Errorf("%s of %v and %v: shape %v, want %v", line, xs, hs, y.Shape, to)
				} else if e := complexError(values(y), want); !(e <= 100*0x1p-52) {
					t.Errorf("%s of %v and %v: off by %.3g", line, xs, hs, e)
				}
			}
		}
	}
}

// TestStreamedRequests draws requests and bounds on memory: the bits are those
// in core.
func TestStreamedRequests(t *testing.T) {
	rng := newRand(95)
	verbs := []string{"fft", "ifft", "rfft", "irfft"}
	types := []ndarray.DType{ndarray.C128, ndarray.C64, ndarray.F64, ndarray.F32, ndarray.I16}
	for i := range 24 {
		shape := make([]int, 1+rng.IntN(3))
		for a := range shape {
			shape[a] = 2 + rng.IntN(120>>len(shape))
		}
		if len(shape) > 1 {
			shape[0] *= 1 + rng.IntN(8) // long columns
		}
		verb, d := verbs[i%4], types[rng.IntN(len(types))]
		if verb == "rfft" && d.IsComplex() {
			d = d.Real()
		}
		x := randomArray(rng, d, shape...)
		if i%3 == 0 {
			x = randomView(rng, x)
		}
		c := randomCase(rng, verb, shape)
		line, operands := c.line("x", "y"), map[string]ndarray.Array{"x": x}
		least := leastOf(t, line, operands)
		kerneltest.Stream(t, Kernels(), line, operands, least+int64(rng.IntN(int(least))))
	}
}
