package move_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/vec/move"
	"vgpu/kernels/vec/numpytest"
)

// run calls fn on a worker of a pool of three, for a job of so many threads.
func run(t testing.TB, threads int, fn func(w *pool.Worker) error) error {
	t.Helper()
	return shared().Run(t.Context(), pool.Options{Threads: threads}, fn)
}

var shared = sync.OnceValue(func() *pool.Pool {
	p, err := pool.New(pool.Config{Threads: 3})
	if err != nil {
		panic(err)
	}
	return p
})

// naive is Copy, an element at a time.
func naive(dst, src ndarray.Array) {
	for i := range dst.Len() {
		d, s := at(dst, i), at(src, i)
		if err := ndarray.Convert(d, s); err != nil {
			panic(err)
		}
	}
}

// at is element i as an array of rank 0.
func at(a ndarray.Array, i int) ndarray.Array {
	for k := a.Rank() - 1; k >= 0; k-- {
		a.Offset += i % a.Shape[k] * a.Strides[k]
		i /= a.Shape[k]
	}
	a.Shape, a.Strides = nil, nil
	return a
}

// writable is an array that can be written to, filled with 0xee.
func writable(r numpytest.Rand, d ndarray.DType, shape []int) ndarray.Array {
	for {
		a := r.Array(d, shape...)
		if !slices.ContainsFunc(a.Strides, func(s int) bool { return s == 0 }) {
			for i := range a.Data {
				a.Data[i] = 0xee
			}
			return a
		}
	}
}

// Copy between random layouts is the naive loop, bytes around the elements
// included.
func TestCopyAgainstNaive(t *testing.T) {
	r := numpytest.NewRand(1)
	for range 400 {
		shape := r.Shape(0, 5, 9)
		check(t, r, r.Type(ndarray.DTypes...), shape, r.IntN(3) == 0)
	}
}

// Shapes on both sides of the tiles' and squares' edges.
func TestCopyOfTiles(t *testing.T) {
	r := numpytest.NewRand(2)
	for _, shape := range [][]int{{63, 65}, {64, 128}, {129, 200}, {7, 1025}, {1025, 7}, {2, 3000}, {3000, 2}, {3, 70, 71}, {70, 3, 71}, {70, 71, 3}, {20000}} {
		for _, d := range []ndarray.DType{ndarray.U8, ndarray.F16, ndarray.F32, ndarray.C64, ndarray.C128} {
			for range 3 {
				check(t, r, d, shape, false)
			}
		}
	}
}

func check(t *testing.T, r numpytest.Rand, d ndarray.DType, shape []int, other bool) {
	t.Helper()
	src, to := r.Array(d, shape...), d
	if other {
		to = r.Type(ndarray.DTypes...)
	}
	dst := writable(r, to, shape)
	want := ndarray.Array{Layout: dst.Layout, Data: bytes.Clone(dst.Data)}
	naive(want, src)
	if err := run(t, 1+r.IntN(3), func(w *pool.Worker) error { return move.Copy(w, dst, src) }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dst.Data, want.Data) {
		t.Errorf("%s %v swapped=%t to %s %v swapped=%t: wrong", src.Layout, src.Strides, src.Swapped, dst.Layout, dst.Strides, dst.Swapped)
	}
}

// Large transposes in each element size, against the definition.
func TestTranspose(t *testing.T) {
	for _, d := range []ndarray.DType{ndarray.U8, ndarray.U16, ndarray.U32, ndarray.U64, ndarray.C128} {
		for _, shape := range [][2]int{{300, 517}, {1024, 1024}, {9, 4000}} {
			src, dst := ndarray.New(d, shape[0], shape[1]), ndarray.New(d, shape[1], shape[0])
			for i := range src.Data {
				src.Data[i] = byte(i*7 + i>>8)
			}
			if err := run(t, 2, func(w *pool.Worker) error { return move.Copy(w, dst, src.Permute(1, 0)) }); err != nil {
				t.Fatal(err)
			}
			size := d.Size()
			for i := range shape[0] {
				for j := range shape[1] {
					a, b := src.Data[(i*shape[1]+j)*size:][:size], dst.Data[(j*shape[0]+i)*size:][:size]
					if !bytes.Equal(a, b) {
						t.Fatalf("%s %v: element %d, %d", d, shape, i, j)
					}
				}
			}
		}
	}
}

