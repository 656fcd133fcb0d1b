package fft

import (
	"math"

	"vgpu/kernels/simd"
)

// dd is an unevaluated sum of two float64, about 106 bits (Dekker 1971).
type dd struct{ hi, lo float64 }

func twoSum(a, b float64) dd {
	s := a + b
	t := s - a
	return dd{s, (a - (s - t)) + (b - t)}
}

func fastSum(a, b float64) dd {
	s := a + b
	return dd{s, b - (s - a)}
}

func (a dd) add(b dd) dd {
	s := twoSum(a.hi, b.hi)
	return fastSum(s.hi, s.lo+a.lo+b.lo)
}

func (a dd) neg() dd { return dd{-a.hi, -a.lo} }

func (a dd) mul(b dd) dd {
	p := float64(a.hi * b.hi) // the conversion keeps compilers from fusing it with a sum
	e := math.FMA(a.hi, b.hi, -p)
	return fastSum(p, e+(a.hi*b.lo+a.lo*b.hi))
}

// ratio is p/q to full precision; both must be exact in float64.
func ratio(p, q float64) dd {
	h := p / q
	return fastSum(h, math.FMA(-h, q, p)/q)
}

var (
	halfPi = dd{1.5707963267948966, 6.123233995736766e-17}
	// inverse factorials 1/k!
	invFact = func() (f [30]dd) {
		f[0] = dd{1, 0}
		for k := 1; k < len(f); k++ {
			f[k] = f[k-1].mul(ratio(1, float64(k)))
		}
		return f
	}()
)

// cdd is a complex number of two dd.
type cdd struct{ re, im dd }

func (a cdd) add(b cdd) cdd { return cdd{a.re.add(b.re), a.im.add(b.im)} }
func (a cdd) sub(b cdd) cdd { return a.add(cdd{b.re.neg(), b.im.neg()}) }

func (a cdd) mul(b cdd) cdd {
	return cdd{
		a.re.mul(b.re).add(a.im.mul(b.im).neg()),
		a.re.mul(b.im).add(a.im.mul(b.re)),
	}
}

// rootDD is exp(-2πi·k/n) by Taylor series in double-double, 0 <= k < n.
func rootDD(k, n int) cdd {
	quarter := (8*k + n) / (2 * n)
	x := ratio(float64(4*k-quarter*n), float64(n)).mul(halfPi) // |x| <= π/4
	x2 := x.mul(x).neg()
	c, s := invFact[28], invFact[29]
	for i := 26; i >= 0; i -= 2 {
		c = c.mul(x2).add(invFact[i])
		s = s.mul(x2).add(invFact[i+1])
	}
	s = s.mul(x)
	switch quarter % 4 {
	case 1:
		c, s = s.neg(), c
	case 2:
		c, s = c.neg(), s.neg()
	case 3:
		c, s = s, c.neg()
	}
	return cdd{c, s.neg()}
}

// roots makes the n-th roots of unity exp(-2πi·k/n) from two tables of about
// √n double-double entries and one product, so that each is rounded once, to
// within 2^-100 of the nearest number.
type roots struct {
	n, shift int
	low      []cdd // exp(-2πi·k/n), k < 1<<shift
	high     []cdd // exp(-2πi·(k<<shift)/n)
}

func newRoots(n int) *roots {
	r := &roots{n: n}
	for 1<<(2*r.shift) < n {
		r.shift++
	}
	r.low = make([]cdd, min(n, 1<<r.shift))
	for k := range r.low {
		r.low[k] = rootDD(k, n)
	}
	r.high = make([]cdd, (n-1)>>r.shift+1)
	for k := range r.high {
		r.high[k] = rootDD(k<<r.shift, n)
	}
	return r
}

// onAxis tells whether root k is ±1 or ±i. Divisions would take as long as the
// products do.
func (r *roots) onAxis(k int) bool { return k == 0 || 4*k == r.n || 2*k == r.n || 4*k == 3*r.n }

// at is exp(-2πi·k/n) in double precision, 0 <= k < n.
func (r *roots) at(k int) (re, im float64) {
	var z [2]float64
	r.double(z[:], []int{k})
	return z[0], z[1]
}

