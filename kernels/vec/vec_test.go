package vec

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/numpytest"
)

// run executes a line and gives its output o as f64.
func run(t *testing.T, line string, in arrays) (ndarray.Array, []float64) {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Threads(1, 2, 3))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	v := make([]float64, out["o"].Len())
	ndarray.Load(v, out["o"], 0)
	return out["o"], v
}

// Values below keep to their bounds and have the mean and the variance of
// their distribution within five standard errors.
func TestRandomDistributions(t *testing.T) {
	const n = 1 << 16
	for _, c := range []struct {
		options        string
		low, high      float64 // of values
		mean, variance float64
	}{
		{"", 0, math.Nextafter(1, 0), 0.5, 1. / 12},
		{"low=-3 high=5", -3, 5, 1, 64. / 12},
		{"dist=normal", -9.5, 9.5, 0, 1},
		{"dist=normal mean=-4 std=0.5", -9, 1, -4, 0.25},
		{"dist=exponential", 0, 46, 1, 1},
		{"dist=exponential mean=3", 0, 138, 3, 9},
		{"dist=integers low=-2 high=3", -2, 2, 0, 2},
		{"dist=integers", 0, 1, 0.5, 0.25},
	} {
		for _, d := range []string{"f16", "bf16", "f32", "f64"} {
			_, v := run(t, "random o:"+d+":65536 seed=5 "+c.options, nil)
			var sum, squares float64
			for _, x := range v {
				if x < c.low || x > c.high {
					t.Fatalf("%s %s: %v is outside [%v, %v]", d, c.options, x, c.low, c.high)
				}
				sum += x
				squares += (x - c.mean) * (x - c.mean)
			}
			ulp := map[string]float64{"f16": 0x1p-10, "bf16": 0x1p-7}[d] // truncation is a bias of half a unit
			if e := math.Abs(sum/n - c.mean); e > 5*math.Sqrt(c.variance/n)+ulp {
				t.Errorf("%s %s: mean is off by %v", d, c.options, e)
			}
			if e := math.Abs(squares/n/c.variance - 1); e > 5*math.Sqrt(8./n)+2*ulp {
				t.Errorf("%s %s: variance is off by %v of it", d, c.options, e)
			}
		}
	}
}

// The whole range of every integer type occurs, and each value of a byte about
// alike (chi-squared with 255 degrees of freedom, five standard deviations).
func TestRandomIntegers(t *testing.T) {
	for _, d := range ndarray.DTypes {
		if !d.IsInteger() && d != ndarray.Bool {
			continue
		}
		o, _ := run(t, "random o:"+d.String()+":4096 seed=18446744073709551615", nil)
		var top, low int
		for i := 0; i < len(o.Data); i += d.Size() {
			top += int(o.Data[i+d.Size()-1] >> 7 & 1)
			low += int(o.Data[i] & 1)
		}
		if d == ndarray.Bool {
			top = low
		}
		for _, bit := range []int{top, low} {
			if bit < 2048-160 || bit > 2048+160 {
				t.Errorf("%s: a bit is set %d times of 4096", d, bit)
			}
		}
	}
	o, _ := run(t, "random o:u8:65536", nil)
	var counts [256]float64
	for _, b := range o.Data {
		counts[b]++
	}
	var chi float64
	for _, c := range counts {
		chi += (c - 256) * (c - 256) / 256
	}
	if math.Abs(chi-255) > 5*math.Sqrt(2*255) {
		t.Errorf("chi-squared is %v", chi)
	}
}

