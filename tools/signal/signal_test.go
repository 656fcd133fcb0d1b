package main

import (
	"bytes"
	"encoding/binary"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vgpu/kernels/ndarray"
)

// made runs a verb that writes one file.
func made(t *testing.T, verb, name string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := run([]string{verb, path}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBell: the file is a WAV of five seconds, loud but not clipped, silent
// before the first stroke.
func TestBell(t *testing.T) {
	b := made(t, "bell", "bell.wav")
	le := binary.LittleEndian
	if string(b[:4]) != "RIFF" || string(b[8:16]) != "WAVEfmt " || string(b[36:40]) != "data" || int(le.Uint32(b[4:])) != len(b)-8 || int(le.Uint32(b[40:])) != len(b)-44 {
		t.Errorf("header %q", b[:44])
	}
	if len(b) != 44+2*5*rate || le.Uint16(b[20:]) != 1 || le.Uint16(b[22:]) != 1 || le.Uint32(b[24:]) != rate || le.Uint32(b[28:]) != 2*rate || le.Uint16(b[34:]) != 16 {
		t.Errorf("%d bytes, header %v", len(b), b[20:36])
	}
	most, first := 0.0, -1
	for i := 44; i < len(b); i += 2 {
		v := math.Abs(float64(int16(le.Uint16(b[i:]))))
		if most = max(most, v); v > 0 && first < 0 {
			first = (i - 44) / 2
		}
	}
	if most < 29000 || most > 30000 || first < rate/10 || first > rate/10+100 {
		t.Errorf("largest sample %v, first sound at %d", most, first)
	}
}

// TestMoon: the header is a row long, nothing is clipped, and the stripes are
// there: the cosine of 48 waves a row and 20 a column stands out.
func TestMoon(t *testing.T) {
	b := made(t, "moon", "moon.pgm")
	if len(b) != side+side*side || !bytes.HasPrefix(b, []byte("P5\n#")) || !bytes.HasSuffix(b[:side], []byte("\n512 512\n255\n")) {
		t.Fatalf("%d bytes, header %q", len(b), b[:side])
	}
	re, im, dark, bright := 0.0, 0.0, 0, 0
	for i, v := range b[side:] {
		s, c := math.Sincos(2 * math.Pi * float64(48*(i%side)+20*(i/side)) / side)
		re, im = re+float64(v)*c, im+float64(v)*s
		if v == 0 {
			dark++
		}
		if v == 255 {
			bright++
		}
	}
	if amplitude := 2 * math.Hypot(re, im) / side / side / 255; math.Abs(amplitude-0.11) > 0.01 {
		t.Errorf("the stripes' amplitude is %v", amplitude)
	}
	if dark > 0 || bright > 0 {
		t.Errorf("%d and %d pixels are clipped", dark, bright)
	}
}

// npy writes a matrix.
func npy(t *testing.T, d ndarray.DType, shape ...int) string {
	t.Helper()
	a := ndarray.New(d, shape...)
	v := make([]float64, a.Len())
	for i := range v {
		v[i] = float64(i * i)
	}
	ndarray.Store(a, v, 0)
	path := filepath.Join(t.TempDir(), "m.npy")
	if err := os.WriteFile(path, append(ndarray.AppendNPY(nil, d, shape), a.Data[:a.Bytes()]...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPlot: pictures come out in both formats, whatever the numbers.
func TestPlot(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.png")
	for _, args := range [][]string{
		{npy(t, ndarray.F64, 30, 20), out}, {"-db", "60", "-rows", "7", "-dx", "0.5", "-dy", "2", "-x", "s", "-y", "Hz", "-title", "t", npy(t, ndarray.F32, 30, 20), out},
		{"-gray", "-down", npy(t, ndarray.U8, 16, 32), out}, {npy(t, ndarray.F64, 3, 1), out},
	} {
		if err := run(append([]string{"plot"}, args...)); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := png.Decode(f); err != nil || p.Bounds().Dx() < 300 {
			t.Errorf("%v: %v", args, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	svg := strings.TrimSuffix(out, "png") + "svg"
	if err := run([]string{"plot", npy(t, ndarray.F64, 5, 5), svg}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(svg); err != nil || !bytes.Contains(b, []byte("<svg")) {
		t.Errorf("no SVG: %v", err)
	}
}

// TestRefusals: what it cannot do it says.
func TestRefusals(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says string
		args []string
	}{
		{"bell FILE.wav", nil}, {"bell FILE.wav", []string{"bell"}}, {"bell FILE.wav", []string{"sun", "x"}}, {"no such file", []string{"bell", "/nowhere/x"}},
		{"plot takes", []string{"plot", "x"}}, {"flag", []string{"plot", "-colour", "x", "y"}}, {"no such file", []string{"plot", "/nowhere/x", "y.png"}},
		{"not a matrix", []string{"plot", npy(t, ndarray.F64, 5), "y.png"}}, {"not a matrix", []string{"plot", npy(t, ndarray.C64, 2, 2), "y.png"}}, {"text", []string{"plot", text, "y.png"}},
	} {
		if err := run(c.args); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.args, err, c.says)
		}
	}
}