// double sets dst to the roots k of index in double precision, 0 <= k < n: one
// loop, because the calls of a function for each take as long as the products.
func (r *roots) double(dst []float64, index []int) {
	dst = dst[:2*len(index)]
	mask := 1<<r.shift - 1
	for i, k := range index {
		if r.onAxis(k) {
			dst[2*i], dst[2*i+1] = exactRoot(4 * k / r.n)
			continue
		}
		a, b := &r.high[k>>r.shift], &r.low[k&mask]
		// The sums of products, rounded once but for errors below 2^-100.
		p, q := float64(a.re.hi*b.re.hi), float64(a.im.hi*b.im.hi)
		pe := math.FMA(a.re.hi, b.re.hi, -p) + (a.re.hi*b.re.lo + a.re.lo*b.re.hi)
		qe := math.FMA(a.im.hi, b.im.hi, -q) + (a.im.hi*b.im.lo + a.im.lo*b.im.hi)
		s := twoSum(p, -q)
		dst[2*i] = s.hi + (s.lo + (pe - qe))

		p, q = float64(a.re.hi*b.im.hi), float64(a.im.hi*b.re.hi)
		pe = math.FMA(a.re.hi, b.im.hi, -p) + (a.re.hi*b.im.lo + a.re.lo*b.im.hi)
		qe = math.FMA(a.im.hi, b.re.hi, -q) + (a.im.hi*b.re.lo + a.im.lo*b.re.hi)
		s = twoSum(p, q)
		dst[2*i+1] = s.hi + (s.lo + (pe + qe))
	}
}

// exact is exp(-2πi·k/n) in double-double.
func (r *roots) exact(k int) cdd { return r.high[k>>r.shift].mul(r.low[k&(1<<r.shift-1)]) }

// transformDD is the transform of x, whose length is smooth and that of r's
// roots, in double-double: for tables, not for speed.
func transformDD(x []cdd, r *roots) []cdd {
	w := make([]cdd, r.n)
	for k := range w {
		w[k] = r.exact(k)
	}
	out := make([]cdd, len(x))
	recurseDD(out, x, 1, w)
	return out
}

// recurseDD transforms x[0], x[step], ... to out by decimation in time.
func recurseDD(out, x []cdd, step int, w []cdd) {
	n := len(out)
	if n == 1 {
		out[0] = x[0]
		return
	}
	p := 2
	for n%p != 0 {
		p++
	}
	m := n / p
	part := make([]cdd, n)
	for q := range p {
		recurseDD(part[q*m:(q+1)*m], x[q*step:], step*p, w)
	}
	for k := range m {
		if p == 2 {
			t := part[m+k].mul(w[k*step])
			out[k], out[m+k] = part[k].add(t), part[k].sub(t)
			continue
		}
		for j := k; j < n; j += m {
			sum := part[k]
			for q := 1; q < p; q++ {
				sum = sum.add(part[q*m+k].mul(w[q*j%n*step]))
			}
			out[j] = sum
		}
	}
}

// at32 is at with an error of about 2^-52, enough to be rounded to float32.
func (r *roots) at32(k int) (re, im float64) {
	if r.onAxis(k) {
		return exactRoot(4 * k / r.n)
	}
	h, l := &r.high[k>>r.shift], &r.low[k&(1<<r.shift-1)]
	return h.re.hi*l.re.hi - h.im.hi*l.im.hi, h.re.hi*l.im.hi + h.im.hi*l.re.hi
}

func exactRoot(quarter int) (re, im float64) {
	return [4]float64{1, 0, -1, 0}[quarter], [4]float64{0, -1, 0, 1}[quarter]
}

// isSingle tells whether T is float32.
func isSingle[T simd.Float]() bool {
	var z T
	_, ok := any(z).(float32)
	return ok
}

// rootAt is exp(-2πi·k/n), rounded to T.
func rootAt[T simd.Float](r *roots, k int) (re, im T) {
	if isSingle[T]() {
		c, s := r.at32(k)
		return T(c), T(s)
	}
	c, s := r.at(k)
	return T(c), T(s)
}

// rootChunk is how many roots are made at a time.
const rootChunk = 128

// rootsAt sets dst to the roots at index, rounded to T.
func rootsAt[T simd.Float](r *roots, dst []T, index []int) {
	if d, ok := any(dst).([]float64); ok {
		r.double(d, index)
		return
	}
	for i, k := range index {
		c, s := r.at32(k)
		dst[2*i], dst[2*i+1] = T(c), T(s)
	}
}
