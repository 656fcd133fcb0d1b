package ndarray

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// sliceCase is a slice of a float32 array in C order, and what numpy makes of
// it.
type sliceCase struct {
	Shape []int
	Text  string
}

func randomSlice(rng *rand.Rand) sliceCase {
	shape := make([]int, rng.IntN(4))
	for i := range shape {
		shape[i] = rng.IntN(6)
	}
	number := func() string {
		switch rng.IntN(8) {
		case 0:
			return ""
		case 1:
			return fmt.Sprint(rng.IntN(40) - 20)
		case 2:
			return []string{"99999999999999999999", "-99999999999999999999", "9223372036854775807", "-9223372036854775808"}[rng.IntN(4)]
		}
		return fmt.Sprint(rng.IntN(14) - 7)
	}
	parts := make([]string, 1+rng.IntN(4))
	for i := range parts {
		switch rng.IntN(10) {
		case 0:
			parts[i] = "..."
		case 1:
			parts[i] = "None"
		case 2, 3, 4:
			parts[i] = fmt.Sprint(rng.IntN(12) - 6)
		case 5, 6:
			parts[i] = number() + ":" + number()
		default:
			parts[i] = number() + " : " + number() + ":" + number()
		}
	}
	return sliceCase{shape, strings.Join(parts, ",")}
}

func TestSliceAgainstNumpy(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	cases := []sliceCase{
		{[]int{3}, "1,"}, {[]int{3}, "1:,"}, {[]int{3, 4}, "::-1, ::-2"}, {[]int{3, 4}, "..., 0"}, {[]int{}, "..."},
		{[]int{}, "None,None"}, {[]int{5}, "-1"}, {[]int{5}, "5"}, {[]int{5}, "-6"}, {[]int{5}, "::9223372036854775807"},
		{[]int{0}, "::-1"}, {[]int{5}, "3:3"}, {[]int{5}, "4:1:-2"}, {[]int{2, 3, 4}, "1,...,::-1"}, {[]int{5}, "::-9223372036854775808"},
	}
	for range 4000 {
		cases = append(cases, randomSlice(rng))
	}
	var want []struct {
		Err            string
		Shape, Strides []int
		Offset         int
	}
	numpy(t, `
r = []
for c in q:
    a = np.zeros(c['Shape'], 'f4')
    try:
        b = eval('a[%s]' % c['Text'])
        b = b if isinstance(b, np.ndarray) else a[eval('np.index_exp[%s]' % c['Text']) + (...,)]
        r.append(dict(Shape=b.shape, Strides=b.strides, Offset=b.ctypes.data - a.ctypes.data))
    except (IndexError, ValueError, SyntaxError) as e:
        r.append(dict(Err=str(e)))`, cases, &want)
	refused := 0
	for i, c := range cases {
		got, err := sliceText(c)
		switch w := want[i]; {
		case (err != nil) != (w.Err != ""):
			t.Errorf("%v[%s]: %v, %v; numpy: %+v", c.Shape, c.Text, got, err, w)
		case err != nil:
			refused++
		case !slices.Equal(got.Shape, w.Shape), got.Len() > 0 && (got.Offset != w.Offset || !equalStrides(got, w.Strides)):
			t.Errorf("%v[%s]: %+v; numpy: %+v", c.Shape, c.Text, got, w)
		}
	}
	if refused == 0 || refused > len(cases)*3/4 {
		t.Errorf("%d of %d cases are refused: the test is not worth much", refused, len(cases))
	}
}

func sliceText(c sliceCase) (Layout, error) {
	r, err := ParseSlice(c.Text)
	if err != nil {
		return Layout{}, err
	}
	return NewLayout(F32, c.Shape...).Slice(r)
}

// equalStrides compares the strides of axes along which one can step.
func equalStrides(l Layout, strides []int) bool {
	for i, n := range l.Shape {
		if n > 1 && l.Strides[i] != strides[i] {
			return false
		}
	}
	return true
}

func TestSliceExtents(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		c := randomSlice(rng)
		l, err := sliceText(c)
		if err != nil {
			continue
		}
		whole := NewLayout(F32, c.Shape...)
		lo, hi := l.Extent()
		if l.Len() > 0 && (lo < 0 || hi > whole.Bytes()) {
			t.Errorf("%v[%s] reaches %d to %d", c.Shape, c.Text, lo, hi)
		}
		if l.DType != F32 || len(l.Shape) != len(l.Strides) {
			t.Errorf("%v[%s] = %+v", c.Shape, c.Text, l)
		}
	}
}

