package fft

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// against compares a forward and an inverse transform of a line with the
// oracle, within four times the bound: decompositions are tried that nobody
// would choose.
func against[T simd.Float](t *testing.T, what string, n int, x []T, forwardRun, inverseRun func(dst, src []T)) {
	t.Helper()
	want, y := exactly(x[:2*n]), make([]T, 2*n)
	forwardRun(y, x)
	if e, bound := relative(y, want), 4*errorBound[T](n); !(e <= bound) {
		t.Errorf("%s: error %.3g > %.3g", what, e, bound)
	}
	inverseRun(y, y) // in place, times 1/n
	if e, bound := relative(y, x[:2*n]), 8*errorBound[T](n); !(e <= bound) {
		t.Errorf("%s: there and back in place: %.3g > %.3g", what, e, bound)
	}
}

// exactly is the oracle's transform, rounded to T.
func exactly[T simd.Float](x []T) []T {
	wide, out := make([]float64, len(x)), make([]T, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	for k, z := range exactTransform(wide) {
		out[2*k], out[2*k+1] = T(z.re.hi), T(z.im.hi)
	}
	return out
}

// TestEverySplit: two-step transforms are right for all factors, whatever is
// left over of blocks, fused or not, with whole tables or factored ones.
func TestEverySplit(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testEverySplit[float32])
		t.Run("f64", testEverySplit[float64])
	})
}

func testEverySplit[T simd.Float](t *testing.T) {
	rng, k := newRand(41), simd.FFT[T]()
	firsts := []int{2, 3, 5, 8, 11, 13, 15, 16, 20, 25, 32, 33, 48, 64, 91, 120, 128}
	seconds := []int{k.W, k.W + 4, 2*k.W + 1, 24, 35, 45, 64, 77, 130, 169}
	for _, n1 := range firsts {
		for _, n2 := range seconds {
			if !smooth(n2) || n2 < k.W || n1*n2 > 1000 && (n1+n2)%8 > 0 {
				continue
			}
			s, err := newTwoStep(nil, k, n1, n2)
			must(t, err)
			checkSplit(t, s, normals[T](rng, 2*n1*n2))
		}
	}
	for _, c := range [][2]int{{150, 154}, {16, 1100}, {64, 420}, {1000, 18}, {50, 512}} { // factored tables
		if c[1] >= k.W {
			s, err := newTwoStep(nil, k, c[0], c[1])
			must(t, err)
			checkSplit(t, s, normals[T](rng, 2*c[0]*c[1]))
		}
	}
}

// checkSplit runs a split on one thread, then with streaming stores.
func checkSplit[T simd.Float](t *testing.T, s *twoStep[T], x []T) {
	t.Helper()
	n := s.n1 * s.n2
	mid, tiles := make([]T, s.s), make([]T, 2*s.tile)
	run := func(dir *direction[T]) func(dst, src []T) {
		return func(dst, src []T) {
			if err := s.run(nil, dst, src, dir, mid, tiles); err != nil {
				t.Error(err)
			}
		}
	}
	what := fmt.Sprintf("%d=%dx%d (v %d, %d; fused %v)", n, s.n1, s.n2, s.v1, s.v2, s.fused)
	back := run(inverse(1 / T(n)))
	against(t, what, n, x, run(forward[T]()), back)
	if s.u == nil || s.n1 < s.k.W {
		return
	}
	plain, streamed := make([]T, 2*n), make([]T, 2*n)
	run(forward[T]())(plain, x)
	s.stream = [2]bool{true, true}
	run(forward[T]())(streamed, x)
	if !slices.Equal(plain, streamed) {
		t.Errorf("%s: stores past the caches give other bits", what)
	}
}

// TestBlocksTogether: the second sweep has the same bits however many blocks it takes
// together, whatever is left over.
func TestBlocksTogether(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testBlocksTogether[float32])
		t.Run("f64", testBlocksTogether[float64])
	})
}

