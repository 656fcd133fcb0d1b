package order

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec"
	"vgpu/kernels/vec/numpytest"
)

// sortInto sorts a vector with the kernel.
func sortInto(t *testing.T, dst, src ndarray.Array) error {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), "sort a out", arrays{"a": src})
	if err != nil {
		return err
	}
	return ndarray.Convert(dst, out["out"])
}

// Patterns of equal elements (zeros of both signs, NaNs with payloads) keep
// their order to the bit, in both directions, in every length class.
func TestSortIsStableToTheBit(t *testing.T) {
	for _, n := range []int{1, 2, 31, 100, smallSort, 5000, parallelSort + 3} {
		r := numpytest.NewRand(uint64(n))
		a := ndarray.New(ndarray.F32, n)
		bits := ndarray.Slice[uint32](a)
		choice := []uint32{0, 1 << 31, 0x7fc00001, 0xffc00002, 0x7f800001, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000}
		for i := range bits {
			bits[i] = choice[r.IntN(len(choice))]
		}
		for _, descending := range []bool{false, true} {
			want := slices.Clone(bits)
			slices.SortStableFunc(want, func(x, y uint32) int { return compare(x, y, descending) })
			out, _, err := kerneltest.Run(t, Kernels(), fmt.Sprintf("sort a out descending=%t", descending), arrays{"a": a}, kerneltest.Threads(1, 2, 5))
			if err != nil {
				t.Fatal(err)
			}
			if got := ndarray.Slice[uint32](out["out"]); !slices.Equal(got, want) {
				t.Errorf("n=%d descending=%t: not stable", n, descending)
			}
		}
	}
}

// compare orders two patterns of f32, NaN last.
func compare(x, y uint32, descending bool) int {
	a, b := math.Float32frombits(x), math.Float32frombits(y)
	switch {
	case a != a && b != b:
		return 0
	case a != a:
		return 1
	case b != b:
		return -1
	case a == b:
		return 0
	case a < b != descending:
		return -1
	}
	return 1
}

// bf16, which numpy lacks, sorts as the same values in f32 do.
func TestBF16(t *testing.T) {
	r := numpytest.NewRand(7)
	wide := r.Array(ndarray.F32, 3, 700)
	half, back := ndarray.New(ndarray.BF16, 3, 700), ndarray.New(ndarray.F32, 3, 700)
	for _, p := range [][2]ndarray.Array{{half, wide}, {back, half}} {
		if err := ndarray.Convert(p[0], p[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"sort a out", "argsort a out", "topk a out k=5", "topk a out k=5 indices=1", "histogram a out low=-3 high=3", "searchsorted s a out"} {
		table := ndarray.New(ndarray.BF16, 3)
		ndarray.Store(table, []float64{-1, 0, 2}, 0)
		one, _, err := kerneltest.Run(t, Kernels(), line, arrays{"a": half, "s": table})
		if err != nil {
			t.Fatal(err)
		}
		two, _, err := kerneltest.Run(t, Kernels(), line, arrays{"a": back, "s": table})
		if err != nil {
			t.Fatal(err)
		}
		a, b := make([]float64, one["out"].Len()), make([]float64, two["out"].Len())
		ndarray.Load(a, one["out"], 0)
		ndarray.Load(b, two["out"], 0)
		if !slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || x != x && y != y }) {
			t.Errorf("%s differs between bf16 and f32", line)
		}
	}
}

// A descending sort of complex numbers: NaN parts stay last.
func TestComplexDescending(t *testing.T) {
	nan := math.NaN()
	a := ndarray.New(ndarray.C128, 6)
	ndarray.Store(a, []complex128{complex(nan, 1), 1, complex(1, nan), 2i, complex(nan, nan), 1 + 2i}, 0)
	for _, d := range []ndarray.DType{ndarray.C64, ndarray.C128} {
		in := ndarray.New(d, 6)
		if err := ndarray.Convert(in, a); err != nil {
			t.Fatal(err)
		}
		out, _, err := kerneltest.Run(t, Kernels(), "argsort a out descending=1", arrays{"a": in})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ndarray.Slice[int64](out["out"]), []int64{5, 1, 3, 2, 0, 4}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", d, got, want)
		}
	}
}

func vector(d ndarray.DType, v ...float64) ndarray.Array {
	a := ndarray.New(d, len(v))
	ndarray.Store(a, v, 0)
	return a
}

