package fft

import (
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// rader is the transform of a prime length p as a cyclic convolution of
// length p-1 (Rader 1968), used where p-1 is smooth: with a generator g of the
// multiplicative group, a[q] = x[g^q] and b[q] = exp(-2πi·g^-q/p),
//
//	y[0] = Σ x[j],   y[g^-q] = x[0] + (a * b)[q].
type rader[T simd.Float] struct {
	p     int
	inner *line[T]
	in    []int32 // g^q
	out   []int32 // g^-q
	spec  []T     // transform of b, divided by p-1
}

func newRader[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], p int) (*rader[T], error) {
	m := p - 1
	inner, err := planned(w, k, m)
	if err != nil {
		return nil, err
	}
	r := &rader[T]{p: p, inner: inner, in: make([]int32, m), out: make([]int32, m), spec: newTable[T](2 * m)}
	g, half := generator(p), m/2
	err = tabulate(w, half, func(lo, hi int) {
		v := powMod(g, lo, p)
		for q := lo; q < hi; q++ { // g^half is -1
			r.in[q], r.in[q+half] = int32(v), int32(p-v)
			r.out[(m-q)%m], r.out[half-q] = int32(v), int32(p-v)
			v = v * g % p
		}
	})
	if err != nil {
		return nil, err
	}
	b := twinKernel{
		count: half, sign: -1,
		root: func(q int) int { return int(r.out[q]) },
		twin: func(q int) int { return q + half },
	}
	if err := spectrum(w, k, r.spec, m, newRoots(p), b); err != nil {
		return nil, err
	}
	return r, r.symmetrize(w)
}

// symmetrize takes the mean of what is known twice: g^((p-1)/2) = -1 makes the
// second half of the kernel the conjugate of the first, so that elements k and
// -k of the spectrum are conjugate for even k, and for odd k up to the sign.
func (r *rader[T]) symmetrize(w *pool.Worker) error {
	m := r.p - 1
	return tabulate(w, (m-1)/2, func(lo, hi int) {
		for i := lo + 1; i <= hi; i++ {
			j, sign := m-i, T(1)
			if i%2 == 1 {
				sign = -1
			}
			re, im := (r.spec[2*i]+sign*r.spec[2*j])/2, (r.spec[2*i+1]-sign*r.spec[2*j+1])/2
			r.spec[2*i], r.spec[2*i+1] = re, im
			r.spec[2*j], r.spec[2*j+1] = sign*re, -sign*im
		}
	})
}

// run transforms src to dst, which may be the same; dir as in [line.run].
func (r *rader[T]) run(c *crew[T], k *simd.FFTKernels[T], dst, src []T, dir *direction[T], scratch []T) error {
	m := r.p - 1
	x, y, rest := scratch[:2*m], scratch[2*m:4*m], scratch[4*m:]
	re, im, scale := 0, 1, T(1)
	if dir.in == simd.Swapped {
		re, im, scale = 1, 0, dir.scale[0]
	}
	err := c.over(m, func(lo, hi int) {
		for q, v := range r.in[lo:hi] {
			o := 2 * (lo + q)
			x[o], x[o+1] = src[2*int(v)+re], src[2*int(v)+im]
		}
	})
	if err != nil {
		return err
	}
	x0r, x0i := src[re], src[im]
	if err := r.inner.run(c, k, y, x, forward[T](), rest); err != nil {
		return err
	}
	sumR, sumI := x0r+y[0], x0i+y[1] // y[0] is the sum of all other points
	if err := c.over(m, func(lo, hi int) { k.Mul(y[2*lo:], y[2*lo:], r.spec[2*lo:], hi-lo) }); err != nil {
		return err
	}
	y[0] += x0r // adds x[0] to every output
	y[1] += x0i
	if err := r.inner.run(c, k, x, y, inverse[T](1), rest); err != nil {
		return err
	}
	dst[re], dst[im] = sumR*scale, sumI*scale
	return c.over(m, func(lo, hi int) {
		for q, v := range r.out[lo:hi] {
			o := 2 * (lo + q)
			dst[2*int(v)+re], dst[2*int(v)+im] = x[o]*scale, x[o+1]*scale
		}
	})
}

// generator is the least primitive root of a prime p.
func generator(p int) int {
	var factors []int
	n := p - 1
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			factors = append(factors, d)
			for n%d == 0 {
				n /= d
			}
		}
	}
	if n > 1 {
		factors = append(factors, n)
	}
next:
	for g := 1; ; g++ {
		for _, f := range factors {
			if powMod(g, (p-1)/f, p) == 1 && p > 2 {
				continue next
			}
		}
		return g
	}
}

func powMod(b, e, m int) int {
	r := 1
	for b %= m; e > 0; e >>= 1 {
		if e&1 == 1 {
			r = r * b % m
		}
		b = b * b % m
	}
	return r
}