func testBlocksTogether[T simd.Float](t *testing.T) {
	rng, k := newRand(45), simd.FFT[T]()
	for _, c := range [][2]int{{150, 154}, {64, 420}, {50, 512}, {k.W, 5000}} {
		s, err := newTwoStep(nil, k, c[0], c[1])
		must(t, err)
		n := s.n1 * s.n2
		s.v2, s.between, s.step = 1, s.n2*2*k.W, 2*k.W
		s.tile = 2 * k.W * max(s.v1*roundUp(s.n1, k.W), 5*s.n2)
		x, mid, tiles := normals[T](rng, 2*n), make([]T, s.s), make([]T, 2*s.tile)
		var want []T
		for _, wide := range []int{1, 2, 3, 5} {
			s.wide = wide
			y := make([]T, 2*n)
			must(t, s.run(nil, y, x, inverse(T(0.5)), mid, tiles))
			if wide == 1 {
				want = y
			} else if !slices.Equal(y, want) {
				t.Errorf("%dx%d: %d blocks together have other bits", s.n1, s.n2, wide)
			}
		}
	}
}

// TestFarRows: rows that lie far apart, and are asked for ahead, have the bits of near ones.
func TestFarRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testFarRows[float32])
		t.Run("f64", testFarRows[float64])
	})
}

func testFarRows[T simd.Float](t *testing.T) {
	rng, k := newRand(46), simd.FFT[T]()
	const v, far = 3, 2 * farBytes
	row := 2 * k.W * v
	for _, n := range []int{2, 8, 15, 64, 91, 128} {
		c := newCol(k, n)
		x, apart := normals[T](rng, n*row), make([]T, (n-1)*far+row)
		for i := range n {
			copy(apart[i*far:], x[i*row:(i+1)*row])
		}
		for _, layout := range []simd.FFTLayout{simd.Interleaved, simd.Swapped} {
			y, z := make([]T, n*row), make([]T, n*row)
			a, b := make([]T, n*row), make([]T, n*row)
			c.exec(&rows[T]{buf: y, pitch: row, layout: layout}, &rows[T]{buf: x, pitch: row, layout: layout}, v, []T{2}, a, b)
			c.exec(&rows[T]{buf: z, pitch: row, layout: layout}, &rows[T]{buf: apart, pitch: far, layout: layout, memory: true}, v, []T{2}, a, b)
			if !slices.Equal(y, z) {
				t.Errorf("%d rows, ends %d: far ones have other bits", n, layout)
			}
		}
	}
}

// TestEveryTile: tile transforms of every smooth length, for each kind of end.
func TestEveryTile(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testEveryTile[float32])
		t.Run("f64", testEveryTile[float64])
	})
}

func testEveryTile[T simd.Float](t *testing.T) {
	rng, k := newRand(42), simd.FFT[T]()
	for n := 2; n <= 130; n++ {
		if smooth(n) {
			checkTile(t, newCol(k, n), rng.IntN(2)+1, normals[T](rng, 4*n*2*k.W))
		}
	}
}

// checkTile transforms v vectors a row and looks at three lanes.
func checkTile[T simd.Float](t *testing.T, c *col[T], v int, x []T) {
	t.Helper()
	w := c.k.W
	row := 2 * w * v
	a, b := make([]T, c.n*row), make([]T, c.n*row)
	lane := func(buf []T, l simd.FFTLayout, at int) []T { // lane number at of all rows
		out := make([]T, 2*c.n)
		vec, in := at/w*2*w, at%w
		re, im := vec+2*in, vec+2*in+1
		switch l {
		case simd.Planar:
			re, im = vec+in, vec+w+in
		case simd.Swapped:
			re, im = im, re
		}
		for i := range c.n {
			out[2*i], out[2*i+1] = buf[i*row+re], buf[i*row+im]
		}
		return out
	}
	layouts := []simd.FFTLayout{simd.Planar, simd.Interleaved, simd.Swapped}
	for _, in := range layouts {
		for _, out := range layouts {
			dst := make([]T, c.n*row)
			c.exec(&rows[T]{buf: dst, pitch: row, layout: out}, &rows[T]{buf: x, pitch: row, layout: in}, v, []T{1}, a, b)
			for _, at := range []int{0, w - 1, v*w - 1} {
				got, src := lane(dst, out, at), lane(x, in, at)
				want := exactly(src)
				if e, bound := relative(got, want), 3*errorBound[T](c.n); !(e <= bound) {
					t.Errorf("n=%d %v v=%d, ends %d and %d, lane %d: error %.3g > %.3g", c.n, c.radix, v, in, out, at, e, bound)
				}
			}
		}
	}
}

