package device

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/vec/numpytest"
)

// anyMemory is scratch memory without a bound.
type anyMemory struct{}

func (anyMemory) Alloc(n int) []byte { return make([]byte, n) }

// copied runs copyOverlaps on input 1 of two, and gives its error.
func copied(t *testing.T, ctx context.Context, threads int, in *[2]ndarray.Array, before func()) error {
	t.Helper()
	p, err := pool.New(pool.Config{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	x := &kernels.Exec{Ctx: ctx, Mem: anyMemory{}, In: in[:]}
	return p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
		x.W = w
		before()
		return copyOverlaps(x, []int{1})
	})
}

// The copy of an input that shares bytes with an output has the input's bits, of
// any type and layout and for any number of threads; other inputs stay.
func TestCopyOverlaps(t *testing.T) {
	r := numpytest.NewRand(31)
	for i := range 60 {
		shape := r.Shape(0, 4, 8)
		if i%10 == 0 {
			shape = []int{300, 1 + r.IntN(900)} // several pieces
		}
		a := r.Array(r.Type(ndarray.DTypes...), shape...)
		want := ndarray.New(a.DType, a.Shape...)
		if err := ndarray.Convert(want, a); err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 3} {
			in := [2]ndarray.Array{a, a}
			if err := copied(t, t.Context(), threads, &in, func() {}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(in[1].Data, want.Data) || in[1].Swapped || !in[1].Contiguous() {
				t.Fatalf("%s %v: the copy has other bits", a, a.Strides)
			}
			if len(a.Data) > 0 && &in[0].Data[0] != &a.Data[0] {
				t.Fatal("another input was copied")
			}
		}
	}
}

// A job that is cancelled does not first copy its inputs, which may be large.
func TestCopyOverlapsIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := ndarray.New(ndarray.F64, 2000, 200)
	in := [2]ndarray.Array{a, a}
	if err := copied(t, ctx, 2, &in, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if &in[1].Data[0] != &a.Data[0] {
		t.Error("the kernel is given a copy that was not made")
	}
}
