package ndarray

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// testValues are numbers at the edges of every type.
func testValues() []float64 {
	vs := []float64{0, math.Copysign(0, -1), 0.5, -0.5, 0.999, -0.999, 1, -1, 1.5, 2.5, -1.5, math.NaN(), math.Inf(1), math.Inf(-1),
		math.MaxFloat64, -math.MaxFloat64, math.MaxFloat32, math.SmallestNonzeroFloat64, math.SmallestNonzeroFloat32, 65504, 65520, 65519.9, 0x1p-24, 0x1p-25, 0x1p-14}
	for _, e := range []int{7, 8, 15, 16, 23, 24, 31, 32, 53, 62, 63, 64, 65} {
		p := math.Ldexp(1, e)
		vs = append(vs, p, -p, p-1, 1-p, p+1, -p-1, p+0.5, -p-0.5, math.Nextafter(p, 0), -math.Nextafter(p, 0))
	}
	return vs
}

// sample is an array of type d with values from the edges of its own type and
// of others.
func sample(d DType, rng *rand.Rand) Array {
	vs := testValues()
	a := New(d, len(vs)+64)
	for i := range a.Data { // integers: random bits are edges enough
		a.Data[i] = byte(rng.Uint32())
	}
	n := len(vs)
	switch d {
	case Bool:
		for i := range a.Data {
			a.Data[i] &= 1
		}
	case I64:
		s := Slice[int64](a)
		copy(s, []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1<<53 + 1, -1<<53 - 1, 1<<62 + 1, 0x0080_8000_0000_0001, 0x7fffffc000000001, 0x7fffffbfffffffff})
	case U64:
		copy(Slice[uint64](a), []uint64{0, 1, math.MaxUint64, 1 << 63, 1<<63 + 1, 1<<63 - 1, 0x8000008000000001, 0x8000_0080_0000_0000, 0x8080_0000_0000_0001, 1<<53 + 1})
	case F16, BF16, F32, F64:
		for i := range n {
			setFloat(a, i, vs[i])
		}
	case C64:
		s := Slice[complex64](a)
		for i := range n {
			s[i] = complex(float32(vs[i]), float32(vs[(i*7+3)%n]))
		}
	case C128:
		s := Slice[complex128](a)
		for i := range n {
			s[i] = complex(vs[i], vs[(i*7+3)%n])
		}
	}
	return a
}

func setFloat(a Array, i int, v float64) {
	switch a.DType {
	case F16:
		Slice[uint16](a)[i] = F16FromF64(v)
	case BF16:
		Slice[uint16](a)[i] = BF16FromF64(v)
	case F32:
		Slice[float32](a)[i] = float32(v)
	case F64:
		Slice[float64](a)[i] = v
	}
}

// Conversions give numpy's bits for every pair of types and every edge. NaNs
// are compared as such: which payload survives is the processor's choice.
func TestConvertAgainstNumpy(t *testing.T) {
	types := numpyTypes()
	rng := rand.New(rand.NewPCG(7, 8))
	type question struct {
		From, Data string
		To         []string
	}
	var q []question
	var srcs []Array
	for _, d := range types {
		a := sample(d, rng)
		srcs = append(srcs, a)
		q = append(q, question{dtypeTable[d].descr, base64.StdEncoding.EncodeToString(a.Data), descrs(types)})
	}
	var want [][][]byte
	numpy(t, `
import base64
np.seterr(all='ignore')
r = []
for c in q:
    a = np.frombuffer(base64.b64decode(c['Data']), c['From'])
    r.append([base64.b64encode(a.astype(d).tobytes()).decode() for d in c['To']])`, q, &want)
	for i, src := range srcs {
		for j, d := range types {
			dst := New(d, src.Shape...)
			if err := Convert(dst, src); err != nil {
				t.Fatal(err)
			}
			compareElements(t, src, dst, want[i][j])
		}
	}
}

func compareElements(t *testing.T, src, dst Array, want []byte) {
	t.Helper()
	size := dst.DType.Size()
	ref := Array{dst.Layout, want}
	for k := range dst.Len() {
		got, wnt := dst.Data[k*size:(k+1)*size], want[k*size:(k+1)*size]
		if !bytes.Equal(got, wnt) && !sameNaN(dst, ref, k) && !undecided(src, dst.DType, k) {
			t.Errorf("%s element %d (%s) to %s: % x, want % x", src.DType, k, show(src, k), dst.DType, got, wnt)
		}
	}
}