func TestRefusals(t *testing.T) {
	in := arrays{
		"scalar": ndarray.New(ndarray.F32), "x": vector(ndarray.F32, 3, 1, 2), "z": vector(ndarray.C64, 1, 2),
		"m": ndarray.New(ndarray.F64, 2, 2), "inf": vector(ndarray.F64, 0, math.Inf(1)), "nan": vector(ndarray.F32, math.NaN()),
		"i": vector(ndarray.I32, 1, -1), "u": vector(ndarray.U64, 1, 1e19), "w2": vector(ndarray.F64, 1, 2), "wz": vector(ndarray.C64, 1, 2, 3),
		"huge": vector(ndarray.F64, -1e308, 1e308),
	}
	for _, c := range []struct {
		line  string
		errno syscall.Errno
		text  string
	}{
		{"sort scalar o", syscall.EINVAL, "no axis"},
		{"argsort scalar o", syscall.EINVAL, "no axis"},
		{"topk scalar o", syscall.EINVAL, "no axis"},
		{"sort x o axis=1", syscall.EINVAL, "outside"},
		{"argsort x o axis=-2", syscall.EINVAL, "outside"},
		{"sort x o:f64:3", syscall.EINVAL, "the result is f32"},
		{"topk x o k=4", syscall.EINVAL, "4 of 3"},
		{"topk x o k=-1", syscall.EINVAL, "-1 of 3"},
		{"topk x o axis=7", syscall.EINVAL, "outside"},
		{"topk z o", syscall.EINVAL, "no largest"},
		{"searchsorted m x o", syscall.EINVAL, "2 axes"},
		{"searchsorted x x o side=middle", syscall.EINVAL, "none of"},
		{"histogram z o", syscall.EINVAL, "bins"},
		{"histogram x o bins=0", syscall.EINVAL, "hold nothing"},
		{"histogram x o low=1", syscall.EINVAL, "together"},
		{"histogram x o low=2 high=1", syscall.EINVAL, "finite interval"},
		{"histogram x o low=nan high=1", syscall.EINVAL, "finite interval"},
		{"histogram x o edges=m", syscall.EINVAL, "vector"},
		{"histogram x o edges=w2 bins=3", syscall.EINVAL, "already"},
		{"histogram x o weights=w2", syscall.EINVAL, "shape 2"},
		{"histogram x o weights=wz", syscall.EINVAL, "real"},
		{"histogram inf o", syscall.EDOM, "give low="},
		{"histogram nan o", syscall.EDOM, "give low="},
		{"histogram huge o", syscall.EDOM, "give low="},
		{"histogram x o edges=i", syscall.EDOM, "not descend"},
		{"bincount x o minlength=3", syscall.EINVAL, "number places"},
		{"bincount i o", syscall.EINVAL, "length"},
		{"bincount i o minlength=0", syscall.EINVAL, "length"},
		{"bincount i o minlength=3", syscall.EDOM, "-1 is outside"},
		{"bincount i o minlength=3 weights=w2", syscall.EDOM, "-1 is outside"},
		{"bincount i o minlength=3 weights=x", syscall.EINVAL, "shape 3"},
		{"bincount u o minlength=3", syscall.EDOM, "10000000000000000000"},
	} {
		_, _, err := kerneltest.Run(t, Kernels(), c.line, in)
		if !errors.Is(err, c.errno) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %v with %q", c.line, err, c.errno, c.text)
		}
	}
}

// A table's length may come from the output operand.
func TestBincountByOperand(t *testing.T) {
	out, _, err := kerneltest.Run(t, Kernels(), "bincount i o:i64:4", arrays{"i": vector(ndarray.U8, 3, 1, 3)})
	if err != nil {
		t.Fatal(err)
	}
	if got := ndarray.Slice[int64](out["o"]); !slices.Equal(got, []int64{0, 1, 0, 2}) {
		t.Error(got)
	}
}

