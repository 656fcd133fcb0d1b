package ndarray

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var npyShapes = [][]int{
	{}, {0}, {1}, {7}, {3, 4}, {1, 0, 5}, {100000, 1}, {2, 3, 4, 5}, {1234567890, 0, 12},
	slices.Repeat([]int{1}, 32),
}

func npyFile(d DType, shape []int) []byte {
	return append(AppendNPY(nil, d, shape), make([]byte, Layout{DType: d, Shape: shape}.Bytes())...)
}

// Files are those that numpy.save writes, byte for byte.
func TestAppendNPYAgainstNumpy(t *testing.T) {
	type question struct {
		Descr string
		Shape []int
	}
	var q []question
	var want [][]byte
	for _, d := range numpyTypes() {
		for _, s := range npyShapes {
			q = append(q, question{dtypeTable[d].descr, s})
			want = append(want, npyFile(d, s))
		}
	}
	var n int
	dir := numpy(t, `
for i, c in enumerate(q):
    np.save('%d.npy' % i, np.zeros(c['Shape'], c['Descr']))
r = len(q)`, q, &n)
	for i := range want {
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.npy", i)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want[i]) {
			head := min(len(got), 128)
			t.Errorf("%v: numpy writes\n%q\nwe write\n%q", q[i], got[:head], want[i][:min(len(want[i]), 128)])
		}
	}
}

// What numpy writes in every version, order and byte order is read.
func TestParseNPYAgainstNumpy(t *testing.T) {
	type answer struct {
		File    string
		Descr   string
		Shape   []int
		Strides []int
		Offset  int
		Swapped bool
	}
	var as []answer
	dir := numpy(t, `
r = []
for descr in q:
    for shape in [(), (0,), (5,), (3, 4), (2, 3, 4), (3, 0, 2)]:
        for order in 'CF':
            for end in '<>':
                for version in [(1, 0), (2, 0), (3, 0)]:
                    a = np.zeros(shape, np.dtype(descr).newbyteorder(end), order)
                    name = '%d.npy' % len(r)
                    with open(name, 'wb') as f:
                        np.lib.format.write_array(f, a, version)
                        size = f.tell()
                    b = np.load(name)
                    r.append(dict(File=name, Descr=descr, Shape=shape, Strides=b.strides, Offset=size - b.nbytes,
                        Swapped=end == '>' and b.itemsize > 1))`, descrs(numpyTypes()), &as)
	for _, a := range as {
		b, err := os.ReadFile(filepath.Join(dir, a.File))
		if err != nil {
			t.Fatal(err)
		}
		l, err := ParseNPY(b)
		if err != nil {
			t.Errorf("%+v: %v", a, err)
			continue
		}
		d := dtypeTable[l.DType].descr
		want := Layout{l.DType, a.Shape, a.Strides, a.Offset, a.Swapped}
		if d != a.Descr || !SameLayout(l, want) && l.Len() > 0 || !slices.Equal(l.Shape, a.Shape) || l.Offset != a.Offset {
			t.Errorf("%+v is read as %+v", a, l)
		}
		checkShort(t, b, l)
	}
}

// checkShort reads every prefix of the header: each asks for more bytes until
// there are enough.
func checkShort(t *testing.T, b []byte, want Layout) {
	t.Helper()
	for n := 1; n < want.Offset; n++ {
		_, err := ParseNPY(b[:n])
		var short *ShortError
		if !errors.As(err, &short) || short.Need <= n || short.Need > want.Offset {
			t.Fatalf("the first %d bytes of %d: %v", n, want.Offset, err)
		}
		if !strings.Contains(err.Error(), "truncated") {
			t.Fatal(err)
		}
	}
	if l, err := ParseNPY(b[:want.Offset]); err != nil || !SameLayout(l, want) {
		t.Fatalf("the header alone: %+v, %v", l, err)
	}
}

func TestNPYRoundTrip(t *testing.T) {
	shapes := append(slices.Clone(npyShapes), slices.Repeat([]int{1}, MaxRank))
	for _, d := range DTypes {
		for _, s := range shapes {
			b := npyFile(d, s)
			l, err := ParseNPY(b)
			if err != nil || l.DType != d || !slices.Equal(l.Shape, s) || !l.Contiguous() || l.Swapped || l.Offset+l.Bytes() != len(b) || l.Offset%64 != 0 {
				t.Fatalf("%s:%s is read as %+v, %v", d, ShapeString(s), l, err)
			}
		}
	}
}

// A header of more than 64 kB cannot come from a valid shape (MaxRank), but
// AppendNPY writes version 2 for it as numpy does.
func TestNPYVersion2(t *testing.T) {
	b := AppendNPY([]byte("x"), F32, slices.Repeat([]int{0}, 30000))[1:]
	if b[6] != 2 || len(b)%64 != 0 {
		t.Fatalf("version %d, %d bytes", b[6], len(b))
	}
	if _, err := ParseNPY(b); err == nil || !strings.Contains(err.Error(), "30000 axes") {
		t.Error(err)
	}
}

