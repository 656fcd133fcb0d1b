package gemm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// Inputs need not lie in a run as they lay when it was planned: the device
// gives a copy in C order of what shares bytes with the output, and a window,
// which begins elsewhere, of what is not in memory.
func TestInputsElsewhere(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 4))
		for _, c := range []struct {
			line string
			a, b []int
		}{
			{"gemm a b c", []int{2, 2}, []int{2, 2}},
			{"gemm a b c bias=bias", []int{48, 48}, []int{48, 3}},
			{"gemm a b c ta=t residual=bias alpha=2", []int{70, 40}, []int{70, 33}},
			{"gemm a b c tb=c", []int{2, 1, 9, 7}, []int{3, 5, 7}},
			{"gemm a b c", []int{12}, []int{4, 12, 3}},
			{"gemm a b c", []int{200, 300}, []int{300}},
			{"dot a b c", []int{1000}, []int{1000}},
		} {
			for _, d := range []ndarray.DType{ndarray.F32, ndarray.C128, ndarray.I8, ndarray.U64} {
				in := operands{"a": disguise(r, integers(r, d, c.a...)), "b": disguise(r, integers(r, d, c.b...)), "bias": disguise(r, integers(r, resultType(d), 1))}
				want := run(t, c.line, in)
				for name, move := range map[string]func(ndarray.Array) ndarray.Array{"in order": inOrder, "moved": moved} {
					j, err := kerneltest.Prepare(t, Kernels(), c.line, in)
					if err != nil {
						t.Fatal(err)
					}
					for i := range j.In {
						j.In[i] = move(j.In[i])
					}
					if err := j.Run(t.Context(), 2); err != nil {
						t.Fatal(err)
					}
					compare(t, fmt.Sprint(c.line, " ", d, " ", name), want.DType, values(j.Outputs["c"]), values(want))
				}
			}
		}
	})
}

// inOrder is a in an array of its own, in C order.
func inOrder(a ndarray.Array) ndarray.Array {
	out := ndarray.New(a.DType, a.Shape...)
	if err := ndarray.Convert(out, a); err != nil {
		panic(err)
	}
	return out
}

// moved is a behind 64 bytes of something else.
func moved(a ndarray.Array) ndarray.Array {
	a.Data = append(bytes.Repeat([]byte{0xa5}, 64), a.Data...)
	a.Offset += 64
	return a
}