// A part of an array that is drawn alone does not depend on layout: filling a
// view gives what filling an array of its shape gives, for every type.
func TestRandomIntoViews(t *testing.T) {
	r := numpytest.NewRand(8)
	for _, d := range ndarray.DTypes {
		for _, shape := range [][]int{{7, 3, 5}, {3, 3000}} {
			whole := r.Array(d, append([]int{2}, shape...)...)
			if repeats(whole) {
				continue
			}
			out, _, err := kerneltest.Run(t, Kernels(), "random o[1] seed=3", arrays{"o": whole}, kerneltest.Threads(1, 2))
			if err != nil {
				t.Fatal(err)
			}
			alone, _ := run(t, "random o:"+d.String()+":"+ndarray.ShapeString(shape)+" seed=3", nil)
			packed := ndarray.New(d, shape...)
			if err := ndarray.Convert(packed, out["o"].Index(1)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(packed.Data, alone.Data) {
				t.Errorf("%s %v: the view differs", d, shape)
			}
		}
	}
}

// Known values: the stream must never change.
func TestRandomKnownValues(t *testing.T) {
	_, v := run(t, "random o:f64:2 seed=0", nil)
	// Block 0 of key 0 is 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
	want := []float64{float64(uint64(0xe169c58d6627e8d5)>>11) * 0x1p-53, float64(uint64(0x9b00dbd8bc57ac4c)>>11) * 0x1p-53}
	if !slices.Equal(v, want) {
		t.Errorf("%v, want %v", v, want)
	}
	_, v = run(t, "random o:f32:2 seed=0", nil)
	if want := []float64{float64(0x6627e8) * 0x1p-24, float64(0xe169c5) * 0x1p-24}; !slices.Equal(v, want) {
		t.Errorf("%v, want %v", v, want)
	}
	if a, _ := run(t, "random o:u64:1 seed=1", nil); slices.Equal(a.Data, make([]byte, 8)) {
		t.Error("nothing was written")
	}
}

// The parts of complex numbers are drawn as real numbers are.
func TestRandomComplex(t *testing.T) {
	z, _ := run(t, "random o:c64:500 dist=normal seed=4", nil)
	x, _ := run(t, "random o:f32:500x2 dist=normal seed=4", nil)
	if !slices.Equal(z.Data, x.Data) {
		t.Error("they differ")
	}
}

// Type and shape come from the operand, the options, or the buffer.
func TestMadeTypes(t *testing.T) {
	have := arrays{"o": ndarray.New(ndarray.I16, 2, 3)}
	for _, c := range []struct {
		line string
		in   arrays
		want string
	}{
		{"fill o shape=2x2", nil, "f64:2x2"},
		{"fill o shape=2 value=1j", nil, "c128:2"},
		{"fill o shape=2 dtype=u8", nil, "u8:2"},
		{"fill o:f16:4 dtype=f16", nil, "f16:4"},
		{"fill o value=9", have, "i16:2x3"},
		{"fill o value=9 shape=4", have, "i16:4"},
		{"fill o[0] value=9", have, "i16:2x3"},
		{"fill o:f32:5 value=9", have, "f32:5"},
		{"fill o shape=scalar value=9", nil, "f64:scalar"},
		{"random o", have, "i16:2x3"},
		{"arange o stop=4", have, "i64:4"},
		{"arange o stop=4 dtype=c64", have, "c64:4"},
		{"arange o:bf16:7", nil, "bf16:7"},
		{"arange o stop=-1", nil, "i64:0"},
		{"arange o:bool stop=2", nil, "bool:2"},
		{"linspace o", nil, "f64:50"},
		{"linspace o:f32:7", nil, "f32:7"},
		{"linspace o num=0", nil, "f64:0"},
		{"eye o:f32:3x4", nil, "f32:3x4"},
		{"eye o n=0", nil, "f64:0x0"},
		{"eye o n=3 k=-9223372036854775808", nil, "f64:3x3"},
	} {
		if o, _ := run(t, c.line, c.in); o.String() != c.want {
			t.Errorf("%s makes %s, want %s", c.line, o, c.want)
		}
	}
}

// Integers beyond 2^53 are exact.
func TestExactIntegers(t *testing.T) {
	o, _ := run(t, "arange o start=18446744073709551610 stop=18446744073709551615 step=2 dtype=u64", nil)
	if got := ndarray.Slice[uint64](o); !slices.Equal(got, []uint64{math.MaxUint64 - 5, math.MaxUint64 - 3, math.MaxUint64 - 1}) {
		t.Error(got)
	}
	o, _ = run(t, "fill o:i64:1 value=-9223372036854775808", nil)
	if got := ndarray.Slice[int64](o)[0]; got != math.MinInt64 {
		t.Error(got)
	}
	o, v := run(t, "random o:u64:2000 low=18446744073709551600 seed=2", nil)
	if slices.Min(ndarray.Slice[uint64](o)) != math.MaxUint64-15 || slices.Max(ndarray.Slice[uint64](o)) != math.MaxUint64 {
		t.Error(v)
	}
	o, _ = run(t, "random o:i8:4000 low=-128 high=128", nil)
	if got := ndarray.Slice[int8](o); slices.Min(got) != -128 || slices.Max(got) != 127 {
		t.Error("the range is not used up")
	}
	o, _ = run(t, "fill o:f32:1 value=-0.0", nil)
	if math.Float32bits(ndarray.Slice[float32](o)[0]) != 1<<31 {
		t.Error("-0 has lost its sign")
	}
}

func TestRefusals(t *testing.T) {
	in := arrays{
		"s": ndarray.New(ndarray.F32), "x": ndarray.New(ndarray.F32, 3), "m": ndarray.New(ndarray.F64, 2, 3), "c": ndarray.New(ndarray.U8, 4),
	}
	for _, c := range []struct{ line, text string }{
		{"fill o value=1", "no shape yet"},
		{"fill o:f32:3 shape=4", "but the output operand is 3"},
		{"fill o:f32:3 dtype=f64", "but the output operand is f32"},
		{"fill o:f32:3 value=abc", "not a number"},
		{"fill o:f32:3 value=1e999", "out of the range"},
		{"fill o:f32:3 value=1j", "complex"},
		{"fill o:u8:3 value=256", "does not fit u8"},
		{"fill o:i8:3 value=-129", "does not fit i8"},
		{"fill o:i32:3 value=1.5", "not an integer"},
		{"random o", "no shape yet"},
		{"random o:f32:3 dtype=u8", "but the output"},
		{"random o:f32:3 seed=-1", "does not fit u64"},
		{"random o:f32:3 seed=x", "not a number"},
		{"random o:f32:3 mean=1", "no such parameter"},
		{"random o:f32:3 dist=normal std=-1", "negative"},
		{"random o:f32:3 dist=normal mean=nan", "not a finite"},
		{"random o:f32:3 dist=exponential mean=-1", "negative"},
		{"random o:f32:3 dist=exponential mean=j", "not a"},
		{"random o:f32:3 low=2 high=1", "not a finite interval"},
		{"random o:f32:3 low=-1e308 high=1e308", "not a finite interval"},
		{"random o:f32:3 low=1j", "not a finite real"},
		{"random o:f32:3 high=inf", "not a finite real"},
		{"random o:f32:3 dist=normal std=inf", "not a finite real"},
		{"random o:u8:3 dist=normal", "use dist=integers"},
		{"random o:c64:3 dist=integers", "not c64"},
		{"random o:u8:3 high=257", "can bound"},
		{"random o:u8:3 low=5 high=5", "no integer in"},
		{"random o:u8:3 low=1.5", "can bound"},
		{"random o:u8:3 low=q", "not a number"},
		{"arange o", "stop is missing"},
		{"arange o stop=x", "not a number"},
		{"arange o start=x stop=1", "not a number"},
		{"arange o stop=1 step=x", "not a number"},
		{"arange o stop=5 step=0", "never ends"},
		{"arange o stop=inf", "not a finite"},
		{"arange o stop=5 start=1j", "not a finite"},
		{"arange o stop=1e300", "too many"},
		{"arange o stop=1e19 step=0.5", "too many"},
		{"arange o stop=300 dtype=u8", "the last value"},
		{"arange o start=-1 stop=3 dtype=u8", "does not fit"},
		{"arange o stop=3 step=0.5 dtype=i32", "not an integer"},
		{"arange o:f32:3 stop=3 dtype=f64", "but the output"},
		{"linspace o num=-1", "cannot be made"},
		{"linspace o stop=1j dtype=f32", "complex"},
		{"linspace o:f32:3 dtype=f64", "but the output"},
		{"eye o", "two extents"},
		{"eye o n=-1", "two extents"},
		{"eye o n=2 dtype=f99", "unknown dtype"},
		{"eye o:f32:2x2 dtype=f64", "but the output"},
		{"copy x o:f64:3", "cast changes the type"},
		{"copy x o:f32:4", "does not broadcast"},
		{"cast x o", "to which type"},
		{"cast x o:f64:3 dtype=f32", "but the output"},
		{"cast m o:f32:3", "does not broadcast"},
		{"transpose m o axes=0", "1 axes for an array of 2"},
		{"transpose m o axes=0,0", "named twice"},
		{"transpose m o axes=0,2", "outside"},
		{"flip m o axes=5", "outside"},
		{"reshape m o", "to which shape"},
		{"reshape m o shape=4", "do not make"},
		{"reshape m o shape=-1x4", "do not make"},
		{"reshape m o shape=-1x-1", "not a shape"},
		{"reshape m o shape=axb", "not a shape"},
		{"reshape m o shape=4294967296x4294967296", "too large"},
		{"reshape m o:f64:7", "do not make"},
		{"concat s o", "no axis"},
		{"concat x m o", "2 axes, the first"},
		{"concat m m o axis=2", "outside"},
		{"concat m m[:,:1] o", "does not join"},
		{"stack x m o", "differs"},
		{"stack x x o axis=2", "outside"},
		{"roll m o shift=1,2", "need axes"},
		{"roll m o shift=1,2,3 axes=0,1", "3 shifts for 2 axes"},
		{"roll m o axes=2", "outside"},
		{"where x m c o", "do not broadcast"},
		{"tril x o", "not a matrix"},
		{"triu s o", "not a matrix"},
	} {
		_, _, err := kerneltest.Run(t, Kernels(), c.line, in)
		if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want EINVAL with %q", c.line, err, c.text)
		}
	}
}

