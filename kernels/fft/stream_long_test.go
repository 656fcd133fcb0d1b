package fft

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// TestStreamedLongAxis: transforms over several axes of which one is a line that
// does not fit have the bits of those in core.
func TestStreamedLongAxis(t *testing.T) {
	rng := newRand(91)
	const n = 2 * 25 * 343 // not too short to be cut, and no multiple of 16, whose first sweep is one routine
	operands := map[string]ndarray.Array{
		"q": randomArray(rng, ndarray.C64, 1, n, 2), "h": randomArray(rng, ndarray.C64, 2, n+1),
		"i": randomArray(rng, ndarray.I16, 2, n-5),
	}
	for _, line := range []string{
		"ifft q y axes=2,1 norm=ortho", "irfft h y axes=0,1", "rfft i y axes=0,1 n=2,34300",
	} {
		streamLeast(t, line, operands)
	}
}

// streamLeast streams a line with the least memory, which is about the same for all
// of them, and with twice as much.
func streamLeast(t *testing.T, line string, operands map[string]ndarray.Array) {
	t.Helper()
	const most = 5 << 20
	least := leastOf(t, line, operands)
	if asm := simd.FFT[float32]().ISA != simd.Generic; asm && least > most {
		t.Errorf("%s takes %d bytes", line, least)
	}
	kerneltest.Stream(t, Kernels(), line, operands, least, 2*least)
}

// TestStreamedChirpLine: so do lines of any length. The spectrum of the chirp of m is
// computed in double, and half of that of f, whose convolution is longer, is kept.
func TestStreamedChirpLine(t *testing.T) {
	rng := newRand(92)
	operands := map[string]ndarray.Array{"f": randomArray(rng, ndarray.F32, 262202), "m": randomArray(rng, ndarray.C64, 2, 8209)}
	accountOf(t, "rfft f y norm=forward", operands, leastOf(t, "rfft f y norm=forward", operands))
	streamLeast(t, "ifft m y", operands)
}

// TestStreamedOddLine: so do real lines of odd length.
func TestStreamedOddLine(t *testing.T) {
	rng := newRand(93)
	operands := map[string]ndarray.Array{
		"p": randomArray(rng, ndarray.F64, 131101), "s": randomArray(rng, ndarray.F64, 21021), "c": randomArray(rng, ndarray.C64, 9001),
	}
	accountOf(t, "rfft p y norm=ortho", operands, leastOf(t, "rfft p y norm=ortho", operands))
	for _, line := range []string{"rfft s y norm=ortho", "irfft c y n=21021 norm=forward"} {
		streamLeast(t, line, operands)
	}
}

// TestStreamedLongCosine: so do cosine and sine transforms of lines that do not fit,
// of every kind, even and odd, weighed and scaled, real and complex.
func TestStreamedLongCosine(t *testing.T) {
	rng := newRand(94)
	operands := map[string]ndarray.Array{
		"x1": randomArray(rng, ndarray.F32, 1), "x2": randomArray(rng, ndarray.F32, 2), "x3": randomArray(rng, ndarray.F64, 3), "e": randomArray(rng, ndarray.F32, 4000), "f": randomArray(rng, ndarray.F64, 3002), "o": randomArray(rng, ndarray.F32, 3003),
		"z": randomArray(rng, ndarray.C64, 2, 901), "m": randomArray(rng, ndarray.I16, 700, 3),
	}
	for kind := 1; kind <= 4; kind++ {
		for name := range operands {
			if kind == 1 && name == "x1" {
				continue
			}
			for _, verb := range []string{"dct ", "dst "} {
				line := verb + name + " y type=" + itoa(kind)
				switch name {
				case "m":
					line += " axes=0 n=800"
				case "e", "o":
					line += " norm=ortho"
				}
				kerneltest.Stream(t, Kernels(), line, operands)
			}
		}
	}
}

// TestStreamedLongestCosine: in less memory than the line takes.
func TestStreamedLongestCosine(t *testing.T) {
	operands := map[string]ndarray.Array{"x": randomArray(newRand(95), ndarray.F32, 1<<19)}
	for _, line := range []string{"dct x y", "idst x y type=4 norm=ortho"} {
		streamLeast(t, line, operands)
	}
}

// TestStreamedLongConvolution: so do convolutions of one transform that does not fit.
func TestStreamedLongConvolution(t *testing.T) {
	rng := newRand(96)
	operands := map[string]ndarray.Array{
		"x": randomArray(rng, ndarray.F32, 3000), "h": randomArray(rng, ndarray.F32, 2001), "i": randomArray(rng, ndarray.I16, 999), "z": randomArray(rng, ndarray.C64, 700), "c": randomArray(rng, ndarray.C128, 517),
		"m": randomArray(rng, ndarray.F32, 40, 51), "k": randomView(rng, randomArray(rng, ndarray.F32, 31, 20)), "w": randomArray(rng, ndarray.C64, 20, 33), "y0": randomArray(rng, ndarray.F32, 140, 70),
		"a": randomArray(rng, ndarray.F32, 330000), "b": randomArray(rng, ndarray.F32, 200000),
	}
	for _, line := range []string{
		"conv x h y", "correlate x h y mode=same", "conv h x y mode=valid", "conv i h y", "correlate z c y", "correlate z z y mode=same", "conv m k y", "correlate m k y mode=same", "correlate w w y", "conv m k y0[::2] mode=full",
	} {
		kerneltest.Stream(t, Kernels(), line+" method=fft", operands)
	}
	streamLeast(t, "conv a b y method=fft mode=same", operands)
}
