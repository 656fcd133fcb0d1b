package fft

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// TestStreamed: transforms of arrays outside memory have the bits of those in
// core, whatever is cut, in one pass and in several.
func TestStreamed(t *testing.T) {
	rng := newRand(81)
	operands := map[string]ndarray.Array{
		"c": randomArray(rng, ndarray.C64, 60, 90), "d": randomArray(rng, ndarray.C128, 20, 30, 25), "r": randomArray(rng, ndarray.F32, 40, 66), "i": randomArray(rng, ndarray.I16, 30, 50),
		"q": randomArray(rng, ndarray.F64, 6, 20, 12, 10), "p": randomArray(rng, ndarray.C64, 67, 40), "v": randomView(rng, randomArray(rng, ndarray.C64, 33, 48)), "l": randomArray(rng, ndarray.C64, 5000),
		"y0": randomArray(rng, ndarray.C64, 120, 90),
	}
	for _, line := range []string{
		"fft c y", "ifft c y axes=0", "fft c y axes=0,1", "ifft c y axes=1,0 norm=ortho", "fft d y axes=0,1,2 norm=forward", "fft d y axes=1", "ifft d y axes=2,0", "fft i y axes=0,1",
		"rfft r y", "rfft r y axes=0", "rfft r y axes=0,1", "rfft r y axes=1,0 norm=ortho", "rfft q y axes=1,2,3", "rfft q y axes=3,0", "irfft c y", "irfft c y axes=0,1", "irfft d y axes=2,0 norm=forward", "irfft d y axes=0,1,2 n=9,30,25",
		"fft p y axes=0,1", "fft v y axes=0", "ifft v y axes=0,1", "fft l y", "fft c y n=100,64 axes=0,1", "rfft r y n=30,80", "irfft c y n=50,200 axes=0,1", "fft c y0[::2] axes=0,1",
	} {
		kerneltest.Stream(t, Kernels(), line, operands)
	}
}

// TestStreamedLine: a line that does not fit is two passes, with the bits of
// the line in core; what cannot be cut says how much it takes.
func TestStreamedLine(t *testing.T) {
	rng := newRand(82)
	operands := map[string]ndarray.Array{
		"c": randomArray(rng, ndarray.C64, 1<<18), "d": randomArray(rng, ndarray.C128, 1<<18), "i": randomArray(rng, ndarray.I16, 1<<18), "v": randomArray(rng, ndarray.C64, 1<<19), "o": randomArray(rng, ndarray.C128, 3<<17),
	}
	lines := []string{"fft c y", "ifft d y norm=ortho", "fft i y norm=forward", "ifft v[::-2] y", "fft o y"}
	for i, n := range []int{300300, 354294, 390000} { // blocks that are not whole
		name := "n" + itoa(i)
		operands[name] = randomArray(rng, []ndarray.DType{ndarray.C64, ndarray.C128}[i%2], n)
		lines = append(lines, "fft "+name+" y")
	}
	for _, line := range lines {
		j, err := kerneltest.Prepare(t, Kernels(), line, operands)
		if err != nil {
			t.Fatal(err)
		}
		whole := int64(j.In[0].Len() * j.Plan.Out[0].DType.Size())
		var low *stream.NoMemError
		asm := simd.FFT[float32]().ISA != simd.Generic // tiles of four lanes are long
		if _, err := j.Plan.Stream(0); !errors.As(err, &low) || asm && low.Least >= whole {
			t.Fatalf("%s of %d bytes: %v", line, whole, err)
		}
		kerneltest.Stream(t, Kernels(), line, operands, low.Least, 3*whole/2)
	}
}

// TestStreamedRealLine: real lines that do not fit, and several long lines, have
// the bits of those in core, whatever lies between the numbers, cropped and padded.
func TestStreamedRealLine(t *testing.T) {
	rng := newRand(87)
	const n = 34300 // half of it is about the shortest that is cut on every instruction set
	operands := map[string]ndarray.Array{
		"l": randomArray(rng, ndarray.F32, 1<<19), "r": randomArray(rng, ndarray.F32, n), "i": randomArray(rng, ndarray.I16, n/2), "v": randomArray(rng, ndarray.F64, n), "c": randomArray(rng, ndarray.C64, n/2+1), "d": randomArray(rng, ndarray.C128, 3*n/4+1),
		"m": randomArray(rng, ndarray.F32, 2, n), "w": randomArray(rng, ndarray.C64, n/2, 3), "y0": randomArray(rng, ndarray.F32, 2*n),
	}
	for _, c := range []struct {
		line   string
		passes int
	}{
		{"rfft l y norm=ortho", 3}, {"rfft r y norm=ortho", 3}, {"rfft i y n=34300", 4}, {"rfft v[::-1] y norm=forward", 4}, {"rfft r y n=41160", 4}, {"irfft c y", 3}, {"irfft d y norm=ortho", 3}, {"irfft d y n=34300", 3}, {"irfft c y n=41160", 3},
		{"irfft c y0[::2]", 4}, {"rfft m y", 3}, {"fft w y axes=0", 2},
	} {
		j, err := kerneltest.Prepare(t, Kernels(), c.line, operands)
		if err != nil {
			t.Fatal(err)
		}
		least := leastOf(t, c.line, operands)
		if asm := simd.FFT[float32]().ISA != simd.Generic; asm && j.Out[0].Bytes() > 1<<20 && least > int64(j.Out[0].Bytes()) {
			t.Errorf("%s of %d bytes takes %d", c.line, j.Out[0].Bytes(), least)
		}
		if passes, temp := passesOf(t, c.line, least, operands); len(passes) < c.passes || temp == 0 {
			t.Errorf("%s: %q, %d bytes of temporary space", c.line, passes, temp)
		}
		kerneltest.Stream(t, Kernels(), c.line, operands, least, 2*least)
	}
}

