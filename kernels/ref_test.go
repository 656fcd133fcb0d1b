package kernels

import (
	"errors"
	"slices"
	"testing"

	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

func word(text string) command.Word {
	return command.Word{Text: text, Span: command.Span{End: len(text)}}
}

// refOf reads an unquoted word.
func refOf(w command.Word) (Ref, error) {
	return parseRef(w, func(lo, hi int) command.Span {
		return command.Span{Start: w.Span.Start + lo, End: w.Span.Start + hi}
	})
}

// FuzzParseRef: any path can be written, by the colon that ends it, alone and
// with a slice or a type behind it.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"a.npy", "a[0]", "a:f32", "a:f32:3x4", "a:real:3", ":", "a[", "]", "[0]", "a:f33", "é:u8[::2]", "a::", "a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if r, err := refOf(word(path)); err == nil {
			checkRef(t, &r)
		} else if e := (*command.Error)(nil); !errors.As(err, &e) || e.Span.Start > e.Span.End || e.Span.End > len(path) {
			t.Fatalf("%q: %#v", path, err)
		}
		if path == "" {
			return
		}
		for _, tail := range []string{":", ":[0]", ":u8", ":u8:3x4[...]"} {
			text := path + tail
			r, err := refOf(word(text))
			if err != nil || r.Path != path {
				t.Fatalf("%q: path %q, %v", text, r.Path, err)
			}
		}
	})
}

// A slice, a type and both together are found in every combination.
func TestParseRefCombinations(t *testing.T) {
	for _, path := range []string{"a", "a.npy", "dir/a b", "a:b", "12", "ü"} {
		for _, typ := range []struct {
			text  string
			d     ndarray.DType
			shape []int
		}{{"", 0, nil}, {":bf16", ndarray.BF16, nil}, {":c128:2x3", ndarray.C128, []int{2, 3}}, {":bool:scalar", ndarray.Bool, []int{}}} {
			for _, slice := range []struct {
				text string
				n    int
			}{{"", 0}, {"[0]", 1}, {"[1:2, ::-1]", 2}, {"[None,...,3]", 3}} {
				text := path + typ.text + slice.text
				r, err := refOf(word(text))
				if err != nil || r.Path != path || r.DType != typ.d || !slices.Equal(r.Shape, typ.shape) || len(r.Slice) != slice.n {
					t.Errorf("%q: %+v, %v", text, r, err)
				}
			}
		}
	}
}

func TestErrorf(t *testing.T) {
	r, err := refOf(word("a.npy"))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "a.npy", r.Errorf("%s is wrong", r.Path), "a.npy", "a.npy is wrong")
	c := mustBind(t, "scale x y")
	refused(t, "scale x y", c.Errorf("no"), "scale", "scale: no")
	refused(t, "scale x y", c.Out[0].Errorf("no"), "y", "no")
}

// What an output is to be comes from the line, or a slice of what exists, or
// the kernel.
func TestWant(t *testing.T) {
	f64 := ndarray.NewLayout(ndarray.F64, 5)
	part := []ndarray.Range{{Step: 1}}
	for _, c := range []struct {
		out   Output
		d     ndarray.DType
		shape []int
	}{
		{Output{}, ndarray.F32, []int{2}},
		{Output{Ref: Ref{DType: ndarray.I8}}, ndarray.I8, []int{2}},
		{Output{Ref: Ref{DType: ndarray.I8, Shape: []int{7}}}, ndarray.I8, []int{7}},
		{Output{Layout: f64, Exists: true}, ndarray.F32, []int{2}},
		{Output{Ref: Ref{Slice: part}, Layout: f64, Exists: true}, ndarray.F64, []int{5}},
		{Output{Ref: Ref{Slice: part, DType: ndarray.U8, Shape: []int{9}}, Layout: f64, Exists: true}, ndarray.U8, []int{5}},
	} {
		if d := c.out.WantDType(ndarray.F32); d != c.d {
			t.Errorf("%+v: wants %s, not %s", c.out, d, c.d)
		}
		if s := c.out.WantShape([]int{2}); !slices.Equal(s, c.shape) {
			t.Errorf("%+v: wants %v, not %v", c.out, s, c.shape)
		}
	}
}

// The distance is symmetric, zero for equals alone, and at least the
// difference of the lengths; and one edit is at a distance of one.
func TestEditDistance(t *testing.T) {
	words := []string{"", "a", "ab", "ba", "abc", "acb", "gemm", "gemv", "sort", "argsort", "fft", "ifft"}
	for _, a := range words {
		for _, b := range words {
			d := editDistance(a, b)
			if d != editDistance(b, a) || (d == 0) != (a == b) || d < len(a)-len(b) || d > max(len(a), len(b)) {
				t.Errorf("editDistance(%q, %q) = %d, reversed %d", a, b, d, editDistance(b, a))
			}
		}
		for i := range a {
			for _, edited := range []string{a[:i] + a[i+1:], a[:i] + "?" + a[i:], a[:i] + "?" + a[i+1:]} {
				if d := editDistance(a, edited); d != 1 {
					t.Errorf("editDistance(%q, %q) = %d", a, edited, d)
				}
			}
		}
	}
}