// undecided tells whether numpy's own answer depends on whether its loop was
// vectorised: uint32 of what neither int32 nor uint32 holds.
func undecided(src Array, to DType, k int) bool {
	if to != U32 || src.DType.IsInteger() {
		return false
	}
	var v [1]float64
	Load(v[:], src, k)
	return !(v[0] > -0x1p31-1 && v[0] < 0x1p32)
}

func show(a Array, k int) string {
	var z [1]complex128
	Load(z[:], a, k)
	return fmt.Sprint(z[0])
}

// sameNaN tells whether element k is equal in both but for NaN payloads.
func sameNaN(a, b Array, k int) bool {
	if a.DType.IsInteger() || a.DType == Bool {
		return false
	}
	var x, y [1]complex128
	Load(x[:], a, k)
	Load(y[:], b, k)
	same := func(p, q float64) bool {
		return p != p && q != q || math.Float64bits(p) == math.Float64bits(q)
	}
	return same(real(x[0]), real(y[0])) && same(imag(x[0]), imag(y[0]))
}

// To 16-bit floats everything is rounded once: the oracle is exact arithmetic.
func TestConvertToHalfExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, from := range []DType{I32, U32, I64, U64, F32, F64, C64, C128} {
		src := sample(from, rng)
		for _, h := range halfFormats {
			d := F16
			if h.name == "bf16" {
				d = BF16
			}
			dst := New(d, src.Shape...)
			if err := Convert(dst, src); err != nil {
				t.Fatal(err)
			}
			for k, got := range Slice[uint16](dst) {
				if want, ok := h.exact(src, k); ok && got != want {
					t.Errorf("%s %s to %s: %#04x, want %#04x", from, show(src, k), d, got, want)
				}
			}
		}
	}
}

// exact rounds element k; not ok is a NaN.
func (h halfFormat) exact(src Array, k int) (want uint16, ok bool) {
	switch src.DType {
	case I64:
		return h.exactInt(big.NewInt(Slice[int64](src)[k])), true
	case U64:
		return h.exactInt(new(big.Int).SetUint64(Slice[uint64](src)[k])), true
	}
	var v [1]float64
	Load(v[:], src, k)
	return h.oracle(v[0]), v[0] == v[0]
}

// exactInt rounds an integer with big floats to the format's mantissa.
func (h halfFormat) exactInt(n *big.Int) uint16 {
	f := new(big.Float).SetPrec(uint(h.mant + 1)).SetMode(big.ToNearestEven).SetInt(n)
	v, _ := f.Float64()
	return h.oracle(v)
}

func TestConvertFromBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	src := sample(BF16, rng)
	wide := New(F32, src.Shape...)
	for i, b := range Slice[uint16](src) {
		Slice[float32](wide)[i] = BF16ToF32(b)
	}
	for _, d := range DTypes {
		got, want := New(d, src.Shape...), New(d, src.Shape...)
		if err := Convert(got, src); err != nil {
			t.Fatal(err)
		}
		if err := Convert(want, wide); err != nil {
			t.Fatal(err)
		}
		compareElements(t, src, got, want.Data)
	}
}

// scramble lays the elements of a out anew: axes in another order and
// direction, gaps, another byte order, any alignment.
func scramble(a Array, rng *rand.Rand) Array {
	l := Layout{DType: a.DType, Shape: slices.Clone(a.Shape), Strides: make([]int, len(a.Shape)), Swapped: rng.IntN(2) == 0}
	size := a.DType.Size()
	step := size * (1 + rng.IntN(2))
	if rng.IntN(3) == 0 {
		step += rng.IntN(size + 1)
	}
	lead := rng.IntN(9)
	l.Offset = lead
	for _, axis := range rng.Perm(len(a.Shape)) {
		l.Strides[axis] = step
		step *= max(a.Shape[axis], 1)
		if rng.IntN(3) == 0 {
			l.Offset += (max(a.Shape[axis], 1) - 1) * l.Strides[axis]
			l.Strides[axis] = -l.Strides[axis]
		}
		if rng.IntN(3) == 0 {
			step += size
		}
	}
	out := Array{l, bytes.Repeat([]byte{0xee}, lead+step+size+8)}
	if err := out.Check(); err != nil {
		panic(err)
	}
	return out
}

