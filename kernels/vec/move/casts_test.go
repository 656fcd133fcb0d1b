package move_test

import (
	"bytes"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/vec/move"
	"vgpu/kernels/vec/numpytest"
)

// Conversions of large arrays, which are written past the caches, and of small
// ones have the bits of ndarray.Convert on every instruction set, wherever the
// destination begins.
func TestCastsOfPackedArrays(t *testing.T) {
	defer func() {
		if err := simd.Force(simd.Best()); err != nil {
			t.Error(err)
		}
	}()
	r := numpytest.NewRand(9)
	for isa := simd.Generic; isa <= simd.Best(); isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		for _, from := range ndarray.DTypes {
			for _, to := range ndarray.DTypes {
				if from == to || from.IsComplex() || to.IsComplex() {
					continue
				}
				testCast(t, r, from, to, 333)
			}
		}
		for _, c := range [][2]ndarray.DType{{ndarray.F32, ndarray.BF16}, {ndarray.U8, ndarray.F32}, {ndarray.I64, ndarray.F64}} {
			if isa == simd.Generic { // has no other loop for these
				break
			}
			testCast(t, r, c[0], c[1], (16<<20)/c[1].Size()+7)
		}
	}
}

func testCast(t *testing.T, r numpytest.Rand, from, to ndarray.DType, n int) {
	t.Helper()
	piece := r.Array(from, 1000)
	src := ndarray.New(from, n)
	for at := 0; at < n; at += 1000 {
		m := min(1000, n-at)
		if err := ndarray.Convert(src.Range(0, at, at+m), piece.Range(0, 0, m)); err != nil {
			t.Fatal(err)
		}
	}
	got, want := ndarray.New(to, n+3).Range(0, 3, n+3), ndarray.New(to, n)
	if err := run(t, 2, func(w *pool.Worker) error { return move.Copy(w, got, src) }); err != nil {
		t.Fatal(err)
	}
	if err := ndarray.Convert(want, src); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Data[got.Offset:][:got.Bytes()], want.Data[want.Offset:][:want.Bytes()]) {
		t.Errorf("%s to %s, %d elements on %s", from, to, n, simd.Active())
	}
}