// Transposes of so much that they are stored past the caches, with tiles cut at the
// edges, and with rows of whole cache lines and others, on every instruction set.
func TestTransposePastTheCaches(t *testing.T) {
	eachISA(t, func() {
		for _, shape := range [][2]int{{2080, 2100}, {2049, 2053}} {
			testLargeTranspose[uint32](t, ndarray.U32, shape[0], shape[1])
			testLargeTranspose[uint64](t, ndarray.U64, shape[0], shape[1])
		}
	})
}

func eachISA(t *testing.T, fn func()) {
	t.Helper()
	defer func() {
		if err := simd.Force(simd.Best()); err != nil {
			t.Error(err)
		}
	}()
	for isa := simd.Generic; isa <= simd.Best(); isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		fn()
	}
}

// Short rows, whole cache lines and others, and rows that are turned round, of so much that it is stored past the caches:
// axes 0 and 1 of the source change places, and those whose bits are set are turned.
func TestRowsPastTheCaches(t *testing.T) {
	eachISA(t, func() {
		for _, turned := range []int{0, 1, 2, 4} {
			testLargeRows(t, [3]int{97, 173, 256}, turned)
		}
		testLargeRows(t, [3]int{97, 180, 250}, 0)
		testLargeRows(t, [3]int{1, 3, 1500001}, 4)
		testLargeRows(t, [3]int{2, 1100, 2000}, 5)
	})
}

func testLargeRows(t *testing.T, shape [3]int, turned int) {
	t.Helper()
	src, dst := ndarray.New(ndarray.U32, shape[:]...), ndarray.New(ndarray.U32, shape[1], shape[0], shape[2])
	for i, from := 0, ndarray.Slice[uint32](src); i < len(from); i++ {
		from[i] = uint32(i)
	}
	view := src
	view.Strides = slices.Clone(src.Strides)
	for axis, n := range shape {
		if turned>>axis&1 != 0 {
			view.Offset += (n - 1) * view.Strides[axis]
			view.Strides[axis] *= -1
		}
	}
	if err := run(t, 2, func(w *pool.Worker) error { return move.Copy(w, dst, view.Permute(1, 0, 2)) }); err != nil {
		t.Fatal(err)
	}
	first, step := view.Offset/4, [3]int{view.Strides[0] / 4, view.Strides[1] / 4, view.Strides[2] / 4}
	to := ndarray.Slice[uint32](dst)
	for j := range shape[1] {
		for i := range shape[0] {
			for k := range shape[2] {
				if want := uint32(first + i*step[0] + j*step[1] + k*step[2]); to[0] != want {
					t.Fatalf("%v turned %b on %s: element %d, %d, %d is %d, not %d", shape, turned, simd.Active(), j, i, k, to[0], want)
				}
				to = to[1:]
			}
		}
	}
}

func testLargeTranspose[T uint32 | uint64](t *testing.T, d ndarray.DType, m, n int) {
	t.Helper()
	src, dst := ndarray.New(d, m, n), ndarray.New(d, n, m)
	from, to := ndarray.Slice[T](src), ndarray.Slice[T](dst)
	for i := range from {
		from[i] = T(i) * 2654435761
	}
	if err := run(t, 2, func(w *pool.Worker) error { return move.Copy(w, dst, src.Permute(1, 0)) }); err != nil {
		t.Fatal(err)
	}
	for k, v := range to {
		if want := T(k%m*n+k/m) * 2654435761; v != want {
			t.Fatalf("%s, %d x %d on %s: element %d is %d, not %d", d, m, n, simd.Active(), k, v, want)
		}
	}
}