// get is the naive twin of Load: one element, moved byte by byte.
func get(a Array, index []int) []byte {
	off := a.Offset
	for i, x := range index {
		off += x * a.Strides[i]
	}
	b := bytes.Clone(a.Data[off : off+a.DType.Size()])
	if a.Swapped {
		part := a.DType.Real().Size()
		for lo := 0; lo < len(b); lo += part {
			slices.Reverse(b[lo : lo+part])
		}
	}
	return b
}

// packed lists the elements in C order by the twin.
func packed(a Array) []byte {
	var out []byte
	index := make([]int, len(a.Shape))
	for range a.Len() {
		out = append(out, get(a, index)...)
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < a.Shape[i] {
				break
			}
			index[i] = 0
		}
	}
	return out
}

var convertShapes = [][]int{{}, {0}, {1}, {5}, {300}, {3, 4}, {40, 30}, {2, 0, 3}, {1, 7, 1}, {3, 2, 5}, {600, 2}, {2, 600}, {2, 3, 2, 3}, {17, 33, 3}}

func randomBits(d DType, shape []int, rng *rand.Rand) Array {
	a := New(d, shape...)
	for i := range a.Data {
		a.Data[i] = byte(rng.Uint32())
	}
	return a
}

// Every layout on either side gives what packed arrays give.
func TestConvertLayouts(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for _, from := range DTypes {
		for _, to := range DTypes {
			for _, shape := range convertShapes {
				src := randomBits(from, shape, rng)
				want := New(to, shape...)
				if err := Convert(want, src); err != nil {
					t.Fatal(err)
				}
				src2, dst := scramble(src, rng), scramble(want, rng)
				if err := Convert(src2, src); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(packed(src2), src.Data) {
					t.Fatalf("copying %s to %+v lost elements", src, src2.Layout)
				}
				before := bytes.Clone(dst.Data)
				if err := Convert(dst, src2); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(packed(dst), want.Data) {
					t.Fatalf("%+v to %+v: wrong elements", src2.Layout, dst.Layout)
				}
				checkGaps(t, dst, before)
			}
		}
	}
}

// checkGaps verifies that no byte outside the elements was written.
func checkGaps(t *testing.T, a Array, before []byte) {
	t.Helper()
	mask := Array{a.Layout, make([]byte, len(a.Data))}
	ones := New(a.DType, a.Shape...)
	for i := range ones.Data {
		ones.Data[i] = 1
	}
	mask.Swapped = false
	if err := Convert(mask, ones); err != nil {
		t.Fatal(err)
	}
	for i, m := range mask.Data {
		if m == 0 && a.Data[i] != before[i] {
			t.Fatalf("%+v: byte %d lies in a gap and was written", a.Layout, i)
		}
	}
}

func TestConvertShapes(t *testing.T) {
	if err := Convert(New(F32, 2, 3), New(F32, 3, 2)); err == nil {
		t.Error("different shapes were copied")
	}
	one := New(F64)
	Slice[float64](one)[0] = 7
	wide, err := one.Broadcast([]int{3, 2})
	if err != nil {
		t.Fatal(err)
	}
	dst := New(I16, 3, 2)
	if err := Convert(dst, Array{wide, one.Data}); err != nil {
		t.Fatal(err)
	}
	if got := Slice[int16](dst); !slices.Equal(got, []int16{7, 7, 7, 7, 7, 7}) {
		t.Errorf("a broadcast scalar came as %v", got)
	}
}

// Loading any run of any layout as T is loading all of a packed copy.
func testLoadStore[T Element](t *testing.T, rng *rand.Rand) {
	for _, d := range DTypes {
		for _, shape := range convertShapes {
			src := randomBits(d, shape, rng)
			all := make([]T, src.Len())
			Load(all, src, 0)
			viewed := scramble(src, rng)
			if err := Convert(viewed, src); err != nil {
				t.Fatal(err)
			}
			from := rng.IntN(len(all) + 1)
			got := make([]T, rng.IntN(len(all)-from+1))
			Load(got, viewed, from)
			if want := all[from : from+len(got)]; !bytes.Equal(bytesOf(got), bytesOf(want)) {
				t.Fatalf("Load of %d from %d of %+v: %v, want %v", len(got), from, viewed.Layout, got, want)
			}
			// Store writes the run, and nothing else changes.
			want := New(d, shape...)
			copy(want.Data, src.Data)
			Store(want.flat(from, len(got)), got, 0)
			Store(viewed, got, from)
			if !bytes.Equal(packed(viewed), want.Data) {
				t.Fatalf("Store of %d from %d of %+v", len(got), from, viewed.Layout)
			}
		}
	}
}

