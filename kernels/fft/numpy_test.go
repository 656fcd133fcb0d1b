package fft

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// oracle is a line and the Python expression of what it should give, over the
// names x and h of its operands, in double precision.
type oracle struct {
	line, python string
	dtype        ndarray.DType // of the result
	x, h         ndarray.Array
	tol          float64 // in eps of the result; 0: 20
}

const preamble = `
import numpy as np, scipy.fft as sf, scipy.signal as ss
from numpy.fft import *
def load(p):
    a = np.load(p)
    return a.astype(np.complex128) if np.iscomplexobj(a) else a.astype(np.float64)
def ri(f, x):
    return f(x.real) + 1j*f(x.imag) if np.iscomplexobj(x) else f(x)
`

// askPython evaluates all expressions in one process.
func askPython(t *testing.T, cases []oracle) []ndarray.Array {
	t.Helper()
	dir := t.TempDir()
	var script strings.Builder
	script.WriteString(preamble)
	for i, c := range cases {
		for name, a := range map[string]ndarray.Array{"x": c.x, "h": c.h} {
			if a.Shape == nil {
				continue
			}
			path := filepath.Join(dir, fmt.Sprintf("%s%d.npy", name, i))
			writeNPY(t, path, a)
			fmt.Fprintf(&script, "%s = load(%q)\n", name, path)
		}
		fmt.Fprintf(&script, "np.save(%q, np.ascontiguousarray(%s))\n", filepath.Join(dir, fmt.Sprintf("y%d.npy", i)), c.python)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", "import sys; exec(sys.stdin.read())")
	cmd.Stdin = strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("python: %v\n%s", err, out)
	}
	var results []ndarray.Array
	for i := range cases {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("y%d.npy", i)))
		if err != nil {
			t.Fatal(err)
		}
		l, err := ndarray.ParseNPY(b)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, ndarray.Array{Layout: l, Data: b})
	}
	return results
}

