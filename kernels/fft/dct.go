package fft

import (
	"math"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// trig is the plan of one cosine or sine transform of a real line of n
// points, of kind 1 to 4. Sums are scipy's, without factors:
//
//	DCT-I    y[k] = x[0] + (-1)^k·x[n-1] + 2·Σ_{0<i<n-1} x[i]·cos(π·k·i/(n-1))
//	DCT-II   y[k] = 2·Σ x[i]·cos(π·k·(2i+1)/2n)
//	DCT-III  y[k] = x[0] + 2·Σ_{i>0} x[i]·cos(π·(2k+1)·i/2n)
//	DCT-IV   y[k] = 2·Σ x[i]·cos(π·(2k+1)·(2i+1)/4n)
//	DST-I    y[k] = 2·Σ x[i]·sin(π·(k+1)·(i+1)/(n+1))
//	DST-II   y[k] = 2·Σ x[i]·sin(π·(k+1)·(2i+1)/2n)
//	DST-III  y[k] = (-1)^k·x[n-1] + 2·Σ_{i<n-1} x[i]·sin(π·(2k+1)·(i+1)/2n)
//	DST-IV   y[k] = 2·Σ x[i]·sin(π·(2k+1)·(2i+1)/4n)
//
// DST-II to IV are the DCT of the same kind with alternating signs at one end
// and the order reversed at the other.
type trig[T simd.Float] struct {
	n, kind int
	sine    bool
	ortho   bool // first and last terms are weighted
	scale   T

	*trigTables[T]
}

// trigTables is what trigs of a length and kind share. It is immutable.
type trigTables[T simd.Float] struct {
	real *realLine[T] // kinds 1 to 3
	full *line[T]     // kind 4: of n/2 points, or 2n if n is odd
	tw   []T          // kinds 2 to 4: exp(-πi·k/2n), or as dct4 needs
	post []T          // kind 4
}

// logical is the length N of the transform's period, by which norms divide.
func logical(n, kind int, sine bool) int {
	switch {
	case kind != 1:
		return 2 * n
	case sine:
		return 2 * (n + 1)
	}
	return 2 * (n - 1)
}

func newTrig[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n, kind int, sine, ortho bool, scale float64) (*trig[T], error) {
	of := trigPlans + planKind(kind)
	if sine && kind == 1 { // the others share theirs with the cosine
		of += 4
	}
	tables, err := cached(&plans, planKey{of, n, 0, isSingle[T](), k.ISA}, func() (*trigTables[T], error) { return newTrigTables(w, k, n, kind, sine) })
	return &trig[T]{n: n, kind: kind, sine: sine, ortho: ortho, scale: T(scale), trigTables: tables}, err
}

func newTrigTables[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n, kind int, sine bool) (t *trigTables[T], err error) {
	t = &trigTables[T]{}
	switch kind {
	case 1:
		t.real, err = plannedReal(w, k, logical(n, 1, sine))
	case 4:
		err = t.initFour(w, k, n)
	default:
		if t.real, err = plannedReal(w, k, n); err == nil {
			t.tw, err = rootRow[T](w, 4*n, n/2+1, 1, 0)
		}
	}
	return t, err
}

func (t *trigTables[T]) bytes() int {
	n := entryBytes + tableBytes(t.tw, t.post)
	if t.real != nil {
		n += t.real.bytes()
	}
	if t.full != nil {
		n += t.full.bytes()
	}
	return n
}

// rootRow is the row of count numbers exp(-2πi·(k·step+first)/n).
func rootRow[T simd.Float](w *pool.Worker, n, count, step, first int) ([]T, error) {
	r, out := newRoots(n), newTable[T](2*count)
	return out, tabulate(w, count, func(lo, hi int) {
		for k := lo; k < hi; k++ {
			out[2*k], out[2*k+1] = rootAt[T](r, (k*step+first)%n)
		}
	})
}

// initFour: an even n packs pairs into n/2 complex points, turned by
// exp(-πi(4j+1)/4n) before and exp(-πi·k/n) after; an odd n is zero-padded to 2n.
func (t *trigTables[T]) initFour(w *pool.Worker, k *simd.FFTKernels[T], n int) (err error) {
	inner, tw, post := 2*n, [4]int{4 * n, n, 1, 0}, [4]int{8 * n, n, 2, 1}
	if n%2 == 0 {
		inner, tw, post = n/2, [4]int{8 * n, n / 2, 4, 1}, [4]int{2 * n, n / 2, 1, 0}
	}
	if t.full, err = planned(w, k, inner); err != nil {
		return err
	}
	if t.tw, err = rootRow[T](w, tw[0], tw[1], tw[2], tw[3]); err != nil {
		return err
	}
	t.post, err = rootRow[T](w, post[0], post[1], post[2], post[3])
	return err
}

// run transforms n reals of src to dst, which may be the same.
func (t *trig[T]) run(c *crew[T], k *simd.FFTKernels[T], dst, src, scratch []T) error {
	x, rest := scratch[:t.n], scratch[t.n:]
	t.prepare(x, src)
	y := dst[:t.n]
	var err error
	switch t.kind {
	case 1:
		err = t.first(c, k, y, x, rest)
	case 2:
		err = t.second(c, k, y, x, rest)
	case 3:
		err = t.third(c, k, y, x, rest)
	default:
		err = t.fourth(c, k, y, x, rest)
	}
	t.finish(y)
	return err
}

// prepare copies src to x, with the signs, order and weights of the kind.
func (t *trig[T]) prepare(x, src []T) {
	copy(x, src[:t.n])
	if t.ortho {
		switch {
		case t.kind == 1 && !t.sine:
			x[0] *= math.Sqrt2
			x[t.n-1] *= math.Sqrt2
		case t.kind == 3:
			x[0] *= math.Sqrt2
		}
	}
	switch {
	case t.sine && t.kind == 2:
		alternate(x)
	case t.sine && t.kind > 2:
		reverse(x)
	}
}

// finish turns the cosine transform's output into the sine's, and scales.
func (t *trig[T]) finish(y []T) {
	switch {
	case t.sine && t.kind == 2:
		reverse(y)
	case t.sine && t.kind > 2:
		alternate(y)
	}
	if t.ortho {
		switch {
		case t.kind == 1 && !t.sine:
			y[0] *= math.Sqrt2 / 2
			y[t.n-1] *= math.Sqrt2 / 2
		case t.kind == 2:
			y[0] *= math.Sqrt2 / 2
		}
	}
	scaleReals(y, t.scale)
}

func alternate[T simd.Float](x []T) {
	for i := 1; i < len(x); i += 2 {
		x[i] = -x[i]
	}
}

func reverse[T simd.Float](x []T) {
	for i, j := 0, len(x)-1; i < j; i, j = i+1, j-1 {
		x[i], x[j] = x[j], x[i]
	}
}

// first is the transform of the even (odd for the sine) extension.
func (t *trig[T]) first(c *crew[T], k *simd.FFTKernels[T], y, x, scratch []T) error {
	n := t.real.n
	ext, out, rest := scratch[:n], scratch[n:2*n+2], scratch[2*n+2:]
	if t.sine {
		ext[0], ext[n/2] = 0, 0
		for i, v := range x {
			ext[i+1], ext[n-1-i] = v, -v
		}
	} else {
		copy(ext, x)
		for i := 1; i < t.n-1; i++ {
			ext[n-i] = x[i]
		}
	}
	if err := t.real.forward(c, k, out, ext, rest); err != nil {
		return err
	}
	for i := range y {
		if t.sine {
			y[i] = -out[2*i+3]
		} else {
			y[i] = out[2*i]
		}
	}
	return nil
}

// second is Makhoul's algorithm (IEEE ASSP 28, 1980): the even points, then
// the odd ones backwards, and a turn.
func (t *trig[T]) second(c *crew[T], k *simd.FFTKernels[T], y, x, scratch []T) error {
	n := t.n
	v, out, rest := scratch[:n], scratch[n:2*n+2], scratch[2*n+2:]
	for i := range n {
		if i%2 == 0 {
			v[i/2] = x[i]
		} else {
			v[n-1-i/2] = x[i]
		}
	}
	if err := t.real.forward(c, k, out, v, rest); err != nil {
		return err
	}
	y[0] = 2 * out[0]
	for i := 1; i <= n/2; i++ {
		re, im, c, s := out[2*i], out[2*i+1], t.tw[2*i], t.tw[2*i+1]
		y[n-i] = -2 * (re*s + im*c)
		y[i] = 2 * (re*c - im*s)
	}
	return nil
}

// third is second backwards.
func (t *trig[T]) third(c *crew[T], k *simd.FFTKernels[T], y, x, scratch []T) error {
	n := t.n
	v, in, rest := scratch[:n], scratch[n:2*n+2], scratch[2*n+2:]
	in[0], in[1] = x[0], 0
	for i := 1; i <= n/2; i++ {
		re, im, c, s := x[i], -x[n-i], t.tw[2*i], -t.tw[2*i+1]
		in[2*i], in[2*i+1] = re*c-im*s, re*s+im*c
	}
	if err := t.real.inverse(c, k, v, in, inverse(T(1)), rest); err != nil {
		return err
	}
	for i := range n {
		if i%2 == 0 {
			y[i] = v[i/2]
		} else {
			y[i] = v[n-1-i/2]
		}
	}
	return nil
}

func (t *trig[T]) fourth(c *crew[T], k *simd.FFTKernels[T], y, x, scratch []T) error {
	m := t.full.n
	z, rest := scratch[:2*m], scratch[2*m:]
	if t.n%2 == 1 {
		for i, v := range x {
			z[2*i], z[2*i+1] = v*t.tw[2*i], v*t.tw[2*i+1]
		}
		clear(z[2*t.n:])
	} else {
		for i := range m {
			re, im, c, s := x[2*i], x[t.n-1-2*i], t.tw[2*i], t.tw[2*i+1]
			z[2*i], z[2*i+1] = re*c-im*s, re*s+im*c
		}
	}
	if err := t.full.run(c, k, z, z, forward[T](), rest); err != nil {
		return err
	}
	if t.n%2 == 1 {
		for i := range y {
			y[i] = 2 * (z[2*i]*t.post[2*i] - z[2*i+1]*t.post[2*i+1])
		}
		return nil
	}
	for i := range m {
		re, im, c, s := z[2*i], z[2*i+1], t.post[2*i], t.post[2*i+1]
		y[2*i] = 2 * (re*c - im*s)
		y[t.n-1-2*i] = -2 * (re*s + im*c)
	}
	return nil
}
