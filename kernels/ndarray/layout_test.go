package ndarray

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestDTypes(t *testing.T) {
	long := map[string]DType{"float32": F32, "bfloat16": BF16, "complex128": C128, "uint64": U64, "int8": I8, "bool": Bool}
	for name, d := range long {
		if got, err := ParseDType(name); err != nil || got != d {
			t.Errorf("ParseDType(%s) = %v, %v", name, got, err)
		}
	}
	for _, d := range DTypes {
		if got, err := ParseDType(d.String()); err != nil || got != d {
			t.Errorf("ParseDType(%s) = %v, %v", d, got, err)
		}
		kinds := 0
		for _, is := range []bool{d == Bool, d.IsSigned(), d.IsUnsigned(), d.IsFloat(), d.IsComplex()} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || d.Size() == 0 || d.Real().IsComplex() || d.IsComplex() != (d.Real() != d) {
			t.Errorf("%s is of %d kinds, size %d, real part %s", d, kinds, d.Size(), d.Real())
		}
	}
	kinds := [][]DType{{Bool}, {U8, U16, U32, U64}, {I8, I16, I32, I64}, {F16, BF16, F32, F64}, {C64, C128}}
	for i, from := range kinds {
		for j, to := range kinds {
			for _, d := range from {
				for _, e := range to {
					if d.StoredAs(e) != (i <= j) {
						t.Errorf("%s stored as %s: %v", d, e, d.StoredAs(e))
					}
				}
			}
		}
	}
	for _, s := range []string{"", "f33", "invalid", "F32", "f32 "} {
		if d, err := ParseDType(s); err == nil {
			t.Errorf("ParseDType(%q) = %s", s, d)
		}
	}
	if s := DType(99).String(); s != "dtype(99)" {
		t.Error(s)
	}
}

func TestShapes(t *testing.T) {
	for text, want := range map[string][]int{"": {}, "scalar": {}, "0": {0}, "3x4x5": {3, 4, 5}, "007": {7}} {
		got, err := ParseShape(text)
		if err != nil || got == nil || !slices.Equal(got, want) {
			t.Errorf("ParseShape(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "3x", "3x-4", "3,4", "3 x4", "99999999999999999999"} {
		if got, err := ParseShape(text); err == nil {
			t.Errorf("ParseShape(%q) = %v", text, got)
		}
	}
	for _, s := range [][]int{{}, {0}, {3, 4}} {
		if back, err := ParseShape(ShapeString(s)); err != nil || !slices.Equal(back, s) {
			t.Errorf("%v came back as %v, %v", s, back, err)
		}
	}
}

func TestCheckShape(t *testing.T) {
	for _, c := range []struct {
		shape []int
		n     int
		err   string
	}{
		{nil, 1, ""}, {[]int{3, 4}, 12, ""}, {[]int{0, 1<<60 - 1}, 0, ""}, {[]int{1 << 62, 0}, 0, "too large"}, {[]int{1 << 31, 1 << 31}, 0, "too large"},
		{[]int{-1}, 0, "negative"}, {make([]int, 65), 0, "65 axes"},
	} {
		n, err := CheckShape(F64, c.shape)
		if c.err == "" && (err != nil || n != c.n) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("CheckShape(%v) = %d, %v", c.shape, n, err)
		}
	}
	if _, err := CheckShape(F64, []int{1 << 60}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if n, err := CheckShape(F64, []int{1<<60 - 1}); err != nil || n != 1<<60-1 {
		t.Error(n, err)
	}
}

func TestContiguous(t *testing.T) {
	l := NewLayout(F32, 3, 4)
	for _, c := range []struct {
		l    Layout
		want bool
	}{
		{l, true}, {NewLayout(F32), true}, {NewLayout(F32, 0, 3), true}, {l.Permute(1, 0), false}, {l.Range(0, 1, 3), true},
		{l.Range(1, 0, 3), false}, {l.Range(1, 0, 1), false}, {l.Index(1), true}, {l.Permute(1, 0).Index(1), false},
		{Layout{DType: F32, Shape: []int{1, 4}, Strides: []int{99, 4}}, true},
		{Layout{DType: F32, Shape: []int{3, 4}, Strides: FStrides(F32, []int{3, 4})}, false},
	} {
		if got := c.l.Contiguous(); got != c.want {
			t.Errorf("%+v: %v", c.l, got)
		}
	}
}

func TestBroadcast(t *testing.T) {
	l := NewLayout(I16, 3, 1)
	got, err := l.Broadcast([]int{2, 3, 4})
	if err != nil || !slices.Equal(got.Strides, []int{0, 2, 0}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, shape := range [][]int{{3}, {2, 4}, {}} {
		if got, err := l.Broadcast(shape); err == nil {
			t.Errorf("broadcast to %v: %+v", shape, got)
		}
	}
	for _, c := range []struct{ in, want []int }{{[]int{3, 1}, []int{5, 3, 4}}, {[]int{}, []int{5, 1, 4}}, {[]int{1, 1}, []int{5, 1, 4}}} {
		if got, err := BroadcastShapes([]int{4}, c.in, []int{5, 1, 1}); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, %v", c.in, got, err)
		}
	}
	if got, err := BroadcastShapes([]int{3}, []int{4}); err == nil {
		t.Errorf("3 and 4 broadcast to %v", got)
	}
	if got, err := BroadcastShapes([]int{0}, []int{1}); err != nil || !slices.Equal(got, []int{0}) {
		t.Errorf("0 and 1 broadcast to %v, %v", got, err)
	}
}

func TestArray(t *testing.T) {
	a := New(F64, 4, 3)
	if !a.Direct() || a.Check() != nil || len(Slice[float64](a)) != 12 || a.String() != "f64:4x3" {
		t.Errorf("%+v is not direct", a)
	}
	Slice[float64](a)[5] = 1
	if row := a.Index(1); Slice[float64](row)[2] != 1 {
		t.Error("Index is wrong")
	}
	if a.Permute(1, 0).Direct() {
		t.Error("a transposed array is direct")
	}
	mustPanic(t, func() { a.Permute(1) })
	mustPanic(t, func() { Slice[float64](a.Permute(1, 0)) })
	mustPanic(t, func() { Slice[float32](a) })
	odd := Array{NewLayout(F64, 2), a.Data[4:]}
	if odd.Aligned() || odd.Direct() {
		t.Error("an array at byte 4 is aligned")
	}
	steps := Array{Layout{DType: F64, Shape: []int{2}, Strides: []int{12}}, a.Data}
	if steps.Aligned() {
		t.Error("an array of strides of 12 bytes is aligned")
	}
	if short := (Array{NewLayout(F64, 13), a.Data}); short.Check() == nil {
		t.Error("13 elements fit in 12")
	}
	if e := New(F32, 0, 3); Slice[float32](e) != nil || !e.Aligned() || e.Check() != nil {
		t.Error("an empty array is wrong")
	}
	if swapped := (Array{Layout{DType: F64, Shape: []int{}, Strides: []int{}, Swapped: true}, a.Data}); swapped.Direct() {
		t.Error("a swapped array is direct")
	}
}