// TestConvolutionMethods: Bluestein's and Rader's methods are right for all
// lengths that they can take, not only those that are given to them.
func TestConvolutionMethods(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		t.Run("f32", testConvolutionMethods[float32])
		t.Run("f64", testConvolutionMethods[float64])
	})
}

func testConvolutionMethods[T simd.Float](t *testing.T) {
	rng, k := newRand(43), simd.FFT[T]()
	m := machineOf(k)
	for n := 2; n <= 150; n++ {
		x := normals[T](rng, 2*n)
		b, err := newBluestein(nil, k, n)
		must(t, err)
		scratch := make([]T, 4*b.inner.n+b.inner.scratchLen())
		against(t, fmt.Sprintf("bluestein %d", n), n, x,
			func(dst, src []T) { _ = b.run(nil, k, dst, src, forward[T](), scratch) },
			func(dst, src []T) { _ = b.run(nil, k, dst, src, inverse(1/T(n)), scratch) })
		if !isPrime(n) || n < 3 || !smooth(n-1) {
			continue
		}
		r, err := newRader(nil, k, n)
		must(t, err)
		scratch = make([]T, 4*n+m.scratch(n-1))
		against(t, fmt.Sprintf("rader %d", n), n, x,
			func(dst, src []T) { _ = r.run(nil, k, dst, src, forward[T](), scratch) },
			func(dst, src []T) { _ = r.run(nil, k, dst, src, inverse(1/T(n)), scratch) })
		d := newDirect[T](n)
		against(t, fmt.Sprintf("direct %d", n), n, x,
			func(dst, src []T) { d.run(dst, src, forward[T](), make([]T, 2*n)) },
			func(dst, src []T) { d.run(dst, src, inverse(1/T(n)), make([]T, 2*n)) })
	}
}

// TestKernelSpectra: the spectrum of a convolution's kernel is the oracle's,
// rounded: twice as precise as a transform would have it.
func TestKernelSpectra(t *testing.T) {
	k := simd.FFT[float64]()
	for _, n := range []int{67, 163, 500, 1009} {
		b, err := newBluestein(nil, k, n)
		must(t, err)
		m := b.inner.n
		x := make([]float64, 2*m)
		r := newRoots(2 * n)
		for j := range n {
			z := r.exact(j * j % (2 * n))
			for _, at := range []int{j, (m - j) % m} {
				x[2*at], x[2*at+1] = z.re.hi, -z.im.hi
			}
		}
		want := make([]float64, 2*m)
		for i, z := range exactTransform(x) {
			want[2*i], want[2*i+1] = z.re.hi/float64(m), z.im.hi/float64(m)
		}
		if e := relative(b.spec.table, want); e > 0x1p-52 {
			t.Errorf("n=%d: the spectrum is off by %.3g", n, e)
		}
	}
}

// TestMethods: which way a length goes, at the borders.
func TestMethods(t *testing.T) {
	m := machine{w: 16, size: 4, maxPow2: 16, cost: &costsAVX512, fused: true, wholes: true}
	for n, want := range map[int]method{
		1: methodCopy, 2: methodTile, 13: methodTile, 17: methodDirect, 61: methodDirect, 59: methodDirect, 34: methodDirect,
		62: methodBluestein, 67: methodRader, 83: methodBluestein, 256: methodTwoStep, 512: methodTwoStep, 1 << 20: methodTwoStep, 1000: methodTwoStep,
		39367: methodBluestein, // 2·3^9 + 1 is prime, but nine passes would miss the bound
		65537: methodRader, 163841: methodRader, 786433: methodBluestein, 1000003: methodBluestein, 17 * 17: methodBluestein, 13 * 13 * 13: methodTwoStep,
	} {
		if methodFor(n, m) != want {
			t.Errorf("n=%d goes by %s, want %s", n, methodFor(n, m), want)
		}
	}
}