func rawNPY(version byte, header string) []byte {
	b := append([]byte(npyMagic), version, 0, byte(len(header)), byte(len(header)>>8))
	if version > 1 {
		b = append(b, 0, 0)
	}
	return append(b, header...)
}

func TestParseNPYHeaders(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n", "f32:3x4"},
		{`{"shape":(3,),"descr":"<f4","fortran_order":False}`, "f32:3"},
		{" { 'shape' : ( 3L , 4L , ) , 'fortran_order' : True , 'descr' : '=c16' } ", "c128:3x4"},
		{"{'descr': '?', 'fortran_order': False, 'shape': ()}", "bool:scalar"},
		{"{'descr': 'f8', 'fortran_order': False, 'shape': (2,)}", "f64:2"},
		{"{'descr': '|V2', 'fortran_order': False, 'shape': (2,)}", "bf16:2"},
		{"{'descr': '<V2', 'fortran_order': False, 'shape': (2,)}", "bf16:2"},
		{"{'descr': '|i1', 'fortran_order': False, 'shape': (00,)}", "i8:0"},
		// refused:
		{"", "not a dict"},
		{"[]", "not a dict"},
		{"{", "a key is expected"},
		{"{}", `"descr" is missing`},
		{"{'descr': '<f4', 'shape': ()}", `"fortran_order" is missing`},
		{"{'descr': '<f4', 'fortran_order': False}", `"shape" is missing`},
		{"{'descr': '<f4', 'descr': '<f4'}", "twice"},
		{"{'descr': '<f4', 'x': 1}", `"x" is not known`},
		{"{'descr' '<f4'}", "a key is expected"},
		{"{'descr: 1", "a key is expected"},
		{"{'descr': '<f4' 'fortran_order': False, 'shape': ()}", "a comma or } is expected"},
		{"{'descr': 3, 'fortran_order': False, 'shape': ()}", "not a string"},
		{"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "structured"},
		{"{'descr': '|O', 'fortran_order': False, 'shape': ()}", "Python objects"},
		{"{'descr': '<U3', 'fortran_order': False, 'shape': ()}", `"<U3" is not supported`},
		{"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': ()}", "not supported"},
		{"{'descr': '', 'fortran_order': False, 'shape': ()}", "not supported"},
		{"{'descr': '" + strings.Repeat("x", 99) + "', 'fortran_order': False, 'shape': ()}", "xxx..."},
		{"{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "neither True nor False"},
		{"{'descr': '<f4', 'fortran_order': Falsee, 'shape': ()}", "a comma or } is expected"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "not a tuple"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "an integer in parentheses"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}", "a comma or ) is expected"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "extent is expected"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (3.0,)}", "a comma or )"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "extent is expected"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (", "extent is expected"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "extent is expected"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "too large"},
		{"{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846975,)}", "too large"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 65) + ")}", "65 axes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", "text after the dict"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': ()}\x00", "text after the dict"},
	} {
		for _, version := range []byte{1, 2, 3} {
			l, err := ParseNPY(rawNPY(version, c.header))
			if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && l.String() != c.want {
				t.Errorf("%q: %s, %v; want %s", c.header, l, err, c.want)
			}
		}
	}
	for b, want := range map[string]string{
		"": ErrNotNPY.Error(), "PK\x03\x04": ErrNotNPY.Error(), "\x93NUMPx": ErrNotNPY.Error(),
		"\x93NUMPY\x04\x00\x00\x00": "version 4.0", "\x93NUMPY\x01\x01\x00\x00": "version 1.1",
		"\x93NUMPY\x02\x00\xff\xff\xff\xff": "4294967295 bytes",
	} {
		if _, err := ParseNPY([]byte(b)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", b, err, want)
		}
	}
	if _, err := ParseNPY([]byte("no")); !errors.Is(err, ErrNotNPY) {
		t.Error(err)
	}
}

func FuzzParseNPY(f *testing.F) {
	for _, d := range []DType{Bool, BF16, F32, C128} {
		for _, s := range npyShapes {
			f.Add(AppendNPY(nil, d, s))
		}
	}
	f.Add(rawNPY(1, "{'descr': '>f4', 'fortran_order': True, 'shape': (3, 4), }"))
	f.Add(rawNPY(3, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3L,), }"))
	f.Add([]byte("\x93NUMPY\x02\x00\x00\x00\x10\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseNPY(b)
		var short *ShortError
		if errors.As(err, &short) && (short.Need <= len(b) || short.Need > npyMaxHeader+12) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil {
			return
		}
		n, err := CheckShape(l.DType, l.Shape)
		if err != nil || n != l.Len() || l.Offset > len(b) || l.Offset > math.MaxInt-l.Bytes() {
			t.Fatalf("%+v: %d elements, %v", l, n, err)
		}
		if lo, hi := l.Extent(); n > 0 && (lo != l.Offset || hi-lo != l.Bytes()) {
			t.Fatalf("%+v lies in %d to %d", l, lo, hi)
		}
		again, err := ParseNPY(AppendNPY(nil, l.DType, l.Shape))
		if err != nil || again.DType != l.DType || !slices.Equal(again.Shape, l.Shape) {
			t.Fatalf("%+v came back as %+v, %v", l, again, err)
		}
	})
}