// Reshapes and rolls between views that neither side can follow take scratch
// memory, which the plan knows of (kerneltest checks).
func TestScratch(t *testing.T) {
	a, o := ndarray.New(ndarray.I64, 4, 6), ndarray.New(ndarray.I64, 6, 8)
	for i, s := 0, ndarray.Slice[int64](a); i < len(s); i++ {
		s[i] = int64(i)
	}
	in := arrays{"a": a, "o": o}
	_, v := run(t, "reshape a[:,::2] o[:,::4] shape=6x2", in)
	_, rolled := run(t, "roll a[:,:4] o[:4,::2] shift=1", in)
	for i := range 12 {
		if got, want := v[i/2*8+i%2*4], float64(i/3*6+i%3*2); got != want {
			t.Errorf("reshape: element %d is %v, want %v", i, got, want)
		}
	}
	for i := range 16 {
		j := (i + 15) % 16
		if got, want := rolled[i/4*8+i%4*2], float64(j/4*6+j%4); got != want {
			t.Errorf("roll: element %d is %v, want %v", i, got, want)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := arrays{"a": ndarray.New(ndarray.F64, 300, 300), "o": ndarray.New(ndarray.F64, 300, 600)}
	for _, line := range []string{"fill b:f32:100000", "random b:f32:100000", "arange b stop=100000", "arange b stop=1e5 step=0.5", "linspace b num=100000", "eye b n=300",
		"copy a b", "cast a b dtype=f32", "transpose a b", "reshape a[:,::2] o[:,::4]", "concat a a b", "stack a a b", "flip a b", "roll a[::2] b", "roll a[:,1:] o[:300,:598:2]",
		"where a a a b", "tril a b"} {
		if _, _, err := kerneltest.Run(t, Kernels(), line, in, kerneltest.Context(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Every example of every manual runs, in order, on what came before it.
func TestExamples(t *testing.T) {
	for _, k := range Kernels() {
		files := arrays{}
		for _, e := range k.Manual.Examples {
			for _, line := range e.Lines {
				out, _, err := kerneltest.Run(t, Kernels(), line, files)
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

// The random kernel's own arithmetic, without the registry: an empty piece.
func TestGenerateNothing(t *testing.T) {
	for _, line := range []string{"random o:f64:0", "random o:f32:0x5", "random o:u64:0", "fill o:f32:0", "linspace o num=0", "eye o n=0 m=4"} {
		if o, _ := run(t, line, nil); o.Len() != 0 {
			t.Errorf("%s: %s", line, o)
		}
	}
}
