package fft

import "vgpu/kernels/simd"

// directMax is the longest length with a prime factor above 13 that is summed
// by the definition: below it the convolution methods cost more.
const directMax = 61

// direct is the transform by the definition, with the sums and differences of
// mirrored points, which halves the products and keeps the error of a sum of n
// terms near that of n/2.
type direct[T simd.Float] struct {
	n        int
	cos, sin []T
}

func newDirect[T simd.Float](n int) *direct[T] {
	d := &direct[T]{n: n, cos: make([]T, n), sin: make([]T, n)}
	r := newRoots(n)
	for k := range n {
		c, s := rootAt[T](r, k)
		d.cos[k], d.sin[k] = c, -s
	}
	return d
}

// run transforms src to dst, which may be the same.
func (d *direct[T]) run(dst, src []T, dir *direction[T], x []T) {
	n, h := d.n, (d.n-1)/2
	re, im, scale := 0, 1, T(1)
	if dir.in == simd.Swapped {
		re, im, scale = 1, 0, dir.scale[0]
	}
	x[0], x[1] = src[re], src[im]
	for k := 1; k <= h; k++ { // sums at k, differences at n-k
		a, b := 2*k, 2*(n-k)
		x[a], x[b] = src[a+re]+src[b+re], src[a+re]-src[b+re]
		x[a+1], x[b+1] = src[a+im]+src[b+im], src[a+im]-src[b+im]
	}
	if n%2 == 0 {
		x[n], x[n+1] = src[n+re], src[n+im]
	}
	for j := 0; j <= n/2; j++ {
		cr, ci, sr, si := d.sums(x, j)
		dst[2*j+re], dst[2*j+im] = (cr+sr)*scale, (ci-si)*scale
		if j > 0 && 2*j < n {
			dst[2*(n-j)+re], dst[2*(n-j)+im] = (cr-sr)*scale, (ci+si)*scale
		}
	}
}

// sums gives the cosine and sine halves of output j.
func (d *direct[T]) sums(x []T, j int) (cr, ci, sr, si T) {
	n, h := d.n, (d.n-1)/2
	t := 0
	for k := 1; k <= h; k++ {
		if t += j; t >= n {
			t -= n
		}
		c, s := d.cos[t], d.sin[t]
		cr += c * x[2*k]
		ci += c * x[2*k+1]
		sr += s * x[2*(n-k)+1]
		si += s * x[2*(n-k)]
	}
	cr, ci = x[0]+cr, x[1]+ci
	if n%2 == 0 {
		if j%2 == 1 {
			return cr - x[n], ci - x[n+1], sr, si
		}
		return cr + x[n], ci + x[n+1], sr, si
	}
	return cr, ci, sr, si
}
