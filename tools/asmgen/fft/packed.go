package fft

import "github.com/mmcloughlin/avo/operand"

// A packed vector is a register of interleaved numbers, W/2 of them. A number takes
// one register instead of two, so 16 points are transformed in 16 registers with
// a few spills, where planar ones spill most of theirs; for that every
// multiplication by i or a twiddle takes a shuffle, but neither end does.

// packed is a vector as it is, or one that is yet to be multiplied by -i.
type packed struct {
	v      *value
	turned bool
}

// exchanged has the parts of each number exchanged.
func (t *target) exchanged(v *value) *value {
	if t.size == 4 {
		return t.shuffle("VSHUFPS", 0xb1, v, v)
	}
	return t.shuffle("VSHUFPD", 0x5, v, v)
}

// addTurned is a - i·c·b, given b with its parts exchanged.
func (t *target) addTurned(a *value, c float64, b *value) *value {
	minus := c < 0
	if minus {
		c = -c
	}
	m := t.constants(c, -c)
	return t.madd(b, factor{mem: &m}, a, minus)
}

// packedDFT is [target.dft] of packed vectors, whose number is also a product of a
// power of two and 3, 5 or 15.
func (t *target) packedDFT(x []*value) []*value {
	n := len(x)
	power := n & -n
	switch {
	case n == 2:
		return []*value{t.add(x[0], x[1]), t.sub(x[0], x[1])}
	case power == n:
		return t.packedTree(x)
	case power > 1:
		return t.packedCoprime(x, n/power, power)
	case n == 15:
		return t.packedCoprime(x, 3, 5)
	}
	return t.packedOdd(x)
}

// packedCoprime is the DFT of a·b points where a and b have no common divisor: number
// b·i + a·j goes in at (i, j), and number k comes out at (k mod a, k mod b), so
// that there are no twiddles (Good, J. R. Statist. Soc. B 20, 1958). fftCoprime of
// kernels/simd is its twin.
func (t *target) packedCoprime(x []*value, a, b int) []*value {
	rows := make([][]*value, a) // rows[k mod a][j]
	for j := range b {
		col := make([]*value, a)
		for i := range col {
			col[i] = x[(b*i+a*j)%(a*b)]
		}
		for k, y := range t.packedDFT(col) {
			rows[k] = append(rows[k], y)
		}
	}
	for i, row := range rows {
		rows[i] = t.packedDFT(row)
	}
	out := make([]*value, a*b)
	for k := range out {
		out[k] = rows[k%a][k%b]
	}
	return out
}

// packedOdd is [target.odd] of packed vectors. A sine half is a sum times the sine of
// its first term, so its parts are exchanged once.
func (t *target) packedOdd(x []*value) []*value {
	r := len(x)
	h := (r - 1) / 2
	sums, diffs := make([]*value, h+1), make([]*value, h+1)
	y := make([]*value, r)
	y[0] = x[0]
	for k := 1; k <= h; k++ {
		sums[k], diffs[k] = t.add(x[k], x[r-k]), t.sub(x[k], x[r-k])
		y[0] = t.add(y[0], sums[k])
	}
	for j := 1; j <= h; j++ {
		a, b := x[0], diffs[1]
		_, first := root(j, r)
		for k := 1; k <= h; k++ {
			c, s := root(j*k%r, r)
			a = t.addScaled(a, c, sums[k])
			if k > 1 {
				b = t.addScaled(b, s/first, diffs[k])
			}
		}
		b = t.exchanged(b)
		y[j], y[r-j] = t.addTurned(a, first, b), t.addTurned(a, -first, b)
	}
	return y
}

// packedTree is the DFT of 4, 8 or 16 packed vectors.
func (t *target) packedTree(x []*value) []*value {
	n := len(x)
	a := n / 4
	rows := make([][]*value, a) // rows[j1][k2]
	for k2 := range 4 {
		col := x[k2:][:1]
		if a > 1 {
			col = make([]*value, a)
			for k1 := range a {
				col[k1] = x[k2+4*k1]
			}
			col = t.packedDFT(col)
		}
		for j1, y := range col {
			rows[j1] = append(rows[j1], y)
		}
	}
	out := make([]*value, n)
	for j1, row := range rows {
		var in [4]packed
		var c [4]float64
		for k2, v := range row {
			in[k2], c[k2] = t.packedTurn(v, j1*k2, n)
		}
		for j2, y := range t.packedDFT4(in, c) {
			out[j1+a*j2] = y
		}
	}
	return out
}

// packedDFT4 is the DFT of c[i]·x[i]; c[0] is 1, and x[2] alone may be turned.
func (t *target) packedDFT4(x [4]packed, c [4]float64) [4]*value {
	var s, d *value
	if x[2].turned {
		e := t.exchanged(x[2].v)
		s, d = t.addTurned(x[0].v, c[2], e), t.addTurned(x[0].v, -c[2], e)
	} else {
		s, d = t.addScaled(x[0].v, c[2], x[2].v), t.addScaled(x[0].v, -c[2], x[2].v)
	}
	q := c[3] / c[1]
	u, v := t.addScaled(x[1].v, q, x[3].v), t.exchanged(t.addScaled(x[1].v, -q, x[3].v))
	return [4]*value{t.addScaled(s, c[1], u), t.addTurned(d, c[1], v), t.addScaled(s, -c[1], u), t.addTurned(d, -c[1], v)}
}

// packedTurn is [target.turn] of a packed vector.
func (t *target) packedTurn(x *value, k, n int) (packed, float64) {
	switch 4 * k {
	case 0:
		return packed{x, false}, 1
	case n:
		return packed{x, true}, 1
	}
	c, tan := tangent(k, n)
	return packed{t.addTurned(x, tan, t.exchanged(x)), false}, c
}

// packedTimes is y times the twiddles at m: a vector of their cosines, each twice,
// and one of their sines, negative and positive.
func (t *target) packedTimes(y *value, m operand.Mem) *value {
	sines := m.Offset(t.bytes())
	return t.madd(t.exchanged(y), factor{mem: &sines}, t.mul(y, factor{mem: &m}), false)
}

// packedTurned is the transpose of a square of packed vectors.
func (t *target) packedTurned(x []*value) []*value {
	if t.size == 8 {
		return t.exchange(x)
	}
	a, b := t.exchange([]*value{x[0], x[2]}), t.exchange([]*value{x[1], x[3]})
	var out []*value
	for i := range a {
		out = append(out, t.shuffle("VUNPCKLPD", -1, a[i], b[i]), t.shuffle("VUNPCKHPD", -1, a[i], b[i]))
	}
	return out
}
