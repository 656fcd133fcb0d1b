package fft

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
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
