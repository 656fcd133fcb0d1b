package fft

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// randomOperand is an array of a random type and shape of so many elements or fewer,
// plain or a view.
func randomOperand(rng *rand.Rand, rank, most int) ndarray.Array {
	types := []ndarray.DType{ndarray.C64, ndarray.C128, ndarray.F32, ndarray.F64, ndarray.I16, ndarray.U8, ndarray.F16}
	shape := make([]int, rank)
	for left, i := most, 0; i < rank; i++ {
		shape[i] = 1 + rng.IntN(max(1, left/(rank-i)))
		if rng.IntN(4) == 0 { // a prime, often
			for shape[i] > 2 && !isPrime(shape[i]) {
				shape[i]--
			}
		}
		left = max(1, left/shape[i])
	}
	a := randomArray(rng, types[rng.IntN(len(types))], shape...)
	if rng.IntN(3) == 0 {
		a = randomView(rng, a)
	}
	return a
}

// streamRandom streams a line with the least memory and with some more.
func streamRandom(t *testing.T, rng *rand.Rand, line string, operands map[string]ndarray.Array) {
	t.Helper()
	if _, _, err := kerneltest.Run(t, Kernels(), line, operands); err != nil {
		return // which the properties of errors are tested for
	}
	least := leastOf(t, line, operands)
	kerneltest.Stream(t, Kernels(), line, operands, least, least+rng.Int64N(3*least), 8*least)
}

// TestStreamedRandom: requests drawn at random, of any lengths, types, axes, norms and
// views, cropped and padded, have the bits of those in core.
func TestStreamedRandom(t *testing.T) {
	rng := newRand(101)
	for range 30 {
		for _, verb := range []string{"fft", "ifft", "rfft", "irfft"} {
			x := randomOperand(rng, 1+rng.IntN(3), 600)
			if verb == "rfft" && x.DType.IsComplex() {
				continue
			}
			c := randomCase(rng, verb, x.Shape)
			streamRandom(t, rng, c.line("x", "y"), map[string]ndarray.Array{"x": x})
		}
	}
}

// TestStreamedRandomCosine: so have cosine and sine transforms of all kinds.
func TestStreamedRandomCosine(t *testing.T) {
	rng := newRand(102)
	for range 12 {
		for _, verb := range []string{"dct", "idct", "dst", "idst"} {
			x := randomOperand(rng, 1+rng.IntN(3), 400)
			c := randomCase(rng, verb, x.Shape)
			streamRandom(t, rng, fmt.Sprintf("%s type=%d", c.line("x", "y"), 1+rng.IntN(4)), map[string]ndarray.Array{"x": x})
		}
	}
}

// TestStreamedRandomConvolution: so have convolutions and correlations by all methods.
func TestStreamedRandomConvolution(t *testing.T) {
	rng := newRand(103)
	for range 24 {
		rank := 1 + rng.IntN(2)
		operands := map[string]ndarray.Array{"x": randomOperand(rng, rank, 500), "h": randomOperand(rng, rank, 60)}
		line := fmt.Sprintf("%s x h y mode=%s method=%s", []string{"conv", "correlate"}[rng.IntN(2)], []string{"full", "same", "valid"}[rng.IntN(3)], []string{"direct", "fft", "overlap"}[rng.IntN(3)])
		streamRandom(t, rng, line, operands)
	}
}

// TestStreamedInPlace: a result may take the place of its operand.
func TestStreamedInPlace(t *testing.T) {
	rng := newRand(104)
	for _, line := range []string{
		"fft c c", "ifft c c axes=0", "fft c c axes=0,1 norm=ortho", "ifft d d axes=0,1", "fft d d axes=0", "fft l l", "dct r r axes=0,1", "idst r r type=1 axes=0", "dct s s type=4",
	} {
		operands := map[string]ndarray.Array{
			"c": randomArray(rng, ndarray.C64, 37, 30), "d": randomArray(rng, ndarray.C128, 24, 13), "l": randomArray(rng, ndarray.C64, 3*5*7*11*13*2), "r": randomArray(rng, ndarray.F32, 18, 23), "s": randomArray(rng, ndarray.F64, 801),
		}
		streamRandom(t, rng, line, operands)
	}
}

// TestStreamedLengths: so have the shortest lines that are cut, which core has in blocks
// of several vectors, and an array of one line along any axis.
func TestStreamedLengths(t *testing.T) {
	rng := newRand(105)
	cut := 0
	for n := factorAbove + 1; cut < 6 && n < 1<<15; n += 2 {
		for _, d := range []ndarray.DType{ndarray.C64, ndarray.C128} {
			m := machineFor(d.Real())
			if !m.cuttable(n) {
				continue
			}
			cut++
			shape, axis := []int{1, 1, 1}, cut%3
			shape[axis] = n
			operands := map[string]ndarray.Array{"x": randomArray(rng, d, shape...)}
			line := fmt.Sprintf("ifft x y norm=ortho axes=%d", axis)
			least := leastOf(t, line, operands)
			if whole := int64(operands["x"].Bytes()); least >= 6*whole {
				t.Errorf("%s of %d bytes takes %d", line, whole, least)
			}
			kerneltest.Stream(t, Kernels(), line, operands, least, least+least/2)
		}
	}
	if cut < 6 {
		t.Errorf("%d lines were cut", cut)
	}
}
