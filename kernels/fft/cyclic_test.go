package fft

import (
	"fmt"
	"slices"
	"testing"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// cyclicShapes are such as all machines can have.
func cyclicShapes(w int) (out []cyclicShape) {
	for _, n := range [][2]int{{1, 1100}, {2, 520}, {25, 42}, {32, 33}, {130, 8}} {
		for _, v := range []int{1, 2, 8} {
			if n[1]%v == 0 {
				out = append(out, cyclicShape{n[0] * w, n[1] * w, v})
			}
		}
	}
	return out
}

// TestCyclic: the three sweeps have the bits of a two-step transform of n1·n2 points, a
// product and one of n2·n1 points back, whatever the vectors of a block and the number
// of threads.
func TestCyclic(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testCyclic[float32])
		t.Run("f64", testCyclic[float64])
	})
}

func testCyclic[T simd.Float](t *testing.T) {
	k, rng := simd.FFT[T](), newRand(173)
	for _, c := range cyclicShapes(k.W) {
		x, spec := normals[T](rng, 2*c.n1*c.n2), normals[T](rng, 2*c.n1*c.n2)
		if m := machineOf(k); m.fuses(c.n1, c.n2) || m.fuses(c.n2, c.n1) {
			continue
		}
		want, err := byTwoSteps(k, c, x, spec)
		must(t, err)
		conv, err := newCyclic(nil, k, c)
		must(t, err)
		for threads := range 3 {
			check := func(w *pool.Worker) error {
				got, err := convolved(w, conv, x, spec)
				if err == nil && !slices.Equal(got, want) {
					err = fmt.Errorf("%+v, %d threads: other bits than by two transforms, by %g", c, threads, relative(got, want))
				}
				return err
			}
			if threads == 0 {
				must(t, check(nil))
			} else {
				onPool(t, threads, 0, check)
			}
		}
	}
}

// byTwoSteps convolves with a kernel of a spectrum by two transforms in natural order.
func byTwoSteps[T simd.Float](k *simd.FFTKernels[T], c cyclicShape, x, spec []T) ([]T, error) {
	y := make([]T, len(x))
	for _, step := range []struct {
		n1, n2 int
		dir    *direction[T]
	}{{c.n1, c.n2, forward[T]()}, {c.n2, c.n1, inverse(1 / T(c.n1*c.n2))}} {
		two, err := newTwoStep(nil, k, step.n1, step.n2)
		if err != nil {
			return nil, err
		}
		if err := two.run(nil, y, x, step.dir, make([]T, two.s), make([]T, 2*two.tile)); err != nil {
			return nil, err
		}
		if step.dir == forward[T]() {
			k.Mul(y, y, spec, c.n1*c.n2)
		}
		x = slices.Clone(y)
	}
	return y, nil
}

// convolved does the same by three sweeps.
func convolved[T simd.Float](w *pool.Worker, conv *cyclic[T], x, spec []T) ([]T, error) {
	c, lanes := conv.shape, conv.k.W*conv.shape.v
	dst, m := make([]T, len(x)), machineOf(conv.k)
	order := byColumnBlocks(spec, c.n1, c.n2, conv.k.W)
	each := func(do func(row, part []T), array []T) func(tile []T, at int, rest []T) {
		return func(tile []T, at int, _ []T) {
			for j1 := range c.n1 {
				do(tile[2*j1*lanes:][:2*lanes], array[2*(j1*c.n2+at):][:2*lanes])
			}
		}
	}
	ends := &cyclicEnds[T]{
		load:  each(func(row, part []T) { copy(row, part) }, x),
		times: func(tile []T, at int, rest []T) { order.times(conv.k, tile, at, rest) },
		store: each(func(row, part []T) { copy(part, row) }, dst),
	}
	var tasks *crew[T]
	if w != nil {
		tasks = &crew[T]{w: w, piece: MinPiece, space: &space[T]{need: need{task: m.cyclicTask(c)}, alloc: newTable[T], threads: 2}}
	}
	s := make([]T, conv.s+m.cyclicTask(c))
	return dst, conv.run(tasks, s[:conv.s], s[conv.s:], inverse(1/T(c.n1*c.n2)), ends)
}

// inOrder is a spectrum in natural order.
func inOrder[T simd.Float](c *columnSpectrum[T]) []T {
	all, block := make([]T, 2*c.n1*c.n2), make([]T, 2*c.width*c.n2)
	for k1 := 0; k1 < c.n1; k1 += c.width {
		if k1 < c.kept {
			copy(block, c.table[2*k1*c.n2:])
		} else {
			c.mirrored(block, k1, 0)
		}
		for k2 := range c.n2 {
			copy(all[2*(k1+c.n1*k2):], block[2*c.width*k2:][:2*c.width])
		}
	}
	return all
}

// TestColumnSpectrum: a spectrum in the order of blocks of columns has all numbers, those
// of which it keeps the mirror images too, and products with it have the bits of
// products in natural order.
func TestColumnSpectrum(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testColumnSpectrum[float32])
		t.Run("f64", testColumnSpectrum[float64])
	})
}

func testColumnSpectrum[T simd.Float](t *testing.T) {
	k, rng := simd.FFT[T](), newRand(174)
	for _, n := range [][2]int{{2, 5}, {4, 700}, {5, 33}, {8, 1}} {
		n1, n2 := n[0]*k.W, n[1]
		whole := normals[T](rng, 2*n1*n2)
		for i := 1; i < n1*n2-i; i++ {
			copy(whole[2*(n1*n2-i):][:2], whole[2*i:])
		}
		all := byColumnBlocks(whole, n1, n2, k.W)
		half := halfSpectrum[T](n1, n2, k.W)
		half.table = all.table[:2*half.kept*n2]
		if !slices.Equal(inOrder(&all), whole) || !slices.Equal(inOrder(&half), whole) {
			t.Errorf("%d x %d: a spectrum, or the half of it, is another", n1, n2)
		}
		for k1 := 0; k1 < n1; k1 += k.W {
			x := normals[T](rng, 2*k.W*n2)
			y, buf := slices.Clone(x), make([]T, evenReals)
			all.times(k, x, k1, buf)
			if half.times(k, y, k1, buf); !slices.Equal(x, y) {
				t.Errorf("%d x %d: products with columns from %d on of the half are others", n1, n2, k1)
			}
		}
	}
}