func TestSliceKeepsByteOrderAndOffset(t *testing.T) {
	l := Layout{DType: F64, Shape: []int{4}, Strides: []int{16}, Offset: 100, Swapped: true}
	got, err := l.Slice([]Range{{Start: -1, Index: true}})
	if err != nil || !got.Swapped || got.Offset != 148 || got.Rank() != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := NewLayout(F32, 2).Slice(slices.Repeat([]Range{{NewAxis: true}}, MaxRank)); err == nil {
		t.Error("65 axes were allowed")
	}
}

// An index along one axis of an array that is empty for another would begin
// past its data: NPY files of such arrays are a header and nothing else.
func TestSliceOfNothingStaysInside(t *testing.T) {
	for _, c := range []struct {
		shape []int
		text  string
	}{
		{[]int{3, 0, 9}, "-1,0:0,8::-2"}, {[]int{1, 5, 0}, ":,4"}, {[]int{0, 7}, ":,6"}, {[]int{4, 7}, "3,7:"}, {[]int{0, 7, 2}, "...,1"},
	} {
		a := New(I32, c.shape...)
		r, err := ParseSlice(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Layout.Slice(r)
		if err != nil || got.Len() != 0 {
			t.Errorf("%v[%s] = %v, %v", c.shape, c.text, got, err)
		}
		if err := (Array{got, a.Data}).Check(); err != nil {
			t.Errorf("%v[%s]: %v", c.shape, c.text, err)
		}
	}
}

func TestParseSliceErrors(t *testing.T) {
	for _, c := range []struct {
		text       string
		start, end int
		msg        string
	}{
		{"", 0, 0, "empty"}, {" ", 0, 1, "empty"}, {",", 0, 0, "empty"}, {"1,,2", 2, 2, "empty"}, {"1,2,,", 4, 4, "empty"},
		{"1:2:3:4", 0, 7, "more than two colons"}, {"0,a", 2, 3, `"a" is not an integer`}, {"::0", 0, 3, "step of 0"},
		{"...,1,...", 6, 9, "one ... only"}, {"1.5", 0, 3, "not an integer"}, {"1 2", 0, 3, "not an integer"},
		{"0:x:1", 0, 5, `"x" is not an integer`}, {"....", 0, 4, "not an integer"},
	} {
		r, err := ParseSlice(c.text)
		var e *SyntaxError
		if !errors.As(err, &e) || e.Start != c.start || e.End != c.end || !strings.Contains(e.Error(), c.msg) {
			t.Errorf("ParseSlice(%q) = %v, %#v", c.text, r, err)
		}
	}
}

func FuzzSlice(f *testing.F) {
	for _, s := range []string{"0", "::-1", "1:2:3", "...,None", "-5:,0", "99999999999999999999::-9223372036854775808"} {
		f.Add(s, 3, 4)
	}
	f.Fuzz(func(t *testing.T, text string, a, b int) {
		r, err := ParseSlice(text)
		if err != nil {
			if e := err.(*SyntaxError); e.Start < 0 || e.Start > e.End || e.End > len(text) {
				t.Fatalf("%q: %+v", text, e)
			}
			return
		}
		shape := []int{a & math.MaxInt32, b & math.MaxUint16}
		l, err := NewLayout(U8, shape...).Slice(r)
		if err != nil {
			return
		}
		if lo, hi := l.Extent(); l.Len() > 0 && (lo < 0 || hi > shape[0]*shape[1]) {
			t.Fatalf("%v[%s] = %+v reaches %d to %d", shape, text, l, lo, hi)
		}
	})
}

func TestRange(t *testing.T) {
	a := New(I32, 3, 4)
	for i, s := 0, Slice[int32](a); i < len(s); i++ {
		s[i] = int32(i)
	}
	var got [4]int32
	Load(got[:], a.Range(1, 1, 3).Range(0, 1, 3), 0)
	if want := [4]int32{5, 6, 9, 10}; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if a.Shape[1] != 4 {
		t.Error("Range changed its receiver")
	}
	if l := a.Layout.Range(0, 3, 3); l.Len() != 0 {
		t.Errorf("an empty range is %v", l)
	}
	for _, r := range [][2]int{{-1, 2}, {2, 1}, {0, 4}} {
		mustPanic(t, func() { a.Layout.Range(0, r[0], r[1]) })
	}
}

func mustPanic(t *testing.T, fn func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	fn()
}