// leastOf is the least memory that a streamed plan takes.
func leastOf(t *testing.T, line string, operands map[string]ndarray.Array) int64 {
	t.Helper()
	j, err := kerneltest.Prepare(t, Kernels(), line, operands)
	if err != nil {
		t.Fatal(err)
	}
	var low *stream.NoMemError
	if _, err := j.Plan.Stream(0); !errors.As(err, &low) {
		t.Fatalf("%s without memory: %v", line, err)
	}
	return low.Least
}

// passesOf is what a plan of at most mem bytes says of its passes.
func passesOf(t *testing.T, line string, mem int64, operands map[string]ndarray.Array) (passes []string, temp int64) {
	t.Helper()
	j, err := kerneltest.Prepare(t, Kernels(), line, operands)
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Plan.Stream(mem)
	if err != nil {
		t.Fatalf("%s in %d bytes: %v", line, mem, err)
	}
	for _, e := range s.Explain {
		passes = append(passes, e.Text)
	}
	return passes, s.Temp
}

// TestStreamedPanels: long first axes go by way of panels, where columns would be
// short runs; the other axes are done on the way in or out, and the bits are
// those in core, with strips that are not whole, views, padding and real ends.
func TestStreamedPanels(t *testing.T) {
	rng := newRand(83)
	operands := map[string]ndarray.Array{
		"c": randomArray(rng, ndarray.C64, 500, 83), "d": randomArray(rng, ndarray.C128, 300, 7, 11), "r": randomArray(rng, ndarray.F32, 210, 61), "i": randomArray(rng, ndarray.I16, 400, 60),
		"v": randomView(rng, randomArray(rng, ndarray.C64, 150, 48)), "h": randomArray(rng, ndarray.C128, 120, 33), "y0": randomArray(rng, ndarray.C64, 1000, 83),
	}
	for _, c := range []struct {
		line   string
		copies int // passes without axes
	}{
		{"fft c y axes=0,1", 1}, {"ifft c y axes=0,1 norm=ortho", 1}, {"fft c y axes=1,0", 1}, {"ifft c y axes=0", 2}, {"fft c y axes=0 norm=forward", 2}, {"fft d y axes=0,1,2", 1}, {"ifft d y axes=0,2", 1},
		{"fft i y axes=0,1", 1}, {"rfft r y axes=0,1 norm=ortho", 1}, {"irfft h y axes=0,1", 1}, {"irfft h y axes=0,1 n=100,50 norm=forward", 1}, {"fft v y axes=0,1 n=200,30", 1}, {"fft c y n=640,100 axes=0,1", 1}, {"fft c y0[::-2] axes=0,1", 1},
	} {
		mem := leastOf(t, c.line, operands)
		mem += mem / 4
		passes, temp := passesOf(t, c.line, mem, operands)
		copies := 0
		for _, p := range passes {
			if strings.HasPrefix(p, "no axes") {
				copies++
			}
		}
		if simd.Active() == simd.AVX512 && (len(passes) != 3 || copies != c.copies || temp == 0) {
			t.Errorf("%s: %q, %d bytes of temporary space", c.line, passes, temp)
		}
		kerneltest.Stream(t, Kernels(), c.line, operands, mem)
	}
}

// TestPanels: what is written to a tile of rows is read from it, and a strip has
// the columns that it should.
func TestPanels(t *testing.T) {
	rng := newRand(84)
	for _, c := range []struct{ rows, cols, width, count, real int }{{5, 1, 1, 1, 1}, {7, 16, 8, 2, 8}, {9, 30, 7, 4, 8}, {3, 100, 100, 1, 100}, {4, 50, 20, 3, 20}, {4, 50, 17, 3, 20}, {6, 7, 3, 3, 3}} {
		q := newPanels(ndarray.C128, c.rows, c.cols, c.width)
		if q.Count() != c.count || q.Width != c.real {
			t.Errorf("%+v: %d strips of %d columns", c, q.Count(), q.Width)
		}
		all := ndarray.New(ndarray.C128, q.Layout().Shape...)
		src, got := randomArray(rng, ndarray.C128, c.rows, c.cols), ndarray.New(ndarray.C128, c.rows, c.cols)
		for lo := 0; lo < c.rows; lo += 2 {
			hi := min(lo+2, c.rows)
			tile := ndarray.Array{Layout: q.Tile(lo, hi), Data: all.Data}
			if err := q.write(nil, tile, src.Range(0, lo, hi)); err != nil {
				t.Fatal(err)
			}
			if err := q.read(nil, got.Range(0, lo, hi), tile); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(reals[float64](src), reals[float64](got)) {
			t.Errorf("%+v: the numbers do not come back", c)
		}
		first := ndarray.Array{Layout: q.Panel(0), Data: all.Data}.Index(0)
		n := min(q.Width, c.cols)
		part := ndarray.New(ndarray.C128, c.rows, n)
		if err := ndarray.Convert(part, first.Range(1, 0, n)); err != nil {
			t.Fatal(err)
		}
		want := ndarray.New(ndarray.C128, c.rows, n)
		if err := ndarray.Convert(want, src.Range(1, 0, n)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(reals[float64](part), reals[float64](want)) {
			t.Errorf("%+v: the first strip has other columns", c)
		}
	}
}