// flat is a run of a packed array.
func (a Array) flat(from, n int) Array {
	return Array{NewLayout(a.DType, n), a.Data[from*a.DType.Size():]}
}

func TestLoadStore(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	testLoadStore[int8](t, rng)
	testLoadStore[uint8](t, rng)
	testLoadStore[int16](t, rng)
	testLoadStore[uint16](t, rng)
	testLoadStore[int32](t, rng)
	testLoadStore[uint32](t, rng)
	testLoadStore[int64](t, rng)
	testLoadStore[uint64](t, rng)
	testLoadStore[float32](t, rng)
	testLoadStore[float64](t, rng)
	testLoadStore[complex64](t, rng)
	testLoadStore[complex128](t, rng)
}

func TestLoadBounds(t *testing.T) {
	a := New(F32, 4)
	for _, c := range [][2]int{{-1, 1}, {0, 5}, {4, 1}, {5, 0}} {
		mustPanic(t, func() { Load(make([]float32, c[1]), a, c[0]) })
		mustPanic(t, func() { Store(a, make([]float32, c[1]), c[0]) })
	}
	Load([]float32{}, a, 4)
}

func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		f   float64
		i8  int8
		u16 uint16
		i32 int32
		u32 uint32
		i64 int64
		u64 uint64
	}{
		{-1.9, -1, 0xffff, -1, 0xffffffff, -1, math.MaxUint64},
		{300, 44, 300, 300, 300, 300, 300},
		{0x1p31, 0, 0, math.MinInt32, 1 << 31, 1 << 31, 1 << 31},
		{0x1p32 - 0.5, 0, 0, math.MinInt32, 0xffffffff, 0xffffffff, 0xffffffff},
		{0x1p32, 0, 0, math.MinInt32, 0, 1 << 32, 1 << 32},
		{0x1p63, 0, 0, math.MinInt32, 0, math.MinInt64, 1 << 63},
		{0x1p64, 0, 0, math.MinInt32, 0, math.MinInt64, 0},
		{math.NaN(), 0, 0, math.MinInt32, 1 << 31, math.MinInt64, 1 << 63},
		{math.Inf(1), 0, 0, math.MinInt32, 0, math.MinInt64, 0},
		{math.Inf(-1), 0, 0, math.MinInt32, 1 << 31, math.MinInt64, 1 << 63},
		{-2147483648.9, 0, 0, math.MinInt32, 1 << 31, -1 << 31, 0xffffffff80000000},
	} {
		if truncate[int8](c.f) != c.i8 || truncate[uint16](c.f) != c.u16 || truncate[int32](c.f) != c.i32 ||
			truncate[uint32](c.f) != c.u32 || truncate[int64](c.f) != c.i64 || truncate[uint64](c.f) != c.u64 {
			t.Errorf("%v: %d %d %d %d %d %d", c.f, truncate[int8](c.f), truncate[uint16](c.f), truncate[int32](c.f),
				truncate[uint32](c.f), truncate[int64](c.f), truncate[uint64](c.f))
		}
	}
}

func BenchmarkConvert(b *testing.B) {
	const n = 1 << 20
	for _, c := range []struct{ to, from DType }{{F32, F32}, {F64, F32}, {F32, F64}, {F32, F16}, {F16, F32}, {BF16, F32}, {I32, F64}, {C128, F32}} {
		dst, src := New(c.to, n), New(c.from, n)
		b.Run(fmt.Sprintf("%s-%s", c.from, c.to), func(b *testing.B) {
			b.SetBytes(int64(dst.Bytes() + src.Bytes()))
			for range b.N {
				if err := Convert(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	dst, src := New(F32, 1024, 1024), New(F32, 1024, 1024)
	b.Run("transpose", func(b *testing.B) {
		b.SetBytes(int64(2 * dst.Bytes()))
		for range b.N {
			if err := Convert(dst, src.Permute(1, 0)); err != nil {
				b.Fatal(err)
			}
		}
	})
	swapped := src
	swapped.Swapped = true
	b.Run("swap", func(b *testing.B) {
		b.SetBytes(int64(2 * dst.Bytes()))
		for range b.N {
			if err := Convert(dst, swapped); err != nil {
				b.Fatal(err)
			}
		}
	})
}
