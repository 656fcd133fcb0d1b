package fft

import (
	"errors"
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
		"c": randomArray(rng, ndarray.C64, 1<<18), "d": randomArray(rng, ndarray.C128, 1<<18), "i": randomArray(rng, ndarray.I16, 1<<18), "v": randomArray(rng, ndarray.C64, 1<<19),
	}
	for _, line := range []string{"fft c y", "ifft d y norm=ortho", "fft i y norm=forward", "ifft v[::-2] y"} {
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
	for _, n := range []int{262147, 250047} { // a prime; blocks that are not whole
		j, err := kerneltest.Prepare(t, Kernels(), "fft x y", map[string]ndarray.Array{"x": ndarray.New(ndarray.C64, n)})
		if err != nil {
			t.Fatal(err)
		}
		var low *stream.NoMemError
		if _, err := j.Plan.Stream(1 << 20); !errors.As(err, &low) || low.Least < int64(8*n) {
			t.Errorf("%d points in a megabyte: %v", n, err)
		}
	}
}