// TestWholesAreRoutines: a line is one routine where there is one for it.
func TestWholesAreRoutines(t *testing.T) {
	for _, isa := range levels() {
		wholesAreRoutines(t, simd.FFTFor[float32](isa))
		wholesAreRoutines(t, simd.FFTFor[float64](isa))
	}
}

func wholesAreRoutines[T simd.Float](t *testing.T, k *simd.FFTKernels[T]) {
	m := machineOf(k)
	for n := 1; n <= allUpTo; n++ {
		there := k.Packed[n][0] != nil || k.Whole[n][0] != nil
		if k.ISA != simd.Generic && m.whole(n) != there {
			t.Errorf("%s, %T: %d points are one routine: %v; there is one: %v", k.ISA, T(0), n, m.whole(n), there)
		}
		if n1 := m.wholeColumns(n); n1 > 0 && mustPlan(k, n).two.n1 != n1 {
			t.Errorf("%s, %T: %d points are planned by columns of %d, not %d", k.ISA, T(0), n, mustPlan(k, n).two.n1, n1)
		}
	}
}

// TestSplits: the chosen factors multiply to n, and the second fills a vector.
func TestSplits(t *testing.T) {
	for _, m := range []machine{{16, 4, 16, true, true, &costsAVX512}, {8, 8, 16, true, false, &costsAVX512}, {8, 4, 16, true, true, &costsAVX2}, {4, 8, 8, true, true, &costsAVX2}, {8, 4, 8, false, false, &costsAVX512}, {4, 8, 8, false, false, &costsAVX512}} {
		for n := 2; n < 20000; n++ {
			if !smooth(n) {
				continue
			}
			n1, n2, ok := split(n, m)
			if ok && (n1*n2 != n || n2 < m.w || n1 < 2) {
				t.Fatalf("%+v: %d = %d x %d", m, n, n1, n2)
			}
			if !ok && n >= 2*m.w*13 {
				t.Fatalf("%+v: no split of %d", m, n)
			}
		}
		for e := 18; e <= 26; e++ { // where memory decides, tiles stay in the second cache
			n1, n2, _ := split(1<<e, m)
			if max(n1, n2)*2*m.w*m.size > 2<<20 || max(n1, n2)/min(n1, n2) > 64 {
				t.Errorf("%+v: 2^%d = %d x %d", m, e, n1, n2)
			}
			if v1, v2 := m.widths(n1, n2); v1 > m.cost.long || v1 > 1 && v1*n1*2*m.w*m.size > m.cost.columnTile || v2 != 1 {
				t.Errorf("2^%d: blocks of %d and %d vectors", e, v1, v2)
			}
		}
	}
}

// TestThreadsOnLines: a long line has the same bits on one thread, on three,
// and on the calling goroutine, by every method.
func TestThreadsOnLines(t *testing.T) {
	t.Run("f32", testThreadsOnLines[float32])
	t.Run("f64", testThreadsOnLines[float64])
}

func testThreadsOnLines[T simd.Float](t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	rng := newRand(44)
	for _, n := range []int{1 << 17, 1 << 18, 150000, 147457, 131071, 200003} {
		plan, err := NewPlan[T](nil, []int{n}, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		x, scratch := normals[T](rng, 2*n), make([]T, plan.Scratch())
		alone, together := make([]T, 2*n), make([]T, 2*n)
		for _, inv := range []bool{false, true} {
			do := func(w *pool.Worker, dst []T) error {
				if inv {
					return plan.Inverse(w, dst, x, 0.25, scratch)
				}
				return plan.Forward(w, dst, x, scratch)
			}
			if err := do(nil, alone); err != nil {
				t.Fatal(err)
			}
			if err := p.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error { return do(w, together) }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(alone, together) {
				t.Errorf("n=%d (%s) inverse=%v: other bits on three threads", n, mustPlan(simd.FFT[T](), n).method, inv)
			}
		}
	}
}