func writeNPY(t *testing.T, path string, a ndarray.Array) {
	t.Helper()
	d := a.DType
	if d == ndarray.BF16 { // numpy has none
		d = ndarray.F32
	}
	c := ndarray.New(d, a.Shape...)
	if err := ndarray.Convert(c, a); err != nil {
		t.Fatal(err)
	}
	b := ndarray.AppendNPY(nil, d, a.Shape)
	b = append(b, c.Data[:c.Bytes()]...)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAgainstNumpy compares every command with numpy and scipy on every
// instruction set, with 1 and 3 threads.
func TestAgainstNumpy(t *testing.T) {
	cases := slices.Concat(fourierOracles(), trigOracles(), convOracles(), spectralOracles(), shiftOracles())
	want := askPython(t, cases)
	eachISA(t, func(t *testing.T) {
		for i, c := range cases {
			// More threads where something is spread over them.
			threads := []int{1}
			if want[i].Len() >= parallelFrom/2 || i%16 == 0 {
				threads = []int{1, 3}
			}
			checkOracle(t, c, want[i], threads...)
		}
	})
}

func checkOracle(t *testing.T, c oracle, want ndarray.Array, threads ...int) {
	t.Helper()
	out, _, err := kerneltest.Run(t, Kernels(), c.line, map[string]ndarray.Array{"x": c.x, "h": c.h}, kerneltest.Threads(threads...))
	if err != nil {
		t.Errorf("%s on %s: %v", c.line, c.x, err)
		return
	}
	y := out["y"]
	if y.DType != c.dtype || !slices.Equal(y.Shape, want.Shape) {
		t.Errorf("%s on %s: %s, want %s:%s", c.line, c.x, y, c.dtype, ndarray.ShapeString(want.Shape))
		return
	}
	tol := c.tol
	if tol == 0 {
		tol = 20
	}
	if tol *= 0x1p-52; y.DType.Real() == ndarray.F32 {
		tol *= 0x1p29
	}
	if e := complexError(values(y), values(want)); !(e <= tol) {
		t.Errorf("%s on %s: relative error %.3g > %.3g", c.line, c.x, e, tol)
	}
}

// strided makes views that are not plain: every other column of a wider array,
// backwards, byte-swapped.
func strided(a ndarray.Array) ndarray.Array {
	wide := ndarray.New(a.DType, append(slices.Clone(a.Shape[:len(a.Shape)-1]), 2*a.Shape[len(a.Shape)-1]+1)...)
	last := len(a.Shape) - 1
	v := ndarray.Array{Layout: wide.Layout, Data: wide.Data}
	v.Shape = slices.Clone(a.Shape)
	v.Offset += (2*a.Shape[last] - 1) * v.Strides[last]
	v.Strides[last] *= -2
	v.Swapped = a.DType != ndarray.Bool
	if err := ndarray.Convert(v, a); err != nil {
		panic(err)
	}
	return v
}

func fourierOracles() []oracle {
	rng := newRand(1)
	var out []oracle
	add := func(d ndarray.DType, res ndarray.DType, line, py string, shape ...int) {
		out = append(out, oracle{line: line, python: py, dtype: res, x: randomArray(rng, d, shape...)})
	}
	for _, d := range ndarray.DTypes {
		c := complexOf(precision(d))
		add(d, c, "fft x y", "fft(x)", 3, 60)
		add(d, c, "ifft x y axes=0", "ifft(x,axis=0)", 17, 5)
		if !d.IsComplex() {
			add(d, c, "rfft x y", "rfft(x)", 4, 50)
		}
		add(d, c.Real(), "irfft x y", "irfft(x)", 4, 26)
	}
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 31, 62, 64, 67, 100, 128, 143, 163, 256, 257, 360, 1000, 1009, 2048, 4096, 10007} {
		add(ndarray.C128, ndarray.C128, "fft x y", "fft(x)", n)
		add(ndarray.C64, ndarray.C64, "ifft x y norm=ortho", "ifft(x,norm='ortho')", n)
		add(ndarray.F64, ndarray.C128, "rfft x y", "rfft(x)", n)
		add(ndarray.C64, ndarray.F32, fmt.Sprintf("irfft x y n=%d", n), fmt.Sprintf("irfft(x,%d)", n), n/2+1)
		add(ndarray.C128, ndarray.C128, "fft x y axes=0", "fft(x,axis=0)", n, 9)
	}
	for _, norm := range []string{"backward", "ortho", "forward"} {
		for _, axes := range []string{"0", "1", "-1", "0,2", "2,1,0", "1,2"} {
			py := fmt.Sprintf("axes=(%s,),norm='%s')", axes, norm)
			line := fmt.Sprintf(" x y axes=%s norm=%s", axes, norm)
			add(ndarray.C128, ndarray.C128, "fft"+line, "fftn(x,"+py, 6, 20, 37)
			add(ndarray.C64, ndarray.C64, "ifft"+line, "ifftn(x,"+py, 32, 16, 18)
			add(ndarray.F32, ndarray.C64, "rfft"+line, "rfftn(x,"+py, 6, 21, 10)
			add(ndarray.C128, ndarray.F64, "irfft"+line, "irfftn(x,"+py, 6, 5, 10)
		}
	}
	add(ndarray.F64, ndarray.C128, "fft x y n=40", "fft(x,40)", 3, 60)
	add(ndarray.F64, ndarray.C128, "fft x y n=80", "fft(x,80)", 3, 60)
	add(ndarray.F32, ndarray.C64, "fft x y n=8,80", "fftn(x,(8,80),axes=(-2,-1))", 2, 3, 60)
	add(ndarray.F64, ndarray.C128, "rfft x y n=80,7 axes=1,0", "rfftn(x,(80,7),axes=(1,0))", 12, 60)
	add(ndarray.C128, ndarray.F64, "irfft x y n=9,21 axes=0,1", "irfftn(x,(9,21),axes=(0,1))", 12, 60)
	add(ndarray.C64, ndarray.F32, "irfft x y n=9", "irfft(x,9)", 3)
	add(ndarray.C128, ndarray.C128, "fft x y axes=1", "fft(x,axis=1)", 2, 9000, 3)
	add(ndarray.C64, ndarray.C64, "fft x y axes=0,1", "fft2(x)", 300, 256)
	add(ndarray.C128, ndarray.C128, "fft x y", "fft(x)", 1<<16)
	add(ndarray.C64, ndarray.C64, "ifft x y", "ifft(x)", 1<<17)
	add(ndarray.F32, ndarray.C64, "rfft x y", "rfft(x)", 1<<17)
	add(ndarray.C128, ndarray.F64, "irfft x y", "irfft(x)", 1<<16+1)
	add(ndarray.C128, ndarray.C128, "fft x y", "fft(x)", 40009)
	add(ndarray.C128, ndarray.C128, "fft x y", "fft(x)", 65537)
	add(ndarray.C128, ndarray.C128, "fft x y", "fft(x)", 0, 5)
	add(ndarray.F32, ndarray.C64, "rfft x y axes=0", "rfft(x,axis=0)", 5, 0)
	for i := range 12 { // the same lines on views
		c := out[i*5]
		c.x = strided(c.x)
		out = append(out, c)
	}
	return out
}

