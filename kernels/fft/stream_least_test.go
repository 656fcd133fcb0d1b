package fft

import (
	"errors"
	"math"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// leastFor is the least memory that a complex line of n points takes outside memory.
func leastFor(t *testing.T, d ndarray.DType, n int) int64 {
	t.Helper()
	l := ndarray.NewLayout(d, n)
	_, err := lineRequest(&request{threads: 2}, d.Real(), n, false, 1).stream(l, l, 0)
	var low *stream.NoMemError
	if !errors.As(err, &low) {
		t.Fatalf("%s without memory: %v", l, err)
	}
	return low.Least
}

// TestLeastMemory: there is a method for lines of every length, primes of a smooth
// p-1 too, in memory that grows as the root of the length does.
func TestLeastMemory(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := newRand(97)
		lengths := []int{1<<27 - 39, 1 << 27, 1 << 28, 1 << 30, 1 << 33, 1e8, 1e9, 1e10, 786433, 1038337, 5767169, 167772161, 2*177147*3 + 1}
		for range 10 {
			lengths = append(lengths, raderBelow+rng.IntN(1<<(20+rng.IntN(6))))
		}
		for _, n := range lengths {
			for _, d := range []ndarray.DType{ndarray.C64, ndarray.C128} {
				m := machineFor(d.Real())
				if !m.cuttable(n) {
					t.Errorf("%s:%d: %s cannot be cut", d, n, methodFor(n, m))
				}
				root := math.Sqrt(float64(m.innerLength(n)))
				if least := leastFor(t, d, n); float64(least) > 1<<20+root*400*float64(m.size*m.w) {
					t.Errorf("%s:%d takes %d bytes, %.0f a root", d, n, least, float64(least)/root)
				}
			}
		}
	})
}

// TestNothingIsFree: arrays of no elements take no memory, in core or outside,
// however long the lines that they have none of.
func TestNothingIsFree(t *testing.T) {
	operands := map[string]ndarray.Array{
		"z": ndarray.New(ndarray.C64, 1<<17+2, 0, 3), "x": ndarray.New(ndarray.F32, 1<<17+2, 0, 3), "rows": ndarray.New(ndarray.F64, 0, 1<<17+2),
	}
	for _, line := range []string{
		"fft z y axes=0", "ifft z y axes=2,0 n=4,99991", "rfft x y axes=0", "irfft z y axes=0 n=262147", "fft rows y",
		"dct x y axes=0", "idst rows y type=4", "dst z y axes=0,2 type=1", "psd rows y", "spectrogram x y axis=0", "stft rows y nperseg=65536",
	} {
		j, err := kerneltest.Prepare(t, Kernels(), line, operands)
		must(t, err)
		if j.Plan.Cost != (kernels.Cost{}) {
			t.Errorf("%s costs %+v", line, j.Plan.Cost)
		}
		s, err := j.Plan.Stream(0)
		must(t, err)
		if s.Mem != 0 || s.Temp != 0 {
			t.Errorf("%s: outside memory it takes %d bytes, and %d of temporary space", line, s.Mem, s.Temp)
		}
		must(t, s.Run(&kernels.Exec{}))
	}
}
