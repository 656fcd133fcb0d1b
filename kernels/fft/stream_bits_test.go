package fft

import (
	"fmt"
	"strings"
	"testing"

	"vgpu/kernels/ndarray"
)

// TestStreamedBlocks: the shortest lines that are cut have in core blocks of several
// vectors, or a spectrum that is made more precisely; outside memory they have the
// same bits, or are refused.
func TestStreamedBlocks(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng, wide := newRand(121), 0 // lines with such blocks
		for _, n := range []int{17920, 24576, 8195} {
			for _, d := range []ndarray.DType{ndarray.C64, ndarray.C128} {
				m := machineFor(d.Real())
				if !m.cuttable(n) {
					continue
				}
				if n1, n2, ok := split(m.innerLength(n), m); ok {
					if _, v2 := m.widths(n1, n2); v2 > 1 {
						wide++
					}
				}
				operands := map[string]ndarray.Array{"x": randomArray(rng, d, n)}
				least := leastOf(t, "fft x y", operands)
				accountOf(t, "fft x y", operands, least)
			}
		}
		if wide == 0 {
			t.Error("no line has blocks of several vectors")
		}
	})
}

// TestStreamedExactSpectrum: a convolution whose spectrum is made in double-double is
// not cut, and the others are, if their lengths can be.
func TestStreamedExactSpectrum(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		kept, cut := 0, 0
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
			m := machineFor(d)
			for n := 8195; n < 50000; n += 97 {
				p := padLength(2*n - 1)
				if methodFor(n, m) != methodBluestein || !m.cuttable(p) {
					continue
				}
				exact := d == ndarray.F64 && p <= exactSpectrumMax
				if m.cuttable(n) == exact {
					t.Fatalf("%s:%d by %d: exact %t, cut %t", d, n, p, exact, exact)
				}
				if cut++; exact {
					kept, cut = kept+1, cut-1
				}
			}
		}
		if kept == 0 || cut == 0 {
			t.Errorf("%d lines are exact and %d are not", kept, cut)
		}
	})
	operands := map[string]ndarray.Array{"x": randomArray(newRand(122), ndarray.C128, 8195)}
	for _, line := range []string{"fft x y", "irfft x y n=16390", "dct x y type=4"} {
		least := leastOf(t, line, operands)
		accountOf(t, line, operands, least)
		passes, _ := passesOf(t, line, least, operands)
		if verb, _, _ := strings.Cut(line, " "); verb != "dct" && len(passes) > 1 { // a dct's transform is longer, and cut on some machines
			t.Errorf("%s: %s", line, fmt.Sprint(passes))
		}
	}
}