func trigOracles() []oracle {
	rng := newRand(2)
	var out []oracle
	for _, name := range []string{"dct", "idct", "dst", "idst"} {
		for kind := 1; kind <= 4; kind++ {
			for _, norm := range []string{"backward", "ortho", "forward"} {
				for i, n := range []int{2, 3, 5, 16, 50, 127, 512} {
					d := []ndarray.DType{ndarray.F64, ndarray.F32, ndarray.C128, ndarray.I16}[i%4]
					res := precision(d)
					if d.IsComplex() {
						res = complexOf(res)
					}
					out = append(out, oracle{
						line:   fmt.Sprintf("%s x y type=%d norm=%s axes=0", name, kind, norm),
						python: fmt.Sprintf("ri(lambda v: sf.%s(v, %d, axis=0, norm='%s'), x)", name, kind, norm),
						dtype:  res, x: randomArray(rng, d, n, 3),
					})
				}
			}
		}
	}
	for kind := 2; kind <= 4; kind++ { // one point
		out = append(out, oracle{line: fmt.Sprintf("dct x y type=%d", kind), python: fmt.Sprintf("sf.dct(x,%d)", kind), dtype: ndarray.F64, x: randomArray(rng, ndarray.F64, 1)})
	}
	return append(out,
		oracle{line: "dct x y axes=0,1 n=8,20 type=II", python: "sf.dctn(x,2,(8,20))", dtype: ndarray.F64, x: randomArray(rng, ndarray.F64, 10, 12)},
		oracle{line: "idst x y axes=1,0 norm=ortho type=III", python: "sf.idstn(x,3,axes=(1,0),norm='ortho')", dtype: ndarray.F32, x: strided(randomArray(rng, ndarray.F32, 10, 12))},
		oracle{line: "dct x y", python: "sf.dct(x)", dtype: ndarray.F32, x: randomArray(rng, ndarray.F32, 1<<16)})
}

func convOracles() []oracle {
	rng := newRand(3)
	var out []oracle
	shapes := [][2][]int{{{100}, {7}}, {{7}, {100}}, {{64}, {64}}, {{1}, {1}}, {{20, 30}, {3, 5}}, {{9, 10, 11}, {4, 1, 6}}, {{5, 200}, {4, 9}}, {{3000}, {17}}, {{2, 3000}, {2, 33}}, {{4000, 3}, {20, 2}}}
	types := [][3]ndarray.DType{
		{ndarray.F64, ndarray.F64, ndarray.F64}, {ndarray.F32, ndarray.F32, ndarray.F32}, {ndarray.C128, ndarray.F64, ndarray.C128},
		{ndarray.C64, ndarray.C64, ndarray.C64}, {ndarray.F32, ndarray.F64, ndarray.F64}, {ndarray.U8, ndarray.I16, ndarray.F64}, {ndarray.F32, ndarray.C128, ndarray.C128},
	}
	i := 0
	for _, s := range shapes {
		for _, mode := range []string{"full", "same", "valid"} {
			for _, method := range []string{"auto", "direct", "fft", "overlap"} {
				ty := types[i%len(types)]
				x, h := randomArray(rng, ty[0], s[0]...), randomArray(rng, ty[1], s[1]...)
				name, fn := "conv", "ss.convolve"
				if i%3 == 1 {
					name, fn = "correlate", "ss.correlate"
				}
				i++
				if name == "correlate" && product(s[0]) < product(s[1]) && mode != "full" {
					continue // scipy exchanges the operands
				}
				py := fmt.Sprintf("%s(x,h,mode='%s',method='direct')", fn, mode)
				if mode == "same" { // scipy's direct correlation is centred otherwise
					py = strings.Replace(py, "'direct'", "'fft'", 1)
				}
				if i%5 == 0 {
					x = strided(x)
				}
				out = append(out, oracle{line: fmt.Sprintf("%s x h y mode=%s method=%s", name, mode, method), python: py, dtype: ty[2], x: x, h: h, tol: 40})
			}
		}
	}
	return out
}

