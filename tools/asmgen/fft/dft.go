package fft

import "math"

// pair is a vector of complex numbers, planar.
type pair struct{ re, im *value }

// dft adds the DFT of r points to the program. Small powers of two are
// radix-4 trees whose inner twiddles are folded into multiply-adds (in the
// manner of Linzer and Feig, IEEE Trans. SP 41, 1993); odd primes take the
// sums and differences of mirrored points.
func (t *target) dft(x []pair) []pair {
	switch len(x) {
	case 2:
		return []pair{t.sum(x[0], x[1]), t.diff(x[0], x[1])}
	case 4:
		return t.dft4(x, [4]float64{1, 1, 1, 1})
	case 8:
		return t.tree(x, 2)
	case 16:
		return t.tree(x, 4)
	case 32:
		return t.tree(x, 8)
	}
	return t.odd(x)
}

func (t *target) sum(a, b pair) pair  { return pair{t.add(a.re, b.re), t.add(a.im, b.im)} }
func (t *target) diff(a, b pair) pair { return pair{t.sub(a.re, b.re), t.sub(a.im, b.im)} }

// dft4 is the DFT of c[i]·x[i]; c[0] is 1, |c[1]| and |c[3]| may be any.
func (t *target) dft4(x []pair, c [4]float64) []pair {
	scaled := func(a pair, k float64, b pair) pair {
		return pair{t.addScaled(a.re, k, b.re), t.addScaled(a.im, k, b.im)}
	}
	s, d := scaled(x[0], c[2], x[2]), scaled(x[0], -c[2], x[2])
	q := c[3] / c[1]
	u, v := scaled(x[1], q, x[3]), scaled(x[1], -q, x[3])
	return []pair{
		scaled(s, c[1], u),
		{t.addScaled(d.re, c[1], v.im), t.addScaled(d.im, -c[1], v.re)}, // d - i·c·v
		scaled(s, -c[1], u),
		{t.addScaled(d.re, -c[1], v.im), t.addScaled(d.im, c[1], v.re)},
	}
}

// tree is the DFT of 4a points, a being 2, 4 or 8: a-point transforms, twiddles,
// then 4-point ones.
func (t *target) tree(x []pair, a int) []pair {
	n := len(x)
	rows := make([][]pair, a) // rows[j1][k2]
	for k2 := range 4 {
		col := make([]pair, a)
		for k1 := range a {
			col[k1] = x[k2+4*k1]
		}
		for j1, y := range t.dft(col) {
			rows[j1] = append(rows[j1], y)
		}
	}
	out := make([]pair, n)
	for j1, row := range rows {
		c := [4]float64{1, 1, 1, 1}
		for k2 := 1; k2 < 4; k2++ {
			row[k2], c[k2] = t.turn(row[k2], j1*k2, n)
		}
		for j2, y := range t.dft4(row, c) {
			out[j1+a*j2] = y
		}
	}
	return out
}

// turn is x·exp(-2πi·k/n) without a real factor, which is returned: the
// product is factor·(x.re + tan·x.im, x.im - tan·x.re).
func (t *target) turn(x pair, k, n int) (y pair, factor float64) {
	switch 4 * k {
	case 0:
		return x, 1
	case n: // times -i: swap, and leave the sign to the caller's factor
		return pair{x.im, t.negative(x.re)}, 1
	}
	c, tan := tangent(k, n)
	return pair{t.addScaled(x.re, tan, x.im), t.addScaled(x.im, -tan, x.re)}, c
}

// tangent gives the cosine and the tangent of 2πk/n, k no quarter of n.
func tangent(k, n int) (c, tan float64) {
	c, s := root(k, n)
	if 8*k%n == 0 { // odd multiples of an eighth turn
		return math.Copysign(math.Sqrt2/2, c), math.Copysign(1, s/c)
	}
	return c, s / c
}

// root is exp(2πi·k/n), reduced to an eighth of a turn so that equal
// magnitudes are equal constants.
func root(k, n int) (re, im float64) {
	quarter := (8*k + n) / (2 * n)
	s, c := math.Sincos(math.Pi / 2 * float64(4*k-quarter*n) / float64(n))
	switch quarter % 4 {
	case 1:
		return -s, c
	case 2:
		return -c, -s
	case 3:
		return s, -c
	}
	return c, s
}

// negative marks -v; addition and subtraction take the sign away.
func (t *target) negative(v *value) *value {
	return &value{kind: negated, a: v}
}

// odd is the DFT of an odd number of points.
func (t *target) odd(x []pair) []pair {
	r := len(x)
	h := (r - 1) / 2
	sums, diffs := make([]pair, h+1), make([]pair, h+1)
	y := make([]pair, r)
	y[0] = x[0]
	for k := 1; k <= h; k++ {
		sums[k], diffs[k] = t.sum(x[k], x[r-k]), t.diff(x[k], x[r-k])
		y[0] = t.sum(y[0], sums[k])
	}
	if r == 3 {
		s := math.Sqrt(3) / 2
		a, d := pair{t.addScaled(x[0].re, -0.5, sums[1].re), t.addScaled(x[0].im, -0.5, sums[1].im)}, diffs[1]
		y[1] = pair{t.addScaled(a.re, s, d.im), t.addScaled(a.im, -s, d.re)}
		y[2] = pair{t.addScaled(a.re, -s, d.im), t.addScaled(a.im, s, d.re)}
		return y
	}
	for j := 1; j <= h; j++ {
		a := x[0]
		var b pair // the sine half: y[j] = a - i·b
		for k := 1; k <= h; k++ {
			c, s := root(j*k%r, r)
			a = pair{t.addScaled(a.re, c, sums[k].re), t.addScaled(a.im, c, sums[k].im)}
			b = t.accumulate(b, s, diffs[k])
		}
		y[j] = pair{t.add(a.re, b.im), t.sub(a.im, b.re)}
		y[r-j] = pair{t.sub(a.re, b.im), t.add(a.im, b.re)}
	}
	return y
}

// accumulate is b + s·d; b may be empty if s > 0.
func (t *target) accumulate(b pair, s float64, d pair) pair {
	if b.re == nil {
		return pair{t.mul(d.re, t.real(s)), t.mul(d.im, t.real(s))}
	}
	return pair{t.addScaled(b.re, s, d.re), t.addScaled(b.im, s, d.im)}
}
