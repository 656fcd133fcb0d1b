package gemm

import (
	"math/rand/v2"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// onEachISA runs f at every level of the machine.
func onEachISA(t *testing.T, f func(t *testing.T)) {
	best := simd.Best()
	for isa := simd.Generic; isa <= best; isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		t.Run(isa.String(), f)
	}
	if err := simd.Force(best); err != nil {
		t.Fatal(err)
	}
}

// integers fills an array of any type with small integers, of which products
// and sums are exact in every type.
func integers(r *rand.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	v := make([]complex128, a.Len())
	for i := range v {
		v[i] = complex(float64(r.IntN(9)-4), float64(r.IntN(9)-4))
		if d.IsUnsigned() {
			v[i] = complex(float64(r.IntN(9)), 0)
		}
	}
	ndarray.Store(a, v, 0)
	return a
}

func values(a ndarray.Array) []complex128 {
	v := make([]complex128, a.Len())
	ndarray.Load(v, a, 0)
	return v
}

func TestShapes(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128, ndarray.BF16, ndarray.F16, ndarray.I8, ndarray.I32, ndarray.U64} {
			for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {33, 33, 33}, {64, 70, 65}, {100, 50, 700}, {29, 1, 40}, {1, 70, 40}, {0, 3, 4}, {3, 4, 0}} {
				m, n, k := s[0], s[1], s[2]
				a, b := integers(r, d, m, k), integers(r, d, k, n)
				out, _, err := kerneltest.Run(t, Kernels(), "gemm a b c", map[string]ndarray.Array{"a": a, "b": b}, kerneltest.Threads(1, 2))
				if err != nil {
					t.Fatalf("%s %v: %v", d, s, err)
				}
				av, bv, cv := values(a), values(b), values(out["c"])
				for i := range m {
					for j := range n {
						var sum complex128
						for p := range k {
							sum += av[i*k+p] * bv[p*n+j]
						}
						if cv[i*n+j] != sum {
							t.Fatalf("%s %v: c[%d,%d] = %v, not %v", d, s, i, j, cv[i*n+j], sum)
						}
					}
				}
			}
		}
	})
}
