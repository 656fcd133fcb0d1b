package order

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// TestShortRowsAreSortedAsLongOnes compares the sort of many rows at once with
// the sort of one, to the bit: all real types, NaNs and zeros among them, rows in
// the way of blocks and vectors, on every instruction set.
func TestShortRowsAreSortedAsLongOnes(t *testing.T) {
	defer func() {
		if err := simd.Force(simd.Best()); err != nil {
			t.Error(err)
		}
	}()
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for isa := simd.Generic; isa <= simd.Best(); isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(31, 0))
		for _, d := range []ndarray.DType{ndarray.Bool, ndarray.I8, ndarray.U8, ndarray.I16, ndarray.U16, ndarray.F16, ndarray.BF16,
			ndarray.I32, ndarray.U32, ndarray.F32, ndarray.I64, ndarray.U64, ndarray.F64} {
			for _, n := range []int{1, 2, 3, 8, 15, 16, 17, 33, 64, 100, smallSort - 1} {
				for _, rows := range []int{1, 17, 4200 / n} {
					compareRows(t, p, shortRows(rng, d, rows, n), fmt.Sprintf("%v %s %d x %d", isa, d, rows, n))
				}
			}
			if d.Size() == 4 {
				for _, n := range []int{smallSort, 1000, 1024, 1025} {
					compareRows(t, p, shortRows(rng, d, manyRows+3, n), fmt.Sprintf("%v %s rows of %d", isa, d, n))
				}
			}
		}
	}
}

// shortRows is an array of patterns that often recur: zeros, ones, infinities and
// NaNs of the float types, with either sign, and any bits.
func shortRows(rng *rand.Rand, d ndarray.DType, rows, n int) ndarray.Array {
	patterns := []uint64{0, 1, infinity[d], infinity[d] + 1, infinity[d] + 3}
	for range 10 {
		patterns = append(patterns, rng.Uint64())
	}
	sign := uint64(1) << (8*d.Size() - 1)
	a := ndarray.New(d, rows, n)
	for i := range rows * n {
		v := patterns[rng.IntN(len(patterns))] ^ rng.Uint64()&sign
		if d == ndarray.Bool {
			v &= 1
		}
		for k := range d.Size() {
			a.Data[i*d.Size()+k] = byte(v >> (8 * k))
		}
	}
	return a
}

func compareRows(t *testing.T, p *pool.Pool, a ndarray.Array, what string) {
	t.Helper()
	rows, n := a.Shape[0], a.Shape[1]
	for _, order := range []string{"", " descending=yes"} {
		out, _, err := kerneltest.Run(t, Kernels(), "sort a o"+order, arrays{"a": a})
		if err != nil {
			t.Fatal(err)
		}
		got, want := out["o"], ndarray.New(a.DType, rows, n)
		lane := make([]byte, sortScratch(a.DType, n)+64)
		err = p.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error {
			for i := range rows {
				if err := sortRow(w, row(want, i), row(a, i), lane, order != ""); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Data[got.Offset:][:got.Bytes()], want.Data[want.Offset:][:want.Bytes()]) {
			t.Errorf("%s%s: not as row by row", what, order)
		}
	}
}
