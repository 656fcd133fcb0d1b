package vec

import (
	"math"
	"math/big"
	"math/cmplx"
	"testing"

	"vgpu/kernels/ndarray"
)

func TestParseNumber(t *testing.T) {
	for _, c := range []struct {
		text  string
		value complex128
		whole string // "" if the number is no integer
	}{
		{"0", 0, "0"}, {"-17", -17, "-17"}, {"1e3", 1000, "1000"}, {"2.5", 2.5, ""}, {"true", 1, "1"}, {"false", 0, "0"},
		{"inf", complex(math.Inf(1), 0), ""}, {"-inf", complex(math.Inf(-1), 0), ""}, {"1+2j", 1 + 2i, ""}, {"3i", 3i, ""}, {"-2.5e-3j", -2.5e-3i, ""},
		{"18446744073709551616", 0x1p64, "18446744073709551616"}, {"1e22", 1e22, "10000000000000000000000"},
	} {
		n, err := parseNumber(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		whole := ""
		if n.whole != nil {
			whole = n.whole.String()
		}
		if n.value != c.value || whole != c.whole {
			t.Errorf("%s is %v, %q; want %v, %q", c.text, n.value, whole, c.value, c.whole)
		}
	}
	if n, err := parseNumber("nan"); err != nil || !cmplx.IsNaN(n.value) || n.whole != nil {
		t.Errorf("nan is %v, %v", n, err)
	}
	for _, bad := range []string{"", "x", "1.2.3", "--1", "1e999", "0x10q", "1 2"} {
		if n, err := parseNumber(bad); err == nil {
			t.Errorf("%q is read as %v", bad, n.value)
		}
	}
}

// The ends of every integer type fit, and what is beyond them does not.
func TestIntegerRanges(t *testing.T) {
	one := big.NewInt(1)
	for _, d := range ndarray.DTypes {
		if !d.IsInteger() {
			continue
		}
		lo, hi := integerRange(d)
		for _, c := range []struct {
			i    *big.Int
			fits bool
		}{{lo, true}, {hi, true}, {new(big.Int).Sub(lo, one), false}, {new(big.Int).Add(hi, one), false}} {
			if err := (number{whole: c.i}).fits(d); (err == nil) != c.fits {
				t.Errorf("%s in %s: %v", c.i, d, err)
			}
		}
		a, err := number{whole: lo}.scalar(d)
		if err != nil {
			t.Fatal(err)
		}
		var got [1]int64
		ndarray.Load(got[:], a, 0)
		if got[0] != lo.Int64() {
			t.Errorf("%s: the least value reads as %d", d, got[0])
		}
	}
}

// Numbers are rounded to floats once, whatever their length: a little above the
// middle of two is the upper one, of any type, where the next float64 is the
// middle itself.
func TestScalarRoundsOnce(t *testing.T) {
	for _, c := range []struct {
		text string
		d    ndarray.DType
		want float64
	}{
		{"9007199791611905", ndarray.F32, 0x1p53 + 0x1p30}, // 2^53 + 2^29 + 1
		{"9223372586610589697", ndarray.F32, 0x1p63 + 0x1p40},
		{"9223372586610589696", ndarray.F32, 0x1p63}, // the middle: to even
		{"-9223372586610589697", ndarray.F32, -0x1p63 - 0x1p40},
		{"9223373686122217471", ndarray.F32, 0x1p63 + 0x1p40}, // less than 3 halves
		{"9259400833873739777", ndarray.BF16, 0x1p63 + 0x1p56},
		{"9259400833873739776", ndarray.BF16, 0x1p63},
		{"340282356779733661637539395458142568448", ndarray.F32, math.Inf(1)}, // the middle of the greatest and 2^128
		{"340282356779733661637539395458142568447", ndarray.F32, math.MaxFloat32},
		{"65519.99999999999999999", ndarray.F16, 65504},
		{"65520", ndarray.F16, math.Inf(1)},
		{"1.00048828125000000000001", ndarray.F16, 1 + 0x1p-10},
		{"1.00048828125", ndarray.F16, 1},
		{"1.0004882812500000000000", ndarray.F16, 1},
		{"1e-400", ndarray.F16, 0},
		{"1.00048828125000000000001", ndarray.F64, 1.00048828125},
		{"inf", ndarray.F16, math.Inf(1)}, {"true", ndarray.BF16, 1}, {"0.1", ndarray.F64, 0.1},
	} {
		n, err := parseNumber(c.text)
		if err != nil {
			t.Fatal(err)
		}
		a, err := n.scalar(c.d)
		if err != nil {
			t.Fatal(err)
		}
		var got [1]float64
		if ndarray.Load(got[:], a, 0); got[0] != c.want {
			t.Errorf("%s as %s is %v, want %v", c.text, c.d, got[0], c.want)
		}
	}
}

func TestWrapped(t *testing.T) {
	for _, v := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64} {
		if got := wrapped(big.NewInt(v)); got != uint64(v) {
			t.Errorf("%d: %x", v, got)
		}
	}
	if got := wrapped(new(big.Int).Lsh(big.NewInt(1), 64)); got != 0 {
		t.Errorf("2^64: %x", got)
	}
}

// wholeLength against counting.
func TestWholeLength(t *testing.T) {
	for start := int64(-6); start <= 6; start++ {
		for stop := int64(-6); stop <= 6; stop++ {
			for _, step := range []int64{-5, -2, -1, 1, 2, 3, 7} {
				count := int64(0)
				for x := start; step > 0 && x < stop || step < 0 && x > stop; x += step {
					count++
				}
				got := wholeLength(big.NewInt(start), big.NewInt(stop), big.NewInt(step))
				if got.Int64() != count {
					t.Errorf("%d to %d by %d: %s, want %d", start, stop, step, got, count)
				}
			}
		}
	}
}

// diagonal names the elements with column - row = k.
func TestDiagonal(t *testing.T) {
	a := ndarray.New(ndarray.I64, 3, 5)
	for i, s := 0, ndarray.Slice[int64](a); i < len(s); i++ {
		s[i] = int64(i)
	}
	for k := -4; k <= 6; k++ {
		var want []int64
		for i := range 3 {
			if j := i + k; j >= 0 && j < 5 {
				want = append(want, int64(i*5+j))
			}
		}
		d := diagonal(a, k)
		got := make([]int64, d.Len())
		ndarray.Load(got, d, 0)
		if len(got) != len(want) {
			t.Fatalf("k=%d: %v, want %v", k, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("k=%d: %v, want %v", k, got, want)
			}
		}
	}
}

// The first and the last point of a line are its ends, at any length.
func TestLineEnds(t *testing.T) {
	for _, n := range []int{2, 3, 10, 1001} {
		for _, ends := range [][2]complex128{{0, 1}, {-1e300, 1e300}, {0.1, 0.3}, {1 + 2i, -3 - 1i}, {5, 5}} {
			l := newLine(ends[0], ends[1], n, true)
			dst := ndarray.New(ndarray.C128, n)
			l.fill(dst, 0, false)
			if s := ndarray.Slice[complex128](dst); s[0] != ends[0] || s[n-1] != ends[1] {
				t.Errorf("%d points from %v to %v: %v to %v", n, ends[0], ends[1], s[0], s[n-1])
			}
		}
	}
}
