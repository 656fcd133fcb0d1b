package fft

import (
	"slices"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// TestStreamedAlongPanels: cosine and real transforms along an axis that lies across the
// file, and complex ones along one in the middle, go by way of panels where that
// costs less, with the bits of those in core: cropped and padded, from other types, from and to views.
func TestStreamedAlongPanels(t *testing.T) {
	rng := newRand(94)
	operands := map[string]ndarray.Array{
		"r": randomArray(rng, ndarray.F32, 300, 2001), "d": randomArray(rng, ndarray.F64, 90, 3000), "c": randomArray(rng, ndarray.C64, 2, 301, 700), "i": randomArray(rng, ndarray.I16, 260, 1500),
		"cube": randomArray(rng, ndarray.F32, 3, 90, 2000), "v": randomView(rng, randomArray(rng, ndarray.C64, 130, 1000)), "y0": randomArray(rng, ndarray.F32, 300, 4002),
		"w": randomArray(rng, ndarray.F32, 310, 2, 4001), // of which every other column is no walk of one stride, but for one row
	}
	for i, c := range []struct {
		line   string
		panels int // how many axes go so
	}{
		{"dct r y axes=0", 1}, {"dst r y axes=0,1 type=1", 1}, {"idct d y axes=0 type=4 norm=ortho", 1}, {"dct cube y axes=1", 1}, {"dct cube y axes=0,1", 1}, {"dct c y axes=1", 1}, {"dct r y axes=0 n=260", 1}, {"dct r y axes=0 n=360", 1},
		{"dct i y axes=0", 1}, {"dct w[:,:,::2] y axes=1,0 n=1,300", 1}, {"dct r[::-1,::-1] y axes=0", 1}, {"dct r y axes=1", 0}, {"dct cube y axes=0", 0}, {"dct r y0[:,::-2] axes=0", 0},
		{"rfft r y axes=0", 1}, {"rfft d y axes=0 n=100", 1}, {"rfft i y axes=0 norm=ortho", 1}, {"irfft c y axes=1", 1}, {"irfft c y axes=1 n=599", 1}, {"irfft v y axes=0 norm=forward", 1}, {"rfft r y axes=1", 0},
		{"fft c y axes=1", 1}, {"ifft c y axes=1 norm=ortho", 1}, {"fft c y axes=1 n=307", 1}, {"fft cube y axes=1", 1},
	} {
		if testing.Short() && i%3 > 0 {
			continue
		}
		const mem = 2 << 20
		passes, temp := passesOf(t, c.line, mem, operands)
		copies := len(passes) - len(slices.DeleteFunc(slices.Clone(passes), func(p string) bool { return p == "to panels" || p == "from panels" }))
		if simd.Active() != simd.AVX512 && (copies != 2*c.panels || (temp > 0) != (copies > 0)) { // what is planned was looked at on the others
			t.Errorf("%s: %q, %d bytes of temporary space", c.line, passes, temp)
		}
		kerneltest.Stream(t, Kernels(), c.line, operands, mem)
	}
}