func spectralOracles() []oracle {
	rng := newRand(4)
	x := func(d ndarray.DType, shape ...int) ndarray.Array { return randomArray(rng, d, shape...) }
	f32, f64, c64, c128 := ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128
	return []oracle{
		{line: "psd x y", python: "ss.welch(x)[1]", dtype: f64, x: x(f64, 1000)},
		{line: "psd x y fs=100 nperseg=64 noverlap=10 nfft=100 window=hamming scaling=spectrum detrend=linear axis=0",
			python: "ss.welch(x,100,'hamming',64,10,100,'linear',scaling='spectrum',axis=0)[1]", dtype: f64, x: x(ndarray.I32, 500, 3)},
		{line: "psd x y nperseg=100 detrend=none", python: "ss.welch(x,nperseg=100,detrend=False)[1]", dtype: f32, x: x(c64, 2, 400)},
		{line: "psd x y nperseg=33", python: "ss.welch(x,nperseg=33)[1]", dtype: f32, x: x(f32, 400)},
		{line: "psd x y", python: "ss.welch(x,nperseg=50)[1]", dtype: f64, x: x(f64, 50)},
		{line: "spectrogram x y", python: "ss.spectrogram(x)[2]", dtype: f64, x: x(f64, 2000)},
		{line: "spectrogram x y window=hann fs=8000 axis=0", python: "ss.spectrogram(x,8000,'hann',axis=0)[2]", dtype: f64, x: x(f64, 900, 2)},
		{line: "spectrogram x y window=kaiser param=8 nperseg=40", python: "ss.spectrogram(x,window=('kaiser',8),nperseg=40)[2]", dtype: f64, x: x(c128, 2, 300)},
		{line: "stft x y", python: "ss.stft(x)[2]", dtype: c128, x: x(f64, 2000)},
		{line: "stft x y nperseg=64 noverlap=48 axis=1", python: "ss.stft(x,nperseg=64,noverlap=48,axis=1)[2]", dtype: c64, x: x(f32, 2, 333, 2)},
		{line: "stft x y nperseg=31 scaling=density fs=10", python: "ss.stft(x,10,nperseg=31,scaling='psd')[2]", dtype: c128, x: x(c128, 333)},
	}
}

func shiftOracles() []oracle {
	rng := newRand(5)
	var out []oracle
	for _, d := range []ndarray.DType{ndarray.U8, ndarray.F32, ndarray.C128} {
		for _, py := range []string{"fftshift", "ifftshift"} {
			x := randomArray(rng, d, 4, 5, 1, 7)
			out = append(out,
				oracle{line: py + " x y", python: py + "(x)", dtype: d, x: x},
				oracle{line: py + " x y axes=-1,0", python: py + "(x,(-1,0))", dtype: d, x: strided(x)})
		}
	}
	return append(out, oracle{line: "fftshift x y", python: "fftshift(x)", dtype: ndarray.F64, x: randomArray(rng, ndarray.F64, 0, 3)})
}

// TestWindows compares windows with scipy's.
func TestWindows(t *testing.T) {
	var cases []oracle
	for _, name := range windowTypes {
		for _, n := range []int{1, 2, 3, 10, 51, 64} {
			spec, param := "'"+name+"'", ""
			switch name {
			case "kaiser":
				spec, param = "('kaiser',8.5)", " param=8.5"
			case "gaussian":
				spec, param = "('gaussian',7)", " param=7"
			case "exponential":
				spec, param = "('exponential',None,3)", " param=3"
			}
			for _, sym := range []string{"0", "1"} {
				bins := map[string]string{"0": "True", "1": "False"}[sym]
				cases = append(cases, oracle{line: fmt.Sprintf("window y type=%s n=%d sym=%s%s", name, n, sym, param),
					python: fmt.Sprintf("ss.get_window(%s,%d,fftbins=%s)", spec, n, bins), dtype: ndarray.F64, tol: 10})
			}
		}
	}
	for i, want := range askPython(t, cases) {
		checkOracle(t, cases[i], want, 1)
	}
}

// TestNumpyDTypes checks our table of result types against scipy's, which are
// those of numpy from 2.0 on.
func TestNumpyDTypes(t *testing.T) {
	script := `
import numpy as np, scipy.fft as sf
for d in "bool i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16".split():
    print(d, sf.fft(np.ones(4, d)).dtype, sf.irfft(np.ones(4, d)).dtype)
`
	out, err := exec.Command("/usr/bin/python3", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names := map[string]ndarray.DType{"bool": ndarray.Bool, "i1": ndarray.I8, "u1": ndarray.U8, "i2": ndarray.I16, "u2": ndarray.U16, "i4": ndarray.I32,
		"u4": ndarray.U32, "i8": ndarray.I64, "u8": ndarray.U64, "f2": ndarray.F16, "f4": ndarray.F32, "f8": ndarray.F64, "c8": ndarray.C64, "c16": ndarray.C128}
	for line := range bytes.Lines(out) {
		var name, c, r string
		if _, err := fmt.Sscan(string(line), &name, &c, &r); err != nil {
			t.Fatal(err)
		}
		dc, errC := ndarray.ParseDType(c)
		dr, errR := ndarray.ParseDType(r)
		if errC != nil || errR != nil {
			t.Fatal(errC, errR)
		}
		if p := precision(names[name]); complexOf(p) != dc || p != dr {
			t.Errorf("%s: %s and %s, scipy has %s and %s", name, complexOf(p), p, dc, dr)
		}
	}
}