func TestCopyRefusesShapes(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = move.Copy(nil, ndarray.New(ndarray.F32, 2), ndarray.New(ndarray.F32, 3))
}

func TestCopyCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := pool.New(pool.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
		cancel()
		<-ctx.Done()
		return move.Copy(w, ndarray.New(ndarray.F32, 1<<20), ndarray.New(ndarray.F32, 1<<20))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Boxes cover every element once, in C order.
func TestBlocks(t *testing.T) {
	for _, shape := range [][]int{{}, {0}, {1}, {10}, {3, 4}, {3, 0, 4}, {0, 3}, {2, 3, 5}, {7, 1, 6}, {2, 100}} {
		for _, limit := range []int{1, 2, 7, 30, 1000} {
			a := ndarray.New(ndarray.I64, shape...)
			for i, s := 0, ndarray.Slice[int64](a); i < len(s); i++ {
				s[i] = int64(i)
			}
			b, next := move.NewBlocks(shape, limit), 0
			for i := range b.Count() {
				part := b.Cut(a, i)
				if b.First(i) != next || part.Len() > b.Size() || part.Len() == 0 || b.Size() > max(limit, 1) {
					t.Fatalf("%v by %d, box %d: first %d (want %d), %d elements of %d", shape, limit, i, b.First(i), next, part.Len(), b.Size())
				}
				for j, v := range ndarray.Slice[int64](part) {
					if v != int64(next+j) {
						t.Fatalf("%v by %d, box %d: element %d is %d", shape, limit, i, j, v)
					}
				}
				next += part.Len()
			}
			if next != a.Len() {
				t.Errorf("%v by %d: %d of %d elements", shape, limit, next, a.Len())
			}
		}
	}
}

func BenchmarkTranspose(b *testing.B) {
	for _, d := range []ndarray.DType{ndarray.U8, ndarray.F32, ndarray.F64, ndarray.C128} {
		for _, n := range []int{500, 2000, 4096} {
			b.Run(fmt.Sprintf("%s/%d", d, n), func(b *testing.B) {
				src, dst := ndarray.New(d, n, n), ndarray.New(d, n, n)
				benchmark(b, dst, src.Permute(1, 0))
			})
		}
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, d := range []ndarray.DType{ndarray.U8, ndarray.F32, ndarray.F64} {
		src, dst := ndarray.New(d, 64<<20/d.Size()), ndarray.New(d, 64<<20/d.Size())
		b.Run(d.String(), func(b *testing.B) { benchmark(b, dst, src) })
		one := ndarray.New(d, 1)
		l, err := one.Broadcast(dst.Shape)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(d.String()+"/fill", func(b *testing.B) { benchmark(b, dst, ndarray.Array{Layout: l, Data: one.Data}) })
	}
}

func BenchmarkCast(b *testing.B) {
	for _, c := range [][2]ndarray.DType{{ndarray.F32, ndarray.F64}, {ndarray.F64, ndarray.F32}, {ndarray.F32, ndarray.BF16}, {ndarray.BF16, ndarray.F32}, {ndarray.F32, ndarray.F16}, {ndarray.F16, ndarray.F32}, {ndarray.U8, ndarray.F32}, {ndarray.F32, ndarray.I32}} {
		b.Run(c[0].String()+"/"+c[1].String(), func(b *testing.B) {
			benchmark(b, ndarray.New(c[1], 8<<20), ndarray.New(c[0], 8<<20))
		})
	}
}

// benchmark copies on one thread; the rate counts bytes read and written.
func benchmark(b *testing.B, dst, src ndarray.Array) {
	bytes := dst.Bytes() + min(src.Bytes(), len(src.Data))
	b.SetBytes(int64(bytes))
	err := run(b, 1, func(w *pool.Worker) error {
		for b.Loop() {
			if err := move.Copy(w, dst, src); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
