package fft

import (
	"errors"
	"math"
	"testing"

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