// No values: even bins between 0 and 1, all empty.
func TestHistogramOfNothing(t *testing.T) {
	out, _, err := kerneltest.Run(t, Kernels(), "histogram x o bins=3", arrays{"x": ndarray.New(ndarray.F32, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if got := ndarray.Slice[int64](out["o"]); !slices.Equal(got, []int64{0, 0, 0}) {
		t.Error(got)
	}
}

// A cancelled job ends with an error in every kernel that sweeps.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := parallelSort + 1
	in := arrays{"x": ndarray.New(ndarray.F64, n), "t": ndarray.New(ndarray.F64, n/2, 2), "i": ndarray.New(ndarray.I64, n), "z": ndarray.New(ndarray.C128, n)}
	for _, line := range []string{"sort x o", "sort t o axis=0", "argsort x o", "sort z o", "argsort i o", "topk x o k=3", "topk x o k=100000",
		"searchsorted x x o", "histogram x o", "histogram x o weights=x", "bincount i o minlength=1", "bincount i o minlength=1 weights=x"} {
		if _, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Context(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Sums of weights are the same bits for any number of threads, with many
// partial tables.
func TestWeightsAreDeterministic(t *testing.T) {
	made, _, err := kerneltest.Run(t, vec.Kernels(), "random x:f32:1000000 dist=normal", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = kerneltest.Run(t, Kernels(), "histogram x o low=-2 high=2 weights=x", arrays{"x": made["x"]}, kerneltest.Threads(1, 2, 3, 8))
	if err != nil {
		t.Fatal(err)
	}
}

// Every example of every manual runs, in order, on what came before it.
func TestExamples(t *testing.T) {
	ks := append(vec.Kernels(), Kernels()...)
	for _, k := range Kernels() {
		files := arrays{}
		for _, e := range k.Manual.Examples {
			for _, line := range e.Lines {
				out, _, err := kerneltest.Run(t, ks, line, files)
				if err != nil {
					t.Fatalf("%s: %s: %v", k.Name, line, err)
				}
				for path, a := range out {
					files[path] = a
				}
			}
		}
		if len(k.Manual.Examples) == 0 || k.Summary == "" || k.Manual.Description == "" || k.Manual.Types == "" || k.Manual.Cost == "" {
			t.Errorf("%s: the manual has gaps", k.Name)
		}
	}
}

// radix against a plain stable sort, for all key widths, with payload.
func TestRadixLengths(t *testing.T) {
	r := numpytest.NewRand(11)
	for _, n := range []int{0, 1, 2, 3, 32, 33, smallSort - 1, smallSort, 1000} {
		keys, vals := make([]uint16, n), make([]int64, n)
		for i := range keys {
			keys[i], vals[i] = uint16(r.IntN(50)<<8+r.IntN(2)), int64(i)
		}
		want := slices.Clone(vals)
		slices.SortStableFunc(want, func(a, b int64) int { return int(keys[a]) - int(keys[b]) })
		if err := radix(nil, 0, keys, vals, make([]uint16, n), make([]int64, n), nil); err != nil {
			t.Fatal(err)
		}
		if !slices.IsSorted(keys) || !slices.Equal(vals, want) {
			t.Errorf("n=%d: wrong order", n)
		}
	}
}

// Keys ascend as values do and lead back to them.
func TestCoders(t *testing.T) {
	values := []float64{math.Inf(-1), -1e300, -2, -math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0, 1e-300, 1, math.MaxFloat64, math.Inf(1)}
	for _, descending := range []bool{false, true} {
		c := newCoder[uint64](ndarray.F64, descending, false)
		for i, v := range values {
			b := math.Float64bits(v)
			if k := c.key(b); c.value(k) != b || k == c.nan() {
				t.Errorf("%v: key %x, back %x", v, k, c.value(k))
			}
			if i > 0 && (c.key(b) > c.key(math.Float64bits(values[i-1]))) == descending {
				t.Errorf("%v is on the wrong side of %v", v, values[i-1])
			}
		}
		equal := newCoder[uint64](ndarray.F64, descending, true)
		if equal.key(1<<63) != equal.key(0) {
			t.Error("zeros differ")
		}
	}
	for _, d := range []ndarray.DType{ndarray.Bool, ndarray.U8, ndarray.I8} {
		c := newCoder[uint8](d, false, false)
		in, keys, back := []uint8{0, 1, 127, 128, 255}, make([]uint8, 5), make([]uint8, 5)
		c.encode(keys, in)
		c.decode(back, keys)
		if !bytes.Equal(in, back) || slices.IsSorted(keys) == d.IsSigned() {
			t.Errorf("%s: %v to %v to %v", d, in, keys, back)
		}
	}
}
